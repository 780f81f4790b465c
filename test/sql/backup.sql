-- Backups: names, verifying, restoring and rolling back, dropping, rights, and
-- what is refused.  Damaged files, crashes and full disks: test/t/090_backup.pl
-- and 091_backup_crash.pl.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\getenv build PG_ABS_BUILDDIR
\i :tests/include/error.sql
\setenv BACKUPS :build/results/backups
\! rm -rf "$BACKUPS" && mkdir -p "$BACKUPS" && chmod 700 "$BACKUPS"
CREATE FUNCTION fails(call text) RETURNS TABLE (sqlstate text, message text) LANGUAGE sql
	AS $$ SELECT sqlstate, regexp_replace(message, '"/[^"]*"', '"DIR"', 'g') FROM pg_temp.error(call) $$;

-- the directory
SELECT * FROM fails('SELECT researcharr.backup_create()');
SET researcharr.backup_directory = 'backups';
SELECT * FROM fails('SELECT researcharr.backup_list()');
SET researcharr.backup_directory = '/nonexistent/backups';
SELECT * FROM fails('SELECT researcharr.backup_create()');
SET researcharr.backup_directory = '/dev/null';
SELECT * FROM fails('SELECT researcharr.backup_create()');
SELECT set_config('researcharr.backup_directory', current_setting('data_directory') || '/base', false) IS NOT NULL AS set;
SELECT * FROM fails('SELECT researcharr.backup_create()');
\set directory :build '/results/backups'
SET researcharr.backup_directory = :'directory';
\! chmod 750 "$BACKUPS"
SELECT * FROM fails('SELECT researcharr.backup_create()');
\! chmod 700 "$BACKUPS"

-- names
SELECT n, f.* FROM unnest('{"","..",".x","a/b","../x","a b","ä","a\\b",-ok.1_A}'::text[] || repeat('x', 100) || repeat('x', 300)) WITH ORDINALITY AS u (name, n),
	LATERAL fails(format('SELECT researcharr.backup_verify(%L)', name)) AS f ORDER BY n;
SELECT * FROM fails('SELECT researcharr.backup_drop(NULL)');
SELECT * FROM fails('SELECT researcharr.backup_restore(NULL)');

-- making, listing and verifying
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'old', 'movie');
INSERT INTO movies (media_id, year) VALUES ('01900000-0000-7000-8000-000000000001', 1999);
SELECT value FROM config_set('key', 'old', secret => true);
SELECT job_enqueue('01900000-0000-7000-8000-000000000001', 'search') AS job \gset
SELECT name, manifest_sha256 AS sha FROM backup_create('one') \gset
SELECT :'name' AS name, length(:'sha') AS length;
SELECT * FROM fails($$SELECT researcharr.backup_create('one')$$);
SELECT * FROM backup_verify('one');
SELECT * FROM backup_verify('one', upper(:'sha'));
SELECT verified, problem = 'the manifest is another one: its SHA-256 is ' || :'sha' AS says FROM backup_verify('one', repeat('0', 64));
SELECT * FROM fails($$SELECT researcharr.backup_verify('one', 'xyz')$$);
SELECT name ~ '^\d{4}-\d\d-\d\dT\d{6}Z(-\d+)?$' AS named_by_time FROM backup_create();
SELECT name, status, extension_version = (SELECT extversion FROM pg_extension WHERE extname = 'researcharr') AS version, rows > 5 AS rows,
	bytes > 100 AS bytes, manifest_sha256 = :'sha' AS sha, verified_at IS NOT NULL AS verified, verify_error, archived_at, archive_error
	FROM backup_list() WHERE name = 'one';
BEGIN;
UPDATE media SET title = 'written';
SELECT backup_create('two');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT backup_create('two');
ROLLBACK;
BEGIN READ ONLY;
SELECT backup_create('two');
ROLLBACK;

