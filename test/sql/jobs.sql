-- The queue in one session: putting jobs in, the order in which they come out,
-- and every way in which one ends.
SET search_path = researcharr;
INSERT INTO media (title, type)
SELECT 'film ' || n, 'movie' FROM generate_series(1, 3) AS n;
SELECT id AS film FROM media WHERE title = 'film 1' \gset

-- Jobs are told apart by a name in their metadata.
CREATE FUNCTION pg_temp.named(name text) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('name', name) $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql AS
$$ SELECT id FROM researcharr.processing_jobs WHERE metadata->>'name' = name $$;
CREATE TEMP VIEW jobs AS
SELECT metadata->>'name' AS name, job_type AS type, status, priority AS prio,
       retry_count AS retries, attempt, worker, error_message AS error,
       started_at IS NOT NULL AS started, lease_expires_at IS NOT NULL AS leased,
       completed_at IS NOT NULL AS ended, result
  FROM processing_jobs;

--
-- enqueue
--
-- what a new job looks like, with nothing said and with everything said
SELECT job_enqueue(:'film', 'search') AS plain,
       job_enqueue(:'film', 'download', 70, '2100-01-01 00:00+00', 10,
                   '{"name": "all said"}', 'the key') AS full \gset
SELECT j.id = :'plain' AS plain, job_type, status, priority, retry_count,
       max_retries, metadata, attempt, unique_key, error_message, started_at,
       completed_at, lease_expires_at, worker, result
  FROM processing_jobs AS j ORDER BY id;
SELECT id = :'plain' AS plain, created_at = updated_at AS just_made,
       available_at = created_at AS due_at_once,
       available_at = '2100-01-01 00:00+00' AS in_2100,
       created_at BETWEEN now() - interval '1 minute' AND clock_timestamp()
       AS by_the_clock
  FROM processing_jobs ORDER BY id;
-- the same key again: the same job, nothing added, whatever else is said
SELECT job_enqueue(:'film', 'download', 5, unique_key => 'the key') = :'full'
       AS same, count(*) FROM processing_jobs;
-- ... but not for another type, nor once that job is finished
SELECT job_enqueue(:'film', 'search', unique_key => 'the key') <> :'full'
       AS another_type;
SELECT job_cancel(:'full');
SELECT job_enqueue(:'film', 'download', unique_key => 'the key') <> :'full'
       AS after_the_end;
DELETE FROM processing_jobs;

-- many: in the array's order, each as if alone; null is as good as absent
CREATE TEMP TABLE made AS
SELECT e.*
  FROM job_enqueue_many(jsonb_build_array(
         jsonb_build_object('media_id', :'film', 'job_type', 'verify'),
         jsonb_build_object('media_id', :'film', 'job_type', 'search',
           'priority', 100, 'max_retries', 0, 'unique_key', 'k',
           'available_at', '2100-01-01 00:00+00', 'metadata', '{"a": [1]}'::jsonb),
         jsonb_build_object('media_id', :'film', 'job_type', 'download',
           'priority', NULL, 'max_retries', NULL, 'unique_key', NULL,
           'available_at', NULL, 'metadata', NULL)))
       WITH ORDINALITY AS e (id, n);
SELECT n, job_type, priority, max_retries, metadata, unique_key,
       available_at = '2100-01-01 00:00+00' AS in_2100
  FROM made JOIN processing_jobs USING (id) ORDER BY n;
SELECT count(*) FROM job_enqueue_many('[]');
-- a key twice in one array: one job, named twice
SELECT count(*) AS answers, count(DISTINCT id) AS jobs
  FROM job_enqueue_many(jsonb_build_array(
         jsonb_build_object('media_id', :'film', 'job_type', 'search',
                            'unique_key', 'twice'),
         jsonb_build_object('media_id', :'film', 'job_type', 'search',
                            'unique_key', 'twice'))) AS id;
-- a thousand, their ids in order
SELECT count(*) AS answers, count(DISTINCT id) AS jobs,
       bool_and(coalesce(id > before, true)) AS in_order
  FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before
          FROM job_enqueue_many(
                 (SELECT jsonb_agg(jsonb_build_object('media_id', :'film',
                                                      'job_type', 'search'))
                    FROM generate_series(1, 1000)))
               WITH ORDINALITY AS e (id, n)) AS s;
