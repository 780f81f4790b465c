/*
 * metrics.c
 *		metrics(): figures of the database as OpenMetrics text.
 *
 * Jobs and their histograms come from shared memory, the rest from queries that
 * read estimates and a few rows.  A family whose source is not available is left
 * out, and researcharr_source_available says so.
 *
 * researcharr.metrics_types types have series of their own.  The others are
 * summed under an empty label, which no type can have as its name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/schema.h"
#include "job/job.h"
#include "ops/health.h"
#include "ops/metrics_text.h"
#include "ops/monitor_query.h"
#include "ops/slow_query.h"

/* A source of samples that is a query: rows (family, label, value). */
typedef struct Source
{
	const char *name;
	const char *table; /* of our schema that it reads, or NULL */
	bool sees_all;     /* it needs the privileges of pg_read_all_stats */
	RarrMonitorQuery query;
} Source;

/* A family that a source fills. */
typedef struct Family
{
	const char *source;
	const char *name;
	RarrMetricType type;
	const char *unit;
	const char *label; /* of its samples, or NULL */
	const char *help;
} Family;

static Source sources[] = {
	{"database", NULL, false, {.sql = "SELECT 'database_size_bytes', NULL, pg_database_size(current_database())::text"
									  " UNION ALL SELECT 'transactions', 'committed', xact_commit::text FROM pg_stat_database WHERE datname = current_database()"
									  " UNION ALL SELECT 'transactions', 'rolled_back', xact_rollback::text FROM pg_stat_database WHERE datname = current_database()"
									  " UNION ALL SELECT 'connections', NULL, sum(numbackends)::text FROM pg_stat_database"
									  " UNION ALL SELECT 'connections_max', NULL, current_setting('max_connections')"
									  " UNION ALL SELECT 'in_recovery', NULL, pg_is_in_recovery()::int::text"
									  " UNION ALL SELECT 'start_time_seconds', NULL, extract(epoch FROM pg_postmaster_start_time())::text"
									  " UNION ALL SELECT 'transaction_id_age', NULL, age(datfrozenxid)::text FROM pg_database WHERE datname = current_database()"}},
	{"tables", NULL, false, {.sql = "SELECT * FROM (SELECT 'table_rows', c.relname, greatest(round(c.reltuples), 0)::text FROM pg_class c WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition"
									" UNION ALL SELECT 'table_dead_rows', c.relname, pg_stat_get_dead_tuples(c.oid)::text FROM pg_class c WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition"
									" UNION ALL SELECT 'table_size_bytes', c.relname, (c.relpages::bigint * current_setting('block_size')::bigint)::text FROM pg_class c WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition) s LIMIT 1000"}},
	{"cache", NULL, false, {.sql = "SELECT f, s.store, v::text FROM researcharr.cache_stats() s CROSS JOIN LATERAL (VALUES ('cache_hits', hits), ('cache_misses', misses),"
								   " ('cache_evictions', evictions), ('cache_expirations', expirations), ('cache_entries', entries), ('cache_size_bytes', bytes)) AS u (f, v)"
								   " WHERE v IS NOT NULL"}},
	{"backups", "backups", false, {.sql = "SELECT 'backups', NULL, (SELECT count(*) FROM (SELECT FROM researcharr.backups b LIMIT 1000) s)::text"
										  " UNION ALL SELECT 'backup_created_time_seconds', NULL, (SELECT extract(epoch FROM max(b.created_at))::text FROM researcharr.backups b)"
										  " UNION ALL SELECT 'backup_verified_time_seconds', NULL, (SELECT extract(epoch FROM max(b.created_at))::text FROM researcharr.backups b WHERE b.verified_at IS NOT NULL AND b.verify_error IS NULL)"
										  " UNION ALL SELECT 'backup_failed', f, v::int::text FROM (SELECT b.* FROM researcharr.backups b ORDER BY b.created_at DESC LIMIT 1) b"
										  " CROSS JOIN LATERAL (VALUES ('verify', verify_error IS NOT NULL), ('archive', archive_error IS NOT NULL)) AS u (f, v)"}},
	{"worker", NULL, false, {.sql = "SELECT f, w.task, v FROM researcharr.worker_status() w CROSS JOIN LATERAL (VALUES ('worker_runs', runs::text),"
									" ('worker_failures', failures::text), ('worker_last_start_time_seconds', extract(epoch FROM last_start)::text),"
									" ('worker_last_duration_seconds', extract(epoch FROM duration)::text)) AS u (f, v)"
									" WHERE w.database = current_database() AND w.runs IS NOT NULL AND v IS NOT NULL"}},
};

