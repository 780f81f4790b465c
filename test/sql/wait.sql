-- job_dequeue_wait, as one session sees it: its arguments, where it may be
-- called, what it returns. The same with the agenda and without it.
SET client_min_messages = warning;
SET researcharr.poll_interval = '20ms';
INSERT INTO researcharr.media (id, title, type)
VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie');
CREATE FUNCTION pg_temp.add(n int, job_type text = 'search', priority int = 0, due interval = '0') RETURNS void
BEGIN ATOMIC
	INSERT INTO researcharr.processing_jobs (id, media_id, job_type, priority, available_at)
	VALUES (('01900000-0000-7000-8000-1' || lpad(n::text, 11, '0'))::uuid, '01900000-0000-7000-8000-000000000001',
		job_type, priority, clock_timestamp() + due);
END;
CREATE FUNCTION pg_temp.ids(jobs jsonb) RETURNS text LANGUAGE SQL AS $$
	SELECT string_agg(ltrim(right(j->>'id', 11), '0'), ' ' ORDER BY n) FROM jsonb_array_elements(jobs) WITH ORDINALITY AS a (j, n) $$;

-- nothing there: one look, and a short wait
CALL researcharr.job_dequeue_wait(NULL, timeout => '0');
SELECT clock_timestamp() AS before \gset
CALL researcharr.job_dequeue_wait('["ignored"]', '{search,search}', timeout => '50 ms');
SELECT clock_timestamp() - :'before' BETWEEN '50 ms' AND '10 s' AS slept;

-- what is there comes at once, in claim order, as row_to_json has it
SELECT pg_temp.add(1), pg_temp.add(2, priority => 9), pg_temp.add(3, 'verify', 9), pg_temp.add(4);
CALL researcharr.job_dequeue_wait(NULL, max_jobs => 3, worker => 'w "1"', lease => '1 h') \gset
SELECT pg_temp.ids(:'jobs');
SELECT j = to_jsonb(p) AS same, p.status, p.worker, p.attempt, p.lease_expires_at - p.started_at AS lease
FROM jsonb_array_elements(:'jobs') j JOIN researcharr.processing_jobs p ON p.id = (j->>'id')::uuid ORDER BY p.id;
CALL researcharr.job_dequeue_wait(NULL, '{verify}', timeout => '0');
CALL researcharr.job_dequeue_wait(NULL, '{verify,search}', 10000, timeout => '36500 days') \gset
SELECT pg_temp.ids(:'jobs');

-- it sleeps until one falls due, and until a lease ends
SELECT pg_temp.add(5, due => '100 ms');
CALL researcharr.job_dequeue_wait(NULL, lease => '100 ms') \gset
SELECT pg_temp.ids(:'jobs');
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs'), :'jobs'::jsonb->0->'attempt' AS attempt, :'jobs'::jsonb->0->'error_message' AS error;

-- more than a hundred lapsed jobs without a retry left do not hide the one that has
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority, max_retries)
SELECT '01900000-0000-7000-8000-000000000001', 'search', 50, 0 FROM generate_series(1, 250);
SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 250, lease => '1 us');
SELECT pg_temp.add(6);
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs');
SELECT status, count(*) FROM researcharr.processing_jobs WHERE priority = 50 GROUP BY status ORDER BY status;
-- nor does one call leave any of them while nothing else is there
CALL researcharr.job_dequeue_wait(NULL, timeout => '0');
SELECT status, count(*) FROM researcharr.processing_jobs WHERE priority = 50 GROUP BY status;

-- one result is not larger than jsonb can be
INSERT INTO researcharr.processing_jobs (media_id, job_type, metadata)
SELECT '01900000-0000-7000-8000-000000000001', 'download', jsonb_build_object('x', repeat('x', 1000000)) FROM generate_series(1, 30);
CALL researcharr.job_dequeue_wait(NULL, '{download}', 30) \gset
SELECT jsonb_array_length(:'jobs'), :'jobs'::jsonb->0->'metadata' = jsonb_build_object('x', repeat('x', 1000000)) AS whole;
CALL researcharr.job_dequeue_wait(NULL, '{download}', 30) \gset
SELECT jsonb_array_length(:'jobs');
\unset jobs

