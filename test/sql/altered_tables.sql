-- An owner can alter the extension's tables.  What C takes from them is checked
-- where it is opened: 55000 and a HINT, never a value taken for what it is not.
SET search_path = researcharr;
SET client_min_messages = warning;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media WHERE title = 'film' \gset

--
-- policies that their CHECKs would refuse
--
BEGIN;
DO $$
DECLARE c text;
BEGIN
    FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'job_types'::regclass AND contype IN ('c', 'p') LOOP
        EXECUTE format('ALTER TABLE job_types DROP CONSTRAINT %I', c);
    END LOOP;
END $$;
CREATE FUNCTION pg_temp.try(assignment text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE format('INSERT INTO researcharr.job_types (name) VALUES (''odd''); UPDATE researcharr.job_types SET %s WHERE name = ''odd''', assignment);
    PERFORM FROM researcharr.job_dequeue(ARRAY(SELECT name FROM researcharr.job_types));
    RETURN 'fits';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN sqlstate || ' ' || sqlerrm || CASE WHEN hint = '' THEN ', without a hint' ELSE '' END;
END $$;
SELECT a, pg_temp.try(a) FROM unnest(ARRAY['rate_limit = 5', 'rate_limit = -1, rate_interval = ''1 s''', 'rate_limit = 1, rate_interval = ''-1 s''',
    'weight = 0', 'weight = 1001', 'weight = 1000', 'priority = 101', 'priority = -1', 'max_retries = -1', 'lease = ''0''', 'lease = ''100000 years''',
    'backoff = ''none''', 'backoff_base = ''-1 s''', 'backoff_cap = ''-1 s''', 'jitter = ''NaN''', 'jitter = 2', 'max_running = -1', 'max_runtime = ''-1 s''',
    'name = repeat(''x'', 401)', 'name = repeat(''x'', 400)', 'rate_limit = NULL', 'rate_interval = ''1 s''']) AS a;
-- such a policy stops the calls that name its type, and no others; a warning is given once
DELETE FROM job_types;
INSERT INTO job_types (name, max_running) VALUES ('odd', 4);
SELECT count(job_enqueue(:'film', 'odd')) FROM generate_series(1, 5);
SELECT job_enqueue(:'film', 'search') IS NOT NULL AS enqueued;
CREATE TEMP TABLE taken AS SELECT id, attempt, row_number() OVER (ORDER BY id) AS n FROM job_dequeue('{odd}', 4);
UPDATE job_types SET weight = 0 WHERE name = 'odd';
SELECT job_type FROM job_dequeue(NULL, 10);
SELECT job_type FROM job_dequeue(NULL, 10);
SELECT job_next_due() > clock_timestamp() AS later;
SAVEPOINT s;
SELECT FROM job_dequeue('{search,odd}');
ROLLBACK TO s;
SELECT job_enqueue(:'film', 'odd');
ROLLBACK TO s;
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'odd');
ROLLBACK TO s;
SELECT job_type_pause('odd');
ROLLBACK TO s;
-- the jobs that it has are handled as those of a type that was dropped
SELECT job_heartbeat(id, attempt) > clock_timestamp() + '4 minutes' AS renewed FROM taken WHERE n = 1;
SELECT status, available_at > clock_timestamp() + '20 s' AS delayed FROM taken t, job_fail(t.id, t.attempt, 'no luck') WHERE n = 1;
SELECT job_release(id, attempt) FROM taken WHERE n = 2;
SELECT job_complete(id, attempt) FROM taken WHERE n = 3;
SELECT job_cancel(id), job_retry(id) FROM taken WHERE n = 4;
-- a NULL where none should be
ALTER TABLE job_types ALTER weight DROP NOT NULL, ALTER lease DROP NOT NULL, ALTER name DROP NOT NULL;
UPDATE job_types SET weight = NULL WHERE name = 'odd';
INSERT INTO job_types (name, lease) VALUES ('odder', NULL), (NULL, '1 s');
SELECT FROM job_dequeue();
SELECT FROM job_dequeue();
SAVEPOINT s;
SELECT FROM job_dequeue('{odder}');
ROLLBACK TO s;
-- a name that is there twice is one type
INSERT INTO job_types (name) VALUES ('twice'), ('twice');
SELECT job_enqueue(:'film', 'twice') IS NOT NULL AS enqueued;
SELECT job_type FROM job_dequeue(NULL, 10);
-- a policy that is corrected holds at once
DELETE FROM job_types WHERE name IS DISTINCT FROM 'odd';
UPDATE job_types SET weight = 1, max_running = 2;
SELECT job_type FROM job_dequeue(NULL, 10);
ROLLBACK;
-- columns of users' come and go; ours stay
BEGIN;
ALTER TABLE job_types ADD mine int DEFAULT 7, ADD yours text;
ALTER TABLE job_types DROP mine;
SELECT name, weight, yours FROM job_type_register('theirs', weight => 3);
SELECT (job_type_register('theirs', weight => 4)).weight;
CREATE TEMP TABLE kept AS SELECT job_type_register('theirs', weight => 5) AS policy;
SELECT pg_typeof(policy), (policy).weight FROM kept;
SELECT name, weight FROM job_type_policies ORDER BY name;
SELECT name, weight, yours FROM job_type_builtin();
ALTER TABLE job_types RENAME weight TO heft;
SELECT name FROM job_type_builtin();
ROLLBACK;

