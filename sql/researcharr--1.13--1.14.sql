\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.14'" to load this file. \quit

-- 1.14: access levels, and what clients need.

SET LOCAL search_path = pg_catalog, pg_temp;

-- A session that holds one of these keeps only this session waiting, and not those that want it, too.

CREATE FUNCTION researcharr.lock_relations(names text[]) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_lock_relations';
SELECT researcharr.lock_relations('{media,movies,series,episodes,configuration,webui_users,job_types,schedule_entries,movie_rows,series_rows,episode_rows}');
DROP FUNCTION researcharr.lock_relations(text[]);

COMMENT ON SCHEMA researcharr IS 'the extension researcharr: data layer of a media-automation application';

-- Constraints whose text can be printed

ALTER TABLE researcharr.media DROP CONSTRAINT media_title_check;
ALTER TABLE researcharr.media ADD CONSTRAINT media_title_check CHECK (
	char_length(title) BETWEEN 1 AND 500 AND
	title = btrim(title, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))) NOT VALID;
ALTER TABLE researcharr.configuration DROP CONSTRAINT configuration_key_check;
ALTER TABLE researcharr.configuration ADD CONSTRAINT configuration_key_check CHECK (
	char_length(key) BETWEEN 1 AND 255 AND key = btrim(key, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)));
ALTER TABLE researcharr.webui_users DROP CONSTRAINT webui_users_username_check;
ALTER TABLE researcharr.webui_users ADD CONSTRAINT webui_users_username_check CHECK (
	char_length(username) BETWEEN 1 AND 100 AND username = btrim(username, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)));
ALTER TABLE researcharr.job_types DROP CONSTRAINT job_types_name_check;
ALTER TABLE researcharr.job_types ADD CONSTRAINT job_types_name_check CHECK (
	char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)));
ALTER TABLE researcharr.schedule_entries DROP CONSTRAINT schedule_entries_name_check;
ALTER TABLE researcharr.schedule_entries ADD CONSTRAINT schedule_entries_name_check CHECK (
	char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)));

-- Subtype rows: a type that whole-row writes may name, and the time of the last change.
-- None of this rewrites or reads a table.

COMMENT ON FUNCTION researcharr.updated_at_advance()
IS 'trigger: sets updated_at, or the column that is its argument, to the clock, and always later than it was by a millisecond or more';

ALTER TABLE researcharr.movies ALTER COLUMN type DROP EXPRESSION;
ALTER TABLE researcharr.movies ALTER COLUMN type SET DEFAULT 'movie';
ALTER TABLE researcharr.movies ADD CONSTRAINT movies_type_check CHECK (type = 'movie') NOT VALID;
ALTER TABLE researcharr.movies ADD COLUMN changed_at timestamptz;
ALTER TABLE researcharr.movies ALTER COLUMN changed_at SET DEFAULT clock_timestamp();
COMMENT ON COLUMN researcharr.movies.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.movies
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_changed_at;
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.movies IS 'keeps changed_at';
CREATE OR REPLACE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.movies
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_insert;
CREATE OR REPLACE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_update;
CREATE OR REPLACE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_delete;
CREATE OR REPLACE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.movies
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_truncate;

ALTER TABLE researcharr.series ALTER COLUMN type DROP EXPRESSION;
ALTER TABLE researcharr.series ALTER COLUMN type SET DEFAULT 'series';
ALTER TABLE researcharr.series ADD CONSTRAINT series_type_check CHECK (type = 'series') NOT VALID;
ALTER TABLE researcharr.series ADD COLUMN changed_at timestamptz;
ALTER TABLE researcharr.series ALTER COLUMN changed_at SET DEFAULT clock_timestamp();
COMMENT ON COLUMN researcharr.series.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.series
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_changed_at;
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.series IS 'keeps changed_at';
CREATE OR REPLACE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.series
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_insert;
CREATE OR REPLACE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_update;
CREATE OR REPLACE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_delete;
CREATE OR REPLACE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_truncate;

ALTER TABLE researcharr.episodes ALTER COLUMN type DROP EXPRESSION;
ALTER TABLE researcharr.episodes ALTER COLUMN type SET DEFAULT 'episode';
ALTER TABLE researcharr.episodes ADD CONSTRAINT episodes_type_check CHECK (type = 'episode') NOT VALID;
ALTER TABLE researcharr.episodes ADD COLUMN changed_at timestamptz;
ALTER TABLE researcharr.episodes ALTER COLUMN changed_at SET DEFAULT clock_timestamp();
COMMENT ON COLUMN researcharr.episodes.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.episodes
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_changed_at;
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.episodes IS 'keeps changed_at';
CREATE OR REPLACE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.episodes
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_insert;
CREATE OR REPLACE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_update;
CREATE OR REPLACE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_delete;
CREATE OR REPLACE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.episodes
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_truncate;

