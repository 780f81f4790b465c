-- legacy_adopt(): the data of the old application, as it comes out of SQLite.
-- test/full has real files, and pgloader.
SET search_path = researcharr;
SET timezone = 'UTC';
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\pset null -
SET client_min_messages = warning;
TRUNCATE media, instances CASCADE;
RESET client_min_messages;

CREATE SCHEMA old;
CREATE TABLE old.radarr_queue (movie_id bigint PRIMARY KEY, last_processed text);
CREATE TABLE old.sonarr_queue (episode_id bigint PRIMARY KEY, last_processed text);
CREATE TABLE old.webui_users (id bigint PRIMARY KEY, username text, password_hash text, api_key_hash text, created_at text);
INSERT INTO old.radarr_queue VALUES (1, '2024-03-01T10:00:00'), (2, '2024-03-02 11:30:00.5'), (3, '1709500000'),
	(4, 'yesterday'), (5, NULL), (6, '2024-03-01T10:00:00+02:00'), (99, '2024-03-01T10:00:00');
INSERT INTO old.sonarr_queue VALUES (7, '2024-02-30T10:00:00'), (8, '2024-03-01');
INSERT INTO old.webui_users VALUES (1, 'anna', 'pbkdf2:sha256:1', NULL, '2023-01-01 00:00:00'), (2, '', 'x', '', NULL), (3, NULL, 'x', NULL, NULL),
	(4, 'bert', 'pbkdf2:sha256:2', 'sha', 'never');
-- what the instances have
SELECT created FROM media_sync_radarr('radarr', (SELECT jsonb_agg(jsonb_build_object('id', n, 'tmdbId', 100 + n, 'title', 'movie ' || n)) FROM generate_series(1, 6) n))
WHERE (SELECT true FROM instance_create('{"name": "radarr", "service": "radarr"}'));
SELECT created FROM media_import_sonarr('[{"id": 3, "tvdbId": 30, "title": "show"}]',
	'[{"id": 7, "seriesId": 3, "tvdbId": 70, "title": "one", "seasonNumber": 1, "episodeNumber": 1},
	{"id": 8, "seriesId": 3, "tvdbId": 80, "title": "two", "seasonNumber": 1, "episodeNumber": 2}]');

SELECT * FROM legacy_adopt('old');
SELECT kind, service_id, last_search_at, search_count FROM tracked_items WHERE kind <> 'series' ORDER BY kind, service_id;
SELECT service, title, last_processed FROM queue_items JOIN media ON media.id = media_id ORDER BY service, title;
SELECT username, password_hash, api_key_hash, created_at > '2024-01-01' AS now FROM webui_users ORDER BY username;
SELECT * FROM (SELECT source_schema, source_table, source_key, data, problem FROM legacy_rows) l ORDER BY 1, 2, 3;

-- again: nothing changes, not even what was handled since
DELETE FROM queue_items WHERE media_id = (SELECT id FROM media WHERE title = 'movie 1');
UPDATE webui_users SET password_hash = 'new' WHERE username = 'anna';
SELECT source_table, found, adopted, unchanged, kept FROM legacy_adopt('old');
SELECT count(*) FROM queue_items;
SELECT password_hash FROM webui_users WHERE username = 'anna';
-- what was kept is adopted when its media comes, without the schema, too
SELECT created FROM media_sync_radarr('radarr', '[{"id": 99, "tmdbId": 199, "title": "late"}]');
SELECT source_table, found, adopted, unchanged, kept FROM legacy_adopt();
SELECT last_search_at FROM tracked_items WHERE service_id = 99;
SELECT source_table, source_key FROM legacy_rows ORDER BY 1, 2;