static const Family families[] = {
	{"database", "database_size_bytes", RARR_METRIC_GAUGE, "bytes", NULL, "Size of the database."},
	{"database", "transactions", RARR_METRIC_COUNTER, NULL, "outcome", "Transactions of the database since its statistics were reset."},
	{"database", "connections", RARR_METRIC_GAUGE, NULL, NULL, "Connections to all databases of the server."},
	{"database", "connections_max", RARR_METRIC_GAUGE, NULL, NULL, "The setting max_connections."},
	{"database", "in_recovery", RARR_METRIC_GAUGE, NULL, NULL, "Is the server a standby (1) or not (0)?"},
	{"database", "start_time_seconds", RARR_METRIC_GAUGE, "seconds", NULL, "When the server started, as a Unix time."},
	{"database", "transaction_id_age", RARR_METRIC_GAUGE, NULL, NULL, "Transactions since the oldest transaction id of the database."},
	{"tables", "table_rows", RARR_METRIC_GAUGE, NULL, "table", "Rows of a table, as VACUUM or ANALYZE estimated them."},
	{"tables", "table_dead_rows", RARR_METRIC_GAUGE, NULL, "table", "Dead rows of a table, an estimate."},
	{"tables", "table_size_bytes", RARR_METRIC_GAUGE, "bytes", "table", "Size of a table without indexes and TOAST when VACUUM or ANALYZE last looked."},
	{"cache", "cache_hits", RARR_METRIC_COUNTER, NULL, "store", "Values that the cache had."},
	{"cache", "cache_misses", RARR_METRIC_COUNTER, NULL, "store", "Values that the cache did not have."},
	{"cache", "cache_evictions", RARR_METRIC_COUNTER, NULL, "store", "Values that made room for others."},
	{"cache", "cache_expirations", RARR_METRIC_COUNTER, NULL, "store", "Values whose time was over."},
	{"cache", "cache_entries", RARR_METRIC_GAUGE, NULL, "store", "Values in the cache."},
	{"cache", "cache_size_bytes", RARR_METRIC_GAUGE, "bytes", "store", "Memory or disk that the values take."},
	{"backups", "backups", RARR_METRIC_GAUGE, NULL, NULL, "Backups that are kept."},
	{"backups", "backup_created_time_seconds", RARR_METRIC_GAUGE, "seconds", NULL, "When the last backup was made, as a Unix time."},
	{"backups", "backup_verified_time_seconds", RARR_METRIC_GAUGE, "seconds", NULL, "When the last backup was made that was verified, as a Unix time."},
	{"backups", "backup_failed", RARR_METRIC_GAUGE, NULL, "step", "Is something wrong with the last backup (1) or not (0)?"},
	{"worker", "worker_runs", RARR_METRIC_COUNTER, NULL, "task", "Runs of a maintenance task that ended."},
	{"worker", "worker_failures", RARR_METRIC_GAUGE, NULL, "task", "Runs of a maintenance task that failed since the last good one."},
	{"worker", "worker_last_start_time_seconds", RARR_METRIC_GAUGE, "seconds", "task", "When a maintenance task last began, as a Unix time."},
	{"worker", "worker_last_duration_seconds", RARR_METRIC_GAUGE, "seconds", "task", "How long the last run of a maintenance task took."},
};

/* what a family of jobs is called */
static const char *const event_help[RARR_JOB_EVENTS] = {
	"Jobs that were enqueued.",
	"Attempts that began.",
	"Jobs that were completed.",
	"Attempts that failed, with a retry left.",
	"Jobs that failed for good.",
	"Attempts whose lease ended.",
	"Attempts that were given back.",
	"Jobs that were cancelled.",
};