CREATE OR REPLACE VIEW researcharr.movie_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes
	FROM researcharr.media m JOIN researcharr.movies s ON s.media_id = m.id;
CREATE OR REPLACE VIEW researcharr.series_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.tvdb_id, s.seasons, s.episodes
	FROM researcharr.media m JOIN researcharr.series s ON s.media_id = m.id;
CREATE OR REPLACE VIEW researcharr.episode_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.series_id, s.season_number, s.episode_number, s.air_date
	FROM researcharr.media m JOIN researcharr.episodes s ON s.media_id = m.id;

CREATE FUNCTION researcharr.flat_row_write()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_flat_row_write';
COMMENT ON FUNCTION researcharr.flat_row_write()
IS 'trigger: writes a row of a view of flat rows to its two tables, as the caller';
REVOKE ALL ON FUNCTION researcharr.flat_row_write() FROM PUBLIC;
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.movie_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.movie_rows IS 'writes both tables';
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.series_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.series_rows IS 'writes both tables';
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.episode_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.episode_rows IS 'writes both tables';

-- Levels of access

CREATE TABLE researcharr.access_grants (
	grantee    text NOT NULL,
	level      text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	granted_by text NOT NULL,
	applied_in text NOT NULL,
	CONSTRAINT access_grants_pkey PRIMARY KEY (grantee),
	CONSTRAINT access_grants_level_check CHECK (level IN ('reader', 'worker', 'application', 'auditor', 'admin'))
);
COMMENT ON TABLE researcharr.access_grants IS 'which role has which level of access; an update grants it what is new. UPDATE on this table makes a role an admin';
COMMENT ON COLUMN researcharr.access_grants.grantee IS 'the role''s name';
COMMENT ON COLUMN researcharr.access_grants.level IS 'reader, worker, application, auditor or admin';
COMMENT ON COLUMN researcharr.access_grants.granted_at IS 'when it got this level';
COMMENT ON COLUMN researcharr.access_grants.granted_by IS 'who granted it: the session''s user';
COMMENT ON COLUMN researcharr.access_grants.applied_in IS 'where the level was last granted: the cluster, the database, and the role''s OID';

CREATE FUNCTION researcharr.access_guard() RETURNS trigger
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'researcharr_access_guard';
COMMENT ON FUNCTION researcharr.access_guard() IS
	'trigger: turns DML on access_grants away, but for the table''s owner and superusers';
REVOKE ALL ON FUNCTION researcharr.access_guard() FROM PUBLIC;
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.access_grants
	FOR EACH ROW EXECUTE FUNCTION researcharr.access_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.access_grants
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.access_guard();
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_guard;
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
COMMENT ON TRIGGER researcharr_guard ON researcharr.access_grants IS 'only access_grant and access_revoke change rows';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.access_grants IS 'the same for TRUNCATE';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.access_grants
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('access', 'key', 'grantee', 'ignore', 'applied_in');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.access_grants
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('access', 'key', 'grantee', 'ignore', 'applied_in');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.access_grants
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('access', 'key', 'grantee', 'ignore', 'applied_in');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.access_grants
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('access', 'key', 'grantee', 'ignore', 'applied_in');
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.access_grants ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.access_grants IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.access_grants IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.access_grants IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.access_grants IS 'all rows gone';

CREATE FUNCTION researcharr.access_grant(grantee text, level text)
RETURNS boolean LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_access_grant';
COMMENT ON FUNCTION researcharr.access_grant(text, text)
IS 'gives a role a level of access (reader, worker, application, auditor or admin) in place of the one that it has; false if it has it already';
REVOKE ALL ON FUNCTION researcharr.access_grant(text, text) FROM PUBLIC;

CREATE FUNCTION researcharr.access_revoke(grantee text)
RETURNS boolean LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_access_revoke';
COMMENT ON FUNCTION researcharr.access_revoke(text)
IS 'takes a role''s level away, and all that it holds on the extension''s objects; false if it has no level';
REVOKE ALL ON FUNCTION researcharr.access_revoke(text) FROM PUBLIC;

