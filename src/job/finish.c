/*-------------------------------------------------------------------------
 *
 * finish.c
 *		What a worker says of its job (complete, fail, heartbeat, release), and
 *		what an operator does with any job (cancel, retry, mark as completed).
 *
 * A worker's word counts while the job is running under the attempt that the
 * worker names, even past the lease's end: whoever got the job afterwards
 * raised the attempt.  Anything else is RA001, and changes nothing.  09000 where
 * a user's trigger keeps the change from being made.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/duration.h"
#include "base/errors.h"
#include "base/row_change.h"
#include "job/bound.h"
#include "job/finish.h"
#include "job/job_hint.h"
#include "job/job_log.h"
#include "job/job_row.h"
#include "job/job_type.h"

/* One call of a function of this file. */
typedef struct Work
{
	RarrTable  *jobs;
	TimestampTz now;
	RarrJobLog	log;
	LockWaitPolicy wait;		/* for jobs that others have */
} Work;

static void
begin_work(Work *work, const char *function)
{
	rarr_prevent_read_only(function);

	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	memset(work, 0, sizeof(Work));
	work->wait = LockWaitBlock;
	work->jobs = rarr_table_open(&rarr_job_table);
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_work(Work *work)
{
	rarr_table_close(work->jobs);
	rarr_job_log_write(&work->log);
	PopActiveSnapshot();
}

/* The row with this id, as the snapshot sees it, in jobs->oldslot. */
static bool
search_job(RarrTable *jobs, Datum id)
{
	Relation	index = rarr_table_index(jobs, &rarr_job_id_index);
	IndexScanDesc scan = rarr_index_beginscan(jobs->rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, id);
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, jobs->oldslot);
	index_endscan(scan);
	return found;
}

/* The row with this id, from where this backend remembers it or by a search. */
static bool
find_job(RarrTable *jobs, Datum id)
{
	return rarr_job_hint_fetch(jobs, DatumGetUUIDP(id)) || search_job(jobs, id);
}

/*
 * Lock the job with this id that find_job() found, waiting for whoever has it,
 * and put its latest version into jobs->oldslot; false if there is none any
 * more (or, where the work waits for nobody, somebody has it).  Under REPEATABLE
 * READ and SERIALIZABLE a job that changed since the snapshot raises 40001.
 */
static bool
lock_found_job(Work *work, Datum id)
{
	RarrTable  *jobs = work->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result	result;

	tid = slot->tts_tid;
	result = table_tuple_lock(jobs->rel, &tid, GetActiveSnapshot(), slot,
							  GetCurrentCommandId(false), LockTupleNoKeyExclusive, work->wait,
							  IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	if (IsolationUsesXactSnapshot() && (result == TM_Updated || result == TM_Deleted))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	if (result != TM_Ok)
	{
		ExecClearTuple(slot);
		return false;
	}
	slot_getallattrs(slot);

	/* what happens now comes after what the last one to have it did */
	work->now = GetCurrentTimestamp();

	/* a later version may have been given another id */
	return memcmp(rarr_job_id(slot), DatumGetUUIDP(id), UUID_LEN) == 0;
}

static bool
lock_job(Work *work, Datum id)
{
	return find_job(work->jobs, id) && lock_found_job(work, id);
}

static bool
is_running_under(RarrTable *jobs, int attempt)
{
	return rarr_job_status(jobs->oldslot) == JOB_RUNNING &&
		DatumGetInt32(rarr_job_value(jobs->oldslot, JOB_ATTEMPT)) == attempt;
}

/*
 * RA001: the job, locked in jobs->oldslot if that is not empty, is not running
 * under the attempt.
 */
static void
lease_lost(Work *work, Datum id, int attempt)
{
	RarrTable  *jobs = work->jobs;
	char	   *name = DatumGetCString(DirectFunctionCall1(uuid_out, id));

	if (!TTS_EMPTY(jobs->oldslot) && memcmp(rarr_job_id(jobs->oldslot), DatumGetUUIDP(id), UUID_LEN) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_LEASE_LOST),
				 errmsg("job %s is not running under attempt %d", name, attempt),
				 errdetail("It is %s; its latest attempt is %d.",
						   rarr_job_status_name(rarr_job_status(jobs->oldslot)),
						   DatumGetInt32(rarr_job_value(jobs->oldslot, JOB_ATTEMPT))),
				 errhint("The lease was lost: drop the work, nothing was changed.")));
	ereport(ERROR,
			(errcode(ERRCODE_RARR_LEASE_LOST),
			 errmsg("job %s does not exist", name),
			 errhint("Give the id and the attempt of a row that job_dequeue returned.")));
}

