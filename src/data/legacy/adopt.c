/*
 * adopt.c
 *		legacy_adopt() and legacy_finish().
 *
 * What cannot be adopted yet, for example because its media is not there, stays
 * in legacy_rows, and is tried again by each call.  Secrets are not kept, so a row
 * that has some is only tried again from its table.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/schema.h"
#include "data/legacy/legacy.h"

/* the most problems that a row of the result lists */
#define MAX_PROBLEMS 100

/* rows of legacy_rows that are read at once */
#define FETCH_ROWS 1000

/* the columns of the result */
enum
{
	COL_TABLE,
	COL_FOUND,
	COL_ADOPTED,
	COL_UNCHANGED,
	COL_KEPT,
	COL_PROBLEMS,
	NCOLUMNS
};

/* A call of legacy_adopt(). */
typedef struct Adoption
{
	ReturnSetInfo *result;
	MemoryContext list_context; /* of the problems */
	MemoryContext row_context;  /* reset after each row */
	TimestampTz started;
	const LegacyTable *table; /* that is being adopted */
	SPIPlanPtr plan;          /* of its statement */
	bool had_kept;            /* have rows of it been kept before? */
	int64 found;
	int64 outcomes[LEGACY_NOUTCOMES];
	int problems; /* how many are listed */
	JsonbParseState *state;
} Adoption;

/* Raise 42501 unless the user owns the extension's tables, or is a superuser. */
static void
require_owner(const char *function)
{
	if (!rarr_is_owner(rarr_relation_oid("legacy_rows"), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", function),
				 errhint("Only the owner of the extension and superusers may call it.")));
}

/* Remove the secrets from a row's data. */
static Jsonb *
without_secrets(const LegacyRow *row)
{
	Datum data = JsonbPGetDatum(row->data);

	for (int i = 0; row->table->secrets != NULL && row->table->secrets[i] != NULL; i++)
		data = DirectFunctionCall2(jsonb_delete, data, CStringGetTextDatum(row->table->secrets[i]));
	return DatumGetJsonbP(data);
}

/* Run a statement about legacy_rows.  Its first three parameters are a schema, a table and a key. */
static void
run_kept(const char *sql, int nargs, const LegacyRow *row)
{
	MemoryContext cxt = CurrentMemoryContext;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(row->schema), CStringGetTextDatum(row->table->name),
					  CStringGetTextDatum(row->key), JsonbPGetDatum(without_secrets(row)),
					  CStringGetTextDatum(row->problem != NULL ? row->problem : "")};

	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", sql);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
}

/* Keep a row that could not be adopted, or forget one that was. */
static void
keep_row(const Adoption *adoption, const LegacyRow *row)
{
	if (row->key == NULL)
		return;
	if (row->outcome == LEGACY_KEPT)
		run_kept("INSERT INTO researcharr.legacy_rows (source_schema, source_table, source_key, data, problem)"
				 " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source_schema, source_table, source_key)"
				 " DO UPDATE SET data = excluded.data, problem = excluded.problem, tried_at = excluded.tried_at",
				 5, row);
	else if (adoption->had_kept)
		run_kept("DELETE FROM researcharr.legacy_rows l"
				 " WHERE l.source_schema = $1 AND l.source_table = $2 AND l.source_key = $3",
				 3, row);
}

