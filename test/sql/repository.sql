-- Repositories: one call makes, reads, changes and deletes an entity, of a
-- movie, series or episode both rows.
SET search_path = researcharr;
SET timezone = 'UTC';
SET datestyle = 'ISO';

\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\pset null -

-- media: a title is trimmed, what is left out or null gets its default
SELECT title, type, external_id, status, metadata, created_at <= clock_timestamp() AS made
  FROM media_create('{"title": "  Dune\t", "type": "movie", "external_id": "438631", "status": null, "metadata": null}');
SELECT id AS media FROM media_get_by_external_id('438631', 'movie') \gset
SELECT (media_get_by_id(:'media')).title;
SELECT title FROM media_get_by_id('01900000-0000-7000-8000-000000000000');
SELECT media_exists(:'media'), media_exists('01900000-0000-7000-8000-000000000000');
SELECT title, metadata FROM media_create('{"id": "01900000-0000-7000-8000-0000000000aa", "title": "Mine", "type": "series", "metadata": {"a": [1, null]}}');

-- flat rows
SELECT id AS movie FROM movie_create('{"title": "Alien", "year": 1979, "imdb_id": "tt0078748", "tmdb_id": 348, "runtime_minutes": 117, "external_id": "348"}') \gset
SELECT id AS series FROM series_create('{"title": "Severance", "tvdb_id": 371980, "type": "series"}') \gset
SELECT id AS episode FROM episode_create(jsonb_build_object('title', 'Good News About Hell', 'series_id', :'series',
    'season_number', 1, 'episode_number', 1, 'air_date', '2022-02-18')) \gset
SELECT title, type, status, year, imdb_id, tmdb_id, runtime_minutes FROM movie_get_by_id(:'movie');
SELECT title, type, tvdb_id, seasons FROM series_get_by_id(:'series');
SELECT title, type, series_id = :'series' AS of_it, season_number, episode_number, air_date FROM episode_get_by_id(:'episode');
SELECT m.type, e.year FROM media m JOIN movies e ON e.media_id = m.id;
-- a movie is no series, and a media row alone no movie
SELECT count(*) FROM series_get_by_id(:'movie');
SELECT movie_exists(:'media'), movie_delete(:'media'), count(*) FROM movie_get_by_id(:'media');
SELECT count(*) FROM movie_update(:'media', '{"year": 1984}');

-- updates: only what is named changes; updated_at moves on for the other table's columns, too
SELECT updated_at AS seen FROM movie_get_by_id(:'movie') \gset
SELECT title, year, runtime_minutes, updated_at > :'seen' AS moved_on FROM movie_update(:'movie', '{"year": 1980, "runtime_minutes": null}');
SELECT title, year, status FROM movie_update(:'movie', '{"title": " Aliens ", "year": 1986, "status": "completed"}');
SELECT title, status FROM media_update(:'movie', '{"status": "failed"}');
SELECT count(*) FROM media_update('01900000-0000-7000-8000-000000000000', '{"status": "failed"}');
-- no changes: the row as it is
SELECT updated_at AS seen FROM movie_get_by_id(:'movie') \gset
SELECT title, updated_at = :'seen' AS same FROM movie_update(:'movie', '{}');

-- who expects what is no longer so, learns of it
SELECT title FROM movie_update(:'movie', '{"title": "Alien 2"}', :'seen');
\set VERBOSITY sqlstate
SELECT title FROM movie_update(:'movie', '{"title": "Alien 3"}', :'seen');
SELECT title FROM movie_update(:'movie', '{"year": 1992}', :'seen');
SELECT title FROM movie_update(:'movie', '{}', :'seen');
SELECT title FROM media_update(:'movie', '{"title": "Alien 3"}', :'seen');
\set VERBOSITY default
SELECT count(*) FROM movie_update('01900000-0000-7000-8000-000000000000', '{"year": 1992}', :'seen');
SELECT title, year FROM movie_get_by_id(:'movie');

