/*
 * args.c
 *		Arguments of SQL functions, and errors about how a function was called:
 *		NULL for a required argument, a trigger function called by hand.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "base/args.h"
#include "base/own_table.h"

/*
 * The running function got NULL for the required argument of this name (22004).
 */
void
rarr_null_argument(FunctionCallInfo fcinfo, const char *name)
{
	char	   *function = get_func_name(fcinfo->flinfo->fn_oid);

	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" of %s must not be null",
					name, function ? function : "the function"),
			 errhint("Give a value for \"%s\".", name)));
}

/*
 * The elements of argument n of the running function, an array of a type with
 * this much about it.  22023 for more than one dimension, 22004 for a NULL in it
 * where none is allowed; name: the argument's.
 */
Datum *
rarr_array_argument(FunctionCallInfo fcinfo, int n, const char *name, Oid type, int16 len, bool byval,
					char align, bool nulls_allowed, bool **nulls, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(n);
	Datum	   *elements;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d dimensions", name, ARR_NDIM(array)),
				 errhint("Give a one-dimensional array.")));
	if (!nulls_allowed && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not hold null", name),
				 errhint("Give a value for each job.")));
	deconstruct_array(array, type, len, byval, align, &elements, nulls, count);
	return elements;
}

/*
 * Every trigger function of the extension starts with this: 39P01 where it is
 * called by hand, or by a trigger on a table that is not the extension's.
 */
void
rarr_require_trigger(FunctionCallInfo fcinfo, const char *name)
{
	const TriggerData *trigger;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", name),
				 errhint("Only a trigger that the extension made calls it.")));
	trigger = (TriggerData *) fcinfo->context;
	if (!rarr_is_own_table(RelationGetRelid(trigger->tg_relation)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" on \"%s\" cannot call \"%s\"",
						trigger->tg_trigger->tgname,
						RelationGetRelationName(trigger->tg_relation), name),
				 errdetail("The table is not one of the extension's."),
				 errhint("Drop the trigger: the function serves the extension's own tables only.")));
}
