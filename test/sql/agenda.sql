-- The agenda, as one session sees it: what a dequeue finds is the same with it
-- and without it; agenda_status() is for where it is.
SET client_min_messages = warning;
INSERT INTO researcharr.media (id, title, type)
VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie');
CREATE FUNCTION pg_temp.add(n int, priority int = 0, job_type text = 'search') RETURNS void
BEGIN ATOMIC
	INSERT INTO researcharr.processing_jobs (id, media_id, job_type, priority, available_at)
	VALUES (('01900000-0000-7000-8000-1' || lpad(n::text, 11, '0'))::uuid, '01900000-0000-7000-8000-000000000001',
		job_type, priority, '2020-01-01');
END;
CREATE FUNCTION pg_temp.take(n int = 1, lease interval = NULL) RETURNS text LANGUAGE SQL AS $$
	SELECT string_agg(ltrim(right(id::text, 11), '0'), ' ') FROM researcharr.job_dequeue(max_jobs => n, lease => lease) $$;

-- rows that constraints refuse, as the guard sees them first
\set VERBOSITY terse
INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ('01900000-0000-7000-8000-000000000001', NULL);
INSERT INTO researcharr.processing_jobs (id, media_id, job_type) VALUES (NULL, '01900000-0000-7000-8000-000000000001', 'search');
INSERT INTO researcharr.processing_jobs (media_id, job_type, status) VALUES ('01900000-0000-7000-8000-000000000001', 'search', NULL);
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-000000000001', 'search', NULL);
INSERT INTO researcharr.processing_jobs (media_id, job_type, available_at) VALUES ('01900000-0000-7000-8000-000000000001', 'search', NULL);
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-000000000001', 'search', 101);
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-000000000001', 'search', -2000000000);
INSERT INTO researcharr.processing_jobs (media_id, job_type, status) VALUES ('01900000-0000-7000-8000-000000000001', 'search', 'odd');
INSERT INTO researcharr.processing_jobs (media_id, job_type, status) VALUES ('01900000-0000-7000-8000-000000000001', 'search', 'running');
INSERT INTO researcharr.processing_jobs (media_id, job_type, available_at) VALUES ('01900000-0000-7000-8000-000000000001', 'search', 'infinity');
SELECT pg_temp.add(1);
UPDATE researcharr.processing_jobs SET job_type = NULL;
UPDATE researcharr.processing_jobs SET priority = NULL;
UPDATE researcharr.processing_jobs SET priority = 1000;
UPDATE researcharr.processing_jobs SET status = 'odd';
UPDATE researcharr.processing_jobs SET status = NULL;
UPDATE researcharr.processing_jobs SET id = NULL;
\set VERBOSITY default
-- a row that a later trigger drops, so that no constraint ever sees it
CREATE FUNCTION pg_temp.drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_row();
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-000000000001', 'search', 1000000);
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-000000000001', 'search', -1000000);
UPDATE researcharr.processing_jobs SET priority = 2000000;
DROP TRIGGER zzz ON researcharr.processing_jobs;
SELECT pg_temp.take(9);
TRUNCATE researcharr.processing_jobs;

-- own jobs are found before they are committed, in the right order
SELECT pg_temp.take();
BEGIN;
SELECT pg_temp.add(1), pg_temp.add(2, 50), pg_temp.add(3, 50);
SELECT pg_temp.take(), pg_temp.take(), pg_temp.take(), pg_temp.take();
SELECT pg_temp.add(4, 100);
SAVEPOINT s;
SELECT pg_temp.take();
SELECT pg_temp.add(5, 100);
ROLLBACK TO s;
SELECT pg_temp.take(9);
ROLLBACK;
SELECT pg_temp.take();
-- and own claims whose lease has ended
SELECT pg_temp.add(1);
BEGIN;
SELECT pg_temp.take(1, '1 microsecond');
SELECT pg_temp.take();
SELECT attempt, retry_count, error_message FROM researcharr.processing_jobs;
ROLLBACK;
TRUNCATE researcharr.processing_jobs;

-- REPEATABLE READ finds its own, and teaches nobody anything
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.add(1), pg_temp.add(2, 1);
SELECT pg_temp.take(), pg_temp.take(), pg_temp.take();
COMMIT;
SELECT pg_temp.take();
BEGIN;
TRUNCATE researcharr.processing_jobs;
ROLLBACK;
SELECT count(*) FROM researcharr.processing_jobs;
TRUNCATE researcharr.processing_jobs;

