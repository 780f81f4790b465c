/*
 * session_end.c
 *		Return a session's jobs to the queue when the session ends.
 *
 * With researcharr.bind_leases, a session that ends records a lapse (lapse.c)
 * of each of its jobs (core/session_jobs.c) that is still running under its
 * attempt, in a transaction of its own.
 *
 * A session that ends processes no interrupts, so this code must not wait for
 * locks, and an error would become FATAL.  It tries for half a second to get them:
 * VACUUM, and whoever makes a partition, hold theirs for moments.  It gives up
 * then, or if a table has anything of users' that may fail (base/at_exit.c).  The
 * jobs lapse when their leases end.  They also do if a crash loses the commit,
 * which is asynchronous.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "storage/ipc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
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

/* how often, and after how many microseconds, to try again to get locks */
#define MAX_TRIES       50
#define TRY_INTERVAL_US 10000

/*
 * Record a lapse of those of n jobs that are still running under their
 * attempt.  Returns false if the transaction must be rolled back.
 *
 * This does not wait, runs no users' code and raises no error
 * (base/at_exit.c).  The caller has checked that processing_jobs can be
 * written to.  Jobs that other transactions have locked are skipped, and so
 * are jobs whose new version would violate a CHECK constraint.
 */
static bool
return_jobs(const RarrSessionJob *session_jobs, int n)
{
	RarrJobCall call;
	List *checks;
	bool done;

	rarr_job_call_begin(&call, "bind_leases");
	call.wait = LockWaitSkip;
	done = !call.jobs->has_triggers;
	checks = done ? rarr_exit_prepare_checks(call.jobs) : NIL;
	for (int i = 0; i < n && done; i++)
	{
		int change;

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
 * Can jobs be returned?  If so, processing_jobs is then locked.  The history
 * is checked when rows are written to it.
 */
static bool
can_return_jobs(void)
{
	static const RarrIndexDef *const own_indexes[] = {&rarr_job_id_index, &rarr_job_unique_index, NULL};
	Oid schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid relid = OidIsValid(schema) ? get_relname_relid(rarr_job_table.name, schema) : InvalidOid;
	Relation jobs;
	bool result;

	if (!OidIsValid(relid) || !rarr_exit_has_lock_room(relid) || !rarr_exit_lock_table(relid))
		return false;
	jobs = table_open(relid, NoLock);
	result = rarr_columns_fit(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, false) &&
			 rarr_exit_may_write(jobs, 0, own_indexes) &&
			 OidIsValid(rarr_index_oid(jobs, &rarr_job_id_index));
	table_close(jobs, NoLock);
	return result;
}

/*
 * Return the session's jobs to the queue.  Returns false if another try may do it,
 * because a lock was refused.
 */
static bool
try_to_return(void)
{
	int n;
	RarrSessionJob *jobs;
	bool done;

	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	(void) rarr_exit_lock_refused();
	jobs = rarr_session_jobs_list(&n);
	done = can_return_jobs() && return_jobs(jobs, n);
	if (done)
		CommitTransactionCommand();
	else
		AbortCurrentTransaction();
	return done || !rarr_exit_lock_refused();
}

/* before_shmem_exit callback: return the session's jobs to the queue */
static void
return_at_exit(int code, Datum arg)
{
	if (!rarr_session_jobs_any() || RecoveryInProgress())
		return;
	AbortOutOfAnyTransaction();
	rarr_job_types_freeze();
	for (int i = 0; !try_to_return() && i < MAX_TRIES; i++)
		pg_usleep(TRY_INTERVAL_US);
}

/*
 * Let the lease of a job, which this session has claimed under this attempt,
 * end with the session.
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
