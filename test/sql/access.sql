-- Levels of access: one call grants what a kind of work needs, and no more.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
CREATE ROLE regress_reader;
CREATE ROLE regress_worker;
CREATE ROLE regress_app;
CREATE ROLE regress_auditor;
CREATE ROLE regress_admin;
CREATE ROLE "regress Odd ""Name";
CREATE ROLE regress_super SUPERUSER;
SELECT id AS movie FROM movie_create('{"title": "Alien", "year": 1979}') \gset
SELECT id AS second FROM movie_create('{"title": "Brazil", "year": 1985}') \gset
SELECT key FROM config_set('api.key', 'hush', secret => true);
SELECT key FROM config_set('plain', 'said');
SELECT username FROM webui_user_create('{"username": "u", "password_hash": "hash"}');

-- Granting: again is no change, another level replaces.
SELECT access_grant('regress_reader', 'worker'), access_grant('regress_reader', 'worker');
SELECT access_grant('regress_reader', 'reader'), access_grant('regress_worker', 'worker'), access_grant('regress_app', 'application'),
	access_grant('regress_auditor', 'auditor'), access_grant('regress_admin', 'admin'), access_grant('regress Odd "Name', 'reader');
SELECT grantee, level, status, granted_by = session_user AS by_me FROM access_levels ORDER BY grantee COLLATE "C";

-- Bad input: nothing is changed.
SELECT call, e.* FROM unnest('{"access_grant(''nobody at all'', ''reader'')","access_grant(''public'', ''reader'')","access_grant(''PUBLIC'', ''reader'')",
	"access_grant(''regress_reader'', ''root'')","access_grant(''regress_reader'', ''Reader'')","access_grant(''regress_reader'', '''')","access_grant(NULL, ''reader'')",
	"access_grant(''regress_reader'', NULL)","access_grant(''regress_super'', ''reader'')","access_grant(session_user::text, ''admin'')","access_revoke(NULL)"}'::text[])
	WITH ORDINALITY AS c (call, n), pg_temp.error('SELECT ' || call) e ORDER BY n;
