/*
 * health_checks.c
 *		The checks of health_check(): what each one reads, and how it judges.
 *
 * A query reads catalogs, statistics and a few rows by an index.  None counts a
 * table.  health_facts.c has what is not in SQL.  search_path is pinned to
 * pg_catalog by the functions that run these.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "ops/health_checks.h"
#include "ops/health_facts.h"

#define QUERY(text) \
	{ \
		.sql = text, .nargs = 5, .types = { INT8OID, \
											INT8OID, \
											INT8OID, \
											INT8OID, \
											JSONBOID } \
	}

/* clang-format indents strings that follow a macro by its column */
/* clang-format off */

/* the level of a value that must not reach the thresholds, or fall below them; a comma follows */
#define MOST(value)  "CASE WHEN " value " >= $2 THEN 2 WHEN " value " >= $1 THEN 1 ELSE 0 END,"
#define LEAST(value) "CASE WHEN " value " < $2 THEN 2 WHEN " value " < $1 THEN 1 ELSE 0 END,"

/* the relations of our schema */
#define OURS "c.relnamespace = 'researcharr'::regnamespace"

/* about how many rows the partitions of a log have */
#define LOG_ROWS(log) \
	"(SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid" \
	" WHERE i.inhparent = to_regclass('researcharr." log "'))"

#define SETTINGS_SQL \
	"SELECT $5, least(jsonb_array_length($5->'contradictions'), 1)," \
	" coalesce((SELECT string_agg(t, '; ') FROM jsonb_array_elements_text($5->'contradictions') t)," \
	" 'no thresholds contradict each other')"

#define CONNECTION_SQL \
	"SELECT jsonb_build_object('in_recovery', r, 'read_only', ro, 'server_version', current_setting('server_version')," \
	" 'started_at', pg_postmaster_start_time()), CASE WHEN ro AND NOT r THEN 2 ELSE 0 END," \
	" CASE WHEN r THEN 'the server is a standby, and answers'" \
	" WHEN ro THEN 'default_transaction_read_only is on: nothing can be written' ELSE 'the server answers' END" \
	" FROM (SELECT pg_is_in_recovery() AS r, current_setting('default_transaction_read_only')::boolean AS ro) s"

#define CONNECTIONS_SQL \
	"SELECT jsonb_build_object('used', used, 'available', most, 'percent', p), " \
	MOST("p") \
	" format('%s of %s connections are used (%s %%)', used, most, p)" \
	" FROM (SELECT used, most, CASE WHEN most > 0 THEN used * 100 / most ELSE 100 END AS p FROM (SELECT (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS used," \
	" current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint AS most) s) s"

#define DISK_SQL \
	"SELECT $5, CASE WHEN p < $2 THEN 2 WHEN p < $1 OR bad IS NOT NULL THEN 1 ELSE 0 END," \
	" coalesce(bad, format('%s %% of the fullest disk are free', p))" \
	" FROM (SELECT min((d->>'free_percent')::numeric) AS p," \
	" string_agg(format('the %s directory cannot be examined: %s', d->>'directory', d->>'error'), '; ')" \
	" FILTER (WHERE d ? 'error') AS bad" \
	" FROM jsonb_array_elements($5->'disks') d) s"

#define SIZES_SQL \
	"SELECT $5 || jsonb_build_object('tables_bytes', t, 'indexes_bytes', i, 'estimated', true), 0," \
	" format('about %s in tables and %s in indexes%s', pg_size_pretty(t), pg_size_pretty(i)," \
	" CASE WHEN $5->'growth_bytes' IS NULL THEN '' ELSE ', ' || pg_size_pretty(($5->>'growth_bytes')::bigint) || ' more in the last day' END)" \
	" FROM (SELECT coalesce(sum(relpages) FILTER (WHERE relkind IN ('r', 'm')), 0)::bigint * b AS t," \
	" coalesce(sum(relpages) FILTER (WHERE relkind = 'i'), 0)::bigint * b AS i" \
	" FROM pg_class c, (SELECT current_setting('block_size')::bigint AS b) s WHERE " OURS " GROUP BY b) s"

