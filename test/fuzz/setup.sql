-- setup.sql: a database for the fuzzer and for sqlsmith.
--
-- The extension, rows in every table, job types with limits, roles with few and
-- many rights, and what users might have beside it.  Run it from the directory
-- of the tests.  psql variables: wrappers, to have a plain function for each
-- function that returns rows, since sqlsmith calls no others.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
CREATE EXTENSION amcheck;
\i data/fill.sql
-- those have attempts that are not on record
DELETE FROM researcharr.processing_jobs;

INSERT INTO researcharr.media (title, type, external_id)
SELECT 'movie ' || n, 'movie', 'm' || n FROM generate_series(1, 40) n;
INSERT INTO researcharr.movies (media_id, year, tmdb_id)
SELECT id, 1950 + row_number() OVER (), 1000 + row_number() OVER () FROM researcharr.media WHERE external_id LIKE 'm%';
SELECT count(*) FROM researcharr.media_import_sonarr(
	(SELECT jsonb_agg(jsonb_build_object('id', n, 'title', 'series ' || n, 'tvdbId', 5000 + n)) FROM generate_series(1, 5) n),
	(SELECT jsonb_agg(jsonb_build_object('id', n, 'title', 'episode ' || n, 'seriesId', 1 + n % 5, 'seasonNumber', 1,
		'episodeNumber', n, 'tvdbId', 7000 + n)) FROM generate_series(1, 30) n)) \g /dev/null

SELECT researcharr.job_type_register('narrow', max_running => 3, max_retries => 1, lease => '1 second'),
	researcharr.job_type_register('rated', rate_limit => 50, rate_interval => '1 second', lease => '2 seconds',
		backoff => 'fixed', backoff_base => '0', weight => 7),
	researcharr.job_type_register('short', lease => '100 ms', max_retries => 2, backoff => 'linear',
		backoff_base => '10 ms', jitter => 1, weight => 3),
	researcharr.job_type_register('heavy', weight => 50, max_runtime => '2 seconds') \g /dev/null
SELECT researcharr.job_enqueue(m.id, t, priority => (random() * 100)::int)
FROM researcharr.media m, unnest('{search,download,verify,narrow,rated,short,heavy}'::text[]) t
WHERE random() < 0.5 \g /dev/null

DO $$
BEGIN
	CREATE ROLE fuzz_nobody;
	CREATE ROLE fuzz_app;
	CREATE ROLE fuzz_worker;
EXCEPTION WHEN duplicate_object THEN
	NULL;
END $$;
ALTER ROLE fuzz_app LOGIN;
GRANT USAGE ON SCHEMA researcharr TO fuzz_app, fuzz_worker, fuzz_nobody;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA researcharr TO fuzz_app;
GRANT ALL ON ALL PROCEDURES IN SCHEMA researcharr TO fuzz_app, fuzz_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA researcharr TO fuzz_app;
GRANT EXECUTE ON FUNCTION researcharr.job_dequeue, researcharr.job_complete, researcharr.job_fail,
	researcharr.job_heartbeat, researcharr.job_release TO fuzz_worker;

-- what users have beside it
CREATE SCHEMA fuzz;
GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
CREATE TABLE fuzz.sink (line text);
CREATE TABLE fuzz.marks (mark bigint);
GRANT ALL ON fuzz.sink, fuzz.marks TO PUBLIC;
CREATE TYPE fuzz.pair AS (a int, b text);
CREATE DOMAIN fuzz.small AS int CHECK (VALUE IS NULL OR VALUE < 1000);

-- functions of triggers and constraints; errors of many classes
CREATE FUNCTION fuzz.complain() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	code text := (ARRAY['22000', '23514', '40001', '40P01', '42501', '53200', '54001', '55000', '57014', '58030', 'P0001', 'RA001'])
		[1 + (random() * 11)::int];
BEGIN
	IF random() < 0.2 THEN
		RAISE 'fuzz' USING ERRCODE = code;
	END IF;
END $$;
CREATE FUNCTION fuzz.pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION fuzz.raise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM fuzz.complain();
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION fuzz.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF to_jsonb(NEW) ? 'metadata' THEN
		NEW.metadata := '{"touched": true}';
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION fuzz.skip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF random() < 0.3 THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION fuzz.call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 3 THEN
		PERFORM researcharr.job_dequeue(max_jobs => 2);
		PERFORM researcharr.job_next_due();
		PERFORM researcharr.config_set('fuzz.' || (random() * 5)::int, '1', 'int');
		PERFORM researcharr.media_get_all('{}', 1);
	END IF;
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION fuzz.holds(x int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM fuzz.complain();
	RETURN true;
END $$;

SELECT :'wrappers' = 'yes' AS wrappers \gset
\if :wrappers
DO $do$
DECLARE
	f record;
	parameters text;
	arguments text;
BEGIN
	FOR f IN SELECT p.* FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype
		WHERE pronamespace = 'researcharr'::regnamespace AND prokind = 'f' AND (proretset OR typtype = 'c')
	LOOP
		SELECT string_agg(format_type(type, NULL), ', ' ORDER BY n), string_agg('$' || n, ', ' ORDER BY n)
		INTO parameters, arguments FROM unnest(f.proargtypes) WITH ORDINALITY AS a (type, n);
		EXECUTE format('CREATE FUNCTION fuzz.rows_of_%s(%s) RETURNS jsonb LANGUAGE sql VOLATILE AS $q$'
			' SELECT jsonb_agg(to_jsonb(x)) FROM researcharr.%I(%s) x $q$', f.proname, parameters, f.proname, arguments);
	END LOOP;
END $do$;
\endif
