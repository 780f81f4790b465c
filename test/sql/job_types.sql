-- Job types: what is known from the start, registering and changing, pausing,
-- dropping; a session sees a change at once, and its rollback.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset

-- known from the start; the table holds only what users said
SELECT * FROM job_type_policies ORDER BY name \gx
SELECT count(*) FROM job_types;
-- the table's defaults are the built-in policy
INSERT INTO job_types (name) VALUES ('by default');
SELECT count(DISTINCT to_jsonb(p) - 'name') AS policies FROM job_type_policies AS p;
DELETE FROM job_types;

--
-- registering
--
SELECT * FROM job_type_register('rename') \gx
SELECT * FROM job_type_register('archive', 40, 0, '1 day', 'linear', '0', '36500 days', 0,
                                5, 100, '1 minute', 1000, '2 hours', true) \gx
-- for a known one NULL keeps what is
SELECT * FROM job_type_register('archive', weight => 7, paused => false) \gx
SELECT name, priority, backoff, weight FROM job_type_register('archive');
-- also one of the two values of a rate; a new type needs both
SELECT rate_limit, rate_interval FROM job_type_register('archive', rate_limit => 200);
SELECT rate_limit, rate_interval FROM job_type_register('archive', rate_interval => '2 minutes');
SELECT job_type_register('half', rate_limit => 200);
SELECT job_type_register('half', rate_interval => '2 minutes');
-- a built-in one is changed from its own values
SELECT name, priority, max_retries, lease, backoff, jitter
  FROM job_type_register('search', lease => '1 hour');
SELECT name, lease FROM job_type_policies ORDER BY name;
SELECT name FROM job_types ORDER BY name;

-- what a policy says counts at once: priority, retries, lease
SELECT name FROM job_type_register('rename', 9, 1, '10 seconds');
SELECT job_enqueue(:'film', 'rename') AS j \gset
SELECT priority, max_retries, lease_expires_at - started_at AS lease FROM job_dequeue();
-- ... also for a job that is there: a heartbeat's lease
UPDATE job_types SET lease = '20 seconds' WHERE name = 'rename';
SELECT job_heartbeat(:'j', 1) IS NOT NULL AS beats;
SELECT (lease_expires_at - updated_at)::interval(0) AS lease FROM processing_jobs;
-- what a job was enqueued with stays
SELECT priority, max_retries FROM processing_jobs;
-- plain INSERT takes the table's defaults, not the type's
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'rename');
SELECT priority, max_retries FROM processing_jobs WHERE status = 'queued';
DELETE FROM processing_jobs;

--
-- pausing
--
SELECT count(job_enqueue(:'film', type)) FROM unnest('{search,rename}'::text[]) AS type;
SELECT job_type_pause('rename'), job_type_pause('rename') AS again;
SELECT job_type FROM job_dequeue(NULL, 10);
SELECT count(*) FROM job_dequeue('{rename}', 10);
SELECT job_next_due('{rename}'), job_next_due() IS NULL AS none;
-- what runs may end; what is enqueued waits
SELECT job_complete(id, attempt) FROM processing_jobs WHERE status = 'running';
SELECT job_enqueue(:'film', 'rename') IS NOT NULL AS added;
SELECT job_type_resume('rename'), job_type_resume('rename') AS again;
SELECT job_type, attempt FROM job_dequeue(NULL, 10);
-- a built-in one, too
SELECT job_type_pause('verify');
SELECT name, paused, backoff_base FROM job_types WHERE name = 'verify';
SELECT job_type_resume('verify');
SELECT job_type_resume('download') AS was_not_paused;
SELECT count(*) FROM job_types WHERE name = 'download';
DELETE FROM processing_jobs;

--
-- dropping: a running job can finish, queued ones wait for its return
--
UPDATE job_types SET rate_limit = NULL, rate_interval = NULL WHERE name = 'archive';
SELECT count(job_enqueue(:'film', 'archive', priority => p, max_retries => 1))
  FROM generate_series(1, 3) AS p;
SELECT count(*) FROM job_dequeue('{archive}', 2, '1 hour', 'w1');
DELETE FROM job_types WHERE name = 'archive';
\set VERBOSITY terse
SELECT job_enqueue(:'film', 'archive');
SELECT count(*) FROM job_dequeue('{archive}');
SELECT job_type_pause('archive');
\set VERBOSITY default
SELECT count(*) FROM job_dequeue(NULL, 10);
SELECT priority, job_heartbeat(id, 1) - clock_timestamp() > '4 min' AS built_in_lease
  FROM processing_jobs WHERE status = 'running' ORDER BY priority;