/* Have rows of a table been kept? */
static bool
has_kept(const LegacyTable *table)
{
	Oid type = TEXTOID;
	Datum value = CStringGetTextDatum(table->name);

	if (SPI_execute_with_args("SELECT FROM researcharr.legacy_rows l WHERE l.source_table = $1 LIMIT 1",
							  1, &type, &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for kept rows");
	return SPI_processed > 0;
}

/* List a row's problem. */
static void
list_problem(Adoption *adoption, const LegacyRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(adoption->list_context);

	(void) pushJsonbValue(&adoption->state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(&adoption->state, "key", row->key != NULL ? pstrdup(row->key) : "");
	rarr_json_put_text(&adoption->state, "problem", pstrdup(row->problem));
	(void) pushJsonbValue(&adoption->state, WJB_END_OBJECT, NULL);
	MemoryContextSwitchTo(old);
}

/* Adopt a row, and count what became of it. */
static void
adopt_row(Adoption *adoption, LegacyRow *row)
{
	adoption->found++;
	/* tables grow, so a plan that suited the first rows does not suit all */
	if ((adoption->found & (adoption->found - 1)) == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(adoption->list_context);

		if (adoption->plan != NULL)
			SPI_freeplan(adoption->plan);
		adoption->plan = rarr_legacy_prepare(adoption->table);
		MemoryContextSwitchTo(old);
	}
	row->plan = adoption->plan;
	rarr_legacy_adopt_row(row);
	keep_row(adoption, row);
	adoption->outcomes[row->outcome]++;
	if (row->problem != NULL && adoption->problems++ < MAX_PROBLEMS)
		list_problem(adoption, row);
}

/* Adopt the rows of the table in this schema.  Returns false if there is no such table. */
static bool
adopt_table(Adoption *adoption, const char *schema)
{
	LegacySource source;
	LegacyRow row;
	MemoryContext old;

	if (!rarr_legacy_open(&source, schema, adoption->table))
		return false;
	if (adoption->table->has_items)
		source.items = rarr_legacy_read_items(schema);
	old = MemoryContextSwitchTo(adoption->row_context);
	while (rarr_legacy_next(&source, &row))
	{
		CHECK_FOR_INTERRUPTS();
		adopt_row(adoption, &row);
		MemoryContextSwitchTo(adoption->row_context);
		MemoryContextReset(adoption->row_context);
	}
	MemoryContextSwitchTo(old);
	rarr_legacy_close(&source);
	return true;
}

/*
 * Forget the rows of a table with secrets that this call has not found in the
 * schema.  Without their secrets they cannot be tried again.
 */
static void
forget_kept(const Adoption *adoption, const char *schema)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(schema), CStringGetTextDatum(adoption->table->name),
					  TimestampTzGetDatum(adoption->started)};

	if (SPI_execute_with_args("DELETE FROM researcharr.legacy_rows l"
							  " WHERE l.source_schema = $1 AND l.source_table = $2 AND l.tried_at < $3",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not forget kept rows");
}

/* Try the rows once more that were kept by calls before and not found by this one. */
static void
adopt_kept(Adoption *adoption)
{
	Oid types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(adoption->table->name), TimestampTzGetDatum(adoption->started)};
	Portal portal;

	if (adoption->table->secrets != NULL || !adoption->had_kept)
		return;
	portal = SPI_cursor_open_with_args(NULL, "SELECT l.source_key, l.data, l.source_schema FROM researcharr.legacy_rows l"
											 " WHERE l.source_table = $1 AND l.tried_at < $2"
											 " ORDER BY l.source_schema, l.source_key",
									   lengthof(types), types, values, NULL, false, 0);
	for (;;)
	{
		SPITupleTable *rows;
		uint64 n;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		rows = SPI_tuptable;
		n = SPI_processed;
		if (n == 0)
			break;
		for (uint64 i = 0; i < n; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(adoption->row_context);
			LegacyRow row = {.table = adoption->table};
			bool isnull;

			CHECK_FOR_INTERRUPTS();
			row.key = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
			row.schema = SPI_getvalue(rows->vals[i], rows->tupdesc, 3);
			row.data = DatumGetJsonbPCopy(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));
			adopt_row(adoption, &row);
			MemoryContextSwitchTo(old);
			MemoryContextReset(adoption->row_context);
		}
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
}

/* Adopt a table, and put a row about it into the result.  Returns false if it is not there. */
static bool
adopt(Adoption *adoption, const LegacyTable *table, const char *schema)
{
	bool exists = false;

	adoption->table = table;
	adoption->plan = NULL;
	adoption->had_kept = has_kept(table);
	adoption->found = 0;
	adoption->problems = 0;
	adoption->state = NULL;
	memset(adoption->outcomes, 0, sizeof(adoption->outcomes));
	(void) pushJsonbValue(&adoption->state, WJB_BEGIN_ARRAY, NULL);
	if (schema != NULL)
		exists = adopt_table(adoption, schema);
	if (exists && table->secrets != NULL && adoption->had_kept)
		forget_kept(adoption, schema);
	adopt_kept(adoption);
	if (exists || adoption->found > 0)
	{
		Datum values[NCOLUMNS] = {
			[COL_TABLE] = CStringGetTextDatum(table->name),
			[COL_FOUND] = Int64GetDatum(adoption->found),
			[COL_ADOPTED] = Int64GetDatum(adoption->outcomes[LEGACY_ADOPTED]),
			[COL_UNCHANGED] = Int64GetDatum(adoption->outcomes[LEGACY_UNCHANGED]),
			[COL_KEPT] = Int64GetDatum(adoption->outcomes[LEGACY_KEPT]),
			[COL_PROBLEMS] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&adoption->state, WJB_END_ARRAY, NULL)))};
		bool nulls[NCOLUMNS] = {false};

		tuplestore_putvalues(adoption->result->setResult, adoption->result->setDesc, values, nulls);
	}
	if (exists)
		rarr_legacy_create_view(table->name);
	return exists;
}