-- bad input
SELECT * FROM pg_temp.error_detail(format('SELECT media_update(%L, ''{"id": "%s", "type": "series", "created_at": "2020-01-01", "updated_at": null}'')', :'movie', :'media'));
SELECT * FROM pg_temp.error_detail(format('SELECT movie_update(%L, ''{"title": null}'')', :'movie'));
SELECT * FROM pg_temp.error_detail(format('SELECT movie_update(%L, ''{"title": "  ", "colour": "red"}'')', :'movie'));
SELECT * FROM pg_temp.error_detail(format('SELECT movie_update(%L, ''[1]'')', :'movie'));
SELECT * FROM pg_temp.error_detail('SELECT media_create(''null'')');
SELECT * FROM pg_temp.error_detail('SELECT media_create(''{"title": "Dune again", "type": "movie", "external_id": "438631"}'')');
SELECT * FROM pg_temp.error_detail('SELECT movie_create(''{"title": "Alien again", "external_id": "348"}'')');
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT media_update(%L, ''{"external_id": "438631"}'')', :'movie'));
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT episode_create(''{"title": "x", "series_id": "01900000-0000-7000-8000-000000000000", "season_number": 1, "episode_number": 1}'')');
SELECT * FROM pg_temp.error_detail('SELECT movie_create(''{"title": "x", "type": "series"}'')');
-- nothing was left behind by those
SELECT count(*) FROM media WHERE title IN ('x', 'Alien again', 'Dune again');
-- the type of a media row that has children: the functions do not offer it, the tables refuse it
SELECT sqlstate, message FROM pg_temp.error_detail(format('UPDATE media SET type = ''series'' WHERE id = %L', :'movie'));

-- jobs are enqueued
INSERT INTO job_types (name, priority, max_retries) VALUES ('subtitles', 33, 7);
SELECT id AS job, job_type, status, priority, max_retries, metadata
  FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'subtitles', 'unique_key', 'k', 'metadata', '{"a": 1}'::jsonb)) \gset
SELECT :'job_type' AS job_type, :'status' AS status, :'priority' AS priority, :'max_retries' AS max_retries, :'metadata' AS metadata;
SELECT id = :'job' AS the_same FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'subtitles', 'unique_key', 'k'));
SELECT priority, max_retries, available_at, metadata FROM job_update(:'job', '{"priority": 90, "max_retries": 1, "available_at": "2030-01-01", "metadata": {"b": 2}}');
SELECT * FROM pg_temp.error_detail(format('SELECT job_update(%L, ''{"status": "completed", "attempt": 7, "priority": 101}'')', :'job'));
SELECT sqlstate FROM pg_temp.error_detail(format('SELECT job_update(%L, ''{"priority": 1}'', ''2020-01-01'')', :'job'));
SELECT job_cancel(:'job');
SELECT sqlstate, replace(message, :'job', 'ID') FROM pg_temp.error_detail(format('SELECT job_update(%L, ''{"priority": 1}'')', :'job'));
SELECT count(*) FROM job_update('01900000-0000-7000-8000-000000000000', '{"priority": 1}');
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT job_create(''{"media_id": "%s", "job_type": "no such type"}'')', :'movie'));
SELECT sqlstate FROM pg_temp.error_detail('SELECT job_create(''{"media_id": "01900000-0000-7000-8000-000000000000", "job_type": "search"}'')');
SELECT job_enqueue(:'movie', 'search', priority => n % 3) IS NOT NULL FROM generate_series(1, 4) n;
SELECT job_type, status, priority FROM job_get_by_media(:'movie');
SELECT job_type, priority FROM job_get_pending();
SELECT job_type, priority FROM job_get_pending(2);
SELECT count(*) FROM job_get_pending(0);
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT job_get_pending(-1)');
SELECT count(*) FROM job_get_failed();
SELECT f.status FROM job_dequeue('{search}') d, job_fail(d.id, d.attempt, 'broken', retry => false) f;
SELECT error_message, status FROM job_get_failed();
SELECT job_delete(:'job'), job_delete(:'job');
SELECT job_exists(:'job');
SELECT count(*) FROM job_get_by_media('01900000-0000-7000-8000-000000000000');

-- the two ways to a media's jobs say the same, also with many
SELECT count(job_enqueue(:'series', 'search')) FROM generate_series(1, 100);
SELECT count(*), array_agg(id) = (SELECT array_agg(id ORDER BY id) FROM processing_jobs WHERE media_id = :'series') AS in_order
  FROM job_get_by_media(:'series');

-- history and audit log: for reading
SELECT h.action, h.status, h.id = g.id AS same FROM history_get_all(jsonb_build_object('media_id', :'movie'), order_by => 'id') h, history_get_by_id(h.id) g;
SELECT action, changes->'year' AS year FROM audit_get_all(jsonb_build_object('entity_type', 'movie', 'entity_id', :'movie'), order_by => 'id');
SELECT audit_count(jsonb_build_object('entity_id', :'movie', 'action', 'create')), audit_exists('01900000-0000-7000-8000-000000000000');
SELECT count(*) FROM pg_proc WHERE pronamespace = 'researcharr'::regnamespace AND proname ~ '^(history|audit)_(create|update|delete|validate)$';

