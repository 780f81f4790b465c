/*
 * health_facts.c
 *		What checks of health_check() need from shared memory and from files.
 *
 * Each function adds members to an object, and returns NULL, or why its check is
 * not available.
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/json.h"
#include "base/text.h"
#include "job/job.h"
#include "ops/health_facts.h"
#include "ops/minute_ring.h"
#include "ops/monitor_query.h"
#include "ops/oldest_due.h"
#include "ops/slow_query.h"
#include "ops/worker_state.h"

static void
begin(JsonbParseState **state, const char *name, JsonbIteratorToken token)
{
	JsonbValue key;

	rarr_json_set_string(&key, name, strlen(name));
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, token, NULL);
}

static void
put_bool(JsonbParseState **state, const char *name, bool boolean)
{
	JsonbValue value = {.type = jbvBool, .val.boolean = boolean};

	rarr_json_put(state, name, &value);
}

static void
put_null(JsonbParseState **state, const char *name)
{
	JsonbValue value = {.type = jbvNull};

	rarr_json_put(state, name, &value);
}

static void
put_time(JsonbParseState **state, const char *name, TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		put_null(state, name);
	else
		rarr_json_put_text(state, name, rarr_json_time(TimestampTzGetDatum(at), TIMESTAMPTZOID));
}

/* Pairs of thresholds of which that for an error comes first. */
const char *
rarr_facts_settings(JsonbParseState **state)
{
	begin(state, "contradictions", WJB_BEGIN_ARRAY);
	for (int i = 0; i < RARR_HEALTH_THRESHOLDS; i++)
	{
		const RarrThresholdDef *def = &rarr_thresholds[i];
		int warning = rarr_threshold[i][0];
		int error = rarr_threshold[i][1];
		JsonbValue text;
		char *string;

		if (warning < 0 || error < 0 || (def->least ? warning >= error : warning <= error))
			continue;
		string = psprintf("%s (%d) never warns, because %s is %d", def->warning, warning, def->error, error);
		rarr_json_set_string(&text, string, strlen(string));
		(void) pushJsonbValue(state, WJB_ELEM, &text);
	}
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
	return NULL;
}

