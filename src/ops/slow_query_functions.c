/*
 * slow_query_functions.c
 *		slow_query_list(), record_slow_query() and slow_query_reset().
 *
 * Everybody who may call slow_query_list() sees how long statements took.
 * Their texts and query ids are shown as by pg_stat_activity: one's own, and all
 * to members of pg_read_all_stats.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/access.h"
#include "base/args.h"
#include "base/duration.h"
#include "base/errors.h"
#include "base/text.h"
#include "ops/monitor_query.h"
#include "ops/slow_query.h"

/* columns of the result */
enum
{
	COL_AT,
	COL_DURATION,
	COL_ROLE,
	COL_SOURCE,
	COL_QUERY_ID,
	COL_ROWS,
	COL_HITS,
	COL_READS,
	COL_DIRTIED,
	COL_TEMP,
	COL_QUERY,
	COL_NORMALIZED,
	COLUMNS
};

static const char *const hidden = "<insufficient privilege>";

static void
require_preload(void)
{
	if (!rarr_slow_queries_are_there())
		ereport(ERROR,
				(errcode(ERRCODE_RARR_NEEDS_PRELOAD),
				 errmsg("slow statements are not kept"),
				 errhint("Add researcharr to shared_preload_libraries and restart the server.")));
}

static bool
may_see(const RarrSlowQuery *query)
{
	return rarr_monitor_sees_all() || has_privs_of_role(GetUserId(), query->role);
}

/*
 * The view pg_stat_statements in this database, as text for SQL, or NULL.  Only
 * a member of the extension of that name counts.
 */
static char *
find_statements_view(void)
{
	static RarrMonitorQuery query = {
		.sql = "SELECT quote_ident(n.nspname) || '.pg_stat_statements'"
			   " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
			   " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'"
			   " JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0"
			   " AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'"
			   " WHERE e.extname = 'pg_stat_statements'"};
	RarrMonitorRows rows;

	return rarr_monitor_run(&query, NULL, NULL, &rows) == NULL && rows.n == 1 ? rows.values[0][0] : NULL;
}

/* The normalized texts that pg_stat_statements has of these: rows (id, text). */
static void
read_normalized(const RarrSlowQuery *queries, int n, RarrMonitorRows *rows)
{
	char *view = find_statements_view();
	Datum *ids = palloc(n * sizeof(Datum));
	RarrMonitorQuery query = {.nargs = 2, .types = {OIDOID, INT8ARRAYOID}};
	Datum values[2];

	rows->n = 0;
	if (view == NULL || n == 0)
		return;
	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum((int64) queries[i].query_id);
	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	query.sql = psprintf("SELECT DISTINCT ON (s.queryid) s.queryid, s.query FROM %s s"
						 " WHERE s.dbid = $1 AND s.queryid = ANY ($2) ORDER BY s.queryid, s.query",
						 view);
	(void) rarr_monitor_run(&query, values, NULL, rows);
	if (query.plan != NULL)
		SPI_freeplan(query.plan);
}

static void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static const char *
find_normalized(const RarrMonitorRows *rows, uint64 id)
{
	char *wanted = psprintf(INT64_FORMAT, (int64) id);

	for (int i = 0; i < rows->n && id != 0; i++)
		if (strcmp(rows->values[i][0], wanted) == 0)
			return rows->values[i][1];
	return NULL;
}

static void
put_row(ReturnSetInfo *rsinfo, const RarrSlowQuery *query, const RarrMonitorRows *normalized)
{
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {false};
	bool visible = may_see(query);
	char *text = pnstrdup(query->text, query->length);

	values[COL_AT] = TimestampTzGetDatum(query->at);
	values[COL_DURATION] = IntervalPGetDatum(rarr_interval_of_duration(query->duration));
	values[COL_ROLE] = DirectFunctionCall1(namein, CStringGetDatum(rarr_role_name(query->role)));
	put_text(values, nulls, COL_SOURCE, query->by_hand ? "application" : "executor");
	nulls[COL_QUERY_ID] = query->query_id == 0 || !visible;
	values[COL_QUERY_ID] = Int64GetDatum((int64) query->query_id);
	nulls[COL_ROWS] = nulls[COL_HITS] = nulls[COL_READS] = nulls[COL_DIRTIED] = nulls[COL_TEMP] = query->by_hand;
	values[COL_ROWS] = Int64GetDatum((int64) query->rows);
	values[COL_HITS] = Int64GetDatum(query->hits);
	values[COL_READS] = Int64GetDatum(query->reads);
	values[COL_DIRTIED] = Int64GetDatum(query->dirtied);
	values[COL_TEMP] = Int64GetDatum(query->temp);
	put_text(values, nulls, COL_QUERY,
			 visible ? psprintf("%s%s", rarr_valid_text(text), query->cut ? " [truncated]" : "") : hidden);
	put_text(values, nulls, COL_NORMALIZED, visible ? find_normalized(normalized, query->query_id) : NULL);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(researcharr_slow_query_list);

/*
 * slow_query_list() -> the slow statements of this database, the newest first
 *
 * No rows if the library is not preloaded: slow_queries is a view, and a SELECT
 * on it should not fail.
 */
Datum
researcharr_slow_query_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrMonitorRows normalized;
	RarrSlowQuery *queries;
	int n;

	InitMaterializedSRF(fcinfo, 0);
	if (!rarr_slow_queries_are_there())
		return (Datum) 0;
	queries = rarr_slow_query_copy(&n);
	read_normalized(queries, n, &normalized);
	for (int i = 0; i < n; i++)
		put_row(rsinfo, &queries[i], &normalized);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(researcharr_record_slow_query);

/*
 * record_slow_query(query text, duration interval)
 *
 * Adds a statement, as the current user's, that an application found slow.
 * Errors: RA005 without preload; 22004 for a NULL; 22023 for an empty query, or
 * a duration that is negative, infinite, or above 36500 days.
 */
Datum
researcharr_record_slow_query(PG_FUNCTION_ARGS)
{
	RarrSlowQuery *query;
	text *statement;
	int64 duration;

	RARR_REQUIRE_ARG(0, "query");
	RARR_REQUIRE_ARG(1, "duration");
	require_preload();
	statement = PG_GETARG_TEXT_PP(0);
	duration = rarr_duration_arg(PG_GETARG_INTERVAL_P(1), "duration", 0);
	if (VARSIZE_ANY_EXHDR(statement) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query is empty"),
				 errhint("Give the statement's text, or a name for it.")));
	query = palloc0(sizeof(RarrSlowQuery));
	query->role = GetUserId();
	query->by_hand = true;
	query->at = GetCurrentTimestamp();
	query->duration = duration;
	rarr_slow_query_set_text(query, VARDATA_ANY(statement), VARSIZE_ANY_EXHDR(statement));
	rarr_slow_query_add(query);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(researcharr_slow_query_reset);

/*
 * slow_query_reset()
 *
 * Forgets the slow statements of this database.  Errors: RA005 without preload;
 * 42501 unless the caller is an admin.
 */
Datum
researcharr_slow_query_reset(PG_FUNCTION_ARGS)
{
	require_preload();
	if (!rarr_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to forget slow statements"),
				 errhint("Admins can do it.")));
	rarr_slow_query_clear();
	PG_RETURN_VOID();
}
