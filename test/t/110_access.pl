# 110_access.pl: levels of access are what docs/access.md says, and outlive dumps
# and updates.
#
#  1. What each level may do with each function, table, view and column, as the
#     catalog has it, is what docs/access.md says.  The file has nothing else,
#     and PUBLIC gets nothing.  If they differ, what the file should have is
#     written to access.md in the directory of the logs.
#  2. A dump that is restored without a role keeps its level, and says so; once
#     the role is there, access_apply() grants it.  Where all roles are, a dump
#     brings their privileges with it.
#  3. An update grants roles with a level what is new, and only those that still
#     hold USAGE, also of the rows that came with a dump.  pg_dump dumps that.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $top = "$FindBin::Bin/../..";
my @levels = qw(reader worker application auditor admin);
my $node = new_node('access');

sql('CREATE EXTENSION researcharr CASCADE');
foreach (@levels)
{
	sql("CREATE ROLE an_$_");
	is(sql("SELECT researcharr.access_grant('an_$_', '$_')"), 't', "a role for $_");
}

# 1.
my $matrix = q{
	WITH roles (n, role) AS (VALUES (1, 'public'), (2, 'an_reader'), (3, 'an_worker'), (4, 'an_application'), (5, 'an_auditor'), (6, 'an_admin')),
	privileges (n, privilege, letter, of_columns) AS (VALUES (1, 'SELECT', 'r', true), (2, 'INSERT', 'a', true), (3, 'UPDATE', 'w', true), (4, 'DELETE', 'd', false),
		(5, 'TRUNCATE', 'D', false), (6, 'REFERENCES', 'x', true), (7, 'TRIGGER', 't', false)),
	members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'researcharr')),
	relations AS (SELECT c.oid, c.relname FROM pg_class c JOIN members ON classid = 'pg_class'::regclass AND objid = c.oid WHERE c.relkind IN ('r', 'p', 'v')),
	cells (section, name, n, cell) AS (
		SELECT 1, c.relname::text, r.n, coalesce((SELECT string_agg(letter, '' ORDER BY p.n) FROM privileges p WHERE has_table_privilege(r.role, c.oid, privilege)), '')
		FROM relations c, roles r
		UNION ALL
		SELECT 1, c.relname || '.' || a.attname, r.n, coalesce((SELECT string_agg(letter, '' ORDER BY p.n) FROM privileges p
			WHERE of_columns AND has_column_privilege(r.role, c.oid, a.attnum, privilege) AND NOT has_table_privilege(r.role, c.oid, privilege)), '')
		FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped, roles r
		UNION ALL
		SELECT 2, p.proname::text, r.n, CASE WHEN has_function_privilege(r.role, p.oid, 'EXECUTE') THEN 'x' ELSE '' END
		FROM pg_proc p JOIN members ON classid = 'pg_proc'::regclass AND objid = p.oid, roles r)
	SELECT '| `' || name || '` |' || string_agg(' ' || cell || CASE cell WHEN '' THEN '|' ELSE ' |' END, '' ORDER BY n)
	FROM cells GROUP BY section, name HAVING name NOT LIKE '%.%' OR string_agg(cell, '') <> ''
	ORDER BY section, name COLLATE "C"};
