/*
 * finish.c
 *		Fail, renew, release, cancel and retry single jobs.
 *
 * Workers call job_fail(), job_heartbeat() and job_release() (complete.c has
 * job_complete()).  Operators call job_cancel(), job_retry() and
 * job_mark_as_completed().  finish_many.c has the functions for many jobs.
 *
 * The attempt is a fencing token.  A worker's call is valid while the job is
 * running under the worker's attempt, even after the lease has ended, because
 * the next claim increments the attempt.  Otherwise the call changes nothing
 * and raises RA001.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/result.h"
#include "job/call.h"
#include "job/core/job_type.h"
#include "job/core/tid_cache.h"
#include "job/core/worker_input.h"
#include "job/finish.h"
#include "job/lapse.h"

/* Log a change of the job in jobs->oldslot to this status. */
static void
add_to_log(RarrJobCall *call, RarrHistoryAction action, RarrJobStatus status, const char *error)
{
	rarr_job_log_add(&call->log, call->jobs->oldslot, action, status, call->now, error);
}

/* Begin the version that finishes the job. */
static void
begin_finish(RarrJobCall *call, RarrJobStatus status)
{
	rarr_job_begin_change(call->jobs, call->now);
	rarr_job_set_status(call->jobs->newslot, status, call->now);
}

/* Begin the version that requeues the job, available from `at` on. */
static void
begin_requeue(RarrJobCall *call, TimestampTz at)
{
	rarr_job_begin_change(call->jobs, call->now);
	rarr_job_set_status(call->jobs->newslot, JOB_QUEUED, call->now);
	rarr_job_set(call->jobs->newslot, JOB_AVAILABLE_AT, TimestampTzGetDatum(at));
}

/*
 * Fail the attempt of the locked job in jobs->oldslot.  The job is requeued if
 * a retry is left and the failure allows it, and is set to failed otherwise.
 * The new version is then in jobs->newslot.  Returns its status.
 *
 * Raises 09000 if a user's trigger suppresses the update, as do the functions
 * below that change a job.
 */
RarrJobStatus
rarr_job_fail(RarrJobCall *call, const RarrFailure *failure)
{
	RarrTable *jobs = call->jobs;
	int retries = rarr_job_int(jobs->oldslot, JOB_RETRY_COUNT);
	bool retry = failure->retry && rarr_job_has_retry(jobs->oldslot);

	if (retry)
	{
		int64 delay = failure->delay >= 0 ? failure->delay :
											rarr_job_type_retry_delay(rarr_job_type_of(jobs->oldslot), retries);

		begin_requeue(call, call->now + delay);
		rarr_job_set(jobs->newslot, JOB_RETRY_COUNT, Int32GetDatum(retries + 1));
	}
	else
		begin_finish(call, JOB_FAILED);
	add_to_log(call, retry ? RARR_HISTORY_RETRIED : RARR_HISTORY_FAILED,
			   retry ? JOB_QUEUED : JOB_FAILED, failure->error);
	rarr_job_set(jobs->newslot, JOB_ERROR_MESSAGE, failure->message);
	rarr_job_call_write(call, retry ? JOB_CHANGE_REQUEUE : JOB_CHANGE_FINISH);
	return retry ? JOB_QUEUED : JOB_FAILED;
}

/*
 * Renew the lease of the locked job in jobs->oldslot.  lease: microseconds
 * from now on; 0 for the type's lease.  The lease ends no later than the
 * type's max_runtime after the claim.  Returns its end.
 */
TimestampTz
rarr_job_renew(RarrJobCall *call, int64 lease)
{
	RarrTable *jobs = call->jobs;
	const RarrJobType *policy = rarr_job_type_of(jobs->oldslot);
	TimestampTz expires = call->now + (lease > 0 ? lease : policy->lease);

	if (policy->max_runtime > 0 && !rarr_job_is_null(jobs->oldslot, JOB_STARTED_AT))
		expires = Min(expires, policy->max_runtime +
								   rarr_job_time(jobs->oldslot, JOB_STARTED_AT));
	rarr_job_begin_change(jobs, call->now);
	rarr_job_set(jobs->newslot, JOB_LEASE_EXPIRES_AT, TimestampTzGetDatum(expires));
	rarr_job_call_write(call, JOB_CHANGE_HEARTBEAT);
	rarr_tid_cache_put(jobs);
	return expires;
}

