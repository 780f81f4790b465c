-- Writing by the repositories: whose rights, what keeps a row as it is, and who
-- hears of a job's change.
SET search_path = researcharr;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\pset null -
SELECT id AS movie, updated_at AS seen FROM movie_create('{"title": "Alien", "year": 1979}') \gset
SELECT id AS config FROM config_create('{"key": "k", "value": "v"}') \gset
SELECT id AS job FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search')) \gset
SELECT id AS item FROM queue_item_create(jsonb_build_object('media_id', :'movie', 'service', 'radarr')) \gset
SELECT uuid_v7() AS start \gset

-- A role with EXECUTE alone, and one that may write one of a movie's tables only:
-- a clear error, and nothing is changed.
CREATE ROLE regress_writer;
GRANT USAGE ON SCHEMA researcharr TO regress_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_writer;
SELECT ARRAY['movie_create(''{"title": "x"}'')', format('movie_update(%L, ''{"title": "x"}'')', :'movie'), format('movie_update(%L, ''{"year": 2000}'')', :'movie'),
    format('movie_delete(%L)', :'movie'), format('media_update(%L, ''{"title": "x"}'')', :'movie'), 'config_create(''{"key": "x", "value": "x"}'')',
    format('config_update(%L, ''{"value": "x"}'')', :'config'), format('config_delete(%L)', :'config'), 'config_set(''k'', ''x'')',
    'webui_user_create(''{"username": "x", "password_hash": "x"}'')', format('job_update(%L, ''{"priority": 1}'')', :'job'), format('job_delete(%L)', :'job'),
    format('job_create(''{"media_id": "%s", "job_type": "search"}'')', :'movie'),
    format('queue_item_create(''{"media_id": "%s", "service": "sonarr"}'')', :'movie'), format('queue_item_update(%L, ''{"priority": 1}'')', :'item'),
    format('queue_item_delete(%L)', :'item'), 'queue_item_get_next(''radarr'')', format('queue_item_update_last_processed(%L)', :'item'),
    format('queue_item_increment_retry_count(%L)', :'item'), 'unit_of_work(''[{"op": "create", "entity": "movie", "values": {"title": "x"}}, {"op": "create", "entity": "movie", "values": {"title": "y"}}]'')',
    format('unit_of_work(''[{"op": "delete", "entity": "movie", "id": "%s"}]'')', :'movie')]::text[] AS calls \gset
SET ROLE regress_writer;
SELECT split_part(call, '(', 1) AS call, e.* FROM unnest(:'calls'::text[]) WITH ORDINALITY AS u (call, n), pg_temp.error('SELECT researcharr.' || call) e ORDER BY n;
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON media TO regress_writer;
GRANT SELECT ON movies, movie_rows, processing_jobs TO regress_writer;
SET ROLE regress_writer;
SELECT split_part(call, '(', 1) AS call, e.* FROM unnest(:'calls'::text[]) WITH ORDINALITY AS u (call, n), pg_temp.error('SELECT researcharr.' || call) e
 WHERE call ~ 'movie_create|"year"|"create"' ORDER BY n;
-- deleting the media row is all that deleting a movie takes, as with plain SQL; a job is enqueued by EXECUTE
SELECT title, year FROM movie_update(:'movie', '{"title": "Alien!"}');
BEGIN;
SELECT movie_delete(:'movie');
ROLLBACK;
SELECT job_type, priority FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 3));
RESET ROLE;
SELECT title, year FROM movie_rows;
SELECT entity_type, action, changes - 'id' - 'created_at' AS changes FROM audit_log WHERE id > :'start' ORDER BY id;
SELECT count(*) FROM configuration;

-- What row security or a trigger keeps as it is has not changed: no row, not 40001,
-- which would be tried again for ever.
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY looking ON media FOR SELECT TO regress_writer USING (true);
CREATE POLICY writing ON media FOR UPDATE TO regress_writer USING (false);
SELECT updated_at AS seen FROM movie_get_by_id(:'movie') \gset
SET ROLE regress_writer;
SELECT count(*) FROM movie_update(:'movie', '{"title": "x"}', :'seen');
SELECT sqlstate FROM pg_temp.error(format('SELECT movie_update(%L, ''{"title": "x"}'', ''2020-01-01'')', :'movie'));
RESET ROLE;
DROP POLICY looking ON media;
DROP POLICY writing ON media;
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
SELECT count(*) FROM movie_update(:'movie', '{"title": "x"}', :'seen');
SELECT count(*) FROM media_update(:'movie', '{"title": "x"}', :'seen');
SELECT movie_delete(:'movie');
DROP TRIGGER keep ON media;

