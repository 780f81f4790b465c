-- job_complete_and_dequeue: complete a job and claim the next in one call.

SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie') RETURNING id AS film \gset
CREATE FUNCTION pg_temp.add(name text, kind text = 'search', prio int = 0) RETURNS void LANGUAGE sql AS
$$ SELECT researcharr.job_enqueue(id, kind, prio, metadata => jsonb_build_object('name', name)) FROM researcharr.media $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql AS
$$ SELECT id FROM researcharr.processing_jobs WHERE metadata->>'name' = name $$;
CREATE VIEW pg_temp.jobs AS
SELECT metadata->>'name' AS name, job_type AS type, status, attempt, worker, result FROM processing_jobs ORDER BY 1;

--
-- one after the other
--
SELECT pg_temp.add('a', prio => 3), pg_temp.add('b', prio => 2), pg_temp.add('c', prio => 1), pg_temp.add('d', 'verify');
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(worker => 'w');
SELECT metadata->>'name' AS name, status, attempt, worker, lease_expires_at - started_at AS lease
  FROM job_complete_and_dequeue(pg_temp.id('a'), 1, '{"n": 1}', worker => 'w', lease => '1 min');
SELECT * FROM pg_temp.jobs;
-- in the order of the claim, of these types, as many as asked for
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('b'), 1, NULL, '{search,verify}', 10);
-- nothing is left: the job is completed, and there is no row
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('c'), 1);
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('d'), 1, job_types => '{search}');
SELECT * FROM pg_temp.jobs;
-- each attempt has one row in the history
SELECT metadata->>'name' AS name, action, h.status, h.details->>'attempt' AS attempt, h.details->>'worker' AS worker
  FROM processing_history AS h JOIN processing_jobs AS j ON j.id = job_id ORDER BY 1;
-- also where a completed job's own lease has ended
SELECT pg_temp.add('lapsed'), pg_temp.add('after');
SELECT metadata->>'name' AS name FROM job_dequeue(lease => '1 us');
SELECT metadata->>'name' AS name, attempt FROM job_complete_and_dequeue(pg_temp.id('lapsed'), 1);
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('lapsed', 'after');
SELECT job_complete(pg_temp.id('after'), 1);

--
-- refusals, which change nothing
--
\set VERBOSITY sqlstate
SELECT pg_temp.add('x', prio => 1), pg_temp.add('y');
SELECT metadata->>'name' AS name FROM job_dequeue();
SELECT job_complete_and_dequeue(NULL, 1);
SELECT job_complete_and_dequeue(pg_temp.id('x'), NULL);
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, to_jsonb(repeat('x', 1048576)));
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, job_types => '{}');
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, job_types => '{NULL}');
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, job_types => '{nope}');
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, max_jobs => 0);
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, max_jobs => 10001);
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, lease => '0');
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1, worker => repeat('w', 256));
-- a stale attempt, beside a queue that has jobs
SELECT metadata->>'name' FROM job_complete_and_dequeue(pg_temp.id('x'), 7);
SELECT metadata->>'name' FROM job_complete_and_dequeue(pg_temp.id('y'), 1);
\set VERBOSITY default
SELECT metadata->>'name' FROM job_complete_and_dequeue('00000000-0000-7000-8000-000000000000', 1);
BEGIN READ ONLY;
SELECT job_complete_and_dequeue(pg_temp.id('x'), 1);
ROLLBACK;
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('x', 'y');
-- a rollback undoes both
BEGIN;
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('x'), 1);
ROLLBACK;
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('x', 'y');
BEGIN;
SAVEPOINT s;
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('x'), 1);
ROLLBACK TO s;
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('x'), 1);
COMMIT;
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('x', 'y');
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('y'), 1);

--
-- users' triggers
--
CREATE FUNCTION pg_temp.rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status = 'running' AND NEW.metadata->>'name' = 'refused' THEN
		RAISE EXCEPTION 'not this one';
	ELSIF NEW.status = 'running' AND NEW.metadata->>'name' = 'broken' THEN
		RAISE EXCEPTION 'no more room' USING errcode = 'disk_full';
	ELSIF NEW.status = 'completed' AND NEW.metadata->>'name' = 'kept' THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER rule BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.rule();
SELECT pg_temp.add('1', prio => 9), pg_temp.add('refused', prio => 8), pg_temp.add('2', prio => 7),
	pg_temp.add('broken', prio => 6);
