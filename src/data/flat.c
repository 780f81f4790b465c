/*
 * flat.c
 *		Write flat rows, which are stored in two tables.
 *
 * Every update also updates the media row, at least its updated_at, which makes
 * writers take turns.  A flat row's updated_at is the later one of the media
 * row's and the subtype row's changed_at, because plain DML may update the
 * latter alone.  An expected one is therefore compared with both when the media
 * row is updated, and once more with the subtype's row, after that or with its
 * update: another transaction may have changed it in the meantime.  An update of
 * nothing but volatile members of the metadata (base/volatile.c) leaves it.
 *
 * Either both halves are written or neither.  A user's trigger, a rule or row
 * security can suppress the second half without an error.  Only if the subtype's
 * table has any of these, both halves are written in a subtransaction: each one
 * consumes a transaction ID, and a transaction with more than 64 of them slows
 * down all snapshots.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/subtransaction.h"
#include "data/direct_write.h"
#include "data/flat.h"

/* A flat row being written. */
typedef struct FlatWrite
{
	RarrEntity *entity;
	RarrValues *values;        /* of a new row, or NULL */
	const RarrValues *changes; /* of an update, or NULL */
	const TimestampTz *expected;
	pg_uuid_t id;
	HeapTuple row; /* the result; NULL if there is none */
} FlatWrite;

/* Insert both halves.  Returns false if the second one was suppressed. */
static bool
insert_halves(void *arg)
{
	FlatWrite *write = arg;
	RarrEntity *entity = write->entity;
	RarrQuery query;
	pg_uuid_t media_id = write->id;

	rarr_begin_insert(&query, entity, entity->def->table, false, "id, type", write->values);
	rarr_query_param(&query, UUIDOID, UUIDPGetDatum(&write->id), false);
	rarr_query_add_param(&query, ", ", TEXTOID, CStringGetTextDatum(entity->def->type));
	rarr_add_values(&query, entity, false, ", ", write->values);
	if (!rarr_insert_row(entity, &query, &media_id))
		return true; /* neither half is there */

	rarr_begin_insert(&query, entity, entity->def->subtable, true, "media_id", write->values);
	rarr_query_param(&query, UUIDOID, UUIDPGetDatum(&media_id), false);
	rarr_add_values(&query, entity, true, ", ", write->values);
	if (rarr_query_run(entity, &query, RARR_GENERIC) == 0)
		return false;
	write->row = rarr_entity_get(entity, &media_id, 0);
	return true;
}

/*
 * Update the subtype's half and read the row.  Returns false if it was
 * suppressed, or if it has changed.
 */
static bool
update_subtype(void *arg)
{
	FlatWrite *write = arg;
	RarrEntity *entity = write->entity;
	RarrQuery query;
	bool any;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->subtable);
	any = rarr_add_assignments(&query, entity, true, write->changes) > 0;
	if (!any)
	{
		rarr_query_init(&query);
		appendStringInfo(&query.sql, "SELECT FROM researcharr.%s AS t", entity->def->subtable);
	}
	rarr_query_add_param(&query, " WHERE t.media_id" RARR_EQ, UUIDOID, UUIDPGetDatum(&write->id));
	rarr_add_subtype_condition(&query, entity, write->expected);
	if ((any || write->expected != NULL) && rarr_query_run(entity, &query, RARR_GENERIC) == 0)
		return false;
	write->row = rarr_entity_get(entity, &write->id, 0);
	return true;
}

static bool
changes_subtype(const FlatWrite *write)
{
	const RarrEntity *entity = write->entity;

	for (int i = 0; i < entity->ncolumns; i++)
		if (write->changes->given[i] && entity->columns[i].in_subtable)
			return true;
	return false;
}

/* Update both halves.  Returns false if the second one was suppressed. */
static bool
update_halves(void *arg)
{
	FlatWrite *write = arg;
	RarrEntity *entity = write->entity;
	RarrQuery query;
	int n;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->table);
	n = rarr_add_assignments(&query, entity, false, write->changes);

	/* its assignment tells the trigger to advance it */
	if (n == 0 || changes_subtype(write))
		rarr_query_add(&query, n == 0 ? "updated_at = t.updated_at" : ", updated_at = t.updated_at");
	rarr_add_condition(&query, entity, &write->id, write->expected);
	if (rarr_query_run(entity, &query, RARR_GENERIC) == 0)
		return true; /* no such row, or a trigger suppressed it */
	return update_subtype(write);
}

static bool
catch_nothing(const ErrorData *error, void *arg)
{
	return false;
}

/*
 * Write both halves or neither, and return the row, or NULL.  Raises 40001 if
 * the second half is missing although nothing that could suppress it was
 * known: somebody concurrently deleted it or added a trigger.
 */
static HeapTuple
write_halves(RarrSubtransactionBody body, FlatWrite *write)
{
	RarrEntity *entity = write->entity;
	ErrorData *error;

	if (entity->subtable_filters)
		(void) rarr_subtransaction(body, catch_nothing, write, &error);
	else if (!body(write))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the row of \"%s\" was not written: it, or the table, was changed at the same time",
						entity->def->subtable),
				 errhint("Run the statement again.")));
	return write->row;
}

/*
 * Insert a flat row.  Returns it, or NULL if a user's trigger suppressed it.
 * The values are consumed.
 */
HeapTuple
rarr_flat_create(RarrEntity *entity, RarrValues *values)
{
	FlatWrite write = {.entity = entity, .values = values};
	Datum type;

	rarr_take_id(entity, values, &write.id);
	(void) rarr_take_value(entity, values, "type", &type);
	if (rarr_direct_create(entity, values, &write.id, &write.row))
		return write.row;
	return write_halves(insert_halves, &write);
}

/*
 * Update a flat row.  Returns it, or NULL if there is no row with this id and
 * the expected updated_at, or if a user's trigger suppressed the update.
 */
HeapTuple
rarr_flat_update(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
				 const TimestampTz *expected)
{
	FlatWrite write = {.entity = entity, .changes = values, .expected = expected, .id = *id};

	switch (rarr_direct_update(entity, id, values, expected, &write.row))
	{
		case RARR_DIRECT_NOTHING:
			break;
		case RARR_DIRECT_MEDIA:
			return write_halves(update_subtype, &write);
		case RARR_DIRECT_DONE:
			return write.row;
	}
	return write_halves(update_halves, &write);
}
