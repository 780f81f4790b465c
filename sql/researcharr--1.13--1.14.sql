\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.14'" to load this file. \quit

-- 1.14: access levels, and what clients need.

SET LOCAL search_path = pg_catalog, pg_temp;

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