/*
 * Release the locked job in jobs->oldslot: requeue it, available after `delay`
 * microseconds, without using a retry.
 */
void
rarr_job_release(RarrJobCall *call, int64 delay)
{
	begin_requeue(call, call->now + delay);
	add_to_log(call, RARR_HISTORY_RELEASED, JOB_QUEUED, NULL);
	rarr_job_call_write(call, JOB_CHANGE_REQUEUE);
}

/* Finish the locked, unfinished job in jobs->oldslot for an operator. */
void
rarr_job_end(RarrJobCall *call, RarrHistoryAction action, RarrJobStatus status)
{
	begin_finish(call, status);
	add_to_log(call, action, status, NULL);
	rarr_job_call_write(call, JOB_CHANGE_FINISH);
}

/* Begin the version that requeues the job in jobs->oldslot for an operator. */
void
rarr_job_begin_retry(RarrJobCall *call)
{
	begin_requeue(call, call->now);
	rarr_job_set(call->jobs->newslot, JOB_RETRY_COUNT, Int32GetDatum(0));
}

/*
 * Write the version that rarr_job_begin_retry() made.  The job must be locked.
 */
void
rarr_job_end_retry(RarrJobCall *call)
{
	add_to_log(call, RARR_HISTORY_REQUEUED, JOB_QUEUED, NULL);
	rarr_job_call_write(call, JOB_CHANGE_REQUEUE);
}

/*
 * Is the job in jobs->oldslot, whose attributes must be deformed, unfinished?
 */
bool
rarr_job_is_unfinished(RarrTable *jobs)
{
	RarrJobStatus status = rarr_job_status(jobs->oldslot);

	return status == JOB_QUEUED || status == JOB_RUNNING;
}

/* Can an operator requeue the job in jobs->oldslot, deformed? */
bool
rarr_job_is_retryable(RarrTable *jobs)
{
	RarrJobStatus status = rarr_job_status(jobs->oldslot);

	return status == JOB_FAILED || status == JOB_CANCELLED;
}

PG_FUNCTION_INFO_V1(researcharr_job_fail);
PG_FUNCTION_INFO_V1(researcharr_job_heartbeat);
PG_FUNCTION_INFO_V1(researcharr_job_release);
PG_FUNCTION_INFO_V1(researcharr_job_cancel);
PG_FUNCTION_INFO_V1(researcharr_job_retry);
PG_FUNCTION_INFO_V1(researcharr_job_mark_as_completed);

/*
 * job_fail(id uuid, attempt int, error text, retry_in interval, retry boolean)
 *		-> the job's row
 *
 * If a retry is left and `retry` is not false, the job is requeued, available
 * at now + retry_in (zero or more; NULL for the type's backoff).  Otherwise it
 * is set to failed.  An error of more than 64 kB is truncated, with a note at
 * its end.
 * Errors: 22004 NULL for id, attempt or error; 22023 a retry_in out of range;
 * RA001 not running under this attempt; 09000 a user's trigger suppresses the
 * update.
 */