static void
put_disk(JsonbParseState **state, const char *what, const char *path)
{
	struct statvfs disk;

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(state, "directory", what);
	if (statvfs(path, &disk) != 0)
		rarr_json_put_text(state, "error", rarr_valid_text(strerror(errno)));
	else if (disk.f_blocks == 0)
		rarr_json_put_text(state, "error", "the file system does not say how large it is");
	else
	{
		rarr_json_put_int(state, "total_bytes", (int64) disk.f_blocks * disk.f_frsize);
		rarr_json_put_int(state, "free_bytes", (int64) disk.f_bavail * disk.f_frsize);
		rarr_json_put_int(state, "free_percent", (int64) (disk.f_bavail * 100.0 / disk.f_blocks));
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * The disks of the data directory, of the WAL, and of the backups if there is a
 * directory for them.  Paths are not shown: data_directory is a superuser's.
 */
const char *
rarr_facts_disk(JsonbParseState **state)
{
	const char *backups = GetConfigOption("researcharr.backup_directory", true, false);

	begin(state, "disks", WJB_BEGIN_ARRAY);
	put_disk(state, "data", DataDir);
	put_disk(state, "WAL", psprintf("%s/pg_wal", DataDir));
	if (backups != NULL && backups[0] != '\0')
		put_disk(state, "backup", backups);
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
	return NULL;
}

/* The size of the database, and by how much it grew in the last day. */
const char *
rarr_facts_growth(JsonbParseState **state)
{
	static RarrMonitorQuery query = {.sql = "SELECT pg_database_size(current_database())"};
	RarrMonitorRows rows;
	RarrSpan span;

	if (rarr_minutes_span(GetCurrentTimestamp() - USECS_PER_DAY, &span) && span.last_bytes >= 0)
		rarr_json_put_int(state, "database_bytes", span.last_bytes); /* to measure it takes a look at each file */
	else if (rarr_monitor_run(&query, NULL, NULL, &rows) == NULL && rows.n == 1)
		rarr_json_put_int(state, "database_bytes", atoll(rows.values[0][0]));
	if (span.first_bytes >= 0 && span.last_bytes >= 0)
	{
		rarr_json_put_int(state, "growth_bytes", span.last_bytes - span.first_bytes);
		put_time(state, "growth_since", span.from);
	}
	return NULL;
}

/* Numbers of jobs by status as ANALYZE found them. */
static void
put_analyzed(JsonbParseState **state)
{
	static RarrMonitorQuery query = {
		.sql = "SELECT v, greatest(round(c.reltuples * f), 0) FROM pg_class c"
			   " JOIN pg_stats s ON s.schemaname = 'researcharr' AND s.tablename = c.relname AND s.attname = 'status' AND NOT s.inherited"
			   " CROSS JOIN LATERAL unnest(s.most_common_vals::text::text[], s.most_common_freqs) AS u (v, f)"
			   " WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relname = 'processing_jobs' ORDER BY v"};
	RarrMonitorRows rows;

	if (rarr_monitor_run(&query, NULL, NULL, &rows) != NULL || rows.n == 0)
		return;
	begin(state, "by_status", WJB_BEGIN_OBJECT);
	for (int i = 0; i < rows.n; i++)
		rarr_json_put_int(state, rows.values[i][0], atoll(rows.values[i][1]));
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
	rarr_json_put_text(state, "counted_by", "ANALYZE");
}

/* Jobs by status, and how long the oldest due one has waited. */
const char *
rarr_facts_jobs(JsonbParseState **state)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz oldest;
	bool counted;
	int n;
	RarrTypeFigures *types = rarr_type_figures(0, &n, &counted);
	char *problem = rarr_oldest_due(now, &oldest);

	if (problem != NULL)
		return problem;
	if (counted)
	{
		begin(state, "by_status", WJB_BEGIN_OBJECT);
		for (int i = 0; i < RARR_JOB_STATUSES; i++)
			rarr_json_put_int(state, rarr_job_status_name(i), Max(types[0].jobs[i], 0));
		(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
		rarr_json_put_text(state, "counted_by", "shared memory");
	}
	else
		put_analyzed(state);
	put_bool(state, "estimated", true);
	put_time(state, "oldest_due_at", oldest);
	if (oldest == DT_NOEND)
		put_null(state, "oldest_due_seconds");
	else
		rarr_json_put_int(state, "oldest_due_seconds", (now - oldest) / USECS_PER_SEC);
	return NULL;
}

static void
put_events(JsonbParseState **state, const char *name, const RarrSpan *span)
{
	begin(state, name, WJB_BEGIN_OBJECT);
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		rarr_json_put_int(state, rarr_job_event_name(i), (int64) span->events[i]);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* What happened to jobs in the last hour and day. */
const char *
rarr_facts_events(JsonbParseState **state)
{
	TimestampTz now = GetCurrentTimestamp();
	const char *problem = rarr_minutes_problem();
	RarrSpan hour;
	RarrSpan day;

	if (problem != NULL)
		return problem;
	(void) rarr_minutes_span(now - USECS_PER_HOUR, &hour);
	(void) rarr_minutes_span(now - USECS_PER_DAY, &day);
	put_events(state, "last_hour", &hour);
	put_events(state, "last_day", &day);
	put_time(state, "since", day.from);
	if (hour.usec > 0)
		rarr_json_put_text(state, "transactions_per_second",
						   psprintf("%.1f", (double) hour.transactions * USECS_PER_SEC / hour.usec));
	return NULL;
}

/* The background worker: is it there, and what is late or fails? */
const char *
rarr_facts_worker(JsonbParseState **state)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz last = DT_NOBEGIN;
	int64 late = 0;
	char error[RARR_WORKER_ERROR_MAX];
	const char *failed = NULL;
	bool runs;
	int entry;

	if (rarr_workers == NULL)
		return "the library is not in shared_preload_libraries";
	if (RecoveryInProgress())
		return "a standby has no maintenance";
	LWLockAcquire(&rarr_workers->lock, LW_SHARED);
	runs = rarr_workers->launcher != NULL;
	entry = rarr_worker_find_database(MyDatabaseId);
	for (int i = 0; entry >= 0 && i < rarr_task_count(); i++)
	{
		const RarrTaskState *task = &rarr_worker_entry(entry)->tasks[i];
		TimestampTz due = rarr_task_due(task, now);

		last = Max(last, task->last_start);
		if (!task->running && due != DT_NOBEGIN && due < now)
			late = Max(late, now - due);
		if (task->failures > 0 && failed == NULL)
		{
			failed = rarr_task_get(i)->name;
			strlcpy(error, task->error, sizeof(error));
		}
	}
	LWLockRelease(&rarr_workers->lock);
	put_bool(state, "enabled", rarr_worker_on);
	put_bool(state, "running", runs);
	put_bool(state, "knows_database", entry >= 0);
	put_time(state, "last_start", last);
	rarr_json_put_int(state, "late_seconds", late / USECS_PER_SEC);
	if (failed != NULL)
		rarr_json_put_text(state, "failure", rarr_valid_text(psprintf("maintenance task \"%s\" fails: %s", failed, error)));
	return NULL;
}

/* How often the cache had what it was asked for. */
const char *
rarr_facts_cache(JsonbParseState **state)
{
	static RarrMonitorQuery query = {
		.sql = "SELECT sum(hits), sum(misses), sum(entries) FROM researcharr.cache_stats()"};
	RarrMonitorRows rows;
	char *problem = rarr_monitor_run(&query, NULL, NULL, &rows);

	if (problem != NULL)
		return problem;
	if (rows.values[0][0] == NULL)
		return "there is no shared memory to count in";
	rarr_json_put_int(state, "hits", atoll(rows.values[0][0]));
	rarr_json_put_int(state, "misses", atoll(rows.values[0][1]));
	rarr_json_put_int(state, "entries", atoll(rows.values[0][2]));
	return NULL;
}

/* How full the agenda is. */
const char *
rarr_facts_agenda(JsonbParseState **state)
{
	int used;

	if (!rarr_agenda_usage(&used))
		return "the library is not in shared_preload_libraries";
	rarr_json_put_int(state, "used", used);
	rarr_json_put_int(state, "slots", rarr_agenda_types);
	return NULL;
}

/* How many slow statements there were in the last hour: at least. */
const char *
rarr_facts_slow_queries(JsonbParseState **state)
{
	if (!rarr_slow_queries_are_there())
		return "the library is not in shared_preload_libraries";
	rarr_json_put_int(state, "last_hour", rarr_slow_query_count(GetCurrentTimestamp() - USECS_PER_HOUR));
	rarr_json_put_int(state, "threshold_ms", rarr_slow_query_threshold);
	return NULL;
}

/* Which connections should be encrypted. */
const char *
rarr_facts_tls(JsonbParseState **state)
{
	static const char *const names[] = {"off", "remote", "all"};

	rarr_json_put_text(state, "wanted", names[rarr_health_tls]);
	return NULL;
}
