-- Audit: every other change of data.
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';

-- what is on record since the last look; the ids of rows are masked
CREATE TEMP TABLE seen AS SELECT id FROM researcharr.audit_log;
CREATE FUNCTION pg_temp.news(OUT entity_type text, OUT entity_id text, OUT action text, OUT user_id text, OUT changes jsonb)
RETURNS SETOF record LANGUAGE SQL AS $$
	WITH news AS (
		INSERT INTO pg_temp.seen SELECT a.id FROM researcharr.audit_log a
		WHERE a.id NOT IN (SELECT s.id FROM pg_temp.seen s)
		RETURNING id)
	SELECT a.entity_type, CASE WHEN a.entity_id LIKE '________-____-7%' AND a.entity_id NOT LIKE '01900000%'
			THEN 'uuid' ELSE a.entity_id END, a.action, a.user_id,
		a.changes - ARRAY['id', 'created_at', 'added_at', 'available_at']
	FROM researcharr.audit_log a JOIN news ON news.id = a.id ORDER BY a.id
$$;

-- Each entity: made, changed, not changed, deleted.
INSERT INTO researcharr.media (id, title, type, metadata) VALUES
	('01900000-0000-7000-8000-000000000001', 'One "quoted" ë', 'movie', '{"a": [1, 2.50, {"b": null}]}'),
	('01900000-0000-7000-8000-000000000002', 'Two', 'series', '{}'),
	('01900000-0000-7000-8000-000000000003', 'Three', 'episode', '{}');
INSERT INTO researcharr.movies (media_id, year) VALUES ('01900000-0000-7000-8000-000000000001', 2001);
INSERT INTO researcharr.series (media_id, tvdb_id) VALUES ('01900000-0000-7000-8000-000000000002', 7);
INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number, air_date)
VALUES ('01900000-0000-7000-8000-000000000003', '01900000-0000-7000-8000-000000000002', 1, 2, '31/12/2005');
SELECT entity_type, entity_id, action, user_id, changes FROM pg_temp.news();
SET researcharr.user_id = 'alice';
UPDATE researcharr.media SET title = 'Uno', external_id = 'x1' WHERE title LIKE 'One%';
UPDATE researcharr.media SET title = title, metadata = metadata;
UPDATE researcharr.media SET external_id = NULL;
UPDATE researcharr.movies SET year = year + 1, imdb_id = 'tt0000001';
UPDATE researcharr.episodes SET air_date = NULL;
UPDATE researcharr.series SET seasons = NULL;
SELECT * FROM pg_temp.news();
INSERT INTO researcharr.queue_items (media_id, service) VALUES ('01900000-0000-7000-8000-000000000001', 'radarr');
UPDATE researcharr.queue_items SET next_retry_at = '2030-06-01 12:00:00+02', metadata = '{"q": 1}';
DELETE FROM researcharr.queue_items;
SELECT * FROM pg_temp.news();
INSERT INTO researcharr.job_types (name, max_retries, lease, jitter) VALUES ('subs', 1, '1 day 02:03:04.5', 0.1);
UPDATE researcharr.job_types SET lease = '1 day 30 hours', jitter = 1.0 / 3, max_running = 5;
UPDATE researcharr.job_types SET name = 'subtitles';
DELETE FROM researcharr.job_types;
SELECT entity_type, entity_id, action, changes->'name' AS name, changes->'lease' AS lease, changes->'jitter' AS jitter,
	changes->'max_running' AS max_running, changes->'paused' AS paused FROM pg_temp.news();

-- Secrets are masked on both sides, but a change of one is seen.
INSERT INTO researcharr.configuration (key, value, secret) VALUES ('token', 's1', true), ('url', 'u1', false);
UPDATE researcharr.configuration SET value = 's2' WHERE key = 'token';
UPDATE researcharr.configuration SET value = 'u2' WHERE key = 'url';
UPDATE researcharr.configuration SET value = 's3', secret = false WHERE key = 'token';
UPDATE researcharr.configuration SET value = 's4', secret = true WHERE key = 'url';
DELETE FROM researcharr.configuration WHERE secret;
INSERT INTO researcharr.webui_users (username, password_hash) VALUES ('admin', 'h1');
UPDATE researcharr.webui_users SET password_hash = 'h2', api_key_hash = 'k1';
UPDATE researcharr.webui_users SET username = 'root', api_key_hash = NULL;
DELETE FROM researcharr.webui_users;
SELECT * FROM pg_temp.news();
SELECT count(*) FROM researcharr.audit_log WHERE changes::text ~ '"(s[124]|h1|h2|k1)"';

