/*-------------------------------------------------------------------------
 *
 * claim.c
 *		Handing out jobs: job_dequeue, and when the next one is due.
 *
 * The index processing_jobs_take_idx holds the unfinished jobs of each type by
 * priority, then by available_at and id.  A group is the jobs of one type and
 * one priority.  For each type asked for there is a stream, which yields the
 * jobs of the type that can be handed out, in order: it walks a group up to
 * the first job that is not due yet, and then descends the index anew for the
 * next lower priority.  So jobs that lie in the future cost one descent a
 * group, and hide nothing.  The claim merges the streams: highest priority
 * first, then the oldest.
 *
 * Running jobs stay in the index, since a claim must not touch it; the walk
 * passes over them, and sees there whose lease has lapsed.
 *
 * A job is locked with SKIP LOCKED's rules, looked at again in its latest
 * version, and changed in place.  Under REPEATABLE READ and SERIALIZABLE the
 * transaction's snapshot decides what there is, and a job that changed since
 * is passed over.  So is a job that a user's BEFORE trigger keeps.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/duration.h"
#include "job/job_log.h"
#include "job/job_row.h"
#include "job/job_type.h"

/* the columns of the take index, in order */
#define TAKE_JOB_TYPE	1
#define TAKE_PRIORITY	2

#define MAX_JOBS		10000

/* how many lapsed jobs without a retry left one call turns to failed */
#define MAX_BURIED		100

/* The jobs of one type that can be handed out, in order. */
typedef struct Stream
{
	RarrJobType *type;
	IndexScanDesc scan;
	Snapshot	visible;		/* if set, what the scan finds must be visible to
								 * this snapshot, too */
	TupleTableSlot *slot;		/* the next job, unless it is empty */
	ScanKeyData keys[2];
} Stream;

/* One call of job_dequeue. */
typedef struct Claim
{
	RarrTable  *jobs;
	Snapshot	snapshot;
	TimestampTz now;
	int64		lease;			/* 0: the type's own */
	Datum		worker;
	bool		has_worker;
	int			buried;
	RarrJobLog	log;
} Claim;

/*
 * From when on a job can be handed out.  Not before its available_at, which
 * may have been moved while it runs; DT_NOEND for a finished job.
 */
static TimestampTz
due_at(TupleTableSlot *slot)
{
	TimestampTz available = DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT));

	switch (rarr_job_status(slot))
	{
		case JOB_QUEUED:
			return available;
		case JOB_RUNNING:
			return Max(available, DatumGetTimestampTz(rarr_job_value(slot, JOB_LEASE_EXPIRES_AT)));
		default:
			return DT_NOEND;
	}
}

/*
 * Where the transaction's snapshot decides, the scan looks at the latest
 * versions, and only those that the snapshot sees count.  That leaves out jobs
 * that changed since; and since it is no read of the kind that SERIALIZABLE
 * watches, workers that look at the same jobs are no conflict.
 */
static void
open_stream(Stream *stream, Relation rel, Relation index, Snapshot snapshot, RarrJobType *type)
{
	stream->type = type;
	stream->visible = IsolationUsesXactSnapshot() ? snapshot : NULL;
	stream->slot = table_slot_create(rel, NULL);
	ScanKeyInit(&stream->keys[0], TAKE_JOB_TYPE, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(type->name));
	stream->keys[0].sk_collation = index->rd_indcollation[TAKE_JOB_TYPE - 1];
	ScanKeyInit(&stream->keys[1], TAKE_PRIORITY, BTLessStrategyNumber, F_INT4LT,
				Int32GetDatum(PG_INT32_MAX));
	stream->scan = rarr_index_beginscan(rel, index, stream->visible != NULL ? SnapshotSelf : snapshot, 2);
	index_rescan(stream->scan, stream->keys, 2, NULL, 0);
}

