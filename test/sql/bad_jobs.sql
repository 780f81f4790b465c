-- A job that cannot be claimed fails or is passed over alone: the dequeue goes on
-- to the other jobs.
SET search_path = researcharr;
SET client_min_messages = warning;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
CREATE FUNCTION pg_temp.enqueue(n int, priority int = 0) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(researcharr.job_enqueue((SELECT id FROM researcharr.media), 'search', priority,
                                         metadata => jsonb_build_object('n', i)))
      FROM generate_series(1, n) AS i $$;
CREATE FUNCTION pg_temp.dequeue(n int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(metadata->>'n', ' ') FROM researcharr.job_dequeue('{search}', n) $$;

--
-- The number of attempts is used up: the job has failed
--
SELECT pg_temp.enqueue(3);
UPDATE processing_jobs SET attempt = 2147483647 WHERE metadata->>'n' = '1';
SELECT pg_temp.dequeue(10) AS taken;
SELECT status, attempt, error_message FROM processing_jobs WHERE metadata->>'n' = '1';
SELECT action, h.status, details->>'error' AS error
  FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id WHERE metadata->>'n' = '1';
TRUNCATE processing_jobs;
-- also one whose lease has ended
SELECT pg_temp.enqueue(2);
SELECT pg_temp.dequeue(1) AS taken;
UPDATE processing_jobs SET attempt = 2147483647, lease_expires_at = clock_timestamp() WHERE status = 'running';
SELECT pg_temp.dequeue(10) AS taken;
SELECT metadata->>'n' AS n, status, error_message FROM processing_jobs ORDER BY 1;
TRUNCATE processing_jobs;

--
-- A trigger of a user's raises an error about one job
--
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.metadata->>'n' = ANY (string_to_array(current_setting('bad.jobs'), ',')) THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = current_setting('bad.code');
    END IF;
    RETURN NEW;
END $$;
SET bad.jobs = '2,3';
SET bad.code = 'P0001';
CREATE TRIGGER refuse BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION public.refuse();
SELECT pg_temp.enqueue(6);
SELECT pg_temp.dequeue(2) AS taken;
SELECT pg_temp.dequeue(1) AS taken;
SELECT pg_temp.dequeue(10) AS taken;
SELECT pg_temp.dequeue(10) AS taken;
SET bad.jobs = '3';
SELECT pg_temp.dequeue(10) AS taken;
SELECT metadata->>'n' AS n, status, attempt FROM processing_jobs ORDER BY 1;
TRUNCATE processing_jobs;

-- an AFTER trigger
DROP TRIGGER refuse ON processing_jobs;
CREATE TRIGGER refuse AFTER UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION public.refuse();
SET bad.jobs = '2,3';
SELECT pg_temp.enqueue(6);
SELECT pg_temp.dequeue(4) AS taken;
SELECT pg_temp.dequeue(10) AS taken;
SELECT metadata->>'n' AS n, status, attempt FROM processing_jobs ORDER BY 1;
SELECT count(*) AS history FROM processing_history WHERE job_id IN (SELECT id FROM processing_jobs);

-- also about a job that nobody gets, because its last lease has ended
TRUNCATE processing_jobs;
SET bad.jobs = '';
SELECT pg_temp.enqueue(6);
SELECT pg_temp.dequeue(1) AS taken;
UPDATE processing_jobs SET max_retries = 0, lease_expires_at = clock_timestamp() WHERE status = 'running';
SET bad.jobs = '1,4';
SELECT pg_temp.dequeue(2) AS taken;
SELECT pg_temp.dequeue(10) AS taken;
SELECT pg_temp.dequeue(10) AS taken;
SELECT metadata->>'n' AS n, status, attempt FROM processing_jobs ORDER BY 1;
-- once nothing refuses it, it has failed
SET bad.jobs = '4';
SELECT pg_temp.dequeue(10) AS taken;
SELECT metadata->>'n' AS n, status, attempt FROM processing_jobs WHERE metadata->>'n' IN ('1', '4') ORDER BY 1;
SELECT action, h.status FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id;

-- an error that is not about the job ends the call, and nothing is claimed
TRUNCATE processing_jobs;
SELECT pg_temp.enqueue(6);
\set VERBOSITY sqlstate
SET bad.code = '40001';
SELECT pg_temp.dequeue(4) AS taken;
SET bad.code = '57014';
SELECT pg_temp.dequeue(4) AS taken;
SELECT status, count(*) FROM processing_jobs GROUP BY 1;
DROP TRIGGER refuse ON processing_jobs;
TRUNCATE processing_jobs;

--
-- So does a CHECK, or a unique index
--
ALTER TABLE processing_jobs ADD CONSTRAINT once CHECK (attempt < 1 OR metadata->>'n' <> '1');
CREATE UNIQUE INDEX one_worker ON processing_jobs (worker) WHERE status = 'running';
SELECT pg_temp.enqueue(4);
SELECT metadata->>'n' AS n FROM job_dequeue('{search}', 10, worker => 'me');
SELECT metadata->>'n' AS n FROM job_dequeue('{search}', 10, worker => 'me');
SELECT metadata->>'n' AS n FROM job_dequeue('{search}', 10, worker => 'you');
SELECT metadata->>'n' AS n FROM job_dequeue('{search}', 10);
DROP INDEX one_worker;
TRUNCATE processing_jobs;
ALTER TABLE processing_jobs DROP CONSTRAINT once;

--
-- Where a rule refuses every job, the call says so
--
ALTER TABLE processing_jobs ADD CONSTRAINT never CHECK (attempt < 1);
SELECT pg_temp.enqueue(100);
SELECT pg_temp.dequeue(1) AS taken;
SELECT pg_temp.enqueue(1);
SELECT pg_temp.dequeue(1) AS taken;
ALTER TABLE processing_jobs DROP CONSTRAINT never;
SELECT count(*) FROM job_dequeue('{search}', 200);

--
-- A wait gets the other jobs, too
--
CREATE TRIGGER refuse BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION public.refuse();
TRUNCATE processing_jobs;
SET bad.code = 'P0001';
SET bad.jobs = '1';
SELECT pg_temp.enqueue(2);
CREATE TEMP TABLE got (jobs jsonb);
DO $$
DECLARE jobs jsonb;
BEGIN
    CALL researcharr.job_dequeue_wait(jobs, '{search}', 10, timeout => '0');
    INSERT INTO got VALUES (jobs);
END $$;
SELECT jsonb_path_query_array(jobs, '$[*].metadata.n') FROM got;
DROP TRIGGER refuse ON processing_jobs;
DROP FUNCTION public.refuse();
TRUNCATE media CASCADE;
