-- schedule: what the background worker does at which times.

CREATE FUNCTION researcharr.schedule_next(cron text, zone text DEFAULT 'UTC', after timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_next';
COMMENT ON FUNCTION researcharr.schedule_next(text, text, timestamptz)
IS 'when a cron expression fires first after a time (NULL: now), by the clock of the time zone; NULL for never';
