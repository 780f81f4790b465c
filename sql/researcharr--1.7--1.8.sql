\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.8'" to load this file. \quit

-- 1.8: the background worker, the schedule, and retention.

SET LOCAL search_path = pg_catalog, pg_temp;

-- The schedule

CREATE FUNCTION researcharr.schedule_next(cron text, zone text DEFAULT 'UTC', after timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_next';
COMMENT ON FUNCTION researcharr.schedule_next(text, text, timestamptz)
IS 'when a cron expression fires first after a time (NULL: now), by the clock of the time zone; NULL for never';

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
