/*
 * finish_many.c
 *		Fail, renew, release and cancel many jobs.
 *
 * Each function does to each job what the function of finish.c for one job
 * does, in order of id (batch.c), with one snapshot.  A job that is not the
 * worker's any more, or does not have a suitable status, is not an error: the
 * result says so.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/row_change.h"
#include "job/batch.h"
#include "job/core/worker_input.h"
#include "job/finish.h"
#include "job/job.h"

PG_FUNCTION_INFO_V1(researcharr_job_heartbeat_many);
PG_FUNCTION_INFO_V1(researcharr_job_release_many);
PG_FUNCTION_INFO_V1(researcharr_job_fail_many);
PG_FUNCTION_INFO_V1(researcharr_job_cancel_many);

/*
 * Does the i-th job in order of id repeat the job and attempt before it?  Then
 * that one has its answer.
 */
static bool
is_repeated(const RarrBatch *batch, int i)
{
	int p = batch->order[i];
	int before;

	if (i == 0)
		return false;
	before = batch->order[i - 1];
	return rarr_batch_attempt(batch, before) == rarr_batch_attempt(batch, p) &&
		   memcmp(DatumGetUUIDP(batch->ids[before]), DatumGetUUIDP(batch->ids[p]), UUID_LEN) == 0;
}

/*
 * job_heartbeat_many(ids uuid[], attempts int[], lease interval)
 *		-> (id, lease_expires_at) rows, in the order of the arrays
 *
 * lease: as for job_heartbeat().  lease_expires_at is NULL for a job that is
 * not running under its attempt.
 * Errors: 22004 NULL for ids or attempts or in them; 22023 arrays of unequal
 * length, a lease out of range; 09000 a user's trigger suppresses an update.
 */
Datum
researcharr_job_heartbeat_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;
	int64 lease = 0;
	RarrJobCall call;

	rarr_batch_read(&batch, fcinfo, true);
	if (!PG_ARGISNULL(2))
		lease = rarr_lease_arg(PG_GETARG_INTERVAL_P(2), "lease", 1);

	rarr_job_call_begin(&call, "job_heartbeat_many()");
	call.lock_mode = rarr_table_lock_mode(call.jobs, 1 << JOB_CHANGE_HEARTBEAT);
	for (int i = 0; i < batch.n; i++)
	{
		int p = batch.order[i];

		CHECK_FOR_INTERRUPTS();
		if (is_repeated(&batch, i))
		{
			int before = batch.order[i - 1];

			batch.values[p] = batch.values[before];
			batch.nulls[p] = batch.nulls[before];
		}
		else if (rarr_job_call_lock_if_own(&call, batch.ids[p], rarr_batch_attempt(&batch, p)))
			rarr_batch_set(&batch, p, TimestampTzGetDatum(rarr_job_renew(&call, lease)));
	}
	rarr_job_call_end(&call);
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}

/*
 * job_release_many(ids uuid[], attempts int[], delay interval)
 *		-> (id, released) rows, in the order of the arrays
 *
 * delay: as for job_release().  released is false for a job that is not
 * running under its attempt.
 * Errors: 22004 NULL for ids or attempts or in them; 22023 arrays of unequal
 * length, a delay out of range; 09000 a user's trigger suppresses an update.
 */
Datum
researcharr_job_release_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;
	int64 delay = 0;
	RarrJobCall call;

	rarr_batch_read(&batch, fcinfo, true);
	if (!PG_ARGISNULL(2))
		delay = rarr_lease_arg(PG_GETARG_INTERVAL_P(2), "delay", 0);

	rarr_job_call_begin(&call, "job_release_many()");
	for (int i = 0; i < batch.n; i++)
	{
		int p = batch.order[i];
		bool own;

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call.log);
		own = rarr_job_call_lock_if_own(&call, batch.ids[p], rarr_batch_attempt(&batch, p));
		if (own)
			rarr_job_release(&call, delay);
		rarr_batch_set(&batch, p, BoolGetDatum(own));
	}
	rarr_job_call_end(&call);
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}

/*
 * Read the arguments of job_fail_many() after ids and attempts.  Returns the
 * error of each job, and sets delay and retry of the failure.
 */
static Datum *
read_failures(const RarrBatch *batch, FunctionCallInfo fcinfo, RarrFailure *failure)
{
	bool *nulls;
	Datum *errors;

	RARR_REQUIRE_ARG(2, "errors");
	errors = rarr_batch_array(batch, fcinfo, 2, "errors", TEXTOID, false, &nulls);
	failure->delay = PG_ARGISNULL(3) ? -1 : rarr_lease_arg(PG_GETARG_INTERVAL_P(3), "retry_in", 0);
	failure->retry = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	return errors;
}

