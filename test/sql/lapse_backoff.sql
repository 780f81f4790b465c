-- A job that lapses again waits by its type's backoff: one that kills its workers
-- neither comes back before all others nor uses up its retries at once.
SET search_path = researcharr;
DELETE FROM media;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
SELECT name FROM job_type_register('steady', max_retries => 5, backoff => 'fixed', backoff_base => '1 hour', backoff_cap => '1 hour', jitter => 0);
-- Lets the leases of all running jobs end; only the owner may.
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/lapse.sql'
\i :file
CREATE FUNCTION pg_temp.hours(t timestamptz) RETURNS numeric LANGUAGE sql AS
$$ SELECT greatest(round(extract(epoch FROM t - clock_timestamp()) / 3600, 1), 0) $$;
CREATE TEMP VIEW jobs AS
SELECT metadata->>'n' AS n, status, attempt, retry_count AS retries, error_message AS error,
       pg_temp.hours(available_at) AS hours, lease_expires_at IS NOT NULL AS leased
  FROM processing_jobs ORDER BY 1;

-- the first lapse: at once
SELECT job_enqueue(:'film', 'steady', 90, metadata => '{"n": "killer"}') AS killer \gset
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "other"}') AS other \gset
SELECT metadata->>'n' AS n FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT metadata->>'n' AS n, attempt, retry_count FROM job_dequeue();
-- the second one: it waits, and others are handed out
SELECT pg_temp.lapse();
SELECT job_next_due() <= clock_timestamp() AS due;
SELECT metadata->>'n' AS n, attempt, retry_count FROM job_dequeue(NULL, 2);
TABLE jobs;
SELECT pg_temp.hours(job_next_due()) > 0 AS later;
SELECT count(*) FROM job_dequeue(NULL, 2);
SELECT action, status, details->>'from' AS "from", details->>'attempt' AS attempt, details->>'error' AS error,
       details ? 'claimed_at' AS ended_attempt
  FROM processing_history WHERE job_id = :'killer' ORDER BY id;
-- the worker of before has lost it
SELECT completed FROM job_complete_many(ARRAY[:'killer'::uuid], '{2}');
-- when its time has come it is handed out as any other job is
UPDATE processing_jobs SET available_at = clock_timestamp() WHERE id = :'killer';
SELECT metadata->>'n' AS n, attempt, retry_count FROM job_dequeue();
DELETE FROM processing_jobs;

-- a retry that job_fail used up counts as well
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "a"}') AS a \gset
SELECT f.status FROM job_dequeue() AS j, job_fail(j.id, j.attempt, 'no', '0') AS f;
SELECT status, retry_count FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT count(*) FROM job_dequeue();
TABLE jobs;
-- without a retry left it has failed, as ever
UPDATE processing_jobs SET available_at = clock_timestamp(), max_retries = 2;
SELECT status, retry_count FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT count(*) FROM job_dequeue();
TABLE jobs;
-- and job_retry begins anew: at once after the first lapse
SELECT job_retry(:'a');
SELECT attempt, retry_count FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT attempt, retry_count FROM job_dequeue();
DELETE FROM processing_jobs;

-- a rollback undoes it, and the job is found again
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "a"}') IS NOT NULL AS made;
SELECT retry_count FROM job_dequeue();
UPDATE processing_jobs SET retry_count = 1;
SELECT pg_temp.lapse();
BEGIN;
SELECT count(*) FROM job_dequeue();
TABLE jobs;
ROLLBACK;
TABLE jobs;
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM job_dequeue();
ROLLBACK TO s;
SELECT count(*) FROM job_dequeue();
COMMIT;
TABLE jobs;
DELETE FROM processing_jobs;

-- no backoff, no wait
SELECT name FROM job_type_register('hasty', backoff => 'fixed', backoff_base => '0', backoff_cap => '0');
SELECT job_enqueue(:'film', 'hasty', metadata => '{"n": "a"}') IS NOT NULL AS made;
SELECT retry_count FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT retry_count FROM job_dequeue();
SELECT pg_temp.lapse();
SELECT retry_count FROM job_dequeue();
DELETE FROM processing_jobs;

-- a lapse that is on record makes room for another job of the type
SELECT name FROM job_type_register('narrow', max_running => 1, backoff => 'fixed', backoff_base => '1 hour', backoff_cap => '1 hour', jitter => 0);
SELECT job_enqueue(:'film', 'narrow', 90, metadata => '{"n": "killer"}') IS NOT NULL AS made;
SELECT job_enqueue(:'film', 'narrow', metadata => '{"n": "other"}') IS NOT NULL AS made;
SELECT metadata->>'n' AS n FROM job_dequeue(NULL, 2);
SELECT pg_temp.lapse();
SELECT metadata->>'n' AS n, retry_count FROM job_dequeue(NULL, 2);
SELECT pg_temp.lapse();
SELECT count(*) FROM job_dequeue(NULL, 2);
SELECT metadata->>'n' AS n, retry_count FROM job_dequeue(NULL, 2);
TABLE jobs;
DELETE FROM processing_jobs;

-- one call records at most 100 of them; the job that it was called for is not held up
INSERT INTO processing_jobs (media_id, job_type, priority, retry_count, metadata)
SELECT :'film', 'steady', 50, 1, jsonb_build_object('n', n) FROM generate_series(1, 150) AS n;
SELECT count(*) FROM job_dequeue(NULL, 150);
SELECT pg_temp.lapse();
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "behind"}') IS NOT NULL AS made;
SELECT metadata->>'n' AS n FROM job_dequeue(NULL, 10);
SELECT status, retry_count, count(*) FROM processing_jobs GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM job_dequeue(NULL, 10);
SELECT status, retry_count, count(*) FROM processing_jobs GROUP BY 1, 2 ORDER BY 1, 2;
SELECT h.action, h.status, count(*) FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id GROUP BY 1, 2;
DELETE FROM processing_jobs;

-- under REPEATABLE READ it is the same
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "a"}') IS NOT NULL AS made;
UPDATE processing_jobs SET retry_count = 1;
SELECT count(*) FROM job_dequeue();
SELECT pg_temp.lapse();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM job_dequeue();
COMMIT;
TABLE jobs;
DELETE FROM processing_jobs;

-- a user's trigger that keeps the change keeps the job as it is, and holds up nobody
SELECT job_enqueue(:'film', 'steady', 90, metadata => '{"n": "a"}') IS NOT NULL AS made;
UPDATE processing_jobs SET retry_count = 1;
SELECT count(*) FROM job_dequeue();
SELECT pg_temp.lapse();
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE UPDATE ON processing_jobs FOR EACH ROW WHEN (OLD.metadata->>'n' = 'a') EXECUTE FUNCTION keep();
SELECT job_enqueue(:'film', 'steady', metadata => '{"n": "b"}') IS NOT NULL AS made;
SELECT metadata->>'n' AS n FROM job_dequeue();
TABLE jobs;
SELECT count(*) FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id;
DROP TRIGGER keep ON processing_jobs;
DROP FUNCTION keep();
SELECT count(*) FROM job_dequeue();
TABLE jobs;

DELETE FROM job_types;
DELETE FROM media;
