/*
 * claim.c
 *		Claim jobs.
 *
 * A claim merges the streams of the requested types (stream.c), and updates
 * each job to status running, with attempt + 1 and a lease.  It also records
 * what it finds on its way: a lapse after which the job fails or must wait
 * (lapse.c), and a job that nobody can claim (unclaimable.c).  README.md
 * describes the steps and the outcomes.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/own_index.h"
#include "base/result.h"
#include "base/row_change.h"
#include "base/schema.h"
#include "job/agenda/pending.h"
#include "job/agenda/verify.h"
#include "job/change.h"
#include "job/claim.h"
#include "job/core/job_row.h"
#include "job/core/tid_cache.h"
#include "job/history/job_log.h"
#include "job/lapse.h"
#include "job/limits/limits.h"
#include "job/session_end.h"
#include "job/stream.h"
#include "job/unclaimable.h"

/* for so few jobs, a scan has an upper bound; see enter_group() */
#define FEW_JOBS 4

/* how many lapses and failures a call records */
#define MAX_RECORDED 100

/* What a claim did with a job. */
typedef enum Outcome
{
	CLAIMED,
	SKIPPED, /* not claimable, until a pending entry is applied */
	BLOCKED, /* may become claimable without notice */
	LIMITED  /* the type's limits allow no more jobs */
} Outcome;

/*
 * Is the job still claimable, according to the version in the slot, which is
 * later than the stream's and not locked yet?
 */
static bool
is_still_due(RarrClaim *claim, RarrStream *stream, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	return rarr_job_is_same(slot, stream->slot) && rarr_job_due_at(slot) <= claim->now &&
		   rarr_job_int(slot, JOB_PRIORITY) == rarr_job_int(stream->slot, JOB_PRIORITY);
}

/*
 * Lock the stream's job, and put its latest version into jobs->oldslot.
 * Returns false if another transaction has the job, or if it is not claimable
 * any more.  Sets *blocked if the job may become claimable without notice.
 *
 * The lock lasts until the transaction ends.  A lock on a job that another
 * worker claimed meanwhile would keep that worker from completing it.  So a
 * later version is checked before it is locked, and only that version is
 * locked.
 */
static bool
lock_job(RarrClaim *claim, RarrStream *stream, bool *blocked)
{
	RarrTable *jobs = claim->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	ItemPointerData tid = stream->slot->tts_tid;
	int changes = 1 << JOB_CHANGE_CLAIM | 1 << JOB_CHANGE_FINISH | 1 << JOB_CHANGE_REQUEUE;
	LockTupleMode mode = rarr_table_lock_mode(jobs, changes);
	TM_FailureData failure;
	TM_Result result;

	*blocked = false;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		result = table_tuple_lock(jobs->rel, &tid, stream->snapshot, slot,
								  GetCurrentCommandId(false), mode, LockWaitSkip, 0, &failure);
		if (result != TM_Updated || IsolationUsesXactSnapshot() ||
			ItemPointerIndicatesMovedPartitions(&failure.ctid))
			break;
		tid = failure.ctid;
		ExecClearTuple(slot);
		if (!table_tuple_fetch_row_version(jobs->rel, &tid, SnapshotAny, slot) ||
			!is_still_due(claim, stream, slot))
			return false;
		ExecClearTuple(slot);
	}

	/* a transaction that has only locked it queued no pending entry */
	*blocked = result == TM_WouldBlock && !rarr_job_is_being_changed(stream->slot);
	if (result == TM_Ok)
		slot_getallattrs(slot);
	return result == TM_Ok;
}

/* The lease of a job of this type, in microseconds. */
static int64
lease_of(const RarrClaim *claim, const RarrJobType *type)
{
	int64 lease = claim->lease > 0 ? claim->lease : type->lease;

	return type->max_runtime > 0 ? Min(lease, type->max_runtime) : lease;
}

/*
 * Write the claim of the job in jobs->oldslot.  The new version is then in
 * jobs->newslot.  Returns false if a user's trigger suppresses the update, or,
 * if the job is not locked, if another transaction has it or has changed it.
 */
