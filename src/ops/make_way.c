/*
 * make_way.c
 *		Keep workers out of the way of commands that need a database for
 *		themselves.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and SET TABLESPACE, and CREATE
 * DATABASE with the database as template wait for its sessions to end, for 5 s.
 * Before that this file's utility hook ends the database's workers, as the
 * server ends autovacuum's, and keeps new ones away until the transaction ends.
 *
 * It also tells the launcher of new databases, and has the worker look at this
 * database when an extension is dropped or a prepared transaction committed.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/task.h"
#include "ops/make_way.h"
#include "ops/task_run.h"
#include "ops/worker_state.h"

static ProcessUtility_hook_type prev_utility = NULL;

/* what the current transaction has to do at its end */
static bool keeps_away = false;
static bool makes_database = false;
static Oid dropped = InvalidOid;

/* Keep workers away from a database, and end those that are there. */
static void
keep_away(Oid database)
{
	RarrAway *away = NULL;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_MAX_AWAY && away == NULL; i++)
		if (!OidIsValid(rarr_workers->away[i].database) ||
			(rarr_workers->away[i].database == database && rarr_workers->away[i].holder == MyProcPid))
			away = &rarr_workers->away[i];
	if (away != NULL)
	{
		away->database = database;
		away->holder = MyProcPid;
		keeps_away = true;
	}
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
	{
		const RarrWorker *worker = &rarr_workers->workers[i];

		if (worker->serial != 0 && worker->database == database && worker->pid != 0)
			(void) kill(worker->pid, SIGTERM);
	}
	LWLockRelease(&rarr_workers->lock);
}

/* At the transaction's end.  Cannot fail. */
static void
at_xact_end(XactEvent event, void *arg)
{
	int entry;

	if ((!keeps_away && !makes_database) ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_MAX_AWAY; i++)
		if (rarr_workers->away[i].holder == MyProcPid)
			rarr_workers->away[i] = (RarrAway){InvalidOid, 0};
	entry = OidIsValid(dropped) && event == XACT_EVENT_COMMIT ? rarr_worker_find_database(dropped) : -1;
	if (entry >= 0)
		rarr_worker_forget_database(entry);
	rarr_workers->relist = true;
	rarr_worker_wake_launcher();
	LWLockRelease(&rarr_workers->lock);
	keeps_away = makes_database = false;
	dropped = InvalidOid;
}

/* May the role copy the database without owning it? */
static bool
may_copy(Oid role, Oid database)
{
	HeapTuple role_tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	HeapTuple database_tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool result = HeapTupleIsValid(role_tuple) && HeapTupleIsValid(database_tuple) &&
				  ((Form_pg_authid) GETSTRUCT(role_tuple))->rolcreatedb &&
				  ((Form_pg_database) GETSTRUCT(database_tuple))->datistemplate;

	if (HeapTupleIsValid(role_tuple))
		ReleaseSysCache(role_tuple);
	if (HeapTupleIsValid(database_tuple))
		ReleaseSysCache(database_tuple);
	return result;
}

/*
 * May the current user do this to the database, or will the statement fail?  A
 * role without the right must not be able to end workers.
 */
static bool
is_allowed(Node *statement, Oid database)
{
	if (superuser() || rarr_is_database_owner(database, GetUserId()))
		return true;
	return IsA(statement, CreatedbStmt) && may_copy(GetUserId(), database);
}

/* The value of an option of CREATE DATABASE or ALTER DATABASE, or NULL. */
static char *
option(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst(lc);

		if (strcmp(def->defname, name) == 0 && def->arg != NULL)
			return defGetString(def);
	}
	return NULL;
}

/* The database that a statement needs without other sessions, or NULL. */
static const char *
database_of(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE ? ((RenameStmt *) statement)->subname : NULL;
		case T_AlterDatabaseStmt:
			return option(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL ?
					   ((AlterDatabaseStmt *) statement)->dbname :
					   NULL;
		case T_CreatedbStmt:
		{
			const char *template = option(((CreatedbStmt *) statement)->options, "template");

			return template != NULL ? template : "template1";
		}
		default:
			return NULL;
	}
}

/* Can the statement drop the extension? */
static bool
may_drop_extension(Node *statement)
{
	if (IsA(statement, DropStmt))
	{
		ObjectType type = ((DropStmt *) statement)->removeType;

		return type == OBJECT_EXTENSION || type == OBJECT_SCHEMA;
	}
	return IsA(statement, DropOwnedStmt);
}

static bool
is_commit_prepared(Node *statement)
{
	return IsA(statement, TransactionStmt) && ((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED;
}

/* ProcessUtility hook */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node *statement = pstmt->utilityStmt;
	const char *name = database_of(statement);
	bool prepared = is_commit_prepared(statement);
	Oid database = name != NULL ? get_database_oid(name, true) : InvalidOid;

	if (OidIsValid(database) && is_allowed(statement, database))
		keep_away(database);
	if (may_drop_extension(statement) || prepared)
		rarr_task_wake_all_at_commit(false);
	if (IsA(statement, CreatedbStmt))
		makes_database = true;
	if (IsA(statement, DropdbStmt))
		dropped = database;
	(prev_utility != NULL ? prev_utility : standard_ProcessUtility)(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	/* a prepared transaction can have installed the extension; the statement may be freed by now */
	if (prepared && !rarr_worker_knows_database() && rarr_extension_exists())
		rarr_task_wake_all_at_commit(true);
}

/* Register the hook and the callback, at preload. */
void
rarr_make_way_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