/* Lock the job that a worker speaks of; RA001 if it is no longer the worker's. */
static void
lock_own_job(Work *work, Datum id, int attempt)
{
	if (!lock_job(work, id) || !is_running_under(work->jobs, attempt))
		lease_lost(work, id, attempt);
}

/* Write the next version of the job, which is in jobs->newslot. */
static void
write_change(Work *work, int change)
{
	if (!rarr_job_make_change(work->jobs, change))
		rarr_table_refused(work->jobs);
	if (change != JOB_CHANGE_HEARTBEAT)
		rarr_bound_done(rarr_job_id(work->jobs->oldslot));
}

/* The job in jobs->oldslot is over. */
static void
finish(Work *work, RarrHistoryAction action, RarrJobStatus status)
{
	rarr_job_log_add(&work->log, work->jobs->oldslot, action, status, work->now, NULL);
	rarr_job_begin_change(work->jobs, work->now);
	rarr_job_set_status(work->jobs->newslot, status, work->now);
}

/* The job in jobs->oldslot is done: its next version. */
static void
set_completed(Work *work, Datum result, bool has_result)
{
	rarr_job_begin_change(work->jobs, work->now);
	rarr_job_set_status(work->jobs->newslot, JOB_COMPLETED, work->now);
	if (has_result)
		rarr_job_set(work->jobs->newslot, JOB_RESULT, result);
	else
		rarr_job_set_null(work->jobs->newslot, JOB_RESULT);
}

/*
 * Complete a job without locking it first, where this backend remembers it: a
 * worker's own job is in nobody else's hands, nearly always, and an update of
 * a row that is not locked is as good, if the row turns out not to have
 * changed.  False, with nothing changed, if it has, or is not the worker's.
 */
static bool
complete_unlocked(Work *work, Datum id, int attempt, Datum result, bool has_result)
{
	RarrTable  *jobs = work->jobs;

	if (jobs->has_triggers || !rarr_job_hint_fetch(jobs, DatumGetUUIDP(id)) ||
		!is_running_under(jobs, attempt))
		return false;
	work->now = GetCurrentTimestamp();
	set_completed(work, result, has_result);
	if (!rarr_job_make_change_unlocked(jobs, JOB_CHANGE_FINISH))
		return false;
	rarr_bound_done(rarr_job_id(jobs->oldslot));
	return true;
}

/*
 * Is the job running under the attempt?  Then complete it.  A job of another
 * worker's must not stay locked: that one could not complete it before this
 * transaction ends.  So one that is seen not to be ours is left alone.
 */
static bool
complete(Work *work, Datum id, int attempt, Datum result, bool has_result)
{
	if (!complete_unlocked(work, id, attempt, result, has_result))
	{
		if (!find_job(work->jobs, id))
			return false;
		slot_getallattrs(work->jobs->oldslot);
		if (!IsolationUsesXactSnapshot() && !is_running_under(work->jobs, attempt))
			return false;
		if (!lock_found_job(work, id) || !is_running_under(work->jobs, attempt))
			return false;
		set_completed(work, result, has_result);
		write_change(work, JOB_CHANGE_FINISH);
	}
	rarr_job_log_add(&work->log, work->jobs->oldslot, RARR_HISTORY_COMPLETED, JOB_COMPLETED,
					 work->now, NULL);
	return true;
}

