-- Each session keeps what it needs to change jobs from call to call.  Whatever
-- happens to the table between two calls, in one transaction or not, the next
-- call works with the table as it is.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
-- The whole life of a job, and then some; true if all went as it should.
CREATE FUNCTION pg_temp.works() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    film uuid := (SELECT id FROM researcharr.media);
    job researcharr.processing_jobs;
    added uuid;
    ok boolean;
BEGIN
    added := researcharr.job_enqueue(film, 'search', 100, max_retries => 1,
                                     unique_key => 'works', metadata => '{"a": {"b": 1}}');
    ok := added = researcharr.job_enqueue(film, 'search', unique_key => 'works');
    SELECT * INTO STRICT job FROM researcharr.job_dequeue(worker => 'w');
    ok := ok AND job.id = added AND job.attempt = 1;
    PERFORM researcharr.job_heartbeat(added, 1);
    SELECT * INTO STRICT job FROM researcharr.job_fail(added, 1, 'once', '0');
    ok := ok AND job.status = 'queued';
    SELECT * INTO STRICT job FROM researcharr.job_dequeue();
    ok := ok AND job.id = added AND job.attempt = 2 AND researcharr.job_complete(added, 2, '1');
    RETURN ok AND (SELECT status = 'completed' AND result = '1'
                     FROM researcharr.processing_jobs WHERE id = added);
END $$;
SELECT pg_temp.works();

--
-- indexes of users', of all kinds
--
CREATE INDEX by_worker ON processing_jobs (worker);
SELECT pg_temp.works();
CREATE INDEX by_words ON processing_jobs USING gin (metadata);
SELECT pg_temp.works();
SELECT pg_temp.works();
CREATE INDEX by_name ON processing_jobs (lower(metadata->>'name'), (priority + 1))
    WHERE status IN ('queued', 'running') AND attempt < 5;
SELECT pg_temp.works();
CREATE UNIQUE INDEX by_attempt ON processing_jobs (id, attempt) INCLUDE (status);
CREATE INDEX by_time ON processing_jobs USING brin (created_at);
CREATE INDEX by_type ON processing_jobs USING hash (job_type);
SELECT pg_temp.works();
SELECT count(*) FROM processing_jobs WHERE metadata @> '{"a": {"b": 1}}';
REINDEX INDEX by_words;
SELECT pg_temp.works();
REINDEX TABLE processing_jobs;
SELECT pg_temp.works();
REINDEX TABLE CONCURRENTLY processing_jobs;
SELECT pg_temp.works();
DROP INDEX by_worker;
SELECT pg_temp.works();
DROP INDEX CONCURRENTLY by_name;
SELECT pg_temp.works();
DROP INDEX by_words, by_attempt, by_time, by_type;
-- a deferrable key is checked at the end, an exclusion at once
ALTER TABLE processing_jobs ADD CONSTRAINT deferred UNIQUE (id, priority) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT one_at_a_time EXCLUDE (worker WITH =) WHERE (status = 'running');
SELECT pg_temp.works();
SELECT count(job_enqueue(:'film', 'search')) FROM generate_series(1, 2);
\set VERBOSITY sqlstate
SELECT count(*) FROM job_dequeue(NULL, 2, worker => 'w');
\set VERBOSITY default
SELECT count(*) FROM job_dequeue(NULL, 2);
ALTER TABLE processing_jobs DROP CONSTRAINT deferred, DROP CONSTRAINT one_at_a_time;
DELETE FROM processing_jobs;

-- an index of ours that is gone, or unfit, is named
BEGIN;
SELECT count(job_enqueue(:'film', 'search'));
DROP INDEX processing_jobs_take_idx;
SELECT count(*) FROM job_dequeue();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT count(job_enqueue(:'film', 'search'));
UPDATE pg_index SET indisvalid = false
 WHERE indexrelid = 'processing_jobs_take_idx'::regclass;
