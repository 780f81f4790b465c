# 004_default_privileges.pl: default privileges give nobody the extension.
#
#  1. The installing role has default privileges that grant everything to
#     another role.  After CREATE EXTENSION only the owner has privileges on
#     the schema and on what is in it; a schema that existed loses its grants.
#  2. An update to the newest version does the same for what it makes, and
#     leaves grants on older objects as they were.
#  3. What the scripts revoke does not turn up in a dump.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('default_privileges');
$node->safe_psql('postgres', 'CREATE ROLE reader; CREATE ROLE "odd Role"');

my $defaults = join ";\n",
  map { my $kind = $_;
	map { "ALTER DEFAULT PRIVILEGES GRANT ALL ON $kind TO $_" }
	  ('reader WITH GRANT OPTION', '"odd Role"', 'PUBLIC') }
  qw(TABLES SEQUENCES ROUTINES TYPES SCHEMAS);
$defaults =~ s/PUBLIC WITH GRANT OPTION/PUBLIC/g;

# What roles other than the owner may do with the schema and what is in it
my $others = q{
	WITH acls (object, owner, acl) AS (
	    SELECT nspname::text, nspowner, coalesce(nspacl, acldefault('n', nspowner))
	      FROM pg_namespace WHERE nspname = 'researcharr'
	    UNION ALL
	    SELECT oid::regclass::text, relowner,
	           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
	      FROM pg_class WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	    UNION ALL
	    SELECT attrelid::regclass || '.' || attname, relowner, attacl
	      FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
	     WHERE relnamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner))
	      FROM pg_proc WHERE pronamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT oid::regtype::text, typowner, typacl
	      FROM pg_type WHERE typnamespace = 'researcharr'::regnamespace)
	SELECT object || ': ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
	       || ' ' || privilege_type
	  FROM acls, aclexplode(acl) WHERE grantee <> owner ORDER BY 1};

# The dump's statements about privileges
sub privileges_in_dump
{
	my ($db) = @_;
	my ($out, $err);

	run_log([ 'pg_dump', '-d', $node->connstr($db) ], '>', \$out, '2>', \$err)
	  or die "pg_dump: $err";
	return join "\n", grep { /^(GRANT|REVOKE) .*researcharr/ } split /\n/, $out;
}

# 1.
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE template0")
  foreach qw(fresh existing updated together);
$node->safe_psql('fresh', "$defaults; CREATE EXTENSION researcharr CASCADE");
is($node->safe_psql('fresh', $others), '',
	'after CREATE EXTENSION only the owner has privileges');

$node->safe_psql('existing', "CREATE SCHEMA researcharr;
	GRANT ALL ON SCHEMA researcharr TO reader WITH GRANT OPTION;
	SET ROLE reader; GRANT CREATE ON SCHEMA researcharr TO \"odd Role\"; RESET ROLE;
	CREATE EXTENSION researcharr CASCADE");
is($node->safe_psql('existing', $others), '',
	'grants on a schema that existed are revoked');

# 2.  Grants on the objects of 1.0, then default privileges, then the update
$node->safe_psql('updated',
	"CREATE EXTENSION researcharr VERSION '1.0' CASCADE");
$node->safe_psql('updated', q{
	GRANT USAGE ON SCHEMA researcharr TO reader;
	GRANT SELECT ON researcharr.media TO reader;
	GRANT SELECT (key) ON researcharr.configuration TO "odd Role";
	GRANT EXECUTE ON FUNCTION researcharr.uuid_v7() TO reader});
my $granted = $node->safe_psql('updated', $others);
my $functions = 'SELECT count(*) FROM pg_proc WHERE pronamespace = \'researcharr\'::regnamespace';
my $before = $node->safe_psql('updated', $functions);
$node->safe_psql('updated', "$defaults; ALTER EXTENSION researcharr UPDATE");
cmp_ok($node->safe_psql('updated', $functions),
	'>', $before, 'the update has made functions');
is($node->safe_psql('updated', $others),
	$granted, 'after the update only what was granted before is granted');

# A grant in the transaction that made the objects is not taken for a default
$node->safe_psql('together', q{
	BEGIN;
	CREATE EXTENSION researcharr VERSION '1.4' CASCADE;
	GRANT SELECT ON researcharr.media TO reader;
	ALTER EXTENSION researcharr UPDATE;
	COMMIT});
is($node->safe_psql('together', $others), 'researcharr.media: reader SELECT',
	'a grant in the transaction that made the object stays');

# 3.
$node->safe_psql('fresh',
	'GRANT SELECT ON researcharr.movies TO reader');
is(privileges_in_dump('fresh'),
	'GRANT SELECT ON TABLE researcharr.movies TO reader;',
	'the dump has the deliberate grant only');

$node->stop;
done_testing();
