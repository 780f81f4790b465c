/*
 * track_statements.c
 *		The statements that write tracked items.
 */
#include "postgres.h"

#include "data/import/state.h"

#define BIT(param) ((uint32) 1 << (param))
#define EQ         " OPERATOR(pg_catalog.=) "

/* the columns that an object fills in, with values for rows that it says nothing about */
static const struct
{
	const char *name;
	const char *unknown;
} columns[IMPORT_NTRACKED] = {
	[TRACKED_MONITORED] = {"monitored", "false"},
	[TRACKED_HAS_FILE] = {"has_file", "false"},
	[TRACKED_AVAILABLE_FROM] = {"available_from", "CAST('infinity' AS pg_catalog.timestamptz)"},
	[TRACKED_QUALITY_PROFILE_ID] = {"quality_profile_id", "NULL"},
	[TRACKED_CUSTOM_FORMAT_SCORE] = {"custom_format_score", "NULL"},
	[TRACKED_QUALITY_CUTOFF_MET] = {"quality_cutoff_met", "NULL"},
	[TRACKED_ADDED_AT] = {"added_at", "NULL"},
	[TRACKED_SORT_TITLE] = {"sort_title", "NULL"},
};

/* the payload that a tracked item t gets: members that the object does not have stay */
#define MERGED_PAYLOAD \
	"CASE WHEN t.payload" EQ "i.payload THEN t.payload" \
	" ELSE t.payload OPERATOR(pg_catalog.||) i.payload END"

/*
 * The sort_title that a tracked item t gets.  An object without sortTitle has one
 * that is made of its title, which counts only if the stored payload has no
 * sortTitle either.
 */
#define MERGED_SORT_TITLE \
	"CASE WHEN i.given OPERATOR(pg_catalog.&) %d OPERATOR(pg_catalog.<>) 0 THEN i.sort_title" \
	" WHEN t.payload OPERATOR(pg_catalog.?) 'sortTitle' THEN COALESCE(t.sort_title, i.sort_title)" \
	" ELSE COALESCE(i.sort_title, t.sort_title) END"

/* Return the value that a column of a tracked item t gets. */
static char *
merged_column(int column)
{
	if (column == TRACKED_SORT_TITLE)
		return psprintf(MERGED_SORT_TITLE, IMPORT_GIVES_TRACKED(column));
	return psprintf("CASE WHEN i.given OPERATOR(pg_catalog.&) %d" EQ "0 THEN t.%s ELSE COALESCE(i.%s, %s) END",
					IMPORT_GIVES_TRACKED(column), columns[column].name, columns[column].name,
					columns[column].unknown);
}

/*
 * Return the condition that tracked item t differs from item i: with its service
 * id and payload, or in the other columns only.
 */
char *
rarr_import_item_differs(bool whole)
{
	StringInfoData old;
	StringInfoData new;

	initStringInfo(&old);
	initStringInfo(&new);
	for (int i = 0; i < IMPORT_NTRACKED; i++)
	{
		appendStringInfo(&old, "%st.%s", i > 0 ? ", " : "", columns[i].name);
		appendStringInfo(&new, "%s%s", i > 0 ? ", " : "", merged_column(i));
	}
	return psprintf("pg_catalog.record_ne(ROW(%s%s), ROW(%s%s))", old.data, whole ? ", t.service_id, t.payload" : "",
					new.data, whole ? ", i.service_id, " MERGED_PAYLOAD : "");
}

/*
 * The statement that takes the items' service ids from other tracked items.
 * These get another one in this call, or are removed at its end.
 */
static char *
park_key_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("UPDATE researcharr.tracked_items AS t"
					" SET service_id = t.service_id OPERATOR(pg_catalog.+) " INT64_FORMAT
					" FROM %s WHERE t.instance_id" EQ "$1 AND t.kind" EQ "'%s' AND t.service_id" EQ "i.service_id"
					" AND (i.item_id IS NULL OR t.id OPERATOR(pg_catalog.<>) i.item_id)",
					IMPORT_PARKED, rarr_import_items(kind, bits), kind->type);
}

static char *
update_sql(const ImportKind *kind, uint32 bits)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "UPDATE researcharr.tracked_items AS t SET service_id = i.service_id,"
								 " media_id = i.id, payload = " MERGED_PAYLOAD);
	for (int i = 0; i < IMPORT_NTRACKED; i++)
		appendStringInfo(&sql, ", %s = %s", columns[i].name, merged_column(i));
	appendStringInfo(&sql, " FROM %s WHERE t.id" EQ "i.item_id", rarr_import_items(kind, bits));
	return sql.data;
}

static char *
insert_sql(const ImportKind *kind, uint32 bits)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "INSERT INTO researcharr.tracked_items"
								 " (instance_id, kind, service_id, media_id, payload");
	for (int i = 0; i < IMPORT_NTRACKED; i++)
		appendStringInfo(&sql, ", %s", columns[i].name);
	appendStringInfo(&sql, ") SELECT $1, '%s', i.service_id, i.id, i.payload", kind->type);
	for (int i = 0; i < IMPORT_NTRACKED; i++)
		appendStringInfo(&sql, ", COALESCE(i.%s, %s)", columns[i].name, columns[i].unknown);
	appendStringInfo(&sql, " FROM %s", rarr_import_items(kind, bits));
	return sql.data;
}

/* Prepare the statements that write tracked items. */
void
rarr_import_prepare_tracked(ImportPlans *plans)
{
	const ImportKind *kind = plans->kind;
	uint32 key = BIT(PARAM_SERVICE_ID) | BIT(PARAM_ITEM_ID);
	uint32 all = key | BIT(PARAM_ID) | BIT(PARAM_GIVEN) | BIT(PARAM_PAYLOAD);

	for (int i = 0; i < IMPORT_NTRACKED; i++)
		all |= BIT(PARAM_TRACKED + i);
	plans->park_key = rarr_import_plan(kind, key, park_key_sql(kind, key));
	plans->item_update = rarr_import_plan(kind, all, update_sql(kind, all));
	plans->item_insert = rarr_import_plan(kind, all, insert_sql(kind, all));
}
