/*
 * repository.c
 *		The repository functions: E_get_by_id, E_get_all, E_create, E_update,
 *		E_delete, E_exists and E_count, for every entity E. (E_validate is in
 *		violations.c.)
 *
 * Each C function implements the SQL functions of all entities.  The name of
 * the SQL function that was called determines the entity.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/json.h"
#include "base/result.h"
#include "data/direct.h"
#include "data/filter.h"
#include "data/order.h"
#include "data/page.h"
#include "data/write.h"

/*
 * E_get_by_id(id uuid) returns SETOF E
 *
 * Returns the row, or nothing.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_get_by_id);
Datum
researcharr_entity_get_by_id(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_get_by_id");
	HeapTuple row;

	RARR_REQUIRE_ARG(0, "id");
	if (!rarr_direct_row(entity, PG_GETARG_UUID_P(0), &row))
		row = rarr_entity_get(entity, PG_GETARG_UUID_P(0), RARR_READ);
	return rarr_result_row(fcinfo, entity->desc, row);
}

/*
 * E_get_all(filters jsonb, "limit" bigint, "offset" bigint, order_by text)
 * returns SETOF E
 *
 * Returns the rows that match the filters.  With a limit or an offset, rows
 * that are equal by order_by are ordered by id.  Raises RA004 for an unknown
 * column or operator, and 22023 if filters is not an object, a value is not
 * valid for its column, limit or offset is negative, or order_by is malformed.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_get_all);
Datum
researcharr_entity_get_all(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_get_all");
	Jsonb *filters = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);
	List *order = rarr_order_read(entity, PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	int64 limit = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	RarrQuery query;

	if (rarr_page_rows(entity, filters, order, PG_ARGISNULL(1) ? NULL : &limit,
					   PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2), fcinfo))
		return (Datum) 0;
	rarr_query_select(&query, entity);
	rarr_filter_add(&query, entity, filters);
	rarr_order_add(&query, entity, order, !PG_ARGISNULL(1) || !PG_ARGISNULL(2));
	if (!PG_ARGISNULL(1))
		rarr_query_add_bound(&query, " LIMIT ", "limit", limit);
	if (!PG_ARGISNULL(2))
		rarr_query_add_bound(&query, " OFFSET ", "offset", PG_GETARG_INT64(2));
	rarr_query_rows(entity, &query, PG_ARGISNULL(1) ? RARR_READ : RARR_READ | RARR_CUSTOM, fcinfo);
	return (Datum) 0;
}

/*
 * E_count(filters jsonb) returns bigint
 *
 * Returns the number of rows that match the filters.  Raises the errors of
 * filters, as above.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_count);
Datum
researcharr_entity_count(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_count");
	RarrQuery query;
	Datum count;
	bool isnull;

	rarr_page_count(&query, entity, PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0));
	(void) rarr_query_value(entity, &query, RARR_READ, &count, &isnull);
	PG_RETURN_DATUM(count);
}

/*
 * E_exists(id uuid) returns boolean
 *
 * Returns whether there is a row with this id.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_exists);
Datum
researcharr_entity_exists(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_exists");
	RarrQuery query;
	Datum value;
	bool isnull;

	RARR_REQUIRE_ARG(0, "id");
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT true FROM researcharr.%s AS t",
					 rarr_entity_source(entity));
	rarr_query_add_param(&query, " WHERE t.id" RARR_EQ, UUIDOID, PG_GETARG_DATUM(0));
	PG_RETURN_BOOL(rarr_query_value(entity, &query, RARR_READ | RARR_GENERIC, &value, &isnull));
}

/*
 * E_create(entity jsonb) returns E
 *
 * Inserts a row and returns it.  For a flat entity, a row is inserted into
 * both tables; a job is enqueued.  A null member is treated as absent.  Raises
 * 22004 for NULL, RA003 with all violations in the DETAIL, 23505 for a
 * duplicate key, 23503 for a dangling reference, and RA002 for an unknown job
 * type.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_create);
Datum
researcharr_entity_create(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_create");
	JsonbValue object;
	RarrValues values;

	RARR_REQUIRE_ARG(0, "entity");
	rarr_jsonb_as_value(PG_GETARG_JSONB_P(0), &object);
	rarr_entity_read_new(entity, &object, &values);
	return rarr_result_row(fcinfo, entity->desc, rarr_entity_create(entity, &values));
}

/*
 * E_update(id uuid, changes jsonb, expected_updated_at timestamptz) returns
 * SETOF E
 *
 * Updates the row and returns it, or nothing if there is no row with this id.
 * Raises 22004 for NULL, RA003 with all violations in the DETAIL, 40001 if the
 * row has changed since expected_updated_at, 22023 if the entity has no such
 * column, 55000 for a finished job, and 23505 and 23503 as above.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_update);
Datum
researcharr_entity_update(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_update");
	TimestampTz expected = 0;
	JsonbValue changes;

	RARR_REQUIRE_ARG(0, "id");
	RARR_REQUIRE_ARG(1, "changes");
	if (!PG_ARGISNULL(2))
		expected = PG_GETARG_TIMESTAMPTZ(2);
	rarr_jsonb_as_value(PG_GETARG_JSONB_P(1), &changes);
	return rarr_result_row(fcinfo, entity->desc,
						   rarr_entity_update(entity, PG_GETARG_UUID_P(0), &changes,
											  PG_ARGISNULL(2) ? NULL : &expected));
}

/*
 * E_delete(id uuid) returns boolean
 *
 * Deletes the row and everything that belongs to it.  Returns whether there
 * was a row.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_delete);
Datum
researcharr_entity_delete(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_delete");

	RARR_REQUIRE_ARG(0, "id");
	PG_RETURN_BOOL(rarr_entity_delete(entity, PG_GETARG_UUID_P(0), NULL));
}
