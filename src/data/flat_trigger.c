/*
 * flat_trigger.c
 *		DML on the views of flat rows.
 *
 * The INSTEAD OF triggers of movie_rows, series_rows and episode_rows write the
 * rows as the functions do, with the rights of the caller.  What the functions
 * refuse because of a rule, constraints refuse here.
 *
 * The server does not look at the WHERE clause of an UPDATE or a DELETE again if
 * another transaction has changed the row in the meantime.  So the statement is
 * refused then: to write would lose the other change.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/args.h"
#include "base/schema.h"
#include "data/write.h"

/* Return the entity whose view fired the trigger, or raise 39P01. */
static RarrEntity *
entity_of_view(const TriggerData *trigger)
{
	static const RarrEntityKind kinds[] = {RARR_MOVIE, RARR_SERIES, RARR_EPISODE};

	for (int i = 0; TRIGGER_FIRED_INSTEAD(trigger->tg_event) && i < lengthof(kinds); i++)
		if (rarr_find_relation(rarr_entity_defs[kinds[i]].relation) == RelationGetRelid(trigger->tg_relation))
			return rarr_entity(kinds[i]);
	rarr_wrong_trigger(trigger, "flat_row_write", "The function is for the extension's own triggers only.");
}

static bool
is_named(const RarrEntityColumn *column, const char *name)
{
	return strcmp(column->name, name) == 0;
}

static Datum
get(const TriggerData *trigger, HeapTuple row, const RarrEntityColumn *column, bool *isnull)
{
	return heap_getattr(row, column->attnum, RelationGetDescr(trigger->tg_relation), isnull);
}

/* Return the row's id.  The view's id is that of the media row, and never NULL. */
static pg_uuid_t
get_id(const TriggerData *trigger, const RarrEntity *entity)
{
	bool isnull;
	Datum id = get(trigger, trigger->tg_trigtuple, &entity->columns[rarr_column_index(entity, "id")], &isnull);

	if (isnull)
		elog(ERROR, "a row of \"%s\" has no id", entity->def->relation);
	return *DatumGetUUIDP(id);
}

/*
 * Return the updated_at of the row as the statement has read it, or NULL if the
 * view has none.
 */
static TimestampTz *
get_version(const TriggerData *trigger, const RarrEntity *entity)
{
	TimestampTz *updated_at = palloc(sizeof(TimestampTz));
	bool isnull;

	if (!entity->versioned)
		return NULL;
	*updated_at = DatumGetTimestampTz(get(trigger, trigger->tg_trigtuple,
										  &entity->columns[rarr_column_index(entity, "updated_at")], &isnull));
	return isnull ? NULL : updated_at;
}

/* Raise 23514 if the row has another type than the view's. */
static void
require_type(const RarrEntity *entity, Datum type)
{
	char *given = TextDatumGetCString(type);

	if (strcmp(given, entity->def->type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("the type of a row of \"%s\" is not \"%s\"", entity->def->relation, given),
				 errhint("It is always \"%s\".", entity->def->type)));
}

static void
init_values(const RarrEntity *entity, RarrValues *values)
{
	values->given = palloc0(entity->ncolumns * sizeof(bool));
	values->nulls = palloc0(entity->ncolumns * sizeof(bool));
	values->values = palloc0(entity->ncolumns * sizeof(Datum));
}

/* Insert the row.  A column that is NULL gets its default. */
static HeapTuple
insert_row(const TriggerData *trigger, RarrEntity *entity)
{
	RarrValues values;

	init_values(entity, &values);
	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];
		bool isnull;
		Datum value = get(trigger, trigger->tg_trigtuple, column, &isnull);

		if (isnull || !(column->creatable || is_named(column, "created_at")))
			continue;
		if (is_named(column, "type"))
			require_type(entity, value);
		values.given[i] = true;
		values.values[i] = value;
	}
	return rarr_entity_create(entity, &values);
}

/* Raise 0A000: the column keeps its value. */
static void
raise_fixed(const RarrEntity *entity, const RarrEntityColumn *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of a row of \"%s\" cannot be changed", column->name, entity->def->relation),
			 errhint("Delete the row and insert another one.")));
}

/*
 * Update the columns whose values differ.  updated_at is set by the update
 * itself.  Returns NULL if the row is gone, or a user's trigger suppressed the
 * update.
 */
static HeapTuple
update_row(const TriggerData *trigger, RarrEntity *entity)
{
	pg_uuid_t id = get_id(trigger, entity);
	RarrValues values;

	init_values(entity, &values);
	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];
		bool old_isnull;
		Datum old_value = get(trigger, trigger->tg_trigtuple, column, &old_isnull);
		Datum value = get(trigger, trigger->tg_newtuple, column, &values.nulls[i]);
		int16 length;
		bool by_value;

		if (is_named(column, "updated_at"))
			continue;
		get_typlenbyval(column->type, &length, &by_value);
		if (old_isnull == values.nulls[i] && (old_isnull || datum_image_eq(old_value, value, by_value, length)))
			continue;
		if (!column->updatable && !is_named(column, "created_at"))
			raise_fixed(entity, column);
		values.given[i] = true;
		values.values[i] = value;
	}
	return rarr_entity_update_values(entity, &id, &values, get_version(trigger, entity));
}

/*
 * flat_row_write(): INSTEAD OF trigger of a view of flat rows, for each row
 *
 * Raises 39P01 for other triggers, 23514 for another type, 0A000 for a change of
 * a column that never changes, 40001 if another transaction has changed the row
 * since the statement read it, and the errors of writing both tables.
 */
PG_FUNCTION_INFO_V1(researcharr_flat_row_write);
Datum
researcharr_flat_row_write(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	RarrEntity *entity;
	pg_uuid_t id;

	rarr_require_trigger(fcinfo, "flat_row_write");
	entity = entity_of_view(trigger);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		PG_RETURN_POINTER(insert_row(trigger, entity));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		PG_RETURN_POINTER(update_row(trigger, entity));
	id = get_id(trigger, entity);
	PG_RETURN_POINTER(rarr_entity_delete(entity, &id, get_version(trigger, entity)) ? trigger->tg_trigtuple : NULL);
}
