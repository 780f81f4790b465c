/*
 * claim.c
 *		Claiming jobs.
 *
 * A claim merges the streams of the types asked for (stream.c), and changes
 * each job in place.  One that somebody has, or had since, is locked first, by
 * SKIP LOCKED's rules, and looked at again in its latest version.  Under
 * REPEATABLE READ and SERIALIZABLE the transaction's snapshot decides what
 * there is, a job that changed since is passed over, and the agenda learns
 * nothing from it.  A job that a user's BEFORE trigger keeps is passed over,
 * too.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
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
#include "job/core/job_type.h"
#include "job/core/tid_cache.h"
#include "job/history/job_log.h"
#include "job/lapse.h"
#include "job/limits/limits.h"
#include "job/session_end.h"
#include "job/stream.h"
#include "job/unclaimable.h"

/* so few that a scan need not read far ahead */
#define FEW_JOBS		4

/* how many lapsed jobs one call turns to failed, or queues again for later */
#define MAX_RECORDED		100

/* What became of a job that a claim came to. */
typedef enum Outcome
{
	CLAIMED,					/* handed out */
	SKIPPED,					/* not ours, and nobody's for now */
	BLOCKED,					/* it may be anybody's at any time */
	LIMITED						/* its type may yield no more */
} Outcome;

typedef RarrClaim Claim;

/*
 * A version of the stream's job that is later than the one that the stream saw,
 * not locked yet, is in the slot: is it still ours to take?
 */
static bool
is_still_due(Claim *claim, RarrStream *stream, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	return memcmp(rarr_job_id(slot), rarr_job_id(stream->slot), UUID_LEN) == 0 &&
		rarr_job_due_at(slot) <= claim->now &&
		rarr_job_value(slot, JOB_PRIORITY) == rarr_job_value(stream->slot, JOB_PRIORITY) &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID,
											 rarr_job_value(slot, JOB_JOB_TYPE),
											 rarr_job_value(stream->slot, JOB_JOB_TYPE)));
}

/*
 * Lock the stream's job, and put its latest version into jobs->oldslot.  False
 * if somebody else has it, or if it changed so that it is not ours to take;
 * blocked: it may be anybody's at any time.
 *
 * A lock stays until the transaction ends, so that one on a job that turns out
 * to be another worker's would keep that one from completing it for as long.
 * Hence a later version is looked at before it is locked, and it is that
 * version which is locked, or none.
 */
static bool
lock_job(Claim *claim, RarrStream *stream, bool *blocked)
{
	RarrTable  *jobs = claim->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	ItemPointerData tid = stream->slot->tts_tid;
	int			changes = 1 << JOB_CHANGE_CLAIM | 1 << JOB_CHANGE_FINISH | 1 << JOB_CHANGE_REQUEUE;
	LockTupleMode mode = rarr_table_lock_mode(jobs, changes);
	TM_FailureData failure;
	TM_Result	result;

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

	/* one who only locks it can let go without a change, so without a note */
	*blocked = result == TM_WouldBlock && !rarr_job_is_being_changed(stream->slot);
	if (result == TM_Ok)
		slot_getallattrs(slot);
	return result == TM_Ok;
}

/* For how long a job of the type is handed out. */
static int64
lease_of(const Claim *claim, const RarrJobType *type)
{
	int64		lease = claim->lease > 0 ? claim->lease : type->lease;

	return type->max_runtime > 0 ? Min(lease, type->max_runtime) : lease;
}

/*
 * Hand out the job in jobs->oldslot; its new version is then in jobs->newslot.
 * False if a user's trigger keeps it; or, if it is not locked, if somebody has
 * it or has changed it.
 */