SELECT count(*) FROM job_dequeue();
ROLLBACK TO s;
SELECT pg_temp.works();
COMMIT;
-- the same for columns
BEGIN;
ALTER TABLE processing_jobs RENAME worker TO labourer;
SELECT count(*) FROM job_dequeue();
ROLLBACK;
SELECT pg_temp.works();
-- ... columns of another type, which nobody may take for what they were
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'search');
SET client_min_messages = warning;
BEGIN;
SAVEPOINT s;
ALTER TABLE processing_jobs ALTER started_at TYPE text;
SELECT count(*) FROM job_dequeue();
ROLLBACK TO s;
ALTER TABLE processing_jobs DROP CONSTRAINT processing_jobs_pkey, ALTER id DROP DEFAULT, ALTER id TYPE text;
SELECT job_enqueue(:'film', 'search');
ROLLBACK TO s;
ALTER TABLE processing_jobs ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE text;
UPDATE processing_jobs SET priority = 1;
ROLLBACK TO s;
ALTER TABLE processing_jobs ALTER lease_expires_at TYPE text;
SELECT job_next_due();
ROLLBACK TO s;
ALTER TABLE processing_jobs ALTER worker TYPE int USING 0;
DELETE FROM processing_jobs;
ROLLBACK TO s;
-- NULLs where there can be none: the queue stands still until they are gone
ALTER TABLE processing_jobs ALTER media_id DROP NOT NULL, ALTER status DROP NOT NULL;
INSERT INTO processing_jobs (media_id, job_type, status) VALUES (NULL, 'search', 'queued'), (:'film', 'search', NULL);
SAVEPOINT t;
SELECT count(*) FROM job_dequeue();
ROLLBACK TO t;
SELECT job_next_due();
ROLLBACK TO t;
SELECT count(*) AS history FROM processing_history \gset
UPDATE processing_jobs SET status = 'failed', completed_at = now() WHERE media_id IS NULL OR status IS NULL;
UPDATE processing_jobs SET status = NULL WHERE media_id IS NULL;
DELETE FROM processing_jobs WHERE media_id IS NULL OR status IS NULL;
SELECT count(*) - :history AS added, count(*) FILTER (WHERE details->>'from' IS NULL) AS odd FROM processing_history;
ALTER TABLE processing_jobs ALTER media_id SET NOT NULL, ALTER status SET NOT NULL;
SELECT pg_temp.works();
ROLLBACK TO s;
-- without the others it works, more slowly, but for unique keys
DROP INDEX processing_jobs_media_id_idx;
SELECT pg_temp.works();
DROP INDEX processing_jobs_unique_key_idx;
SELECT job_enqueue(:'film', 'search') IS NOT NULL AS added;
SELECT count(*) FROM job_dequeue();
SELECT job_enqueue(:'film', 'search', unique_key => 'k');
ROLLBACK TO s;
-- indexes of ours with other columns, another order, or of another kind
DROP INDEX processing_jobs_take_idx;
CREATE INDEX processing_jobs_take_idx ON processing_jobs (priority, job_type, available_at, id);
SELECT count(*) FROM job_dequeue();
ROLLBACK TO s;
DROP INDEX processing_jobs_take_idx;
CREATE INDEX processing_jobs_take_idx ON processing_jobs (job_type, priority, available_at, id);
SELECT job_next_due();
ROLLBACK TO s;
ALTER TABLE processing_jobs DROP CONSTRAINT processing_jobs_pkey;
CREATE INDEX processing_jobs_pkey ON processing_jobs USING hash (id);
SELECT job_cancel(id) FROM processing_jobs;
ROLLBACK TO s;
ALTER TABLE media DROP CONSTRAINT media_pkey CASCADE;
CREATE UNIQUE INDEX media_pkey ON media (title, id);
SELECT job_enqueue(:'film', 'search');
ROLLBACK TO s;
-- something else in the table's place
ALTER TABLE processing_jobs RENAME TO jobs_of_old;
CREATE TABLE processing_jobs (LIKE jobs_of_old INCLUDING DEFAULTS) PARTITION BY LIST (status);
CREATE TABLE jobs_queued PARTITION OF processing_jobs FOR VALUES IN ('queued');
SELECT job_enqueue(:'film', 'search');
ROLLBACK TO s;
ALTER TABLE processing_jobs RENAME TO jobs_of_old;
CREATE VIEW processing_jobs AS TABLE jobs_of_old;
SELECT count(*) FROM job_dequeue();
ROLLBACK TO s;
-- a policy without a lease
ALTER TABLE job_types ALTER lease DROP NOT NULL;
INSERT INTO job_types (name, lease) VALUES ('timeless', NULL);
SELECT count(*) FROM job_dequeue();
ROLLBACK;
RESET client_min_messages;
DELETE FROM processing_jobs WHERE status = 'queued';
SELECT pg_temp.works();

