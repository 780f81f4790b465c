-- Names and operators in this script must resolve to the server's own, whatever
-- is in the schemas of the required extensions (often public).

SET LOCAL search_path = pg_catalog, pg_temp;

-- The schema may already exist, because a restore creates it first.  It must then
-- be empty and not owned by another role.  Otherwise objects in it, or objects
-- that its owner replaces, could be mistaken for the extension's own.

CREATE FUNCTION researcharr.check_schema() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_schema';
SELECT researcharr.check_schema();
DROP FUNCTION researcharr.check_schema();

-- The last module calls this function and drops it.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';

-- pg_trgm may already exist too.  It must not be too old, and its owner, who can
-- drop it along with this extension, must be trusted.

CREATE FUNCTION researcharr.check_trgm() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_trgm';
SELECT researcharr.check_trgm();
DROP FUNCTION researcharr.check_trgm();

COMMENT ON SCHEMA researcharr IS 'the extension researcharr: data layer of a media-automation application';