-- Of jobs, what the history does not have.
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search', unique_key => 'k') IS NOT NULL;
SELECT count(*) FROM researcharr.job_dequeue(worker => 'w');
SELECT researcharr.job_heartbeat(id, 1) IS NOT NULL FROM researcharr.processing_jobs;
SELECT researcharr.job_release(id, 1) FROM researcharr.processing_jobs;
UPDATE researcharr.processing_jobs SET status = 'cancelled', completed_at = now();
SELECT * FROM pg_temp.news();
UPDATE researcharr.processing_jobs SET priority = 7, available_at = available_at + '1 hour', max_retries = 9,
	metadata = '{"x": 1}', unique_key = 'l', worker = 'nobody';
DELETE FROM researcharr.processing_jobs;
SELECT entity_type, action, changes - ARRAY['updated_at', 'started_at', 'completed_at', 'media_id'] AS changes FROM pg_temp.news();

-- A cascade's rows, and truncated tables.
DELETE FROM researcharr.media WHERE id = '01900000-0000-7000-8000-000000000002';
SELECT entity_type, entity_id, action, changes FROM pg_temp.news() ORDER BY 1, 2;
SET client_min_messages = warning;
TRUNCATE researcharr.media CASCADE;
RESET client_min_messages;
SELECT entity_type, entity_id, action, changes FROM pg_temp.news() ORDER BY 1;

-- Whose transaction it was, also in a subtransaction and below SET ROLE.
CREATE ROLE regress_rarr_audit;
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_audit;
GRANT SELECT, INSERT, UPDATE ON researcharr.media TO regress_rarr_audit;
GRANT EXECUTE ON FUNCTION researcharr.uuid_v7(), researcharr.metadata_is_valid(jsonb) TO regress_rarr_audit;
BEGIN;
SET LOCAL researcharr.user_id = 'bob';
SAVEPOINT s;
SET LOCAL ROLE regress_rarr_audit;
INSERT INTO researcharr.media (title, type) VALUES ('Mine', 'movie');
RELEASE s;
SAVEPOINT t;
SELECT * FROM researcharr.audit_log;
ROLLBACK TO t;
RESET ROLE;
SELECT user_id, database_user = session_user AS session_user, transaction_id = pg_current_xact_id() AS same_transaction,
	abs(extract(epoch FROM "timestamp" - clock_timestamp())) < 60 AS now
FROM researcharr.audit_log ORDER BY id DESC LIMIT 1;
COMMIT;
DROP OWNED BY regress_rarr_audit;
DROP ROLE regress_rarr_audit;
SELECT * FROM pg_temp.news();
SET researcharr.user_id = E'two\nlines';
DO $$
BEGIN
	PERFORM set_config('researcharr.user_id', repeat('x', 10240), false);
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '10 KB are too long';
END
$$;
SHOW researcharr.user_id;
RESET researcharr.user_id;

-- Many rows in one statement; rolled back, none is there.
INSERT INTO researcharr.media (title, type, metadata) SELECT 'Many ' || n, 'movie', '{}' FROM generate_series(1, 3000) n;
UPDATE researcharr.media SET status = 'completed' WHERE title LIKE 'Many %5';
BEGIN;
UPDATE researcharr.media SET status = 'failed';
SELECT count(*) FROM pg_temp.news();
ROLLBACK;
SELECT action, count(*) FROM pg_temp.news() GROUP BY 1 ORDER BY 1;
DELETE FROM researcharr.media;
SELECT count(*) FROM pg_temp.news();