--
-- the table rewritten, moved, altered, in one transaction with calls between
--
BEGIN;
SELECT pg_temp.works();
ALTER TABLE processing_jobs ADD extra int DEFAULT 7;
SELECT pg_temp.works();
ALTER TABLE processing_jobs ALTER extra TYPE text USING 'was ' || extra;
ALTER TABLE processing_jobs ALTER extra SET DEFAULT 'text';
SELECT pg_temp.works();
SELECT extra, count(*) FROM processing_jobs GROUP BY 1 ORDER BY 1;
SAVEPOINT s;
ALTER TABLE processing_jobs DROP extra;
CREATE INDEX by_worker ON processing_jobs (worker);
SELECT pg_temp.works();
ROLLBACK TO s;
SELECT pg_temp.works();
CLUSTER processing_jobs USING processing_jobs_pkey;
SELECT pg_temp.works();
TRUNCATE processing_jobs;
SELECT pg_temp.works();
ALTER TABLE processing_jobs SET (fillfactor = 50);
SELECT pg_temp.works();
ALTER TABLE processing_jobs SET UNLOGGED;
SELECT pg_temp.works();
REINDEX INDEX processing_jobs_take_idx;
SELECT pg_temp.works();
REINDEX TABLE processing_jobs;
SELECT pg_temp.works();
ROLLBACK;
SELECT pg_temp.works();
VACUUM FULL processing_jobs;
SELECT pg_temp.works();
CLUSTER processing_jobs USING processing_jobs_media_id_idx;
ALTER TABLE processing_jobs SET WITHOUT CLUSTER;
SELECT pg_temp.works();
VACUUM (ANALYZE, FREEZE) processing_jobs;
SELECT pg_temp.works();

-- ... between a claim and what its worker says of the job, whose place in the
-- table the session remembers
DELETE FROM processing_jobs;
SELECT count(job_enqueue(:'film', 'search', metadata => jsonb_build_object('n', n))) FROM generate_series(1, 9) AS n;
CREATE FUNCTION pg_temp.take() RETURNS text LANGUAGE sql AS
$$ SELECT metadata->>'n' FROM researcharr.job_dequeue() $$;
CREATE FUNCTION pg_temp.done(name text) RETURNS boolean LANGUAGE sql AS
$$ SELECT researcharr.job_complete(id, attempt) FROM researcharr.processing_jobs WHERE metadata->>'n' = name $$;
SELECT pg_temp.take();
VACUUM FULL processing_jobs;
SELECT pg_temp.done('1');
SELECT pg_temp.take();
CLUSTER processing_jobs USING processing_jobs_media_id_idx;
SELECT pg_temp.done('2');
SELECT pg_temp.take();
REINDEX TABLE processing_jobs;
SELECT pg_temp.done('3');
BEGIN;
SELECT pg_temp.take();
CLUSTER processing_jobs;
SELECT pg_temp.take(), pg_temp.done('4');
REINDEX INDEX processing_jobs_pkey;
SELECT pg_temp.done('5');
SELECT pg_temp.take();
SAVEPOINT s;
ALTER TABLE processing_jobs ADD extra int DEFAULT random();
SELECT pg_temp.take(), pg_temp.done('6');
ROLLBACK TO s;
SELECT pg_temp.take(), pg_temp.done('6');
COMMIT;
ALTER TABLE processing_jobs SET WITHOUT CLUSTER;
SELECT metadata->>'n' AS n, status, attempt FROM processing_jobs ORDER BY 1;
-- where another job is by now
SELECT pg_temp.take() AS n, id FROM processing_jobs WHERE metadata->>'n' = '8' \gset
DELETE FROM processing_jobs;
VACUUM processing_jobs;
SELECT count(job_enqueue(:'film', 'search', metadata => jsonb_build_object('n', n))) FROM generate_series(10, 40) AS n;
SELECT count(*) FROM job_dequeue(NULL, 31);
\set VERBOSITY sqlstate
SELECT job_complete(:'id', 1);
SELECT job_heartbeat(:'id', 1);
\set VERBOSITY default
SELECT status, attempt, count(*) FROM processing_jobs GROUP BY 1, 2;
TRUNCATE processing_jobs;
\set VERBOSITY sqlstate
SELECT job_complete(:'id', 1);
\set VERBOSITY default