-- by status, deletes
SELECT title FROM media_get_by_status('failed');
SELECT * FROM pg_temp.error_detail('SELECT media_get_by_status(''lost'')');
SELECT * FROM pg_temp.error_detail('SELECT media_get_by_external_id(''1'', ''book'')');
SELECT movie_delete(:'movie'), movie_delete(:'movie');
SELECT series_delete(:'series');
SELECT media_exists(:'movie'), episode_exists(:'episode'), media_exists(:'episode');

-- queue items and users have no updated_at
SELECT id AS item, service, priority, retry_count FROM queue_item_create(jsonb_build_object('media_id', :'media', 'service', 'radarr')) \gset
SELECT priority, metadata FROM queue_item_update(:'item', '{"priority": 7, "metadata": {"x": "y"}}');
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT queue_item_update(%L, ''{"priority": 1}'', now())', :'item'));
SELECT queue_item_delete(:'item');
SELECT username, password_hash, api_key_hash FROM webui_user_create('{"username": "anna", "password_hash": "h1"}');
SELECT * FROM pg_temp.error_detail('SELECT webui_user_create(''{"username": " anna", "password_hash": ""}'')');
SELECT sqlstate FROM pg_temp.error_detail('SELECT webui_user_create(''{"username": "anna", "password_hash": "h2"}'')');

-- NULL
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_get_by_id(NULL)');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_create(NULL)');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_update(gen_random_uuid(), NULL)');
SELECT count(*) FROM media_get_all(NULL, NULL, NULL, NULL);

-- A column that a user adds is a field at once, also with plans in use, and in
-- rows that were there; a dropped one is none, and rows keep their shape.
ALTER TABLE media ADD COLUMN rating numeric(3, 1) DEFAULT 5.0, ADD COLUMN tags text[], ADD COLUMN gone int;
SELECT title, rating, tags, gone FROM media_get_by_id(:'media');
SELECT rating, tags, gone FROM media_create('{"title": "Rated", "type": "movie", "rating": 7.5, "tags": "{a,b}", "gone": 1}');
SELECT * FROM pg_temp.error_detail('SELECT media_create(''{"title": "Rated", "type": "movie", "rating": "good", "gone": 5000000000}'')');
SELECT title FROM media_get_all('{"rating": {"gt": 6}, "tags": {"contains": "{b}"}}');
ALTER TABLE media DROP COLUMN gone, DROP COLUMN tags, DROP COLUMN rating;
SELECT title FROM media_get_by_id(:'media');
SELECT title FROM media_get_all('{"type": "movie"}', order_by => 'title');
SELECT title FROM media_create('{"title": "After", "type": "movie"}');
SELECT (media_update(:'media', '{"title": "Dune: Part One"}')).title;
SELECT sqlstate FROM pg_temp.error_detail('SELECT media_create(''{"title": "x", "type": "movie", "gone": 1}'')');
ALTER TABLE processing_jobs ADD COLUMN note text;
SELECT count(*), count(note) FROM job_get_by_media(:'media');
ALTER TABLE processing_jobs DROP COLUMN note;

-- within a transaction, calls see what came before, and in a subtransaction
-- that is undone they do not
BEGIN;
SELECT title FROM media_create('{"title": "Undone", "type": "movie"}');
SELECT count(*) FROM media_get_all('{"title": "Undone"}');
SAVEPOINT s;
SELECT status FROM media_get_by_id(:'media') JOIN LATERAL media_update(:'media', '{"status": "completed"}') USING (status);
SELECT status FROM media_get_by_id(:'media');
ROLLBACK TO s;
SELECT status FROM media_get_by_id(:'media');
ROLLBACK;
SELECT count(*) FROM media_get_all('{"title": "Undone"}');
BEGIN READ ONLY;
SELECT title FROM media_get_by_id(:'media');
SELECT media_create('{"title": "x", "type": "movie"}');
ROLLBACK;