static bool
write_claim(RarrClaim *claim, const RarrJobType *type, bool locked)
{
	RarrTable *jobs = claim->jobs;
	int32 attempt = rarr_job_int(jobs->oldslot, JOB_ATTEMPT) + 1;
	bool lapsed = rarr_job_status(jobs->oldslot) == JOB_RUNNING;

	rarr_job_begin_change(jobs, claim->now);
	if (lapsed)
		rarr_lapse_set_next(jobs->newslot);
	rarr_job_set_status(jobs->newslot, JOB_RUNNING, claim->now);
	rarr_job_set(jobs->newslot, JOB_ATTEMPT, Int32GetDatum(attempt));
	rarr_job_set(jobs->newslot, JOB_STARTED_AT, TimestampTzGetDatum(claim->now));
	rarr_job_set(jobs->newslot, JOB_LEASE_EXPIRES_AT, TimestampTzGetDatum(claim->now + lease_of(claim, type)));
	if (claim->has_worker)
		rarr_job_set(jobs->newslot, JOB_WORKER, claim->worker);
	else
		rarr_job_set_null(jobs->newslot, JOB_WORKER);
	if (!(locked ? rarr_job_make_change(jobs, JOB_CHANGE_CLAIM) :
				   rarr_job_make_change_unlocked(jobs, JOB_CHANGE_CLAIM, false)))
		return false;
	if (lapsed)
		rarr_lapse_log(&claim->log, jobs->oldslot, JOB_RUNNING, claim->now);
	rarr_tid_cache_put(jobs);
	if (rarr_bind_leases)
		rarr_session_bind_lease(rarr_job_id(jobs->newslot), attempt);
	return true;
}

/*
 * Set the job in jobs->oldslot, which is locked and which nobody can claim, to
 * failed.  Returns false if a user's trigger suppresses the update.
 */
static bool
fail_unclaimable(RarrClaim *claim, const char *reason)
{
	RarrTable *jobs = claim->jobs;

	rarr_job_begin_change(jobs, claim->now);
	rarr_job_set_status(jobs->newslot, JOB_FAILED, claim->now);
	rarr_job_set(jobs->newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum(reason));
	claim->recorded++;
	if (!rarr_job_make_change(jobs, JOB_CHANGE_FINISH))
		return false;
	rarr_job_log_add(&claim->log, jobs->oldslot, RARR_HISTORY_FAILED, JOB_FAILED, claim->now, reason);
	ereport(LOG,
			(errmsg("researcharr: job %s has failed: %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, rarr_job_value(jobs->oldslot, JOB_ID))),
					reason)));
	return true;
}

/*
 * Claim the stream's job without locking it first, which saves a change of the
 * page and a WAL record.  This is the usual case: nobody has the job, and it
 * has not changed after the stream's snapshot.
 *
 * A job that another transaction is changing is skipped, also if that one has
 * committed after the snapshot and a third one holds a FOR KEY SHARE lock: the
 * transaction that changed the job has pending entries for it.
 *
 * Returns false, and changes nothing, if the job must be locked first.
 */
static bool
claim_unlocked(RarrClaim *claim, RarrStream *stream, Outcome *outcome)
{
	RarrTable *jobs = claim->jobs;
	TM_Result state;

	if (jobs->has_triggers || stream->limit != NULL || rarr_lapse_must_be_recorded(stream->slot))
		return false;
	state = rarr_row_state(stream->slot);
	if (state == TM_BeingModified && rarr_job_is_being_changed(stream->slot))
	{
		*outcome = SKIPPED;
		return true;
	}
	if (state != TM_Ok)
		return false;
	ExecCopySlot(jobs->oldslot, stream->slot);
	slot_getallattrs(jobs->oldslot);
	if (rarr_job_why_unclaimable(jobs->oldslot) != NULL)
		return false;
	*outcome = CLAIMED;
	return write_claim(claim, stream->type, false);
}

/* Begin to claim a job; returns false if the guarded claim must skip it. */
static bool
guard_admits(RarrClaimGuard *guard, const pg_uuid_t *id)
{
	for (int i = 0; i < guard->nbad; i++)
		if (memcmp(&guard->bad[i], id, UUID_LEN) == 0)
			return false;
	guard->current = *id;
	guard->claiming = true;
	return true;
}

