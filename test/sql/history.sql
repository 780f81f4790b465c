-- History: a row for each ended attempt and each other change of a job's
-- status, whoever makes it.
SET researcharr.user_id = 'tester';
INSERT INTO researcharr.media (id, title, type)
SELECT ('01900000-0000-7000-8000-0000000001' || lpad(n::text, 2, '0'))::uuid, 'Movie ' || n, 'movie'
FROM generate_series(1, 9) n;

-- what is on record since the last look, without what differs from run to run
CREATE TEMP TABLE seen AS SELECT id FROM researcharr.processing_history;
CREATE FUNCTION pg_temp.news(OUT job text, OUT action text, OUT status text, OUT details jsonb, OUT by text, OUT times boolean)
RETURNS SETOF record LANGUAGE SQL AS $$
	WITH news AS (
		INSERT INTO pg_temp.seen SELECT h.id FROM researcharr.processing_history h
		WHERE h.id NOT IN (SELECT s.id FROM pg_temp.seen s)
		RETURNING id)
	SELECT coalesce(j.unique_key, right(h.job_id::text, 4)), h.action, h.status,
		h.details - ARRAY['claimed_at', 'ended_at', 'by'],
		CASE WHEN h.details->'by' = jsonb_build_object('session_user', session_user, 'role', current_role, 'user_id', 'tester')
			THEN 'me' ELSE h.details->>'by' END,
		(h.details->>'claimed_at')::timestamptz <= (h.details->>'ended_at')::timestamptz
			AND (h.details->>'ended_at')::timestamptz = h."timestamp"
	FROM researcharr.processing_history h JOIN news ON news.id = h.id
	LEFT JOIN researcharr.processing_jobs j ON j.id = h.job_id
	ORDER BY h.id
$$;

-- An enqueue and a claim leave none; each attempt that ends leaves one.
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000101', 'search', unique_key => 'one') IS NOT NULL;
SELECT count(*) FROM researcharr.job_dequeue(worker => 'w1');
SELECT * FROM pg_temp.news();
SELECT count(*) FROM researcharr.processing_jobs j, researcharr.job_fail(j.id, 1, 'no "luck"', '0');
SELECT count(*) FROM researcharr.job_dequeue(worker => 'w2');
SELECT researcharr.job_release(id, 2) FROM researcharr.processing_jobs;
SELECT count(*) FROM researcharr.job_dequeue(worker => 'w3', lease => '1 ms');
SELECT pg_sleep(0.01);
-- it has used up a retry: the lapse makes it wait
SELECT count(*) FROM researcharr.job_dequeue();
UPDATE researcharr.processing_jobs SET available_at = clock_timestamp();
SELECT count(*) FROM researcharr.job_dequeue(worker => 'w4', lease => '1 ms');
UPDATE researcharr.processing_jobs SET retry_count = 0;
SELECT pg_sleep(0.01);
SELECT count(*) FROM researcharr.job_dequeue();
SELECT researcharr.job_complete(id, 5, '{}') FROM researcharr.processing_jobs;
SELECT * FROM pg_temp.news();

-- What operators do, to jobs that run and jobs that wait.
SELECT count(researcharr.job_enqueue('01900000-0000-7000-8000-000000000102', 'search', unique_key => key))
FROM unnest(ARRAY['cancelled', 'marked', 'cancelled running', 'marked running', 'failed']) key;
SELECT unique_key FROM researcharr.job_dequeue(max_jobs => 5, worker => 'w') ORDER BY 1;
SELECT researcharr.job_release(id, attempt) FROM researcharr.processing_jobs WHERE unique_key IN ('cancelled', 'marked');
SELECT count(*) FROM researcharr.processing_jobs j, researcharr.job_fail(j.id, j.attempt, 'broken', retry => false)
WHERE j.unique_key = 'failed';
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key LIKE 'cancelled%';
SELECT researcharr.job_mark_as_completed(id) FROM researcharr.processing_jobs WHERE unique_key LIKE 'marked%';
SELECT researcharr.job_retry(id) FROM researcharr.processing_jobs WHERE unique_key = 'failed';
SELECT * FROM pg_temp.news() ORDER BY job, action;

