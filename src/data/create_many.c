/*
 * create_many.c
 *		New rows of an entity, many in one statement.
 *
 *		A statement pays for starting and ending, for reading the tables' CHECKs
 *		and for its statement triggers, several times what a row costs.  Rows that
 *		are given the same columns go in together, as arrays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/schema.h"
#include "base/uuid.h"
#include "data/write.h"

/* Adds an array of one value for each row as a parameter. */
static void
add_array(RarrQuery *query, Oid type, Datum *values, bool *nulls, int n)
{
	int16		length;
	bool		by_value;
	char		alignment;
	int			lower = 1;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	rarr_query_add(query, "pg_catalog.unnest(");
	rarr_query_param(query, get_array_type(type),
					 PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type,
														length, by_value, alignment)), false);
	rarr_query_add(query, ")");
}

/* The rows' ids: those given, or new ones. */
static pg_uuid_t *
make_ids(RarrEntity *entity, RarrValues *values, int n)
{
	pg_uuid_t  *ids = palloc(n * sizeof(pg_uuid_t));
	Datum		value;

	for (int i = 0; i < n; i++)
	{
		if (rarr_take_value(entity, &values[i], "id", &value))
			ids[i] = *DatumGetUUIDP(value);
		else
			rarr_uuid_v7(&ids[i]);
		if (entity->def->type != NULL)
			(void) rarr_take_value(entity, &values[i], "type", &value);
	}
	return ids;
}

static void
add_ids(RarrQuery *query, const pg_uuid_t *ids, int n)
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = UUIDPGetDatum(&ids[i]);
	add_array(query, UUIDOID, values, NULL, n);
}

/*
 * Writes "INSERT INTO table (columns) SELECT ... FROM arrays" for the columns of
 * the table that the rows are given.
 */
static void
write_insert(RarrQuery *query, const RarrEntity *entity, bool subtable, const pg_uuid_t *ids,
			 const RarrValues *values, int n)
{
	const char *fixed = subtable || entity->def->type == NULL ? "" :
		psprintf(", '%s'", entity->def->type);
	StringInfoData names;
	Datum	   *column_values = palloc(n * sizeof(Datum));
	bool	   *column_nulls = palloc(n * sizeof(bool));

	initStringInfo(&names);
	for (int c = 0; c < entity->ncolumns; c++)
	{
		if (values[0].given[c] && entity->columns[c].in_subtable == subtable)
			appendStringInfo(&names, ", %s", entity->columns[c].quoted);
	}
	rarr_query_init(query);
	appendStringInfo(&query->sql, "INSERT INTO researcharr.%s AS t (%s%s%s) SELECT u.id%s%s FROM ROWS FROM (",
					 subtable ? entity->def->subtable : entity->def->table,
					 subtable ? "media_id" : "id", names.data, fixed[0] != '\0' ? ", type" : "",
					 names.data, fixed);
	add_ids(query, ids, n);
	for (int c = 0; c < entity->ncolumns; c++)
	{
		if (!values[0].given[c] || entity->columns[c].in_subtable != subtable)
			continue;
		for (int i = 0; i < n; i++)
		{
			column_values[i] = values[i].values[c];
			column_nulls[i] = values[i].nulls[c];
		}
		rarr_query_add(query, ", ");
		add_array(query, entity->columns[c].type, column_values, column_nulls, n);
	}
	appendStringInfo(&query->sql, ") AS u (id%s)", names.data);
}

/* Enqueues the jobs; returns their ids. */
static pg_uuid_t *
create_jobs(RarrEntity *entity, RarrValues *values, int n)
{
	RarrNewJob *jobs = palloc(n * sizeof(RarrNewJob));
	pg_uuid_t  *ids = palloc(n * sizeof(pg_uuid_t));

	rarr_prevent_read_only("job_create()");
	for (int i = 0; i < n; i++)
		rarr_read_job(entity, &values[i], &jobs[i]);
	rarr_jobs_enqueue(jobs, n, false, ids);
	return ids;
}

/* Puts the rows into an array; false where there are not n of them. */
static bool
place_rows(List *found, int n, HeapTuple *rows)
{
	ListCell   *cell;

	if (list_length(found) != n)
		return false;
	foreach(cell, found)
		rows[foreach_current_index(cell)] = lfirst(cell);
	return true;
}

/* Reads the rows of these ids; false where one of them is not to be seen. */
static bool
read_rows(RarrEntity *entity, const pg_uuid_t *ids, int n, HeapTuple *rows)
{
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM ROWS FROM (", rarr_entity_list(entity));
	add_ids(&query, ids, n);

	/* OFFSET 0: by the index for each, however small the table was at first */
	appendStringInfo(&query.sql, ") WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL"
					 " (SELECT * FROM researcharr.%s AS r WHERE r.id" RARR_EQ "u.id OFFSET 0) AS t"
					 " ORDER BY u.n", rarr_entity_source(entity));
	return place_rows(rarr_query_list(entity, &query, RARR_GENERIC), n, rows);
}

/* Writes the rows of a flat entity; false where a trigger interfered. */
static bool
create_flat_rows(RarrEntity *entity, const pg_uuid_t *ids, const RarrValues *values, int n,
				 HeapTuple *rows)
{
	RarrQuery	query;

	write_insert(&query, entity, false, ids, values, n);
	if (rarr_query_run(entity, &query, RARR_GENERIC) != n)
		return false;
	write_insert(&query, entity, true, ids, values, n);
	return rarr_query_run(entity, &query, RARR_GENERIC) == n && read_rows(entity, ids, n, rows);
}

/*
 * Writes n new rows, all given the same columns, and puts them into rows.
 *
 * False where triggers of the user's kept rows out or changed their ids, so that
 * it cannot be told which row is whose.  The caller then rolls back, and writes
 * them one by one.  Values are used up.  Errors are those of rarr_entity_create(),
 * and do not tell of which row they are.
 */
bool
rarr_entity_create_many(RarrEntity *entity, RarrValues *values, int n, HeapTuple *rows)
{
	pg_uuid_t  *ids;
	RarrQuery	query;

	if (entity->kind == RARR_JOB)
		return read_rows(entity, create_jobs(entity, values, n), n, rows);
	ids = make_ids(entity, values, n);
	if (entity->def->subtable != NULL)
		return create_flat_rows(entity, ids, values, n, rows);
	write_insert(&query, entity, false, ids, values, n);
	if (strcmp(rarr_entity_source(entity), entity->def->table) == 0)
	{
		/* they come in the order in which they were inserted */
		appendStringInfo(&query.sql, " RETURNING %s", entity->list);
		return place_rows(rarr_query_list(entity, &query, RARR_GENERIC), n, rows);
	}
	return rarr_query_run(entity, &query, RARR_GENERIC) == n && read_rows(entity, ids, n, rows);
}
