-- Plain DML on the jobs' table by a role that does not own it: what a user
-- decides is his to write, what the functions keep is not.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie'), ('other film', 'movie');
SELECT id AS film FROM media WHERE title = 'film' \gset
SELECT id AS other FROM media WHERE title = 'other film' \gset
CREATE ROLE regress_user;
GRANT USAGE ON SCHEMA researcharr TO regress_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON processing_jobs, job_types TO regress_user;
GRANT SELECT ON media, job_type_policies TO regress_user;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_user;

-- What happened: how many rows a statement wrote, or the error.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN 'done: ' || n;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
-- Writes one column, in a new row and in an existing one, and takes it back.
CREATE FUNCTION pg_temp.write(col text, value text, OUT inserted text, OUT updated text)
LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        inserted := pg_temp.try(format(
            'INSERT INTO researcharr.processing_jobs (media_id, job_type, %I)
             SELECT id, ''search'', %s FROM researcharr.media WHERE title = ''film''', col, value));
        RAISE EXCEPTION 'take it back';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    BEGIN
        updated := pg_temp.try(format('UPDATE researcharr.processing_jobs SET %I = %s', col, value));
        RAISE EXCEPTION 'take it back';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
END $$;

SET ROLE regress_user;
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'search');
RESET ROLE;
SELECT status, attempt FROM job_dequeue(worker => 'w1');
SET ROLE regress_user;

-- column by column
SELECT column_name, w.*
  FROM (VALUES (1, 'id', 'researcharr.uuid_v7()'), (2, 'priority', '50'),
               (3, 'max_retries', '7'), (4, 'metadata', '''{"a": 1}'''),
               (5, 'available_at', 'now() + ''1 h'''), (6, 'unique_key', '''k'''),
               (7, 'created_at', 'now() - interval ''1 year'''), (8, 'updated_at', '''2100-01-01'''),
               (9, 'status', '''completed'''), (10, 'status', '''running'''),
               (11, 'retry_count', '2'), (12, 'attempt', '5'), (13, 'error_message', '''no'''),
               (14, 'started_at', 'now()'), (15, 'completed_at', 'now()'),
               (16, 'lease_expires_at', 'now()'), (17, 'worker', '''me'''), (18, 'result', '''1'''))
       AS v (n, column_name, value), pg_temp.write(column_name, value) AS w ORDER BY n;
-- the error says what is allowed, and what to use
UPDATE processing_jobs SET status = 'queued', lease_expires_at = NULL;
UPDATE processing_jobs SET media_id = :'other';
UPDATE processing_jobs SET job_type = 'verify';
-- the same value is no forgery, nor is an UPDATE of no row
UPDATE processing_jobs SET status = status, attempt = 1, worker = 'w1', priority = 9;
UPDATE processing_jobs SET status = 'failed' WHERE false;
INSERT INTO processing_jobs (media_id, job_type, status, attempt, retry_count, worker, result)
VALUES (:'film', 'search', 'queued', 0, 0, NULL, NULL);
-- by the other ways into a table
\set VERBOSITY terse
COPY processing_jobs (media_id, job_type, status) FROM stdin;
00000000-0000-7000-8000-000000000000	search	running
\.
COPY processing_jobs (media_id, job_type) FROM stdin;
00000000-0000-7000-8000-000000000000	search
\.
COPY processing_jobs (media_id, job_type) FROM stdin;
00000000-0000-7000-8000-000000000000	serch
\.
MERGE INTO processing_jobs AS j USING media AS m ON j.media_id = m.id
 WHEN MATCHED THEN UPDATE SET attempt = j.attempt + 1
 WHEN NOT MATCHED THEN INSERT (media_id, job_type) VALUES (m.id, 'search');
MERGE INTO processing_jobs AS j USING media AS m ON j.media_id = m.id
 WHEN MATCHED THEN UPDATE SET priority = 30
 WHEN NOT MATCHED THEN INSERT (media_id, job_type) VALUES (m.id, 'search');
INSERT INTO processing_jobs (media_id, job_type, unique_key) VALUES (:'film', 'search', 'once');
INSERT INTO processing_jobs (media_id, job_type, unique_key) VALUES (:'film', 'search', 'once')
    ON CONFLICT (job_type, unique_key) WHERE completed_at IS NULL AND unique_key IS NOT NULL
    DO UPDATE SET status = 'completed', completed_at = now();
INSERT INTO processing_jobs (media_id, job_type, unique_key) VALUES (:'film', 'search', 'once')
    ON CONFLICT (job_type, unique_key) WHERE completed_at IS NULL AND unique_key IS NOT NULL
    DO UPDATE SET priority = 77;