/* Try to claim the stream's job. */
static Outcome
claim_job(RarrClaim *claim, RarrStream *stream)
{
	RarrTable *jobs = claim->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	Outcome outcome;
	RarrLapse lapse;
	int64 delay = 0;
	char *reason;
	bool blocked;

	if (claim->guard != NULL && !guard_admits(claim->guard, rarr_job_id(stream->slot)))
		return BLOCKED;
	if (claim->recorded == MAX_RECORDED && rarr_lapse_must_be_recorded(stream->slot))
		return BLOCKED;
	if (claim_unlocked(claim, stream, &outcome))
		return outcome;
	if (!lock_job(claim, stream, &blocked))
	{
		ExecClearTuple(slot);
		return blocked ? BLOCKED : SKIPPED;
	}
	reason = rarr_job_why_unclaimable(slot);
	if (reason != NULL)
		return claim->recorded < MAX_RECORDED && fail_unclaimable(claim, reason) ? SKIPPED : BLOCKED;
	lapse = rarr_lapse_of(slot);
	if (lapse == RARR_LAPSE_AGAIN)
		delay = rarr_lapse_delay(slot, stream->type);
	if (lapse == RARR_LAPSE_LAST || delay > 0)
	{
		claim->recorded++;
		return rarr_lapse_record(jobs, &claim->log, lapse, delay, claim->now) ? SKIPPED : BLOCKED;
	}
	if (stream->limit != NULL &&
		!rarr_limits_bind(stream->limit, slot, claim->now + lease_of(claim, stream->type)))
		return BLOCKED;
	return write_claim(claim, stream->type, true) ? CLAIMED : BLOCKED;
}

/* The same for a job whose type has limits. */
static Outcome
claim_limited(RarrClaim *claim, RarrStream *stream)
{
	Outcome outcome;

	if (!rarr_limits_reserve(stream->limit, stream->slot))
		return LIMITED;
	outcome = claim_job(claim, stream);
	if (outcome == CLAIMED)
		rarr_limits_confirm_reservation(stream->limit);
	else
		rarr_limits_cancel_reservation(stream->limit);
	return outcome;
}

/* Subtract the size of the job in jobs->newslot from the room; is any left? */
static bool
fits(RarrClaim *claim)
{
	static const int long_ones[] = {JOB_METADATA, JOB_ERROR_MESSAGE, JOB_RESULT, JOB_WORKER};

	for (int i = 0; i < lengthof(long_ones); i++)
		if (!rarr_job_is_null(claim->jobs->newslot, long_ones[i]))
			claim->room -= toast_raw_datum_size(rarr_job_value(claim->jobs->newslot, long_ones[i]));
	claim->full = claim->room <= 0;
	return !claim->full;
}

/*
 * A guarded claim is done with its current job.  changed: the claim changed
 * the job.  Returns false if the claim must end here, so that an error of an
 * AFTER trigger is about this job.
 */
static bool
guard_done(RarrClaimGuard *guard, bool changed)
{
	guard->claiming = false;
	guard->changed |= changed;
	return !(guard->one_by_one && changed);
}

/* Claim up to max_jobs jobs of the n streams, and add them to the result. */
static void
claim_jobs(RarrClaim *claim, RarrStream *streams, int n, int max_jobs, Tuplestorestate *result)
{
	RarrStream *first;

	while (max_jobs > 0 && (first = rarr_streams_first(streams, n)) != NULL)
	{
		int recorded = claim->recorded;
		Outcome outcome = first->limit != NULL ? claim_limited(claim, first) : claim_job(claim, first);

		if (claim->guard != NULL &&
			!guard_done(claim->guard, outcome == CLAIMED || (outcome == SKIPPED && claim->recorded > recorded)) &&
			outcome != CLAIMED)
			max_jobs = 0;
		switch (outcome)
		{
			case CLAIMED:
				rarr_result_put(result, claim->expected ? claim->expected : claim->jobs->desc,
								claim->jobs->newslot);
				rarr_stream_charge(first);
				max_jobs--;
				if (claim->room > 0 && !fits(claim))
					max_jobs = 0;
				/* FALLTHROUGH */
			case SKIPPED:
				rarr_stream_passed(first, max_jobs > 0 || claim->peek);
				break;
			case BLOCKED:
				rarr_stream_blocked(first);
				break;
			case LIMITED:
				rarr_stream_stop(first);
				break;
		}
	}
	if (claim->peek && max_jobs == 0)
		(void) rarr_streams_first(streams, n);
}

/*
 * Do the agenda and the limits show that a claim of these types
 * (RarrJobType *) would find nothing and record nothing?  A call by an idle
 * worker costs no more than this test.
 */