#define JOBS_SQL \
	"SELECT $5, " \
	MOST("w") \
	" CASE WHEN w IS NULL THEN 'no job is due' ELSE format('the oldest due job has waited for %s', make_interval(secs => w)) END" \
	" FROM (SELECT floor(($5->>'oldest_due_seconds')::numeric)::bigint AS w) s"

#define LAPSES_SQL \
	"SELECT jsonb_build_object('last_hour', n, 'since', $5->'since'), " \
	MOST("n") \
	" format('%s leases lapsed in the last hour', n)" \
	" FROM (SELECT ($5->'last_hour'->>'lapsed')::bigint AS n) s"

#define FAILURES_SQL \
	"SELECT jsonb_build_object('last_hour', n, 'retried_last_hour', ($5->'last_hour'->>'retried')::bigint, 'since', $5->'since'), " \
	MOST("n") \
	" format('%s jobs failed for good in the last hour', n)" \
	" FROM (SELECT ($5->'last_hour'->>'failed')::bigint AS n) s"

#define HORIZON_SQL \
	"WITH holders AS (" \
	" SELECT 'session' AS kind, format('pid %s, user %s, application %s, %s', pid, usename, application_name, state) AS name," \
	" xact_start AS since, greatest(age(backend_xmin), age(backend_xid)) AS xids" \
	" FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND coalesce(backend_xmin, backend_xid) IS NOT NULL" \
	" AND datname = current_database() AND backend_type NOT IN ('walsender', 'autovacuum worker')" \
	" UNION ALL SELECT 'prepared transaction', gid, prepared, age(transaction) FROM pg_prepared_xacts" \
	" WHERE database = current_database()" \
	" UNION ALL SELECT 'replication slot', slot_name, NULL, greatest(age(xmin), age(catalog_xmin))" \
	" FROM pg_replication_slots WHERE coalesce(xmin, catalog_xmin) IS NOT NULL" \
	" UNION ALL SELECT 'standby', format('pid %s, application %s', pid, application_name), NULL, age(backend_xmin)" \
	" FROM pg_stat_replication WHERE backend_xmin IS NOT NULL" \
	"), worst AS (" \
	" SELECT h.*, floor(extract(epoch FROM clock_timestamp() - since))::bigint AS seconds," \
	" CASE WHEN extract(epoch FROM clock_timestamp() - since) >= $2 OR xids >= $4 THEN 2" \
	" WHEN extract(epoch FROM clock_timestamp() - since) >= $1 OR xids >= $3 THEN 1 ELSE 0 END AS level FROM holders h)" \
	" SELECT jsonb_build_object('holders', coalesce((SELECT jsonb_agg(jsonb_build_object('kind', kind, 'name', name," \
	" 'since', since, 'transactions', xids) ORDER BY level DESC, xids DESC NULLS LAST) FROM" \
	" (SELECT * FROM worst ORDER BY level DESC, xids DESC NULLS LAST LIMIT 10) w), '[]')," \
	" 'dead_rows', d, 'estimated', true), coalesce(w.level, 0)," \
	" CASE WHEN w.kind IS NULL THEN 'nobody holds back VACUUM'" \
	" ELSE format('%s (%s) holds back VACUUM%s, by %s transactions; the tables have about %s dead rows', w.kind, w.name," \
	" CASE WHEN w.since IS NULL THEN '' ELSE ' since ' || to_char(w.since, 'YYYY-MM-DD HH24:MI:SS TZH:TZM') END, w.xids, d) END" \
	" FROM (SELECT coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::bigint AS d FROM pg_class c WHERE " OURS \
	" AND c.relkind IN ('r', 'm')) s" \
	" LEFT JOIN LATERAL (SELECT * FROM worst ORDER BY level DESC, xids DESC NULLS LAST, seconds DESC NULLS LAST LIMIT 1) w ON true"