-- The caller's own rights: on tables, columns and rows
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA researcharr TO regress_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_reader;
SET ROLE regress_reader;
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT media_get_by_id(%L)', :'media'));
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT movie_get_all()');
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT job_get_by_media(%L)', :'media'));
RESET ROLE;
GRANT SELECT (id, title) ON media TO regress_reader;
SET ROLE regress_reader;
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT media_get_by_id(%L)', :'media'));
RESET ROLE;
GRANT SELECT (type, external_id, status, metadata, created_at, updated_at) ON media TO regress_reader;
SET ROLE regress_reader;
SELECT title FROM media_get_by_id(:'media');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_create(''{"title": "x", "type": "movie"}'')');
SELECT sqlstate, message FROM pg_temp.error_detail(format('SELECT media_delete(%L)', :'media'));
RESET ROLE;
GRANT SELECT ON media, processing_jobs TO regress_reader;
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_titles ON media FOR SELECT TO regress_reader USING (title LIKE 'A%');
SET ROLE regress_reader;
SELECT count(*) FROM media_get_by_id(:'media');
SELECT title FROM media_get_all();
SELECT media_exists(:'media'), media_count();
RESET ROLE;
SELECT title FROM media_get_by_id(:'media');
DROP POLICY some_titles ON media;
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
SET ROLE regress_reader;
SELECT title FROM media_get_by_id(:'media');
RESET ROLE;

-- Others than admins read settings and users by the masked views, which do not have
-- a user's columns: those are NULL there
ALTER TABLE configuration ADD COLUMN note text;
ALTER TABLE webui_users ADD COLUMN note varchar(10);
SELECT note FROM config_create('{"key": "a.key", "value": "v", "note": "for admins", "secret": true}');
SELECT note FROM webui_user_create('{"username": "someone", "password_hash": "$2b$10$abcdefghijklmnopqrstuvwxyz0123456789", "note": "hm"}');
GRANT SELECT ON configuration_masked, webui_users_masked TO regress_reader;
SET ROLE regress_reader;
SELECT key, value, note FROM config_get_all('{"note": {"is_null": true}, "value": "***"}', order_by => 'note desc, key');
SELECT count(*) FROM config_get_all('{"note": "for admins"}');
SELECT config_count('{"value": "v"}'), config_count('{"value": {"like": "*%"}}');
SELECT c.key, c.value, c.note FROM config_list() l, config_get_by_id(l.id) c;
SELECT username, password_hash, note FROM webui_user_get_all('{"password_hash": null}');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT * FROM configuration');
RESET ROLE;
SELECT key, value, note FROM config_get_all('{"note": "for admins"}');
REVOKE SELECT ON configuration_masked, webui_users_masked FROM regress_reader;
ALTER TABLE configuration DROP COLUMN note;
ALTER TABLE webui_users DROP COLUMN note;
DELETE FROM configuration;

-- Triggers of users take part; one that keeps a row out leaves nothing
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT (media_create('{"title": "x", "type": "movie"}')).title;
SELECT count(*) FROM media_update(:'media', '{"title": "y"}');
SELECT media_delete(:'media');
DROP TRIGGER refuse ON media;

-- A trigger that calls the repositories while they are at work
CREATE FUNCTION pg_temp.twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF length(NEW.title) < 6 THEN
        PERFORM researcharr.media_create(jsonb_build_object('title', NEW.title || '+', 'type', NEW.type));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER twice BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.twice();
SELECT title FROM media_create('{"title": "Echo", "type": "movie"}');
DROP TRIGGER twice ON media;
SELECT title FROM media_get_all('{"title": {"like": "Echo%"}}', order_by => 'title');

-- More shapes than plans are kept: nothing is lost
SELECT count(*) FROM (
    SELECT media_get_all(jsonb_build_object('title', jsonb_build_object(o, 'x', p, 'y'), 'status', jsonb_build_object(q, 'pending')))
    FROM unnest('{eq,ne,gt,gte,lt,lte,like}'::text[]) o, unnest('{eq,ne,gt,gte,lt,lte,like}'::text[]) p, unnest('{eq,ne,gt}'::text[]) q) s;
SELECT title FROM media_get_by_id(:'media');

REVOKE ALL ON media, processing_jobs FROM regress_reader;
REVOKE SELECT (id, title, type, external_id, status, metadata, created_at, updated_at) ON media FROM regress_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_reader;
REVOKE ALL ON SCHEMA researcharr FROM regress_reader;
DROP ROLE regress_reader;
DELETE FROM media;
DELETE FROM webui_users;
DELETE FROM job_types;