-- restoring: looked at, and rolled back
UPDATE media SET title = 'new';
SELECT value FROM config_set('key', 'new');
INSERT INTO media (title, type) VALUES ('another', 'movie');
SELECT attempt AS attempt FROM job_dequeue() \gset
SELECT count(*) AS history FROM processing_history \gset
SELECT count(*) AS audit FROM audit_log \gset
BEGIN;
SELECT safety_backup LIKE 'before-restore-%' AS safety, restored_tables > 10 AS tables, restored_rows FROM backup_restore('one');
SELECT title FROM media;
ROLLBACK;
SELECT title FROM media ORDER BY title COLLATE "C";
SELECT status, count(*) FROM backup_list() WHERE name LIKE 'before-restore-%' GROUP BY 1;
-- the one without a row gets it when it is verified
SELECT v.* FROM backup_list() AS l, backup_verify(l.name) AS v WHERE l.status = 'row missing';
SELECT status, count(*) FROM backup_list() WHERE name LIKE 'before-restore-%' GROUP BY 1;
SELECT attempt = :attempt AS mine FROM processing_jobs;

-- and kept: the worker has lost its job, logs are as they were
SELECT safety_backup AS undo FROM backup_restore('one') \gset
SELECT title FROM media;
SELECT value FROM configuration WHERE key = 'key';
SELECT type, year FROM movies;
SELECT status, lease_expires_at, attempt > :attempt AS fenced FROM processing_jobs;
SELECT sqlstate FROM fails(format('SELECT researcharr.job_complete(%L, %s)', :'job', :attempt));
SELECT count(*) = :history AS history FROM processing_history;
SELECT count(*) - :audit AS audited FROM audit_log;
SELECT entity_id, action, changes - 'manifest_sha256' - 'safety_backup' - 'tables' AS changes FROM audit_log WHERE entity_type = 'backup';
SELECT id = :'job' AS same, attempt AS attempt FROM job_dequeue() \gset
SELECT job_complete(:'job', :attempt);
-- undone
SELECT safety_backup, restored_rows > 3 AS rows FROM backup_restore(:'undo', safety => false);
SELECT title FROM media ORDER BY title COLLATE "C";
SELECT status, attempt > :attempt AS fenced FROM processing_jobs;
-- in a transaction that has changed something: only without a backup of it
BEGIN;
UPDATE media SET title = 'written';
SELECT backup_restore('one');
ROLLBACK;
BEGIN;
UPDATE configuration SET value = 'written';
SELECT restored_tables, restored_rows FROM backup_restore('one', '{configuration}', false);
SELECT value FROM configuration;
ROLLBACK;
SELECT value FROM configuration;

-- some tables
SELECT restored_tables, restored_rows FROM backup_restore('one', '{configuration,configuration}', false);
SELECT value FROM configuration;
SELECT * FROM fails($$SELECT researcharr.backup_restore('one', '{media,nothing}')$$);
SELECT * FROM fails($$SELECT researcharr.backup_restore('one', '{}')$$);
SELECT * FROM fails($$SELECT researcharr.backup_restore('one', '{NULL}')$$);
SELECT * FROM fails($$SELECT researcharr.backup_restore('one', '{backups}')$$);
SELECT * FROM fails($$SELECT researcharr.backup_restore('none')$$);
-- what others reference
CREATE TABLE notes (media_id uuid REFERENCES media ON DELETE CASCADE);
INSERT INTO notes SELECT id FROM media WHERE title = 'another';
SELECT * FROM fails($$SELECT researcharr.backup_restore('one', safety => false)$$);
SELECT count(*) FROM notes;
-- ... unless the key does not hold for all rows anyway
DROP TABLE notes;
CREATE TABLE notes (media_id uuid);
INSERT INTO notes SELECT id FROM media WHERE title = 'another';
ALTER TABLE notes ADD FOREIGN KEY (media_id) REFERENCES media NOT VALID;
BEGIN;
SELECT restored_rows > 3 AS rows FROM backup_restore('one', safety => false);
ROLLBACK;
DROP TABLE notes;
-- a log, if it is named; the restore itself is on record
SELECT restored_tables, restored_rows < :audit AS fewer FROM backup_restore('one', '{audit_log}', false);
SELECT count(*) < :audit AS fewer, count(*) FILTER (WHERE action = 'restore') AS restores FROM audit_log;
-- ... of whose months one is about to get a partition
ALTER TABLE processing_history_default ADD CONSTRAINT researcharr_not_2026_11 CHECK (id IS NULL) NOT VALID;
SELECT restored_tables FROM backup_restore('one', '{processing_history}', false);

