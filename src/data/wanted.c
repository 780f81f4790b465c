/*
 * wanted.c
 *		wanted_get_all() and wanted_enqueue(): what the instances lack, and jobs
 *		that search for it.
 *
 * An item is wanted if it is a movie or an episode, monitored, available, and
 * without a file, or with one below its cutoff.  It is due if its next search is,
 * and if no unfinished job of the type searches for it.
 *
 * Each order has an index of tracked_items that begins with the instance and
 * whether there is a file, and continues in the order; available_from comes last
 * in it, so that what is not available yet is skipped within the index.  Jobs are
 * looked up for each item that the index yields, by its media row and by its own
 * key, in subqueries that the planner cannot turn into joins: a join of all jobs
 * with all items would not stop at the limit.
 *
 * A job that wanted_enqueue() makes has a unique key with its item's id.  When it
 * is completed or fails, job/history/search.c updates the item.  Callers for the
 * same instance take turns until their transactions end, so that the next one sees
 * the jobs of the one before.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/column.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "data/instance.h"
#include "data/query.h"
#include "job/job.h"

#define MAX_JOBS   10000 /* maximum per call */
#define FIRST_TURN 16    /* the least number of a lock that callers take turns by */

/* An order of wanted items. */
typedef struct WantedOrder
{
	const char *name;
	const char *columns; /* of item t */
} WantedOrder;

#define OLDEST_SEARCH "t.last_search_at NULLS FIRST, t.id"

static const WantedOrder orders[] = {
	{"oldest_search", OLDEST_SEARCH},
	{"newest_added", "t.added_at DESC NULLS LAST, t.id"},
	{"alphabetical", "t.sort_title, t.id"},
	{"custom_format_score", "t.custom_format_score NULLS FIRST, " OLDEST_SEARCH},
	{"random", "pg_catalog.uuid_hash(t.id), t.id"},
};
#define ORDER_NAMES "oldest_search, newest_added, alphabetical, custom_format_score or random"

/* The arguments of a call. */
typedef struct Wanted
{
	RarrInstance instance;
	bool below_cutoff; /* or without a file */
	text *job_type;
	const WantedOrder *order;
} Wanted;

/* Is the argument, text, this word? */
static bool
is_word(FunctionCallInfo fcinfo, int n, const char *word)
{
	text *value = PG_GETARG_TEXT_PP(n);

	return rarr_equals(word, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Raise 22023 for argument n, which is not one of these words. */
pg_noreturn static void
unknown_word(FunctionCallInfo fcinfo, int n, const char *name, const char *words)
{
	text *value = PG_GETARG_TEXT_PP(n);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is unknown: %s", name, rarr_quote_clipped(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value))),
			 errhint("Give %s.", words)));
}

static const WantedOrder *
order_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return &orders[0];
	for (int i = 0; i < lengthof(orders); i++)
		if (is_word(fcinfo, n, orders[i].name))
			return &orders[i];
	unknown_word(fcinfo, n, "order_by", ORDER_NAMES);
}

/*
 * Read the arguments instance, kind and job_type, and order_by, which is the n-th.
 * Raises 22004 for no instance, 22023 for an unknown instance, kind or order, and
 * RA002 for an unknown job type.
 */
static void
read_arguments(FunctionCallInfo fcinfo, Wanted *wanted, int n)
{
	RARR_REQUIRE_ARG(0, "instance");
	rarr_instance_get(PG_GETARG_TEXT_PP(0), &wanted->instance);
	wanted->below_cutoff = !PG_ARGISNULL(1) && is_word(fcinfo, 1, "cutoff");
	if (!PG_ARGISNULL(1) && !wanted->below_cutoff && !is_word(fcinfo, 1, "missing"))
		unknown_word(fcinfo, 1, "kind", "missing or cutoff");
	wanted->job_type = PG_ARGISNULL(2) ? cstring_to_text("search") : PG_GETARG_TEXT_PP(2);
	(void) rarr_job_type_get(wanted->job_type);
	wanted->order = order_argument(fcinfo, n);

	/* without a file there is no score */
	if (!wanted->below_cutoff && strcmp(wanted->order->name, "custom_format_score") == 0)
		wanted->order = &orders[0];
}

/* Bind the parameters that add_items() uses: $1 to $4. */
static void
bind_arguments(RarrQuery *query, Wanted *wanted)
{
	rarr_query_bind(query, UUIDOID, UUIDPGetDatum(&wanted->instance.id));
	rarr_query_bind(query, TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()));
	rarr_query_bind(query, TEXTOID, PointerGetDatum(wanted->job_type));
	rarr_query_bind(query, TEXTOID, CStringGetTextDatum(RARR_SEARCH_KEY));
}

