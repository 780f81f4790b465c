-- Limits of job types: how many run, how often one starts, whose turn it is.

SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie') RETURNING id AS film \gset
CREATE FUNCTION pg_temp.add(name text, n int, prio int = 0) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(researcharr.job_enqueue(id, $1, $3)) FROM researcharr.media, generate_series(1, $2) $$;
CREATE FUNCTION pg_temp.take(types text[], n int) RETURNS TABLE (job_type text, jobs bigint) LANGUAGE sql AS
$$ SELECT d.job_type, count(*) FROM researcharr.job_dequeue(types, n) AS d GROUP BY 1 ORDER BY 1 $$;

--
-- max_running
--
SELECT max_running FROM job_type_register('few', max_running => 3);
SELECT pg_temp.add('few', 20), pg_temp.add('search', 2);
SELECT * FROM pg_temp.take('{few}', 2);
-- the others' jobs are handed out, though these are first
SELECT * FROM pg_temp.take('{few,search}', 9);
SELECT * FROM pg_temp.take('{few}', 9);
-- whatever ends an attempt makes room
SELECT count(job_complete(id, attempt)) FROM (SELECT * FROM processing_jobs WHERE job_type = 'few' AND status = 'running' LIMIT 1) AS j;
SELECT * FROM pg_temp.take('{few}', 9);
SELECT count(job_release(id, attempt)) FROM (SELECT * FROM processing_jobs WHERE job_type = 'few' AND status = 'running' LIMIT 1) AS j;
SELECT * FROM pg_temp.take('{few}', 9);
SELECT count(*) FROM (SELECT * FROM processing_jobs WHERE job_type = 'few' AND status = 'running' LIMIT 1) AS j, job_fail(j.id, j.attempt, 'no');
SELECT * FROM pg_temp.take('{few}', 9);
SELECT bool_and(job_cancel(id)) FROM processing_jobs WHERE job_type = 'few' AND status = 'running';
SELECT * FROM pg_temp.take('{few}', 2);
SELECT bool_and(job_mark_as_completed(id)) FROM processing_jobs WHERE job_type = 'few' AND status = 'running';
SELECT * FROM pg_temp.take('{few}', 9);
DELETE FROM processing_jobs WHERE job_type = 'few' AND status = 'running';
SELECT * FROM pg_temp.take('{few}', 9);
UPDATE processing_jobs SET status = 'queued', lease_expires_at = NULL WHERE job_type = 'few' AND status = 'running';
SELECT * FROM pg_temp.take('{few}', 1);
-- what the owner makes running counts
UPDATE processing_jobs SET status = 'running', lease_expires_at = now() + '1 h' WHERE id =
  (SELECT max(id::text)::uuid FROM processing_jobs WHERE job_type = 'few' AND status = 'queued');
SELECT * FROM pg_temp.take('{few}', 9);
SELECT * FROM pg_temp.take('{few}', 9);
-- a lapsed lease counts until its job is handed on, and that needs no room
UPDATE processing_jobs SET lease_expires_at = now() - interval '1 s' WHERE status = 'running' AND job_type = 'few';
SELECT * FROM pg_temp.take('{few}', 1);
SELECT job_type, error_message, count(*) FROM job_dequeue('{few,search}', 9) GROUP BY 1, 2;
SELECT * FROM pg_temp.take('{few}', 9);
-- ... also where it is not the first in its group, or in a lower one
UPDATE processing_jobs SET lease_expires_at = now() - interval '1 s', priority = 0, available_at = now(), retry_count = 0
 WHERE id = (SELECT id FROM processing_jobs WHERE status = 'running' AND job_type = 'few' LIMIT 1);
UPDATE processing_jobs SET priority = 5 WHERE status = 'queued' AND job_type = 'few';
SELECT priority, error_message FROM job_dequeue('{few}', 9);
-- one without retries left makes room
UPDATE processing_jobs SET lease_expires_at = now() - interval '1 s', retry_count = max_retries
 WHERE id = (SELECT id FROM processing_jobs WHERE status = 'running' AND job_type = 'few' LIMIT 1);
