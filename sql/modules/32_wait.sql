-- wait: job_dequeue_wait, a procedure that commits.  It can therefore have no SET clause
-- and not be SECURITY DEFINER.

CREATE PROCEDURE researcharr.job_dequeue_wait(INOUT jobs jsonb DEFAULT NULL, job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1,
	lease interval DEFAULT NULL, worker text DEFAULT NULL, timeout interval DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_dequeue_wait';
COMMENT ON PROCEDURE researcharr.job_dequeue_wait(jsonb, text[], int, interval, text, interval)
IS 'sleeps until there are due jobs of the given types, and claims up to max_jobs of them: an array of job objects, committed; [] when the timeout (NULL: none) is over';