/*
 * Append FROM and WHERE: the wanted items t that are due.  A job that searches for
 * the item counts also if it is of another media row, which the item stood for
 * before.  Jobs that search for another instance's item of the same media do not
 * count.
 */
static void
add_items(RarrQuery *query, const Wanted *wanted)
{
	rarr_query_add(query, " FROM researcharr.tracked_items AS t");
	rarr_query_add(query, " WHERE t.instance_id" RARR_EQ "$1 AND t.monitored AND t.kind OPERATOR(pg_catalog.<>) 'series'");
	rarr_query_add(query, wanted->below_cutoff ? " AND t.has_file AND NOT t.quality_cutoff_met" : " AND NOT t.has_file");
	rarr_query_add(query, " AND t.available_from OPERATOR(pg_catalog.<=) $2"
						  " AND (t.next_search_at IS NULL OR t.next_search_at OPERATOR(pg_catalog.<=) $2)"
						  " AND NOT EXISTS (SELECT FROM researcharr.processing_jobs AS j"
						  " WHERE j.job_type" RARR_EQ "$3 AND j.unique_key" RARR_EQ "pg_catalog.concat($4, t.id)"
						  " AND j.completed_at IS NULL OFFSET 0)"
						  " AND NOT EXISTS (SELECT FROM researcharr.processing_jobs AS j"
						  " WHERE j.media_id" RARR_EQ "t.media_id AND j.job_type" RARR_EQ "$3"
						  " AND j.completed_at IS NULL"
						  " AND (j.unique_key IS NULL"
						  " OR NOT pg_catalog.starts_with(j.unique_key, $4)) OFFSET 0)");
}

/*
 * Append one of the two halves of a random page: items whose hash is from the
 * random start on, or before it.  rows: how many at most.
 */
static void
add_random_half(RarrQuery *query, const Wanted *wanted, bool second, int64 rows)
{
	rarr_query_add(query, "(SELECT t.*");
	add_items(query, wanted);
	appendStringInfo(&query->sql, " AND pg_catalog.uuid_hash(t.id) OPERATOR(pg_catalog.%s) $5 ORDER BY %s LIMIT " INT64_FORMAT ")",
					 second ? "<" : ">=", wanted->order->columns, rows);
}

/*
 * Append a query of wanted items in their order.  list is what it selects of t;
 * limit is NULL for all.  Random items are those that follow a random point in the
 * order of their ids' hashes.  Without an order of both halves, the second one is
 * read only if the first one is too short.
 */
static void
add_query(RarrQuery *query, Wanted *wanted, const char *list, const int64 *limit, int64 offset)
{
	int64 rows;

	bind_arguments(query, wanted);
	appendStringInfo(&query->sql, "SELECT %s", list);
	if (strcmp(wanted->order->name, "random") == 0 && limit != NULL &&
		!pg_add_s64_overflow(*limit, offset, &rows))
	{
		rarr_query_bind(query, INT4OID, Int32GetDatum((int32) pg_prng_uint32(&pg_global_prng_state)));
		rarr_query_add(query, " FROM (");
		add_random_half(query, wanted, false, rows);
		rarr_query_add(query, " UNION ALL ");
		add_random_half(query, wanted, true, rows);
		rarr_query_add(query, ") AS t");
	}
	else
	{
		add_items(query, wanted);
		appendStringInfo(&query->sql, " ORDER BY %s", wanted->order->columns);
	}
	if (limit != NULL)
		rarr_query_add_bound(query, " LIMIT ", "limit", *limit);
	if (offset != 0)
		rarr_query_add_bound(query, " OFFSET ", "offset", offset);
}

/*
 * wanted_get_all(instance text, kind text, job_type text, "limit" bigint,
 * "offset" bigint, order_by text) returns SETOF tracked_items
 *
 * Returns the instance's movies and episodes that are monitored, available, lack
 * their file (kind missing) or have one below its cutoff (kind cutoff), have no
 * unfinished job of the type, and are due for a search.  Raises 22004 for no
 * instance, 22023 for an unknown instance, kind or order or a negative limit or
 * offset, and RA002 for an unknown job type.
 */
PG_FUNCTION_INFO_V1(researcharr_wanted_get_all);
Datum
researcharr_wanted_get_all(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_TRACKED_ITEM);
	int64 limit = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	Wanted wanted;
	RarrQuery query;

	read_arguments(fcinfo, &wanted, 5);
	rarr_query_init(&query);
	add_query(&query, &wanted, rarr_entity_list(entity), PG_ARGISNULL(3) ? NULL : &limit,
			  PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4));
	rarr_query_rows(entity, &query, RARR_READ | RARR_CUSTOM, fcinfo);
	return (Datum) 0;
}