-- in subtransactions that are rolled back
\set VERBOSITY terse
DO $$
BEGIN
    FOR i IN 1..3 LOOP
        PERFORM researcharr.job_enqueue((SELECT id FROM researcharr.media), 'search');
    END LOOP;
    FOR i IN 1..2 LOOP
        BEGIN
            PERFORM FROM researcharr.job_dequeue();
            EXECUTE 'ALTER TABLE researcharr.processing_jobs ADD more int';
            PERFORM FROM researcharr.job_dequeue();
            RAISE EXCEPTION 'enough';
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
END $$;
\set VERBOSITY default
SELECT status, count(*) FROM processing_jobs WHERE status <> 'completed' GROUP BY 1;
DELETE FROM processing_jobs;

--
-- triggers that come and go
--
CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE NOTICE '% % %', TG_OP, NEW.status, NEW.attempt; RETURN NEW; END $$;
CREATE TRIGGER tell AFTER UPDATE ON processing_jobs
    FOR EACH ROW EXECUTE FUNCTION public.tell();
SELECT pg_temp.works();
ALTER TABLE processing_jobs DISABLE TRIGGER tell;
SELECT pg_temp.works();
ALTER TABLE processing_jobs ENABLE REPLICA TRIGGER tell;
SELECT pg_temp.works();
ALTER TABLE processing_jobs ENABLE TRIGGER tell;
BEGIN;
DROP TRIGGER tell ON processing_jobs;
SELECT pg_temp.works();
ROLLBACK;
SELECT pg_temp.works();
DROP FUNCTION public.tell() CASCADE;
SELECT pg_temp.works();

--
-- publications: a table without an identity cannot be updated
--
SET client_min_messages = error;
CREATE PUBLICATION jobs_pub FOR TABLE processing_jobs;
RESET client_min_messages;
SELECT pg_temp.works();
ALTER TABLE processing_jobs REPLICA IDENTITY NOTHING;
SELECT job_enqueue(:'film', 'search') IS NOT NULL AS added;
SELECT count(*) FROM job_dequeue();
ALTER TABLE processing_jobs REPLICA IDENTITY FULL;
SELECT count(*) FROM job_dequeue();
ALTER TABLE processing_jobs REPLICA IDENTITY DEFAULT;
DROP PUBLICATION jobs_pub;
SELECT pg_temp.works();
DELETE FROM processing_jobs;

--
-- memory
--
-- what is kept does not grow from call to call, whatever there is to compute
ALTER TABLE processing_jobs ADD made timestamptz DEFAULT clock_timestamp(),
    ADD number bigint GENERATED ALWAYS AS IDENTITY,
    ADD twice int GENERATED ALWAYS AS (priority * 2) STORED,
    ADD CONSTRAINT short CHECK (length(worker) < 10);