DELETE FROM processing_jobs;

-- plain INSERT and COPY are as good as the functions
INSERT INTO processing_jobs (media_id, job_type, metadata)
VALUES (:'film', 'search', pg_temp.named('inserted'));
CREATE TEMP TABLE copied AS
SELECT :'film'::uuid AS media_id, 'search' AS job_type, 7 AS priority,
       '{"name": "copied"}'::jsonb AS metadata;
\set data `mktemp`
COPY copied TO :'data';
COPY processing_jobs (media_id, job_type, priority, metadata) FROM :'data';
\setenv data :data
\! rm "$data"
SELECT name, d.status, d.attempt, d.worker
  FROM job_dequeue(NULL, 10, worker => 'w1') AS d
  JOIN jobs ON name = d.metadata->>'name';
DELETE FROM processing_jobs;

--
-- the order
--
-- strictly by priority, across types; then by available_at; then by id
SELECT count(job_enqueue(:'film', type, prio, now() - age * interval '1 hour',
                         metadata => pg_temp.named(name)))
  FROM (VALUES ('search', 0, 1, '8'), ('verify', 50, 1, '4'),
               ('search', 50, 2, '3'), ('download', 100, 0, '2'),
               ('search', 100, 1, '1'), ('verify', 0, 3, '7'),
               ('download', 50, 0, '5'), ('verify', 50, 0, '6'),
               ('search', 0, 1, '9'))
       AS v (type, prio, age, name);
-- not yet, however urgent: jobs of the future hide none that is due
SELECT count(job_enqueue(:'film', type, 100 - n % 3, now() + n * interval '1 h',
                         metadata => pg_temp.named('future')))
  FROM unnest('{search,verify,download}'::text[]) AS type,
       generate_series(1, 100) AS n;
BEGIN;
SELECT d.metadata->>'name' AS name, job_type, priority, status, attempt
  FROM job_dequeue(max_jobs => 10000) AS d;
SELECT count(*) AS nothing_left FROM job_dequeue(max_jobs => 10000);
ROLLBACK;
-- one at a time gives the same order, and so does each type by itself
SELECT string_agg(d.metadata->>'name', ' ' ORDER BY n) AS one_by_one
  FROM generate_series(1, 9) AS n, LATERAL job_dequeue(max_jobs => n - n + 1) AS d;
UPDATE processing_jobs SET status = 'queued', lease_expires_at = NULL
 WHERE status = 'running';
SELECT string_agg(metadata->>'name', ' ') AS search
  FROM job_dequeue('{search}', 100);
SELECT string_agg(metadata->>'name', ' ') AS the_others
  FROM job_dequeue('{verify,download,verify}', 100);
SELECT count(*) AS again FROM job_dequeue(NULL, 100);
DELETE FROM processing_jobs;

-- as many as the most that one call gives
INSERT INTO processing_jobs (media_id, job_type, available_at, priority)
SELECT :'film', (ARRAY['search','verify'])[1 + n % 2], now(), n % 5
  FROM generate_series(1, 10050) AS n;
SELECT count(*), count(DISTINCT id), bool_and(coalesce(prio <= before, true)) AS in_order
  FROM (SELECT id, priority AS prio, lag(priority) OVER (ORDER BY n) AS before
          FROM job_dequeue(max_jobs => 10000) WITH ORDINALITY AS d
               (id, media_id, job_type, status, priority, c6, c7, c8, c9, c10, c11,
                c12, c13, c14, c15, c16, c17, c18, c19, n)) AS s;
SELECT status, count(*), min(priority), max(priority)
  FROM processing_jobs GROUP BY 1 ORDER BY 1;
-- and all of them at once to the end
SELECT completed, count(*)
  FROM job_complete_many(
         (SELECT array_agg(id ORDER BY id) FROM processing_jobs),
         (SELECT array_agg(attempt ORDER BY id) FROM processing_jobs))
 GROUP BY 1 ORDER BY 1;