-- Plain DML by the owner: one statement, several kinds of change.
CREATE TEMP TABLE change (key text, from_status text, to_status text, retry boolean);
INSERT INTO change VALUES
	('a', 'running', 'completed', false), ('b', 'running', 'queued', true), ('c', 'running', 'queued', false),
	('d', 'running', 'failed', false), ('e', 'running', 'cancelled', false), ('f', 'queued', 'completed', false),
	('g', 'queued', 'cancelled', false), ('h', 'queued', 'failed', false), ('i', 'queued', 'running', false),
	('j', 'failed', 'queued', false), ('k', 'completed', 'running', false), ('l', 'failed', 'completed', false),
	('m', 'completed', 'failed', false), ('n', 'queued', 'queued', false), ('o', 'running', 'running', false);
INSERT INTO researcharr.processing_jobs (media_id, job_type, unique_key, status, attempt, worker, started_at,
	completed_at, lease_expires_at)
SELECT '01900000-0000-7000-8000-000000000103', 'verify', key, from_status, 1, 'w ' || key, '2026-01-01 00:00+00',
	CASE WHEN from_status NOT IN ('queued', 'running') THEN now() END,
	CASE WHEN from_status = 'running' THEN now() END
FROM change;
SELECT * FROM pg_temp.news();
UPDATE researcharr.processing_jobs j SET status = to_status, retry_count = retry_count + retry::int,
	error_message = 'said ' || key,
	completed_at = CASE WHEN to_status NOT IN ('queued', 'running') THEN now() END,
	lease_expires_at = CASE WHEN to_status = 'running' THEN now() END
FROM change WHERE unique_key = key;
SELECT * FROM pg_temp.news() ORDER BY job;
-- a new attempt of a running job
UPDATE researcharr.processing_jobs SET attempt = attempt + 1 WHERE unique_key = 'o';
SELECT * FROM pg_temp.news();

-- Deleted while running, and in any other state: by DELETE, a cascade, TRUNCATE.
DELETE FROM researcharr.processing_jobs WHERE unique_key IN ('n', 'o');
SELECT action, status, details - ARRAY['claimed_at', 'ended_at'] AS details, by, times FROM pg_temp.news() ORDER BY details;
DELETE FROM researcharr.media WHERE id = '01900000-0000-7000-8000-000000000103';
SELECT action, status, details->>'from' AS "from", count(*), count(times) AS ended FROM pg_temp.news() GROUP BY 1, 2, 3 ORDER BY 3;
BEGIN;
TRUNCATE researcharr.processing_jobs;
SELECT action, status, details->>'from' AS "from", count(*), count(times) AS ended FROM pg_temp.news() GROUP BY 1, 2, 3 ORDER BY 3;
ROLLBACK;
BEGIN;
SET LOCAL client_min_messages = warning;
TRUNCATE researcharr.media CASCADE;
SELECT action, status, details->>'from' AS "from", count(*), count(times) AS ended FROM pg_temp.news() GROUP BY 1, 2, 3 ORDER BY 3;
ROLLBACK;
SELECT * FROM pg_temp.news();

-- As many rows with claimed_at as attempts ended, whatever happened.
SELECT count(*) AS jobs, bool_and(ended = attempt - (status = 'running')::int) AS agree
FROM (SELECT j.id, j.attempt, j.status,
		(SELECT count(*) FROM researcharr.processing_history h WHERE h.job_id = j.id AND h.details ? 'claimed_at') AS ended
	FROM researcharr.processing_jobs j) x;

-- In the same transaction or not at all: rollbacks, 1,000 savepoints, a
-- deferred constraint that fails at commit.
DO $$
DECLARE
	job uuid := researcharr.job_enqueue('01900000-0000-7000-8000-000000000105', 'download', unique_key => 'saved');
BEGIN
	FOR i IN 1 .. 1000 LOOP
		BEGIN
			PERFORM FROM researcharr.job_dequeue(ARRAY['download']) WHERE id = job;
			PERFORM researcharr.job_release(job, attempt) FROM researcharr.processing_jobs WHERE id = job;
			IF i % 4 = 0 THEN
				RAISE 'undo';
			END IF;
		EXCEPTION WHEN raise_exception THEN
		END;
	END LOOP;
