/*
 * metrics.c
 *		metrics(): figures as OpenMetrics text.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(researcharr_metrics);
Datum
researcharr_metrics(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text("# EOF\n"));
}