static void
close_stream(Stream *stream)
{
	ExecDropSingleTupleTableSlot(stream->slot);
	index_endscan(stream->scan);
}

/* Go on with the group of the next lower priority. */
static void
next_group(Stream *stream)
{
	stream->keys[1].sk_argument = rarr_job_value(stream->slot, JOB_PRIORITY);
	index_rescan(stream->scan, stream->keys, 2, NULL, 0);
}

/* Move on to the next unfinished job of the stream; false at its end. */
static bool
next_job(Stream *stream)
{
	while (index_getnext_slot(stream->scan, ForwardScanDirection, stream->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (stream->visible != NULL &&
			!table_tuple_satisfies_snapshot(stream->scan->heapRelation, stream->slot, stream->visible))
			continue;
		slot_getallattrs(stream->slot);
		return true;
	}
	return false;
}

/* Move on to the next job of the stream that can be handed out at `now`. */
static void
advance_stream(Stream *stream, TimestampTz now)
{
	while (next_job(stream))
	{
		if (due_at(stream->slot) <= now)
			return;
		if (DatumGetTimestampTz(rarr_job_value(stream->slot, JOB_AVAILABLE_AT)) > now)
			next_group(stream);
	}
	ExecClearTuple(stream->slot);
}

/* Does a's next job go before b's? */
static bool
goes_before(const Stream *a, const Stream *b)
{
	int			priority_a = DatumGetInt32(rarr_job_value(a->slot, JOB_PRIORITY));
	int			priority_b = DatumGetInt32(rarr_job_value(b->slot, JOB_PRIORITY));
	TimestampTz at_a = DatumGetTimestampTz(rarr_job_value(a->slot, JOB_AVAILABLE_AT));
	TimestampTz at_b = DatumGetTimestampTz(rarr_job_value(b->slot, JOB_AVAILABLE_AT));

	if (priority_a != priority_b)
		return priority_a > priority_b;
	if (at_a != at_b)
		return at_a < at_b;
	return memcmp(rarr_job_id(a->slot), rarr_job_id(b->slot), UUID_LEN) < 0;
}

/*
 * Lock the stream's job, and put its latest version into jobs->oldslot.  False
 * if somebody else has it, or if it changed so that it is not ours to take.
 */
static bool
lock_job(Claim *claim, Stream *stream)
{
	RarrTable  *jobs = claim->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	ItemPointerData tid = stream->slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(jobs->rel, &tid, claim->snapshot, slot,
							  GetCurrentCommandId(false), LockTupleNoKeyExclusive, LockWaitSkip,
							  IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	if (result != TM_Ok)
		return false;
	slot_getallattrs(slot);
	if (!failure.traversed)
		return true;

	/* It is a later version than the stream saw. */
	return due_at(slot) <= claim->now &&
		rarr_job_value(slot, JOB_PRIORITY) == rarr_job_value(stream->slot, JOB_PRIORITY) &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID,
											 rarr_job_value(slot, JOB_JOB_TYPE),
											 stream->keys[0].sk_argument));
}

static void
set_failed_attempt(TupleTableSlot *newslot, bool retry)
{
	rarr_job_set(newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum("lease expired"));
	if (retry)
		rarr_job_set(newslot, JOB_RETRY_COUNT,
					 Int32GetDatum(DatumGetInt32(rarr_job_value(newslot, JOB_RETRY_COUNT)) + 1));
}

/* The job in jobs->oldslot lapsed, and has no retry left. */
static void
bury(Claim *claim)
{
	RarrTable  *jobs = claim->jobs;

	rarr_job_begin_change(jobs, claim->now);
	set_failed_attempt(jobs->newslot, false);
	rarr_job_set_status(jobs->newslot, JOB_FAILED, claim->now);
	if (rarr_table_update(jobs, JOB_CHANGE_FINISH, jobs->oldslot, jobs->newslot))
		rarr_job_log_add(&claim->log, jobs->oldslot, RARR_HISTORY_LAPSED, JOB_FAILED,
						 claim->now, "lease expired");
	claim->buried++;
}

