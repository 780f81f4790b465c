/*
 * health.c
 *		health_check(): how is the database?
 *
 * Each check of health_checks.c runs by itself.  One that cannot run says so,
 * and why, and does not make the database unhealthy: "not available" is not
 * "healthy", and a monitoring system can ask for it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/schema.h"
#include "base/task.h"
#include "base/text.h"
#include "ops/health.h"
#include "ops/health_checks.h"
#include "ops/health_minutes.h"
#include "ops/schedule_command.h"
#include "ops/schedule_table.h"

/* columns of a check's result */
enum
{
	COL_VALUES,
	COL_LEVEL,
	COL_REASON
};

/* What a level is called. */
const char *
rarr_health_level_name(RarrHealthLevel level)
{
	static const char *const names[] = {"ok", "warning", "error", "not_available"};

	return names[level];
}

/* The state of the whole. */
const char *
rarr_health_status(const RarrHealthResult *results, int n)
{
	RarrHealthLevel worst = RARR_HEALTH_OK;

	for (int i = 0; i < n; i++)
		if (results[i].level != RARR_HEALTH_NOT_AVAILABLE)
			worst = Max(worst, results[i].level);
	switch (worst)
	{
		case RARR_HEALTH_ERROR:
			return "unhealthy";
		case RARR_HEALTH_WARNING:
			return "warning";
		default:
			return "healthy";
	}
}

/* Why a check cannot run, or NULL. */
static char *
find_obstacle(const RarrHealthCheck *check)
{
	Oid table = check->table != NULL ? rarr_find_relation(check->table) : InvalidOid;

	if (check->sees_all && !rarr_monitor_sees_all())
		return pstrdup("it needs the privileges of pg_read_all_stats");
	if (check->table == NULL)
		return NULL;
	if (!OidIsValid(table))
		return psprintf("there is no table %s.%s", RARR_SCHEMA, check->table);
	if (pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return psprintf("it needs SELECT on table %s.%s", RARR_SCHEMA, check->table);
	return NULL;
}

/* Set a parameter of a check to a threshold, or to NULL for never. */
static void
set_threshold(Datum *values, char *nulls, int first, int threshold)
{
	for (int i = 0; i < 2; i++)
	{
		int value = threshold == RARR_NO_THRESHOLD ? -1 : rarr_threshold[threshold][i];

		values[first + i] = Int64GetDatum(value);
		nulls[first + i] = value < 0 ? 'n' : ' ';
	}
}

static RarrHealthResult
not_available(const RarrHealthCheck *check, const char *why)
{
	return (RarrHealthResult){.check = check->name, .level = RARR_HEALTH_NOT_AVAILABLE, .reason = why};
}

static RarrHealthResult
run_check(RarrHealthCheck *check)
{
	RarrHealthResult result = {.check = check->name};
	JsonbParseState *state = NULL;
	const char *problem = find_obstacle(check);
	Datum values[RARR_MONITOR_ARGS];
	char nulls[RARR_MONITOR_ARGS];
	RarrMonitorRows rows;

	if (problem != NULL)
		return not_available(check, problem);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (check->facts != NULL && (problem = check->facts(&state)) != NULL)
		return not_available(check, problem);
	values[4] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	nulls[4] = ' ';
	set_threshold(values, nulls, 0, check->threshold);
	set_threshold(values, nulls, 2, check->second);
	problem = rarr_monitor_run(&check->query, values, nulls, &rows);
	if (problem != NULL)
		return not_available(check, problem);
	if (rows.n != 1 || rows.values[0][COL_VALUES] == NULL || rows.values[0][COL_LEVEL] == NULL)
		return not_available(check, "the server does not say");
	result.values = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(rows.values[0][COL_VALUES])));
	result.level = Min(Max(atoi(rows.values[0][COL_LEVEL]), RARR_HEALTH_OK), RARR_HEALTH_ERROR);
	result.reason = rows.values[0][COL_REASON] != NULL ? rows.values[0][COL_REASON] : "";
	return result;
}

/*
 * Run all checks, as the current user.  search_path must be pinned.  Returns
 * their results in a palloc'd array of *n.  Raises errors about the session.
 */