-- job_update, of jobs that are not finished: who dequeues hears of it
DELETE FROM processing_jobs;
SELECT id AS low FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 10)) \gset
SELECT id AS high FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 20)) \gset
SELECT id AS higher FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 20)) \gset
SELECT id AS later FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 100, 'available_at', '2100-01-01')) \gset
SELECT id = :'high' AS high FROM job_dequeue('{search}');
SELECT priority FROM job_update(:'low', '{"priority": 90}');
SELECT id = :'low' AS raised FROM job_dequeue('{search}');
SELECT available_at FROM job_update(:'later', '{"available_at": "2020-01-01"}');
SELECT id = :'later' AS now_due FROM job_dequeue('{search}');
SELECT priority FROM job_update(:'higher', '{"priority": 0}');
SELECT id = :'higher' AS lowered FROM job_dequeue('{search}');
SELECT count(*) FROM job_dequeue('{search}');
-- in a transaction that is undone, they hear nothing, and find the job where it was
SELECT id AS a FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 1)) \gset
SELECT id AS b FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search', 'priority', 2)) \gset
BEGIN;
SELECT priority FROM job_update(:'a', '{"priority": 99}');
ROLLBACK;
SELECT id = :'b' AS b FROM job_dequeue('{search}');
SELECT id = :'a' AS a FROM job_dequeue('{search}');
-- of a running job: that it has fewer retries counts when it fails; the worker goes on
SELECT max_retries, status, attempt FROM job_update(:'a', '{"max_retries": 0, "metadata": {"seen": true}, "priority": 5}');
SELECT status, metadata FROM job_fail(:'a', 1, 'broken');
SELECT replace(message, :'a', 'ID') AS message FROM pg_temp.error(format('SELECT job_update(%L, ''{"priority": 1}'')', :'a'));
SELECT job_retry(:'a');
SELECT priority FROM job_update(:'a', '{"priority": 7}');
-- what it does not offer, plain DML refuses as well
SELECT * FROM pg_temp.error(format('SELECT job_update(%L, ''{"attempt": 5, "worker": "w", "result": {}, "retry_count": 0, "unique_key": "k", "job_type": "verify"}'')', :'a'));
GRANT UPDATE ON processing_jobs TO regress_writer;
SET ROLE regress_writer;
SELECT e.* FROM unnest('{status = ''completed'',attempt = 7,retry_count = 5,worker = ''w'',completed_at = now(),job_type = ''verify''}'::text[]) WITH ORDINALITY AS u (change, n),
    pg_temp.error(format('UPDATE researcharr.processing_jobs SET %s WHERE id = %L', change, :'a')) e ORDER BY n;
RESET ROLE;
SELECT changes FROM audit_log WHERE entity_type = 'job' AND entity_id = :'a' AND action = 'update' ORDER BY id;

-- users' columns, whose types say no in their own ways
CREATE FUNCTION public.regress_even(n int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF n % 2 <> 0 THEN
        RAISE EXCEPTION 'odd: %', n;
    END IF;
    RETURN true;
END $$;
CREATE DOMAIN public.regress_even_number AS int CHECK (public.regress_even(VALUE));
CREATE TYPE public.regress_mood AS ENUM ('glad', 'sad');
ALTER TABLE media ADD COLUMN path jsonpath, ADD COLUMN words tsquery, ADD COLUMN even public.regress_even_number, ADD COLUMN mood public.regress_mood,
    ADD COLUMN short varchar(3), ADD COLUMN small smallint, ADD COLUMN big bigint, ADD COLUMN real real, ADD COLUMN flag boolean;
SELECT f.* FROM media_validate('{"title": "x", "type": "movie", "path": "$.", "words": "a b", "even": 3, "mood": "angry", "short": "long", "small": 32768,
    "big": 9223372036854775808, "real": 1e400, "flag": "yes"}') f ORDER BY field COLLATE "C";
SELECT path, words, even, mood, short, small, big, real, flag FROM media_create('{"title": "x", "type": "movie", "path": "$.a", "words": "a & b", "even": 4, "mood": "glad",
    "short": "abc", "small": -32768, "big": -9223372036854775808, "real": 1.5, "flag": true}');
SELECT e->>'even' AS even, e->>'mood' AS mood FROM jsonb_array_elements(unit_of_work('[
    {"op": "create", "entity": "media", "values": {"title": "x", "type": "movie", "even": 2, "mood": "sad"}},
    {"op": "create", "entity": "media", "values": {"title": "x", "type": "movie", "even": 4, "mood": "glad"}}]')) e;
ALTER TABLE media DROP COLUMN path, DROP COLUMN words, DROP COLUMN even, DROP COLUMN mood, DROP COLUMN short, DROP COLUMN small, DROP COLUMN big, DROP COLUMN real, DROP COLUMN flag;
DROP DOMAIN public.regress_even_number;
DROP FUNCTION public.regress_even;
DROP TYPE public.regress_mood;

REVOKE ALL ON media, movies, movie_rows, processing_jobs FROM regress_writer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_writer;
REVOKE ALL ON SCHEMA researcharr FROM regress_writer;
DROP ROLE regress_writer;
DELETE FROM media;
DELETE FROM configuration;