-- the views: what old programs read and write
SELECT * FROM radarr_queue ORDER BY movie_id;
INSERT INTO radarr_queue VALUES (4, '2024-05-01T00:00:00');
INSERT INTO radarr_queue (movie_id, last_processed) VALUES (1, '2024-05-02T00:00:00');
UPDATE radarr_queue SET last_processed = '2024-05-03T00:00:00Z' WHERE movie_id = 2;
DELETE FROM radarr_queue WHERE movie_id = 3;
SELECT * FROM radarr_queue ORDER BY movie_id;
SELECT service_id, last_search_at, search_count FROM tracked_items WHERE kind = 'movie' AND service_id < 5 ORDER BY service_id;
SELECT * FROM pg_temp.error('INSERT INTO researcharr.radarr_queue VALUES (1234, ''2024-05-01T00:00:00'')');
SELECT sqlstate FROM pg_temp.error('INSERT INTO researcharr.radarr_queue VALUES (1, ''noon'')');
SELECT sqlstate FROM pg_temp.error('INSERT INTO researcharr.radarr_queue VALUES (NULL, ''2024-05-01T00:00:00'')');
SELECT sqlstate FROM pg_temp.error('UPDATE researcharr.radarr_queue SET movie_id = 5 WHERE movie_id = 1');
SELECT * FROM sonarr_queue;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_finish()');
SELECT legacy_finish(true);
SELECT to_regclass('radarr_queue'), to_regclass('sonarr_queue');
SELECT legacy_finish();

-- the newer form
CREATE SCHEMA newer;
CREATE TABLE newer.managed_apps (id bigint, app_type text, name text, base_url text, api_key text, is_active boolean,
	use_custom_settings boolean, custom_max_retries bigint, created_at timestamptz, last_sync_at timestamptz);
CREATE TABLE newer.tracked_items (id bigint, app_id bigint, arr_id bigint, tmdb_id bigint, tvdb_id bigint, title text, monitored boolean, has_file boolean,
	custom_format_score double precision, search_count bigint, last_search_at timestamptz, failed_search_count bigint, next_retry_at timestamptz);
CREATE TABLE newer.search_cycles (id bigint, app_id bigint, cycle_number bigint, items_searched bigint, items_succeeded bigint, items_failed bigint, started_at timestamptz);
CREATE TABLE newer.processing_logs (id bigint, app_id bigint, tracked_item_id bigint, event_type text, message text, details text, success boolean, created_at timestamptz);
CREATE TABLE newer.global_settings (id bigint, items_per_cycle bigint, sort_strategy text, retry_failed_items boolean, daily_summary_time text, created_at timestamptz);
INSERT INTO newer.managed_apps VALUES (1, 'RADARR', 'Films', 'http://radarr:7878/', 'film-key', true, true, 5, now(), '2024-06-01'),
	(2, 'SONARR', 'Shows', 'http://sonarr:8989', 'show-key', false, false, NULL, now(), NULL), (3, 'RADARR', 'Films', 'http://other:7878', '', true, false, NULL, now(), NULL),
	(4, 'LIDARR', 'Music', 'http://lidarr:1', 'music-key', true, false, NULL, now(), NULL);
INSERT INTO newer.tracked_items VALUES (10, 1, 501, 101, NULL, 'movie 1', true, false, 12.5, 3, '2024-06-01 12:00+00', 1, '2024-06-02 12:00+00'),
	(11, 2, 502, NULL, 30, 'show', true, false, 0, 0, NULL, 0, NULL), (12, 1, 503, 4711, NULL, 'nobody has it', true, false, 0, 1, '2024-06-01', 0, NULL),
	(13, 7, 504, 101, NULL, 'of no app', true, false, 0, 0, NULL, 0, NULL);
INSERT INTO newer.search_cycles VALUES (1, 1, 1, 5, 4, 1, '2024-06-01 11:00+00');
INSERT INTO newer.processing_logs VALUES (1, 1, 10, 'search_completed', 'found', NULL, true, '2024-06-01 12:00+00'),
	(2, 1, 10, 'search_failed', 'timeout', '{"code": 504}', false, '2024-06-01 12:05+00'), (3, 1, NULL, 'sync_completed', 'all', '', true, '2024-06-01 12:06+00');
