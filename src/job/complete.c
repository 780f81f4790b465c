/*
 * complete.c
 *		Complete jobs: job_complete, job_complete_many.
 *
 * The head of finish.c says when a worker may complete a job.  A batch updates
 * row by row, and inserts the index entries of all rows together at its end.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/row_change.h"
#include "job/batch.h"
#include "job/call.h"
#include "job/change.h"
#include "job/core/tid_cache.h"
#include "job/core/worker_input.h"

/* Make the new version of the job in jobs->oldslot, in jobs->newslot. */
static void
set_completed(RarrJobCall *call, Datum result, bool has_result)
{
	rarr_job_begin_change(call->jobs, call->now);
	rarr_job_set_status(call->jobs->newslot, JOB_COMPLETED, call->now);
	if (has_result)
		rarr_job_set(call->jobs->newslot, JOB_RESULT, result);
	else
		rarr_job_set_null(call->jobs->newslot, JOB_RESULT);
}

/*
 * Complete a job that this backend claimed, without locking it first.  Nearly
 * always no other transaction has the job, and the update checks that the row
 * has not changed.  Returns false, and changes nothing, if the row has
 * changed, if the job is not in the TID cache, or if it is not running under
 * the attempt.
 */
static bool
complete_unlocked(RarrJobCall *call, Datum id, int attempt, Datum result, bool has_result)
{
	RarrTable *jobs = call->jobs;

	if (jobs->has_triggers || !rarr_tid_cache_fetch(jobs, DatumGetUUIDP(id)) ||
		!rarr_job_is_running_under(jobs, attempt))
		return false;
	call->now = GetCurrentTimestamp();
	set_completed(call, result, has_result);
	return rarr_job_make_change_unlocked(jobs, JOB_CHANGE_FINISH, true);
}

/*
 * Complete a job, or return false if it is not running under the attempt.
 * result: jsonb, checked by the caller.  Raises 09000 if a user's trigger
 * suppresses the update.
 */
bool
rarr_job_complete(RarrJobCall *call, Datum id, int attempt, Datum result, bool has_result)
{
	if (!complete_unlocked(call, id, attempt, result, has_result))
	{
		if (!rarr_job_call_lock_if_own(call, id, attempt))
			return false;
		set_completed(call, result, has_result);
		rarr_job_call_write(call, JOB_CHANGE_FINISH);
	}
	rarr_job_log_add(&call->log, call->jobs->oldslot, RARR_HISTORY_COMPLETED, JOB_COMPLETED,
					 call->now, NULL);
	return true;
}

PG_FUNCTION_INFO_V1(researcharr_job_complete);
PG_FUNCTION_INFO_V1(researcharr_job_complete_many);

/*
 * job_complete(id uuid, attempt int, result jsonb) -> true
 *
 * result: NULL for none.
 * Errors: 22004 NULL for id or attempt; RA001 not running under this attempt;
 * RA003 a result of more than 1 MB as text; 09000 a user's trigger suppresses
 * the update.
 */
Datum
researcharr_job_complete(PG_FUNCTION_ARGS)
{
	RarrJobCall call;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		rarr_check_result(PG_GETARG_DATUM(2));
	rarr_job_call_begin(&call, "job_complete()");
	if (!rarr_job_complete(&call, PG_GETARG_DATUM(0), PG_GETARG_INT32(1), PG_GETARG_DATUM(2), !PG_ARGISNULL(2)))
		rarr_lease_lost(&call, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	rarr_job_call_end(&call);
	PG_RETURN_BOOL(true);
}

/*
 * job_complete_many(ids uuid[], attempts int[], results jsonb[])
 *		-> (id, completed) rows, in the order of the arrays
 *
 * completed is false for a job that is not running under its attempt.
 * Errors: 22004 NULL for ids or attempts or in them; 22023 arrays of unequal
 * length; RA003 a result of more than 1 MB as text; 09000 a user's trigger
 * suppresses an update.
 */
Datum
researcharr_job_complete_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;
	Datum *results = NULL;
	bool *no_result = NULL;
	RarrJobCall call;

	rarr_batch_read(&batch, fcinfo, true);
	if (!PG_ARGISNULL(2))
		results = rarr_batch_array(&batch, fcinfo, 2, "results", JSONBOID, true, &no_result);
	for (int i = 0; results != NULL && i < batch.n; i++)
		if (!no_result[i])
			rarr_check_result(results[i]);

	rarr_job_call_begin(&call, "job_complete_many()");
	rarr_table_defer_entries(call.jobs, JOB_CHANGE_FINISH);
	for (int i = 0; i < batch.n; i++)
	{
		int p = batch.order[i];
		bool has_result = results != NULL && !no_result[p];

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call.log);
		rarr_batch_set(&batch, p,
					   BoolGetDatum(rarr_job_complete(&call, batch.ids[p], rarr_batch_attempt(&batch, p),
													  has_result ? results[p] : (Datum) 0, has_result)));
	}
	rarr_table_insert_deferred(call.jobs);
	rarr_job_call_end(&call);
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}
