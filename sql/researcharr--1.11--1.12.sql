\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.12'" to load this file. \quit

-- 1.12: one round trip a job.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION researcharr.job_complete_and_dequeue(id uuid, attempt int, result jsonb DEFAULT NULL,
	job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1, lease interval DEFAULT NULL, worker text DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_complete_and_dequeue';
COMMENT ON FUNCTION researcharr.job_complete_and_dequeue(uuid, int, jsonb, text[], int, interval, text)
IS 'job_complete and then job_dequeue, in one call: the rows are the jobs that it claimed; RA001 if the job is not running under this attempt, and then nothing is claimed';
REVOKE ALL ON FUNCTION researcharr.job_complete_and_dequeue(uuid, int, jsonb, text[], int, interval, text)
	FROM PUBLIC;

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
