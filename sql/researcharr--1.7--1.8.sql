\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.8'" to load this file. \quit

-- 1.8: the background worker, the schedule, and retention.

SET LOCAL search_path = pg_catalog, pg_temp;

-- The schedule

CREATE FUNCTION researcharr.schedule_next(cron text, zone text DEFAULT 'UTC', after timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_next';
COMMENT ON FUNCTION researcharr.schedule_next(text, text, timestamptz)
IS 'when a cron expression fires first after a time (NULL: now), by the clock of the time zone; NULL for never';
-- the background worker

CREATE FUNCTION researcharr.worker_status(OUT database name, OUT task text, OUT pid int, OUT last_start timestamptz,
	OUT duration interval, OUT result text, OUT error text, OUT failures int, OUT runs bigint, OUT next_due timestamptz,
	OUT progress text)
RETURNS SETOF record LANGUAGE C VOLATILE ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_worker_status';
COMMENT ON FUNCTION researcharr.worker_status() IS
	'what the background worker does, did and will do: a row for each maintenance task, and for each process that one started';

CREATE PROCEDURE researcharr.run_maintenance()
LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_run_maintenance';
COMMENT ON PROCEDURE researcharr.run_maintenance() IS
	'runs each maintenance task once, and commits after each; for servers without the background worker';
REVOKE ALL ON FUNCTION researcharr.worker_status() FROM PUBLIC;
REVOKE ALL ON PROCEDURE researcharr.run_maintenance() FROM PUBLIC;

CREATE INDEX cache_entries_expiry_idx ON researcharr.cache_entries (expiry) WHERE expiry IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_expiry_idx IS 'what has expired, for the maintenance task that deletes it';

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