INSERT INTO newer.global_settings VALUES (1, 5, 'CUSTOM_FORMAT_SCORE_ASC', true, '09:00', now());
SELECT * FROM legacy_adopt('newer');
SELECT name, service, base_url, active, settings, last_synced_at FROM instances WHERE name NOT IN ('radarr', 'sonarr') ORDER BY name;
SELECT name, kind, service_id, title, monitored, custom_format_score, last_search_at, search_count, failed_search_count, next_search_at
FROM tracked_items t JOIN instances i ON i.id = instance_id JOIN media m ON m.id = media_id WHERE service_id > 500 ORDER BY service_id;
SELECT key, value, value_type, secret FROM configuration ORDER BY key;
SELECT title, action, h.status, details, "timestamp" FROM processing_history h LEFT JOIN media m ON m.id = h.media_id WHERE action = 'adopted' ORDER BY "timestamp";
SELECT source_table, source_key, data->>'api_key' AS secret, problem FROM legacy_rows ORDER BY 1, 2;
SELECT source_table, found, adopted, unchanged, kept FROM legacy_adopt('newer');
SELECT count(*) FROM processing_history WHERE action = 'adopted';
-- secrets do not reach the audit log
SELECT count(*) FROM audit_log WHERE changes::text ~ '-key|pbkdf2:sha';

-- the same application's file, later: its app is known by its address, its log has grown; and another application's file
CREATE SCHEMA later;
CREATE TABLE later.managed_apps AS SELECT * FROM newer.managed_apps WHERE id = 1;
CREATE TABLE later.tracked_items AS SELECT * FROM newer.tracked_items WHERE id = 10;
CREATE TABLE later.processing_logs AS SELECT * FROM newer.processing_logs;
INSERT INTO later.processing_logs VALUES (4, 1, 10, 'search_completed', 'again', NULL, true, '2024-07-01 12:00+00');
SELECT source_table, found, adopted, unchanged, kept FROM legacy_adopt('later');
CREATE SCHEMA other;
CREATE TABLE other.managed_apps AS SELECT id, app_type, name, 'http://third:7878' AS base_url, api_key FROM newer.managed_apps WHERE id = 1;
CREATE TABLE other.processing_logs AS SELECT id, app_id, event_type, message, created_at FROM newer.processing_logs WHERE id = 3;
INSERT INTO other.managed_apps VALUES (NULL, 'RADARR', 'nameless', 'http://nameless:1', NULL), (9, 'RADARR', 'Password', 'http://user:pass@host', 'pass-key');
SELECT source_table, found, adopted, unchanged, kept, problems FROM legacy_adopt('other');
SELECT name, settings->'legacy_apps' AS apps FROM instances WHERE settings ? 'legacy_apps' ORDER BY name;
SELECT count(*) FROM legacy_rows WHERE data::text ~ 'pass@|-key';
-- a row with secrets is not tried again without its table, and is forgotten when it has gone from it
SELECT count(*) FROM legacy_rows WHERE source_table = 'managed_apps' AND source_schema = 'other';
DELETE FROM other.managed_apps WHERE id = 9;
SELECT count(*) FROM legacy_adopt('other');
SELECT count(*) FROM legacy_rows WHERE source_table = 'managed_apps' AND source_schema = 'other';
-- the later search wins, also over one without a time
UPDATE tracked_items SET last_search_at = '2030-01-01', next_search_at = '2030-01-02', search_count = 1, failed_search_count = 0 WHERE service_id = 501;
UPDATE newer.tracked_items SET last_search_at = NULL, search_count = 7, failed_search_count = 5 WHERE id = 10;
SELECT adopted FROM legacy_adopt('newer') WHERE source_table = 'tracked_items';
SELECT search_count, failed_search_count, next_search_at = '2030-01-02' AS next FROM tracked_items WHERE service_id = 501;

