/*
 * schedule_next.c
 *		schedule_next(): when does a cron expression fire next?
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "ops/cron_next.h"

/*
 * schedule_next(cron text, zone text, after timestamptz) -> timestamptz
 *
 * zone NULL stands for UTC, after NULL for now.  Returns NULL if the expression
 * does not fire within 400 years.
 * Errors: 22004 NULL for cron; 22023 an invalid expression, an unknown time
 * zone, or a time that is not finite.
 */
PG_FUNCTION_INFO_V1(researcharr_schedule_next);
Datum
researcharr_schedule_next(PG_FUNCTION_ARGS)
{
	RarrCron cron;
	pg_tz *zone;
	TimestampTz after;
	TimestampTz next;

	RARR_REQUIRE_ARG(0, "cron");
	rarr_cron_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &cron);
	zone = rarr_cron_zone(PG_ARGISNULL(1) ? "UTC" : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	after = PG_ARGISNULL(2) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(after))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("after is not finite: %s", timestamptz_to_str(after)),
				 errhint("Give a time, or null for now.")));
	if (!rarr_cron_next(&cron, zone, after, &next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}
