/*
 * limits.c
 *		Enforce max_running and rates of job types in a dequeue.
 *
 * README.md explains how jobs are counted.  If a type's running set is
 * incomplete and its running jobs do not fit into it, the dequeue keeps the
 * type's lock until its claims are written, and releases it then.  The next
 * dequeue can read these claims although they are not committed.  So dequeues
 * of such a type take turns, but nobody waits for another transaction to end.
 *
 * A lapsed job is running before and after it is claimed, so such a claim
 * needs no reservation.  A type at its limit yields lapsed jobs only.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/own_index.h"
#include "job/core/job_row.h"
#include "job/limits/count.h"
#include "job/limits/limits.h"
#include "job/limits/pending.h"

/*
 * the running jobs are read again after this; see rarr_running_set_populate()
 */
#define RECOUNT_DELAY USECS_PER_SEC

/* the pause after a sweep: a multiple of its duration, and the longest one */
#define SWEEP_PAUSE         1
#define LONGEST_SWEEP_PAUSE (10 * USECS_PER_SEC)

/*
 * The lock under which the running jobs of a type are read.  It cannot
 * conflict with a lock of the server, because its class is the OID of
 * processing_jobs.
 */
static LOCKTAG
type_lock(Relation jobs, const RarrJobType *type)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(jobs),
					   hash_bytes((const unsigned char *) type->name, strlen(type->name)), 1);
	return tag;
}

/* The type is at its limit: yield only the lapsed jobs. */
static void
allow_only_lapsed(RarrLimitUse *use, const RarrRunningJobs *running)
{
	use->only_lapsed = true;
	use->lapsed = running->lapsed;
	use->nlapsed = running->nlapsed;
	use->closed = running->nlapsed == 0;
}

/*
 * The set is incomplete, or there is none: read the type's running jobs from
 * the table.  They are stored in the set, or else the type's lock is kept.
 *
 * Other sessions do not know a policy that this transaction wrote and did not
 * commit.  They claim by the old policy, and jobs that are read now do not
 * include their next claims.  So nothing is stored in the set.  The set is
 * also invalidated, because the claims that this session makes are not in it.
 *
 * If this session has the lock already, a trigger that is fired by a claim of
 * the type calls the dequeue again.  It gets no job of the type.
 */
static void
read_running(RarrLimitUse *use, RarrTable *jobs, TimestampTz now)
{
	LOCKTAG tag = type_lock(jobs->rel, use->type);
	RarrLimitState state = {0};
	RarrRunningJobs running;
	bool own = use->counts && rarr_job_type_is_uncommitted(use->type);
	bool has_slot;

	if (LockAcquire(&tag, ExclusiveLock, false, false) == LOCKACQUIRE_ALREADY_HELD)
	{
		LockRelease(&tag, ExclusiveLock, false);
		use->closed = true;
		return;
	}
	if (own && use->ref.slot >= 0)
		rarr_limit_invalidate(&use->ref);
	has_slot = rarr_limit_state(&use->ref, use->type, now, &state);
	use->by_lock = !has_slot || own;
	use->left = INT_MAX;
	if (use->type->max_running > 0 && (!has_slot || !state.counted))
	{
		int64 recount_at = state.recount ? PG_INT64_MAX : rarr_monotonic_now() + RECOUNT_DELAY;

		rarr_running_read(jobs->rel, rarr_table_index(jobs, &rarr_job_dequeue_index), use->type->name,
						  now, &running);
		if (has_slot && !own)
			use->by_lock = !rarr_running_set_populate(&use->ref, use->type, running.jobs, running.n,
													  state.invalidations, recount_at);
		if (use->by_lock)
			use->left = use->type->max_running - running.n - state.open + running.freed;
	}
	if (use->by_lock)
		rarr_running_set_reclaim();
	else
		LockRelease(&tag, ExclusiveLock, false);
	if (use->by_lock && use->left <= 0)
		allow_only_lapsed(use, &running);
	rarr_limits_warn_full();
}

/*
 * The type seems to be at its limit: check each job of the set in the table.
 * Removes those that are no longer running, and finds those that have lapsed.
 */