/*
 * legacy_adopt(source_schema text = NULL)
 *	returns setof (source_table text, found bigint, adopted bigint,
 *				   unchanged bigint, kept bigint, problems jsonb)
 *
 * Adopts what tables of the old application hold in a schema, and what was kept
 * before; with NULL, only that.  Returns a row for each table, whose problems list
 * up to 100 of {"key", "problem"}.
 *
 * Raises 42501 for others than the owner, 3F000 for an unknown schema, 22023 for
 * the extension's own, 42P01 if it has none of the tables, 42703 if one has no key,
 * 42809 and 0A000 for what is no plain table, 0A000 outside READ COMMITTED, and
 * 42710 if something else has the name of a view to be made.
 */
PG_FUNCTION_INFO_V1(researcharr_legacy_adopt);
Datum
researcharr_legacy_adopt(PG_FUNCTION_ARGS)
{
	Adoption adoption = {.started = GetCurrentTimestamp()};
	char *schema = NULL;
	bool any = PG_ARGISNULL(0);

	require_owner("legacy_adopt");
	rarr_prevent_read_only("legacy_adopt()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("legacy_adopt() needs a transaction that is READ COMMITTED"),
				 errhint("Another call's rows would not be seen.")));
	if (!PG_ARGISNULL(0))
	{
		schema = text_to_cstring(PG_GETARG_TEXT_PP(0));
		(void) rarr_legacy_schema(schema);
	}
	/* another call ends first, so that this one sees what it has made */
	LockRelationOid(rarr_relation_oid("legacy_rows"), ShareRowExclusiveLock);
	InitMaterializedSRF(fcinfo, 0);
	adoption.result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	adoption.list_context = CurrentMemoryContext;
	adoption.row_context = AllocSetContextCreate(CurrentMemoryContext, "row of the old application", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < rarr_legacy_table_count; i++)
		any |= adopt(&adoption, &rarr_legacy_tables[i], schema);
	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" has no table of the old application", schema),
				 errhint("It has tables such as radarr_queue, sonarr_queue, webui_users and managed_apps.")));
	SPI_finish();
	return (Datum) 0;
}

static int64
count_kept(void)
{
	bool isnull;

	if (SPI_execute("SELECT count(*) FROM researcharr.legacy_rows", false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not look for kept rows");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * legacy_finish(discard boolean = false) returns int
 *
 * Drops the views that legacy_adopt() made.  Returns how many there were.  Raises
 * 42501 for others than the owner, and 55000 if rows are kept, unless they are to
 * be discarded.
 */
PG_FUNCTION_INFO_V1(researcharr_legacy_finish);
Datum
researcharr_legacy_finish(PG_FUNCTION_ARGS)
{
	bool discard;
	int64 kept;
	int dropped;

	require_owner("legacy_finish");
	RARR_REQUIRE_ARG(0, "discard");
	discard = PG_GETARG_BOOL(0);
	rarr_prevent_read_only("legacy_finish()");
	SPI_connect();
	if (!discard && (kept = count_kept()) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg(INT64_FORMAT " rows of the old application have not been adopted", kept),
				 errhint("See researcharr.legacy_rows. Call legacy_adopt() again, or legacy_finish(true) to discard them.")));
	if (SPI_execute("DELETE FROM researcharr.legacy_rows", false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not discard kept rows");
	dropped = rarr_legacy_drop_views();
	SPI_finish();
	PG_RETURN_INT32(dropped);
}