END
$$;
SELECT j.attempt, count(*), count(DISTINCT h.details->'attempt') FROM researcharr.processing_history h
JOIN researcharr.processing_jobs j ON j.id = h.job_id WHERE j.unique_key = 'saved' GROUP BY 1;
SELECT count(*) FROM pg_temp.news();
-- a thousand savepoints that are all open at a time
BEGIN;
\o /dev/null
\set ECHO none
SELECT format('SAVEPOINT s%s', n), format('UPDATE researcharr.processing_jobs SET %s WHERE unique_key = %L',
	CASE n % 2 WHEN 1 THEN $$status = 'cancelled', completed_at = now()$$ ELSE $$status = 'queued', completed_at = NULL$$ END, 'saved')
FROM generate_series(1, 1000) n \gexec
\set ECHO all
\o
ROLLBACK TO s501;
COMMIT;
SELECT action, status, count(*) FROM pg_temp.news() GROUP BY 1, 2 ORDER BY 1;
CREATE TEMP TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO deferred VALUES (1), (1);
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
SELECT * FROM pg_temp.news();
COMMIT;
SELECT status, unique_key FROM researcharr.processing_jobs WHERE unique_key = 'saved';
SELECT * FROM pg_temp.news();

-- Rows go to the partition of their time, whatever the order of its columns
-- and whatever else it has; one statement's rows may go to several.
BEGIN;
TRUNCATE researcharr.processing_history;
CREATE TABLE researcharr.history_other ("timestamp" timestamptz NOT NULL, details jsonb NOT NULL, gone int, status text,
	action text NOT NULL CHECK (action <> 'requeued'), media_id uuid NOT NULL, job_id uuid NOT NULL, id uuid PRIMARY KEY);
ALTER TABLE researcharr.history_other DROP COLUMN gone;
ALTER TABLE researcharr.processing_history ATTACH PARTITION researcharr.history_other
	FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
SELECT tableoid::regclass, action, status, details - 'by' AS details FROM researcharr.processing_history;
SAVEPOINT s;
\set VERBOSITY terse
SELECT researcharr.job_retry(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
\set VERBOSITY default
ROLLBACK TO s;
ALTER TABLE researcharr.processing_history DETACH PARTITION researcharr.history_other;
DROP TABLE researcharr.history_other;
INSERT INTO researcharr.processing_jobs (media_id, job_type)
SELECT '01900000-0000-7000-8000-000000000106', 'verify' FROM generate_series(1, 3000);
DO $$
DECLARE
	soon bigint := extract(epoch FROM clock_timestamp() + interval '10 ms') * 1000;
	bound text := lpad(to_hex(soon >> 16), 8, '0') || '-' || lpad(to_hex(soon & 65535), 4, '0') || '-0000-0000-000000000000';
BEGIN
	EXECUTE format('CREATE TABLE researcharr.history_before PARTITION OF researcharr.processing_history FOR VALUES FROM (MINVALUE) TO (%L)', bound);
	EXECUTE format('CREATE TABLE researcharr.history_after PARTITION OF researcharr.processing_history FOR VALUES FROM (%L) TO (MAXVALUE)', bound);
	UPDATE researcharr.processing_jobs SET status = 'cancelled', completed_at = now() WHERE job_type = 'verify';
END
$$;
SELECT count(*), count(DISTINCT id), bool_and(tableoid <> 'researcharr.processing_history_default'::regclass) AS routed
FROM researcharr.processing_history;
ROLLBACK;
-- users' triggers on a log do not fire, and their indexes, of whatever kind, have its rows
BEGIN;
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'fired by %', TG_OP;
END
$$;
CREATE TRIGGER tell AFTER INSERT ON researcharr.processing_history FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
CREATE TRIGGER tell BEFORE INSERT ON researcharr.audit_log FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
CREATE INDEX history_time ON researcharr.processing_history USING brin ("timestamp");
CREATE INDEX history_words ON researcharr.processing_history USING gin (details);
CREATE INDEX history_upper ON researcharr.processing_history (upper(action)) WHERE status IS NOT NULL;
INSERT INTO researcharr.processing_jobs (media_id, job_type)
SELECT '01900000-0000-7000-8000-000000000106', 'verify' FROM generate_series(1, 1200);
UPDATE researcharr.processing_jobs SET status = 'cancelled', completed_at = now() WHERE job_type = 'verify';
SELECT count(researcharr.job_retry(id)) FROM (SELECT id FROM researcharr.processing_jobs WHERE job_type = 'verify' LIMIT 3) x;
SELECT count(*) FROM researcharr.job_dequeue(ARRAY['verify'], 3, '1 us', 'slow');
SELECT pg_sleep(0.001);
SELECT count(*) FROM researcharr.job_dequeue(ARRAY['verify'], 3);
UPDATE researcharr.media SET status = 'failed';
SET LOCAL enable_seqscan = off;
SELECT count(*) FROM researcharr.processing_history WHERE upper(action) = 'CANCELLED' AND status IS NOT NULL
	AND media_id = '01900000-0000-7000-8000-000000000106';
SELECT count(*) FROM researcharr.processing_history WHERE details @> '{"worker": "slow"}'
	AND media_id = '01900000-0000-7000-8000-000000000106';
SELECT count(*) FROM researcharr.processing_history WHERE "timestamp" > '2020-01-01'
	AND media_id = '01900000-0000-7000-8000-000000000106';
ROLLBACK;
-- a log that lost its columns, its partitions, or itself
BEGIN;
ALTER TABLE researcharr.processing_history ALTER COLUMN details TYPE text USING details::text;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
ROLLBACK;
BEGIN;
ALTER TABLE researcharr.processing_history DETACH PARTITION researcharr.processing_history_default;
SAVEPOINT s;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
ROLLBACK TO s;
CREATE TABLE researcharr.history_sub PARTITION OF researcharr.processing_history DEFAULT PARTITION BY RANGE (id);
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
ROLLBACK;
BEGIN;
ALTER TABLE researcharr.processing_history RENAME TO history_old;
SAVEPOINT s;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
ROLLBACK TO s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old);
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = 'saved';
ROLLBACK;

