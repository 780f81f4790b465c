/*
 * finders.c
 *		Frequent queries of media and jobs as functions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/args.h"
#include "base/result.h"
#include "data/direct.h"
#include "data/job_status.h"
#include "data/query.h"
#include "data/violations.h"

#define VALID_VALUE "Give a value that the column can have."

/*
 * media_get_by_external_id(external_id text, type text) returns SETOF media
 *
 * Returns the media row, or nothing.  Raises 22004 for NULL, and RA003 for an
 * unknown media type.
 */
PG_FUNCTION_INFO_V1(researcharr_media_get_by_external_id);
Datum
researcharr_media_get_by_external_id(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_MEDIA);
	RarrQuery query;

	RARR_REQUIRE_ARG(0, "external_id");
	RARR_REQUIRE_ARG(1, "type");
	rarr_require_text(&rarr_rule_type, "type", PG_GETARG_TEXT_PP(1), VALID_VALUE);
	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.external_id" RARR_EQ, TEXTOID, PG_GETARG_DATUM(0));
	rarr_query_add_param(&query, " AND t.type" RARR_EQ, TEXTOID, PG_GETARG_DATUM(1));
	return rarr_result_row(fcinfo, entity->desc, rarr_query_row(entity, &query, RARR_READ | RARR_GENERIC));
}

/*
 * media_get_by_status(status text) returns SETOF media
 *
 * Returns all media with this status, oldest first: pages of them are read by
 * media_get_all.  Raises 22004 for NULL,
 * and RA003 for an unknown status.
 */
PG_FUNCTION_INFO_V1(researcharr_media_get_by_status);
Datum
researcharr_media_get_by_status(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_MEDIA);
	RarrQuery query;

	RARR_REQUIRE_ARG(0, "status");
	rarr_require_text(&rarr_rule_status, "status", PG_GETARG_TEXT_PP(0), VALID_VALUE);
	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.status" RARR_EQ, TEXTOID, PG_GETARG_DATUM(0));
	rarr_query_add(&query, " ORDER BY t.id");
	rarr_query_rows(entity, &query, RARR_READ | RARR_CUSTOM, fcinfo);
	return (Datum) 0;
}

/*
 * job_get_by_media(media_id uuid) returns SETOF processing_jobs
 *
 * Returns the jobs of a media row, oldest first.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_job_get_by_media);
Datum
researcharr_job_get_by_media(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	RarrEntity *entity = rarr_entity(RARR_JOB);
	RarrQuery query;

	RARR_REQUIRE_ARG(0, "media_id");
	rsinfo = rarr_result_begin(fcinfo, entity->desc);
	if (rarr_direct_rows(entity, entity->media_id_index, PG_GETARG_UUID_P(0), rsinfo))
		return (Datum) 0;
	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.media_id" RARR_EQ, UUIDOID, PG_GETARG_DATUM(0));
	rarr_query_add(&query, " ORDER BY t.id");
	rarr_query_rows(entity, &query, RARR_READ | RARR_GENERIC, fcinfo);
	return (Datum) 0;
}

/*
 * job_get_failed() returns SETOF processing_jobs
 *
 * Returns the failed jobs, most recently failed first.
 */
PG_FUNCTION_INFO_V1(researcharr_job_get_failed);
Datum
researcharr_job_get_failed(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	RarrQuery query;

	rarr_query_select(&query, entity);
	rarr_query_add(&query, " WHERE ");
	rarr_job_status_add(&query, "failed");
	rarr_query_add(&query, " ORDER BY t.completed_at DESC, t.id DESC");
	rarr_query_rows(entity, &query, RARR_READ | RARR_GENERIC, fcinfo);
	return (Datum) 0;
}

/*
 * The types of unfinished jobs.  The dequeue index begins with the job type,
 * so a recursive query looks up one type after the other, and then each type's
 * first jobs.  A short list thus does not scan a long queue.
 */
#define JOB_TYPES_OF_UNFINISHED \
	"WITH RECURSIVE types AS (" \
	"(SELECT j.job_type FROM researcharr.processing_jobs AS j WHERE j.completed_at IS NULL" \
	" ORDER BY j.job_type LIMIT 1)" \
	" UNION ALL SELECT (SELECT j.job_type FROM researcharr.processing_jobs AS j" \
	" WHERE j.completed_at IS NULL AND j.job_type OPERATOR(pg_catalog.>) p.job_type" \
	" ORDER BY j.job_type LIMIT 1) FROM types AS p WHERE p.job_type IS NOT NULL)"

/*
 * job_get_pending("limit" bigint) returns SETOF processing_jobs
 *
 * Returns the queued jobs by priority and then by available_at, including
 * those that are not due yet.  Raises 22023 for a negative limit.
 *
 * An unfinished job without a lease is queued, by the table's constraints.  A
 * condition on status would let the planner expect few jobs, since it takes
 * status and completed_at for independent, and sort all of them.
 */
PG_FUNCTION_INFO_V1(researcharr_job_get_pending);
Datum
researcharr_job_get_pending(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	RarrQuery query;

	if (PG_ARGISNULL(0))
	{
		rarr_query_select(&query, entity);
		rarr_query_add(&query, " WHERE t.completed_at IS NULL AND t.lease_expires_at IS NULL"
							   " ORDER BY t.priority DESC, t.available_at, t.id");
		rarr_query_rows(entity, &query, RARR_READ | RARR_GENERIC, fcinfo);
		return (Datum) 0;
	}
	rarr_query_init(&query);
	appendStringInfo(&query.sql, JOB_TYPES_OF_UNFINISHED " SELECT %s FROM types AS p CROSS JOIN LATERAL"
														 " (SELECT j.* FROM researcharr.processing_jobs AS j"
														 " WHERE j.completed_at IS NULL AND j.job_type" RARR_EQ "p.job_type"
														 " AND j.lease_expires_at IS NULL"
														 " ORDER BY j.priority DESC, j.available_at, j.id",
					 entity->list);
	rarr_query_add_bound(&query, " LIMIT ", "limit", PG_GETARG_INT64(0));
	rarr_query_add(&query, ") AS t ORDER BY t.priority DESC, t.available_at, t.id LIMIT $1");
	rarr_query_rows(entity, &query, RARR_READ | RARR_CUSTOM, fcinfo);
	return (Datum) 0;
}
