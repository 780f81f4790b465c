/*
 * trigger.c
 *		What the data tables do by themselves: updated_at moves on with every
 *		update.  What a DELETE takes along is in cascade.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/duration.h"

/* Raises 39P01: the trigger does not have the shape that the function is for. */
static void
wrong_trigger(TriggerData *trigger, const char *function, const char *shape)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on \"%s\" cannot call \"%s\"",
					trigger->tg_trigger->tgname,
					RelationGetRelationName(trigger->tg_relation), function),
			 errhint("The function is for %s triggers only.", shape)));
}

/*
 * updated_at_advance(), a BEFORE UPDATE row trigger
 *		Sets updated_at to the clock, and to later than it was; whatever the
 *		statement itself assigned to it is lost.
 */
PG_FUNCTION_INFO_V1(researcharr_updated_at_advance);
Datum
researcharr_updated_at_advance(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			column;
	Datum		value;
	bool		isnull;

	rarr_require_trigger(fcinfo, "updated_at_advance");
	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "updated_at");
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		column <= 0 || TupleDescAttr(desc, column - 1)->atttypid != TIMESTAMPTZOID)
		wrong_trigger(trigger, "updated_at_advance",
					  "BEFORE UPDATE ... FOR EACH ROW");

	value = heap_getattr(trigger->tg_trigtuple, column, desc, &isnull);
	value = TimestampTzGetDatum(isnull ? GetCurrentTimestamp() :
								rarr_clock_after(DatumGetTimestampTz(value)));
	isnull = false;
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_newtuple, desc,
												1, &column, &value, &isnull));
}
