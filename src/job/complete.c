/*-------------------------------------------------------------------------
 *
 * complete.c
 *		A worker says that jobs are done: job_complete, job_complete_many.
 *
 * Its word counts as finish.c says.  A batch is changed row by row; its index
 * entries go in together.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/row_change.h"
#include "job/bound.h"
#include "job/job_hint.h"
#include "job/work.h"
#include "job/worker_input.h"

/* The job in jobs->oldslot is done: its next version. */
static void
set_completed(RarrWork *work, Datum result, bool has_result)
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
complete_unlocked(RarrWork *work, Datum id, int attempt, Datum result, bool has_result)
{
	RarrTable  *jobs = work->jobs;

	if (jobs->has_triggers || !rarr_job_hint_fetch(jobs, DatumGetUUIDP(id)) ||
		!rarr_is_running_under(jobs, attempt))
		return false;
	work->now = GetCurrentTimestamp();
	set_completed(work, result, has_result);
	if (!rarr_job_make_change_unlocked(jobs, JOB_CHANGE_FINISH, true))
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
complete(RarrWork *work, Datum id, int attempt, Datum result, bool has_result)
{
	if (!complete_unlocked(work, id, attempt, result, has_result))
	{
		if (!rarr_work_find(work->jobs, id))
			return false;
		slot_getallattrs(work->jobs->oldslot);
		if (!IsolationUsesXactSnapshot() && !rarr_is_running_under(work->jobs, attempt))
			return false;
		if (!rarr_work_lock_found(work, id) || !rarr_is_running_under(work->jobs, attempt))
			return false;
		set_completed(work, result, has_result);
		rarr_work_write(work, JOB_CHANGE_FINISH);
	}
	rarr_job_log_add(&work->log, work->jobs->oldslot, RARR_HISTORY_COMPLETED, JOB_COMPLETED,
					 work->now, NULL);
	return true;
}

PG_FUNCTION_INFO_V1(researcharr_job_complete);
PG_FUNCTION_INFO_V1(researcharr_job_complete_many);

/*
 * job_complete(id uuid, attempt int, result jsonb) -> true
 *
 * Errors: 22004 NULL for id or attempt; RA001 not running under this attempt;
 * RA003 a result of more than 1 MB as text.
 */
Datum
researcharr_job_complete(PG_FUNCTION_ARGS)
{
	RarrWork	work;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "attempt");
	if (!PG_ARGISNULL(2))
		rarr_check_result(PG_GETARG_DATUM(2));
	rarr_work_begin(&work, "job_complete()");
	if (!complete(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1), PG_GETARG_DATUM(2), !PG_ARGISNULL(2)))
		rarr_lease_lost(&work, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	rarr_work_end(&work);
	PG_RETURN_BOOL(true);
}

/*
 * job_complete_many(ids uuid[], attempts int[], results jsonb[])
 *		-> (id, completed) rows, in the order of the arrays
 *
 * completed is false for a job that is not running under its attempt.
 * Errors: 22004 NULL for ids or attempts or in them; 22023 arrays of unequal
 * length; RA003 a result of more than 1 MB as text.
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
	RarrWork	work;

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
	for (int i = 0; has_results && i < n; i++)
		if (!no_result[i])
			rarr_check_result(results[i]);
	InitMaterializedSRF(fcinfo, 0);

	rarr_work_begin(&work, "job_complete_many()");
	rarr_table_gather(work.jobs, JOB_CHANGE_FINISH);
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
	rarr_table_insert_gathered(work.jobs);
	rarr_work_end(&work);
	return (Datum) 0;
}