-- Nobody but the owner changes what is on record, whatever has been granted.
CREATE ROLE regress_rarr_log;
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_log;
GRANT ALL ON researcharr.processing_history, researcharr.processing_history_default,
	researcharr.audit_log, researcharr.audit_log_default TO regress_rarr_log;
SET ROLE regress_rarr_log;
INSERT INTO researcharr.processing_history SELECT * FROM researcharr.processing_history LIMIT 1;
INSERT INTO researcharr.processing_history_default SELECT * FROM researcharr.processing_history LIMIT 1;
UPDATE researcharr.processing_history SET action = 'completed';
DELETE FROM researcharr.processing_history_default;
TRUNCATE researcharr.processing_history;
TRUNCATE ONLY researcharr.processing_history_default;
INSERT INTO researcharr.audit_log_default SELECT * FROM researcharr.audit_log LIMIT 1;
UPDATE researcharr.audit_log SET user_id = 'somebody else';
DELETE FROM researcharr.audit_log;
TRUNCATE researcharr.audit_log;
SET session_replication_role = replica;
RESET ROLE;
SET session_replication_role = replica;
SET ROLE regress_rarr_log;
DELETE FROM researcharr.audit_log;
RESET ROLE;
RESET session_replication_role;
BEGIN;
UPDATE researcharr.processing_history SET action = 'completed' WHERE false;
UPDATE researcharr.audit_log SET user_id = NULL WHERE user_id = 'tester';
DELETE FROM researcharr.audit_log;
ROLLBACK;
DROP OWNED BY regress_rarr_log;
DROP ROLE regress_rarr_log;

-- Trigger functions are for the extension's triggers.
SELECT researcharr.processing_jobs_history();
SELECT researcharr.log_guard();
BEGIN;
CREATE TRIGGER wrong AFTER INSERT ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000107', 'search') IS NOT NULL;
INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ('01900000-0000-7000-8000-000000000107', 'search');
ROLLBACK;
BEGIN;
INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ('01900000-0000-7000-8000-000000000107', 'search');
CREATE TRIGGER wrong AFTER DELETE ON researcharr.processing_jobs REFERENCING OLD TABLE AS old_jobs
	FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_history();
DELETE FROM researcharr.processing_jobs;
ROLLBACK;

DELETE FROM researcharr.media;
RESET researcharr.user_id;