static void
sweep(RarrLimitUse *use, RarrTable *jobs, const RarrLimitState *state, TimestampTz now)
{
	int n = state->running;
	RarrRunningJob *set = palloc_extended(n * sizeof(RarrRunningJob), MCXT_ALLOC_HUGE);
	int64 start = rarr_monotonic_now();
	RarrRunningJobs running;
	int64 pause;
	int gone;

	use->closed = state->running - use->freed >= use->type->max_running;
	if (!rarr_running_set_begin_sweep(&use->ref, start, set, &n))
		return;
	gone = rarr_running_check(jobs->rel, rarr_table_index(jobs, &rarr_job_id_index), use->type->name,
							  set, n, now, &running);
	pause = (rarr_monotonic_now() - start) * SWEEP_PAUSE;
	rarr_running_set_end_sweep(&use->ref, set, gone, running.lapse, start,
							   start + Min(pause, LONGEST_SWEEP_PAUSE));
	if (state->running - use->freed - gone >= use->type->max_running)
		allow_only_lapsed(use, &running);
	else
		use->closed = false;
}

/*
 * Begin to claim jobs of a type.  now: the start of the dequeue, by the system
 * clock.  Returns what the type may yield, in the current memory context, or
 * NULL if the type has no limits.  The caller passes the result to
 * rarr_limits_close() after it has written its claims.
 *
 * If the type's running set is incomplete, this waits for other dequeues of
 * the type to write their claims.  Raises no errors but those of reading the
 * table.  Issues a warning (53400) if shared memory is full.
 */
RarrLimitUse *
rarr_limits_open(RarrTable *jobs, const RarrJobType *type, TimestampTz now)
{
	RarrLimitState state = {0};
	RarrLimitUse *use;
	bool has_slot;

	if (type->max_running == 0 && type->rate_limit == 0)
		return NULL;
	use = palloc0(sizeof(RarrLimitUse));
	use->type = type;
	use->counts = type->max_running > 0;
	use->entry = -1;

	/*
	 * The transaction has rewritten the table, by TRUNCATE for example.  If it
	 * aborts, other jobs are running than those in the new file.
	 */
	use->closed = type->max_running > 0 && rarr_has_new_file(jobs->rel);
	if (use->closed)
		return use;
	use->ref = rarr_limit_find(RelationGetRelid(jobs->rel), type, true);
	has_slot = rarr_limit_state(&use->ref, type, now, &state);
	use->closed = has_slot && state.token_at > now;
	if (use->closed || (has_slot && type->max_running == 0))
		return use;
	if (!has_slot || !state.counted)
	{
		read_running(use, jobs, now);
		has_slot = rarr_limit_state(&use->ref, type, now, &state);
	}
	if (use->by_lock || use->closed)
		return use;
	use->freed = rarr_limits_pending_freed(&use->ref);
	use->closed = state.running - use->freed >= type->max_running;
	if ((use->closed || state.recheck) && state.sweep_at <= now)
		sweep(use, jobs, &state, now);
	return use;
}

/*
 * End the claims of a type, which are written: write the token bucket, if it is
 * in the table, and release the type's lock.  Raises the errors of
 * rarr_rate_close().
 */
void
rarr_limits_close(RarrTable *jobs, RarrLimitUse *use)
{
	LOCKTAG tag;

	if (use == NULL || !use->by_lock)
		return;
	rarr_rate_close(&use->rate);
	tag = type_lock(jobs->rel, use->type);
	LockRelease(&tag, ExclusiveLock, false);
}

/*
 * Reserve an entry of the running set and a token for a job, before it is
 * locked.  job: as the dequeue's snapshot shows it, deformed.  Returns false if
 * the limits do not allow the claim.  Otherwise the job counts as running until
 * rarr_limits_cancel_reservation() or the transaction's abort.
 *
 * Issues a warning (53400) if shared memory is full.  Raises the errors of
 * rarr_rate_take().
 */