CREATE FUNCTION researcharr.access_apply()
RETURNS bigint LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_access_apply';
COMMENT ON FUNCTION researcharr.access_apply()
IS 'grants the levels once more, also those that came with a dump to roles that exist by now; how many roles have got theirs';
REVOKE ALL ON FUNCTION researcharr.access_apply() FROM PUBLIC;

CREATE VIEW researcharr.access_levels AS
	SELECT g.grantee, g.level,
		CASE WHEN r.oid IS NULL THEN 'missing'
			WHEN split_part(g.applied_in, '/', 1) = here.cluster AND split_part(g.applied_in, '/', 3) <> r.oid::text THEN 'stale'
			WHEN EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
				WHERE n.nspname = 'researcharr' AND a.grantee = r.oid AND a.privilege_type = 'USAGE') THEN 'applied'
			WHEN starts_with(g.applied_in, here.cluster || '/' || here.database || '/') THEN 'stale'
			ELSE 'restored' END AS status,
		g.granted_at, g.granted_by
	FROM researcharr.access_grants g
		CROSS JOIN (SELECT c.system_identifier::text AS cluster, d.oid::text AS database
			FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()) here
		LEFT JOIN pg_roles r ON r.rolname = g.grantee;
COMMENT ON VIEW researcharr.access_levels IS 'which role has which level of access, and whether it holds: applied, missing (no such role), restored (to be applied by access_apply) or stale (created anew since, and to be granted again)';

SELECT pg_catalog.pg_extension_config_dump('researcharr.access_grants', '');
REVOKE ALL ON TABLE researcharr.access_grants FROM PUBLIC;
REVOKE ALL ON TABLE researcharr.access_levels FROM PUBLIC;

-- The old application's data

COMMENT ON COLUMN researcharr.processing_history.action
IS 'completed, retried, failed, lapsed, released, cancelled, requeued, marked_completed, deleted or adopted';
COMMENT ON COLUMN researcharr.processing_history.details
IS 'from (the old status), attempt, worker, error, note; claimed_at and ended_at where an attempt ended; by (session_user, role, user_id) where an operator did it';

CREATE TABLE researcharr.legacy_rows (
	source_schema text NOT NULL,
	source_table  text NOT NULL,
	source_key    text NOT NULL,
	data          jsonb NOT NULL,
	problem       text NOT NULL,
	tried_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT legacy_rows_pkey PRIMARY KEY (source_schema, source_table, source_key)
);
COMMENT ON TABLE researcharr.legacy_rows IS 'rows of the old application that legacy_adopt could not adopt yet';
COMMENT ON COLUMN researcharr.legacy_rows.source_schema IS 'the schema from which it came';
COMMENT ON COLUMN researcharr.legacy_rows.source_table IS 'the old application''s table';
COMMENT ON COLUMN researcharr.legacy_rows.source_key IS 'the row''s key in it';
COMMENT ON COLUMN researcharr.legacy_rows.data IS 'the row, without secrets';
COMMENT ON COLUMN researcharr.legacy_rows.problem IS 'why it could not be adopted';
COMMENT ON COLUMN researcharr.legacy_rows.tried_at IS 'when it was last tried';

CREATE FUNCTION researcharr.legacy_adopt(source_schema text DEFAULT NULL,
	OUT source_table text, OUT found bigint, OUT adopted bigint, OUT unchanged bigint, OUT kept bigint, OUT problems jsonb)
RETURNS SETOF record LANGUAGE C ROWS 8 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS 'MODULE_PATHNAME', 'researcharr_legacy_adopt';
COMMENT ON FUNCTION researcharr.legacy_adopt(text)
IS 'adopts the old application''s tables in a schema, and what was kept before; a row for each table, with up to 100 problems';

CREATE FUNCTION researcharr.legacy_finish(discard boolean DEFAULT false)
RETURNS int LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_legacy_finish';
COMMENT ON FUNCTION researcharr.legacy_finish(boolean)
IS 'drops the views radarr_queue and sonarr_queue that legacy_adopt made; refused while rows are kept, unless they are to be discarded';

CREATE FUNCTION researcharr.legacy_queue_write()
RETURNS trigger LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_legacy_queue_write';
COMMENT ON FUNCTION researcharr.legacy_queue_write()
IS 'trigger: writes what is written to radarr_queue and sonarr_queue to tracked_items';

SELECT pg_catalog.pg_extension_config_dump('researcharr.legacy_rows', '');
REVOKE ALL ON TABLE researcharr.legacy_rows FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.legacy_adopt(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.legacy_finish(boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION researcharr.legacy_queue_write() FROM PUBLIC;

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