/*
 * Hand out the job in jobs->oldslot; its new version is then in jobs->newslot.
 * False if a user's trigger keeps it.
 */
static bool
hand_out(Claim *claim, const RarrJobType *type, bool lapsed)
{
	RarrTable  *jobs = claim->jobs;
	int64		lease = claim->lease > 0 ? claim->lease : type->lease;
	int32		attempt = DatumGetInt32(rarr_job_value(jobs->oldslot, JOB_ATTEMPT));

	if (pg_add_s32_overflow(attempt, 1, &attempt))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("job cannot be claimed again: attempt is out of range")));
	rarr_job_begin_change(jobs, claim->now);
	if (lapsed)
		set_failed_attempt(jobs->newslot, true);
	rarr_job_set_status(jobs->newslot, JOB_RUNNING, claim->now);
	rarr_job_set(jobs->newslot, JOB_ATTEMPT, Int32GetDatum(attempt));
	rarr_job_set(jobs->newslot, JOB_STARTED_AT, TimestampTzGetDatum(claim->now));
	rarr_job_set(jobs->newslot, JOB_LEASE_EXPIRES_AT, TimestampTzGetDatum(claim->now + lease));
	if (claim->has_worker)
		rarr_job_set(jobs->newslot, JOB_WORKER, claim->worker);
	else
		rarr_job_set_null(jobs->newslot, JOB_WORKER);
	if (!rarr_table_update(jobs, JOB_CHANGE_CLAIM, jobs->oldslot, jobs->newslot))
		return false;
	if (lapsed)
		rarr_job_log_add(&claim->log, jobs->oldslot, RARR_HISTORY_LAPSED, JOB_RUNNING,
						 claim->now, "lease expired");
	return true;
}

/* Did it lapse, with no retry left? */
static bool
is_spent(TupleTableSlot *slot)
{
	return rarr_job_status(slot) == JOB_RUNNING &&
		DatumGetInt32(rarr_job_value(slot, JOB_RETRY_COUNT)) >=
		DatumGetInt32(rarr_job_value(slot, JOB_MAX_RETRIES));
}

/* Try to take the stream's job; true if it was handed out. */
static bool
take(Claim *claim, Stream *stream)
{
	TupleTableSlot *slot = claim->jobs->oldslot;

	if (claim->buried == MAX_BURIED && is_spent(stream->slot))
		return false;
	if (!lock_job(claim, stream))
	{
		ExecClearTuple(slot);
		return false;
	}
	if (is_spent(slot))
	{
		bury(claim);
		return false;
	}
	return hand_out(claim, stream->type, rarr_job_status(slot) == JOB_RUNNING);
}

/* The stream whose next job goes first; NULL when all have ended. */
static Stream *
first_stream(Stream *streams, int n)
{
	Stream	   *first = NULL;

	for (int i = 0; i < n; i++)
		if (!TTS_EMPTY(streams[i].slot) &&
			(first == NULL || goes_before(&streams[i], first)))
			first = &streams[i];
	return first;
}

/* Claim up to max_jobs jobs of these types into a tuplestore. */
static void
claim_jobs(Claim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	Relation	index = rarr_table_index(claim->jobs, JOB_TAKE_INDEX);
	int			n = list_length(types);
	Stream	   *streams = palloc(n * sizeof(Stream));
	Stream	   *first;

	for (int i = 0; i < n; i++)
	{
		open_stream(&streams[i], claim->jobs->rel, index, claim->snapshot, list_nth(types, i));
		advance_stream(&streams[i], claim->now);
	}
	while (max_jobs > 0 && (first = first_stream(streams, n)) != NULL)
	{
		if (take(claim, first))
		{
			tuplestore_puttupleslot(result, claim->jobs->newslot);
			max_jobs--;
		}
		if (max_jobs > 0)
			advance_stream(first, claim->now);
	}
	for (int i = 0; i < n; i++)
		close_stream(&streams[i]);
}

