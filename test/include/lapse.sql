\set ECHO none
-- lapse.sql: ends the leases of all running jobs, and says how many those were.
CREATE FUNCTION pg_temp.lapse() RETURNS bigint LANGUAGE sql AS $$
    WITH lapsed AS (
        UPDATE researcharr.processing_jobs
           SET lease_expires_at = clock_timestamp() - interval '1 second'
         WHERE status = 'running' RETURNING 1)
    SELECT count(*) FROM lapsed $$;
\set ECHO all