/* The value of a bound, in seconds, as Prometheus writes it. */
static const char *const bucket_names[RARR_JOB_BUCKETS] = {
	"0.01", "0.1", "0.5", "1.0", "5.0", "10.0", "30.0", "60.0", "300.0", "900.0", "3600.0", "14400.0", "+Inf"};

static const char *
full_name(const char *name)
{
	return psprintf("researcharr_%s", name);
}

/* Does a value look like a number of OpenMetrics? */
static bool
is_number(const char *value)
{
	return value != NULL && strspn(value, "-+0123456789.eE") == strlen(value) && value[0] != '\0';
}

/* Why a source is not available, or NULL. */
static const char *
read_source(Source *source, RarrMonitorRows *rows)
{
	Oid table = source->table != NULL ? rarr_find_relation(source->table) : InvalidOid;

	rows->n = 0;
	if (source->table != NULL && !OidIsValid(table))
		return "no table";
	if (source->table != NULL && pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return "no privilege";
	return rarr_monitor_run(&source->query, NULL, NULL, rows);
}

static void
put_family(StringInfo text, const Family *family, const RarrMonitorRows *rows)
{
	const char *name = full_name(family->name);

	rarr_metric_begin(text, name, family->type, family->unit, family->help);
	for (int i = 0; i < rows->n; i++)
	{
		char **row = rows->values[i];
		RarrLabel label = {family->label, row[1]};

		if (strcmp(row[0], family->name) == 0 && is_number(row[2]))
			rarr_metric_put(text, name, family->type == RARR_METRIC_COUNTER ? "_total" : "", &label,
							family->label != NULL && row[1] != NULL, row[2]);
	}
}

/* Families that queries fill.  Notes which sources there are. */
static void
put_sources(StringInfo text, bool *available)
{
	for (int i = 0; i < lengthof(sources); i++)
	{
		RarrMonitorRows rows;

		available[i] = read_source(&sources[i], &rows) == NULL;
		for (int f = 0; f < lengthof(families) && available[i]; f++)
			if (strcmp(families[f].source, sources[i].name) == 0)
				put_family(text, &families[f], &rows);
	}
}

static void
put_jobs(StringInfo text, const RarrTypeFigures *types, int n)
{
	const char *name = full_name("jobs");

	rarr_metric_begin(text, name, RARR_METRIC_GAUGE, NULL, "Jobs by type and status, an estimate.");
	for (int i = 0; i < n; i++)
		for (int s = 0; s < RARR_JOB_STATUSES; s++)
		{
			RarrLabel labels[] = {{"job_type", types[i].name}, {"status", rarr_job_status_name(s)}};

			rarr_metric_put_int(text, name, "", labels, 2, Max(types[i].jobs[s], 0));
		}
}

static void
put_events(StringInfo text, const RarrTypeFigures *types, int n)
{
	for (int e = 0; e < RARR_JOB_EVENTS; e++)
	{
		const char *name = full_name(psprintf("jobs_%s", rarr_job_event_name(e)));

		rarr_metric_begin(text, name, RARR_METRIC_COUNTER, NULL, event_help[e]);
		for (int i = 0; i < n; i++)
		{
			RarrLabel label = {"job_type", types[i].name};

			rarr_metric_put_int(text, name, "_total", &label, 1, (int64) types[i].sums.events[e]);
		}
	}
}

static void
put_histogram(StringInfo text, const RarrTypeFigures *types, int n, RarrJobHistogram h, const char *short_name,
			  const char *help)
{
	const char *name = full_name(short_name);

	rarr_metric_begin(text, name, RARR_METRIC_HISTOGRAM, "seconds", help);
	for (int i = 0; i < n; i++)
	{
		RarrLabel labels[] = {{"job_type", types[i].name}, {"le", NULL}};
		const RarrJobSums *sums = &types[i].sums;
		int64 count = 0;

		for (int b = 0; b < RARR_JOB_BUCKETS; b++)
		{
			count += (int64) sums->buckets[h][b];
			labels[1].value = bucket_names[b];
			rarr_metric_put_int(text, name, "_bucket", labels, 2, count);
		}
		rarr_metric_put_int(text, name, "_count", labels, 1, count);
		rarr_metric_put(text, name, "_sum", labels, 1, psprintf("%.6f", sums->usec[h] / 1e6));
	}
}

/* Families of jobs.  Returns whether there are any. */
static bool
put_queue(StringInfo text)
{
	Oid table = rarr_find_relation("processing_jobs");
	RarrTypeFigures *types;
	bool counted;
	int n;

	if (!OidIsValid(table) || pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	types = rarr_type_figures(rarr_metrics_types, &n, &counted);
	if (types == NULL)
		return false;
	if (counted)
		put_jobs(text, types, n);
	put_events(text, types, n);
	put_histogram(text, types, n, RARR_JOB_WAITS, "job_wait_seconds",
				  "How long jobs were due before they were claimed.");
	put_histogram(text, types, n, RARR_JOB_RUNS, "job_run_seconds", "How long attempts took that a worker ended.");
	return true;
}

static void
put_gauge(StringInfo text, const char *short_name, const char *unit, const char *help, int64 value)
{
	const char *name = full_name(short_name);

	rarr_metric_begin(text, name, RARR_METRIC_GAUGE, unit, help);
	rarr_metric_put_int(text, name, "", NULL, 0, value);
}

/* The agenda, and slow statements. */
static void
put_memory(StringInfo text)
{
	int used;

	if (rarr_agenda_usage(&used))
	{
		put_gauge(text, "agenda_slots", NULL, "Job types for which the agenda has room.", rarr_agenda_types);
		put_gauge(text, "agenda_slots_used", NULL, "Job types of all databases that are in the agenda.", used);
	}
	if (rarr_slow_queries_are_there())
		put_gauge(text, "slow_queries", NULL, "Statements in slow_queries.", rarr_slow_query_count(DT_NOBEGIN));
}

/* The health check: a check's level, and the age of the oldest due job. */
static void
put_health(StringInfo text)
{
	static const int levels[] = {[RARR_HEALTH_OK] = 0, [RARR_HEALTH_WARNING] = 1, [RARR_HEALTH_ERROR] = 2, [RARR_HEALTH_NOT_AVAILABLE] = -1};
	const char *name = full_name("health_status");
	int n;
	RarrHealthResult *results = rarr_health_run(&n);
	int worst = 0;

	rarr_metric_begin(text, name, RARR_METRIC_GAUGE, NULL,
					  "How a health check ended: 0 ok, 1 warning, 2 error, -1 not available.");
	for (int i = 0; i < n; i++)
	{
		RarrLabel label = {"check", results[i].check};

		worst = Max(worst, levels[results[i].level]);
		rarr_metric_put_int(text, name, "", &label, 1, levels[results[i].level]);
	}
	put_gauge(text, "health_worst_status", NULL, "The worst of all health checks: 0 ok, 1 warning, 2 error.", worst);
	for (int i = 0; i < n; i++)
	{
		int64 seconds;

		if (rarr_health_number(&results[i], "jobs", "oldest_due_seconds", &seconds))
			put_gauge(text, "job_oldest_due_seconds", "seconds", "For how long the oldest due job has waited.", seconds);
	}
}

static void
put_available(StringInfo text, const bool *available, bool queue)
{
	const char *name = full_name("source_available");
	RarrLabel label = {"source", "jobs"};

	rarr_metric_begin(text, name, RARR_METRIC_GAUGE, NULL, "Could the figures of a source be read (1) or not (0)?");
	rarr_metric_put_int(text, name, "", &label, 1, queue);
	for (int i = 0; i < lengthof(sources); i++)
	{
		label.value = sources[i].name;
		rarr_metric_put_int(text, name, "", &label, 1, available[i]);
	}
}

PG_FUNCTION_INFO_V1(researcharr_metrics);

/*
 * metrics() -> OpenMetrics text
 *
 * Runs as the caller.  What the caller may not see is left out.
 */
Datum
researcharr_metrics(PG_FUNCTION_ARGS)
{
	bool available[lengthof(sources)];
	StringInfoData text;
	bool queue;

	initStringInfo(&text);
	put_health(&text);
	queue = put_queue(&text);
	put_memory(&text);
	put_sources(&text, available);
	put_available(&text, available, queue);
	appendStringInfoString(&text, "# EOF\n");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
