-- Leases: a job whose lease is over is handed on, and buried when its retries
-- are spent; a worker's word counts only under its own attempt.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset

-- Lets the leases of all running jobs end; only the owner may.
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/lapse.sql'
\i :file
-- What a statement raises; ids differ from run to run.
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN regexp_replace(format('%s: %s %s', SQLSTATE, SQLERRM, detail),
                          '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', 'g');
END $$;
CREATE TEMP VIEW jobs AS
SELECT metadata->>'name' AS name, status, attempt, retry_count AS retries,
       error_message AS error, worker, lease_expires_at IS NOT NULL AS leased,
       completed_at IS NOT NULL AS ended
  FROM processing_jobs;

-- how long: what the call says, else what the type says
SELECT job_enqueue(:'film', 'search', max_retries => 2,
                   metadata => '{"name": "a"}') AS a \gset
SELECT lease_expires_at - started_at AS lease, started_at <= updated_at AS same
  FROM job_dequeue(lease => '90 minutes', worker => 'w1');
SELECT job_release(:'a', 1);
SELECT lease_expires_at - started_at AS lease FROM job_dequeue(worker => 'w2');
SELECT job_heartbeat(:'a', 2) AS until \gset
SELECT lease_expires_at = :'until' AS as_told, (lease_expires_at - updated_at)::interval(0) AS lease
  FROM processing_jobs;
-- under a lease it is nobody else's
SELECT count(*) FROM job_dequeue();

-- lapsed: the next one gets it at once, with a retry used up
SELECT pg_temp.lapse();
SELECT attempt, retry_count, error_message, status, worker
  FROM job_dequeue(worker => 'w3');
-- the worker of before has lost it
SELECT function, pg_temp.error_of(format('SELECT job_%s(%L, 2%s)', function, :'a', rest))
  FROM (VALUES ('complete', ''), ('fail', ', ''too late'''), ('heartbeat', ''),
               ('release', '')) AS v (function, rest);
TABLE jobs;
-- a lapsed lease that nobody took over is still the worker's
SELECT pg_temp.lapse();
SELECT job_heartbeat(:'a', 3) > clock_timestamp() AS renewed;
SELECT count(*) AS taken FROM job_dequeue();
-- a retry again, after the type's backoff, and then none is left: failed, by whoever looks for work next
SELECT pg_temp.lapse();
SELECT attempt, retry_count, worker FROM job_dequeue();
UPDATE processing_jobs SET available_at = clock_timestamp() WHERE status = 'queued';
SELECT attempt, retry_count, worker FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT job_enqueue(:'film', 'search', metadata => '{"name": "b"}') AS b \gset
SELECT metadata->>'name' AS name FROM job_dequeue();
TABLE jobs ORDER BY name;
-- it is kept, and can be tried again
SELECT job_retry(:'a');
SELECT attempt, retry_count, error_message, worker FROM job_dequeue(worker => 'w4');
SELECT job_complete(:'a', 5);
TABLE jobs ORDER BY name;
SELECT action, status, details->>'from' AS "from", details->>'attempt' AS attempt,
       details->>'worker' AS worker, details->>'error' AS error,
       details ? 'claimed_at' AS ended_attempt
  FROM processing_history WHERE job_id = :'a' ORDER BY id;
DELETE FROM processing_jobs;

-- lapsed jobs come at their own priority, among the others
INSERT INTO processing_jobs (media_id, job_type, priority, metadata, available_at)
SELECT :'film', 'search', n, jsonb_build_object('name', n),
       now() - interval '1 hour' FROM generate_series(1, 6) AS n;
SELECT string_agg(metadata->>'name', ' ') AS first FROM job_dequeue(NULL, 3);
SELECT pg_temp.lapse();
UPDATE processing_jobs SET priority = 2 WHERE priority = 6;
SELECT string_agg(format('%s/%s', metadata->>'name', attempt), ' ') AS "job/attempt"
  FROM job_dequeue(NULL, 10);
DELETE FROM processing_jobs;

-- a lease hidden behind running jobs and the future is found
INSERT INTO processing_jobs (media_id, job_type, available_at)
SELECT :'film', 'search', now() - n * interval '1 s' FROM generate_series(1, 50) AS n;
SELECT count(*) FROM job_dequeue(NULL, 50);
INSERT INTO processing_jobs (media_id, job_type, available_at)
SELECT :'film', 'search', now() + n * interval '1 h' FROM generate_series(1, 50) AS n;
UPDATE processing_jobs SET lease_expires_at = clock_timestamp()
 WHERE id = (SELECT id FROM processing_jobs WHERE status = 'running'
             ORDER BY available_at DESC LIMIT 1);
SELECT attempt, retry_count FROM job_dequeue(NULL, 50);
DELETE FROM processing_jobs;

-- one call buries at most 100; the job that it was called for is not held up
INSERT INTO processing_jobs (media_id, job_type, priority, max_retries)
SELECT :'film', 'search', 50, 0 FROM generate_series(1, 250);
INSERT INTO processing_jobs (media_id, job_type, metadata)
SELECT :'film', 'search', '{"name": "behind"}' FROM generate_series(1, 4);
SELECT count(*) FROM job_dequeue(NULL, 250);
SELECT pg_temp.lapse();
SELECT n, metadata->>'name' AS name,
       (SELECT count(*) FROM processing_jobs WHERE status = 'failed') AS failed_before
  FROM generate_series(1, 1) AS n, LATERAL job_dequeue(max_jobs => n);
SELECT status, count(*), min(error_message) FROM processing_jobs GROUP BY 1 ORDER BY 1;
SELECT metadata->>'name' AS name FROM job_dequeue();
SELECT status, count(*) FROM processing_jobs GROUP BY 1 ORDER BY 1;
SELECT metadata->>'name' AS name FROM job_dequeue();
SELECT status, count(*) FROM processing_jobs GROUP BY 1 ORDER BY 1;
SELECT action, h.status, count(DISTINCT job_id) FROM processing_history AS h
  JOIN processing_jobs AS j ON j.id = job_id WHERE priority = 50 GROUP BY 1, 2;
-- a call that finds nothing but the buried hands out nothing
DELETE FROM processing_jobs WHERE status <> 'failed';
SELECT count(*) FROM job_dequeue(NULL, 10);
DELETE FROM processing_jobs;

-- stamps go forward even when the clock did not
SELECT job_enqueue(:'film', 'search') AS j \gset
ALTER TABLE processing_jobs DISABLE TRIGGER researcharr_guard;
UPDATE processing_jobs SET updated_at = '2200-01-01 00:00+00';
ALTER TABLE processing_jobs ENABLE ALWAYS TRIGGER researcharr_guard;
SELECT updated_at > '2200-01-01 00:00+00' AS later FROM job_dequeue();
SELECT job_heartbeat(:'j', 1) < '2200-01-01 00:00+00' AS by_the_clock;
DELETE FROM processing_jobs;
-- ... and stamps without a next one are no obstacle
INSERT INTO processing_jobs (media_id, job_type, updated_at, created_at)
VALUES (:'film', 'search', 'infinity', 'infinity'),
       (:'film', 'search', '-infinity', '-infinity'),
       (:'film', 'search', '294276-12-31 23:59:59.999999+00', 'epoch');
SELECT isfinite(updated_at), job_complete(id, attempt) FROM job_dequeue(NULL, 3);

DELETE FROM media;
TRUNCATE processing_jobs;