-- TRUNCATE, undone
SELECT pg_temp.add(n) FROM generate_series(1, 3) n;
BEGIN;
TRUNCATE researcharr.processing_jobs;
SELECT pg_temp.take();
ROLLBACK;
SELECT pg_temp.take();
BEGIN;
SAVEPOINT s;
TRUNCATE researcharr.media CASCADE;
SELECT pg_temp.take();
ROLLBACK TO s;
SELECT pg_temp.take();
COMMIT;
BEGIN;
SAVEPOINT s;
TRUNCATE researcharr.processing_jobs;
RELEASE s;
SELECT pg_temp.take();
ROLLBACK;
SELECT pg_temp.take(), pg_temp.take();
TRUNCATE researcharr.processing_jobs;

-- a job that waits for its time, and a lease that ends
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search', available_at => clock_timestamp() + '1 s') IS NOT NULL AS added;
SELECT pg_temp.take();
SELECT pg_sleep(1);
SELECT pg_temp.take(1, '1 s') <> '' AS taken;
SELECT pg_temp.take();
SELECT pg_sleep(1);
SELECT pg_temp.take() <> '' AS taken_over;
TRUNCATE researcharr.processing_jobs;

-- READ ONLY
BEGIN READ ONLY;
SELECT pg_temp.take();
ROLLBACK;

-- what users' BEFORE triggers make of a job
CREATE FUNCTION pg_temp.hurry() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.priority = 99; RETURN NEW; END';
CREATE TRIGGER hurry BEFORE INSERT ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.hurry();
SELECT pg_temp.take();
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search') IS NOT NULL AS added;
SELECT count(*), max(priority) FROM researcharr.job_dequeue();
SELECT count(*) FROM researcharr.job_enqueue_many('[{"media_id": "01900000-0000-7000-8000-000000000001", "job_type": "search"}]');
SELECT count(*), max(priority) FROM researcharr.job_dequeue();
DROP TRIGGER hurry ON researcharr.processing_jobs;
CREATE FUNCTION pg_temp.calm() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN IF NEW.status = ''queued'' THEN NEW.priority = 42; END IF; RETURN NEW; END';
CREATE TRIGGER calm BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.calm();
SELECT researcharr.job_release(id, attempt) FROM researcharr.processing_jobs WHERE status = 'running';
SELECT count(*), max(priority) FROM researcharr.job_dequeue(max_jobs => 9);
DROP TRIGGER calm ON researcharr.processing_jobs;
TRUNCATE researcharr.processing_jobs;

-- a type that is dropped and known again; its jobs wait
SELECT (researcharr.job_type_register('scan')).name;
SELECT pg_temp.add(1, 0, 'scan'), pg_temp.add(2, 0, 'scan');
SELECT pg_temp.take();
DELETE FROM researcharr.job_types WHERE name = 'scan';
SELECT pg_temp.take();
SELECT count(researcharr.job_release(id, attempt)) FROM researcharr.processing_jobs WHERE status = 'running';
SELECT pg_temp.take();
SELECT (researcharr.job_type_register('scan')).name;
SELECT pg_temp.take(9);
DELETE FROM researcharr.job_types WHERE name = 'scan';

-- without its table's index there is no order to keep
BEGIN;
DROP INDEX researcharr.processing_jobs_take_idx;
ROLLBACK;
REINDEX TABLE researcharr.processing_jobs;
CLUSTER researcharr.processing_jobs USING processing_jobs_pkey;
SELECT pg_temp.add(3);
VACUUM FULL researcharr.processing_jobs;
SELECT pg_temp.take();
TRUNCATE researcharr.media CASCADE;

-- the status
INSERT INTO researcharr.media (id, title, type)
VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie');
SELECT pg_temp.add(1, 7), pg_temp.add(2, 7);
SELECT pg_temp.take();
SELECT job_type, priority, right(id::text, 1) AS id, available_at, due, next_lapse > clock_timestamp() AS lapses, raised > 0 AS raised, verified_at <= clock_timestamp() AS verified, found
FROM researcharr.agenda_status() WHERE priority = 7 AND job_type = 'search';
TRUNCATE researcharr.media CASCADE;

-- settings
SET researcharr.agenda_refresh = '5s';
ALTER SYSTEM SET researcharr.agenda_refresh = '1 microsecond';
ALTER SYSTEM SET researcharr.agenda_refresh = '1 day';
ALTER SYSTEM SET researcharr.agenda_refresh = 'soon';
