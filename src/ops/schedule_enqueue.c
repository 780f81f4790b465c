/*
 * schedule_enqueue.c
 *		The command "enqueue" of the schedule: periodic jobs.
 *
 * It calls the functions that the entry's owner would call, with the owner's
 * privileges.  The jobs' unique key has the entry's name, the due time and the
 * media, so that a due time enqueues a job once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/json.h"
#include "job/job.h"
#include "ops/schedule_enqueue.h"

#define COMMAND "enqueue"

static const char *const members[] = {
	"media_id", "filters", "limit", "job_type", "priority", "max_retries", "metadata", NULL};
static const char *const hint =
	"Give \"job_type\", and \"media_id\" or \"filters\" as media_get_all() takes them; and, if you like, \"limit\", \"priority\", \"max_retries\" and \"metadata\".";

/* parameters of the statements */
enum
{
	PARAM_MEDIA,    /* media_id as text, or the filters as jsonb */
	PARAM_LIMIT,    /* of media */
	PARAM_JOB_TYPE, /* text */
	PARAM_PRIORITY,
	PARAM_MAX_RETRIES,
	PARAM_METADATA,
	PARAM_KEY, /* of the run; the media's id is appended */
	NPARAMS
};

static const char *const one_sql =
	"SELECT researcharr.job_enqueue($1::uuid, $3, $4::int, NULL, $5::int, $6, $7 || '/' || $1::uuid)";

static const char *const many_sql =
	"SELECT count(*) FROM (SELECT array_agg(m.id) AS ids, array_agg($7 || '/' || m.id) AS keys, count(*)::int AS n"
	" FROM researcharr.media_get_all($1, $2) AS m) AS a, LATERAL researcharr.job_enqueue_arrays(a.ids,"
	" array_fill($3, ARRAY[a.n]),"
	" CASE WHEN $4 IS NOT NULL THEN array_fill($4::int, ARRAY[a.n]) END, NULL,"
	" CASE WHEN $5 IS NOT NULL THEN array_fill($5::int, ARRAY[a.n]) END,"
	" CASE WHEN $6 IS NOT NULL THEN array_fill($6, ARRAY[a.n]) END, a.keys) AS j WHERE a.n > 0";

typedef struct Arguments
{
	bool filtered;
	Oid types[NPARAMS];
	Datum values[NPARAMS];
	char nulls[NPARAMS];
} Arguments;

pg_noreturn static void
wrong(const char *name, const char *problem)
{
	rarr_schedule_bad_argument(COMMAND, psprintf("are wrong: \"%s\" %s", name, problem), hint);
}

static void
set_param(Arguments *arguments, int param, Oid type, Datum value, bool isnull)
{
	arguments->types[param] = type;
	arguments->values[param] = value;
	arguments->nulls[param] = isnull ? 'n' : ' ';
}

static void
read_text(Arguments *arguments, int param, Jsonb *jsonb, const char *name)
{
	JsonbValue value;
	const char *string;
	int length;
	char *problem;

	if (!rarr_json_member(&jsonb->root, name, &value))
		rarr_schedule_bad_argument(COMMAND, psprintf("lack a member \"%s\"", name), hint);
	problem = rarr_json_text(&value, &string, &length);
	if (problem != NULL)
		wrong(name, problem);
	set_param(arguments, param, TEXTOID, PointerGetDatum(cstring_to_text_with_len(string, length)), false);
}

/* Read a number between these, which may be absent. */
static void
read_number(Arguments *arguments, int param, Jsonb *jsonb, const char *name, int least, int most)
{
	JsonbValue value;
	int64 number = 0;
	bool given = rarr_json_member(&jsonb->root, name, &value);
	char *problem = given ? rarr_json_int(&value, &number) : NULL;

	if (problem != NULL)
		wrong(name, problem);
	if (given && (number < least || number > most))
		wrong(name, psprintf("must be from %d to %d, not " INT64_FORMAT, least, most, number));
	set_param(arguments, param, INT8OID, Int64GetDatum(number), !given);
}