-- bad calls
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''researcharr'')');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt()');
COMMIT;
SELECT * FROM pg_temp.error('SELECT researcharr.legacy_adopt(''nowhere'')');
CREATE SCHEMA bare;
CREATE TABLE bare.films (id int);
SELECT * FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
CREATE TABLE bare.radarr_queue (id int, last_processed text);
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
ALTER TABLE bare.radarr_queue RENAME id TO movie_id;
ALTER TABLE bare.radarr_queue ALTER movie_id TYPE text;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
ALTER TABLE bare.radarr_queue ALTER movie_id TYPE int USING movie_id::int;
CREATE VIEW researcharr.radarr_queue AS SELECT 1 AS movie_id;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
SELECT legacy_finish(true);
SELECT count(*) FROM researcharr.radarr_queue;
DROP VIEW researcharr.radarr_queue;
DROP TABLE bare.radarr_queue;
CREATE TABLE bare.webui_users (id int, username text);
INSERT INTO bare.webui_users VALUES (1, 'carl');
SELECT found, kept, problems FROM legacy_adopt('bare');
-- an application's role reads and writes the views, whether it gets its level before or after them
CREATE ROLE regress_app;
SELECT access_grant('regress_app', 'application');
CREATE TABLE bare.sonarr_queue (episode_id int, last_processed text);
INSERT INTO bare.sonarr_queue VALUES (8, '1790000000000');
SELECT source_table, adopted, problems FROM legacy_adopt('bare') ORDER BY 1;
SET ROLE regress_app;
SELECT * FROM researcharr.sonarr_queue;
UPDATE researcharr.sonarr_queue SET last_processed = '1700000000' WHERE episode_id = 8;
SELECT * FROM researcharr.sonarr_queue;
RESET ROLE;
SELECT access_revoke('regress_app');
SELECT has_table_privilege('regress_app', 'researcharr.sonarr_queue', 'SELECT, UPDATE');
SELECT access_grant('regress_app', 'application');
SET ROLE regress_app;
DELETE FROM researcharr.sonarr_queue;
INSERT INTO researcharr.sonarr_queue VALUES (8, '1710000000');
SELECT * FROM researcharr.sonarr_queue;
DELETE FROM researcharr.sonarr_queue;
RESET ROLE;
SELECT last_search_at, search_count FROM tracked_items WHERE service_id = 8;
SELECT access_revoke('regress_app');
DROP ROLE regress_app;
SELECT legacy_finish(true);
-- a schema whose owner waits for somebody with more privileges
CREATE FUNCTION pg_temp.trap(anyelement) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE VIEW bare.radarr_queue AS SELECT 1 AS movie_id, pg_temp.trap(1) AS last_processed;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
DROP VIEW bare.radarr_queue;
CREATE DOMAIN bare.evil AS text;
CREATE TABLE bare.radarr_queue (movie_id int, last_processed bare.evil);
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
ALTER TABLE bare.radarr_queue ALTER last_processed TYPE text;
ALTER TABLE bare.radarr_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE bare.radarr_queue FORCE ROW LEVEL SECURITY;
CREATE ROLE regress_old;
GRANT USAGE ON SCHEMA researcharr, bare TO regress_old;
GRANT EXECUTE ON FUNCTION legacy_adopt(text), legacy_finish(boolean) TO regress_old;
SET ROLE regress_old;
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_adopt(''bare'')');
SELECT sqlstate, message FROM pg_temp.error('SELECT researcharr.legacy_finish()');
RESET ROLE;
SELECT sqlstate FROM pg_temp.error('SELECT researcharr.legacy_finish(NULL)');
BEGIN READ ONLY;
SELECT sqlstate FROM pg_temp.error('SELECT researcharr.legacy_adopt()');
COMMIT;
DROP OWNED BY regress_old;
DROP ROLE regress_old;

SELECT legacy_finish(true);
SET client_min_messages = warning;
DROP SCHEMA old, newer, later, other, bare CASCADE;
DELETE FROM instances;
DELETE FROM media;
DELETE FROM configuration;
DELETE FROM webui_users;