-- no triggers; constraints, and columns that the owner added
CREATE FUNCTION public.boom() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE TRIGGER boom BEFORE INSERT OR DELETE ON media FOR EACH ROW EXECUTE FUNCTION public.boom();
ALTER TABLE media ENABLE ALWAYS TRIGGER boom;
ALTER TABLE media ADD COLUMN note text DEFAULT 'default', ADD COLUMN twice text GENERATED ALWAYS AS (title || title) STORED;
SELECT restored_rows > 3 AS rows FROM backup_restore('one', safety => false);
SELECT title, note, twice FROM media;
UPDATE media SET note = E'tab\t\\N "quoted"';
SELECT name FROM backup_create('note');
UPDATE media SET note = NULL;
SELECT restored_rows > 3 AS rows FROM backup_restore('note', safety => false);
SELECT title, note FROM media;
ALTER TABLE media DROP COLUMN note;
SELECT * FROM fails($$SELECT researcharr.backup_restore('note')$$);
ALTER TABLE media ADD CONSTRAINT no_old CHECK (title <> 'old') NOT VALID;
SELECT * FROM fails($$SELECT researcharr.backup_restore('one')$$);
SELECT title FROM media;
ALTER TABLE media DROP CONSTRAINT no_old, DROP COLUMN twice;
-- nobody else's code runs as the owner
CREATE ROLE regress_domain;
CREATE DOMAIN public.theirs AS text CHECK (value <> 'x');
ALTER TABLE media ADD COLUMN theirs public.theirs[];
ALTER DOMAIN public.theirs OWNER TO regress_domain;
SELECT * FROM fails($$SELECT researcharr.backup_restore('one')$$);
CREATE TYPE public.holder AS (part public.theirs[]);
ALTER TABLE media DROP COLUMN theirs, ADD COLUMN inside public.holder;
SELECT * FROM fails($$SELECT researcharr.backup_restore('one')$$);
ALTER DOMAIN public.theirs OWNER TO CURRENT_USER;
SELECT restored_rows > 3 AS rows FROM backup_restore('one', safety => false);
ALTER TABLE media DROP COLUMN inside;
DROP TYPE public.holder;
DROP DOMAIN public.theirs;
DROP ROLE regress_domain;
DROP TRIGGER boom ON media;