DELETE FROM processing_jobs;

--
-- the ends
--
SELECT count(job_enqueue(:'film', 'search', metadata => pg_temp.named(name),
                         priority => 100 - n::int, max_retries => 1))
  FROM unnest('{done,result,fails,permanent,released,cancelled,marked,beats}'::text[])
       WITH ORDINALITY AS u (name, n);
SELECT count(*) FROM job_dequeue(NULL, 8, '1 hour', 'w1');
SELECT job_complete(pg_temp.id('done'), 1),
       job_complete(pg_temp.id('result'), 1, '{"files": 3}');
SELECT metadata->>'name' AS name, status, retry_count, error_message,
       (available_at - updated_at)::interval(0) AS wait, completed_at, lease_expires_at
  FROM job_fail(pg_temp.id('fails'), 1, 'no seeds', '90 seconds');
SELECT metadata->>'name' AS name, status, retry_count, error_message,
       completed_at <= updated_at AS ended, lease_expires_at
  FROM job_fail(pg_temp.id('permanent'), 1, 'gone for ever', retry => false);
SELECT job_release(pg_temp.id('released'), 1, '5 minutes');
SELECT job_cancel(pg_temp.id('cancelled')), job_cancel(pg_temp.id('cancelled')) AS again;
SELECT job_mark_as_completed(pg_temp.id('marked')),
       job_mark_as_completed(pg_temp.id('marked')) AS again;
SELECT job_heartbeat(pg_temp.id('beats'), 1, '2 hours')
       BETWEEN clock_timestamp() + interval '119 min'
           AND clock_timestamp() + interval '2 hours' AS beats;
TABLE jobs ORDER BY name;
SELECT (available_at - updated_at)::interval(0) AS released_for FROM processing_jobs
 WHERE id = pg_temp.id('released');
SELECT (lease_expires_at - updated_at)::interval(0) AS lease FROM processing_jobs
 WHERE id = pg_temp.id('beats');
-- without a retry left an error is the end, and the count stays
UPDATE processing_jobs SET available_at = now() WHERE id = pg_temp.id('fails');
SELECT attempt, retry_count FROM job_dequeue(worker => 'w2');
SELECT status, retry_count, error_message
  FROM job_fail(pg_temp.id('fails'), 2, 'still no seeds', '1 second');
-- failed and cancelled ones can be tried anew; the attempt goes on
SELECT name, job_retry(pg_temp.id(name)) FROM jobs ORDER BY name;
SELECT name, attempt, retries, status, error, started, leased, ended
  FROM jobs WHERE status = 'queued' ORDER BY name;
-- of nobody's id
SELECT job_cancel(gen_random_uuid()), job_retry(gen_random_uuid()),
       job_mark_as_completed(gen_random_uuid());
-- what is on record of all that
SELECT metadata->>'name' AS name, action, h.status, details->>'from' AS "from",
       details->>'attempt' AS attempt, details->>'worker' AS worker,
       details->>'error' AS error, details ? 'claimed_at' AS ended_attempt
  FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id
 ORDER BY h.id;

-- many at once: stale ones do not undo the rest; a second naming is stale
SELECT count(*) FROM job_dequeue(NULL, 3);
SELECT c.n, metadata->>'name' AS name, completed
  FROM job_complete_many(
         ARRAY[pg_temp.id('cancelled'), gen_random_uuid(), pg_temp.id('permanent'),
               pg_temp.id('cancelled'), pg_temp.id('done')],
         '{2,1,1,2,1}', ARRAY['{"n": 1}', '2', '3', '4', NULL]::jsonb[])
       WITH ORDINALITY AS c (id, completed, n)
  LEFT JOIN processing_jobs USING (id) ORDER BY n;
SELECT name, status, attempt, result FROM jobs
 WHERE name IN ('cancelled', 'permanent', 'done') ORDER BY name;
SELECT count(*) FROM job_complete_many('{}', '{}');
DELETE FROM processing_jobs;

--
-- several calls in one statement, and one transaction
--
SELECT count(job_enqueue(:'film', 'search', metadata => pg_temp.named(name)))
  FROM unnest('{a,b,c}'::text[]) AS name;
