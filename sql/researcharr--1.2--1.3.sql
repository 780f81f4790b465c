\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.3'" to load this file. \quit

-- 1.3: waits, leases that end with their worker, limits.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE PROCEDURE researcharr.job_dequeue_wait(INOUT jobs jsonb, job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1,
	lease interval DEFAULT NULL, worker text DEFAULT NULL, timeout interval DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_dequeue_wait';
COMMENT ON PROCEDURE researcharr.job_dequeue_wait(jsonb, text[], int, interval, text, interval)
IS 'sleeps until there are due jobs of the given types, and claims up to max_jobs of them: an array of job objects, committed; [] when the timeout (NULL: none) is over';
REVOKE ALL ON PROCEDURE researcharr.job_dequeue_wait(jsonb, text[], int, interval, text, interval) FROM PUBLIC;

-- limits

CREATE TABLE researcharr.job_type_rates (
	job_type    text NOT NULL,
	tokens      double precision NOT NULL,
	refilled_at timestamptz NOT NULL,
	CONSTRAINT job_type_rates_pkey PRIMARY KEY (job_type)
) WITH (fillfactor = 20);
COMMENT ON TABLE researcharr.job_type_rates IS 'how far the rates of job types are used up, where the library is not preloaded; written by job_dequeue';
COMMENT ON COLUMN researcharr.job_type_rates.job_type IS 'a type with a rate_limit';
COMMENT ON COLUMN researcharr.job_type_rates.tokens IS 'how many of its jobs could start at refilled_at';
COMMENT ON COLUMN researcharr.job_type_rates.refilled_at IS 'since then, rate_limit more for each rate_interval, up to rate_limit in all';
REVOKE ALL ON TABLE researcharr.job_type_rates FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('researcharr.job_type_rates', '');

-- live numbers

CREATE OR REPLACE FUNCTION researcharr.job_stats(OUT job_type text, OUT status text, OUT jobs bigint, OUT oldest timestamptz,
	OUT estimated boolean)
RETURNS SETOF record LANGUAGE C STABLE ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_job_stats';
COMMENT ON FUNCTION researcharr.job_stats()
IS 'jobs by type and status, and when the oldest of each was enqueued; estimated where the figures come from counters, not from a count';

-- Room on each page for what a claim and a completion add.  While an old transaction keeps
-- VACUUM and pruning from reusing any, a claim that finds no room goes to another page, and into all indexes.

ALTER TABLE researcharr.processing_jobs SET (fillfactor = 50);
ALTER INDEX researcharr.processing_jobs_pkey SET (fillfactor = 70);