SELECT metadata->>'name' AS name FROM job_dequeue();
-- a job that a rule refuses is passed over, as job_dequeue does
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('1'), 1);
-- a claim that fails after the completion: nothing of both
\set VERBOSITY terse
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('2'), 1);
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('1', '2', 'refused', 'broken');
SELECT count(*) FROM processing_history WHERE job_id = pg_temp.id('2');
-- a completion that a rule suppresses
SELECT job_cancel(pg_temp.id('broken')), pg_temp.add('kept', prio => 10);
SELECT metadata->>'name' AS name FROM job_dequeue();
SELECT metadata->>'name' AS name FROM job_complete_and_dequeue(pg_temp.id('kept'), 1);
SELECT name, status, attempt FROM pg_temp.jobs WHERE name IN ('2', 'kept');
DROP TRIGGER rule ON processing_jobs;
SELECT count(job_mark_as_completed(id)) FROM processing_jobs WHERE status IN ('queued', 'running');

--
-- limits: what runs after the call is what may run
--
SELECT max_running FROM job_type_register('few', max_running => 1);
SELECT pg_temp.add('f1', 'few', 5), pg_temp.add('f2', 'few', 4), pg_temp.add('f3', 'few', 3), pg_temp.add('s1');
SELECT metadata->>'name' AS name FROM job_dequeue('{few}', 9);
-- others wait for the room
SELECT metadata->>'name' AS name FROM job_dequeue('{few,search}', 9);
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('s1'), 1, job_types => '{few}');
SELECT status, count(*) FROM processing_jobs WHERE job_type = 'few' GROUP BY 1 ORDER BY 1;
-- a rate is kept, too
SELECT rate_limit FROM job_type_register('daily', rate_limit => 1, rate_interval => '1 day');
SELECT pg_temp.add('r1', 'daily'), pg_temp.add('r2', 'daily');
SELECT count(*) FROM job_dequeue('{daily}', 9);
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('r1'), 1, job_types => '{daily}');
-- a paused type yields nothing
SELECT job_type_pause('search');
SELECT pg_temp.add('p1'), pg_temp.add('v1', 'verify');
SELECT metadata->>'name' AS name FROM job_dequeue('{verify,search}', 9);
SELECT count(*) FROM job_complete_and_dequeue(pg_temp.id('v1'), 1, job_types => '{verify,search}');
SELECT job_type_resume('search');
SELECT count(job_mark_as_completed(id)) FROM processing_jobs WHERE status IN ('queued', 'running');
-- types of one priority share by weight
SELECT weight FROM job_type_register('heavy', weight => 3);
SELECT weight FROM job_type_register('light', weight => 1);
SELECT count(pg_temp.add('h' || n, 'heavy')), count(pg_temp.add('l' || n, 'light')) FROM generate_series(1, 12) AS n;
DO $$
DECLARE
	job researcharr.processing_jobs;
BEGIN
	SELECT * INTO job FROM researcharr.job_dequeue('{heavy,light}');
	FOR i IN 1..12 LOOP
		SELECT * INTO job FROM researcharr.job_complete_and_dequeue(job.id, job.attempt, job_types => '{heavy,light}');
	END LOOP;
END $$;
SELECT job_type, count(*) BETWEEN CASE job_type WHEN 'heavy' THEN 9 ELSE 2 END AND CASE job_type WHEN 'heavy' THEN 11 ELSE 4 END AS fair
  FROM processing_jobs WHERE job_type IN ('heavy', 'light') AND status <> 'queued' GROUP BY 1 ORDER BY 1;

-- a view over the result, and a call per row of a query
SELECT count(job_mark_as_completed(id)) > 0 AS ended FROM processing_jobs WHERE status IN ('queued', 'running');
SELECT pg_temp.add('q1', prio => 5), pg_temp.add('q2', prio => 4), pg_temp.add('q3', prio => 3), pg_temp.add('q4', prio => 2);
SELECT count(*) FROM job_dequeue(max_jobs => 2);
SELECT n.metadata->>'name' AS name FROM processing_jobs AS j,
	LATERAL job_complete_and_dequeue(j.id, j.attempt) AS n WHERE j.metadata->>'name' IN ('q1', 'q2') ORDER BY 1;
SELECT name, status FROM pg_temp.jobs WHERE name LIKE 'q_';

DELETE FROM job_types;
SET client_min_messages = warning;
TRUNCATE media CASCADE;
