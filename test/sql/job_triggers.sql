-- What users add to the jobs' table takes part in what the functions do: row
-- triggers, constraints, foreign keys, columns with defaults, indexes.
SET search_path = researcharr;
INSERT INTO media (title, type)
SELECT 'film ' || n, 'movie' FROM generate_series(1, 2) AS n;
SELECT id AS film FROM media WHERE title = 'film 1' \gset
SELECT id AS other FROM media WHERE title = 'film 2' \gset
CREATE FUNCTION pg_temp.enqueue(VARIADIC names text[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(researcharr.job_enqueue(
             (SELECT id FROM researcharr.media WHERE title = 'film 1'), 'search',
             metadata => jsonb_build_object('name', name), max_retries => 1))
      FROM unnest(names) AS name $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql AS
$$ SELECT id FROM researcharr.processing_jobs WHERE metadata->>'name' = name $$;

--
-- AFTER ROW triggers see each change, with the columns that changed
--
CREATE TABLE public.seen (n serial, what text);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen (what)
    VALUES (format('%s %s %s: %s/%s -> %s/%s', TG_NAME, TG_WHEN, TG_OP, OLD.status,
                   OLD.attempt, NEW.status, NEW.attempt));
    RETURN NEW;
END $$;
CREATE TRIGGER a_any AFTER INSERT OR UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.see();
CREATE TRIGGER b_status BEFORE UPDATE OF status ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.see();
CREATE TRIGGER c_priority BEFORE UPDATE OF priority ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.see();
CREATE TRIGGER d_ended AFTER UPDATE ON processing_jobs
    FOR EACH ROW WHEN (NEW.completed_at IS NOT NULL)
    EXECUTE FUNCTION public.see();
CREATE CONSTRAINT TRIGGER e_deferred AFTER UPDATE ON processing_jobs
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.attempt <> NEW.attempt)
    EXECUTE FUNCTION public.see();
BEGIN;
SELECT pg_temp.enqueue('a');
SELECT status, attempt FROM job_dequeue();
SELECT job_heartbeat(pg_temp.id('a'), 1) IS NOT NULL AS beats;
SELECT status FROM job_fail(pg_temp.id('a'), 1, 'no', '0');
SELECT count(*) FROM job_dequeue();
SELECT completed FROM job_complete_many(ARRAY[pg_temp.id('a')], '{2}');
COMMIT;
SELECT what FROM public.seen ORDER BY n;
-- in replica mode, only those that are for it
TRUNCATE public.seen;
ALTER TABLE processing_jobs ENABLE REPLICA TRIGGER b_status;
SELECT pg_temp.enqueue('b');
SET session_replication_role = replica;
SELECT status, attempt FROM job_dequeue();
RESET session_replication_role;
SELECT job_complete(pg_temp.id('b'), 1);
SELECT what FROM public.seen ORDER BY n;
DROP TABLE public.seen;
DROP TRIGGER a_any ON processing_jobs;
DROP TRIGGER b_status ON processing_jobs;
DROP TRIGGER c_priority ON processing_jobs;
DROP TRIGGER d_ended ON processing_jobs;
DROP TRIGGER e_deferred ON processing_jobs;
DROP FUNCTION public.see();
DELETE FROM processing_jobs;

--
-- BEFORE ROW triggers change what is written, and what is handed out
--
CREATE FUNCTION public.adjust() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.metadata := NEW.metadata || jsonb_build_object(lower(TG_OP), NEW.status);
    RETURN NEW;
END $$;
CREATE TRIGGER adjust BEFORE INSERT OR UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.adjust();
SELECT pg_temp.enqueue('a');
SELECT metadata FROM job_dequeue();
SELECT metadata FROM job_fail(pg_temp.id('a'), 1, 'no', '0');
SELECT metadata FROM processing_jobs;
DROP FUNCTION public.adjust() CASCADE;
DELETE FROM processing_jobs;

-- one that returns NULL: a claim passes over the job, all others say so
CREATE FUNCTION public.veto() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RETURN NULL; END $$;
SELECT pg_temp.enqueue('kept', 'free');
CREATE TRIGGER veto BEFORE UPDATE ON processing_jobs
    FOR EACH ROW WHEN (OLD.metadata->>'name' = 'kept')
    EXECUTE FUNCTION public.veto();
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(NULL, 10);
SELECT metadata->>'name' AS name, status, attempt FROM processing_jobs ORDER BY 1;
SELECT job_cancel(pg_temp.id('kept'));
DROP TRIGGER veto ON processing_jobs;
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(NULL, 10);
CREATE TRIGGER veto BEFORE INSERT OR UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.veto();
SELECT job_complete(pg_temp.id('kept'), 1);
SELECT * FROM job_fail(pg_temp.id('kept'), 1, 'no');
SELECT job_heartbeat(pg_temp.id('kept'), 1);
SELECT job_release(pg_temp.id('kept'), 1);
SELECT pg_temp.enqueue('new');
SELECT job_enqueue(:'film', 'search', unique_key => 'new');
-- a lapsed job is neither handed on nor buried, nor is that put on record
DROP TRIGGER veto ON processing_jobs;
UPDATE processing_jobs SET lease_expires_at = clock_timestamp(), retry_count =
       CASE metadata->>'name' WHEN 'kept' THEN 1 ELSE 0 END;
CREATE TRIGGER veto BEFORE UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.veto();
SELECT count(*) FROM job_dequeue(NULL, 10);
SELECT metadata->>'name' AS name, status, attempt, retry_count FROM processing_jobs ORDER BY 1;
SELECT count(*) FROM processing_history WHERE job_id IN (SELECT id FROM processing_jobs);
DROP FUNCTION public.veto() CASCADE;
DELETE FROM processing_jobs;

-- one that lives in the extension's schema is a user's all the same
CREATE FUNCTION researcharr.users_own() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE NOTICE '% fires', TG_NAME; RETURN NEW; END $$;
CREATE TRIGGER users_own BEFORE INSERT ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION researcharr.users_own();
SELECT pg_temp.enqueue('a');
DROP FUNCTION researcharr.users_own() CASCADE;
DELETE FROM processing_jobs;

--
-- triggers that use the queue themselves
--
CREATE FUNCTION public.follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'running' AND NEW.status = 'completed' AND NEW.priority > 0 THEN
        PERFORM researcharr.job_enqueue(NEW.media_id, 'verify', NEW.priority - 1,
                                        metadata => NEW.metadata);
        PERFORM researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{verify}');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.follow();
SELECT job_enqueue(:'film', 'search', 5) AS j \gset
SELECT job_complete(id, attempt) FROM job_dequeue();
SELECT job_type, priority, status, attempt FROM processing_jobs ORDER BY priority DESC;
DROP FUNCTION public.follow() CASCADE;
DELETE FROM processing_jobs;
-- one that claims others while it is asked for one
CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'running' AND pg_trigger_depth() = 1 THEN
        PERFORM researcharr.job_cancel(id) FROM researcharr.processing_jobs
          WHERE id = (SELECT min(id::text)::uuid FROM researcharr.processing_jobs
                       WHERE status = 'queued' AND id <> NEW.id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER steal BEFORE UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.steal();
SELECT pg_temp.enqueue('1', '2', '3', '4', '5');
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(NULL, 5);
SELECT metadata->>'name' AS name, status, attempt FROM processing_jobs ORDER BY 1;
-- one that dequeues while it is asked for one: before the claim, jobs of others
-- types
DELETE FROM processing_jobs;
CREATE TABLE public.nested (n serial, depth int, name text, taken text[]);
CREATE FUNCTION public.take_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'queued' AND NEW.status = 'running' AND pg_trigger_depth() < 4 THEN
        INSERT INTO public.nested (depth, name, taken)
        SELECT pg_trigger_depth(), NEW.metadata->>'name', array_agg(metadata->>'name')
          FROM researcharr.job_dequeue(TG_ARGV[pg_trigger_depth() - 1]::text[]);
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION pg_temp.refill() RETURNS bigint LANGUAGE sql AS $$
    DELETE FROM researcharr.processing_jobs;
    TRUNCATE public.nested;
    SELECT count(researcharr.job_enqueue((SELECT id FROM researcharr.media WHERE title = 'film 1'), t,
                                         metadata => jsonb_build_object('name', t || n)))
      FROM generate_series(1, 4) AS n, unnest('{search,verify,download}'::text[]) AS t $$;
SELECT pg_temp.refill();
DROP TRIGGER steal ON processing_jobs;
SELECT (job_type_register('scan')).name;
CREATE TRIGGER take_more BEFORE UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.take_more('{verify}', '{download}', '{scan}');
SELECT metadata->>'name' AS name, attempt FROM job_dequeue('{search}', 3);
SELECT depth, name, taken FROM public.nested ORDER BY n;
SELECT job_type, status, attempt, count(*) FROM processing_jobs GROUP BY 1, 2, 3 ORDER BY 1, 2;
-- but not the very job that is being claimed: such a job is passed over
SELECT pg_temp.refill();
DROP TRIGGER take_more ON processing_jobs;
CREATE TRIGGER take_more BEFORE UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.take_more('{search}');
\set VERBOSITY sqlstate
SELECT count(*) FROM job_dequeue('{search}');
\set VERBOSITY default
SELECT DISTINCT status, attempt FROM processing_jobs ORDER BY status;
DELETE FROM job_types WHERE name = 'scan';
-- after the claim it takes whatever is next
SELECT pg_temp.refill();
DROP TRIGGER take_more ON processing_jobs;
CREATE TRIGGER take_more AFTER UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.take_more('{search,verify,download}', '{search,verify,download}', '{search,verify,download}');
SELECT metadata->>'name' AS name, attempt FROM job_dequeue(NULL, 2);
SELECT depth, name, taken FROM public.nested ORDER BY n;
SELECT status, attempt, count(*) FROM processing_jobs GROUP BY 1, 2 ORDER BY 1;
-- and where it fails and goes on, the outer call does too
CREATE OR REPLACE FUNCTION public.take_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'running' AND pg_trigger_depth() < 3 THEN
        PERFORM FROM researcharr.job_dequeue('{verify}');
        BEGIN
            PERFORM FROM researcharr.job_dequeue('{verify,download}');
            RAISE EXCEPTION 'no';
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END IF;
    RETURN NEW;
END $$;
SELECT pg_temp.refill();
SELECT job_type, attempt FROM job_dequeue('{search}', 3);
SELECT job_type, status, attempt, count(*) FROM processing_jobs GROUP BY 1, 2, 3 ORDER BY 1, 2;
DROP FUNCTION public.take_more() CASCADE;
DROP TABLE public.nested;
SELECT count(*) FROM job_dequeue(NULL, 20);
SELECT count(*) FROM processing_jobs WHERE status <> 'running' OR attempt <> 1;
DELETE FROM processing_jobs;
CREATE TRIGGER steal BEFORE UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.steal();
-- one that changes the very job that is being claimed: passed over, nothing changed
CREATE OR REPLACE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'running' AND pg_trigger_depth() = 1 THEN
        PERFORM researcharr.job_cancel(NEW.id);
    END IF;
    RETURN NEW;
END $$;
SELECT pg_temp.enqueue('6');
\set VERBOSITY sqlstate
SELECT count(*) FROM job_dequeue();
\set VERBOSITY default
SELECT metadata->>'name' AS name, status, attempt FROM processing_jobs
 WHERE metadata->>'name' = '6';
DROP FUNCTION public.steal() CASCADE;
SELECT metadata->>'name' AS name, attempt FROM job_dequeue();
DELETE FROM processing_jobs;

--
-- constraints
--
ALTER TABLE processing_jobs ADD CONSTRAINT named_worker
    CHECK (status <> 'running' OR coalesce(worker, '') LIKE 'w_' OR metadata->>'name' <> '2');
SELECT pg_temp.enqueue('1', '2', '3');
-- the second of three is refused: the others are claimed
\set VERBOSITY terse
SELECT metadata->>'name' AS name FROM job_dequeue(NULL, 3);
SELECT metadata->>'name' AS name FROM job_dequeue(NULL, 3);
SELECT metadata->>'name' AS name, status, attempt FROM processing_jobs ORDER BY 1;
BEGIN;
SELECT metadata->>'name' AS name FROM job_dequeue();
SAVEPOINT s;
SELECT metadata->>'name' AS name FROM job_dequeue(NULL, 2);
ROLLBACK TO s;
SELECT metadata->>'name' AS name FROM job_dequeue(NULL, 2, worker => 'w1');
SELECT job_complete(pg_temp.id('1'), 1), job_complete(pg_temp.id('2'), 1);
COMMIT;
SELECT metadata->>'name' AS name, status, attempt FROM processing_jobs ORDER BY 1;
-- a job that is passed over many times, with good calls in between
CREATE FUNCTION pg_temp.stubborn() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    refused int := 0;
    taken int := 0;
    job researcharr.processing_jobs;
BEGIN
    FOR i IN 1..50 LOOP
        PERFORM FROM researcharr.job_dequeue();
        IF FOUND THEN
            taken := taken + 1;
        ELSE
            refused := refused + 1;
            SELECT * INTO job FROM researcharr.job_dequeue(worker => 'w1');
            PERFORM researcharr.job_release(job.id, job.attempt);
        END IF;
    END LOOP;
    RETURN format('%s refused, %s taken', refused, taken);
END $$;
SELECT pg_temp.enqueue('2');
SELECT count(job_cancel(pg_temp.id('3')));
DELETE FROM processing_jobs WHERE status <> 'queued';
SELECT pg_temp.stubborn();
SELECT status, attempt FROM processing_jobs;
-- the same of an enqueue, as one of many
ALTER TABLE processing_jobs ADD CONSTRAINT small CHECK (priority < 50);
SELECT count(*) FROM job_enqueue_many(jsonb_build_array(
         jsonb_build_object('media_id', :'film', 'job_type', 'search', 'priority', 49),
         jsonb_build_object('media_id', :'film', 'job_type', 'search', 'priority', 50)));
SELECT count(*) FROM job_enqueue_many(jsonb_build_array(
         jsonb_build_object('media_id', :'film', 'job_type', 'search', 'priority', 49),
         jsonb_build_object('media_id', :'film', 'job_type', 'search', 'priority', 48)));
SELECT count(*) FROM processing_jobs;
ALTER TABLE processing_jobs DROP CONSTRAINT small, DROP CONSTRAINT named_worker;
DELETE FROM processing_jobs;
-- a CHECK's function that changes is used as it is now
CREATE FUNCTION public.allowed(job_priority int) RETURNS boolean LANGUAGE sql
    IMMUTABLE AS 'SELECT job_priority < 50';
ALTER TABLE processing_jobs ADD CONSTRAINT allowed CHECK (public.allowed(priority));
SELECT job_enqueue(:'film', 'search', 60);
SELECT job_enqueue(:'film', 'search', 40) IS NOT NULL AS taken;
CREATE OR REPLACE FUNCTION public.allowed(job_priority int) RETURNS boolean LANGUAGE sql
    IMMUTABLE AS 'SELECT job_priority >= 50';
SELECT job_enqueue(:'film', 'search', 60) IS NOT NULL AS taken;
SELECT job_enqueue(:'film', 'search', 40);
\set VERBOSITY default
ALTER TABLE processing_jobs DROP CONSTRAINT allowed;
DROP FUNCTION public.allowed(int);
DELETE FROM processing_jobs;

--
-- columns behind ours get what an INSERT would give them
--
CREATE SEQUENCE public.serial;
CREATE DOMAIN public.stars AS int DEFAULT 3 CHECK (VALUE < 6);
ALTER TABLE processing_jobs
    ADD fixed text DEFAULT 'fixed',
    ADD counted bigint DEFAULT nextval('public.serial'),
    ADD number bigint GENERATED ALWAYS AS IDENTITY,
    ADD twice int GENERATED ALWAYS AS (priority * 2) STORED,
    ADD active boolean GENERATED ALWAYS AS (status = 'running') STORED,
    ADD rating public.stars,
    ADD gone int DEFAULT 5,
    ADD nothing int;
ALTER TABLE processing_jobs DROP gone;
SELECT job_enqueue(:'film', 'search', n) IS NOT NULL AS added
  FROM generate_series(2, 1, -1) AS n;
SELECT count(*) FROM job_enqueue_many(jsonb_build_array(
         jsonb_build_object('media_id', :'film', 'job_type', 'search'),
         jsonb_build_object('media_id', :'film', 'job_type', 'search', 'unique_key', 'k')));
SELECT fixed, counted, number, twice, active, rating, nothing FROM job_dequeue(NULL, 10);
SELECT count(job_fail(id, 1, 'no')) FROM processing_jobs;
SELECT fixed, counted, number, twice, active, rating, nothing
  FROM processing_jobs ORDER BY number;
-- a default that changed, also a domain's
ALTER TABLE processing_jobs ALTER fixed SET DEFAULT 'changed';
ALTER DOMAIN public.stars SET DEFAULT 5;
SELECT job_enqueue(:'film', 'verify') IS NOT NULL AS added;
ALTER DOMAIN public.stars ADD CHECK (VALUE < 4) NOT VALID;
\set VERBOSITY sqlstate
SELECT job_enqueue(:'film', 'verify') IS NOT NULL AS added;
\set VERBOSITY default
SELECT fixed, rating FROM processing_jobs WHERE job_type = 'verify';
ALTER TABLE processing_jobs DROP fixed, DROP counted, DROP number, DROP twice,
    DROP active, DROP rating, DROP nothing;
DROP DOMAIN public.stars;
DROP SEQUENCE public.serial;
SELECT count(*) FROM job_dequeue(NULL, 10);
DELETE FROM processing_jobs;

--
-- foreign keys
--
-- theirs to media is checked, though ours is checked another way
\set VERBOSITY terse
ALTER TABLE processing_jobs ADD seen_before uuid DEFAULT uuid_v7() REFERENCES media (id);
SELECT job_enqueue(:'film', 'search');
ALTER TABLE processing_jobs DROP seen_before;
CREATE TABLE public.shelf (id uuid PRIMARY KEY);
ALTER TABLE processing_jobs ADD CONSTRAINT on_shelf FOREIGN KEY (media_id) REFERENCES public.shelf;
SELECT job_enqueue(:'film', 'search');
INSERT INTO public.shelf VALUES (:'film');
SELECT job_enqueue(:'film', 'search') IS NOT NULL AS added;
ALTER TABLE processing_jobs DROP CONSTRAINT on_shelf;
DROP TABLE public.shelf;
-- a trigger cannot bring in a media of nobody's, on the way in or later
CREATE FUNCTION public.swap() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.media_id := researcharr.uuid_v7(); RETURN NEW; END $$;
CREATE TRIGGER swap BEFORE INSERT OR UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.swap();
SELECT job_enqueue(:'film', 'search');
SELECT job_enqueue(:'film', 'search', unique_key => 'k');
SELECT count(*) FROM job_dequeue();
DROP FUNCTION public.swap() CASCADE;
SELECT status, attempt, media_id = :'film' AS same FROM processing_jobs;
-- a table that refers to jobs does not stand in a job's way
CREATE TABLE public.logs (job uuid REFERENCES processing_jobs ON UPDATE RESTRICT, line text);
INSERT INTO public.logs SELECT id, 'line' FROM processing_jobs;
SELECT job_complete(id, attempt) FROM job_dequeue();
DROP TABLE public.logs;
\set VERBOSITY default

DELETE FROM media;
TRUNCATE processing_jobs;