-- a row without files, files without a row, and an entry that is no directory
\! mv "$BACKUPS"/*/note "$BACKUPS"/moved
\! ln -s "$BACKUPS"/moved "$(echo "$BACKUPS"/*-*)"/link
SELECT name, status FROM backup_list() WHERE name IN ('note', 'link') ORDER BY name COLLATE "C";
SELECT * FROM backup_verify('note');
SELECT verified, regexp_replace(problem, '"/[^"]*"', '"DIR"') AS problem FROM backup_verify('link');
SELECT * FROM fails($$SELECT researcharr.backup_create('link')$$);
SELECT * FROM fails($$SELECT researcharr.backup_create('note')$$);
SELECT * FROM fails($$SELECT researcharr.backup_restore('note')$$);
SELECT name, verify_error FROM backups WHERE verify_error IS NOT NULL;
SELECT backup_drop('note'), backup_drop('note') AS nothing, backup_drop('link') AS link;
\! ls "$BACKUPS"/moved | grep -c copy

-- dropping, in transactions
BEGIN;
SELECT backup_drop('one'), backup_drop('one') AS nothing;
SELECT count(*) FROM backup_list() WHERE name = 'one';
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT backup_drop('one');
ROLLBACK TO s;
COMMIT;
SELECT * FROM backup_verify('one');
BEGIN;
SELECT backup_drop('one');
PREPARE TRANSACTION 'no';
SELECT backup_drop('one');
SELECT * FROM fails($$SELECT researcharr.backup_verify('one')$$);
SELECT count(*) FROM audit_log WHERE entity_type = 'backup' AND entity_id = 'one' AND action = 'drop';

-- cleaning up: what is damaged does not count
SELECT count(backup_drop(name)) > 1 AS dropped FROM backup_list();
SELECT name FROM backup_create('a');
SELECT name FROM backup_create('b');
SELECT name FROM backup_create('c');
SELECT name FROM backup_create('d');
\! echo >> "$(echo "$BACKUPS"/*-*)"/d/manifest.json
SELECT * FROM backup_verify('d');
SELECT * FROM fails($$SELECT researcharr.backup_restore('d')$$);
SELECT k, f.* FROM unnest('{0,-1}'::int[]) AS k, LATERAL fails(format('SELECT researcharr.backup_cleanup(%s)', k)) AS f;
SELECT backup_cleanup();
SELECT backup_cleanup(2);
SELECT name, status FROM backup_list();
SELECT backup_cleanup(1);
SELECT name FROM backups ORDER BY name;
-- each one that was removed is on record
SELECT entity_id, action, changes - 'manifest_sha256' AS changes, acting_role = current_user AS mine FROM audit_log
	WHERE entity_type = 'backup' AND entity_id IN ('a', 'b', 'c', 'd') ORDER BY entity_id COLLATE "C";

-- rights: EXECUTE, and nothing else
CREATE ROLE regress_backup;
GRANT USAGE ON SCHEMA researcharr TO regress_backup;
SET ROLE regress_backup;
SELECT * FROM fails('SELECT researcharr.backup_create()');
SELECT * FROM fails('SELECT researcharr.backup_list()');
SET researcharr.backup_directory = '/tmp';
SET researcharr.backup_archive_command = 'true';
RESET ROLE;
GRANT EXECUTE ON FUNCTION backup_create, backup_verify, backup_restore TO regress_backup;
SET ROLE regress_backup;
SELECT name FROM backup_create('granted');
SELECT verified FROM backup_verify('granted');
SELECT restored_rows > 3 AS rows FROM backup_restore('granted', safety => false);
SELECT * FROM fails($$SELECT count(*) FROM researcharr.media$$);
SELECT * FROM fails($$SELECT researcharr.backup_drop('granted')$$);
RESET ROLE;
SELECT acting_role FROM audit_log WHERE action = 'restore' ORDER BY id DESC LIMIT 1;
DROP OWNED BY regress_backup;
DROP ROLE regress_backup;

-- levels of access are not in a backup: a restore brings none back, and forgets none
CREATE ROLE regress_lowered;
CREATE ROLE regress_later;
SELECT access_grant('regress_lowered', 'admin');
SELECT name FROM backup_create('levels');
SELECT access_grant('regress_lowered', 'reader'), access_grant('regress_later', 'reader');
SELECT restored_rows > 3 AS rows FROM backup_restore('levels', safety => false);
SELECT grantee, level, status FROM access_levels ORDER BY grantee;
SELECT * FROM fails($$SELECT researcharr.backup_restore('levels', '{access_grants}', false)$$);
SELECT access_revoke('regress_lowered'), access_revoke('regress_later');
DROP ROLE regress_lowered, regress_later;

-- the schedule's commands
SELECT name, status, problem FROM schedule_list() WHERE name LIKE 'backup%' ORDER BY name;
SELECT * FROM fails($$SELECT researcharr.schedule_set('x', '@daily', 'backup', '{"a": 1}')$$);
SELECT f.* FROM unnest('{"{\"keep_last\": 0}","{\"keep_last\": \"x\"}","{\"keep\": 1}"}'::text[]) AS v,
	LATERAL fails(format('SELECT researcharr.schedule_set(%L, %L, %L, %L)', 'x', '@daily', 'backup_cleanup', v)) AS f;
RESET researcharr.backup_directory;
SELECT name, status, problem FROM schedule_list() WHERE name LIKE 'backup%' ORDER BY name;
SET researcharr.backup_directory = :'directory';

SELECT count(backup_drop(name)) > 1 AS dropped FROM backup_list();
DELETE FROM processing_jobs;
DELETE FROM media;
DELETE FROM configuration;
DROP FUNCTION fails(text), public.boom();
\! rm -rf "$BACKUPS"
