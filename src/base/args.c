/*
 * args.c
 *		Argument checks shared by the SQL-callable functions.
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/lsyscache.h"

#include "base/args.h"
#include "base/own_table.h"

/*
 * Report that a required argument of the running function is NULL (22004).
 * name is the argument's name.
 */
void
rarr_null_argument(FunctionCallInfo fcinfo, const char *name)
{
	char *function = get_func_name(fcinfo->flinfo->fn_oid);

	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" of %s must not be null",
					name, function ? function : "the function"),
			 errhint("Give a value for \"%s\".", name)));
}

/*
 * Return the elements of an array argument of the running function.
 *
 * n is the argument's position, counted from 0, and name its name for
 * messages. type is the element type. *count is set to the number of elements.
 * *nulls is set to their null flags, or nulls may be NULL.
 *
 * Raises 22023 if the array has more than one dimension, and 22004 if it
 * contains a NULL and nulls_allowed is false.
 */
Datum *
rarr_array_argument(FunctionCallInfo fcinfo, int n, const char *name, Oid type, bool nulls_allowed,
					bool **nulls, int *count)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(n);
	Datum *elements;
	int16 length;
	bool byval;
	char align;

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
	get_typlenbyvalalign(type, &length, &byval, &align);
	deconstruct_array(array, type, length, byval, align, &elements, nulls, count);
	return elements;
}

/* Raise 39P01: the trigger is not defined as this function requires. */
void
rarr_wrong_trigger(const TriggerData *trigger, const char *function, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on \"%s\" cannot call \"%s\"",
					trigger->tg_trigger->tgname,
					RelationGetRelationName(trigger->tg_relation), function),
			 errhint("%s", hint)));
}

/* Raise 39P01 unless the function was called as a trigger.  name is its name. */
void
rarr_require_trigger_call(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", name),
				 errhint("Only triggers of the extension may call it.")));
}

/*
 * Check that a trigger function is called by a trigger on one of our tables.
 * A trigger function for the extension's own tables calls this first. name is
 * the function's name.  Raises 39P01 otherwise.
 */
void
rarr_require_trigger(FunctionCallInfo fcinfo, const char *name)
{
	const TriggerData *trigger;

	rarr_require_trigger_call(fcinfo, name);
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
