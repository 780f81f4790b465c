/*
 * job_all.c
 *		Cancel or retry all jobs that match filters.
 *
 * A statement with the caller's privileges selects the jobs, so the caller
 * must be allowed to read them.  The job queue makes the changes (job/job.h).
 * A job that another session changes meanwhile is skipped and more are
 * selected, until the limit is reached or no job is left.  A result of zero
 * therefore means that nothing is left to do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/schema.h"
#include "data/filter.h"
#include "job/job.h"

#define MAX_JOBS 10000 /* maximum per call */

/* What is done with the jobs, and to which jobs it applies. */
typedef struct JobAction
{
	const char *function;
	const char *condition;
	int (*run)(Datum *ids, int n, const char *function);
} JobAction;

static const JobAction cancel_all = {
	"job_cancel_all()",
	" AND t.completed_at IS NULL",
	rarr_jobs_cancel};

/* Jobs whose unique key is taken could hide all others. */
static const JobAction retry_all = {
	"job_retry_all()",
	" AND t.status" RARR_EQ "ANY ('{failed,cancelled}'::pg_catalog.text[])"
	" AND (t.unique_key IS NULL OR NOT EXISTS (SELECT FROM researcharr.processing_jobs AS u"
	" WHERE u.job_type" RARR_EQ "t.job_type AND u.unique_key" RARR_EQ "t.unique_key"
	" AND u.completed_at IS NULL))",
	rarr_jobs_retry};

/*
 * Select up to n jobs with an id greater than after (if not NULL) that match
 * the filters.  Returns their number.
 */
static int
choose_jobs(RarrEntity *entity, const JobAction *action, Jsonb *filters, const pg_uuid_t *after, int limit,
			Datum **ids)
{
	RarrQuery query;
	Datum array;
	bool isnull;
	bool *nulls;
	int n = 0;

	rarr_query_init(&query);
	rarr_query_add(&query, "SELECT pg_catalog.array_agg(s.id) FROM (SELECT t.id FROM researcharr.processing_jobs AS t");
	rarr_filter_add(&query, entity, filters);
	rarr_query_add(&query, action->condition);
	if (after != NULL)
	{
		rarr_query_add_param(&query, " AND t.id OPERATOR(pg_catalog.>) ",
							 UUIDOID, UUIDPGetDatum(after));
	}
	rarr_query_add_param(&query, " ORDER BY t.id LIMIT ", INT8OID, Int64GetDatum(limit));
	rarr_query_add(&query, ") AS s");
	if (rarr_query_value(entity, &query, RARR_CUSTOM, &array, &isnull) && !isnull)
		deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, ids, &nulls, &n);
	return n;
}

/* Apply the action to up to "limit" jobs and return their number. */
static int64
do_all(FunctionCallInfo fcinfo, const JobAction *action)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	int limit = PG_ARGISNULL(1) ? MAX_JOBS : PG_GETARG_INT32(1);
	const pg_uuid_t *last = NULL;
	Jsonb *filters;
	Datum *ids;
	int done = 0;
	int n;

	RARR_REQUIRE_ARG(0, "filters");
	rarr_prevent_read_only(action->function);
	filters = PG_GETARG_JSONB_P(0);
	if (limit < 1 || limit > MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit is out of range: %d", limit),
				 errhint("Give a number from 1 to %d, and call again until the result is 0.", MAX_JOBS)));
	while (done < limit && (n = choose_jobs(entity, action, filters, last, limit - done, &ids)) > 0)
	{
		last = DatumGetUUIDP(ids[n - 1]);
		done += action->run(ids, n, action->function);
	}
	return done;
}

/*
 * job_cancel_all(filters jsonb, "limit" int) returns int
 *
 * Cancels queued and running jobs that match the filters and returns their
 * number.  Raises 22004 if filters is NULL, 22023 if the limit is not between
 * 1 and 10000, the errors of rarr_filter_add(), and 42501 without the
 * privilege to read jobs.
 */
PG_FUNCTION_INFO_V1(researcharr_job_cancel_all);
Datum
researcharr_job_cancel_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(do_all(fcinfo, &cancel_all));
}

/*
 * job_retry_all(filters jsonb, "limit" int) returns int
 *
 * Queues failed and cancelled jobs that match the filters again, and returns
 * their number.  Raises the errors of job_cancel_all(), and 40001 as
 * job_retry_many() does.
 */
PG_FUNCTION_INFO_V1(researcharr_job_retry_all);
Datum
researcharr_job_retry_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(do_all(fcinfo, &retry_all));
}
