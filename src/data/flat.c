/*
 * flat.c
 *		Writing rows that lie in two tables: movies, series and episodes.
 *
 *		A flat row is written media row first, and every change of it changes the
 *		media row too, if only its updated_at.  So whoever has seen an updated_at
 *		has seen the whole flat row, and two who change it at the same time take
 *		turns at the media row.
 *
 *		Both halves are written, or none.  A user's trigger, rule or row security
 *		can keep out the second one without an error.  Where the subtype's table
 *		has such, both are written in a subtransaction, which is then rolled back.
 *		Elsewhere a subtransaction would cost without need: each takes an xid, and
 *		more than 64 of them in a transaction slow down everybody's snapshots.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "data/flat.h"

/* A flat row that is being written. */
typedef struct FlatWrite
{
	RarrEntity *entity;
	RarrValues *values;			/* of a new row; or */
	const RarrValues *changes;	/* of an update */
	const TimestampTz *expected;
	pg_uuid_t	id;
	HeapTuple	row;			/* the result; NULL where there is none */
} FlatWrite;

/* Inserts both halves; false where the second one was kept out. */
static bool
insert_halves(void *arg)
{
	FlatWrite  *write = arg;
	RarrEntity *entity = write->entity;
	RarrQuery	query;
	pg_uuid_t	media_id = write->id;

	rarr_begin_insert(&query, entity, entity->def->table, false, "id, type", write->values);
	rarr_add_id(&query, &write->id);
	rarr_query_add(&query, ", ");
	rarr_query_param(&query, TEXTOID, CStringGetTextDatum(entity->def->type), false);
	rarr_add_values(&query, entity, false, ", ", write->values);
	if (!rarr_insert_row(entity, &query, &media_id))
		return true;			/* neither half is there */

	rarr_begin_insert(&query, entity, entity->def->subtable, true, "media_id", write->values);
	rarr_add_id(&query, &media_id);
	rarr_add_values(&query, entity, true, ", ", write->values);
	if (rarr_query_run(entity, &query, RARR_GENERIC) == 0)
		return false;
	write->row = rarr_entity_get(entity, &media_id, 0);
	return true;
}

/* Updates both halves; false where the second one stayed as it was. */
static bool
update_halves(void *arg)
{
	FlatWrite  *write = arg;
	RarrEntity *entity = write->entity;
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->table);
	if (rarr_add_assignments(&query, entity, false, write->changes) == 0)
		rarr_query_add(&query, "updated_at = t.updated_at");
	rarr_add_condition(&query, entity, &write->id, write->expected);
	if (rarr_query_run(entity, &query, RARR_GENERIC) == 0)
		return true;			/* there is no such row, or a trigger kept it as it is */

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->subtable);
	if (rarr_add_assignments(&query, entity, true, write->changes) > 0)
	{
		rarr_query_add(&query, " WHERE t.media_id" RARR_EQ);
		rarr_add_id(&query, &write->id);
		if (rarr_query_run(entity, &query, RARR_GENERIC) == 0)
			return false;
	}
	write->row = rarr_entity_get(entity, &write->id, 0);
	return true;
}

static bool
catch_nothing(const ErrorData *error, void *arg)
{
	return false;
}

/*
 * Writes both halves or none; returns the row, or NULL.  40001 where the second
 * half is gone, although nothing was known that could keep it out: somebody
 * deleted it, or added a trigger, at the same time.
 */
static HeapTuple
write_halves(RarrSubtransactionBody body, FlatWrite *write)
{
	RarrEntity *entity = write->entity;
	ErrorData  *error;

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
 * Writes a new flat row; returns it, or NULL where a trigger of the user's kept
 * it out.  Values are used up.
 */
HeapTuple
rarr_flat_create(RarrEntity *entity, RarrValues *values)
{
	FlatWrite	write = {.entity = entity,.values = values};
	Datum		type;

	rarr_take_id(entity, values, &write.id);
	(void) rarr_take_value(entity, values, "type", &type);
	return write_halves(insert_halves, &write);
}

/*
 * Changes a flat row; returns it, or NULL where there is none as expected, and
 * where a trigger of the user's kept it as it is.
 */
HeapTuple
rarr_flat_update(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
				 const TimestampTz *expected)
{
	FlatWrite	write = {.entity = entity,.changes = values,.expected = expected,.id = *id};

	return write_halves(update_halves, &write);
}
