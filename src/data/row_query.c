/*
 * row_query.c
 *		Parts of the statements that read and write single rows of an entity.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "base/duration.h"
#include "base/uuid.h"
#include "data/row_query.h"

/* Read a row by id.  Returns NULL if there is none. */
HeapTuple
rarr_entity_get(RarrEntity *entity, const pg_uuid_t *id, int flags)
{
	RarrQuery query;

	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.id" RARR_EQ, UUIDOID, UUIDPGetDatum(id));
	return rarr_query_row(entity, &query, flags | RARR_GENERIC);
}

/*
 * Begin "INSERT INTO table AS t (" with the given columns that are stored in
 * the table.  A first column, whose value the caller adds, precedes them.
 */
void
rarr_begin_insert(RarrQuery *query, const RarrEntity *entity, const char *table, bool subtable,
				  const char *first, const RarrValues *values)
{
	const char *separator = first[0] != '\0' ? ", " : "";

	rarr_query_init(query);
	appendStringInfo(&query->sql, "INSERT INTO researcharr.%s AS t (%s", table, first);
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (!values->given[i] || entity->columns[i].in_subtable != subtable)
			continue;
		appendStringInfo(&query->sql, "%s%s", separator, entity->columns[i].quoted);
		separator = ", ";
	}
	rarr_query_add(query, ") VALUES (");
}

/* Append the values of the given columns stored in the table, as parameters. */
void
rarr_add_values(RarrQuery *query, const RarrEntity *entity, bool subtable, const char *separator,
				const RarrValues *values)
{
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (!values->given[i] || entity->columns[i].in_subtable != subtable)
			continue;
		rarr_query_add(query, separator);
		rarr_query_param(query, entity->columns[i].type, values->values[i], values->nulls[i]);
		separator = ", ";
	}
	rarr_query_add(query, ")");
}

/* Return the position of this column among the entity's, or -1. */
int
rarr_column_index(const RarrEntity *entity, const char *name)
{
	const RarrEntityColumn *column = rarr_entity_column(entity, name, strlen(name));

	return column == NULL ? -1 : column - entity->columns;
}

/* Take a column's value out of the values.  Returns false if it is not set. */
bool
rarr_take_value(const RarrEntity *entity, RarrValues *values, const char *name, Datum *value)
{
	int i = rarr_column_index(entity, name);

	if (i < 0 || !values->given[i])
		return false;
	values->given[i] = false;
	*value = values->values[i];
	return true;
}

/* May the user read the ids of all rows that the user can write? */
static bool
may_read_id(const RarrEntity *entity)
{
	return check_enable_rls(entity->tableid, InvalidOid, true) == RLS_NONE &&
		   (pg_class_aclcheck(entity->tableid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
			pg_attribute_aclcheck(entity->tableid, get_attnum(entity->tableid, "id"), GetUserId(),
								  ACL_SELECT) == ACLCHECK_OK);
}

/*
 * Run an INSERT of one row with this id.  Returns false if a user's trigger
 * suppressed the row.  If a trigger changed the row's id, *id is set to the
 * new one, provided that the user may see it.
 */
bool
rarr_insert_row(RarrEntity *entity, RarrQuery *query, pg_uuid_t *id)
{
	Datum value;
	bool isnull;

	if (!may_read_id(entity))
		return rarr_query_run(entity, query, RARR_GENERIC) > 0;
	rarr_query_add(query, " RETURNING t.id");
	if (!rarr_query_value(entity, query, RARR_GENERIC, &value, &isnull))
		return false;
	*id = *DatumGetUUIDP(value);
	return true;
}

/* Take the id out of the values, or generate one. */
void
rarr_take_id(const RarrEntity *entity, RarrValues *values, pg_uuid_t *id)
{
	Datum value;

	if (rarr_take_value(entity, values, "id", &value))
		*id = *DatumGetUUIDP(value);
	else
		rarr_uuid_v7(id);
}

/* Append "column = $n" for given columns of the table; return their number. */
int
rarr_add_assignments(RarrQuery *query, const RarrEntity *entity, bool subtable, const RarrValues *values)
{
	int n = 0;

	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];

		if (!values->given[i] || column->in_subtable != subtable)
			continue;
		appendStringInfo(&query->sql, "%s%s = ", n++ > 0 ? ", " : "", column->quoted);
		rarr_query_param(query, column->type, values->values[i], values->nulls[i]);
	}
	return n;
}

/* Append the condition that a time is the expected one, as far as the client's times are exact. */
static void
add_expected(RarrQuery *query, const char *time, TimestampTz expected)
{
	appendStringInfo(&query->sql, " AND %s OPERATOR(pg_catalog.>=) ", time);
	rarr_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(expected), false);
	appendStringInfo(&query->sql, " AND %s OPERATOR(pg_catalog.<=) ", time);
	rarr_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(rarr_last_meant(expected)), false);
}

/*
 * Append the condition that the subtype's row t has not changed since the
 * expected time.  Nothing is appended if that is NULL.
 */
void
rarr_add_subtype_condition(RarrQuery *query, const RarrEntity *entity, const TimestampTz *expected)
{
	if (expected == NULL || !entity->of_both)
		return;
	rarr_query_add_param(query, " AND (t.changed_at IS NULL OR t.changed_at OPERATOR(pg_catalog.<=) ",
						 TIMESTAMPTZOID, TimestampTzGetDatum(rarr_last_meant(*expected)));
	rarr_query_add(query, ")");
}

/*
 * Append a condition on the id and, if expected is not NULL, updated_at.  That
 * of a flat row is the later one of its two halves' times.
 */
void
rarr_add_condition(RarrQuery *query, const RarrEntity *entity, const pg_uuid_t *id,
				   const TimestampTz *expected)
{
	rarr_query_add_param(query, " WHERE t.id" RARR_EQ, UUIDOID, UUIDPGetDatum(id));
	if (expected != NULL && !entity->of_both)
		add_expected(query, "t.updated_at", *expected);
	if (entity->def->subtable != NULL)
	{
		appendStringInfo(&query->sql, " AND EXISTS (SELECT FROM researcharr.%s AS s"
									  " WHERE s.media_id" RARR_EQ "t.id",
						 entity->def->subtable);
		if (expected != NULL && entity->of_both)
			add_expected(query, "GREATEST(t.updated_at, s.changed_at)", *expected);
		rarr_query_add(query, ")");
	}
	if (entity->kind == RARR_JOB)
		rarr_query_add(query, " AND t.completed_at IS NULL");
}