#define DEAD_ROWS_SQL \
	"SELECT jsonb_build_object('table', name, 'dead_rows', dead, 'percent', p, 'estimated', true, 'statistics_reset_at', reset), " \
	MOST("p") \
	" CASE WHEN unknown THEN 'the statistics are empty: they were reset, or lost in a crash, and nothing was written since'" \
	" WHEN name IS NULL THEN 'no table has more than 1000 dead rows'" \
	" ELSE format('%s %% of the rows of %s are dead, about %s rows', p, name, dead) END" \
	" FROM (SELECT bool_and(dead + live = 0) AND sum(rows) > 0 AS unknown FROM (SELECT pg_stat_get_dead_tuples(c.oid) AS dead," \
	" pg_stat_get_live_tuples(c.oid) AS live, greatest(c.reltuples, 0) AS rows FROM pg_class c WHERE " OURS " AND relkind = 'r') s) u" \
	" CROSS JOIN (SELECT stats_reset AS reset FROM pg_stat_database WHERE datname = current_database()) r" \
	" LEFT JOIN LATERAL (SELECT c.relname AS name, s.dead, s.dead * 100 / (s.dead + s.live) AS p" \
	" FROM pg_class c CROSS JOIN LATERAL (SELECT pg_stat_get_dead_tuples(c.oid) AS dead, pg_stat_get_live_tuples(c.oid) AS live) s" \
	" WHERE " OURS " AND c.relkind = 'r' AND s.dead > 1000 ORDER BY p DESC, s.dead DESC LIMIT 1) w ON true"

#define WRAPAROUND_SQL \
	"SELECT jsonb_build_object('database', datname, 'transactions', a, 'multixacts', m), " \
	MOST("greatest(a, m)") \
	" format('the oldest transaction id of database %s is %s transactions old, of 2147483648', datname, greatest(a, m))" \
	" FROM (SELECT datname, age(datfrozenxid) AS a, mxid_age(datminmxid) AS m FROM pg_database" \
	" ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 1) s"

#define BACKUP_SQL \
	"SELECT jsonb_build_object('last_created_at', last.created_at, 'last_verified_at', good.verified_at, 'age_seconds', s.age," \
	" 'verify_error', last.verify_error, 'archive_error', last.archive_error)," \
	" CASE WHEN s.age >= $2 THEN 2 WHEN s.age >= $1 OR (s.age IS NULL AND $1 IS NOT NULL) OR last.verify_error IS NOT NULL OR last.archive_error IS NOT NULL" \
	" THEN 1 ELSE 0 END," \
	" concat_ws('; ', CASE WHEN s.age IS NULL THEN 'no backup has been verified'" \
	" ELSE format('the last verified backup is %s old', make_interval(secs => s.age)) END," \
	" 'the last backup is wrong: ' || last.verify_error, 'the last backup could not be archived: ' || last.archive_error)" \
	" FROM (SELECT) one" \
	" LEFT JOIN LATERAL (SELECT b.* FROM researcharr.backups b ORDER BY b.created_at DESC LIMIT 1) last ON true" \
	" LEFT JOIN LATERAL (SELECT b.* FROM researcharr.backups b WHERE b.verified_at IS NOT NULL AND b.verify_error IS NULL" \
	" ORDER BY b.created_at DESC LIMIT 1) good ON true" \
	" CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM clock_timestamp() - good.created_at))::bigint AS age) s"

#define WORKER_SQL \
	"SELECT $5, CASE WHEN (e AND NOT r) OR (e AND l >= $2) THEN 2 WHEN NOT e OR l >= $1 OR f IS NOT NULL THEN 1 ELSE 0 END," \
	" CASE WHEN NOT e THEN 'researcharr.worker is off: nobody does maintenance, unless run_maintenance() is called'" \
	" WHEN NOT r THEN 'the launcher of the background worker does not run'" \
	" WHEN f IS NOT NULL THEN f WHEN l >= least($1, $2) THEN format('a maintenance task has been due for %s', make_interval(secs => l))" \
	" ELSE 'all maintenance tasks are on time' END" \
	" FROM (SELECT ($5->>'enabled')::boolean AS e, ($5->>'running')::boolean AS r, ($5->>'late_seconds')::bigint AS l, $5->>'failure' AS f) s"