/* The job in jobs->oldslot waits again, from `at` on; the caller may change more. */
static void
begin_requeue(Work *work, RarrHistoryAction action, TimestampTz at, const char *error)
{
	rarr_job_log_add(&work->log, work->jobs->oldslot, action, JOB_QUEUED, work->now, error);
	rarr_job_begin_change(work->jobs, work->now);
	rarr_job_set_status(work->jobs->newslot, JOB_QUEUED, work->now);
	rarr_job_set(work->jobs->newslot, JOB_AVAILABLE_AT, TimestampTzGetDatum(at));
}

/* The policy of the job in jobs->oldslot; the built-in one if its type was dropped. */
static const RarrJobType *
job_policy(RarrTable *jobs)
{
	text	   *name = DatumGetTextPP(rarr_job_value(jobs->oldslot, JOB_JOB_TYPE));

	return rarr_job_type_policy(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

PG_FUNCTION_INFO_V1(researcharr_job_complete);
PG_FUNCTION_INFO_V1(researcharr_job_complete_many);
PG_FUNCTION_INFO_V1(researcharr_job_fail);
PG_FUNCTION_INFO_V1(researcharr_job_heartbeat);
PG_FUNCTION_INFO_V1(researcharr_job_release);
PG_FUNCTION_INFO_V1(researcharr_job_cancel);
PG_FUNCTION_INFO_V1(researcharr_job_retry);
PG_FUNCTION_INFO_V1(researcharr_job_mark_as_completed);

/*
 * job_complete(id uuid, attempt int, result jsonb) -> true
 *
 * Errors: 22004 NULL for id or attempt; RA001 not running under this attempt.
 */
Datum
researcharr_job_complete(PG_FUNCTION_ARGS)
{
	Work		work;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	begin_work(&work, "job_complete()");
	if (!complete(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1), PG_GETARG_DATUM(2), !PG_ARGISNULL(2)))
		lease_lost(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	end_work(&work);
	PG_RETURN_BOOL(true);
}

/*
 * job_complete_many(ids uuid[], attempts int[], results jsonb[])
 *		-> (id, completed) rows, in the order of the arrays
 *
 * completed is false for a job that is not running under its attempt.
 * Errors: 22004 NULL for ids or attempts or in them; 22023 arrays of unequal
 * length.
 */
Datum
researcharr_job_complete_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		has_results = !PG_ARGISNULL(2);
	Datum	   *ids;
	Datum	   *attempts;
	Datum	   *results = NULL;
	bool	   *nulls;
	bool	   *no_result = NULL;
	int			n;
	int			nattempts;
	int			nresults;
	Work		work;

	RARR_REQUIRE_ARG(0, "ids");
	RARR_REQUIRE_ARG(1, "attempts");
	ids = rarr_array_argument(fcinfo, 0, "ids", UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, false, &nulls, &n);
	attempts = rarr_array_argument(fcinfo, 1, "attempts", INT4OID, 4, true, TYPALIGN_INT, false, &nulls, &nattempts);
	nresults = n;
	if (has_results)
		results = rarr_array_argument(fcinfo, 2, "results", JSONBOID, -1, false, TYPALIGN_INT, true,
								 &no_result, &nresults);
	if (nattempts != n || nresults != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays have unequal lengths: %d ids, %d attempts, %d results",
						n, nattempts, has_results ? nresults : 0),
				 errhint("Give an attempt for each id, and a result for each or no results at all.")));
	InitMaterializedSRF(fcinfo, 0);

	begin_work(&work, "job_complete_many()");
	for (int i = 0; i < n; i++)
	{
		Datum		row[2] = {ids[i], (Datum) 0};
		bool		isnull[2] = {false, false};
		bool		completed;

		CHECK_FOR_INTERRUPTS();
		completed = complete(&work, ids[i], DatumGetInt32(attempts[i]),
							 has_results ? results[i] : (Datum) 0, has_results && !no_result[i]);
		row[1] = BoolGetDatum(completed);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, isnull);
	}
	end_work(&work);
	return (Datum) 0;
}

/*
 * job_fail(id uuid, attempt int, error text, retry_in interval, retry boolean)
 *		-> the job's row
 *
 * Queued again while retries are left and retry is true, at now + retry_in
 * (zero or more; NULL: the backoff of the type); else failed.
 * Errors: 22004 NULL for id, attempt or error; 22023 a negative retry_in;
 * RA001 not running under this attempt.
 */
