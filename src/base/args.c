/*
 * args.c
 *		Errors about how a function was called: NULL for a required argument,
 *		a trigger function called by hand.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/lsyscache.h"

#include "base/args.h"

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
 * A trigger function starts with this: called by hand, it raises 39P01.
 */
void
rarr_require_trigger(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", name),
				 errhint("Only a trigger that the extension made calls it.")));
}
