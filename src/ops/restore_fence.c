/*
 * restore_fence.c
 *		Find an attempt that no worker was ever given.
 *
 * A job's attempt is the fencing token of whoever holds it.  A restore brings
 * back jobs with old attempts, and jobs that were deleted.  Attempts that were
 * given out since are in the jobs that are there now; those of deleted jobs are
 * in the history; and those of a history that is gone as well are below a number
 * that is far above the rest, unless a job was claimed a hundred thousand times
 * meanwhile.  The table restore_fence has what the last restore chose, because
 * jobs, history and that restore's backup can all be gone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/schema.h"
#include "job/job.h"
#include "ops/restore_fence.h"
#include "ops/schedule_table.h"

/* Run a query for a number.  Returns 0 for a null. */
static int
get_number(const char *sql)
{
	RarrScheduleQuery query = {sql};
	RarrScheduleAccess access;
	bool isnull = true;
	int64 number = 0;

	rarr_schedule_begin(&access);
	if (rarr_schedule_execute(&query) == 1)
		number = DatumGetInt64(rarr_schedule_datum(&access, 0, 1, &isnull));
	rarr_schedule_end(&access);
	return isnull ? 0 : (int) Max(Min(number, PG_INT32_MAX), 0);
}

/* The highest attempt in the history.  Reads all of it, and needs no lock. */
int
rarr_fence_of_history(void)
{
	return get_number("SELECT max(CASE WHEN details->>'attempt' ~ '^[0-9]{1,9}$' THEN (details->>'attempt')::bigint END)"
					  " FROM researcharr.processing_history");
}

/*
 * Choose the attempt for restored jobs, and record it.  processing_jobs is
 * locked, and has the jobs that are about to be replaced.  history: what
 * rarr_fence_of_history() returned before.  Raises 55000 if there is none left.
 */
int
rarr_fence_raise(int history)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.restore_fence (attempt) VALUES ($1)"
		" ON CONFLICT (only_row) DO UPDATE SET attempt = excluded.attempt"};
	RarrScheduleAccess access;
	int fence = Max(history, get_number("SELECT max(attempt)::bigint FROM researcharr.processing_jobs"));

	fence = Max(fence, get_number("SELECT max(attempt)::bigint FROM researcharr.restore_fence"));
	if (fence > PG_INT32_MAX - 2 * RARR_FENCE_MARGIN)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are no attempts left for restored jobs"),
				 errdetail("A job, its history or an earlier restore has the attempt %d.", fence),
				 errhint("Make sure that no worker runs; then delete jobs and history with such attempts, and the row of \"%s.restore_fence\".",
						 RARR_SCHEMA)));
	fence += RARR_FENCE_MARGIN;
	rarr_schedule_begin(&access);
	rarr_schedule_param(&query, INT4OID, Int32GetDatum(fence), false);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
	return fence;
}