Datum
researcharr_job_fail(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		retry = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	int64		delay = -1;
	int			retries;
	const char *error;
	Work		work;
	TupleTableSlot *slot;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	RARR_REQUIRE_ARG(2, "error");
	if (!PG_ARGISNULL(3))
		delay = rarr_duration_arg(PG_GETARG_INTERVAL_P(3), "retry_in", 0);
	error = text_to_cstring(PG_GETARG_TEXT_PP(2));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);

	begin_work(&work, "job_fail()");
	slot = work.jobs->newslot;
	lock_own_job(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	retries = DatumGetInt32(rarr_job_value(work.jobs->oldslot, JOB_RETRY_COUNT));
	retry = retry && retries < DatumGetInt32(rarr_job_value(work.jobs->oldslot, JOB_MAX_RETRIES));
	if (retry)
	{
		if (delay < 0)
			delay = rarr_job_type_retry_delay(job_policy(work.jobs), retries);
		begin_requeue(&work, RARR_HISTORY_RETRIED, work.now + delay, error);
		rarr_job_set(slot, JOB_RETRY_COUNT, Int32GetDatum(retries + 1));
	}
	else
	{
		finish(&work, RARR_HISTORY_FAILED, JOB_FAILED);
		work.log.entries[work.log.n - 1].error = error;
	}
	rarr_job_set(slot, JOB_ERROR_MESSAGE, PG_GETARG_DATUM(2));
	write_change(&work, retry ? JOB_CHANGE_REQUEUE : JOB_CHANGE_FINISH);
	tuplestore_puttupleslot(rsinfo->setResult, slot);
	end_work(&work);
	return (Datum) 0;
}

/*
 * job_heartbeat(id uuid, attempt int, lease interval) -> the lease's new end
 *
 * lease: from now; above zero; NULL for the type's own.  It ends no later than
 * the type's max_runtime after the claim, which may be over.
 * Errors: 22004 NULL for id or attempt; 22023 a lease of zero or less; RA001
 * not running under this attempt.
 */
