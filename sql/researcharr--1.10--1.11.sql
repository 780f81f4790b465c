\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.11'" to load this file. \quit

-- 1.11: health, slow queries, metrics, and the report.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE researcharr.health_minutes (
	started_at     timestamptz NOT NULL,
	ended_at       timestamptz NOT NULL,
	enqueued       bigint NOT NULL,
	claimed        bigint NOT NULL,
	completed      bigint NOT NULL,
	retried        bigint NOT NULL,
	failed         bigint NOT NULL,
	lapsed         bigint NOT NULL,
	released       bigint NOT NULL,
	cancelled      bigint NOT NULL,
	transactions   bigint,
	database_bytes bigint,
	CONSTRAINT health_minutes_pkey PRIMARY KEY (ended_at)
);
COMMENT ON TABLE researcharr.health_minutes IS 'what happened in each minute of the last week; no dump takes it along';
COMMENT ON COLUMN researcharr.health_minutes.started_at IS 'when the minute, or longer time, began';
COMMENT ON COLUMN researcharr.health_minutes.ended_at IS 'when it ended';
COMMENT ON COLUMN researcharr.health_minutes.enqueued IS 'jobs that were enqueued';
COMMENT ON COLUMN researcharr.health_minutes.claimed IS 'attempts that began';
COMMENT ON COLUMN researcharr.health_minutes.completed IS 'jobs that were completed';
COMMENT ON COLUMN researcharr.health_minutes.retried IS 'attempts that failed, with a retry left';
COMMENT ON COLUMN researcharr.health_minutes.failed IS 'jobs that failed for good';
COMMENT ON COLUMN researcharr.health_minutes.lapsed IS 'attempts whose lease ended';
COMMENT ON COLUMN researcharr.health_minutes.released IS 'attempts that were given back';
COMMENT ON COLUMN researcharr.health_minutes.cancelled IS 'jobs that were cancelled';
COMMENT ON COLUMN researcharr.health_minutes.transactions IS 'transactions of the database; NULL if the server''s statistics do not say';
COMMENT ON COLUMN researcharr.health_minutes.database_bytes IS 'the size of the database at its end; NULL if not known';

SELECT pg_extension_config_dump('researcharr.health_minutes', 'WHERE false');

CREATE FUNCTION researcharr.health_check() RETURNS jsonb
	LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
	AS 'MODULE_PATHNAME', 'researcharr_health_check';
COMMENT ON FUNCTION researcharr.health_check() IS
	'how the database is: healthy, warning or unhealthy, with the reasons; reads estimates and shared memory, and counts no table';

CREATE FUNCTION researcharr.health_table_sizes(OUT table_name name, OUT table_bytes bigint, OUT toast_bytes bigint,
	OUT index_bytes bigint, OUT total_bytes bigint, OUT estimated_rows bigint, OUT dead_rows bigint)
	RETURNS SETOF record LANGUAGE sql STABLE ROWS 50 SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT c.relname, t.main, t.toast, t.indexes, t.main + t.toast + t.indexes,
		CASE WHEN c.reltuples >= 0 THEN round(c.reltuples)::bigint END, pg_stat_get_dead_tuples(c.oid)
	FROM pg_class c
	CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid) AS main,
		coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast, pg_indexes_size(c.oid) AS indexes) t
	WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind IN ('r', 'm')
	ORDER BY 5 DESC, c.relname
	$$;
COMMENT ON FUNCTION researcharr.health_table_sizes() IS
	'how large each table of the extension is, partitions by themselves, the largest first; rows are estimates';

CREATE FUNCTION researcharr.slow_query_list(OUT at timestamptz, OUT duration interval, OUT role name, OUT source text,
	OUT query_id bigint, OUT rows bigint, OUT shared_blks_hit bigint, OUT shared_blks_read bigint,
	OUT shared_blks_dirtied bigint, OUT temp_blks_written bigint, OUT query text, OUT normalized_query text)
	RETURNS SETOF record LANGUAGE C VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
	AS 'MODULE_PATHNAME', 'researcharr_slow_query_list';
COMMENT ON FUNCTION researcharr.slow_query_list() IS
	'the rows of the view slow_queries';

CREATE VIEW researcharr.slow_queries AS
	SELECT l.at, l.duration, l.role, l.source, l.query_id, l.rows, l.shared_blks_hit, l.shared_blks_read,
		l.shared_blks_dirtied, l.temp_blks_written, l.query, l.normalized_query
	FROM researcharr.slow_query_list() l;
COMMENT ON VIEW researcharr.slow_queries IS
	'the last statements that took researcharr.slow_query_threshold or longer and used the extension, the newest first';

CREATE FUNCTION researcharr.record_slow_query(query text, duration interval) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_record_slow_query';
COMMENT ON FUNCTION researcharr.record_slow_query(text, interval) IS
	'adds a statement that an application found slow to slow_queries';

CREATE FUNCTION researcharr.slow_query_reset() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_slow_query_reset';
COMMENT ON FUNCTION researcharr.slow_query_reset() IS
	'forgets the slow statements of this database; for admins';

CREATE FUNCTION researcharr.metrics() RETURNS text
	LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
	AS 'MODULE_PATHNAME', 'researcharr_metrics';
COMMENT ON FUNCTION researcharr.metrics() IS
	'figures of the database as OpenMetrics text, for Prometheus';

CREATE FUNCTION researcharr.report_html() RETURNS text
	LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
	AS 'MODULE_PATHNAME', 'researcharr_report_html';
COMMENT ON FUNCTION researcharr.report_html() IS
	'one self-contained HTML document about the state of the database';

REVOKE ALL ON TABLE researcharr.health_minutes FROM PUBLIC;
REVOKE ALL ON TABLE researcharr.slow_queries FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.health_check() FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.health_table_sizes() FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.slow_query_list() FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.record_slow_query(text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.slow_query_reset() FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.metrics() FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.report_html() FROM PUBLIC;

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