Datum
researcharr_job_fail(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	RarrFailure failure = {.delay = -1};
	RarrJobCall call;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	RARR_REQUIRE_ARG(2, "error");
	if (!PG_ARGISNULL(3))
		failure.delay = rarr_lease_arg(PG_GETARG_INTERVAL_P(3), "retry_in", 0);
	failure.retry = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	failure.message = rarr_error_text_truncate(PG_GETARG_DATUM(2));
	failure.error = TextDatumGetCString(failure.message);

	rarr_job_call_begin(&call, "job_fail()");
	rsinfo = rarr_result_begin(fcinfo, call.jobs->desc);
	rarr_job_call_lock_own(&call, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	(void) rarr_job_fail(&call, &failure);
	rarr_result_put(rsinfo->setResult, rsinfo->setDesc, call.jobs->newslot);
	rarr_job_call_end(&call);
	return (Datum) 0;
}

/*
 * job_heartbeat(id uuid, attempt int, lease interval) -> the lease's new end
 *
 * lease: from now on, above zero; NULL for the type's.  The lease ends no
 * later than the type's max_runtime after the claim, which may be in the past.
 * Errors: 22004 NULL for id or attempt; 22023 a lease out of range; RA001 not
 * running under this attempt; 09000 a user's trigger suppresses the update.
 */
Datum
researcharr_job_heartbeat(PG_FUNCTION_ARGS)
{
	int64 lease = 0;
	TimestampTz expires;
	RarrJobCall call;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		lease = rarr_lease_arg(PG_GETARG_INTERVAL_P(2), "lease", 1);

	rarr_job_call_begin(&call, "job_heartbeat()");
	call.lock_mode = rarr_table_lock_mode(call.jobs, 1 << JOB_CHANGE_HEARTBEAT);
	rarr_job_call_lock_own(&call, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	expires = rarr_job_renew(&call, lease);
	rarr_job_call_end(&call);
	PG_RETURN_TIMESTAMPTZ(expires);
}

/*
 * job_release(id uuid, attempt int, delay interval) -> true
 *
 * delay: zero or more; NULL for zero.
 * Errors: 22004 NULL for id or attempt; 22023 a delay out of range; RA001 not
 * running under this attempt; 09000 a user's trigger suppresses the update.
 */
Datum
researcharr_job_release(PG_FUNCTION_ARGS)
{
	int64 delay = 0;
	RarrJobCall call;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		delay = rarr_lease_arg(PG_GETARG_INTERVAL_P(2), "delay", 0);

	rarr_job_call_begin(&call, "job_release()");
	rarr_job_call_lock_own(&call, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	rarr_job_release(&call, delay);
	rarr_job_call_end(&call);
	PG_RETURN_BOOL(true);
}

/*
 * Finish the unfinished job of argument id for an operator.  Returns false if
 * the job is finished or does not exist.
 */
static bool
end_unfinished(FunctionCallInfo fcinfo, const char *function, RarrHistoryAction action,
			   RarrJobStatus status)
{
	RarrJobCall call;
	bool changed;

	RARR_REQUIRE_ARG(0, "id");
	rarr_job_call_begin(&call, function);
	changed = rarr_job_call_lock(&call, PG_GETARG_DATUM(0)) && rarr_job_is_unfinished(call.jobs);
	if (changed)
		rarr_job_end(&call, action, status);
	rarr_job_call_end(&call);
	return changed;
}

/*
 * job_cancel(id uuid) -> whether a queued or running job was cancelled
 *
 * Errors: 22004 for NULL; 09000 a user's trigger suppresses the update.
 */
Datum
researcharr_job_cancel(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(end_unfinished(fcinfo, "job_cancel()", RARR_HISTORY_CANCELLED, JOB_CANCELLED));
}

/*
 * job_mark_as_completed(id uuid) -> whether an unfinished job was completed
 *
 * Errors: 22004 for NULL; 09000 a user's trigger suppresses the update.
 */
Datum
researcharr_job_mark_as_completed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(end_unfinished(fcinfo, "job_mark_as_completed()",
								  RARR_HISTORY_MARKED_COMPLETED, JOB_COMPLETED));
}

/*
 * job_retry(id uuid) -> whether a failed or cancelled job was requeued
 *
 * retry_count is set to 0.  attempt is kept, so that calls of earlier workers
 * stay invalid.
 * Errors: 22004 for NULL; 23505 another unfinished job has its unique_key;
 * 09000 a user's trigger suppresses the update.
 */
Datum
researcharr_job_retry(PG_FUNCTION_ARGS)
{
	RarrJobCall call;
	bool changed;

	RARR_REQUIRE_ARG(0, "id");
	rarr_job_call_begin(&call, "job_retry()");
	changed = rarr_job_call_lock(&call, PG_GETARG_DATUM(0)) && rarr_job_is_retryable(call.jobs);
	if (changed)
	{
		rarr_job_begin_retry(&call);
		rarr_job_end_retry(&call);
	}
	rarr_job_call_end(&call);
	PG_RETURN_BOOL(changed);
}