-- the argument for the result can be left out
CALL researcharr.job_dequeue_wait(job_types => '{verify}', timeout => '0');

-- arguments
CALL researcharr.job_dequeue_wait(NULL, timeout => '-1 us');
CALL researcharr.job_dequeue_wait(NULL, timeout => '36501 days');
CALL researcharr.job_dequeue_wait(NULL, max_jobs => 0);
CALL researcharr.job_dequeue_wait(NULL, max_jobs => 1000000);
CALL researcharr.job_dequeue_wait(NULL, lease => '0');
CALL researcharr.job_dequeue_wait(NULL, '{}');
CALL researcharr.job_dequeue_wait(NULL, '{search,NULL}');
CALL researcharr.job_dequeue_wait(NULL, '{search,unheard of}');
CALL researcharr.job_dequeue_wait(NULL, '{{search}}');
CALL researcharr.job_dequeue_wait(NULL, NULL, NULL, NULL, NULL, '0');

-- paused types are waited for; no type at all, too
SELECT pg_temp.add(7);
SELECT researcharr.job_type_pause('search');
CALL researcharr.job_dequeue_wait(NULL, '{search}', timeout => '50 ms');
SELECT count(researcharr.job_type_pause(name)) FROM researcharr.job_type_policies;
CALL researcharr.job_dequeue_wait(NULL, timeout => '50 ms');
DELETE FROM researcharr.job_types;

-- where it may not be called
BEGIN;
CALL researcharr.job_dequeue_wait(NULL);
ROLLBACK;
\set VERBOSITY sqlstate
BEGIN;
CALL researcharr.job_dequeue_wait(NULL);
ROLLBACK;
\set VERBOSITY default
SELECT 1 AS one\; CALL researcharr.job_dequeue_wait(NULL);
\set VERBOSITY terse
CREATE FUNCTION pg_temp.wait() RETURNS jsonb LANGUAGE plpgsql AS
$$ DECLARE j jsonb; BEGIN CALL researcharr.job_dequeue_wait(j); RETURN j; END $$;
SELECT pg_temp.wait();
DO $$ DECLARE j jsonb; BEGIN CALL researcharr.job_dequeue_wait(j); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
CREATE PROCEDURE pg_temp.wait_set(INOUT j jsonb) LANGUAGE plpgsql SET search_path = pg_catalog AS
$$ BEGIN CALL researcharr.job_dequeue_wait(j); END $$;
CALL pg_temp.wait_set(NULL);
\set VERBOSITY default
SET default_transaction_read_only = on;
CALL researcharr.job_dequeue_wait(NULL);
RESET default_transaction_read_only;
-- also where that comes with the transaction that it begins itself
DO $$ DECLARE j jsonb; BEGIN
	PERFORM set_config('default_transaction_read_only', 'on', false);
	CALL researcharr.job_dequeue_wait(j);
END $$;
RESET default_transaction_read_only;
CREATE ROLE rarr_nobody;
GRANT USAGE ON SCHEMA researcharr TO rarr_nobody;
SET ROLE rarr_nobody;
CALL researcharr.job_dequeue_wait(NULL);
RESET ROLE;
REVOKE USAGE ON SCHEMA researcharr FROM rarr_nobody;
DROP ROLE rarr_nobody;

UPDATE researcharr.processing_jobs SET metadata = jsonb_build_object('w', repeat('w', 10000))
 WHERE id = '01900000-0000-7000-8000-100000000007';
-- where it may: in a procedure or DO block, also one with an open cursor; what
-- these did before is committed
DO $$ DECLARE j jsonb; t text[] = '{search}'; n int;
BEGIN
	INSERT INTO researcharr.media (title, type) VALUES ('Another', 'movie');
	FOR n IN SELECT generate_series(1, 3) LOOP
		CALL researcharr.job_dequeue_wait(j, t, worker => repeat('w', 255), timeout => '10 ms');
		RAISE WARNING '% % %', n, pg_temp.ids(j), length(j->0->'metadata'->>'w');
	END LOOP;
	RAISE division_by_zero;
END $$;
SELECT count(*) FROM researcharr.media WHERE title = 'Another';
SELECT worker = repeat('w', 255) AS committed FROM researcharr.processing_jobs WHERE id = '01900000-0000-7000-8000-100000000007';

