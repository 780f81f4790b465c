# 031_pg_upgrade.pl: what users stored survives pg_upgrade.
#
# From a cluster to another of the same version: what can go wrong is the
# extension's (its tables are dumped in another way than by pg_dump alone),
# not the server's.  Every row is there once, none is added, partitions that
# users or the background worker made are in their places, and the extension
# works on.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
plan skip_all => 'pg_upgrade is not installed'
  unless grep { -x "$_/pg_upgrade" } split(/:/, $ENV{PATH}), $bindir;

my @nodes = map { PostgreSQL::Test::Cluster->new($_) } qw(old new);
foreach my $node (@nodes)
{
	$node->init;
	$node->append_conf('postgresql.conf', $preload . "researcharr.worker = off\n");
}
my ($old, $new) = @nodes;

my $catalog = q{
	SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid),
		(SELECT string_agg(t.tgname::text || t.tgenabled::text, ',' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
		(SELECT string_agg(d.deptype::text, '') FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass),
		(SELECT count(*) FROM pg_extension e WHERE c.oid = ANY (e.extconfig)),
		(SELECT count(*) FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
	FROM pg_class c WHERE c.relnamespace = 'researcharr'::regnamespace ORDER BY 1};

$old->start;
$old->safe_psql('postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	CREATE TABLE researcharr.audit_now PARTITION OF researcharr.audit_log (PRIMARY KEY (id))
		FOR VALUES FROM ('01910000-0000-0000-0000-000000000000') TO (MAXVALUE);
	CREATE INDEX ON researcharr.audit_now (entity_type, entity_id);
});
use_node($old);
sql(q{
	SELECT researcharr.job_cancel(researcharr.job_enqueue(
		(researcharr.media_create('{"type": "movie", "title": "First"}')).id, 'search'))});
reload('researcharr.worker' => 'on');
my $month = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'researcharr.processing_history'::regclass";
ok(within(60, "SELECT ($month) = 4"), 'the worker makes partitions');
reload('researcharr.worker' => 'off');
ok(within(60, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'researcharr worker'"), 'and ends');
$old->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $old->connstr('postgres'),
		'-f', "$FindBin::Bin/../data/fill.sql" ], 'the old cluster is filled');
$old->safe_psql('postgres', q{SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(ARRAY['search'])});
my $rows = contents();
my $objects = $old->safe_psql('postgres', $catalog);
like($rows, qr/researcharr\.$_\|[1-9]/, "there are rows in $_")
  foreach qw(audit_now processing_history_default processing_jobs job_types);
$old->stop;

my $dir = PostgreSQL::Test::Utils::tempdir();
chdir $dir or die;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade');

$new->start;
use_node($new);
is(contents(), $rows, 'every row once, and no other');
is($new->safe_psql('postgres', $catalog), $objects, 'the same objects');
is( $new->safe_psql('postgres', q{
		SELECT count(researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search'));
		SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(ARRAY['search']);
		SELECT count(*) FROM researcharr.processing_history WHERE action = 'completed' AND "timestamp" > '2026-01-02';
		UPDATE researcharr.media SET status = 'pending' WHERE title = '1917';
		SELECT tableoid::regclass, changes FROM researcharr.audit_log ORDER BY id DESC LIMIT 1;}),
	qq{1\nt\n2\nresearcharr.audit_now|{"status": {"new": "pending", "old": "failed"}}},
	'it works on');
reload('researcharr.worker' => 'on');
ok(within(60, "SELECT result = 'succeeded' FROM researcharr.worker_status() WHERE task = 'partitions'"), 'the worker too');
$new->stop;
done_testing();
