-- rules: what must hold for every object of the extension, whichever part it
-- belongs to.
BEGIN;
SELECT plan(14);
SET search_path = public, pg_catalog;

-- what belongs to the extension; not the types that come with a table or with
-- another type, which count as members from PostgreSQL 17 on
CREATE TEMP VIEW members AS
	SELECT classid, objid FROM pg_depend d
	WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'researcharr')
	AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
		WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typelem <> 0 OR c.relkind <> 'c'));
CREATE TEMP VIEW relations AS
	SELECT c.* FROM pg_class c JOIN members ON classid = 'pg_class'::regclass AND objid = c.oid;
CREATE TEMP VIEW routines AS
	SELECT p.* FROM pg_proc p JOIN members ON classid = 'pg_proc'::regclass AND objid = p.oid;

SELECT cmp_ok((SELECT count(*) FROM relations), '>=', 10::bigint, 'there are relations to look at');
SELECT cmp_ok((SELECT count(*) FROM routines), '>=', 10::bigint, 'there are routines to look at');

-- everything says what it is for
SELECT is_empty($$
	SELECT pg_describe_object(classid, objid, 0) FROM members WHERE obj_description(objid, classid::regclass::name) IS NULL
$$, 'every object of the extension has a comment');
SELECT is_empty($$
	SELECT c.relname, a.attname FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
	AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column of a table has a comment');
SELECT is_empty($$
	SELECT i.indexrelid::regclass FROM relations c JOIN pg_index i ON i.indrelid = c.oid
	WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
	AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
	AND obj_description(i.indexrelid, 'pg_class') IS NULL
$$, 'every index that is no constraint''s has a comment');
SELECT is_empty($$
	SELECT c.relname, t.tgname FROM relations c JOIN pg_trigger t ON t.tgrelid = c.oid
	WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND obj_description(t.oid, 'pg_trigger') IS NULL
$$, 'every trigger has a comment');

-- least privilege
SELECT is_empty($$
	SELECT c.relname, a.privilege_type FROM relations c,
		aclexplode(COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a
	WHERE a.grantee = 0
	UNION ALL
	SELECT c.relname, a.privilege_type FROM relations c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
	WHERE a.grantee = 0
	UNION ALL
	SELECT p.proname, a.privilege_type FROM routines p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a
	WHERE a.grantee = 0
	UNION ALL
	SELECT n.nspname, a.privilege_type FROM pg_namespace n, aclexplode(COALESCE(n.nspacl, acldefault('n', n.nspowner))) a
	WHERE n.nspname = 'researcharr' AND a.grantee = 0
$$, 'PUBLIC has no privilege on anything');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM routines p JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
	AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')
$$, 'every routine that is not C pins search_path or has a body that was parsed when it was made');
SELECT is_empty($$SELECT oid::regprocedure FROM routines WHERE prosecdef$$,
	'no routine runs with its owner''s rights');

-- how routines are called
SELECT is_empty($$SELECT proname FROM routines GROUP BY proname HAVING count(*) > 1$$,
	'no routine has two signatures');
SELECT is_empty($$SELECT oid::regprocedure FROM routines WHERE proisstrict$$,
	'no routine is STRICT: NULL for a required argument is an error');
SELECT is_empty($$
	SELECT oid::regprocedure FROM routines WHERE pronargs > 0
	AND (proargnames IS NULL OR '' = ANY (proargnames))
$$, 'every argument has a name');

-- data
SELECT is_empty($$
	SELECT c.relname FROM relations c, pg_extension e
	WHERE e.extname = 'researcharr' AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid <> ALL (e.extconfig)
$$, 'pg_dump takes the rows of every table along, but for unlogged ones');
SELECT is_empty($$
	SELECT k.conname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
	WHERE k.contype = 'f' AND k.confrelid = 'researcharr.media'::regclass AND (NOT a.attnotnull OR k.confdeltype <> 'c'
		OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = a.attnum AND i.indpred IS NULL))
$$, 'every foreign key to media is not null, cascades and has an index');

SELECT * FROM finish();
ROLLBACK;
