/*
 * task_run.c
 *		Run a maintenance task, safely.
 *
 * The background worker is logged in as the bootstrap superuser, and tasks
 * write to tables on which users can have triggers, constraints and indexes.
 * So a task runs as the extension's owner, in a restricted operation, as the
 * server's own maintenance runs with the rights of a table's owner: no code
 * that it calls can take on the session's user, defer a trigger until after the
 * task, or create a temporary object that a later one finds.  The settings that
 * a task depends on are set for its run, and those that it changes are set back.
 *
 * A task whose time is over is cancelled by a timeout of its own, because
 * run_maintenance() runs under the session's statement_timeout.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "base/schema.h"
#include "ops/task_run.h"

/* what a task depends on, and the owner of a database or a session may set */
static const struct
{
	const char *name;
	const char *value;
} settings[] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"check_function_bodies", "on"},
	{"DateStyle", "ISO"},
	{"default_table_access_method", "heap"},
	{"default_tablespace", ""},
	{"default_toast_compression", "pglz"},
	{"IntervalStyle", "postgres"},
	{"researcharr.audit", "on"},
	{"researcharr.user_id", ""},
	{"row_security", "on"},
	{"session_replication_role", "origin"},
	{"xmloption", "content"},
};

static TimeoutId time_limit = MAX_TIMEOUTS; /* the timeout, once registered */
static volatile sig_atomic_t timed_out = false;

/*
 * Find the extension in this database.  Returns false if it is not there.
 * owner: may be NULL.
 */
static bool
find_extension(Oid *oid, Oid *owner)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(RARR_SCHEMA));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		*oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		*owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Does this database have the extension? */
bool
rarr_extension_exists(void)
{
	Oid oid;
	Oid owner;

	return find_extension(&oid, &owner);
}

/*
 * Lock a part of the extension until the end of the transaction: 0 stands for
 * the extension itself.  Returns false if another session has it and wait is
 * false.
 */
static bool
lock_part(Oid extension, uint16 part, LOCKMODE mode, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension, part);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Lock a task, so that no two sessions run it at a time, and the extension, so
 * that nobody drops it meanwhile.
 */
static bool
lock_task(Oid extension, const RarrTask *task, bool wait)
{
	uint16 part = (uint16) string_hash(task->name, strlen(task->name) + 1) | 1;

	return lock_part(extension, part, ExclusiveLock, wait) && lock_part(extension, 0, AccessShareLock, wait);
}

/* The timeout's handler: cancel what runs. */
static void
cancel_run(void)
{
	timed_out = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
start_timeout(int msec)
{
	timed_out = false;
	if (msec == 0)
		return;
	if (time_limit == MAX_TIMEOUTS)
		time_limit = RegisterTimeout(USER_TIMEOUT, cancel_run);
	enable_timeout_after(time_limit, msec);
}

/* Was the run that has just failed cancelled because its time was over? */
bool
rarr_task_timed_out(void)
{
	return timed_out;
}

/*
 * After a run, also a failed one: the time limit does not count any more.  A
 * cancel that came too late is forgotten.
 */
void
rarr_task_clean_up(void)
{
	if (time_limit != MAX_TIMEOUTS)
		disable_timeout(time_limit, false);
	if (timed_out)
		QueryCancelPending = false;
}

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Run a task, in the current transaction or subtransaction.  The caller commits
 * or, after an error, rolls back, and calls rarr_task_clean_up().  wait: for
 * another session that runs the task, or drops the extension.  If that is false,
 * and there is one, the task is due again in a second.
 *
 * Returns false if there is no extension.  Raises the task's errors, and 57014
 * if its time is over.
 */
bool
rarr_task_run(const RarrTask *task, RarrTaskRun *run, bool wait)
{
	Oid extension;
	Oid owner;
	Oid user;
	int context;
	int level;
	char timeout[16];

	if (!find_extension(&extension, &owner))
		return false;
	if (!lock_task(extension, task, wait))
	{
		rarr_task_after(run, 1000);
		return true;
	}
	/* it may have been dropped before we had the lock */
	AcceptInvalidationMessages();
	if (!find_extension(&extension, &owner))
		return false;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
	level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(settings); i++)
		set_locally(settings[i].name, settings[i].value);
	snprintf(timeout, sizeof(timeout), "%d", task->lock_timeout);
	set_locally("lock_timeout", timeout);

	start_timeout(task->time_limit);
	PushActiveSnapshot(GetTransactionSnapshot());
	task->run(run);
	PopActiveSnapshot();
	rarr_task_clean_up();

	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, context);
	if (run->lazy_commit)
		(void) set_config_option("synchronous_commit", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	return true;
}