SELECT metadata->>'name' AS name, job_complete(id, attempt, '"done"')
  FROM job_dequeue(NULL, 2);
-- enqueued, claimed, given back, claimed and finished in one go
BEGIN;
SELECT job_enqueue(:'film', 'search', 9, metadata => pg_temp.named('d')) AS d \gset
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(NULL, 2);
SELECT job_release(:'d', 1);
SELECT metadata->>'name' AS name, attempt FROM job_dequeue();
SELECT job_complete(:'d', 2);
COMMIT;
TABLE jobs ORDER BY name;
-- a claim that is rolled back did not happen
BEGIN;
SELECT job_release(pg_temp.id('c'), 1);
SAVEPOINT s;
SELECT metadata->>'name' AS name, attempt FROM job_dequeue();
ROLLBACK TO s;
SELECT metadata->>'name' AS name, attempt FROM job_dequeue();
RELEASE s;
COMMIT;
SELECT name, status, attempt FROM jobs WHERE name = 'c';
-- a hundred savepoints, every second one rolled back
CREATE FUNCTION pg_temp.nested() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    claimed int := 0;
BEGIN
    FOR i IN 1..100 LOOP
        BEGIN
            PERFORM researcharr.job_complete(id, attempt)
               FROM researcharr.job_dequeue();
            IF i % 2 = 0 THEN
                RAISE EXCEPTION USING ERRCODE = 'P0001';
            END IF;
            claimed := claimed + 1;
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
    RETURN claimed;
END $$;
INSERT INTO processing_jobs (media_id, job_type)
SELECT :'film', 'verify' FROM generate_series(1, 60);
SELECT pg_temp.nested();
SELECT status, count(*) FROM processing_jobs WHERE job_type = 'verify'
 GROUP BY 1 ORDER BY 1;

--
-- what there is to see
--
SELECT job_type, status, jobs, estimated,
       oldest = (SELECT min(created_at) FROM processing_jobs AS j
                  WHERE j.job_type = s.job_type AND j.status = s.status) AS oldest
  FROM job_stats() AS s;
-- after a TRUNCATE of its own a transaction sees none, and the others see all if it is undone
BEGIN;
TRUNCATE processing_jobs;
SELECT count(*) FROM job_stats();
SELECT job_enqueue(:'film', 'verify') IS NOT NULL AS enqueued;
SELECT job_type, status, jobs FROM job_stats() ORDER BY 1, 2;
SAVEPOINT s;
TRUNCATE processing_jobs;
ROLLBACK TO s;
SELECT job_type, status, jobs FROM job_stats() ORDER BY 1, 2;
ROLLBACK;
SELECT job_type, status, jobs FROM job_stats() ORDER BY 1, 2;
DELETE FROM processing_jobs;
SELECT count(*) FROM job_stats();
SELECT job_next_due(), job_next_due('{search,verify}');
SELECT count(job_enqueue(:'film', type, prio, at))
  FROM (VALUES ('search', 0, '2100-02-01 00:00+00'::timestamptz),
               ('search', 9, '2100-03-01 00:00+00'),
               ('verify', 5, '2100-01-01 00:00+00'),
               ('verify', 5, '2100-05-01 00:00+00')) AS v (type, prio, at);
SET timezone = 'UTC';
SELECT job_next_due(), job_next_due('{search}') AS search,
       job_next_due('{download}') AS download;
-- a running job is due when its lease is over
SELECT job_enqueue(:'film', 'download') AS id \gset
SELECT job_next_due('{download}') <= clock_timestamp() AS due;
SELECT status FROM job_dequeue('{download}', lease => '1 hour');
SELECT job_next_due('{download}') = lease_expires_at AS when_it_lapses
  FROM processing_jobs WHERE id = :'id';
-- no job comes before its time, lapsed or not
UPDATE processing_jobs
   SET available_at = '2100-12-01 00:00+00',
       lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = :'id';
SELECT job_next_due('{download}'), count(*) FROM job_dequeue('{download}');
RESET timezone;

DELETE FROM media;
TRUNCATE processing_jobs;