bool
rarr_limits_reserve(RarrLimitUse *use, TupleTableSlot *job)
{
	int entry;

	use->running = rarr_job_status(job) == JOB_RUNNING;
	use->entry = -1;
	if (use->only_lapsed && !use->running)
		return false;
	if (use->by_lock && !use->running && use->left <= 0)
		return false;
	if (use->ref.slot < 0)
	{
		use->token = use->type->rate_limit > 0;
		return !use->token || rarr_rate_take(&use->rate, use->type);
	}

	/*
	 * allocate first: nothing may fail between the reservation and its entry
	 */
	entry = rarr_limits_pending_prepare(&use->ref);
	if (rarr_running_set_reserve(&use->ref, use->type, use->freed, use->running || use->by_lock,
								 &use->job, &use->token) != RARR_RESERVED)
	{
		rarr_limits_pending_drop(entry);
		rarr_limits_warn_full();
		return false;
	}
	rarr_limits_pending_claim(entry, &use->job, use->token, use->by_lock && !use->running);
	use->entry = entry;
	return true;
}

/*
 * Bind the reservation to a job that is now locked.  job: its latest version,
 * deformed; lease_end: by the system clock.  Returns false if the job was
 * running when the reservation was made, and is not any more: then it needs
 * another reservation.  Raises no error.
 */
bool
rarr_limits_bind(RarrLimitUse *use, TupleTableSlot *job, TimestampTz lease_end)
{
	if (use->running && rarr_job_status(job) != JOB_RUNNING)
		return false;
	if (use->entry >= 0)
		rarr_limits_pending_bind(use->entry, rarr_job_id(job),
								 rarr_job_int(job, JOB_ATTEMPT) + 1, lease_end);
	return true;
}

/* The job is claimed.  Cannot fail. */
void
rarr_limits_confirm_reservation(RarrLimitUse *use)
{
	if (use->by_lock && !use->running)
		use->left--;
}

/* The job is not claimed: return reservation and token.  Cannot fail. */
void
rarr_limits_cancel_reservation(RarrLimitUse *use)
{
	if (use->ref.slot < 0 && use->token)
		rarr_rate_return(&use->rate);
	if (use->entry < 0)
		return;
	rarr_limits_pending_undo(use->entry);
	use->entry = -1;
}

/*
 * Check whether the type got a max_running while a dequeue claimed jobs of it
 * without reservations.  The claims are written.  A session that has read the
 * running jobs before that may have missed them, so the set is invalidated,
 * now and if the transaction aborts.  table: the OID of processing_jobs; use:
 * the result of rarr_limits_open().  Raises no errors but those of reading
 * job_types and of allocation.
 */
void
rarr_limits_check_late(Oid table, const RarrJobType *type, const RarrLimitUse *use)
{
	const RarrJobType *policy;
	RarrLimitRef ref;

	if ((use != NULL && use->counts) || !rarr_limits_any())
		return;
	policy = rarr_job_type_find(type->name);
	if (policy == NULL || policy->max_running == 0)
		return;
	ref = rarr_limit_find(table, policy, false);
	if (ref.slot >= 0)
		rarr_limits_pending_late(&ref);
}

/*
 * Return the earliest time at which the limits allow a job of the type to
 * start, or a lapsed one to be claimed.  now and the result are by the system
 * clock.  DT_NOBEGIN means now, and DT_NOEND not before another session does
 * something, which then calls rarr_agenda_notify().  Raises no error.
 */
TimestampTz
rarr_limits_yield_at(Oid table, const RarrJobType *type, TimestampTz now)
{
	TimestampTz at = DT_NOBEGIN;
	RarrLimitState state;
	RarrLimitRef ref;

	if (type->paused)
		return DT_NOEND;
	if (type->max_running == 0 && type->rate_limit == 0)
		return DT_NOBEGIN;
	ref = rarr_limit_find(table, type, false);
	if (!rarr_limit_state(&ref, type, now, &state))
		return DT_NOBEGIN;
	if (type->max_running > 0 && !state.counted)
		return DT_NOBEGIN;
	if (type->max_running > 0 && state.running >= type->max_running &&
		state.running - rarr_limits_pending_freed(&ref) >= type->max_running)
		at = state.sweep_at;
	return Max(at, state.token_at);
}