SELECT access_revoke('nobody at all') AS nobody, access_revoke('regress_super') AS never, access_revoke('public') AS public;
SELECT count(*) FROM access_levels;
-- Others than the owner and superusers do not grant, and do not write to the table.
SET ROLE regress_admin;
SELECT call, e.* FROM unnest('{"SELECT researcharr.access_grant(''regress_worker'', ''admin'')","SELECT researcharr.access_grant(''regress_admin'', ''admin'')","SELECT researcharr.access_revoke(''regress_worker'')","SELECT researcharr.access_apply()",
	"UPDATE researcharr.access_grants SET level = ''admin''","DELETE FROM researcharr.access_grants"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;
GRANT EXECUTE ON FUNCTION access_grant, access_revoke, access_apply TO regress_admin;
GRANT INSERT, DELETE, TRUNCATE ON access_grants TO regress_admin;
SET ROLE regress_admin;
SELECT call, e.* FROM unnest('{"SELECT researcharr.access_grant(''regress_worker'', ''admin'')","SELECT researcharr.access_grant(''regress_admin'', ''admin'')","SELECT researcharr.access_revoke(''regress_worker'')","SELECT researcharr.access_apply()",
	"UPDATE researcharr.access_grants SET level = ''admin''","DELETE FROM researcharr.access_grants","TRUNCATE researcharr.access_grants",
	"INSERT INTO researcharr.access_grants (grantee, level, granted_by, applied_in) VALUES (''regress_super'', ''admin'', '''', '''')"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;
SELECT access_grant('regress_admin', 'reader'), access_grant('regress_admin', 'admin');
SELECT has_function_privilege('regress_admin', 'researcharr.access_apply()', 'EXECUTE') AS surplus_is_gone;

-- A superuser who is not the owner grants, and so does a member of the owner's role, which gets no level itself.
SELECT current_user AS owner \gset
CREATE ROLE regress_member;
GRANT :"owner" TO regress_member;
SET ROLE regress_super;
SELECT researcharr.access_grant('regress_reader', 'worker'), researcharr.access_apply();
SET ROLE regress_member;
SELECT current_setting('is_superuser') AS superuser, researcharr.access_grant('regress_reader', 'reader'), researcharr.access_apply();
SELECT researcharr.access_grant('regress_member', 'reader');
SELECT researcharr.access_revoke('regress_reader'), researcharr.access_grant('regress_reader', 'reader');
SET ROLE regress_super;
SELECT researcharr.access_grant('regress_member', 'admin');
RESET ROLE;
SELECT level, status, granted_by = session_user AS by_session FROM access_levels WHERE grantee = 'regress_reader';
DROP ROLE regress_member;

-- A reader reads, and no secret.
SET ROLE regress_reader;
SELECT title, year FROM researcharr.movie_get_all(order_by => 'title');
SELECT researcharr.config_get('api.key') AS secret, researcharr.config_get('plain') AS plain;
SELECT username, password_hash IS NULL AS hidden FROM researcharr.webui_user_get_all();
SELECT count(*) FROM researcharr.job_get_pending();
SELECT count(*) FROM researcharr.job_type_policies;
SELECT count(*) FROM researcharr.media_search('brazil');
SELECT call, e.sqlstate FROM unnest('{"SELECT value FROM researcharr.configuration","SELECT password_hash FROM researcharr.webui_users","SELECT count(*) FROM researcharr.audit_log",
	"SELECT count(*) FROM researcharr.processing_history","SELECT researcharr.job_dequeue()","SELECT researcharr.movie_create(''{}'')","UPDATE researcharr.media SET status = ''failed''",
	"LOCK TABLE researcharr.media IN SHARE MODE"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;

-- A role that may write to all tables of the server is no admin.
CREATE ROLE regress_writer IN ROLE pg_write_all_data;
SELECT access_grant('regress_writer', 'reader');
SET ROLE regress_writer;
SELECT researcharr.config_get('api.key') AS secret;
SELECT call, e.sqlstate FROM unnest('{"UPDATE researcharr.configuration SET secret = false","UPDATE researcharr.access_grants SET level = ''admin''"}'::text[])
	WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;
SELECT access_revoke('regress_writer');
DROP ROLE regress_writer;

-- An application does all that the README shows.
SET ROLE regress_app;
SELECT title FROM researcharr.movie_update(:'movie', '{"title": "Aliens"}');
SELECT count(researcharr.job_enqueue(:'movie', 'search', priority => p)) FROM unnest('{10,20,30}'::int[]) AS p;
SELECT id, attempt FROM researcharr.job_dequeue('{search}', worker => 'app') \gset
BEGIN;
SELECT status FROM researcharr.movie_update(:'movie', '{"status": "completed"}');
SELECT researcharr.job_complete(:'id', :attempt, '{"releases": 3}');
COMMIT;
SELECT job_type, status, jobs FROM researcharr.job_stats() ORDER BY status COLLATE "C";
SELECT count(*) > 0 AS history FROM researcharr.processing_history;
SELECT count(*) > 0 AS audit FROM researcharr.audit_log;
SELECT created, updated, failed FROM researcharr.media_import_radarr('[{"title": "The Third Man", "tmdbId": 1092, "year": 1949}]');
SELECT created, updated, failed FROM researcharr.media_import_sonarr('[{"title": "Fargo", "tvdbId": 269613, "id": 1}]', '[{"id": 1, "seriesId": 1, "title": "one", "seasonNumber": 1, "episodeNumber": 1, "tvdbId": 7}]');
SELECT count(*) FROM researcharr.queue_item_create(jsonb_build_object('media_id', :'movie', 'service', 'radarr'));
SELECT count(*) FROM researcharr.config_set('plain', 'more') a, researcharr.config_set('api.key', 'other') b;
SELECT researcharr.config_get('plain') AS plain, researcharr.config_get('api.key') AS secret;
SELECT username, password_hash IS NULL AS hidden FROM researcharr.webui_user_create('{"username": "v", "password_hash": "hash"}');
SELECT count(*) FROM researcharr.webui_user_get_all('{"username": "v"}') u, researcharr.webui_user_update(u.id, '{"username": "w"}') w, researcharr.webui_user_delete(u.id) d WHERE d;
SELECT jsonb_array_length(researcharr.unit_of_work('[{"op": "create", "entity": "movie", "values": {"title": "Dune"}}, {"op": "create", "entity": "job", "values": {"media_id": "$0.id", "job_type": "search"}}]'));
SELECT name, max_running FROM researcharr.job_type_register('mine', max_running => 2);
SELECT researcharr.cache_set_text('k', 'v'), researcharr.cache_get_text('k');
UPDATE researcharr.movie_rows SET year = 1950 WHERE year = 1949 RETURNING title, year;
-- what a worker that logs in as the application calls
SELECT id AS failing, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT status, retry_count FROM researcharr.job_fail(:'failing', :attempt, 'timed out', retry => false);
SELECT name, max_running FROM researcharr.job_type_policies WHERE name = 'mine';
SELECT researcharr.job_retry(:'failing');
CALL researcharr.job_dequeue_wait(job_types => '{search}', timeout => '0') \gset
SELECT j.id AS taken, j.attempt FROM jsonb_populate_recordset(NULL::researcharr.processing_jobs, :'jobs') AS j \gset
SELECT count(*) AS next FROM researcharr.job_complete_and_dequeue(:'taken', :attempt, '{"found": 1}', '{mine}');
SELECT researcharr.job_cancel(researcharr.job_enqueue(:'second', 'verify'));
-- what the services answer
SELECT name FROM researcharr.instance_create('{"service": "radarr", "name": "films"}');
SELECT created, updated, failed FROM researcharr.media_sync_radarr('films', '[{"title": "Ran", "tmdbId": 11645, "id": 5, "year": 1985, "monitored": true, "hasFile": false, "isAvailable": true}]');
SELECT event, applied, media_id IS NOT NULL AS media FROM researcharr.media_apply_webhook('films',
	'{"eventType": "MovieAdded", "movie": {"id": 6, "title": "Ikiru", "year": 1952, "tmdbId": 3782}}');
SELECT count(*) > 0 AS wanted FROM researcharr.wanted_enqueue('films', job_type => 'mine');
SELECT researcharr.cache_fetch('titles', 'SELECT title FROM researcharr.movie_rows WHERE year = 1985 ORDER BY title');
SELECT sqlstate FROM pg_temp.error('SELECT researcharr.cache_depends(''researcharr.movies'', ''titles'')');
SELECT call, e.sqlstate FROM unnest('{"SELECT value FROM researcharr.configuration","SELECT password_hash FROM researcharr.webui_users","DELETE FROM researcharr.audit_log",
	"SELECT researcharr.retention_set(''audit'', ''1 day'')","SELECT researcharr.backup_list()","SELECT researcharr.schedule_pause(''backup'')","CALL researcharr.run_maintenance()",
	"TRUNCATE researcharr.media","INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT id, ''search'' FROM researcharr.media"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;

-- A worker works, writes two columns of media, and cannot lock the table.
SET ROLE regress_worker;
SELECT id, attempt, media_id FROM researcharr.job_dequeue() \gset
UPDATE researcharr.media SET status = 'completed', metadata = '{"a": 1}' WHERE id = :'media_id';
SELECT status FROM researcharr.movie_update(:'media_id', '{"status": "failed"}');
SELECT researcharr.job_complete(:'id', :attempt);
SELECT id AS item, service, retry_count FROM researcharr.queue_item_get_next('radarr') \gset item_
SELECT researcharr.queue_item_increment_retry_count(:'item_item'), count(*) FROM researcharr.queue_item_update_last_processed(:'item_item');
CALL researcharr.job_dequeue_wait(job_types => '{download}', timeout => '0');
SELECT call, e.sqlstate FROM unnest('{"UPDATE researcharr.media SET title = ''x''","UPDATE researcharr.queue_items SET priority = 1","SELECT count(*) FROM researcharr.processing_jobs",
	"SELECT researcharr.job_enqueue(NULL, NULL)","SELECT researcharr.movie_update(id, ''{\"year\": 1990}'') FROM researcharr.movie_rows",
	"DELETE FROM researcharr.media","LOCK TABLE researcharr.media IN ROW EXCLUSIVE MODE","LOCK TABLE researcharr.queue_items IN SHARE MODE"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;

-- An auditor reads both logs, and nothing else.
SET ROLE regress_auditor;
SELECT count(*) > 0 AS audit FROM researcharr.audit_get_all('{"entity_type": "access"}');
SELECT researcharr.history_count() > 0 AS history;
SELECT call, e.sqlstate FROM unnest('{"SELECT count(*) FROM researcharr.media","SELECT count(*) FROM researcharr.media_get_all()","DELETE FROM researcharr.processing_history"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;

-- An admin counts as one, also by membership, and owns nothing.
CREATE ROLE regress_operator;
GRANT regress_admin TO regress_operator;
CREATE TABLE public.regress_mine (id int PRIMARY KEY);
ALTER TABLE public.regress_mine OWNER TO regress_admin;
SET search_path = researcharr, public;
SET ROLE regress_operator;
SELECT researcharr.config_get('api.key') AS secret;
SELECT username, password_hash FROM researcharr.webui_user_get_all();
SELECT u.secret, u.value FROM researcharr.config_get_all('{"key": "api.key"}') c, researcharr.config_update(c.id, '{"secret": false}') u;
SELECT researcharr.cache_stats_reset();
SELECT researcharr.schedule_pause('backup'), researcharr.schedule_resume('backup');
SELECT researcharr.retention_set('audit', '90 days');
SELECT researcharr.cache_depends('regress_mine', 'mine:{id}'), researcharr.cache_set_text('mine:1', 'old');
INSERT INTO regress_mine VALUES (1);
SELECT researcharr.cache_exists('mine:1'), researcharr.cache_independent('regress_mine');
SELECT sqlstate FROM pg_temp.error('SELECT researcharr.cache_depends(''researcharr.movies'', ''titles'')');
SELECT count(*) FROM researcharr.access_levels;
SELECT call, e.sqlstate FROM unnest('{"DELETE FROM researcharr.audit_log","UPDATE researcharr.schedule_entries SET paused = true","DROP TABLE researcharr.media","ALTER TABLE researcharr.media ADD COLUMN c int",
	"CREATE TRIGGER t BEFORE INSERT ON researcharr.media FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()","TRUNCATE researcharr.media"}'::text[]) WITH ORDINALITY AS c (call, n), pg_temp.error(call) e ORDER BY n;
RESET ROLE;
SET search_path = researcharr;
DROP TABLE public.regress_mine;
SELECT researcharr.retention_set('audit', NULL);

-- Revoking takes everything.
SELECT access_revoke('regress_worker'), access_revoke('regress_worker');
SELECT access_revoke('regress_app'), access_revoke('regress_auditor'), access_revoke('regress_admin'), access_revoke('regress Odd "Name');
DROP ROLE regress_worker, regress_app, regress_auditor, regress_admin, regress_operator, "regress Odd ""Name", regress_super;

-- A role that is dropped and created anew gets nothing until it is granted again.
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;
SELECT grantee, status FROM access_levels;
CREATE ROLE regress_reader;
SELECT access_apply();
SELECT grantee, status, has_schema_privilege('regress_reader', 'researcharr', 'USAGE') AS usage FROM access_levels;
-- not even if somebody lets it in
GRANT USAGE ON SCHEMA researcharr TO regress_reader;
SELECT access_apply(), has_table_privilege('regress_reader', 'researcharr.media', 'SELECT');
SELECT grantee, status FROM access_levels;
SELECT access_grant('regress_reader', 'reader'), access_apply();
SELECT grantee, status FROM access_levels;
-- A role that has lost USAGE on the schema gets nothing either, until it is granted again.
REVOKE USAGE ON SCHEMA researcharr FROM regress_reader;
SELECT access_apply(), has_schema_privilege('regress_reader', 'researcharr', 'USAGE') AS usage;
SELECT grantee, status FROM access_levels;
SELECT access_grant('regress_reader', 'reader'), access_apply(), has_schema_privilege('regress_reader', 'researcharr', 'USAGE') AS usage;
SELECT grantee, status FROM access_levels;
-- What was revoked by hand comes back with the level, and so does a row that came with a dump.
REVOKE EXECUTE ON FUNCTION media_get_all FROM regress_reader;
SELECT access_apply(), has_function_privilege('regress_reader', 'researcharr.media_get_all(jsonb, bigint, bigint, text)', 'EXECUTE');
SELECT access_revoke('regress_reader');
INSERT INTO access_grants (grantee, level, granted_by, applied_in) VALUES ('regress_reader', 'reader', 'somebody', 'elsewhere'), ('regress_gone', 'reader', 'somebody', 'elsewhere');
SELECT grantee, status FROM access_levels ORDER BY grantee;
SELECT access_apply();
SELECT grantee, status FROM access_levels ORDER BY grantee;
SELECT access_revoke(grantee) FROM access_levels;
-- A row of another database of this cluster names the role that got it, not one of its name.
INSERT INTO access_grants (grantee, level, granted_by, applied_in)
SELECT 'regress_reader', 'admin', 'somebody', system_identifier || '/1/' || role FROM pg_control_system(), CAST('pg_monitor'::regrole AS oid) role;
SELECT grantee, status FROM access_levels;
SELECT access_apply(), has_table_privilege('regress_reader', 'researcharr.access_grants', 'UPDATE') AS admin;
UPDATE access_grants SET applied_in = replace(applied_in, '/' || CAST('pg_monitor'::regrole AS oid), '/' || CAST('regress_reader'::regrole AS oid)), level = 'reader';
SELECT grantee, status FROM access_levels;
SELECT access_apply(), has_table_privilege('regress_reader', 'researcharr.media', 'SELECT') AS reads;
-- A role that was renamed loses what it has by its old name, and a new one of that name nothing.
ALTER ROLE regress_reader RENAME TO regress_renamed;
CREATE ROLE regress_reader;
GRANT SELECT ON media TO regress_reader;
SELECT grantee, status FROM access_levels;
SELECT access_revoke('regress_reader'), has_schema_privilege('regress_renamed', 'researcharr', 'USAGE') AS renamed, has_table_privilege('regress_reader', 'researcharr.media', 'SELECT') AS other;
REVOKE SELECT ON media FROM regress_reader;
DROP ROLE regress_renamed;
DROP ROLE regress_reader;
SELECT action, entity_type, entity_id, changes->'level' AS level FROM audit_log WHERE entity_type = 'access' AND entity_id = 'regress_reader' ORDER BY id LIMIT 8;

DELETE FROM instances;
DELETE FROM media;
DELETE FROM configuration;
DELETE FROM webui_users;
DELETE FROM job_types;
DELETE FROM schedule_entries;