-- A thousand open savepoints, the later half of them rolled back; a deferred
-- constraint that fails at commit.
INSERT INTO researcharr.media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000009', 'Saved', 'movie');
SELECT count(*) FROM pg_temp.news();
BEGIN;
\o /dev/null
\set ECHO none
SELECT format('SAVEPOINT s%s', n), format('UPDATE researcharr.media SET external_id = %L', n) FROM generate_series(1, 1000) n \gexec
\set ECHO all
\o
ROLLBACK TO s501;
SELECT count(*), count(DISTINCT transaction_id) AS transactions, min((changes#>>'{external_id,new}')::int), max((changes#>>'{external_id,new}')::int)
FROM researcharr.audit_log WHERE entity_id = '01900000-0000-7000-8000-000000000009' AND action = 'update';
COMMIT;
SELECT count(*) FROM pg_temp.news();
CREATE TEMP TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO deferred VALUES (1), (1);
UPDATE researcharr.media SET status = 'failed';
SELECT count(*) FROM pg_temp.news();
COMMIT;
SELECT status FROM researcharr.media;
SELECT count(*) FROM pg_temp.news();
DELETE FROM researcharr.media;
SELECT count(*) FROM pg_temp.news();

-- One statement that makes and changes, beside a user's trigger that reads the
-- same transition tables.
CREATE FUNCTION pg_temp.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'the user''s trigger sees % and %',
		(SELECT count(*) FROM old_rows), (SELECT string_agg(status, ', ') FROM new_rows);
	RETURN NULL;
END
$$;
CREATE TRIGGER a_user_s AFTER UPDATE ON researcharr.media REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_rows();
CREATE TRIGGER z_user_s AFTER UPDATE ON researcharr.media REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_rows();
INSERT INTO researcharr.media (title, type, external_id) VALUES ('Known', 'movie', 'k1');
INSERT INTO researcharr.media (title, type, external_id) VALUES ('Known', 'movie', 'k1'), ('Unknown', 'movie', 'k2')
ON CONFLICT (external_id, type) DO UPDATE SET status = 'failed';
MERGE INTO researcharr.media m USING (VALUES ('k1'), ('k2'), ('k3')) v (key) ON m.external_id = v.key AND m.type = 'movie'
WHEN MATCHED AND key = 'k1' THEN DELETE
WHEN MATCHED THEN UPDATE SET status = 'completed'
WHEN NOT MATCHED THEN INSERT (title, type, external_id) VALUES (key, 'movie', key);
SELECT entity_type, action, changes FROM pg_temp.news();
DROP TRIGGER a_user_s ON researcharr.media;
DROP TRIGGER z_user_s ON researcharr.media;
DELETE FROM researcharr.media;
SELECT count(*) FROM pg_temp.news();

-- Values out of line: found to be the same or not, and shown in full.
INSERT INTO researcharr.media (id, title, type, metadata)
SELECT '01900000-0000-7000-8000-000000000004', 'Large', 'movie',
	jsonb_build_object('large', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 2000) n));
