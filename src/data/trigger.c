/*
 * trigger.c
 *		The trigger that advances updated_at, or changed_at, with every update of
 *		a data table.  The cascades of a DELETE are in cascade.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "replication/logicalworker.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/duration.h"
#include "base/volatile.h"
#include "data/halves.h"

/*
 * Does the update leave updated_at as it is?  It does if it changes volatile
 * members only, unless the statement assigns updated_at.
 */
static bool
leaves_updated_at(const TriggerData *trigger, AttrNumber updated_at)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	Datum *values = palloc(2 * desc->natts * sizeof(Datum));
	bool *nulls = palloc(2 * desc->natts * sizeof(bool));

	if (bms_is_member(updated_at - FirstLowInvalidHeapAttributeNumber, trigger->tg_updatedcols))
		return false;
	heap_deform_tuple(trigger->tg_trigtuple, desc, values, nulls);
	heap_deform_tuple(trigger->tg_newtuple, desc, values + desc->natts, nulls + desc->natts);
	return rarr_only_volatile_changed(trigger->tg_relation, updated_at,
									  values, nulls, values + desc->natts, nulls + desc->natts);
}

/*
 * updated_at_advance(column = updated_at): BEFORE UPDATE row trigger
 *
 * Sets the column to the current time, or later if that is not a millisecond
 * after its old value, and after the other half's time in a flat row.  A value
 * that the statement assigns to it is discarded.  Rows that logical replication
 * applies stay as they come.  An update of nothing but volatile members
 * (base/volatile.c) leaves the column.
 */
PG_FUNCTION_INFO_V1(researcharr_updated_at_advance);
Datum
researcharr_updated_at_advance(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	int column;
	Datum value;
	bool isnull;
	TimestampTz time;
	TimestampTz other;

	rarr_require_trigger(fcinfo, "updated_at_advance");
	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, trigger->tg_trigger->tgnargs > 0 ? trigger->tg_trigger->tgargs[0] : "updated_at");
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		column <= 0 || TupleDescAttr(desc, column - 1)->atttypid != TIMESTAMPTZOID)
		rarr_wrong_trigger(trigger, "updated_at_advance",
						   "The function is for BEFORE UPDATE ... FOR EACH ROW triggers only.");
	if (IsLogicalWorker())
		PG_RETURN_POINTER(trigger->tg_newtuple);
	if (leaves_updated_at(trigger, column))
		PG_RETURN_POINTER(trigger->tg_newtuple);

	value = heap_getattr(trigger->tg_trigtuple, column, desc, &isnull);
	time = isnull ? GetCurrentTimestamp() : rarr_clock_after(DatumGetTimestampTz(value));
	if (rarr_other_half_time(trigger->tg_relation, trigger->tg_trigtuple, &other))
		time = rarr_time_after(time, other);
	value = TimestampTzGetDatum(time);
	isnull = false;
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_newtuple, desc,
												1, &column, &value, &isnull));
}