Datum
researcharr_job_heartbeat(PG_FUNCTION_ARGS)
{
	int64		lease = 0;
	TimestampTz expires;
	const RarrJobType *policy;
	Work		work;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		lease = rarr_duration_arg(PG_GETARG_INTERVAL_P(2), "lease", 1);

	begin_work(&work, "job_heartbeat()");
	lock_own_job(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	policy = job_policy(work.jobs);
	expires = work.now + (lease > 0 ? lease : policy->lease);
	if (policy->max_runtime > 0 && !rarr_job_is_null(work.jobs->oldslot, JOB_STARTED_AT))
		expires = Min(expires, policy->max_runtime +
					  DatumGetTimestampTz(rarr_job_value(work.jobs->oldslot, JOB_STARTED_AT)));
	rarr_job_begin_change(work.jobs, work.now);
	rarr_job_set(work.jobs->newslot, JOB_LEASE_EXPIRES_AT, TimestampTzGetDatum(expires));
	write_change(&work, JOB_CHANGE_HEARTBEAT);
	rarr_job_hint_set(work.jobs);
	end_work(&work);
	PG_RETURN_TIMESTAMPTZ(expires);
}

/*
 * job_release(id uuid, attempt int, delay interval) -> true
 *
 * delay: zero or more, NULL for none.
 * Errors: 22004 NULL for id or attempt; 22023 a negative delay; RA001 not
 * running under this attempt.
 */
Datum
researcharr_job_release(PG_FUNCTION_ARGS)
{
	int64		delay = 0;
	Work		work;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		delay = rarr_duration_arg(PG_GETARG_INTERVAL_P(2), "delay", 0);

	begin_work(&work, "job_release()");
	lock_own_job(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	begin_requeue(&work, RARR_HISTORY_RELEASED, work.now + delay, NULL);
	write_change(&work, JOB_CHANGE_REQUEUE);
	end_work(&work);
	PG_RETURN_BOOL(true);
}

static bool
is_unfinished(RarrTable *jobs)
{
	RarrJobStatus status = rarr_job_status(jobs->oldslot);

	return status == JOB_QUEUED || status == JOB_RUNNING;
}

/* An operator ends a job that is not finished; false where it is, or is absent. */
static bool
end_unfinished(FunctionCallInfo fcinfo, const char *function, RarrHistoryAction action,
			   RarrJobStatus status)
{
	Work		work;
	bool		changed;

	RARR_REQUIRE_ARG(0, "id");
	begin_work(&work, function);
	changed = lock_job(&work, PG_GETARG_DATUM(0)) && is_unfinished(work.jobs);
	if (changed)
	{
		finish(&work, action, status);
		write_change(&work, JOB_CHANGE_FINISH);
	}
	end_work(&work);
	return changed;
}

/*
 * job_cancel(id uuid) -> whether a queued or running job was cancelled
 *
 * Errors: 22004 for NULL.
 */
Datum
researcharr_job_cancel(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(end_unfinished(fcinfo, "job_cancel()", RARR_HISTORY_CANCELLED, JOB_CANCELLED));
}

/*
 * job_mark_as_completed(id uuid) -> whether an unfinished job was completed
 *
 * Errors: 22004 for NULL.
 */
Datum
researcharr_job_mark_as_completed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(end_unfinished(fcinfo, "job_mark_as_completed()",
								  RARR_HISTORY_MARKED_COMPLETED, JOB_COMPLETED));
}

/*
 * job_retry(id uuid) -> whether a failed or cancelled job was queued again
 *
 * Its retries start anew; its attempt goes on, so that no worker of old can
 * speak for it.
 * Errors: 22004 for NULL; 23505 where another unfinished job has its unique_key
 * by now.
 */
Datum
researcharr_job_retry(PG_FUNCTION_ARGS)
{
	Work		work;
	bool		changed = false;

	RARR_REQUIRE_ARG(0, "id");
	begin_work(&work, "job_retry()");
	if (lock_job(&work, PG_GETARG_DATUM(0)))
	{
		RarrJobStatus status = rarr_job_status(work.jobs->oldslot);

		changed = status == JOB_FAILED || status == JOB_CANCELLED;
	}
	if (changed)
	{
		begin_requeue(&work, RARR_HISTORY_REQUEUED, work.now, NULL);
		rarr_job_set(work.jobs->newslot, JOB_RETRY_COUNT, Int32GetDatum(0));
		write_change(&work, JOB_CHANGE_REQUEUE);
	}
	end_work(&work);
	PG_RETURN_BOOL(changed);
}

/*
 * The session that claimed these jobs ends: those that are still running under
 * their attempt wait again, after a failed try, or have failed.  Waits for
 * nobody, and runs no trigger of users': does nothing where there is one.
 */
void
rarr_jobs_hand_back(const RarrBoundJob *bound, int n)
{
	static const char *const error = "the worker's session ended";
	Work		work;

	begin_work(&work, "bind_leases");
	work.wait = LockWaitSkip;
	for (int i = 0; i < n && !work.jobs->has_triggers; i++)
	{
		TupleTableSlot *slot = work.jobs->oldslot;
		int			retries;
		bool		retry;

		if (!lock_job(&work, UUIDPGetDatum(&bound[i].id)) || !is_running_under(work.jobs, bound[i].attempt))
			continue;
		retries = DatumGetInt32(rarr_job_value(slot, JOB_RETRY_COUNT));
		retry = retries < DatumGetInt32(rarr_job_value(slot, JOB_MAX_RETRIES));
		if (retry)
		{
			begin_requeue(&work, RARR_HISTORY_LAPSED,
						  DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT)), error);
			rarr_job_set(work.jobs->newslot, JOB_RETRY_COUNT, Int32GetDatum(retries + 1));
		}
		else
		{
			finish(&work, RARR_HISTORY_LAPSED, JOB_FAILED);
			work.log.entries[work.log.n - 1].error = error;
		}
		rarr_job_set(work.jobs->newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum(error));
		write_change(&work, retry ? JOB_CHANGE_REQUEUE : JOB_CHANGE_FINISH);
	}
	end_work(&work);
}