bool
rarr_claim_is_idle(List *types, TimestampTz now)
{
	Oid table = rarr_relation_oid(rarr_job_table.name);
	int64 mono = rarr_monotonic_now();
	ListCell *lc;

	if (!rarr_agenda_is_there())
		return types == NIL;
	foreach (lc, types)
	{
		RarrJobType *type = lfirst(lc);
		RarrAgendaKey *key;
		const RarrAgendaRef *ref;
		RarrQueuePos pos;
		int priority;

		if (rarr_limits_yield_at(table, type, now) > now)
			continue;
		key = rarr_agenda_type_key(table, type);
		ref = rarr_agenda_ref(key, false);
		if (ref == NULL || rarr_agenda_next_due(ref) <= now || rarr_agenda_verify_is_due(ref, now, mono) ||
			rarr_agenda_pending_group(key, RARR_PRIORITIES, now, &priority, &pos))
			return false;
	}
	return true;
}

/* Take those steps of the types' verifier scans that are due. */
static void
verify(List *types, RarrTable *jobs, Relation index, TimestampTz now)
{
	int64 mono = rarr_monotonic_now();
	ListCell *lc;

	if (!rarr_agenda_is_there())
		return;
	foreach (lc, types)
	{
		RarrAgendaKey *key = rarr_agenda_type_key(RelationGetRelid(jobs->rel), lfirst(lc));
		const RarrAgendaRef *ref = rarr_agenda_ref(key, true);

		if (ref != NULL && rarr_agenda_verify_is_due(ref, now, mono))
			rarr_agenda_verify(key, jobs->rel, index, now);
	}
}

/*
 * Claim up to max_jobs due jobs of these types; claim->jobs is open.  Pushes the
 * snapshot of the claim, which the caller pops.
 */
static void
claim_from_table(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	RarrTable *jobs = claim->jobs;
	RarrStream *streams = palloc(list_length(types) * sizeof(RarrStream));
	Relation index = rarr_table_index(jobs, &rarr_job_dequeue_index);
	List *limits = NIL;
	ListCell *lc;
	int n = 0;

	claim->relid = jobs->relid;
	if (claim->expected != NULL)
		rarr_check_row_type(claim->expected, jobs->desc);
	verify(types, jobs, index, claim->now);
	foreach (lc, types)
	{
		RarrLimitUse *limit = rarr_limits_open(jobs, lfirst(lc), claim->now);

		if (limit != NULL)
			limits = lappend(limits, limit);
		if (rarr_stream_open(&streams[n], jobs->rel, index, lfirst(lc), limit, claim->now,
							 max_jobs <= FEW_JOBS))
			n++;
	}

	PushActiveSnapshot(GetTransactionSnapshot());
	claim_jobs(claim, streams, n, max_jobs, result);
	for (int i = 0; i < n; i++)
		rarr_stream_close(&streams[i]);
	for (int i = 0; i < n; i++)
		rarr_limits_check_late(RelationGetRelid(jobs->rel), streams[i].type, streams[i].limit);
	foreach (lc, limits)
		rarr_limits_close(jobs, lfirst(lc));
}

/*
 * Claim up to max_jobs due jobs of these types (RarrJobType *), and add their
 * rows to the result in the order of the claim.  The caller has set expected,
 * now, lease, worker, guard, peek and room of the claim, and zeroed the rest.
 *
 * Returns false, and does nothing, if users' rules apply to the table and the
 * claim has no guard (claim_guard.c).  Raises 42804 if the row type of
 * processing_jobs is not the expected one.
 */
bool
rarr_claim_try(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	claim->jobs = rarr_table_open(&rarr_job_table);
	if (claim->jobs->has_user_rules && claim->guard == NULL)
	{
		rarr_table_close(claim->jobs);
		return false;
	}
	claim_from_table(claim, types, max_jobs, result);
	rarr_table_close(claim->jobs);
	rarr_job_log_write(&claim->log);
	PopActiveSnapshot();
	return true;
}

/*
 * The same within a call that has changed jobs: with the table that it has
 * opened, and adding to the history that it writes at its end.  Returns false,
 * and does nothing, if users' rules apply to the table.
 */
bool
rarr_claim_within(RarrJobCall *call, RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	if (call->jobs->has_user_rules)
		return false;
	CommandCounterIncrement();
	claim->jobs = call->jobs;
	claim->log = call->log;
	claim_from_table(claim, types, max_jobs, result);
	PopActiveSnapshot();
	call->log = claim->log;
	return true;
}

/*
 * Did the claim record as many lapses and failures as a call may?  Then there
 * may be claimable jobs behind them.
 */
bool
rarr_claim_hit_record_limit(const RarrClaim *claim)
{
	return claim->recorded == MAX_RECORDED;
}
