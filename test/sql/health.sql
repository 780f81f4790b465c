-- health_check() and health_table_sizes(): their shape, thresholds, and who sees
-- what.  test/t/092_health.pl has what makes each check warn.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\i :tests/include/error.sql

-- the shape: what a monitoring system relies on
CREATE TEMP TABLE result AS SELECT health_check() AS h;
SELECT string_agg(k, ' ' ORDER BY k) FROM result, jsonb_object_keys(h) k;
SELECT h->>'status' IN ('healthy', 'warning', 'unhealthy') AS status, h->>'database' = current_database() AS database,
	(h->>'checked_at')::timestamptz <= clock_timestamp() AS checked_at, jsonb_typeof(h->'problems') AS problems
	FROM result;
SELECT c.key AS check, string_agg(k, ' ' ORDER BY k) FILTER (WHERE k <> 'values') AS members,
	bool_and(c.value->>'status' IN ('ok', 'warning', 'error', 'not_available')) AS status,
	bool_and(c.value->>'reason' <> '') AS reason,
	bool_and((c.value ? 'values') = (c.value->>'status' <> 'not_available')) AS values
	FROM result, jsonb_each(h->'checks') c, jsonb_object_keys(c.value) k GROUP BY c.key ORDER BY c.key;
-- the whole is as bad as the worst check, and the problems are those of the checks
SELECT h->>'status' = CASE max(CASE c.value->>'status' WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END)
		WHEN 2 THEN 'unhealthy' WHEN 1 THEN 'warning' ELSE 'healthy' END AS whole,
	count(*) FILTER (WHERE c.value->>'status' IN ('warning', 'error')) = jsonb_array_length(h->'problems') AS problems
	FROM result, jsonb_each(h->'checks') c GROUP BY h;

-- thresholds
SELECT sqlstate FROM pg_temp.error('SET researcharr.health_connections_warning = 101');
SELECT sqlstate FROM pg_temp.error('SET researcharr.health_job_wait_error = ''-2''');
SELECT sqlstate FROM pg_temp.error('SET researcharr.health_backup_age_warning = ''2 lightyears''');
SELECT sqlstate FROM pg_temp.error('SET researcharr.health_tls = ''perhaps''');
SELECT sqlstate FROM pg_temp.error('SET researcharr.slow_query_threshold = ''-2s''');
SET researcharr.health_backup_age_warning = '2d';
SHOW researcharr.health_backup_age_warning;
SET researcharr.health_connections_warning = 95;
SET researcharr.health_disk_free_error = 20;
SELECT c.value->>'status' AS status, c.value->>'reason' AS reason FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'settings';
-- the error's threshold is not hidden by the warning's
SET researcharr.health_connections_error = 0;
SELECT c.value->>'status' AS status FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'connections';
SET researcharr.health_connections_error = -1;
SELECT c.value->>'status' AS status FROM jsonb_each(health_check()->'checks') c WHERE c.key IN ('connections', 'settings');
RESET researcharr.health_connections_error;
RESET researcharr.health_connections_warning;
RESET researcharr.health_disk_free_error;

-- how long the oldest due job has waited
INSERT INTO media (title, type) SELECT 'film ' || n, 'movie' FROM generate_series(1, 200) n;
INSERT INTO processing_jobs (media_id, job_type, priority, available_at) SELECT id, 'search', 5, now() - interval '2 h' FROM media;
SELECT c.value->'values'->>'oldest_due_seconds' >= '7200' AS oldest FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'jobs';
DELETE FROM media;
SELECT c.value->'values'->'oldest_due_at' AS oldest FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'jobs';

-- sizes
SELECT count(*) > 10 AS tables, bool_and(total_bytes = table_bytes + toast_bytes + index_bytes) AS sums,
	array_agg(total_bytes) = array_agg(total_bytes ORDER BY total_bytes DESC) AS sorted FROM health_table_sizes();

-- a role without EXECUTE, and one with nothing else
CREATE ROLE regress_watcher;
GRANT USAGE ON SCHEMA researcharr TO regress_watcher;
SET ROLE regress_watcher;
SELECT pg_temp.error('SELECT researcharr.health_check()');
SELECT pg_temp.error('SELECT * FROM researcharr.health_table_sizes()');
SELECT pg_temp.error('SELECT researcharr.record_slow_query(''SELECT'', ''1 s'')');
SELECT pg_temp.error('SELECT researcharr.slow_query_reset()');
SELECT pg_temp.error('SELECT * FROM researcharr.slow_queries');
SELECT pg_temp.error('SET researcharr.health_job_wait_error = 1');
RESET ROLE;
GRANT EXECUTE ON FUNCTION health_check(), record_slow_query(text, interval), slow_query_reset() TO regress_watcher;
SET ROLE regress_watcher;
SELECT c.key, c.value->>'reason' AS reason FROM jsonb_each(researcharr.health_check()->'checks') c
	WHERE c.key IN ('tls', 'jobs', 'failures', 'horizon', 'schedule', 'cache') ORDER BY c.key;
SELECT c.key FROM jsonb_each(researcharr.health_check()->'checks') c
	WHERE c.value->>'status' <> 'not_available' AND c.key IN ('connection', 'connections', 'disk', 'wraparound') ORDER BY c.key;
RESET ROLE;
-- pg_monitor makes the server's part visible
GRANT pg_monitor TO regress_watcher;
SET ROLE regress_watcher;
SELECT c.key FROM jsonb_each(researcharr.health_check()->'checks') c
	WHERE c.value->>'status' <> 'not_available' AND c.key IN ('tls', 'horizon') ORDER BY c.key;
RESET ROLE;

-- NULL, and a caller's own schemas
SELECT pg_temp.error('SELECT researcharr.record_slow_query(NULL, ''1 s'')');
SELECT pg_temp.error('SELECT researcharr.record_slow_query(''SELECT'', NULL)');
CREATE SCHEMA trap;
CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.less(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR trap.>= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = trap.less);
CREATE TABLE trap.pg_class (oid oid);
SET search_path = trap, pg_catalog;
SELECT count(*) > 5 AS ok FROM jsonb_each(researcharr.health_check()->'checks') c WHERE c.value->>'reason' LIKE '%trapped%' OR c.value->>'status' = 'ok';
SELECT c.key FROM jsonb_each(researcharr.health_check()->'checks') c WHERE c.value->>'reason' LIKE '%trapped%';
SET search_path = researcharr;
DROP SCHEMA trap CASCADE;

-- a part that is missing costs its own check only
BEGIN;
ALTER TABLE schedule_log RENAME COLUMN entry TO other;
SELECT c.value->>'status' AS status FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'schedule';
SELECT c.value->>'status' AS status FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'connection';
ROLLBACK;
SELECT c.value->>'status' AS status FROM jsonb_each(health_check()->'checks') c WHERE c.key = 'schedule';

-- in a read-only transaction, and in one that is serializable
BEGIN READ ONLY;
SELECT health_check()->>'status' IS NOT NULL AS read_only;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT health_check()->>'status' IS NOT NULL AS serializable;
COMMIT;
DROP OWNED BY regress_watcher;
DROP ROLE regress_watcher;
