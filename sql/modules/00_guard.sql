-- Names and operators of the script must mean the server's own, whatever lies
-- in the schemas of the extensions that this one requires, often public.

SET LOCAL search_path = pg_catalog, pg_temp;

-- The schema may exist already (a restore makes it first), but then it must be
-- empty and no other role's: else its owner, or what lies there, could pass
-- for the extension's own.

CREATE FUNCTION researcharr.check_schema() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_schema';
SELECT researcharr.check_schema();
DROP FUNCTION researcharr.check_schema();

-- The last module calls this one, and drops it.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';

-- pg_trgm may exist already, too: an old version, or one whose owner could drop
-- it, and the extension with it.

CREATE FUNCTION researcharr.check_trgm() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_trgm';
SELECT researcharr.check_trgm();
DROP FUNCTION researcharr.check_trgm();
