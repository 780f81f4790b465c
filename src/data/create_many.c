/*
 * create_many.c
 *		Insert many rows of an entity with one statement.
 *
 * Starting and ending a statement, reading the tables' CHECK constraints and
 * firing statement triggers costs several times as much as a row.  Rows that
 * set the same columns are therefore inserted together, passed as arrays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/schema.h"
#include "base/uuid.h"
#include "data/write.h"

/* Add a parameter: an array with one value per row. */
static void
add_array(RarrQuery *query, Oid type, Datum *values, bool *nulls, int n)
{
	int16 length;
	bool by_value;
	char alignment;
	int lower = 1;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	rarr_query_add_param(query, "pg_catalog.unnest(",
						 get_array_type(type),
						 PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type,
															length, by_value, alignment)));
	rarr_query_add(query, ")");
}

/* Get the rows' ids: those given, or new ones. */
static pg_uuid_t *
make_ids(RarrEntity *entity, RarrValues *values, int n)
{
	pg_uuid_t *ids = palloc(n * sizeof(pg_uuid_t));
	Datum value;

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
	rarr_query_add_param(query, "pg_catalog.unnest(", UUIDARRAYOID, rarr_uuid_array(ids, n));
	rarr_query_add(query, ")");
}

/*
 * Write "INSERT INTO table (columns) SELECT ... FROM arrays", with the columns
 * of the table that the rows set.
 */
static void
write_insert(RarrQuery *query, const RarrEntity *entity, bool subtable, const pg_uuid_t *ids,
			 const RarrValues *values, int n)
{
	const char *fixed = subtable || entity->def->type == NULL ? "" :
																psprintf(", '%s'", entity->def->type);
	StringInfoData names;
	Datum *column_values = palloc(n * sizeof(Datum));
	bool *column_nulls = palloc(n * sizeof(bool));

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

/* Enqueue the jobs and return their ids. */
static pg_uuid_t *
create_jobs(RarrEntity *entity, RarrValues *values, int n)
{
	RarrNewJob *jobs = palloc(n * sizeof(RarrNewJob));
	pg_uuid_t *ids = palloc(n * sizeof(pg_uuid_t));

	rarr_prevent_read_only("job_create()");
	for (int i = 0; i < n; i++)
		rarr_read_job(entity, &values[i], &jobs[i]);
	rarr_jobs_enqueue(jobs, n, false, ids);
	return ids;
}

/* Copy the rows to an array.  Returns false unless there are exactly n. */
static bool
place_rows(List *found, int n, HeapTuple *rows)
{
	ListCell *cell;

	if (list_length(found) != n)
		return false;
	foreach (cell, found)
		rows[foreach_current_index(cell)] = lfirst(cell);
	return true;
}

/* Read the rows with these ids.  Returns false if one is not visible. */
static bool
read_rows(RarrEntity *entity, const pg_uuid_t *ids, int n, HeapTuple *rows)
{
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM ROWS FROM (", rarr_entity_list(entity));
	add_ids(&query, ids, n);

	/* OFFSET 0 forces an index lookup per id, even if the table was small */
	appendStringInfo(&query.sql, ") WITH ORDINALITY AS u (id, n) CROSS JOIN LATERAL"
								 " (SELECT * FROM researcharr.%s AS r WHERE r.id" RARR_EQ "u.id OFFSET 0) AS t"
								 " ORDER BY u.n",
					 rarr_entity_source(entity));
	return place_rows(rarr_query_list(entity, &query, RARR_GENERIC), n, rows);
}

/* Insert the rows of a flat entity.  Returns false if a trigger interfered. */
static bool
create_flat_rows(RarrEntity *entity, const pg_uuid_t *ids, const RarrValues *values, int n,
				 HeapTuple *rows)
{
	RarrQuery query;

	write_insert(&query, entity, false, ids, values, n);
	if (rarr_query_run(entity, &query, RARR_GENERIC) != n)
		return false;
	write_insert(&query, entity, true, ids, values, n);
	return rarr_query_run(entity, &query, RARR_GENERIC) == n && read_rows(entity, ids, n, rows);
}

/*
 * Insert n new rows that all set the same columns, and return them in rows.
 *
 * Returns false if users' triggers suppressed rows or changed their ids, so
 * that rows cannot be matched with values.  The caller then rolls back and
 * inserts them one by one.  The values are consumed.  Raises the errors of
 * rarr_entity_create(), without saying which row caused them.
 */
bool
rarr_entity_create_many(RarrEntity *entity, RarrValues *values, int n, HeapTuple *rows)
{
	pg_uuid_t *ids;
	RarrQuery query;

	if (entity->kind == RARR_JOB)
		return read_rows(entity, create_jobs(entity, values, n), n, rows);
	ids = make_ids(entity, values, n);
	if (entity->def->subtable != NULL)
		return create_flat_rows(entity, ids, values, n, rows);
	write_insert(&query, entity, false, ids, values, n);
	if (strcmp(rarr_entity_source(entity), entity->def->table) == 0)
	{
		/* rows are returned in the order of insertion */
		appendStringInfo(&query.sql, " RETURNING %s", entity->list);
		return place_rows(rarr_query_list(entity, &query, RARR_GENERIC), n, rows);
	}
	return rarr_query_run(entity, &query, RARR_GENERIC) == n && read_rows(entity, ids, n, rows);
}
