/*
 * retention_rules.c
 *		Rules that say how long rows are kept.
 *
 * A rule is a row of researcharr.retention_rules.  Without a rule nothing is
 * deleted.  What a rule removes leaves no rows in the logs one by one: each batch
 * leaves one row in the audit log.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "base/duration.h"
#include "base/schema.h"
#include "ops/retention_rules.h"

const char *const rarr_retention_targets[RARR_RETENTION_TARGETS] = {
	"completed_jobs", "failed_jobs", "cancelled_jobs", "history", "audit"};

/* The number of a target, or -1. */
int
rarr_retention_target(const char *name)
{
	for (int i = 0; i < RARR_RETENTION_TARGETS; i++)
		if (strcmp(rarr_retention_targets[i], name) == 0)
			return i;
	return -1;
}

/*
 * Read the rules.  SPI is connected.  Returns false if there are none, or if
 * the extension's version has none.
 */
bool
rarr_retention_read(RarrRetention *retention)
{
	TimestampTz now = GetCurrentTimestamp();
	bool any = false;

	retention->least = PG_INT64_MAX;
	for (int i = 0; i < RARR_RETENTION_TARGETS; i++)
		retention->before[i] = DT_NOBEGIN;
	if (!OidIsValid(rarr_find_relation("retention_rules")))
		return false;
	if (SPI_execute(RARR_RETENTION_RULES, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the rules of retention");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		int target = rarr_retention_target(SPI_getvalue(row, SPI_tuptable->tupdesc, 1));
		bool isnull;
		Datum keep = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
		int64 duration;

		if (target < 0 || isnull || !rarr_duration_of_interval(DatumGetIntervalP(keep), &duration) || duration <= 0)
			continue;
		retention->before[target] = now - duration;
		retention->least = Min(retention->least, duration);
		any = true;
	}
	return any;
}

/* What was removed, as jsonb. */
static Jsonb *
describe(RarrRetentionTarget target, const char *partition, int64 rows, TimestampTz before)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"target\": \"%s\", \"before\": \"%s\", ", rarr_retention_targets[target],
					 DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(before))));
	if (partition != NULL)
	{
		appendStringInfoString(&json, "\"partition\": ");
		escape_json(&json, partition);
		appendStringInfoChar(&json, '}');
	}
	else
		appendStringInfo(&json, "\"rows\": " INT64_FORMAT "}", rows);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/*
 * Record in the audit log what a rule has removed: a partition, or so many rows
 * if it is NULL.  No trigger fires.
 */
void
rarr_retention_record(RarrRetentionTarget target, const char *partition, int64 rows, TimestampTz before)
{
	static const char *const entities[RARR_RETENTION_TARGETS] = {"job", "job", "job", "history", "audit"};

	rarr_audit_event(entities[target], NULL, "expire", describe(target, partition, rows, before));
}
