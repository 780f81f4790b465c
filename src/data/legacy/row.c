/*
 * row.c
 *		Adopt a row of the old application.
 *
 * Each row has a subtransaction: one that cannot be adopted stops no other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/subtransaction.h"
#include "base/text.h"
#include "data/legacy/legacy.h"
#include "data/time_text.h"

/* numbers from this on are milliseconds since 1970, others seconds */
#define MOST_SECONDS 100000000000.0

/* The names of outcomes, as statements return them. */
static const char *const outcome_names[LEGACY_NOUTCOMES] = {
	[LEGACY_ADOPTED] = "adopted",
	[LEGACY_UNCHANGED] = "unchanged",
	[LEGACY_KEPT] = "kept",
};

/* Read a number of seconds or milliseconds since 1970. */
static bool
read_epoch(const char *text, TimestampTz *time)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end != '\0' || strspn(text, "0123456789.") != strlen(text))
		return false;
	if (number >= MOST_SECONDS)
		number /= 1000;
	if (number >= MOST_SECONDS)
		return false;
	*time = (TimestampTz) (number * USECS_PER_SEC) -
			(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	return IS_VALID_TIMESTAMP(*time);
}

/* Read a time as the old application or its database writes it.  Returns false for other texts. */
bool
rarr_legacy_parse_time(const char *text, TimestampTz *time)
{
	return rarr_parse_time(text, strlen(text), time) || read_epoch(text, time);
}

/*
 * Read the times of a row from its data.  The first text that is no time is a
 * problem of the row, which is adopted without it.
 */
static void
read_times(LegacyRow *row)
{
	for (int i = 0; i < RARR_LEGACY_TIMES; i++)
	{
		const char *name = row->table->times[i];
		JsonbValue value;
		TimestampTz time;
		char *text;

		row->time_nulls[i] = true;
		if (name == NULL || !rarr_json_member(&row->data->root, name, &value))
			continue;
		text = value.type == jbvString ? pnstrdup(value.val.string.val, value.val.string.len) : rarr_json_to_text(&value);
		row->time_nulls[i] = !rarr_legacy_parse_time(text, &time);
		if (!row->time_nulls[i])
			row->times[i] = TimestampTzGetDatum(time);
		else if (text[0] != '\0' && row->problem == NULL)
			row->problem = psprintf("%s is not a time: %s", name, rarr_quote_clipped(text, strlen(text)));
	}
}

/* Prepare the statement of a table.  The plan lives until SPI_finish(). */
SPIPlanPtr
rarr_legacy_prepare(const LegacyTable *table)
{
	Oid types[] = {JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	SPIPlanPtr plan = SPI_prepare(table->adopt, lengthof(types), types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", table->adopt, SPI_result_code_string(SPI_result));
	return plan;
}

/* Run the row's statement, and read its outcome. */
static bool
adopt(void *arg)
{
	LegacyRow *row = arg;
	Datum values[] = {JsonbPGetDatum(row->data), row->times[0], row->times[1]};
	char nulls[] = {' ', row->time_nulls[0] ? 'n' : ' ', row->time_nulls[1] ? 'n' : ' '};
	MemoryContext cxt = CurrentMemoryContext;
	const char *outcome;
	char *problem;

	if (SPI_execute_plan(row->plan, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not adopt a row of \"%s\"", row->table->name);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
	outcome = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	row->outcome = LEGACY_KEPT;
	for (int i = 0; i < LEGACY_NOUTCOMES; i++)
		if (outcome != NULL && strcmp(outcome, outcome_names[i]) == 0)
			row->outcome = i;
	problem = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	if (problem != NULL)
		row->problem = problem;
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static bool
adopt_log(void *arg)
{
	rarr_legacy_adopt_log(arg);
	return true;
}

static bool
is_about_data(const ErrorData *error, void *arg)
{
	return rarr_error_is_about_data(error);
}

/*
 * Adopt a row, and set its outcome and its problem.  Requires an SPI connection.
 * An error about its values is the row's problem; others are raised.
 */
void
rarr_legacy_adopt_row(LegacyRow *row)
{
	ErrorData *error;

	row->outcome = LEGACY_KEPT;
	if (row->key == NULL)
	{
		row->problem = "it has no id";
		return;
	}
	read_times(row);
	if (rarr_subtransaction(row->table->is_log ? adopt_log : adopt, is_about_data, row, &error))
		return;
	row->outcome = LEGACY_KEPT;
	row->problem = error != NULL ? rarr_clip_text(rarr_valid_text(error->message), 1000) : "it was not adopted";
}