#define SCHEDULE_SQL \
	"SELECT jsonb_build_object('entries', n, 'late_seconds', l, 'failed', f), CASE WHEN l >= $2 THEN 2 WHEN l >= $1 OR f IS NOT NULL THEN 1 ELSE 0 END," \
	" concat_ws('; ', CASE WHEN l >= least($1, $2) THEN format('entry %s has been due for %s', name, make_interval(secs => l)) END," \
	" 'the last run failed of ' || f, CASE WHEN coalesce(l < least($1, $2), true) AND f IS NULL THEN 'no entry of the schedule is late' END)" \
	" FROM (SELECT count(*) AS n, max(late) AS l, (array_agg(name ORDER BY late DESC NULLS LAST))[1] AS name," \
	" string_agg(name, ', ' ORDER BY name) FILTER (WHERE last = 'failed') AS f" \
	" FROM (SELECT e.name, CASE WHEN e.next_due < clock_timestamp() THEN floor(extract(epoch FROM clock_timestamp() - e.next_due))::bigint END AS late," \
	" (SELECT r.status FROM researcharr.schedule_log r WHERE r.entry = e.name AND r.finished_at IS NOT NULL" \
	" ORDER BY r.id DESC LIMIT 1) AS last FROM researcharr.schedule_list() e LIMIT 1100) s) s"

#define CACHE_SQL \
	"SELECT $5 || jsonb_build_object('hit_percent', p), " \
	LEAST("p") \
	" CASE WHEN p IS NULL THEN 'the cache was asked for less than 1000 values' ELSE format('%s %% of the values asked for were in the cache', p) END" \
	" FROM (SELECT CASE WHEN h + m >= 1000 THEN h * 100 / (h + m) END AS p" \
	" FROM (SELECT ($5->>'hits')::bigint AS h, ($5->>'misses')::bigint AS m) s) s"

#define AGENDA_SQL \
	"SELECT $5, CASE WHEN u >= a THEN 1 ELSE 0 END, format('%s of %s slots are used%s', u, a," \
	" CASE WHEN u >= a THEN '; further job types are slower: raise researcharr.agenda_types' ELSE '' END)" \
	" FROM (SELECT ($5->>'used')::bigint AS u, ($5->>'slots')::bigint AS a) s"

#define SLOW_QUERIES_SQL \
	"SELECT $5, " \
	MOST("n") \
	" format('%s slow statements in the last hour', n)" \
	" FROM (SELECT ($5->>'last_hour')::bigint AS n) s"

#define THROUGHPUT_SQL \
	"SELECT $5, 0, format('%s jobs completed in the last hour, %s in the last day%s'," \
	" $5->'last_hour'->>'completed', $5->'last_day'->>'completed'," \
	" coalesce('; ' || ($5->>'transactions_per_second') || ' transactions a second', ''))"

/*
 * The finished jobs are a part of their table, so ANALYZE's most common values
 * say how many there are.
 */
#define RETENTION_SQL \
	"SELECT jsonb_build_object('without_rule', coalesce(jsonb_object_agg(target, rows) FILTER (WHERE rows > 0), '{}')," \
	" 'most_rows', coalesce(max(rows), 0), 'estimated', true)," \
	MOST("coalesce(max(rows), 0)") \
	" coalesce('rows are kept for ever, call retention_set(): ' || string_agg(format('%s (about %s rows)', target, rows)," \
	" ', ' ORDER BY rows DESC) FILTER (WHERE rows > 0), 'no table grows without a rule of retention')" \
	" FROM (SELECT 'history' AS target, " LOG_ROWS("processing_history") " AS rows" \
	" UNION ALL SELECT 'audit', " LOG_ROWS("audit_log") \
	" UNION ALL SELECT v || '_jobs', (f * greatest(c.reltuples, 0))::bigint FROM pg_class c, pg_stats s," \
	" unnest(s.most_common_vals::text::text[], s.most_common_freqs) m(v, f)" \
	" WHERE c.oid = to_regclass('researcharr.processing_jobs') AND s.schemaname = 'researcharr' AND s.tablename = 'processing_jobs'" \
	" AND s.attname = 'status' AND v IN ('completed', 'failed', 'cancelled')) t" \
	" WHERE NOT EXISTS (SELECT FROM researcharr.retention_rules r WHERE r.target = t.target)"

