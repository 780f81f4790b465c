/*
 * report.c
 *		report_html(): one HTML document about the state of the database.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(researcharr_report_html);
Datum
researcharr_report_html(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text("\n"));
}