RarrHealthResult *
rarr_health_run(int *n)
{
	RarrHealthResult *results = palloc(rarr_health_check_count * sizeof(RarrHealthResult));

	rarr_health_sample();
	for (int i = 0; i < rarr_health_check_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		results[i] = run_check(&rarr_health_checks[i]);
	}
	*n = rarr_health_check_count;
	return results;
}

/*
 * If the result is that of a check of this name, and has a number of this name
 * among its values, set *number to it.
 */
bool
rarr_health_number(const RarrHealthResult *result, const char *check, const char *name, int64 *number)
{
	JsonbValue value;

	return strcmp(result->check, check) == 0 && result->values != NULL &&
		   rarr_json_member(&result->values->root, name, &value) && rarr_json_int(&value, number) == NULL;
}

static void
put_problems(JsonbParseState **state, const RarrHealthResult *results, int n)
{
	JsonbValue key;

	rarr_json_set_string(&key, "problems", strlen("problems"));
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int level = RARR_HEALTH_ERROR; level > RARR_HEALTH_OK; level--)
		for (int i = 0; i < n; i++)
		{
			if (results[i].level != level)
				continue;
			(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
			rarr_json_put_text(state, "check", results[i].check);
			rarr_json_put_text(state, "status", rarr_health_level_name(level));
			rarr_json_put_text(state, "reason", results[i].reason);
			(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
		}
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
put_check(JsonbParseState **state, const RarrHealthResult *result)
{
	JsonbValue key;

	rarr_json_set_string(&key, result->check, strlen(result->check));
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(state, "status", rarr_health_level_name(result->level));
	rarr_json_put_text(state, "reason", rarr_valid_text(result->reason));
	if (result->values != NULL)
	{
		JsonbValue values;

		rarr_jsonb_as_value(result->values, &values);
		rarr_json_put(state, "values", &values);
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

PG_FUNCTION_INFO_V1(researcharr_health_check);

/*
 * health_check() -> {"status", "checked_at", "database", "problems", "checks"}
 *
 * Runs as the caller.  What the caller may not see is not available.
 */
Datum
researcharr_health_check(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	JsonbValue key;
	int n;
	RarrHealthResult *results = rarr_health_run(&n);

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(&state, "status", rarr_health_status(results, n));
	rarr_json_put_text(&state, "checked_at", rarr_json_time(TimestampTzGetDatum(GetCurrentTimestamp()), TIMESTAMPTZOID));
	rarr_json_put_text(&state, "database", rarr_valid_text(get_database_name(MyDatabaseId)));
	put_problems(&state, results, n);
	rarr_json_set_string(&key, "checks", strlen("checks"));
	(void) pushJsonbValue(&state, WJB_KEY, &key);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < n; i++)
		put_check(&state, &results[i]);
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* What the schedule's log says of a check. */
static char *
describe(const RarrHealthResult *results, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, rarr_health_status(results, n));
	for (int level = RARR_HEALTH_ERROR; level >= RARR_HEALTH_WARNING; level--)
		for (int i = 0; i < n; i++)
			if (results[i].level == level)
				appendStringInfo(&text, "; %s %s: %s", results[i].check, rarr_health_level_name(level),
								 rarr_clip_text(results[i].reason, 1000));
	return text.data;
}

/*
 * The scheduled check.  It keeps the figures of the last minute.  It runs as the
 * owner of the schedule's tables, in a restricted operation, so that nobody whom
 * a part of the extension was given to has code run as a superuser.
 */
static char *
run_scheduled(const RarrScheduledRun *run)
{
	MemoryContext cxt = CurrentMemoryContext;
	RarrScheduleAccess access;
	RarrHealthResult *results;
	char *text;
	int n;

	rarr_process_begin();
	rarr_schedule_begin(&access);
	(void) set_config_option("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	results = rarr_health_run(&n);
	text = MemoryContextStrdup(cxt, describe(results, n));
	rarr_health_minutes_write();
	rarr_schedule_end(&access);
	rarr_process_commit();
	MemoryContextSwitchTo(cxt);
	return text;
}

static const RarrScheduleCommand command = {
	.name = "health_check",
	.admin_only = true,
	.run = run_scheduled,
};

/* Register the command of the schedule.  Called when the library is loaded. */
void
rarr_health_register_command(void)
{
	rarr_schedule_command_register(&command);
}