--
-- jobs that their constraints would refuse
--
CREATE FUNCTION pg_temp.state(sql text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN EXECUTE sql; RETURN 'ok'; EXCEPTION WHEN OTHERS THEN RETURN sqlstate; END $$;
BEGIN;
ALTER TABLE processing_jobs ALTER status DROP NOT NULL;
INSERT INTO processing_jobs (media_id, job_type, status) VALUES (:'film', 'search', NULL);
SAVEPOINT s;
SELECT count(*) FROM job_stats();
ROLLBACK TO s;
DELETE FROM processing_jobs;
ALTER TABLE processing_jobs ALTER status SET NOT NULL;
DO $$
DECLARE c text;
BEGIN
    FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'processing_jobs'::regclass AND contype = 'c' LOOP
        EXECUTE format('ALTER TABLE processing_jobs DROP CONSTRAINT %I', c);
    END LOOP;
END $$;
INSERT INTO processing_jobs (id, media_id, job_type, status) VALUES ('01900000-0000-7000-8000-00000000000a', :'film', 'search', 'odd');
SAVEPOINT s;
-- with the library preloaded, neither looks at the job
SELECT pg_temp.state('SELECT FROM researcharr.job_dequeue()') IN ('ok', '55000') AS fits;
SELECT pg_temp.state('SELECT FROM researcharr.job_stats()') IN ('ok', '55000') AS fits;
SELECT job_cancel('01900000-0000-7000-8000-00000000000a');
ROLLBACK TO s;
UPDATE processing_jobs SET status = 'queued', priority = 1000000, retry_count = -5, max_retries = 3;
SELECT attempt, priority FROM job_dequeue();
UPDATE processing_jobs SET priority = 100;
SELECT attempt, priority FROM job_dequeue();
SELECT status, retry_count FROM job_fail('01900000-0000-7000-8000-00000000000a', 1, 'e');
ALTER TABLE processing_jobs ALTER created_at DROP NOT NULL;
UPDATE processing_jobs SET created_at = NULL, priority = 1;
SELECT job_type, status, jobs, oldest FROM job_stats();
ROLLBACK;

--
-- columns of other entities
--
BEGIN;
SAVEPOINT s;
ALTER TABLE media ALTER id DROP DEFAULT, DROP CONSTRAINT media_pkey CASCADE;
ALTER TABLE media ALTER id DROP NOT NULL;
INSERT INTO media (id, title, type) VALUES (NULL, 'nobody', 'movie');
SELECT title FROM media_get_all();
ROLLBACK TO s;
ALTER TABLE configuration RENAME value_type TO kind;
SELECT config_get('x');
ROLLBACK TO s;
ALTER TABLE processing_jobs DROP CONSTRAINT processing_jobs_metadata_check, ALTER metadata DROP DEFAULT, ALTER metadata TYPE text;
SELECT job_create(jsonb_build_object('media_id', :'film', 'job_type', 'search', 'metadata', 'x'));
ROLLBACK;

--
-- indexes: the name says nothing, what is in them does
--
INSERT INTO processing_jobs (id, media_id, job_type, priority) VALUES ('01900000-0000-7000-8000-00000000000a', :'film', 'search', 1);
CREATE FUNCTION pg_temp.with_index(ddl text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    DROP INDEX researcharr.processing_jobs_take_idx;
    EXECUTE ddl;
    SELECT string_agg(right(id::text, 1), '') INTO result FROM researcharr.job_dequeue();
    RAISE EXCEPTION '% due: %', result, researcharr.job_next_due() IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;
CREATE TABLE public.other AS SELECT n, 'search' AS job_type, id, available_at FROM processing_jobs, generate_series(1, 100) AS n;
SELECT ddl, pg_temp.with_index(ddl) FROM unnest(ARRAY[
    -- any name will do
    'CREATE INDEX mine ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) WHERE completed_at IS NULL',
    'CREATE INDEX mine ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) INCLUDE (worker) WHERE (completed_at IS NULL)',
    -- another table's
    'CREATE INDEX processing_jobs_take_idx ON public.other (job_type, n DESC, available_at, id)',
    -- other rows
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id)',
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) WHERE started_at IS NULL',
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) WHERE completed_at IS NULL AND priority > 1',
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) WHERE completed_at IS NOT NULL',
    -- another order
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type text_pattern_ops, priority DESC, available_at, id) WHERE completed_at IS NULL',
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at DESC, id) WHERE completed_at IS NULL',
    -- expressions
    'CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (lower(job_type), priority DESC, available_at, id) WHERE completed_at IS NULL',
    'SELECT 1']) AS ddl;
