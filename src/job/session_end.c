/*
 * session_end.c
 *		Jobs of a session that ends, and that had researcharr.bind_leases on.
 *
 * When a session ends, it hands back those of its jobs that are still running
 * under the attempt that it claimed (core/session_jobs.c), in a transaction of
 * its own, as a lease's end would: a failed try.
 *
 * A session that ends takes no interrupts, so nothing there may wait: where a
 * lock is not to be had, on a table, an index or a job, the lease's end
 * applies.  It runs no code of users' either, and breaks no rule of theirs,
 * since an error would end it as FATAL: the same where one of the tables has
 * triggers, unique indexes or generated columns of theirs, or functions in a
 * CHECK or an index (base/at_exit.c).  And the commit does not wait for the
 * disk or a standby: if it is lost, the lease's end applies again.  When the
 * server crashes, nothing runs at all.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/at_exit.h"
#include "base/own_index.h"
#include "base/schema.h"
#include "job/call.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/core/session_jobs.h"
#include "job/lapse.h"
#include "job/session_end.h"

/*
 * The session that claimed these jobs ends: those that are still running under
 * their attempt have lapsed (lapse.c).  False if the transaction must not commit.
 *
 * Waits for nobody, runs no code of users' and raises no error (base/at_exit.c);
 * the caller has seen that processing_jobs may be written to.  A job that somebody
 * has locked is left alone, and one whose next version a CHECK would refuse.
 */
static bool
return_jobs(const RarrSessionJob *session_jobs, int n)
{
	RarrJobCall call;
	List	   *checks;
	bool		done;

	rarr_job_call_begin(&call, "bind_leases");
	call.wait = LockWaitSkip;
	done = !call.jobs->has_triggers;
	checks = done ? rarr_exit_prepare_checks(call.jobs) : NIL;
	for (int i = 0; i < n && done; i++)
	{
		int			change;

		if (!rarr_job_call_lock(&call, UUIDPGetDatum(&session_jobs[i].id)) ||
			!rarr_job_has_status(call.jobs->oldslot) ||
			!rarr_job_is_running_under(call.jobs, session_jobs[i].attempt))
			continue;
		change = rarr_lapse_at_session_end(call.jobs, &call.log, call.now);
		if (rarr_exit_checks_hold(call.jobs, checks, call.jobs->newslot))
			rarr_job_call_write(&call, change);
		else
			call.log.n--;
	}
	rarr_table_close(call.jobs);
	done = done && rarr_job_log_write_at_exit(&call.log);
	PopActiveSnapshot();
	return done;
}

/*
 * Can jobs be handed back?  Locks processing_jobs if so.  The history is looked
 * at when a row is written to it.
 */
static bool
can_return_jobs(void)
{
	static const RarrIndexDef *const own_indexes[] = {&rarr_job_id_index, &rarr_job_unique_index, NULL};
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(rarr_job_table.name, schema) : InvalidOid;
	Relation	jobs;
	bool		result;

	if (!OidIsValid(relid) || !rarr_exit_has_lock_room(relid) || !rarr_exit_lock_table(relid))
		return false;
	jobs = table_open(relid, NoLock);
	result = rarr_columns_fit(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, false) &&
		rarr_exit_may_write(jobs, 0, own_indexes) &&
		OidIsValid(rarr_index_oid(jobs, &rarr_job_id_index));
	table_close(jobs, NoLock);
	return result;
}

/* before_shmem_exit callback */
static void
return_at_exit(int code, Datum arg)
{
	int			n;
	RarrSessionJob *jobs;

	if (!rarr_session_jobs_any() || RecoveryInProgress())
		return;
	AbortOutOfAnyTransaction();
	rarr_job_types_freeze();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	jobs = rarr_session_jobs_list(&n);
	if (can_return_jobs() && return_jobs(jobs, n))
		CommitTransactionCommand();
	else
		AbortCurrentTransaction();
}

/*
 * This session has claimed a job under this attempt: its lease ends with the
 * session.
 */
void
rarr_session_bind_lease(const pg_uuid_t *id, int32 attempt)
{
	static bool registered = false;

	if (!registered)
	{
		before_shmem_exit(return_at_exit, (Datum) 0);
		registered = true;
	}
	rarr_session_jobs_add(id, attempt);
}
