-- What keeps calls fast in a large queue does not change their results.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\set film '\'01900000-0000-7000-8000-000000000001\''
INSERT INTO media (id, title, type) VALUES (:film, 'film', 'movie');

-- A failed job always has a message.
INSERT INTO processing_jobs (media_id, job_type, unique_key) SELECT :film, 'search', n FROM generate_series(1, 6) AS n;
UPDATE processing_jobs SET status = 'failed', completed_at = '2020-01-01' WHERE unique_key = '1';
UPDATE processing_jobs SET status = 'failed', completed_at = '2020-01-02', error_message = 'broken' WHERE unique_key = '2';
INSERT INTO processing_jobs (media_id, job_type, unique_key, status, completed_at) VALUES (:film, 'search', '7', 'failed', '2020-01-03');
UPDATE processing_jobs SET error_message = NULL WHERE unique_key = '2';
SELECT unique_key, error_message FROM job_get_failed();
UPDATE processing_jobs SET status = 'completed', error_message = NULL WHERE unique_key = '7';
SELECT unique_key, error_message FROM job_get_failed();
-- also if a user's trigger removes it
CREATE FUNCTION pg_temp.forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.error_message := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER zzz_forget BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.forget();
ALTER TABLE processing_jobs ENABLE ALWAYS TRIGGER zzz_forget;
SELECT id, attempt FROM job_dequeue() \gset
SELECT * FROM pg_temp.error(format('SELECT FROM researcharr.job_fail(%L, %s, ''x'', retry => false)', :'id', :attempt));
DROP TRIGGER zzz_forget ON processing_jobs;
SELECT status FROM job_fail(:'id', :attempt, 'x', retry => false);

-- Filters of the status, however they are written, find the same jobs.
UPDATE processing_jobs SET status = 'cancelled', completed_at = '2020-01-04' WHERE unique_key = '3';
SELECT count(*) FROM job_dequeue();
CREATE FUNCTION pg_temp.keys(filters jsonb) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(j.unique_key, ' ' ORDER BY j.unique_key) FROM researcharr.job_get_all(filters) j $$;
SELECT status, pg_temp.keys(jsonb_build_object('status', status)) AS plain,
    pg_temp.keys(jsonb_build_object('status', jsonb_build_object('eq', status))) AS eq,
    pg_temp.keys(jsonb_build_object('status', jsonb_build_object('in', ARRAY[status]))) AS in_list,
    job_count(jsonb_build_object('status', status)) AS count,
    (SELECT string_agg(unique_key, ' ' ORDER BY unique_key) FROM processing_jobs j WHERE j.status = s.status) AS expected
FROM unnest('{queued,running,completed,failed,cancelled}'::text[]) AS s (status);
SELECT pg_temp.keys('{"status": {"eq": "failed", "ne": "failed"}}') AS neither, pg_temp.keys('{"status": {"ne": "failed"}}') AS not_failed,
    pg_temp.keys('{"status": "failed", "unique_key": "2"}') AS two, pg_temp.keys('{"status": {"is_null": true}}') AS none, pg_temp.keys('{"status": "lost"}') AS lost;
SELECT unique_key FROM job_get_pending();
SELECT unique_key FROM job_get_pending(1);

-- A claim is a HOT update.  It runs in no subtransaction, since all rules are the extension's own.
SELECT count(*) FROM processing_jobs j, job_enqueue(j.media_id, 'search', 100, unique_key => 'hot') WHERE j.unique_key = '1';
SELECT pg_stat_force_next_flush();
SELECT n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relid = 'processing_jobs'::regclass \gset
BEGIN;
SELECT id, attempt FROM job_dequeue() \gset
SELECT xmin::text = pg_current_xact_id()::xid::text AS in_top_transaction FROM processing_jobs WHERE id = :'id';
COMMIT;
SELECT pg_stat_force_next_flush();
SELECT n_tup_hot_upd - :hot AS hot_updates FROM pg_stat_user_tables WHERE relid = 'processing_jobs'::regclass;
-- a completion makes no entry among the failed jobs
SELECT job_complete(:'id', :attempt);
SELECT status, count(*) FROM processing_jobs WHERE completed_at IS NOT NULL AND error_message IS NOT NULL GROUP BY 1;
-- an index like one of ours changes nothing, one that could refuse a job does
CREATE FUNCTION pg_temp.claim_is_plain() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    claimed uuid := (SELECT id FROM researcharr.job_dequeue());
BEGIN
    RETURN (SELECT xmin::text = pg_current_xact_id()::xid::text FROM researcharr.processing_jobs WHERE id = claimed);
