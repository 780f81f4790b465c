-- access: levels of access, one of which one call grants to a role.

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

CREATE FUNCTION researcharr.access_revoke(grantee text)
RETURNS boolean LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_access_revoke';
COMMENT ON FUNCTION researcharr.access_revoke(text)
IS 'takes a role''s level away, and all that it holds on the extension''s objects; false if it has no level';

CREATE FUNCTION researcharr.access_apply()
RETURNS bigint LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_access_apply';
COMMENT ON FUNCTION researcharr.access_apply()
IS 'grants the levels once more, also those that came with a dump to roles that exist by now; how many roles have got theirs';

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
