-- What goes on record is bounded, never fails the statement that it is about,
-- and does not depend on the session's settings.
CREATE TEMP TABLE seen AS SELECT id FROM researcharr.audit_log;
CREATE FUNCTION pg_temp.changes(OUT action text, OUT changes jsonb)
RETURNS SETOF record LANGUAGE SQL AS $$
	WITH news AS (
		INSERT INTO pg_temp.seen SELECT a.id FROM researcharr.audit_log a
		WHERE a.id NOT IN (SELECT s.id FROM pg_temp.seen s)
		RETURNING id)
	SELECT a.action, a.changes - ARRAY['id', 'created_at'] FROM researcharr.audit_log a JOIN news ON news.id = a.id ORDER BY a.id
$$;
-- a value: its first characters, and how many bytes it has as text
CREATE FUNCTION pg_temp.excerpt(jsonb) RETURNS text LANGUAGE SQL AS $$
	SELECT CASE WHEN length($1 #>> '{}') > 60 THEN left($1 #>> '{}', 10) || '… ' || octet_length($1 #>> '{}') ELSE $1 #>> '{}' END
$$;

-- A long text loses its end, between two characters; of a large value of
-- another type only its size is there.
BEGIN;
ALTER TABLE researcharr.media ADD t text, ADD v varchar, ADD j jsonb, ADD a int[], ADD y bytea;
INSERT INTO researcharr.media (title, type, t, v, j, a, y) VALUES ('Large', 'movie', repeat('é', 600000), 'short',
	to_jsonb(repeat('x', 5000000)), array_fill(1, ARRAY[300000]), convert_to(repeat('y', 1000000), 'UTF8'));
UPDATE researcharr.media SET t = 'short', v = repeat('v', 1048577), j = '1', a = '{}', y = '';
UPDATE researcharr.media SET v = repeat('v', 1048576);
SELECT action, c.key, pg_temp.excerpt(c.value->'old') AS old, pg_temp.excerpt(c.value->'new') AS new, c.value->'truncated' AS truncated
FROM pg_temp.changes() n, jsonb_each(n.changes) c WHERE c.key IN ('t', 'v', 'j', 'a', 'y') ORDER BY 1, 2;
ROLLBACK;
-- so does a row with many of them
BEGIN;
DO $$
BEGIN
	FOR n IN 1 .. 30 LOOP
		EXECUTE format('ALTER TABLE researcharr.media ADD t%s text', n);
		EXECUTE format('ALTER TABLE researcharr.media ALTER t%s SET DEFAULT repeat(''t'', 1000000)', n);
	END LOOP;
END
$$;
SELECT count(*) FROM pg_temp.changes();
INSERT INTO researcharr.media (title, type) VALUES ('Many', 'movie');
SELECT octet_length(changes::text) < 17000000 AS bounded, count(*) FILTER (WHERE c.value ? 'truncated') AS truncated
FROM pg_temp.changes() n, jsonb_each(n.changes) c WHERE c.key ~ '^t\d' GROUP BY 1;
ROLLBACK;
-- a job that is older than the limits of what workers write
INSERT INTO researcharr.media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000601', 'Old', 'movie');
BEGIN;
ALTER TABLE researcharr.processing_jobs DISABLE TRIGGER zz_researcharr_guard;
INSERT INTO researcharr.processing_jobs (media_id, job_type, status, attempt, worker, error_message, result, started_at, lease_expires_at, unique_key)
SELECT '01900000-0000-7000-8000-000000000601', 'search', 'running', 1, repeat('é', 2000000), repeat('e', 2000000),
	to_jsonb(repeat('r', 5000000)), now(), now(), n FROM generate_series(1, 4) n;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard;
SELECT count(*) FROM researcharr.job_dequeue('{search}', 4, worker => 'next');
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE unique_key = '1';
UPDATE researcharr.processing_jobs SET status = 'failed', completed_at = now(), lease_expires_at = NULL WHERE unique_key = '2';
UPDATE researcharr.processing_jobs SET status = 'queued', completed_at = NULL, error_message = NULL WHERE unique_key = '2';
DELETE FROM researcharr.processing_jobs;
SELECT action, status, pg_temp.excerpt(details->'worker') AS worker, right(details->>'worker', 30) AS "end", pg_temp.excerpt(details->'error') AS error
FROM researcharr.processing_history WHERE media_id = '01900000-0000-7000-8000-000000000601' ORDER BY "timestamp", action, details->>'worker';
SELECT action, pg_temp.excerpt(changes#>'{result,old}') AS result, changes#>'{result,truncated}' AS truncated,
	pg_temp.excerpt(changes#>'{error_message,old}') AS error, changes#>'{error_message,truncated}' AS truncated
FROM pg_temp.changes() WHERE action = 'delete' ORDER BY 2, 4;
ROLLBACK;
-- a long key, and one of several columns
CREATE TABLE pg_temp.keyed (a text, b text, PRIMARY KEY (a));
ALTER EXTENSION researcharr ADD TABLE pg_temp.keyed;
CREATE TRIGGER audit AFTER INSERT ON pg_temp.keyed REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('keyed', 'key', 'b', 'only', 'a');
INSERT INTO pg_temp.keyed VALUES (1, (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n));
SELECT octet_length(entity_id) <= 2000 AS bounded, right(entity_id, 29) FROM researcharr.audit_log WHERE entity_type = 'keyed';
ALTER EXTENSION researcharr DROP TABLE pg_temp.keyed;
DROP TABLE pg_temp.keyed;
SELECT count(*) FROM pg_temp.changes();

-- Values that jsonb cannot hold, and casts that fail.
BEGIN;
CREATE TYPE public.rarr_mood AS ENUM ('good', 'bad');
CREATE FUNCTION pg_temp.to_json(public.rarr_mood) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	IF $1 = 'bad' THEN
		RAISE 'no JSON today';
	END IF;
	RETURN '{"mood": "good"}';
END
$$;
CREATE CAST (public.rarr_mood AS json) WITH FUNCTION pg_temp.to_json(public.rarr_mood);
CREATE TYPE public.rarr_pair AS (a int, j json);
ALTER TABLE researcharr.media ADD j json, ADD js json[], ADD m public.rarr_mood, ADD p public.rarr_pair;
UPDATE researcharr.media SET j = '{"a": 1}', js = '{"{}"}', m = 'good', p = (1, '[2]');
UPDATE researcharr.media SET j = '{"a": "\u0000"}', js = ARRAY['"\u0000"'::json], m = 'bad', p = (1, '"\u0000"');
UPDATE researcharr.media SET j = '1e999999', m = NULL;
SELECT changes FROM pg_temp.changes();
-- an error that is not about the value fails the statement, which leaves nothing open
CREATE OR REPLACE FUNCTION pg_temp.to_json(public.rarr_mood) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	RAISE serialization_failure;
END
$$;
SAVEPOINT s;
\set VERBOSITY terse
UPDATE researcharr.media SET m = 'good';
\set VERBOSITY default
ROLLBACK TO s;
SELECT m, p FROM researcharr.media;
ROLLBACK;
SELECT count(*) FROM pg_temp.changes();

-- Settings have no say.
CREATE TABLE public.rarr_object (n int);
CREATE TEMP TABLE "Rarr Object" (n int);
BEGIN;
ALTER TABLE researcharr.media ADD f float8, ADD i interval, ADD y bytea, ADD m money, ADD c regclass, ADD d regclass,
	ADD o regoperator, ADD p regprocedure, ADD r tstzrange, ADD t timestamptz[];
CREATE FUNCTION pg_temp.change_all() RETURNS void LANGUAGE sql AS $$
	UPDATE researcharr.media SET f = NULL, i = NULL, y = NULL, m = NULL, c = NULL, d = NULL, o = NULL, p = NULL, r = NULL, t = NULL;
	UPDATE researcharr.media SET f = 0.1::float8 + 0.2, i = '1 day 2 hours', y = '\x00ff', m = 12345.67::numeric,
		c = 'public.rarr_object', d = 'pg_class', o = '=(int,int)', p = 'researcharr.uuid_v7()',
		r = tstzrange('2026-01-01 00:00+00', '2026-02-01 00:00+00'), t = ARRAY['2026-01-01 00:00+00'::timestamptz];
$$;
SELECT pg_temp.change_all();
SET LOCAL search_path = public, researcharr;
SET LOCAL quote_all_identifiers = on;
SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL extra_float_digits = -10;
SET LOCAL bytea_output = 'escape';
SELECT pg_temp.change_all();
SHOW search_path;
RESET search_path;
RESET quote_all_identifiers;
SELECT count(DISTINCT changes), min(changes::text) FROM pg_temp.changes() WHERE changes->'f'->>'old' IS NULL;
ROLLBACK;
DROP TABLE public.rarr_object;

-- Who did it: the session's user, the role whose rights applied, and the
-- application's user, where it said so.
CREATE ROLE regress_rarr_operator;
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_operator;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_rarr_operator;
GRANT SELECT, UPDATE, DELETE ON researcharr.media TO regress_rarr_operator;
CREATE FUNCTION public.rarr_cancel(uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
RETURN researcharr.job_cancel($1);
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000601', 'search', unique_key => 'who') AS job \gset
SELECT count(*) FROM pg_temp.changes();
CREATE FUNCTION pg_temp.who(OUT action text, OUT session_user_ text, OUT role text, OUT user_id text)
RETURNS SETOF record LANGUAGE sql SECURITY DEFINER AS $$
	SELECT h.action, CASE h.details#>>'{by,session_user}' WHEN session_user THEN 'owner' ELSE h.details#>>'{by,session_user}' END,
		CASE h.details#>>'{by,role}' WHEN session_user THEN 'owner' ELSE h.details#>>'{by,role}' END, h.details#>>'{by,user_id}'
	FROM researcharr.processing_history h WHERE h.job_id = (SELECT job_id FROM researcharr.processing_history
		WHERE media_id = '01900000-0000-7000-8000-000000000601' ORDER BY id DESC LIMIT 1) ORDER BY h.id
$$;
SELECT researcharr.job_cancel(:'job');
SET ROLE regress_rarr_operator;
SET researcharr.user_id = 'ann';
SELECT researcharr.job_retry(:'job');
SELECT public.rarr_cancel(:'job');
RESET researcharr.user_id;
SELECT researcharr.job_retry(:'job');
SELECT researcharr.job_release(id, attempt) FROM researcharr.job_dequeue('{search}', worker => 'w');
SELECT count(*) FROM researcharr.job_dequeue('{search}', worker => 'w') j, researcharr.job_fail(j.id, j.attempt, 'broken', '0');
SELECT researcharr.job_mark_as_completed(:'job');
UPDATE researcharr.media SET status = 'failed';
SET researcharr.user_id = 'bob';
-- a cascade is the role's work, though the server runs it as the table's owner
DELETE FROM researcharr.media;
RESET ROLE;
SELECT * FROM pg_temp.who();
SELECT entity_type, action, database_user = session_user AS own_session,
	CASE acting_role WHEN session_user THEN 'owner' ELSE acting_role END AS role, user_id
FROM researcharr.audit_log WHERE entity_id IN ('01900000-0000-7000-8000-000000000601', :'job') ORDER BY entity_type DESC, id;
RESET researcharr.user_id;
DROP FUNCTION public.rarr_cancel(uuid);
DROP OWNED BY regress_rarr_operator;
DROP ROLE regress_rarr_operator;