SELECT job_complete(id, 1) FROM processing_jobs WHERE priority = 3;
SELECT f.status, f.available_at - f.updated_at BETWEEN '26.9 s' AND '30 s' AS built_in_backoff
  FROM (SELECT id FROM processing_jobs WHERE priority = 2) AS j, job_fail(j.id, 1, 'no') AS f;
SELECT priority, status FROM processing_jobs ORDER BY 1;
SELECT name FROM job_type_register('archive');
SELECT priority FROM job_dequeue(NULL, 10);
-- dropping a built-in one's row resets it
DELETE FROM job_types WHERE name = 'search';
SELECT lease FROM job_type_policies WHERE name = 'search';
SELECT job_enqueue(:'film', 'search', 100) AS j \gset
SELECT lease_expires_at - started_at AS lease FROM job_dequeue();
DELETE FROM processing_jobs;

--
-- plain DML is as good, and is seen by the next statement
--
INSERT INTO job_types (name, priority) VALUES ('a', 1), ('b', 2);
SELECT job_enqueue(:'film', 'b') AS j \gset
SELECT priority FROM processing_jobs WHERE id = :'j';
UPDATE job_types SET name = 'c' WHERE name = 'b';
\set VERBOSITY terse
SELECT job_enqueue(:'film', 'b');
SELECT job_enqueue(:'film', 'c') IS NOT NULL AS added;
TRUNCATE job_types;
SELECT job_enqueue(:'film', 'c');
-- in one transaction: seen before its commit, forgotten with its rollback
BEGIN;
SELECT name FROM job_type_register('mine', 5);
SELECT job_enqueue(:'film', 'mine') IS NOT NULL AS added;
SELECT job_type, priority FROM job_dequeue('{mine}');
SAVEPOINT s;
SELECT name, priority FROM job_type_register('mine', 6);
SELECT job_enqueue(:'film', 'mine') IS NOT NULL AS added;
ROLLBACK TO s;
SELECT job_enqueue(:'film', 'mine') IS NOT NULL AS added;
SELECT priority, count(*) FROM processing_jobs WHERE job_type = 'mine' GROUP BY 1;
ROLLBACK;
SELECT job_enqueue(:'film', 'mine');
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'mine');
BEGIN;
DELETE FROM job_types;
SELECT job_type_pause('search');
SELECT count(*) FROM job_dequeue('{search}');
ROLLBACK;
SELECT job_type_pause('search'), job_type_resume('search');
-- registered and used by one statement
SELECT job_enqueue(:'film', (job_type_register('at once', 3)).name) IS NOT NULL AS added;
\set VERBOSITY default
SELECT priority FROM job_dequeue('{"at once"}');
-- the cache survives what else happens to its table
ALTER TABLE job_types ADD note text DEFAULT 'note';
SELECT name, priority FROM job_type_register('noted', 4);
SELECT count(*) FROM job_dequeue('{noted}');
VACUUM FULL job_types;
SELECT job_enqueue(:'film', 'noted') IS NOT NULL AS added;
ALTER TABLE job_types DROP note;
SELECT priority FROM job_dequeue('{noted}');

-- a user's trigger that keeps the policy out is named
CREATE FUNCTION pg_temp.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep_out BEFORE INSERT OR UPDATE ON job_types FOR EACH ROW EXECUTE FUNCTION pg_temp.keep_out();
SELECT job_type_register('kept out');
DROP TRIGGER keep_out ON job_types;
SELECT name FROM job_type_policies WHERE name = 'kept out';

-- names are compared byte for byte; a thousand of them are found
SELECT count(job_type_register(name)) FROM unnest(
    ARRAY['Search', 'searc', 'search2', 'sëarch', 'SELECT', 'it''s', '"', 'a b', repeat('ä', 100)]) AS name;
SELECT count(job_enqueue(:'film', name)) FROM job_types AS t;
INSERT INTO job_types (name) SELECT 'type ' || n FROM generate_series(1, 1000) AS n;
SELECT count(job_enqueue(:'film', 'type ' || n, priority => 50)) FROM generate_series(1, 1000) AS n;
SELECT count(*), count(DISTINCT job_type) FROM job_dequeue(NULL, 10000);
SELECT count(*) FROM job_dequeue((SELECT array_agg(name) FROM job_type_policies), 10000);

DELETE FROM job_types;
DELETE FROM media;
TRUNCATE processing_jobs;
