/*
 * args.h
 *		Argument checks shared by the SQL-callable functions.
 *
 * None of our functions is STRICT.  A NULL for a required argument raises an
 * error that names the argument, instead of silently returning NULL.
 */
#ifndef RARR_BASE_ARGS_H
#define RARR_BASE_ARGS_H

#include "commands/trigger.h"
#include "fmgr.h"

#include "base/compat.h"

/* raise 22004 if argument n (counted from 0) of the running function is NULL */
#define RARR_REQUIRE_ARG(n, name) \
	do \
	{ \
		if (PG_ARGISNULL(n)) \
			rarr_null_argument(fcinfo, name); \
	} while (0)

pg_noreturn extern void rarr_null_argument(FunctionCallInfo fcinfo, const char *name);
extern Datum *rarr_array_argument(FunctionCallInfo fcinfo, int n, const char *name, Oid type,
								  bool nulls_allowed, bool **nulls, int *count);
pg_noreturn extern void rarr_wrong_trigger(const TriggerData *trigger, const char *function,
										   const char *hint);
extern void rarr_require_trigger_call(FunctionCallInfo fcinfo, const char *name);
extern void rarr_require_trigger(FunctionCallInfo fcinfo, const char *name);

#endif /* RARR_BASE_ARGS_H */
