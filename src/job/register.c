/*
 * register.c
 *		Register job types, change their policies, pause and resume them.
 *
 * The functions change the table job_types by statements, with the caller's
 * privileges.  The table's CHECK constraints validate the values.  A violation
 * is reported with the name and value of the argument, and a hint.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/result.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "job/agenda/pending.h"
#include "job/core/job_type.h"
#include "job/limits/slot.h"

#define SHOWN_BYTES 400 /* of a text argument in a message: a name's maximum */

/* the table's CHECK constraints: the argument that each checks, and a hint */
static const struct
{
	const char *constraint;
	int argument;
	const char *hint;
} rules[] =
	{
		{"job_types_name_check", 0, "Give a name of 1 to 100 characters without white space at its ends."},
		{"job_types_priority_check", 1, "Give a priority from 0 to 100."},
		{"job_types_max_retries_check", 2, "Give a number of retries from 0 to 10."},
		{"job_types_lease_check", 3, "Give an interval above zero and up to 36500 days."},
		{"job_types_backoff_check", 4, "Give fixed, linear or exponential."},
		{"job_types_backoff_base_check", 5, "Give an interval from zero and up to 36500 days."},
		{"job_types_backoff_cap_check", 6, "Give an interval from zero and up to 36500 days."},
		{"job_types_jitter_check", 7, "Give a share from 0 to 1."},
		{"job_types_max_running_check", 8, "Give a number of jobs from 1."},
		{"job_types_rate_limit_check", 9, "Give a number of jobs from 1."},
		{"job_types_rate_check", 9, "Give both rate_limit and rate_interval, or neither."},
		{"job_types_rate_interval_check", 10, "Give an interval above zero and up to 36500 days."},
		{"job_types_weight_check", 11, "Give a weight from 1 to 1000."},
		{"job_types_max_runtime_check", 12, "Give an interval above zero and up to 36500 days."},
};

/*
 * The parameters are the values of rarr_policy_columns.
 *
 * The row of VALUES must satisfy the constraints even if the statement updates
 * an existing row.  One constraint is about rate_limit and rate_interval
 * together, so that the row has the old value of the one that is not given.
 */
static const char *const register_sql =
	"INSERT INTO researcharr.job_types AS t (name, priority, max_retries, lease, backoff, backoff_base,"
	" backoff_cap, jitter, max_running, rate_limit, rate_interval, weight, max_runtime, paused)"
	" VALUES ($1, COALESCE($2, 0), COALESCE($3, 3), COALESCE($4, '5 minutes'), COALESCE($5, 'exponential'),"
	" COALESCE($6, '30 seconds'), COALESCE($7, '1 hour'), COALESCE($8, 0.1), $9,"
	" COALESCE($10, (SELECT o.rate_limit FROM researcharr.job_types o WHERE o.name OPERATOR(pg_catalog.=) $1)),"
	" COALESCE($11, (SELECT o.rate_interval FROM researcharr.job_types o WHERE o.name OPERATOR(pg_catalog.=) $1)),"
	" COALESCE($12, 1),"
	" $13, COALESCE($14, false))"
	" ON CONFLICT (name) DO UPDATE SET priority = COALESCE($2, t.priority),"
	" max_retries = COALESCE($3, t.max_retries), lease = COALESCE($4, t.lease),"
	" backoff = COALESCE($5, t.backoff), backoff_base = COALESCE($6, t.backoff_base),"
	" backoff_cap = COALESCE($7, t.backoff_cap), jitter = COALESCE($8, t.jitter),"
	" max_running = COALESCE($9, t.max_running), rate_limit = COALESCE($10, t.rate_limit),"
	" rate_interval = COALESCE($11, t.rate_interval), weight = COALESCE($12, t.weight),"
	" max_runtime = COALESCE($13, t.max_runtime), paused = COALESCE($14, t.paused)"
	" RETURNING CAST(ROW(t.*) AS researcharr.job_types)";

static const char *const pause_sql =
	"INSERT INTO researcharr.job_types AS t (name, paused) VALUES ($1, $2)"
	" ON CONFLICT (name) DO UPDATE SET paused = excluded.paused"
	" WHERE t.paused OPERATOR(pg_catalog.<>) excluded.paused";

/* An argument's value for a message. */
static char *
argument_text(int argument, Datum value, bool isnull)
{
	Oid output;
	bool varlena;
	char *text;
	int shown;

	if (isnull)
		return "null";
	getTypeOutputInfo(rarr_policy_columns[argument].type, &output, &varlena);
	text = OidOutputFunctionCall(output, value);
	if (rarr_policy_columns[argument].type != TEXTOID)
		return text;
	shown = pg_mbcliplen(text, strlen(text), SHOWN_BYTES);
	return psprintf("\"%.*s%s\"", shown, text, text[shown] != '\0' ? "..." : "");
}

