/*
 * job_all.c
 *		Cancelling, and queueing again, all jobs that pass filters, in calls of
 *		bounded size: job_cancel_all, job_retry_all.
 *
 *		The jobs are chosen by a statement of the caller's, who needs the privilege
 *		to read them; what is done with them is the queue's (job/job.h).  A job that
 *		another session changes in between is left out, and the next ones are
 *		chosen, until the limit is reached or there are no more: zero means that
 *		there is nothing left to do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/schema.h"
#include "data/filter.h"
#include "job/job.h"

#define MAX_JOBS	10000		/* that a call changes */

/* What is done with the jobs, and which ones it can be done with. */
typedef struct Deed
{
	const char *function;
	const char *condition;
	int			(*run) (Datum *ids, int n, const char *function);
} Deed;

static const Deed cancel_all = {
	"job_cancel_all()",
	" AND t.completed_at IS NULL",
	rarr_jobs_cancel
};

/* A job whose unique key is taken is not chosen: a limit's worth of them would hide the others. */
static const Deed retry_all = {
	"job_retry_all()",
	" AND t.status" RARR_EQ "ANY ('{failed,cancelled}'::pg_catalog.text[])"
	" AND (t.unique_key IS NULL OR NOT EXISTS (SELECT FROM researcharr.processing_jobs AS u"
	" WHERE u.job_type" RARR_EQ "t.job_type AND u.unique_key" RARR_EQ "t.unique_key"
	" AND u.completed_at IS NULL))",
	rarr_jobs_retry
};

/* The first jobs behind an id (NULL: from the first on) that pass the filters; how many. */
static int
choose_jobs(RarrEntity *entity, const Deed *deed, Jsonb *filters, const pg_uuid_t *after, int limit,
			Datum **ids)
{
	RarrQuery	query;
	Datum		array;
	bool		isnull;
	bool	   *nulls;
	int			n = 0;

	rarr_query_init(&query);
	rarr_query_add(&query, "SELECT pg_catalog.array_agg(s.id) FROM (SELECT t.id FROM researcharr.processing_jobs AS t");
	rarr_filter_add(&query, entity, filters);
	rarr_query_add(&query, deed->condition);
	if (after != NULL)
	{
		rarr_query_add(&query, " AND t.id OPERATOR(pg_catalog.>) ");
		rarr_query_param(&query, UUIDOID, UUIDPGetDatum(after), false);
	}
	rarr_query_add(&query, " ORDER BY t.id LIMIT ");
	rarr_query_param(&query, INT8OID, Int64GetDatum(limit), false);
	rarr_query_add(&query, ") AS s");
	if (rarr_query_value(entity, &query, RARR_CUSTOM, &array, &isnull) && !isnull)
		deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, ids, &nulls, &n);
	return n;
}

/* Do it with up to "limit" of the jobs; how many that were. */
static int64
do_all(FunctionCallInfo fcinfo, const Deed *deed)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	int			limit = PG_ARGISNULL(1) ? MAX_JOBS : PG_GETARG_INT32(1);
	const pg_uuid_t *last = NULL;
	Jsonb	   *filters;
	Datum	   *ids;
	int			done = 0;
	int			n;

	RARR_REQUIRE_ARG(0, "filters");
	rarr_prevent_read_only(deed->function);
	filters = PG_GETARG_JSONB_P(0);
	if (limit < 1 || limit > MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit is out of range: %d", limit),
				 errhint("Give a number from 1 to %d, and call again until the answer is 0.", MAX_JOBS)));
	while (done < limit && (n = choose_jobs(entity, deed, filters, last, limit - done, &ids)) > 0)
	{
		last = DatumGetUUIDP(ids[n - 1]);
		done += deed->run(ids, n, deed->function);
	}
	return done;
}

PG_FUNCTION_INFO_V1(researcharr_job_cancel_all);

/*
 * job_cancel_all(filters jsonb, "limit" int) -> how many queued and running jobs
 * that pass the filters were cancelled
 * Errors: 22004 NULL for filters; 22023 a limit that is not 1 to 10000; those of
 * filters; 42501 without the privilege to read jobs.
 */
Datum
researcharr_job_cancel_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(do_all(fcinfo, &cancel_all));
}

PG_FUNCTION_INFO_V1(researcharr_job_retry_all);

/*
 * job_retry_all(filters jsonb, "limit" int) -> how many failed and cancelled jobs
 * that pass the filters were queued again
 * Errors: as job_cancel_all(); 40001 as job_retry_many().
 */
Datum
researcharr_job_retry_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(do_all(fcinfo, &retry_all));
}
