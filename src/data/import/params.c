/*
 * params.c
 *		The parameters of the statements of imports: arrays with one element per
 *		item.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "data/import/state.h"

#define BIT(param) ((uint32) 1 << (param))

/* names and types of the array parameters before the kind's fields */
static const struct
{
	const char *name;
	Oid type;
} params[PARAM_FIELDS] = {
	[PARAM_ID] = {"id", UUIDOID},
	[PARAM_EXTERNAL_ID] = {"external_id", TEXTOID},
	[PARAM_TITLE] = {"title", TEXTOID},
	[PARAM_EXTRA] = {"extra", JSONBOID},
	[PARAM_GIVEN] = {"given", INT4OID},
	[PARAM_SERVICE_ID] = {"service_id", INT8OID},
	[PARAM_PAYLOAD] = {"payload", JSONBOID},
	[PARAM_ITEM_ID] = {"item_id", UUIDOID},
	[PARAM_TRACKED +
		TRACKED_MONITORED] = {"monitored", BOOLOID},
	[PARAM_TRACKED +
		TRACKED_HAS_FILE] = {"has_file", BOOLOID},
	[PARAM_TRACKED +
		TRACKED_AVAILABLE_FROM] = {"available_from", TIMESTAMPTZOID},
	[PARAM_TRACKED +
		TRACKED_QUALITY_PROFILE_ID] = {"quality_profile_id", INT4OID},
	[PARAM_TRACKED +
		TRACKED_CUSTOM_FORMAT_SCORE] = {"custom_format_score", INT4OID},
	[PARAM_TRACKED +
		TRACKED_QUALITY_CUTOFF_MET] = {"quality_cutoff_met", BOOLOID},
	[PARAM_TRACKED +
		TRACKED_ADDED_AT] = {"added_at", TIMESTAMPTZOID},
	[PARAM_TRACKED +
		TRACKED_SORT_TITLE] = {"sort_title", TEXTOID},
};

/* The type of an array parameter's elements. */
Oid
rarr_import_param_type(const ImportKind *kind, int param)
{
	return param < PARAM_FIELDS ? params[param].type : kind->fields[param - PARAM_FIELDS].type;
}

/* Return the FROM item i: the items, and n, their position in the arrays. */
char *
rarr_import_items(const ImportKind *kind, uint32 bits)
{
	StringInfoData sql;
	StringInfoData names;
	int n = IMPORT_FIXED_PARAMS;

	initStringInfo(&sql);
	initStringInfo(&names);
	for (int param = 0; param < PARAM_FIELDS + kind->nfields; param++)
	{
		if ((bits & BIT(param)) == 0)
			continue;
		appendStringInfo(&sql, "%spg_catalog.unnest($%d)", sql.len > 0 ? ", " : "ROWS FROM (", ++n);
		appendStringInfo(&names, "%s, ",
						 param < PARAM_FIELDS ? params[param].name : kind->fields[param - PARAM_FIELDS].column);
	}
	appendStringInfo(&sql, ") WITH ORDINALITY AS i (%sn)", names.data);
	return sql.data;
}

/* Prepare a statement with these array parameters. */
ImportPlan
rarr_import_plan(const ImportKind *kind, uint32 bits, char *sql)
{
	Oid types[IMPORT_FIXED_PARAMS + IMPORT_MAX_PARAMS] = {UUIDOID, TEXTARRAYOID};
	int ntypes = IMPORT_FIXED_PARAMS;
	ImportPlan plan = {.params = bits};

	for (int param = 0; param < PARAM_FIELDS + kind->nfields; param++)
		if ((bits & BIT(param)) != 0)
			types[ntypes++] = get_array_type(rarr_import_param_type(kind, param));

	/* tables grow during the import, so a plan suits one batch only */
	plan.plan = SPI_prepare_cursor(sql, ntypes, types, CURSOR_OPT_CUSTOM_PLAN);
	if (plan.plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	return plan;
}