/* The types that argument n of the running function asks for. */
static List *
asked_types(FunctionCallInfo fcinfo, int n)
{
	return rarr_job_types_asked(PG_ARGISNULL(n) ? NULL : PG_GETARG_ARRAYTYPE_P(n));
}

PG_FUNCTION_INFO_V1(researcharr_job_dequeue);
PG_FUNCTION_INFO_V1(researcharr_job_next_due);

/*
 * job_dequeue(job_types text[], max_jobs int, lease interval, worker text)
 *		-> rows of processing_jobs, in the order of the claim
 *
 * job_types: NULL for all; max_jobs: 1 to 10000, NULL for 1; lease: above
 * zero, NULL for each type's own; worker: the caller's name for itself.
 * Errors: RA002 unknown type; 22023 an argument out of range; 25006 where
 * nothing may be written.
 */
Datum
researcharr_job_dequeue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			max_jobs = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);
	Claim		claim = {0};
	List	   *types;

	rarr_prevent_read_only("job_dequeue()");
	if (max_jobs < 1 || max_jobs > MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_jobs is out of range: %d", max_jobs),
				 errhint("Give a number from 1 to %d.", MAX_JOBS)));
	if (!PG_ARGISNULL(2))
		claim.lease = rarr_duration_arg(PG_GETARG_INTERVAL_P(2), "lease", 1);
	claim.has_worker = !PG_ARGISNULL(3);
	if (claim.has_worker)
		claim.worker = PointerGetDatum(PG_GETARG_TEXT_PP(3));
	InitMaterializedSRF(fcinfo, 0);
	types = asked_types(fcinfo, 0);

	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	claim.jobs = rarr_table_open(&rarr_job_table);
	PushActiveSnapshot(GetTransactionSnapshot());
	claim.snapshot = GetActiveSnapshot();
	claim.now = GetCurrentTimestamp();
	claim_jobs(&claim, types, max_jobs, rsinfo->setResult);
	rarr_table_close(claim.jobs);
	rarr_job_log_write(&claim.log);
	PopActiveSnapshot();
	return (Datum) 0;
}

/* When a stream's next job can be handed out: the least time of any group. */
static TimestampTz
stream_next_due(Stream *stream)
{
	TimestampTz least = DT_NOEND;

	while (next_job(stream))
	{
		TimestampTz at = due_at(stream->slot);

		least = Min(least, at);

		/* Whatever lies behind it in its group is available later. */
		if (DatumGetTimestampTz(rarr_job_value(stream->slot, JOB_AVAILABLE_AT)) >= least)
			next_group(stream);
	}
	return least;
}

/*
 * job_next_due(job_types text[]) -> when the next job may be handed out
 *
 * job_types: NULL for all.  In the past where a job is due, NULL where none
 * will ever be; jobs of paused types do not count.
 * Errors: RA002 unknown type; 22023 an array that is empty or holds NULL.
 */
Datum
researcharr_job_next_due(PG_FUNCTION_ARGS)
{
	TimestampTz least = DT_NOEND;
	List	   *types = asked_types(fcinfo, 0);
	ListCell   *lc;
	Relation	jobs = table_open(rarr_relation_oid(rarr_job_table.name), AccessShareLock);
	Relation	index = index_open(rarr_relation_oid(JOB_TAKE_INDEX), AccessShareLock);

	foreach(lc, types)
	{
		Stream		stream;
		TimestampTz due;

		open_stream(&stream, jobs, index, GetActiveSnapshot(), lfirst(lc));
		due = stream_next_due(&stream);
		least = Min(least, due);
		close_stream(&stream);
	}
	index_close(index, AccessShareLock);
	table_close(jobs, AccessShareLock);
	if (least == DT_NOEND)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(least);
}