/* Wait for other callers of wanted_enqueue() for the instance. */
static void
take_turn(const RarrEntity *entity, const RarrInstance *instance)
{
	uint32 hash = hash_bytes(instance->id.data, UUID_LEN);

	/* below FIRST_TURN are the locks of synchronizations (import/) */
	LockDatabaseObject(RelationRelationId, entity->tableid, FIRST_TURN + hash % (PG_UINT16_MAX - FIRST_TURN),
					   ShareUpdateExclusiveLock);
}

/* Read a column of an item's row. */
static Datum
item_value(const RarrEntity *entity, HeapTuple row, const char *name)
{
	bool isnull;
	AttrNumber attnum = rarr_find_column(entity->desc, name);
	Datum value = attnum == 0 ? 0 : heap_getattr(row, attnum, entity->desc, &isnull);

	if (attnum == 0 || isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of a tracked item has no value", name),
				 errhint("The extension's own columns must stay as they are.")));
	return value;
}

/* Set what a job that searches for an item says of it. */
static void
fill_job(const RarrEntity *entity, const Wanted *wanted, HeapTuple row, RarrNewJob *job)
{
	char *id = DatumGetCString(DirectFunctionCall1(uuid_out, item_value(entity, row, "id")));
	JsonbParseState *state = NULL;

	job->media_id = *DatumGetUUIDP(item_value(entity, row, "media_id"));
	job->job_type = wanted->job_type;
	job->unique_key = cstring_to_text(psprintf(RARR_SEARCH_KEY "%s", id));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(&state, "tracked_item_id", id);
	rarr_json_put_text(&state, "instance", wanted->instance.name);
	rarr_json_put_text(&state, "kind", TextDatumGetCString(item_value(entity, row, "kind")));
	rarr_json_put_int(&state, "service_id", DatumGetInt64(item_value(entity, row, "service_id")));
	rarr_json_put_text(&state, "wanted", wanted->below_cutoff ? "cutoff" : "missing");
	job->metadata = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Return the ids of the jobs that were added.  The others are of jobs that users
 * have enqueued with such a key meanwhile.
 */
static void
return_added(ReturnSetInfo *rsinfo, const RarrNewJob *jobs, int n, const pg_uuid_t *ids)
{
	for (int i = 0; i < n; i++)
	{
		Datum id = UUIDPGetDatum(&ids[i]);
		bool isnull = false;

		if (jobs[i].is_added)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
}

/*
 * wanted_enqueue(instance text, kind text, job_type text, "limit" int, order_by
 * text, priority int) returns SETOF uuid
 *
 * Enqueues a job for each of the first items of wanted_get_all(), and returns the
 * jobs' ids.  Nothing is enqueued for an instance that is not active.  Raises the
 * errors of wanted_get_all() and of job_enqueue(), and 22023 if the limit is not
 * between 1 and 10000.
 */
PG_FUNCTION_INFO_V1(researcharr_wanted_enqueue);
Datum
researcharr_wanted_enqueue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrEntity *entity = rarr_entity(RARR_TRACKED_ITEM);
	int64 limit = PG_ARGISNULL(3) ? 10 : PG_GETARG_INT32(3);
	Wanted wanted;
	RarrQuery query;
	List *rows;
	RarrNewJob *jobs;
	pg_uuid_t *ids;

	rarr_prevent_read_only("wanted_enqueue()");
	read_arguments(fcinfo, &wanted, 4);
	if (limit < 1 || limit > MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit is out of range: " INT64_FORMAT, limit),
				 errhint("Give a number from 1 to %d.", MAX_JOBS)));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!wanted.instance.active)
		return (Datum) 0;
	take_turn(entity, &wanted.instance);

	rarr_query_init(&query);
	add_query(&query, &wanted, rarr_entity_list(entity), &limit, 0);
	rows = rarr_query_list(entity, &query, RARR_CUSTOM);
	if (rows == NIL)
		return (Datum) 0;
	jobs = palloc0(list_length(rows) * sizeof(RarrNewJob));
	ids = palloc(list_length(rows) * sizeof(pg_uuid_t));
	for (int i = 0; i < list_length(rows); i++)
	{
		CHECK_FOR_INTERRUPTS();
		fill_job(entity, &wanted, list_nth(rows, i), &jobs[i]);
		jobs[i].has_priority = !PG_ARGISNULL(5);
		jobs[i].priority = jobs[i].has_priority ? PG_GETARG_INT32(5) : 0;
	}
	rarr_jobs_enqueue(jobs, list_length(rows), false, ids);
	return_added(rsinfo, jobs, list_length(rows), ids);
	return (Datum) 0;
}