static bool
write_claim(Claim *claim, const RarrJobType *type, bool locked)
{
	RarrTable  *jobs = claim->jobs;
	int32		attempt = DatumGetInt32(rarr_job_value(jobs->oldslot, JOB_ATTEMPT)) + 1;
	bool		lapsed = rarr_job_status(jobs->oldslot) == JOB_RUNNING;

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
 * The job in jobs->oldslot, which is locked, can be claimed by nobody: it has
 * failed.  False if a user's trigger keeps it.
 */
static bool
fail_unclaimable(Claim *claim, const char *reason)
{
	RarrTable  *jobs = claim->jobs;

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
 * Take the stream's job as nearly all are: nobody has it, and it is what the
 * stream saw.  An update without a lock before it is as good then, and a change
 * of the page and a WAL record less.  One that somebody is changing is passed
 * over; so is one that was changed since the stream's snapshot while a third one
 * holds a FOR KEY SHARE lock on it: whoever changed it has told the agenda, or
 * will.  False, with nothing changed, if more has to be known.
 */
static bool
claim_unlocked(Claim *claim, RarrStream *stream, Outcome *outcome)
{
	RarrTable  *jobs = claim->jobs;
	TM_Result	state;

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

/* The claim comes to this job: false if it has to pass it over. */
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

/* Try to take the stream's job. */
static Outcome
claim_job(Claim *claim, RarrStream *stream)
{
	RarrTable  *jobs = claim->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	Outcome		outcome;
	RarrLapse	lapse;
	int64		delay = 0;
	char	   *reason;
	bool		blocked;

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

/* The same of a job whose type has limits. */
static Outcome
claim_limited(Claim *claim, RarrStream *stream)
{
	Outcome		outcome;

	if (!rarr_limits_reserve(stream->limit, stream->slot))
		return LIMITED;
	outcome = claim_job(claim, stream);
	if (outcome == CLAIMED)
		rarr_limits_confirm_reservation(stream->limit);
	else
		rarr_limits_cancel_reservation(stream->limit);
	return outcome;
}

/* Is there room for more, after the job in jobs->newslot? */
static bool
fits(Claim *claim)
{
	static const int long_ones[] = {JOB_METADATA, JOB_ERROR_MESSAGE, JOB_RESULT, JOB_WORKER};

	for (int i = 0; i < lengthof(long_ones); i++)
		if (!rarr_job_is_null(claim->jobs->newslot, long_ones[i]))
			claim->room -= toast_raw_datum_size(rarr_job_value(claim->jobs->newslot, long_ones[i]));
	claim->full = claim->room <= 0;
	return !claim->full;
}

/*
 * The claim is done with the job that it came to.  changed: it handed the job
 * out, or put it on record that the job lapsed or failed.  False if the claim has
 * to end here, so that an AFTER trigger's error is about this job.
 */
static bool
guard_done(RarrClaimGuard *guard, bool changed)
{
	guard->claiming = false;
	guard->changed |= changed;
	return !(guard->one_by_one && changed);
}

/* Claim up to max_jobs jobs from these streams into a tuplestore. */
static void
claim_jobs(Claim *claim, RarrStream *streams, int n, int max_jobs, Tuplestorestate *result)
{
	RarrStream *first;

	while (max_jobs > 0 && (first = rarr_streams_first(streams, n)) != NULL)
	{
		int			recorded = claim->recorded;
		Outcome		outcome = first->limit != NULL ? claim_limited(claim, first) : claim_job(claim, first);

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
 * Is there nothing to do for any of these types, as far as the agenda knows?
 * This is all that an idle worker's call costs.
 */
bool
rarr_claim_is_idle(List *types, TimestampTz now)
{
	Oid			table = rarr_relation_oid(rarr_job_table.name);
	int64		mono = rarr_monotonic_now();
	ListCell   *lc;

	if (!rarr_agenda_is_there())
		return types == NIL;
	foreach(lc, types)
	{
		RarrJobType *type = lfirst(lc);
		const RarrAgendaRef *ref;
		RarrQueuePos pos;
		int			priority;

		if (rarr_limits_yield_at(table, type, now) > now)
			continue;
		if (type->agenda == NULL || type->agenda->table != table)
			type->agenda = rarr_agenda_key(table, type->name, strlen(type->name));
		ref = rarr_agenda_ref(type->agenda, false);
		if (ref == NULL || rarr_agenda_next_due(ref) <= now || rarr_agenda_verify_is_due(ref, now, mono) ||
			rarr_agenda_pending_group(type->agenda, RARR_PRIORITIES, now, &priority, &pos))
			return false;
	}
	return true;
}

/* Let each type's walk take a step that is due. */
static void
verify(List *types, RarrTable *jobs, Relation index, TimestampTz now)
{
	int64		mono = rarr_monotonic_now();
	ListCell   *lc;

	if (!rarr_agenda_is_there())
		return;
	foreach(lc, types)
	{
		RarrJobType *type = lfirst(lc);
		RarrAgendaKey *key = rarr_agenda_key(RelationGetRelid(jobs->rel), type->name, strlen(type->name));
		const RarrAgendaRef *ref = rarr_agenda_ref(key, true);

		if (ref != NULL && rarr_agenda_verify_is_due(ref, now, mono))
			rarr_agenda_verify(key, jobs->rel, index, now);
	}
}

/* Open the stream of a type, as far as its limits let it yield anything. */
static bool
open_stream(Claim *claim, RarrStream *stream, const RarrJobType *type, Relation index,
			RarrLimitUse *limit, int max_jobs)
{
	bool		opened;

	if (limit != NULL && limit->shut)
		return false;
	if (limit != NULL && limit->only_lapsed)
		opened = rarr_stream_open_lapsed(stream, claim->jobs->rel, index, type, claim->now,
										 limit->lapsed, limit->nlapsed);
	else
		opened = rarr_stream_open(stream, claim->jobs->rel, index, type, claim->now,
								  !IsolationUsesXactSnapshot(), max_jobs <= FEW_JOBS);
	if (opened)
		stream->limit = limit;
	return opened;
}

/*
 * Claim up to max_jobs due jobs of these types, as rows of processing_jobs, in
 * the order of the claim.  claim: zeroed, but for what is wanted and `now`.
 * False, with nothing done, if the table has rules of users' and the claim has no
 * guard (claim_guard.c).
 * 42804 if rows of processing_jobs are not what is expected any more.
 */
bool
rarr_claim_try(Claim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	RarrStream *streams;
	List	   *limits = NIL;
	Relation	index;
	ListCell   *lc;
	int			n = 0;

	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	claim->jobs = rarr_table_open(&rarr_job_table);
	if (claim->jobs->has_user_rules && claim->guard == NULL)
	{
		rarr_table_close(claim->jobs);
		return false;
	}
	claim->relid = claim->jobs->relid;
	if (claim->expected != NULL)
		rarr_check_row_type(claim->expected, claim->jobs->desc);
	index = rarr_table_index(claim->jobs, &rarr_job_dequeue_index);
	verify(types, claim->jobs, index, claim->now);
	streams = palloc(list_length(types) * sizeof(RarrStream));
	foreach(lc, types)
	{
		RarrLimitUse *limit = rarr_limits_open(claim->jobs, lfirst(lc), claim->now);

		if (limit != NULL)
			limits = lappend(limits, limit);
		if (open_stream(claim, &streams[n], lfirst(lc), index, limit, max_jobs))
			n++;
	}

	PushActiveSnapshot(GetTransactionSnapshot());
	claim_jobs(claim, streams, n, max_jobs, result);
	for (int i = 0; i < n; i++)
		rarr_stream_close(&streams[i]);
	for (int i = 0; i < n; i++)
		rarr_limits_check_late(RelationGetRelid(claim->jobs->rel), streams[i].type, streams[i].limit);
	foreach(lc, limits)
		rarr_limits_close(claim->jobs, lfirst(lc));
	rarr_table_close(claim->jobs);
	rarr_job_log_write(&claim->log);
	PopActiveSnapshot();
	return true;
}

/*
 * Did the claim turn as many lapsed jobs to failed as one call may?  There may
 * be more behind them.
 */
bool
rarr_claim_hit_record_limit(const Claim *claim)
{
	return claim->recorded == MAX_RECORDED;
}