BEGIN;
-- unique keys need an index that is unique
SAVEPOINT s;
DROP INDEX processing_jobs_unique_key_idx;
CREATE INDEX processing_jobs_unique_key_idx ON processing_jobs (job_type, unique_key) WHERE completed_at IS NULL AND unique_key IS NOT NULL;
SELECT job_enqueue(:'film', 'search', unique_key => 'k');
ROLLBACK TO s;
DROP INDEX processing_jobs_unique_key_idx;
CREATE UNIQUE INDEX processing_jobs_unique_key_idx ON processing_jobs (job_type, unique_key) WHERE completed_at IS NULL;
SELECT job_enqueue(:'film', 'search', unique_key => 'k');
ROLLBACK TO s;
DROP INDEX processing_jobs_unique_key_idx;
CREATE UNIQUE INDEX mine ON processing_jobs (job_type, unique_key) WHERE unique_key IS NOT NULL AND completed_at IS NULL;
SELECT job_enqueue(:'film', 'search', unique_key => 'k') = job_enqueue(:'film', 'search', unique_key => 'k') AS same;
ROLLBACK TO s;
-- media, by any unique index on id
ALTER TABLE media ADD CONSTRAINT another_key UNIQUE (id);
ALTER TABLE media DROP CONSTRAINT media_pkey CASCADE;
SELECT count(job_enqueue(:'film', 'search'));
ROLLBACK TO s;
SELECT job_enqueue('01900000-0000-7000-8000-0000000000ff', 'search');
ROLLBACK;
DROP TABLE public.other;

