-- privileges: none for anybody but the owner.

REVOKE ALL ON SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA researcharr FROM PUBLIC;

-- Default privileges of the installing role may have granted others some; revoke them.

SELECT researcharr.revoke_default_privileges(true);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