/* Read an object, which may be absent.  Returns whether it is there. */
static bool
read_object(Arguments *arguments, int param, Jsonb *jsonb, const char *name)
{
	JsonbValue value;
	bool given = rarr_json_member(&jsonb->root, name, &value);

	if (given && !rarr_json_is_object(&value))
		wrong(name, psprintf("must be an object, not %s", rarr_json_describe(&value)));
	set_param(arguments, param, JSONBOID, given ? JsonbPGetDatum(JsonbValueToJsonb(&value)) : (Datum) 0, !given);
	return given;
}

/* Read the arguments.  Raises 22023 if they are wrong. */
static void
read_arguments(Arguments *arguments, Jsonb *jsonb)
{
	JsonbValue value;
	bool has_media = rarr_json_member(&jsonb->root, "media_id", &value);

	rarr_schedule_check_members(COMMAND, jsonb, members);
	arguments->filtered = read_object(arguments, PARAM_MEDIA, jsonb, "filters");
	if (arguments->filtered == has_media)
		rarr_schedule_bad_argument(COMMAND, "need either \"media_id\" or \"filters\"", hint);
	if (has_media)
		read_text(arguments, PARAM_MEDIA, jsonb, "media_id");
	read_number(arguments, PARAM_LIMIT, jsonb, "limit", 1, INT_MAX);
	read_text(arguments, PARAM_JOB_TYPE, jsonb, "job_type");
	read_number(arguments, PARAM_PRIORITY, jsonb, "priority", 0, 100);
	read_number(arguments, PARAM_MAX_RETRIES, jsonb, "max_retries", 0, 10);
	(void) read_object(arguments, PARAM_METADATA, jsonb, "metadata");
}

/*
 * Raise an error unless the arguments are right: 22023, 22P02 for an id that is
 * no uuid, RA002 for an unknown job type, and what media_get_all() raises for
 * the filters.
 */
static void
check_enqueue(Jsonb *jsonb)
{
	Arguments arguments;

	read_arguments(&arguments, jsonb);
	(void) rarr_job_type_get(DatumGetTextPP(arguments.values[PARAM_JOB_TYPE]));
	if (!arguments.filtered)
	{
		(void) DirectFunctionCall1(uuid_in, CStringGetDatum(TextDatumGetCString(arguments.values[PARAM_MEDIA])));
		return;
	}
	SPI_connect();
	if (SPI_execute_with_args("SELECT FROM researcharr.media_get_all($1, 0)", 1, arguments.types, arguments.values,
							  arguments.nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the filters");
	SPI_finish();
}

/* The part of the jobs' unique keys that is the run's. */
static char *
run_key(const RarrScheduledRun *run)
{
	if (run->is_due)
		return psprintf("%s@%s", run->entry, rarr_json_time(TimestampTzGetDatum(run->due_at), TIMESTAMPTZOID));
	return psprintf("%s@%s", run->entry, DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&run->id))));
}

static char *
run_enqueue(const RarrScheduledRun *run)
{
	MemoryContext cxt = CurrentMemoryContext;
	Arguments arguments;
	bool isnull;
	int64 n = 1;

	StartTransactionCommand();
	read_arguments(&arguments, run->arguments);
	set_param(&arguments, PARAM_KEY, TEXTOID, CStringGetTextDatum(run_key(run)), false);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args(arguments.filtered ? many_sql : one_sql, NPARAMS, arguments.types, arguments.values,
							  arguments.nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not enqueue");
	if (arguments.filtered)
		n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
	return psprintf(INT64_FORMAT " jobs", n);
}

const RarrScheduleCommand rarr_schedule_enqueue = {
	.name = COMMAND,
	.check = check_enqueue,
	.run = run_enqueue,
};