-- the session's isolation level is not its own
SET default_transaction_isolation = 'serializable';
SELECT pg_temp.add(8, due => '50 ms');
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs');
DO $$ DECLARE j jsonb; BEGIN
	CALL researcharr.job_dequeue_wait(j, timeout => '0');
	RAISE WARNING '%', current_setting('transaction_isolation');
END $$;
RESET default_transaction_isolation;

-- a timeout counts the sleep, and leaves nothing behind
SET statement_timeout = '50ms';
CALL researcharr.job_dequeue_wait(NULL);
RESET statement_timeout;
SELECT pg_temp.add(9);
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs');

-- users' columns and triggers
ALTER TABLE researcharr.processing_jobs ADD COLUMN mine text DEFAULT 'kept';
SELECT pg_temp.add(10);
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT :'jobs'::jsonb->0->>'mine' AS mine;
-- ... of all kinds, and metadata of all shapes: the same as in a row
ALTER TABLE researcharr.processing_jobs ADD COLUMN numbers int[] DEFAULT '{1,NULL}', ADD COLUMN number float8 DEFAULT 'NaN',
	ADD COLUMN at timestamp DEFAULT 'infinity', ADD COLUMN flag boolean DEFAULT true, ADD COLUMN document json DEFAULT '{"b": [1], "a": {}}',
	ADD COLUMN part researcharr.job_types, ADD COLUMN scalar jsonb DEFAULT '"s"', ADD COLUMN list jsonb DEFAULT '[[], null, 1.50]';
SELECT pg_temp.add(20), pg_temp.add(21), pg_temp.add(22);
UPDATE researcharr.processing_jobs SET metadata = '{"a": {"b": [1, {"c": null}, "\u00e9\"\\"]}, "z": 1e3, "": true}', part.name = 'p',
	unique_key = E'\'"\\\n\u00e9' WHERE id::text ~ '-100000000020$';
CALL researcharr.job_dequeue_wait(NULL, max_jobs => 3, worker => E'\t') \gset
SELECT pg_temp.ids(:'jobs'), bool_and(j = to_jsonb(p)) AS same
FROM jsonb_array_elements(:'jobs') j JOIN researcharr.processing_jobs p ON p.id = (j->>'id')::uuid;
ALTER TABLE researcharr.processing_jobs DROP COLUMN numbers, DROP COLUMN number, DROP COLUMN at, DROP COLUMN flag,
	DROP COLUMN document, DROP COLUMN part, DROP COLUMN scalar, DROP COLUMN list;
-- ... however deeply nested
INSERT INTO researcharr.processing_jobs (media_id, job_type, metadata)
SELECT '01900000-0000-7000-8000-000000000001', 'search', ('{"x": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb;
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT :'jobs'::jsonb->0->'metadata' = ('{"x": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb AS same;
ALTER TABLE researcharr.processing_jobs DROP COLUMN mine;
SELECT pg_temp.add(11);
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs'), :'jobs'::jsonb->0 ? 'mine' AS mine;
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
SELECT pg_temp.add(12);
CALL researcharr.job_dequeue_wait(NULL, timeout => '50 ms');
DROP TRIGGER keep ON researcharr.processing_jobs;
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT pg_temp.ids(:'jobs');

-- the claim is of the time after the sleep
CREATE FUNCTION pg_temp.stamp() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN new.metadata = jsonb_build_object(''at'', now()); RETURN new; END';
CREATE TRIGGER stamp BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.stamp();
SELECT pg_temp.add(13, due => '100 ms');
CALL researcharr.job_dequeue_wait(NULL) \gset
SELECT (:'jobs'::jsonb->0->'metadata'->>'at')::timestamptz > (:'jobs'::jsonb->0->>'available_at')::timestamptz AS now;
DROP TRIGGER stamp ON researcharr.processing_jobs;

SHOW researcharr.poll_interval;
\set VERBOSITY sqlstate
SET researcharr.poll_interval = '9 ms';
SET researcharr.poll_interval = '2 h';
\set VERBOSITY default
RESET researcharr.poll_interval;
TRUNCATE researcharr.media CASCADE;