/*
 * In a PG_CATCH block: raise RA003 about the argument if the error is the
 * violation of a constraint in rules[]; raise the error again otherwise.
 */
static void
explain_violation(MemoryContext cxt, const Datum *values, const char *nulls)
{
	ErrorData *error;

	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_CHECK_VIOLATION)
		PG_RE_THROW();
	for (int i = 0; i < lengthof(rules); i++)
	{
		int argument = rules[i].argument;

		if (!rarr_error_names(error, "job_types", rules[i].constraint))
			continue;
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("job type cannot have this %s: %s", rarr_policy_columns[argument].name,
						argument_text(argument, values[argument], nulls[argument] == 'n')),
				 errhint("%s", rules[i].hint)));
	}
	PG_RE_THROW();
}

PG_FUNCTION_INFO_V1(researcharr_job_type_register);
PG_FUNCTION_INFO_V1(researcharr_job_type_pause);
PG_FUNCTION_INFO_V1(researcharr_job_type_resume);

/*
 * job_type_register(name, priority, max_retries, lease, backoff, backoff_base,
 *		backoff_cap, jitter, max_running, rate_limit, rate_interval, weight,
 *		max_runtime, paused) -> row of job_types
 *
 * NULL keeps the value of an existing type, and stands for the default for a
 * new one.
 * Errors: 22004 for a NULL name; RA003 an invalid value; 42804 the calling
 * statement expects another row type; 09000 a user's trigger suppresses the
 * change.
 */
Datum
researcharr_job_type_register(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = CurrentMemoryContext;
	Datum values[RARR_POLICY_COLUMNS];
	char nulls[RARR_POLICY_COLUMNS];
	Oid types[RARR_POLICY_COLUMNS];
	bool isnull;
	Datum value;
	HeapTupleHeader row;
	HeapTupleData tuple;
	TupleDesc desc;

	RARR_REQUIRE_ARG(0, "name");
	for (int i = 0; i < RARR_POLICY_COLUMNS; i++)
	{
		types[i] = rarr_policy_columns[i].type;
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}

	SPI_connect();
	PG_TRY();
	{
		int rc = SPI_execute_with_args(register_sql, RARR_POLICY_COLUMNS, types,
									   values, nulls, false, 0);

		if (rc != SPI_OK_INSERT_RETURNING)
			elog(ERROR, "job_types was not changed: %s", SPI_result_code_string(rc));
		if (SPI_processed != 1)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("a trigger of table \"%s.job_types\" suppressed the write of a row", RARR_SCHEMA),
					 errhint("A BEFORE ROW trigger returned NULL; let it return the row, or raise an error of its own.")));
	}
	PG_CATCH();
	{
		explain_violation(cxt, values, nulls);
	}
	PG_END_TRY();

	/* one value of the table's row type, which may have users' columns */
	value = SPI_datumTransfer(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull),
							  false, -1);
	SPI_finish();
	row = DatumGetHeapTupleHeader(value); /* possibly a copy */
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	tuple.t_data = row;
	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	return rarr_result_row(fcinfo, desc, &tuple);
}

/*
 * Set paused of the type of argument name; returns whether it was different.
 */
static bool
set_paused(FunctionCallInfo fcinfo, bool paused)
{
	Oid types[2] = {TEXTOID, BOOLOID};
	Datum values[2];
	text *name;
	const RarrJobType *type;
	bool changed;

	RARR_REQUIRE_ARG(0, "name");
	name = PG_GETARG_TEXT_PP(0);
	type = rarr_job_type_get(name);
	if (type->paused == paused)
		return false;

	values[0] = PointerGetDatum(name);
	values[1] = BoolGetDatum(paused);
	SPI_connect();
	if (SPI_execute_with_args(pause_sql, 2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "job_types was not changed");
	changed = SPI_processed > 0;
	SPI_finish();
	return changed;
}

/*
 * job_type_pause(name) -> whether the type was not paused before
 *
 * Errors: 22004 for NULL, RA002 for an unknown type.
 */
Datum
researcharr_job_type_pause(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_paused(fcinfo, true));
}

/*
 * job_type_resume(name) -> whether the type was paused before
 *
 * Errors: 22004 for NULL, RA002 for an unknown type.
 */
Datum
researcharr_job_type_resume(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_paused(fcinfo, false));
}

PG_FUNCTION_INFO_V1(researcharr_job_types_changed);

/*
 * Trigger after each statement that changes job_types: all sessions reload the
 * policies after the commit, and this one does so at once.
 */
Datum
researcharr_job_types_changed(PG_FUNCTION_ARGS)
{
	rarr_require_trigger(fcinfo, "job_types_changed");
	rarr_limits_policy_changed(GetTopTransactionId());
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	rarr_agenda_pending_policies();
	return PointerGetDatum(NULL);
}