WITH changed AS (UPDATE processing_jobs SET priority = 78 WHERE unique_key = 'once' RETURNING id)
INSERT INTO processing_jobs (id, media_id, job_type) SELECT id, :'film', 'search' FROM changed;
SELECT priority, status, attempt, unique_key FROM processing_jobs ORDER BY 1, 2, 3;

-- bad values, by DML: the constraints' words
SELECT statement, pg_temp.try('INSERT INTO researcharr.processing_jobs (media_id, job_type, ' ||
         split_part(statement, '=', 1) || ') SELECT id, ''search'', ' || split_part(statement, '=', 2) ||
         ' FROM researcharr.media LIMIT 1') AS inserted
  FROM unnest('{priority=-1,priority=101,priority=NULL,max_retries=11,max_retries=-1,metadata=''[]'',
                metadata=NULL,available_at=''infinity'',available_at=NULL,unique_key='''',attempt=NULL,
                status=NULL,updated_at=NULL}'::text[]) AS s (statement);
SELECT pg_temp.try($$INSERT INTO researcharr.processing_jobs (media_id, job_type)
                     VALUES (NULL, 'search')$$);
SELECT pg_temp.try($$INSERT INTO researcharr.processing_jobs (media_id, job_type)
                     SELECT id, NULL FROM researcharr.media$$);
SELECT pg_temp.try($$INSERT INTO researcharr.processing_jobs (media_id, job_type)
                     SELECT id, 'serch' FROM researcharr.media$$);
SELECT pg_temp.try($$UPDATE researcharr.processing_jobs SET metadata =
                     jsonb_build_object('ten MB', repeat('x', 10000000))$$);
\set VERBOSITY default

-- updated_at goes on with each change, also within one transaction, and is
-- nobody's to choose
BEGIN;
CREATE TEMP TABLE stamps (n serial, at timestamptz);
INSERT INTO stamps (at) SELECT updated_at FROM processing_jobs WHERE unique_key = 'once';
DO $$
BEGIN
    FOR i IN 1..5 LOOP
        UPDATE processing_jobs SET priority = i WHERE unique_key = 'once';
        INSERT INTO stamps (at) SELECT updated_at FROM processing_jobs WHERE unique_key = 'once';
        UPDATE processing_jobs SET updated_at = '2000-01-01' WHERE unique_key = 'once';
        INSERT INTO stamps (at) SELECT updated_at FROM processing_jobs WHERE unique_key = 'once';
    END LOOP;
END $$;
SELECT count(*), bool_and(coalesce(at > before, true)) AS strictly_later
  FROM (SELECT at, lag(at) OVER (ORDER BY n) AS before FROM stamps) AS s;
COMMIT;

-- a role that may not touch the table works the queue through the functions
RESET ROLE;
REVOKE ALL ON processing_jobs, media, job_types, job_type_policies FROM regress_user;
DELETE FROM processing_jobs;
SET ROLE regress_user;
SELECT job_enqueue(:'film', 'search', unique_key => 'x') AS j \gset
SELECT status, attempt FROM job_dequeue();
SELECT job_heartbeat(:'j', 1) IS NOT NULL AS beats, job_complete(:'j', 1);
\set VERBOSITY terse
SELECT count(*) FROM processing_jobs;
SELECT job_type_register('mine');
SELECT * FROM job_stats();
-- ... and without EXECUTE nobody does
RESET ROLE;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_user;
SET ROLE regress_user;
SELECT count(*) FROM job_dequeue();
SELECT job_enqueue(:'film', 'search');
\set VERBOSITY default
RESET ROLE;

-- the owner may write all of it, but not what the constraints refuse
INSERT INTO processing_jobs (media_id, job_type, status, attempt, completed_at, worker)
VALUES (:'film', 'search', 'completed', 3, now(), 'w1');
UPDATE processing_jobs SET status = 'queued', completed_at = NULL, media_id = :'other',
       job_type = 'verify' WHERE attempt = 3;
SELECT job_type, attempt FROM job_dequeue();
\set VERBOSITY sqlstate
UPDATE processing_jobs SET status = 'completed' WHERE attempt = 4;
UPDATE processing_jobs SET lease_expires_at = NULL WHERE attempt = 4;
UPDATE processing_jobs SET completed_at = now() WHERE attempt = 4;
UPDATE processing_jobs SET status = 'unknown' WHERE attempt = 4;
UPDATE processing_jobs SET job_type = 'serch' WHERE attempt = 4;
INSERT INTO processing_jobs (media_id, job_type) VALUES (:'film', 'serch');
\set VERBOSITY default

DROP OWNED BY regress_user;
DROP ROLE regress_user;
DELETE FROM media;
TRUNCATE processing_jobs;