CREATE INDEX by_name ON processing_jobs (lower(metadata->>'name')) WHERE priority < 200;
CREATE INDEX by_words ON processing_jobs USING gin (metadata);
CREATE INDEX by_time ON processing_jobs USING brin (made);
CREATE FUNCTION pg_temp.kept() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(used_bytes)::bigint FROM pg_backend_memory_contexts
     WHERE name LIKE 'researcharr%' OR name = 'ExecutorState' $$;
DO $$
BEGIN
    PERFORM pg_temp.works() FROM generate_series(1, 20);
END $$;
SELECT pg_temp.kept() AS before \gset
DO $$
BEGIN
    FOR i IN 1 .. 25 LOOP
        PERFORM pg_temp.works() FROM generate_series(1, 20);
        COMMIT;
    END LOOP;
END $$;
SELECT pg_temp.kept() AS after \gset
SELECT :before > 10000 AS something_is_kept, :after - :before < 1000 AS no_more_than_before;
ALTER TABLE processing_jobs DROP made, DROP number, DROP twice, DROP CONSTRAINT short;
DROP INDEX by_name, by_words;
DELETE FROM processing_jobs;

--
-- cursors, prepared statements, DISCARD
--
INSERT INTO processing_jobs (media_id, job_type, metadata)
SELECT :'film', 'search', jsonb_build_object('n', n) FROM generate_series(1, 6) AS n;
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR
    SELECT metadata->'n' AS n, attempt FROM job_dequeue(NULL, 3);
FETCH 2 FROM c;
SELECT metadata->'n' AS n, attempt FROM job_dequeue();
ALTER TABLE media ADD note text;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
PREPARE take (int) AS SELECT metadata->'n' AS n, attempt FROM job_dequeue(NULL, $1);
PREPARE finish AS SELECT job_complete(id, attempt) FROM processing_jobs
    WHERE status = 'running' ORDER BY id LIMIT 1;
EXECUTE take (1);
EXECUTE finish;
ALTER TABLE processing_jobs ADD more int DEFAULT 1;
EXECUTE take (1);
EXECUTE finish;
ALTER TABLE processing_jobs DROP more;
EXECUTE finish;
EXECUTE take (1);
ALTER TABLE media DROP note;
DISCARD PLANS;
EXECUTE finish;
SELECT status, count(*) FROM processing_jobs GROUP BY 1 ORDER BY 1;
DISCARD ALL;
SET search_path = researcharr;
SELECT status FROM job_dequeue();
DELETE FROM processing_jobs;

-- rows too large for a page: values stay where they are while the job moves on
SELECT job_enqueue(:'film', 'search', metadata => jsonb_build_object('big',
         (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 28125) AS n))) AS big \gset
SELECT length(metadata->>'big') AS size, md5(metadata->>'big') AS sum FROM job_dequeue();
SELECT length(metadata->>'big') AS size
  FROM job_fail(:'big', 1, repeat('long story ', 100000), '0');
SELECT job_complete(id, attempt,
                    jsonb_build_object('all', (SELECT string_agg(md5(n::text), '')
                                                 FROM generate_series(1, 28125) AS n)))
  FROM job_dequeue();
SELECT length(metadata->>'big') AS size, md5(metadata->>'big') AS sum,
       length(error_message) AS error, length(result->>'all') AS result
  FROM processing_jobs;
-- in a PL/pgSQL loop that commits, too
CREATE PROCEDURE pg_temp.drain(INOUT total bigint) LANGUAGE plpgsql AS $$
DECLARE
    job record;
BEGIN
    FOR job IN SELECT * FROM researcharr.job_dequeue(NULL, 5) LOOP
        total := total + length(job.metadata->>'big');
        PERFORM researcharr.job_complete(job.id, job.attempt);
        COMMIT;
    END LOOP;
END $$;
SELECT count(job_enqueue(:'film', 'search', metadata => j.metadata))
  FROM processing_jobs AS j, generate_series(1, 3);
CALL pg_temp.drain(0);
SELECT status, count(*) FROM processing_jobs GROUP BY 1;

DELETE FROM media;
TRUNCATE processing_jobs;
