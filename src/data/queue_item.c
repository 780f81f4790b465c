/*
 * queue_item.c
 *		Hand out items of the service queues, and record the outcome.
 *
 * An item that is handed out gets the end of a lease as its next_retry_at and
 * is not due before that time.  No other caller gets it meanwhile, and if its
 * caller never reports back, it is handed out again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/backoff.h"
#include "base/guc.h"
#include "data/query.h"
#include "data/violations.h"

#define MAX_ITEMS 10000 /* maximum per call */

/* delay before a retry: the defaults of the built-in job types */
#define RETRY_BASE   (30 * USECS_PER_SEC)
#define RETRY_CAP    (USECS_PER_HOUR)
#define RETRY_JITTER 0.1

/* the items of service $1 that are due at $2, each kind in the order of an index or sorted */
#define ITEMS(condition) \
	"(SELECT i.id, i.priority, i.last_processed FROM researcharr.queue_items AS i" \
	" WHERE i.service" RARR_EQ "$1 AND i.next_retry_at " condition \
	" ORDER BY i.priority DESC, i.last_processed NULLS FIRST, i.id)"
#define READY_ITEMS ITEMS("IS NULL")
#define RETRY_ITEMS ITEMS("OPERATOR(pg_catalog.<=) $2")

/*
 * queue_item_get_next(service text, "limit" int) returns SETOF queue_items
 *
 * Returns due items by priority, then by last_processed, never-processed items
 * first.  Their next_retry_at is set to researcharr.queue_item_lease from now.
 * Raises 22004 if service is NULL, RA003 if it is unknown, and 22023 if the
 * limit is not between 1 and 10000.
 *
 * Items that are not due must not cost time.  So items without next_retry_at
 * are read from an index of their own, in order, and merged with those whose
 * next_retry_at is over.  The limit is part of the text, so that a generic plan
 * is one for few rows, too.  The conditions are repeated for q, the row that is
 * locked: another caller may have taken it since the statement's snapshot.
 */
PG_FUNCTION_INFO_V1(researcharr_queue_item_get_next);
Datum
researcharr_queue_item_get_next(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_QUEUE_ITEM);
	int32 limit = PG_ARGISNULL(1) ? 10 : PG_GETARG_INT32(1);
	TimestampTz now = GetCurrentTimestamp();
	RarrQuery query;
	text *service;

	RARR_REQUIRE_ARG(0, "service");
	service = PG_GETARG_TEXT_PP(0);
	rarr_require_text(&rarr_rule_service, "service", service,
					  "Give a service that the extension knows.");
	if (limit < 1 || limit > MAX_ITEMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit is out of range: %d", limit),
				 errhint("Give a number from 1 to %d.", MAX_ITEMS)));

	rarr_query_init(&query);
	rarr_query_bind(&query, TEXTOID, PointerGetDatum(service));
	rarr_query_bind(&query, TIMESTAMPTZOID, TimestampTzGetDatum(now));
	appendStringInfo(&query.sql, "WITH due AS MATERIALIZED (SELECT q.id FROM (" READY_ITEMS " UNION ALL " RETRY_ITEMS ") AS c"
								 " JOIN researcharr.queue_items AS q ON q.id" RARR_EQ "c.id"
								 " WHERE q.service" RARR_EQ "$1"
								 " AND (q.next_retry_at IS NULL OR q.next_retry_at OPERATOR(pg_catalog.<=) $2)"
								 " ORDER BY c.priority DESC, c.last_processed NULLS FIRST, c.id LIMIT %d"
								 " FOR NO KEY UPDATE OF q SKIP LOCKED)",
					 limit);
	rarr_query_add_param(&query, ", taken AS (UPDATE researcharr.queue_items AS t SET next_retry_at = ",
						 TIMESTAMPTZOID,
						 TimestampTzGetDatum(now + rarr_queue_item_lease * USECS_PER_SEC));
	appendStringInfo(&query.sql, " FROM due WHERE t.id" RARR_EQ "due.id RETURNING %s)"
								 " SELECT %s FROM taken AS t"
								 " ORDER BY t.priority DESC, t.last_processed NULLS FIRST, t.id",
					 entity->list, entity->list);
	rarr_query_rows(entity, &query, RARR_CUSTOM, fcinfo);
	return (Datum) 0;
}

/*
 * queue_item_update_last_processed(id uuid) returns boolean
 *
 * Records that the item was processed just now: next_retry_at and the retry
 * count are cleared.  Returns whether the item exists.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_queue_item_update_last_processed);
Datum
researcharr_queue_item_update_last_processed(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_QUEUE_ITEM);
	RarrQuery query;

	RARR_REQUIRE_ARG(0, "id");
	rarr_query_init(&query);
	rarr_query_add_param(&query, "UPDATE researcharr.queue_items AS t SET last_processed = ",
						 TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()));
	rarr_query_add_param(&query, ", next_retry_at = NULL, retry_count = 0 WHERE t.id" RARR_EQ,
						 UUIDOID, PG_GETARG_DATUM(0));
	PG_RETURN_BOOL(rarr_query_run(entity, &query, RARR_GENERIC) > 0);
}

/*
 * queue_item_increment_retry_count(id uuid) returns boolean
 *
 * Records that the item failed.  The next retry is after 30 s, doubled with
 * each retry up to an hour, and shortened by up to a tenth at random.  Returns
 * whether the item exists.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_queue_item_increment_retry_count);
Datum
researcharr_queue_item_increment_retry_count(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_QUEUE_ITEM);
	RarrQuery query;
	Datum value;
	bool isnull;
	int32 retries;
	int64 delay;

	RARR_REQUIRE_ARG(0, "id");
	rarr_query_init(&query);
	rarr_query_add_param(&query, "SELECT t.retry_count FROM researcharr.queue_items AS t WHERE t.id" RARR_EQ,
						 UUIDOID, PG_GETARG_DATUM(0));
	rarr_query_add(&query, " FOR NO KEY UPDATE");
	if (!rarr_query_value(entity, &query, RARR_GENERIC, &value, &isnull))
		PG_RETURN_BOOL(false);
	retries = DatumGetInt32(value);
	delay = rarr_backoff_delay(RARR_BACKOFF_EXPONENTIAL, RETRY_BASE, RETRY_CAP, RETRY_JITTER,
							   retries, pg_prng_double(&pg_global_prng_state));

	rarr_query_init(&query);
	rarr_query_add_param(&query, "UPDATE researcharr.queue_items AS t SET retry_count = ",
						 INT4OID, Int32GetDatum(retries < PG_INT32_MAX ? retries + 1 : retries));
	rarr_query_add_param(&query, ", next_retry_at = ",
						 TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp() + delay));
	rarr_query_add_param(&query, " WHERE t.id" RARR_EQ, UUIDOID, PG_GETARG_DATUM(0));
	PG_RETURN_BOOL(rarr_query_run(entity, &query, RARR_GENERIC) > 0);
}
