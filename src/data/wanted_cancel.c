/*
 * wanted_cancel.c
 *		Cancel queued jobs that search for what is not wanted any more.
 *
 * A job of wanted_enqueue() names its item in its unique key, and says in its
 * metadata of which instance that is, and whether it was missing or below its
 * cutoff.  Running jobs are left to their workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/uuid.h"
#include "data/query.h"
#include "data/wanted_cancel.h"
#include "job/job.h"

#define JSON_TEXT " OPERATOR(pg_catalog.->>) "

/*
 * The queued jobs j with the ids of their items.  $1 is the beginning of their
 * keys.  Users can make keys that only look like one.
 */
#define QUEUED_JOBS \
	"SELECT j.id, j.media_id, j.metadata, CASE WHEN j.unique_key OPERATOR(pg_catalog.~)" \
	" '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'" \
	" THEN CAST(pg_catalog.split_part(j.unique_key, ':', 2) AS pg_catalog.uuid) END AS item_id" \
	" FROM researcharr.processing_jobs AS j" \
	" WHERE j.completed_at IS NULL AND j.lease_expires_at IS NULL" \
	" AND pg_catalog.starts_with(j.unique_key, $1)"

/* Is item t of job q not wanted as the job says?  $2: the instance's id, $3: its name */
#define IS_UNWANTED \
	"(t.id IS NULL AND q.metadata" JSON_TEXT "'instance'" RARR_EQ "$3)" \
	" OR (t.instance_id" RARR_EQ "$2 AND (NOT t.monitored" \
	" OR CASE WHEN q.metadata" JSON_TEXT "'wanted'" RARR_EQ "'cutoff'" \
	" THEN t.quality_cutoff_met IS TRUE ELSE t.has_file END))"

/* May the user read jobs? */
static bool
may_read(const RarrEntity *entity)
{
	return pg_class_aclcheck(entity->tableid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Cancel the jobs whose ids the query returns, as one array.  Returns their number. */
static int
cancel_found(RarrEntity *entity, RarrQuery *query, const char *function)
{
	Datum array;
	Datum *ids;
	bool *nulls;
	bool isnull;
	int n;

	if (!rarr_query_value(entity, query, RARR_CUSTOM, &array, &isnull) || isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, &nulls, &n);
	return rarr_jobs_cancel_queued(ids, n, function);
}

/*
 * Cancel the queued jobs of wanted_enqueue() for items of the instance that are
 * not monitored, are gone, or have got their file since, or one above the cutoff.
 * media are those whose jobs are looked at; NULL for all.  function is the SQL
 * function's name, with parentheses.  Returns the number of cancelled jobs.  Does
 * nothing if the user may not read jobs.
 *
 * Jobs come before tracked items in the order of locks.  The caller may have
 * changed items all the same, because this does not wait for jobs.
 */
int
rarr_wanted_cancel(const RarrInstance *instance, const pg_uuid_t *media, int nmedia, const char *function)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	RarrQuery query;

	if (!may_read(entity))
		return 0;
	rarr_query_init(&query);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(RARR_SEARCH_KEY));
	rarr_query_bind(&query, UUIDOID, UUIDPGetDatum(&instance->id));
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(instance->name));
	rarr_query_add(&query, "SELECT pg_catalog.array_agg(q.id) FROM (" QUEUED_JOBS);
	if (media != NULL)
	{
		rarr_query_add(&query, " AND j.media_id" RARR_EQ "ANY (");
		rarr_query_param(&query, UUIDARRAYOID, rarr_uuid_array(media, nmedia), false);
		rarr_query_add(&query, ")");
	}
	rarr_query_add(&query, ") AS q LEFT JOIN researcharr.tracked_items AS t ON t.id" RARR_EQ "q.item_id WHERE " IS_UNWANTED);
	return cancel_found(entity, &query, function);
}

/* Cancel the queued jobs of wanted_enqueue() for these items.  The rest is as above. */
int
rarr_wanted_cancel_items(const pg_uuid_t *items, int nitems, const char *function)
{
	RarrEntity *entity = rarr_entity(RARR_JOB);
	RarrQuery query;

	if (!may_read(entity))
		return 0;
	rarr_query_init(&query);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(RARR_SEARCH_KEY));
	rarr_query_add(&query, "SELECT pg_catalog.array_agg(j.id) FROM researcharr.tracked_items AS t"
						   " JOIN researcharr.processing_jobs AS j ON j.media_id" RARR_EQ "t.media_id"
						   " AND j.unique_key" RARR_EQ "pg_catalog.concat($1, t.id)"
						   " WHERE j.completed_at IS NULL AND j.lease_expires_at IS NULL AND t.id" RARR_EQ "ANY (");
	rarr_query_param(&query, UUIDARRAYOID, rarr_uuid_array(items, nitems), false);
	rarr_query_add(&query, ")");
	return cancel_found(entity, &query, function);
}
