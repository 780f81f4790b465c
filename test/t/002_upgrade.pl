# 002_upgrade.pl: an updated extension is the same as a newly installed one.
#
#  1. A database gets the newest version, another one version 1.0.
#  2. The second is filled with rows, in every table, and updated version by
#     version; after each step every row is still there, as it was.
#  3. At the end both have the same schema (as pg_dump --binary-upgrade tells
#     it, which looks into extensions), members, privileges and registrations
#     for pg_dump.
#
# A column that an upgrade script adds comes last, so it has to come last in
# the module, too.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('upgrade');

# The tables of the extension (partitions' rows are seen through the parent)
my $tables = q{
	SELECT c.oid::regclass AS name
	  FROM pg_depend JOIN pg_class AS c ON c.oid = objid
	 WHERE classid = 'pg_class'::regclass AND deptype = 'e'
	   AND refclassid = 'pg_extension'::regclass
	   AND refobjid = (SELECT oid FROM pg_extension
	                    WHERE extname = 'researcharr')
	   AND relkind IN ('r', 'p') AND NOT relispartition};

# Every row of every table, one "table|row as jsonb" a line
sub rows
{
	my ($db) = @_;
	my $union = join ' UNION ALL ',
	  map { "SELECT '$_' AS name, to_jsonb(t) AS row FROM $_ AS t" }
	  lines($db, "$tables ORDER BY 1");

	return $union ? "SELECT name, row FROM ($union) AS s" : undef;
}

# The entries of a schema's dump, without what differs by chance
sub schema
{
	my ($db) = @_;
	my ($out, $err);

	run_log(
		[
			'pg_dump', '--binary-upgrade', '--schema-only', '-d',
			$node->connstr($db)
		],
		'>',
		\$out,
		'2>',
		\$err) or die "pg_dump: $err";
	my @entries = split /^--\n-- Name: .*\n--\n/m, $out;
	foreach (@entries)
	{
		s/^--.*\n//mg;
		s/^.*binary_upgrade_set_next.*\n//mg;
		s/^\\(un)?restrict.*\n//mg;
		s/^.*SET relfrozenxid.*(\n.*)*?;\n//mg;
		s/'\d+'::pg_catalog\.oid/OID/g;
		s/'\{[\d,]+\}'/OIDS/g;
		s/\n\n+/\n/g;
	}
	return sort @entries;
}

# Both lists have the same members; told are those that only one has
sub same
{
	my ($what, $updated, $fresh) = @_;
	my %surplus;

	$surplus{$_}++ foreach @$updated;
	$surplus{$_}-- foreach @$fresh;
	is( join("\n", grep { $surplus{$_} > 0 } sort keys %surplus),
		join("\n", grep { $surplus{$_} < 0 } sort keys %surplus),
		"the same $what (expected: what only a fresh install has)");
	return;
}

# The lines of a query's result
sub lines
{
	my ($db, $query) = @_;

	return split /\n/, $node->safe_psql($db, $query);
}

# What pg_dump does not tell, or tells only as a difference
my $members = q{
	SELECT pg_describe_object(classid, objid, objsubid)
	  FROM pg_depend
	 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	   AND refobjid = (SELECT oid FROM pg_extension
	                    WHERE extname = 'researcharr')
	 ORDER BY 1};
my $registrations = q{
	SELECT extversion, config::regclass, condition
	  FROM pg_extension
	  LEFT JOIN LATERAL unnest(extconfig, extcondition)
	         AS u (config, condition) ON true
	 WHERE extname = 'researcharr' ORDER BY 2};
my $privileges = q{
	WITH acls (object, kind, acl) AS (
	    SELECT nspname::text, 'now', nspacl FROM pg_namespace
	     WHERE nspname = 'researcharr'
	    UNION ALL
	    SELECT oid::regclass::text, 'now', relacl FROM pg_class
	     WHERE relnamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT attrelid::regclass || '.' || attname, 'now', attacl
	      FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
	     WHERE relnamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT oid::regprocedure::text, 'now', proacl FROM pg_proc
	     WHERE pronamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT oid::regtype::text, 'now', typacl FROM pg_type
	     WHERE typnamespace = 'researcharr'::regnamespace
	    UNION ALL
	    SELECT pg_describe_object(classoid, objoid, objsubid), 'at creation',
	           initprivs
	      FROM pg_init_privs
	     WHERE pg_describe_object(classoid, objoid, objsubid)
	           LIKE '%researcharr.%')
	SELECT object, kind, grantor::regrole, grantee::regrole, privilege_type,
	       is_grantable
	  FROM acls, aclexplode(acl) ORDER BY 1, 2, 3, 4, 5};

# 1.
$node->safe_psql('postgres', 'CREATE DATABASE fresh; CREATE DATABASE updated');
$node->safe_psql('fresh', 'CREATE EXTENSION researcharr CASCADE');
$node->safe_psql('updated',
	"CREATE EXTENSION researcharr VERSION '1.0' CASCADE");
my $newest = $node->safe_psql('fresh',
	"SELECT extversion FROM pg_extension WHERE extname = 'researcharr'");
my @versions = lines(
	'postgres', q{
	SELECT version FROM pg_available_extension_versions
	 WHERE name = 'researcharr' AND version <> '1.0'
	 ORDER BY string_to_array(version, '.')::int[]});
is($versions[-1] // '1.0', $newest, 'the newest version is the default');

# 2.
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('updated'), '-f', "$FindBin::Bin/../data/fill.sql"
	],
	'rows are put into version 1.0');
foreach my $table (lines('updated', $tables))
{
	is( $node->safe_psql('updated', "SELECT EXISTS (SELECT FROM $table)"),
		't', "fill.sql has rows for $table");
}
foreach my $version (@versions)
{
	my $before = rows('updated');

	$node->safe_psql('updated', "CREATE TABLE before AS $before")
	  if defined $before;
	$node->safe_psql('updated',
		"ALTER EXTENSION researcharr UPDATE TO '$version'");
	next unless defined $before;
	my $after = rows('updated');

	is( $node->safe_psql(
			'updated', qq{
		WITH now AS ($after), columns AS (
		    SELECT DISTINCT name, key
		      FROM before, jsonb_object_keys(row) AS key),
		same_columns (name, row) AS (
		    SELECT name, (SELECT jsonb_object_agg(e.key, e.value)
		                    FROM jsonb_each(now.row) AS e
		                    JOIN columns AS c USING (key)
		                   WHERE c.name = now.name)
		      FROM now WHERE name IN (SELECT name FROM columns))
		(TABLE before EXCEPT ALL TABLE same_columns)
		UNION ALL (TABLE same_columns EXCEPT ALL TABLE before)}),
		'',
		"updated to $version: every row is as it was");
	$node->safe_psql('updated', 'DROP TABLE before');
}

# 3.
same('schema', [ schema('updated') ], [ schema('fresh') ]);
same('members', [ lines('updated', $members) ], [ lines('fresh', $members) ]);
same(
	'registrations for pg_dump',
	[ lines('updated', $registrations) ],
	[ lines('fresh', $registrations) ]);
same(
	'privileges',
	[ lines('updated', $privileges) ],
	[ lines('fresh', $privileges) ]);
unlike($node->safe_psql('fresh', $members),
	qr/check_schema/, 'the check of the schema is not left behind');

$node->stop;
done_testing();