my $is = sql($matrix);
my $written = join "\n", slurp_file("$top/docs/access.md") =~ /^(\| `.*)$/mg;
is($written, $is, 'docs/access.md says what levels may do')
  or append_to_file("$PostgreSQL::Test::Utils::log_path/access.md", "$is\n");
unlike($is, qr/^\| `[^`]*` \| [^|]/m, 'PUBLIC may do nothing');

# 2.
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $other = new_node('other');
sql('CREATE ROLE an_reader; CREATE ROLE an_admin');
$other->command_fails([ 'pg_restore', '-d', $other->connstr('postgres'), $dump ], 'a restore without some roles');
my $status = q{SELECT string_agg(grantee || ' ' || status, ', ' ORDER BY grantee) FROM researcharr.access_levels};
is(sql($status), 'an_admin restored, an_application missing, an_auditor missing, an_reader restored, an_worker missing',
	'... keeps the levels, and says whose role is not there');
is(sql(q{SELECT has_function_privilege('an_reader', 'researcharr.job_stats()', 'EXECUTE')}), 'f',
	'... (pg_restore grants nothing on an object if one of the roles is missing)');
sql('CREATE ROLE an_worker');
like(sql($status), qr/an_worker restored/, 'a role that comes later waits');
is(sql(q{SELECT has_schema_privilege('an_worker', 'researcharr', 'USAGE')}), 'f', '... without any privilege');
is(sql('SELECT researcharr.access_apply()'), '3', '... to get its level by access_apply');
is(sql(q{SELECT has_function_privilege('an_worker', 'researcharr.job_dequeue(text[], int, interval, text)', 'EXECUTE')}), 't', '... and all that it has');
is(sql($status), 'an_admin applied, an_application missing, an_auditor missing, an_reader applied, an_worker applied', '... like all whose roles are there');
sql('DROP OWNED BY an_worker; DROP ROLE an_worker; CREATE ROLE an_worker');
is(sql('SELECT researcharr.access_apply()'), '2', 'a role that was dropped and created anew gets nothing');
like(sql($status), qr/an_worker stale/, '... and is stale');
sql('CREATE DATABASE all_roles; CREATE ROLE an_application; CREATE ROLE an_auditor');
$other->command_ok([ 'pg_restore', '-e', '-d', $other->connstr('all_roles'), $dump ], 'a restore with all roles');
my $job_stats = q{SELECT has_function_privilege('an_reader', 'researcharr.job_stats()', 'EXECUTE')};
is(sql($job_stats, 'all_roles'), 't', '... brings their privileges');
is(sql('SELECT researcharr.access_apply()', 'all_roles'), '5', '... and access_apply() grants them');
is(sql('SELECT count(*) FROM researcharr.access_levels WHERE status = \'applied\'', 'all_roles'), '5', '... so that all are applied');
is(sql($job_stats, 'all_roles'), 't', '... and have what they had');
$other->stop;

# 3.
use_node($node);
my $version = sql(q{SELECT extversion FROM pg_extension WHERE extname = 'researcharr'});
chomp(my $share = `pg_config --sharedir`);
my $script = "$share/extension/researcharr--$version--test.sql";
append_to_file($script, q{
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE FUNCTION researcharr.news() RETURNS int LANGUAGE sql RETURN 1;
REVOKE ALL ON FUNCTION researcharr.news() FROM PUBLIC;
CREATE TABLE researcharr.new_table (id int);
DROP FUNCTION researcharr.job_stats();
CREATE FUNCTION researcharr.job_stats(OUT job_type text, OUT status text, OUT jobs bigint, OUT oldest timestamptz,
	OUT estimated boolean)
RETURNS SETOF record LANGUAGE C STABLE ROWS 20
AS '$libdir/researcharr', 'researcharr_job_stats';
REVOKE ALL ON FUNCTION researcharr.job_stats() FROM PUBLIC;
CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS '$libdir/researcharr', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
});
sql('DROP OWNED BY an_application; DROP ROLE an_application; CREATE ROLE an_application');
sql('REVOKE USAGE ON SCHEMA researcharr FROM an_worker');
sql(q{CREATE ROLE an_outsider; CREATE ROLE an_insider; GRANT USAGE ON SCHEMA researcharr TO an_insider;
	INSERT INTO researcharr.access_grants (grantee, level, granted_by, applied_in)
	VALUES ('an_outsider', 'reader', 'somebody', 'elsewhere'), ('an_insider', 'reader', 'somebody', 'elsewhere')});
sql(q{ALTER EXTENSION researcharr UPDATE TO 'test'});
unlink $script;
sub may { return sql("SELECT has_function_privilege('an_$_[0]', 'researcharr.$_[1]()', 'EXECUTE')") }
is(may('reader', 'job_stats'), 't', 'an update grants a function that is made anew');
is(may('admin', 'news') . may('reader', 'news'), 'tf', '... and a new one to admins only');
is(sql(q{SELECT has_table_privilege('an_admin', 'researcharr.new_table', 'SELECT')}), 't', '... and a new table');
is(may('application', 'job_stats'), 'f', '... but nothing to a role that was dropped and created anew');
like(sql($status), qr/an_application stale/, '... which is stale');
is(sql(q{SELECT has_schema_privilege('an_worker', 'researcharr', 'USAGE')}), 'f', '... nor to one that has lost USAGE');
like(sql($status), qr/an_worker stale/, '... which is stale, too');
is(may('outsider', 'job_stats'), 'f', 'a row that came with a dump gives a role without USAGE nothing');
like(sql($status), qr/an_outsider restored/, '... and waits for access_apply()');
is(may('insider', 'job_stats'), 't', '... and one with USAGE its level');
like(sql($status), qr/an_insider applied/, '... which is applied');
is(sql(q{SELECT count(*) FROM pg_init_privs, aclexplode(initprivs) a WHERE a.grantee = 'an_admin'::regrole OR a.grantee = 'an_reader'::regrole}),
	'0', '... and the server does not take it for a part of the extension');
my ($out, $err);
run_log([ 'pg_dump', '-s', '-d', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
like($out, qr/GRANT (ALL|EXECUTE) ON FUNCTION researcharr\.news\(\) TO an_admin;/, '... so that pg_dump dumps it');
is(sql(q{SELECT researcharr.access_grant('an_application', 'application')}) . may('application', 'job_stats'), 'tt', 'a stale role is granted again');
$node->stop;

done_testing();