/*
 * job_fail_many(ids uuid[], attempts int[], errors text[], retry_in interval,
 *		retry boolean) -> (id, status) rows, in the order of the arrays
 *
 * retry_in and retry: as for job_fail().  status is the new one, queued or
 * failed, and NULL for a job that is not running under its attempt.
 * Errors: 22004 NULL for ids, attempts or errors or in them; 22023 arrays of
 * unequal length, a retry_in out of range; 09000 a user's trigger suppresses
 * an update.
 */
Datum
researcharr_job_fail_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;
	RarrFailure failure;
	Datum *errors;
	RarrJobCall call;

	rarr_batch_read(&batch, fcinfo, true);
	errors = read_failures(&batch, fcinfo, &failure);

	rarr_job_call_begin(&call, "job_fail_many()");
	rarr_table_defer_entries(call.jobs, JOB_CHANGE_FINISH);
	for (int i = 0; i < batch.n; i++)
	{
		int p = batch.order[i];
		RarrJobStatus status;

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call.log);
		if (!rarr_job_call_lock_if_own(&call, batch.ids[p], rarr_batch_attempt(&batch, p)))
			continue;
		failure.message = rarr_error_text_truncate(errors[p]);
		failure.error = TextDatumGetCString(failure.message);
		status = rarr_job_fail(&call, &failure);
		rarr_batch_set(&batch, p, CStringGetTextDatum(rarr_job_status_name(status)));
	}
	rarr_table_insert_deferred(call.jobs);
	rarr_job_call_end(&call);
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}

/*
 * Lock an unfinished job.  Returns false if the job is finished or does not
 * exist.  Does not wait for a job that the snapshot shows as finished.
 */
static bool
lock_unfinished(RarrJobCall *call, Datum id)
{
	if (!rarr_job_call_find(call->jobs, id))
		return false;
	slot_getallattrs(call->jobs->oldslot);
	return rarr_job_is_unfinished(call->jobs) && rarr_job_call_lock_found(call, id) &&
		   rarr_job_is_unfinished(call->jobs);
}

/* Is the job in jobs->oldslot, locked, to be cancelled? */
static bool
may_cancel(RarrJobCall *call, bool only_queued)
{
	return !only_queued || rarr_job_status(call->jobs->oldslot) == JOB_QUEUED;
}

/*
 * Cancel the jobs of the batch that are unfinished, and set the batch's values
 * to whether each was cancelled.  Returns the number of those.  only_queued: leave
 * running jobs, and those that other transactions have locked.
 */
static int
cancel(RarrBatch *batch, const char *function, bool only_queued)
{
	RarrJobCall call;
	int cancelled = 0;

	rarr_job_call_begin(&call, function);
	call.wait = only_queued ? LockWaitSkip : LockWaitBlock;
	rarr_table_defer_entries(call.jobs, JOB_CHANGE_FINISH);
	for (int i = 0; i < batch->n; i++)
	{
		int p = batch->order[i];
		bool locked;

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call.log);
		locked = lock_unfinished(&call, batch->ids[p]) && may_cancel(&call, only_queued);
		if (locked)
		{
			rarr_job_end(&call, RARR_HISTORY_CANCELLED, JOB_CANCELLED);
			cancelled++;
		}
		rarr_batch_set(batch, p, BoolGetDatum(locked));
	}
	rarr_table_insert_deferred(call.jobs);
	rarr_job_call_end(&call);
	return cancelled;
}

/*
 * job_cancel_many(ids uuid[]) -> (id, cancelled) rows, in the order of the array
 *
 * cancelled is false for a job that is finished or does not exist.
 * Errors: 22004 NULL for ids or in it; 22023 an array with more dimensions;
 * 09000 a user's trigger suppresses an update.
 */
Datum
researcharr_job_cancel_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;

	rarr_batch_read(&batch, fcinfo, false);
	(void) cancel(&batch, "job_cancel_many()", false);
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}

/*
 * Cancel those of n jobs that are unfinished, and return their number.
 * function: name of the SQL function, with parentheses, for errors.  Raises
 * the errors of job_cancel_many().
 */
int
rarr_jobs_cancel(Datum *ids, int n, const char *function)
{
	RarrBatch batch;

	rarr_batch_init(&batch, ids, n);
	return cancel(&batch, function, false);
}

/*
 * The same for those that are queued.  It does not wait: a job that another
 * transaction has locked is left as it is.
 */
int
rarr_jobs_cancel_queued(Datum *ids, int n, const char *function)
{
	RarrBatch batch;

	rarr_batch_init(&batch, ids, n);
	return cancel(&batch, function, true);
}
