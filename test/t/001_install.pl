# 001_install.pl: CREATE and DROP EXTENSION, and who may have which schema.
#
#  1. It installs, also where PL/pgSQL is absent, and describes all it makes.
#  2. Dropped, it leaves its schema behind, and installs into it again (a
#     restore makes the schema first, too).
#  3. It refuses a schema that holds anything, or that another role owns:
#     either could pass for the extension's own.
#  4. It is for superusers, and for its own schema only.
#  5. What others put into the schema of a required extension is not used.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('install');

# CREATE EXTENSION must fail with this SQLSTATE and text, and leave nothing
sub not_installed
{
	my ($name, $sqlstate, $text, $what, $sql) = @_;
	my $err = refused($name, $sql // 'CREATE EXTENSION researcharr', $sqlstate, $text, $what);

	is(sql("SELECT count(*) FROM pg_extension WHERE extname = 'researcharr'", $name),
		'0', "$what: nothing is left");
	return $err;
}

# 1.
my $name = new_db('DROP EXTENSION plpgsql');
$node->safe_psql($name, 'CREATE EXTENSION researcharr CASCADE');
like($node->safe_psql($name, 'SELECT researcharr.uuid_v7()'),
	qr/^[0-9a-f]{8}-/, 'installed without PL/pgSQL, and works');
is( $node->safe_psql(
		$name, q{
	SELECT pg_describe_object(classid, objid, 0)
	  FROM pg_depend
	 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	   AND refobjid = (SELECT oid FROM pg_extension
	                    WHERE extname = 'researcharr')
	   AND classid <> 'pg_type'::regclass
	   AND obj_description(objid, classid::regclass::name) IS NULL
	 ORDER BY 1}),
	'',
	'each object is described');
is( $node->safe_psql(
		$name, q{
	SELECT attrelid::regclass || '.' || attname
	  FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
	 WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p')
	   AND NOT relispartition AND attnum > 0 AND NOT attisdropped
	   AND col_description(attrelid, attnum) IS NULL
	 ORDER BY 1}),
	'',
	'each column of a table is described');
is( $node->safe_psql(
		$name, q{
	WITH objects (name, acl) AS (
	    SELECT nspname::text, coalesce(nspacl, acldefault('n', nspowner))
	      FROM pg_namespace WHERE nspname = 'researcharr'
	    UNION ALL
	    SELECT oid::regclass::text, relacl FROM pg_class
	     WHERE relnamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT oid::regprocedure::text,
	           coalesce(proacl, acldefault('f', proowner))
	      FROM pg_proc WHERE pronamespace = 'researcharr'::regnamespace)
	SELECT name, privilege_type FROM objects, aclexplode(acl)
	 WHERE grantee = 0 ORDER BY 1, 2}),
	'',
	'nothing is granted to PUBLIC');

# 2.
$node->safe_psql($name, 'DROP EXTENSION researcharr');
is( $node->safe_psql(
		$name, q{SELECT count(*) FROM pg_depend
	              WHERE refclassid = 'pg_namespace'::regclass
	                AND refobjid = 'researcharr'::regnamespace}),
	'0',
	'dropped, it leaves an empty schema');
$node->safe_psql($name, 'CREATE EXTENSION researcharr');
ok(1, 'installed into the schema that was left');

# 3.
my %foreign = (
	table => 'CREATE TABLE researcharr.media (id int)',
	function => q{CREATE FUNCTION researcharr.uuid_v7(int) RETURNS uuid
		LANGUAGE sql RETURN NULL::uuid},
	type => 'CREATE DOMAIN researcharr.title AS text',
	operator => q{CREATE OPERATOR researcharr.= (FUNCTION = int4eq,
		LEFTARG = int, RIGHTARG = int)},
	extension => 'CREATE EXTENSION pgtap SCHEMA researcharr',);
delete $foreign{extension}
  unless $node->safe_psql('postgres',
	"SELECT count(*) FROM pg_available_extensions WHERE name = 'pgtap'");
foreach my $kind (sort keys %foreign)
{
	my $err = not_installed(
		new_db("CREATE EXTENSION pg_trgm; CREATE SCHEMA researcharr; $foreign{$kind}"),
		'42P06',
		'schema "researcharr" is not empty',
		"a schema with a foreign $kind");

	like($err, qr/DETAIL:  It contains .*\n.*HINT:  Drop or rename/s,
		"a schema with a foreign $kind: what to do");
}

$node->safe_psql('postgres',
	'CREATE ROLE mallory LOGIN; CREATE ROLE admin SUPERUSER');
not_installed(
	new_db('CREATE EXTENSION pg_trgm; CREATE SCHEMA researcharr AUTHORIZATION mallory'),
	'42501',
	'schema "researcharr" belongs to another role',
	"another role's schema");
$name = new_db('CREATE EXTENSION pg_trgm; CREATE SCHEMA researcharr AUTHORIZATION admin');
$node->safe_psql($name, 'CREATE EXTENSION researcharr');
ok(1, "installed into another superuser's schema");

# 4.
$name = new_db('CREATE EXTENSION pg_trgm; CREATE SCHEMA other');
$node->safe_psql($name, "GRANT ALL ON DATABASE $name TO mallory");
not_installed($name, '42501', 'permission denied to create extension',
	'an ordinary role',
	'SET ROLE mallory; CREATE EXTENSION researcharr');
not_installed($name, '0A000',
	'extension "researcharr" must be installed in schema "researcharr"',
	'another schema', 'CREATE EXTENSION researcharr SCHEMA other');

# 5. What lies in the schema of a required extension is not taken for the
# server's: an operator that fits better than any of its own, here.
$name = new_db(
	q{CREATE EXTENSION pg_trgm;
	  CREATE FUNCTION public.trap(float8, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	  CREATE OPERATOR public.>= (FUNCTION = public.trap, LEFTARG = float8, RIGHTARG = int);
	  CREATE EXTENSION researcharr});
is( $node->safe_psql(
		$name,
		q{SELECT count(*) FROM pg_depend AS d
		   WHERE d.refclassid = 'pg_operator'::regclass
		     AND d.refobjid = 'public.>=(float8,int)'::regoperator
		      OR d.refclassid = 'pg_proc'::regclass
		     AND d.refobjid = 'public.trap(float8,int)'::regprocedure
		     AND d.classid <> 'pg_operator'::regclass}),
	'0',
	'nothing of the extension uses an operator that lies in the way');

$node->stop;
done_testing();
