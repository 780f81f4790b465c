\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.5'" to load this file. \quit

-- 1.5: hardening. No crash, no escalation of privileges, no blocked queue.

SET LOCAL search_path = pg_catalog, pg_temp;

-- Limits of what a worker writes.  The functions and the guard check them.
COMMENT ON COLUMN researcharr.processing_jobs.error_message IS 'what the last failed attempt said, at most 64 kB';
COMMENT ON COLUMN researcharr.processing_jobs.worker IS 'who claimed it last, in its own words, at most 255 characters';
COMMENT ON COLUMN researcharr.processing_jobs.result IS 'what the worker returned, at most 1 MB as text';
