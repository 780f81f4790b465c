\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.4'" to load this file. \quit

-- 1.4: many jobs as arrays.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION researcharr.job_enqueue_arrays(media_ids uuid[], job_types text[], priorities int[] DEFAULT NULL,
	available_at timestamptz[] DEFAULT NULL, max_retries int[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL,
	unique_keys text[] DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue_arrays';
COMMENT ON FUNCTION researcharr.job_enqueue_arrays(uuid[], text[], int[], timestamptz[], int[], jsonb[], text[])
IS 'enqueues a job for each of media_ids; the other arrays have an element for each job, or one for all; the jobs'' ids in the order of media_ids';
REVOKE ALL ON FUNCTION researcharr.job_enqueue_arrays(uuid[], text[], int[], timestamptz[], int[], jsonb[], text[]) FROM PUBLIC;