END $$;
BEGIN;
CREATE INDEX second ON processing_jobs (media_id);
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
CREATE INDEX second ON processing_jobs (completed_at, id) WHERE completed_at IS NOT NULL AND error_message IS NOT NULL;
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
CREATE INDEX second ON processing_jobs (completed_at, id) WHERE completed_at IS NOT NULL AND worker IS NOT NULL;
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
CREATE INDEX second ON processing_jobs (worker);
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
CREATE UNIQUE INDEX second ON processing_jobs (media_id, id);
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
DROP INDEX processing_jobs_media_id_idx;
CREATE UNIQUE INDEX processing_jobs_media_id_idx ON processing_jobs (media_id) WHERE media_id IS NULL;
SELECT pg_temp.claim_is_plain();
ROLLBACK;
BEGIN;
ALTER TABLE processing_jobs ADD CONSTRAINT second CHECK (attempt >= 0);
SELECT pg_temp.claim_is_plain();
ROLLBACK;

-- Items that are due again come in the same order as those that never waited.
INSERT INTO queue_items (media_id, service, priority, last_processed, next_retry_at, metadata)
SELECT :film, 'radarr', p, l, r, jsonb_build_object('name', row_number() OVER (ORDER BY p DESC, l NULLS FIRST, r NULLS LAST))
FROM unnest('{90,50,10}'::int[]) p, unnest(ARRAY[NULL, '2020-01-01', '2021-01-01']::timestamptz[]) l, unnest(ARRAY[NULL, now() - interval '1 minute']) r;
INSERT INTO queue_items (media_id, service, priority, next_retry_at) SELECT :film, 'radarr', 100, now() + interval '1 hour' FROM generate_series(1, 5);
SELECT string_agg(q.priority || ' ' || coalesce(extract(year FROM q.last_processed)::text, '-'), ', ' ORDER BY n)
FROM queue_item_get_next('radarr', 7) WITH ORDINALITY AS q (id, media_id, service, priority, added_at, last_processed, retry_count, next_retry_at, metadata, n);
SELECT string_agg(q.priority || ' ' || coalesce(extract(year FROM q.last_processed)::text, '-'), ', ' ORDER BY n)
FROM queue_item_get_next('radarr', 100) WITH ORDINALITY AS q (id, media_id, service, priority, added_at, last_processed, retry_count, next_retry_at, metadata, n);
SELECT count(*) FROM queue_item_get_next('radarr', 100);

-- An estimate needs no count.
INSERT INTO media (title, type) SELECT 'm' || n, 'movie' FROM generate_series(1, 1000) n;
INSERT INTO movies (media_id) SELECT id FROM media WHERE title ~ '^m';
VACUUM ANALYZE media;
VACUUM ANALYZE movies;
VACUUM ANALYZE processing_history_default;
SELECT entity, count_estimate(entity) FROM unnest('{media,movie}'::text[]) AS entity;
SELECT count_estimate('history') = history_count() AS of_a_log;
-- the sum of the partitions
CREATE TABLE history_before (LIKE processing_history_default INCLUDING ALL);
ALTER TABLE processing_history ATTACH PARTITION history_before FOR VALUES FROM (MINVALUE) TO ('00000000-0000-7000-8000-000000000000');
SELECT count_estimate('history') > history_count() AS never_analyzed;
VACUUM ANALYZE history_before;
SELECT count_estimate('history') = history_count() AS both;
DROP TABLE history_before;
SELECT call, e.* FROM unnest(ARRAY['NULL', '''x''', '''''', '''Movie''']) WITH ORDINALITY AS u (call, n), pg_temp.error('SELECT researcharr.count_estimate(' || call || ')') e ORDER BY n;
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA researcharr TO regress_reader;
GRANT EXECUTE ON FUNCTION count_estimate(text) TO regress_reader;
GRANT SELECT (title) ON media TO regress_reader;
SET ROLE regress_reader;
SELECT count_estimate('media');
SELECT count_estimate('job');
RESET ROLE;
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;
TRUNCATE media CASCADE;