UPDATE researcharr.media SET title = 'Still large';
UPDATE researcharr.media SET metadata = (metadata::text)::jsonb, status = 'completed';
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{large}', to_jsonb(overlay(metadata->>'large' PLACING 'X' FROM 60000)));
UPDATE researcharr.media SET metadata = '{}';
SELECT action, changes - 'metadata' AS changes, length(changes#>>'{metadata,old,large}') AS old_length,
	length(changes#>>'{metadata,new,large}') AS new_length,
	changes#>>'{metadata,old,large}' = changes#>>'{metadata,new,large}' AS same
FROM pg_temp.news();
DELETE FROM researcharr.media;
SELECT count(*) FROM pg_temp.news();

-- A table altered between two statements of a transaction.
INSERT INTO researcharr.media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000005', 'Altered', 'movie');
SELECT count(*) FROM pg_temp.news();
BEGIN;
UPDATE researcharr.media SET external_id = '1';
ALTER TABLE researcharr.media ADD COLUMN stars int DEFAULT 3, ADD COLUMN span interval;
UPDATE researcharr.media SET external_id = '2';
UPDATE researcharr.media SET stars = 4, span = '1 day 1 hour';
ALTER TABLE researcharr.media ALTER COLUMN stars TYPE numeric(5, 2), DROP COLUMN span;
UPDATE researcharr.media SET stars = 4.5;
ALTER TABLE researcharr.media DROP COLUMN stars;
UPDATE researcharr.media SET external_id = '3';
SELECT action, changes FROM pg_temp.news();
ROLLBACK;

-- The same trigger serves any table of the extension: keys of several columns, all types.
CREATE DOMAIN pg_temp.small AS int;
CREATE TABLE pg_temp.kinds (a int, b text, s int2, l int8, n numeric, f float8, t timestamp, z timestamptz, y bytea,
	r int[], d pg_temp.small, c char(4), u uuid, o boolean, i interval, j jsonb, secret text, PRIMARY KEY (a, b));
ALTER EXTENSION researcharr ADD TABLE pg_temp.kinds;
CREATE TRIGGER audit_i AFTER INSERT ON pg_temp.kinds REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('kinds', 'key', 'a', 'key', 'b', 'mask', 'secret', 'if', 'o', 'ignore', 'absent');
CREATE TRIGGER audit_u AFTER UPDATE ON pg_temp.kinds REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('kinds', 'key', 'n', 'mask', 'secret', 'if', 'o');
CREATE TRIGGER audit_d AFTER DELETE ON pg_temp.kinds REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('kinds', 'key', 'j', 'only', 'a');
INSERT INTO pg_temp.kinds VALUES (1, 'x"y', 2, 3, 4.50, 0.1, '2026-01-02 03:04:05', '2026-01-02 03:04:05+00', '\x00ff',
	'{1,NULL}', 5, 'ab', '01900000-0000-7000-8000-000000000006', true, '1 mon -2 days', '7', 'hidden');
UPDATE pg_temp.kinds SET n = 4.5, f = 'NaN', t = 'infinity', r = '{}', o = false, j = '"scalar"', secret = 'still hidden';
UPDATE pg_temp.kinds SET n = 'NaN', s = NULL, secret = 'shown';
UPDATE pg_temp.kinds SET n = NULL, j = 'true';
-- a row that has no key
UPDATE pg_temp.kinds SET l = 4;
DELETE FROM pg_temp.kinds;
SELECT entity_id, action, changes FROM pg_temp.news();

-- What it cannot work with.
ALTER EXTENSION researcharr DROP TABLE pg_temp.kinds;
CREATE TABLE pg_temp.wrong (id int, name text);
ALTER EXTENSION researcharr ADD TABLE pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record();
INSERT INTO pg_temp.wrong VALUES (1);
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id', 'mask', 'old_name');
INSERT INTO pg_temp.wrong VALUES (1);
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id');
INSERT INTO pg_temp.wrong VALUES (1);
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH ROW
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id');
INSERT INTO pg_temp.wrong VALUES (1);
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id', 'masc', 'name');
INSERT INTO pg_temp.wrong VALUES (1, 'secret');
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id', 'mask');
INSERT INTO pg_temp.wrong VALUES (1, 'secret');
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id', 'if', 'id');
INSERT INTO pg_temp.wrong VALUES (1, 'secret');
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id', 'only', 'nam');
INSERT INTO pg_temp.wrong VALUES (1, 'unseen');
DROP TRIGGER wrong ON pg_temp.wrong;
CREATE TRIGGER wrong AFTER INSERT ON pg_temp.wrong REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('wrong', 'key', 'id');
BEGIN READ ONLY;
INSERT INTO pg_temp.wrong VALUES (1);
ROLLBACK;
ALTER EXTENSION researcharr DROP TABLE pg_temp.wrong;
SELECT researcharr.audit_record();

-- Silent: for a restore, and where a superuser turned it off; never for
-- anything less, nor for a replica's session.
BEGIN;
SET LOCAL check_function_bodies = off;
SELECT set_config('search_path', '', true);
INSERT INTO researcharr.media (title, type) VALUES ('Restored', 'movie');
UPDATE researcharr.media SET status = 'failed' WHERE title = 'Restored';
COMMIT;
SELECT action, changes FROM pg_temp.news();
SET researcharr.audit = off;
UPDATE researcharr.media SET status = 'completed';
TRUNCATE researcharr.webui_users;
RESET researcharr.audit;
SELECT action, changes FROM pg_temp.news();
SET session_replication_role = replica;
UPDATE researcharr.media SET status = 'failed' WHERE title = 'Restored';
RESET session_replication_role;
SELECT action, changes FROM pg_temp.news();

DELETE FROM researcharr.configuration;
DELETE FROM researcharr.media;