--
-- triggers and constraints that anybody with the table can make
--
BEGIN;
-- what looks like a foreign key's, and is none: the server says so, as it does for DML
CREATE CONSTRAINT TRIGGER odd AFTER INSERT ON processing_jobs FROM media FOR EACH ROW EXECUTE FUNCTION "RI_FKey_check_ins"();
SAVEPOINT s;
CREATE FUNCTION pg_temp.error(sql text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN EXECUTE sql; RETURN 'none'; EXCEPTION WHEN OTHERS THEN RETURN regexp_replace(sqlerrm, '\d+', 'N'); END $$;
SELECT e <> 'none' AS fails, e = pg_temp.error(format('INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES (%L, ''search'')', :'film')) AS same
  FROM pg_temp.error(format('SELECT researcharr.job_enqueue(%L, ''search'')', :'film')) AS e;
ROLLBACK TO s;
DROP TRIGGER odd ON processing_jobs;
CREATE TRIGGER odd BEFORE UPDATE ON processing_jobs FOR EACH STATEMENT EXECUTE FUNCTION processing_jobs_guard();
SAVEPOINT s;
UPDATE processing_jobs SET priority = 5, status = 'failed';
ROLLBACK TO s;
DROP TRIGGER odd ON processing_jobs;
-- media_id as a reference to another column than the one that is looked up
ALTER TABLE media ADD twin uuid UNIQUE;
ALTER TABLE processing_jobs ADD CONSTRAINT odd FOREIGN KEY (media_id) REFERENCES media (twin) NOT VALID;
\set VERBOSITY terse
SELECT job_enqueue(:'film', 'search');
\set VERBOSITY default
ROLLBACK;

--
-- generated columns change with the columns that they are computed from
--
ALTER TABLE processing_jobs ADD doubled int GENERATED ALWAYS AS (attempt * 2) STORED,
    ADD ended boolean GENERATED ALWAYS AS (completed_at IS NOT NULL) STORED;
CREATE FUNCTION pg_temp.life() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job researcharr.processing_jobs;
    states text := '';
BEGIN
    job.id := (SELECT id FROM researcharr.processing_jobs);
    SELECT * INTO job FROM researcharr.job_dequeue();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'passed over: attempt %', (SELECT attempt FROM researcharr.processing_jobs);
    END IF;
    states := states || format('%s %s, ', job.doubled, job.ended);
    SELECT * INTO job FROM researcharr.job_fail(job.id, job.attempt, 'e', '0');
    states := states || format('%s %s, ', job.doubled, job.ended);
    SELECT * INTO job FROM researcharr.job_dequeue();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'passed over: attempt %', (SELECT attempt FROM researcharr.processing_jobs);
    END IF;
    PERFORM researcharr.job_complete(job.id, job.attempt);
    SELECT * INTO job FROM researcharr.processing_jobs;
    states := states || format('%s %s', job.doubled, job.ended);
    RAISE EXCEPTION '%', states;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT pg_temp.life();
-- a claim passes over a job that they refuse, and leaves it as it is
ALTER TABLE processing_jobs ADD CONSTRAINT odd CHECK (doubled < 2);
SELECT pg_temp.life();
ALTER TABLE processing_jobs DROP CONSTRAINT odd, ADD CONSTRAINT odd CHECK (NOT ended);
SELECT pg_temp.life();
-- one that looks at the whole row
ALTER TABLE processing_jobs DROP CONSTRAINT odd, ADD CONSTRAINT odd CHECK (to_jsonb(processing_jobs)->>'ended' = 'false');
SELECT pg_temp.life();
ALTER TABLE processing_jobs DROP CONSTRAINT odd;
-- foreign keys of them, and to them
CREATE TABLE public.numbers (n int PRIMARY KEY);
INSERT INTO public.numbers VALUES (0), (2);
ALTER TABLE processing_jobs ADD CONSTRAINT odd FOREIGN KEY (doubled) REFERENCES public.numbers;
SELECT pg_temp.life();
INSERT INTO public.numbers VALUES (4);
SELECT pg_temp.life();
ALTER TABLE processing_jobs DROP CONSTRAINT odd, ADD CONSTRAINT odd UNIQUE (doubled);
CREATE TABLE public.attempts (doubled int REFERENCES processing_jobs (doubled));
INSERT INTO public.attempts VALUES (0);
SELECT pg_temp.life();
DELETE FROM public.attempts;
SELECT pg_temp.life();
-- indexes of them
INSERT INTO processing_jobs (media_id, job_type, available_at, attempt) VALUES (:'film', 'search', now() + '1 day', 1);
SELECT pg_temp.state('SELECT FROM researcharr.job_dequeue()');
SELECT attempt FROM processing_jobs ORDER BY available_at;
DELETE FROM processing_jobs WHERE available_at > now();
DROP TABLE public.attempts;
ALTER TABLE processing_jobs DROP CONSTRAINT odd, ADD CONSTRAINT odd EXCLUDE (doubled WITH =) WHERE (NOT ended);
INSERT INTO processing_jobs (media_id, job_type, available_at, attempt) VALUES (:'film', 'search', now() + '1 day', 1);
SELECT pg_temp.state('SELECT FROM researcharr.job_dequeue()');
SELECT attempt FROM processing_jobs ORDER BY available_at;
DELETE FROM processing_jobs WHERE available_at > now();
ALTER TABLE processing_jobs DROP CONSTRAINT odd;
-- triggers of them
CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING '% % -> %', TG_NAME, OLD.doubled, NEW.doubled; RETURN NEW; END $$;
CREATE TRIGGER tell AFTER UPDATE OF doubled ON processing_jobs FOR EACH ROW EXECUTE FUNCTION public.tell();
SELECT pg_temp.life();
DROP FUNCTION public.tell() CASCADE;
ALTER TABLE processing_jobs DROP doubled, DROP ended;
DROP TABLE public.numbers;

--
-- what a session keeps for partitions does not grow with those that are gone
--
CREATE FUNCTION pg_temp.kept() RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'researcharr table' $$;
CREATE PROCEDURE pg_temp.use_partitions(drops boolean) LANGUAGE plpgsql AS $$
DECLARE
    start uuid;
BEGIN
    FOR i IN 1..20 LOOP
        start := overlay(overlay(researcharr.uuid_v7()::text placing '7000' from 15) placing '8000-000000000000' from 20);
        EXECUTE format('ALTER TABLE researcharr.audit_log DETACH PARTITION researcharr.audit_log_default');
        EXECUTE format('CREATE TABLE researcharr.part%s PARTITION OF researcharr.audit_log FOR VALUES FROM (%L) TO (%L)',
            i, start, overlay(start::text placing 'f' from 1 for 1));
        UPDATE researcharr.media SET status = 'failed' WHERE title = 'film';
        UPDATE researcharr.media SET status = 'pending' WHERE title = 'film';
        IF drops THEN
            EXECUTE format('DROP TABLE researcharr.part%s', i);
        ELSE
            EXECUTE format('ALTER TABLE researcharr.audit_log DETACH PARTITION researcharr.part%s', i);
        END IF;
        EXECUTE format('ALTER TABLE researcharr.audit_log ATTACH PARTITION researcharr.audit_log_default DEFAULT');
        COMMIT;
    END LOOP;
END $$;
SELECT pg_temp.kept() AS before \gset
CALL pg_temp.use_partitions(true);
SELECT pg_temp.kept() - :before <= 1 AS few;
CALL pg_temp.use_partitions(false);
SELECT pg_temp.kept() - :before <= 4 AS few;
SELECT string_agg(format('part%s', n), ', ') AS parts FROM generate_series(1, 20) AS n \gset
DROP TABLE :parts;
DELETE FROM processing_jobs;
DELETE FROM media WHERE title = 'film';