#define TLS_SQL \
	"SELECT $5 || jsonb_build_object('plain_connections', n), CASE WHEN n > 0 THEN 1 ELSE 0 END," \
	" CASE WHEN $5->>'wanted' = 'off' THEN 'researcharr.health_tls is off'" \
	" WHEN n > 0 THEN format('%s connections by TCP are not encrypted, such as one from %s', n, host(who)) ELSE 'all that should be encrypted is' END" \
	" FROM (SELECT count(*) AS n, (array_agg(a.client_addr))[1] AS who FROM pg_stat_activity a JOIN pg_stat_ssl s ON s.pid = a.pid" \
	" WHERE a.client_addr IS NOT NULL AND NOT s.ssl AND a.backend_type IN ('client backend', 'walsender')" \
	" AND ($5->>'wanted' = 'all' OR ($5->>'wanted' = 'remote' AND NOT (a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1')))) s"

/* clang-format on */

/* The checks, in the order in which they are shown. */
RarrHealthCheck rarr_health_checks[] = {
	{"connection", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, false, NULL, NULL,
	 QUERY(CONNECTION_SQL)},
	{"settings", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, false, NULL, rarr_facts_settings,
	 QUERY(SETTINGS_SQL)},
	{"connections", RARR_HEALTH_CONNECTIONS, RARR_NO_THRESHOLD, false, NULL, NULL,
	 QUERY(CONNECTIONS_SQL)},
	{"tls", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, true, NULL, rarr_facts_tls,
	 QUERY(TLS_SQL)},
	{"disk", RARR_HEALTH_DISK_FREE, RARR_NO_THRESHOLD, false, NULL, rarr_facts_disk,
	 QUERY(DISK_SQL)},
	{"sizes", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, false, NULL, rarr_facts_growth,
	 QUERY(SIZES_SQL)},
	{"jobs", RARR_HEALTH_JOB_WAIT, RARR_NO_THRESHOLD, false, "processing_jobs", rarr_facts_jobs,
	 QUERY(JOBS_SQL)},
	{"lapses", RARR_HEALTH_LAPSES, RARR_NO_THRESHOLD, false, "processing_jobs", rarr_facts_events,
	 QUERY(LAPSES_SQL)},
	{"failures", RARR_HEALTH_FAILURES, RARR_NO_THRESHOLD, false, "processing_jobs", rarr_facts_events,
	 QUERY(FAILURES_SQL)},
	{"throughput", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, false, "processing_jobs", rarr_facts_events,
	 QUERY(THROUGHPUT_SQL)},
	{"horizon", RARR_HEALTH_HORIZON_AGE, RARR_HEALTH_HORIZON_XIDS, true, NULL, NULL,
	 QUERY(HORIZON_SQL)},
	{"dead_rows", RARR_HEALTH_DEAD_ROWS, RARR_NO_THRESHOLD, false, NULL, NULL,
	 QUERY(DEAD_ROWS_SQL)},
	{"wraparound", RARR_HEALTH_WRAPAROUND, RARR_NO_THRESHOLD, false, NULL, NULL,
	 QUERY(WRAPAROUND_SQL)},
	{"backup", RARR_HEALTH_BACKUP_AGE, RARR_NO_THRESHOLD, false, "backups", NULL,
	 QUERY(BACKUP_SQL)},
	{"worker", RARR_HEALTH_WORKER_DELAY, RARR_NO_THRESHOLD, false, NULL, rarr_facts_worker,
	 QUERY(WORKER_SQL)},
	{"schedule", RARR_HEALTH_SCHEDULE_DELAY, RARR_NO_THRESHOLD, false, "schedule_log", NULL,
	 QUERY(SCHEDULE_SQL)},
	{"retention", RARR_HEALTH_KEPT_ROWS, RARR_NO_THRESHOLD, false, "retention_rules", NULL,
	 QUERY(RETENTION_SQL)},
	{"cache", RARR_HEALTH_CACHE_HITS, RARR_NO_THRESHOLD, false, NULL, rarr_facts_cache,
	 QUERY(CACHE_SQL)},
	{"agenda", RARR_NO_THRESHOLD, RARR_NO_THRESHOLD, false, NULL, rarr_facts_agenda,
	 QUERY(AGENDA_SQL)},
	{"slow_queries", RARR_HEALTH_SLOW_QUERIES, RARR_NO_THRESHOLD, false, NULL, rarr_facts_slow_queries,
	 QUERY(SLOW_QUERIES_SQL)},
};
const int rarr_health_check_count = lengthof(rarr_health_checks);