SELECT * FROM pg_temp.take('{few}', 9);
SELECT * FROM pg_temp.take('{few}', 9);
SELECT status, count(*) FROM processing_jobs WHERE job_type = 'few' AND status IN ('running', 'failed') GROUP BY 1;
-- another limit, none, the type anew
UPDATE job_types SET max_running = 5 WHERE name = 'few';
SELECT * FROM pg_temp.take('{few}', 9);
UPDATE job_types SET max_running = NULL WHERE name = 'few';
SELECT * FROM pg_temp.take('{few}', 1);
DELETE FROM job_types WHERE name = 'few';
SELECT max_running FROM job_type_register('few', max_running => 7);
SELECT * FROM pg_temp.take('{few}', 9);
-- cascades and TRUNCATE
DELETE FROM media;
INSERT INTO media (title, type) VALUES ('film', 'movie') RETURNING id AS film \gset
SELECT pg_temp.add('few', 9);
SELECT * FROM pg_temp.take('{few}', 9);
-- ... which yields nothing before it is committed, and nothing where it is not
BEGIN;
TRUNCATE processing_jobs;
SELECT pg_temp.add('few', 9);
SELECT * FROM pg_temp.take('{few}', 9);
ROLLBACK;
SELECT * FROM pg_temp.take('{few}', 9);
TRUNCATE processing_jobs;
SELECT pg_temp.add('few', 9);
SELECT * FROM pg_temp.take('{few}', 9);
-- paused: nothing, and what lapsed waits
SELECT job_type_pause('few');
UPDATE processing_jobs SET lease_expires_at = now() - interval '1 s' WHERE status = 'running';
SELECT * FROM pg_temp.take('{few}', 9);
SELECT job_next_due('{few}');
SELECT job_type_resume('few');
SELECT * FROM pg_temp.take('{few}', 9);
SELECT * FROM pg_temp.take('{few}', 9);
-- all are paused
SELECT bool_and(job_type_pause(name)) FROM job_type_policies;
SELECT * FROM pg_temp.take(NULL, 9);
SELECT job_next_due();
SELECT bool_and(job_type_resume(name)) FROM job_type_policies;
TRUNCATE processing_jobs;
-- a running job that the owner makes one of another type counts there, and here no more
SELECT max_running FROM job_type_register('from', max_running => 2);
SELECT max_running FROM job_type_register('to', max_running => 1);
SELECT pg_temp.add('from', 5), pg_temp.add('to', 3);
SELECT count(job_release(id, attempt)) FROM job_dequeue('{to}');
SELECT * FROM pg_temp.take('{from}', 9);
UPDATE processing_jobs SET job_type = 'to' WHERE id = (SELECT id FROM processing_jobs WHERE status = 'running' LIMIT 1);
SELECT * FROM pg_temp.take('{to}', 9);
SELECT * FROM pg_temp.take('{from}', 9);
SELECT * FROM pg_temp.take('{from,to}', 9);
-- a type under another name: what is running under the old one is nobody's
UPDATE job_types SET name = 'renamed' WHERE name = 'from';
SELECT pg_temp.add('renamed', 3);
SELECT * FROM pg_temp.take('{renamed,to}', 9);
UPDATE job_types SET name = 'from' WHERE name = 'renamed';
SELECT * FROM pg_temp.take('{from,to}', 9);
TRUNCATE processing_jobs;
-- types whose names have the same hash do not get in each other's way
SELECT max(a.name) AS one, max(b.name) AS other FROM (SELECT a.name, min(b.name) AS other
  FROM (SELECT 'h' || n AS name FROM generate_series(1, 1500) AS n) AS a
  JOIN (SELECT 'h' || n AS name FROM generate_series(1, 1500) AS n) AS b
    ON (hashtext(a.name) | 1) & 65535 = (hashtext(b.name) | 1) & 65535 AND a.name < b.name
 GROUP BY 1 ORDER BY 1 LIMIT 1) AS a (name, other), LATERAL (SELECT a.other) AS b (name) \gset
SELECT max_running FROM job_type_register(:'one', max_running => 2);
SELECT max_running FROM job_type_register(:'other', max_running => 1);
SELECT pg_temp.add(:'one', 5), pg_temp.add(:'other', 5);
SELECT sum(jobs) FROM pg_temp.take(ARRAY[:'one', :'other'], 9);
TRUNCATE processing_jobs;
-- a claim under a policy of this transaction's own, which is undone with it
SELECT pg_temp.add('few', 20);
BEGIN;
UPDATE job_types SET max_running = 9 WHERE name = 'few';
SELECT * FROM pg_temp.take('{few}', 20);
ROLLBACK;
SELECT * FROM pg_temp.take('{few}', 20);
TRUNCATE processing_jobs;

--
-- the rate
--
SELECT rate_limit, rate_interval FROM job_type_register('rare', rate_limit => 4, rate_interval => '1 hour');
SELECT pg_temp.add('rare', 20), pg_temp.add('verify', 1);
SELECT * FROM pg_temp.take('{rare}', 1);
-- what is rolled back was never taken
BEGIN;
SELECT * FROM pg_temp.take('{rare}', 2);
ROLLBACK;
SELECT * FROM pg_temp.take('{rare,verify}', 20);
SELECT * FROM pg_temp.take('{rare}', 20);
-- finished jobs do not give a token back, and neither does a new policy
SELECT count(job_complete(id, attempt)) FROM processing_jobs WHERE status = 'running';
UPDATE job_types SET rate_limit = 3 WHERE name = 'rare';
SELECT * FROM pg_temp.take('{rare}', 20);
DELETE FROM job_types WHERE name = 'rare';
SELECT rate_limit FROM job_type_register('rare', rate_limit => 10, rate_interval => '100 ms');
SELECT pg_sleep(0.3);
SELECT * FROM pg_temp.take('{rare}', 20);
-- both limits
SELECT rate_limit FROM job_type_register('rare', max_running => 12);
SELECT pg_sleep(0.3);
SELECT * FROM pg_temp.take('{rare}', 20);
TRUNCATE processing_jobs;

--
-- weight
--
SELECT weight FROM job_type_register('one', weight => 1);
SELECT weight FROM job_type_register('three', weight => 3);
SELECT pg_temp.add('one', 100), pg_temp.add('three', 200);
SELECT * FROM pg_temp.take('{one,three}', 40);
SELECT job_type, count(*) FROM generate_series(1, 40) AS n, LATERAL job_dequeue(CASE WHEN n > 0 THEN '{one,three}'::text[] END) GROUP BY 1 ORDER BY 1;
-- alone, a type gets everything, and owes nothing for it afterwards
SELECT * FROM pg_temp.take('{three}', 40);
SELECT * FROM pg_temp.take('{one,three}', 40);
-- where one has no more, the other one gets the rest
SELECT * FROM pg_temp.take('{one,three}', 1000);
-- priority comes first
SELECT pg_temp.add('one', 20, 1), pg_temp.add('three', 20);
SELECT * FROM pg_temp.take('{one,three}', 15);
-- one that was away gains nothing by it
SELECT * FROM pg_temp.take('{one,three}', 1000);
SELECT pg_temp.add('three', 200), pg_temp.add('search', 200);
SELECT * FROM pg_temp.take('{one,search,three}', 100);
SELECT pg_temp.add('one', 100);
SELECT max(jobs) <= 13 AS fair FROM pg_temp.take('{one,search,three}', 50) WHERE job_type = 'one';
-- of equal weights the oldest
TRUNCATE processing_jobs;
SELECT pg_temp.add('verify', 5), pg_temp.add('download', 5);
SELECT * FROM pg_temp.take('{verify,download}', 6);

--
-- bad input
--
\set VERBOSITY terse
SELECT job_type_register('bad', max_running => 0);
SELECT job_type_register('bad', max_running => -1);
SELECT job_type_register('bad', max_running => -2147483648);
SELECT job_type_register('bad', rate_limit => 0, rate_interval => '1 s');
SELECT job_type_register('bad', rate_limit => -5, rate_interval => '1 s');
SELECT job_type_register('bad', rate_limit => 5);
SELECT job_type_register('bad', rate_interval => '1 s');
SELECT job_type_register('bad', rate_limit => 5, rate_interval => '0');
SELECT job_type_register('bad', rate_limit => 5, rate_interval => '-1 s');
SELECT job_type_register('bad', rate_limit => 5, rate_interval => '36501 days');
SELECT job_type_register('bad', rate_limit => 5, rate_interval => '178000000 years');
SELECT job_type_register('bad', rate_limit => 2147483648, rate_interval => '1 s');
SELECT job_type_register('bad', weight => 0);
SELECT job_type_register('bad', weight => 1001);
SELECT count(*) FROM job_types WHERE name = 'bad';
-- the fastest and the slowest rate that there can be
SELECT rate_limit FROM job_type_register('fast', rate_limit => 2147483647, rate_interval => '1 microsecond');
SELECT rate_limit FROM job_type_register('slow', rate_limit => 1, rate_interval => '36500 days');
SELECT pg_temp.add('fast', 50), pg_temp.add('slow', 50);
SELECT * FROM pg_temp.take('{fast,slow}', 100);
SELECT * FROM pg_temp.take('{fast,slow}', 100);
SELECT max_running FROM job_type_register('fast', max_running => 2147483647);
SELECT pg_temp.add('fast', 50);
SELECT * FROM pg_temp.take('{fast,slow}', 100);
DELETE FROM media;
DELETE FROM job_types;
