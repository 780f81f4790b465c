# 074_retention.pl: partitions of the logs, and what rules of retention remove.
#
#  1. Each log that has rows has partitions for this month and two more.
#  2. Old rows in the DEFAULT partition move to partitions of their months.
#  3. Nothing is removed without a rule; a rule removes partitions, rows and jobs.
#  4. Users' partitions: detached, renamed, locked, of a name that is ours.
#  5. The server dies while rows are removed or moved.
#  6. Dump and restore, also beside the worker.
#  7. A month later there are partitions for two more months.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ClockShim;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(usleep);

my $shim = ClockShim->new;
my $node = PostgreSQL::Test::Cluster->new('retention');
use_node($node);
$node->init;
$node->append_conf('postgresql.conf', $preload . "autovacuum = off\nresearcharr.max_workers = 4\n");
$shim->start($node);

# Partitions of a log, without the DEFAULT one, in order
sub partitions
{
	my ($log, $db) = @_;

	return sql("SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits
		WHERE inhparent = 'researcharr.$log'::regclass AND inhrelid::regclass::text NOT LIKE '\%default'", $db) =~ s/researcharr\.//gr;
}

# The names of partitions of a log for these months from now
sub months
{
	my ($log, @offsets) = @_;

	return join ' ', map { sql("SELECT '${log}_' || to_char(now() AT TIME ZONE 'UTC' + interval '$_ months', 'YYYY_MM')") } @offsets;
}

# Has the worker look at its tasks
sub wake
{
	return sql('DROP SCHEMA IF EXISTS nothing', $_[0]);
}

# Rows of the history as of a time, in the DEFAULT partition
sub old_history
{
	my ($at, $n) = @_;

	return sql("INSERT INTO researcharr.processing_history (id, job_id, media_id, action, details, \"timestamp\")
		SELECT (lpad(to_hex((extract(epoch FROM timestamptz '$at') * 1000)::bigint + n), 12, '0') || '7000800000000000' || lpad(to_hex(n), 4, '0'))::uuid,
			$media, $media, 'failed', '{}', timestamptz '$at' + n * interval '1 ms' FROM generate_series(1, $n) n");
}

# What the tables contain, but for those to which the scheduled health check writes
sub rows
{
	my ($db) = @_;

	return join "\n", grep { !/^researcharr\.(health_minutes|schedule_state|schedule_log)\|/ } split /\n/, contents($db);
}

# Kills the server, and waits until all of its processes are gone
sub kill_server
{
	my $pids = sql('SELECT string_agg(pid::text, $$ $$) FROM pg_stat_activity');

	$node->kill9;
	foreach (1 .. 600)
	{
		return unless kill 0, split ' ', $pids;
		usleep(100_000);
	}
	die 'processes of the server do not end';
}

# 1.
create_extension();
ok(within(60, "SELECT result = 'succeeded' FROM researcharr.worker_status() WHERE database = current_database() AND task = 'partitions'"),
	'the task has run');
is(partitions('processing_history'), '', 'a log without rows has no partitions');
sql("SELECT researcharr.job_cancel(researcharr.job_enqueue($media, 'search'))");
wake();
foreach my $log (qw(processing_history audit_log))
{
	ok(within(60, "SELECT count(*) = 4 FROM pg_inherits WHERE inhparent = 'researcharr.$log'::regclass"), "$log has partitions");
	is(partitions($log), months($log, 0, 1, 2), 'for this month and the next two');
}
is(sql("SELECT DISTINCT tableoid::regclass FROM researcharr.audit_log"), 'researcharr.' . months('audit_log', 0),
	'what had been written before has moved');
sql("SELECT researcharr.job_cancel(researcharr.job_enqueue($media, 'search'))");
is(sql("SELECT DISTINCT tableoid::regclass FROM researcharr.processing_history"), 'researcharr.' . months('processing_history', 0),
	'new rows go to the month');
my $this = 'researcharr.' . months('processing_history', 0);
is(sql("SELECT count(*) FROM pg_depend WHERE objid = '$this'::regclass AND deptype = 'e'"), 0, 'a partition is no member');
refused('postgres', "SET ROLE pg_monitor; TRUNCATE $this", '42501', '', 'TRUNCATE of a partition');
is(sql("SELECT tgenabled FROM pg_trigger WHERE tgrelid = '$this'::regclass AND tgname LIKE 'researcharr_guard%'"), "A\nA",
	'triggers protect it');

# 2.
old_history('2020-01-31 23:59:50+00', 3000);
old_history('2020-02-15 00:00+00', 10);
wake();
ok(within(60, 'SELECT count(*) = 0 FROM researcharr.processing_history_default'), 'old rows move');
is(sql("SELECT tableoid::regclass, count(*) FROM researcharr.processing_history WHERE \"timestamp\" < '2021-01-01' GROUP BY 1 ORDER BY 1"),
	"researcharr.processing_history_2020_01|3000\nresearcharr.processing_history_2020_02|10", 'to partitions of their months');
is(sql("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'researcharr_not%'"), 0, 'no constraint is left');

# 3.
is(sql('SELECT target FROM researcharr.retention_list() WHERE keep IS NULL'), "completed_jobs\nfailed_jobs\ncancelled_jobs\nhistory\naudit",
	'there are no rules at first');
foreach (
	[ 'NULL, NULL', '22004', 'target must not be null' ],
	[ "'jobs', '1 day'", '22023', 'there is no target of retention "jobs"' ],
	[ "'history', '0'", '22023', 'keep is out of range: 00:00:00' ],
	[ "'history', '-1 day'", '22023', 'keep is out of range: -1 days' ],
	[ "'history', '200 years'", '22023', 'keep is out of range' ])
{
	my ($args, $sqlstate, $message) = @$_;

	refused('postgres', "SELECT researcharr.retention_set($args)", $sqlstate, $message, "retention_set($args)");
}
my $finish = "SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{download}', 2000)";
sql("SELECT count(researcharr.job_enqueue($media, 'download')) FROM generate_series(1, 3000)");
sql($finish) foreach 1 .. 2;
sql("SELECT researcharr.job_enqueue($media, 'verify'), researcharr.job_enqueue($media, 'verify', max_retries => 0);
	SELECT researcharr.job_fail(id, attempt, 'x', retry => false) FROM researcharr.job_dequeue('{verify}');");
my $before = sql('SELECT count(*) FROM researcharr.processing_history');
sql("SELECT researcharr.retention_set('completed_jobs', '2 days')");
$shim->advance(3 * 24 * 3600);
sql("SELECT researcharr.retention_set('completed_jobs', '1 day'); SELECT researcharr.retention_set('cancelled_jobs', '100 days')");
is(sql("SELECT target, keep FROM researcharr.retention_list() WHERE keep IS NOT NULL"), "completed_jobs|1 day\ncancelled_jobs|100 days", 'rules');
ok(within(60, "SELECT count(*) = 0 FROM researcharr.processing_jobs WHERE status = 'completed'"), 'completed jobs are removed');
is(sql('SELECT status, count(*) FROM researcharr.processing_jobs GROUP BY 1 ORDER BY 1'), "cancelled|2\nfailed|1\nqueued|1", 'others are not');
is(sql('SELECT count(*) FROM researcharr.processing_history'), $before, 'the history is as it was');
is(sql("SELECT changes->>'target', sum((changes->>'rows')::int), string_agg(DISTINCT acting_role, ' ') = current_user
	FROM researcharr.audit_log WHERE entity_type = 'job' AND action = 'expire' GROUP BY 1"), 'completed_jobs|3000|t', 'the audit log says what was removed');
is(sql("SELECT count(*) FROM researcharr.audit_log WHERE entity_type = 'job' AND action = 'delete'"), 0, 'but not job by job');
is(sql("SELECT sum(jobs) FROM researcharr.job_stats() WHERE status = 'completed'"), '', 'the statistics know');

# 4.
sql("ALTER TABLE researcharr.processing_history DETACH PARTITION researcharr.processing_history_2020_01;
	ALTER TABLE researcharr.processing_history_2020_02 RENAME TO mine;
	CREATE TABLE researcharr.processing_history_2020_03 (a int)");
old_history('2020-03-01 00:00+00', 2000);
wake();
ok(within(60, "SELECT count(*) = 2000 FROM researcharr.processing_history WHERE tableoid = to_regclass('researcharr.processing_history_2020_03_2')"),
	'a name that is taken is left alone');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM researcharr.processing_history');
sql("SELECT researcharr.retention_set('history', '100 days')");
ok(within(60, "SELECT runs >= 1 AND next_due > now() AND result = 'succeeded' FROM researcharr.worker_status() WHERE task = 'retention'"), 'the rule is applied');
ok(sql("SELECT to_regclass('researcharr.mine') IS NOT NULL"), 'but not to a log that somebody reads');
sql("SELECT researcharr.job_cancel(researcharr.job_enqueue($media, 'search'))");
pass('others are not kept waiting');
$reader->query_safe('COMMIT');
$reader->quit;
ok(within(90, "SELECT to_regclass('researcharr.mine') IS NULL AND to_regclass('researcharr.processing_history_2020_03_2') IS NULL"),
	'old partitions are dropped once nobody does');
is(sql('SELECT count(*) FROM researcharr.processing_history_2020_01'), 3000, 'a partition that was detached is nobody\'s');
is(sql("SELECT changes->>'partition' FROM researcharr.audit_log WHERE entity_type = 'history' AND changes ? 'partition' ORDER BY 1"),
	"researcharr.mine\nresearcharr.processing_history_2020_03_2", 'the audit log has them');
unlike(partitions('processing_history'), qr/_2020_/, 'none of their time is left');
ok(sql("SELECT to_regclass('$this') IS NOT NULL"), 'later ones stay');

# 5.
sql("SELECT researcharr.retention_set('history', NULL)");
old_history('2021-05-01 00:00+00', 30000);
foreach my $round (1 .. 3)
{
	wake();
	within(20, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'researcharr worker' AND application_name IN ('stray_rows', 'retention')");
	kill_server();
	$shim->start($node);
	is(sql("SELECT count(*) FROM researcharr.processing_history WHERE \"timestamp\" < '2022-01-01'"), 30000, "killed, round $round: no row is lost");
}
ok(within(120, "SELECT to_regclass('researcharr.processing_history_2021_05') IS NOT NULL"), 'in the end they have moved');
is(sql("SELECT count(*), count(DISTINCT id) FROM researcharr.processing_history WHERE \"timestamp\" < '2022-01-01'"), '30000|30000', 'each once');
sql("SELECT researcharr.retention_set('history', '1 day')");
ok(within(120, "SELECT count(*) = 0 FROM researcharr.processing_history WHERE \"timestamp\" < now() - interval '1 day'"),
	'a rule that keeps less than a month removes rows');

# 6.
sql("SELECT researcharr.retention_set('history', NULL)");
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
my $beside = new_db();
sql('CREATE EXTENSION researcharr CASCADE', $beside);
ok( within(60, "SELECT result = 'succeeded' FROM researcharr.worker_status() WHERE database = current_database() AND task = 'partitions'", $beside),
	'the worker looks after a new database');
my ($list) = run_command([ 'pg_restore', '-l', $dump ]);
append_to_file("$dump.list", join "\n", grep { !/ SCHEMA - / } split /\n/, $list);
command_ok([ 'pg_restore', '-e', '-L', "$dump.list", '-d', $node->connstr($beside), $dump ], 'restore beside the worker');
is(rows($beside), rows('postgres'), 'all rows are there');
reload('researcharr.worker' => 'off');
$shim->advance(40 * 24 * 3600);
my $restored = new_db();
command_ok([ 'pg_restore', '-d', $node->connstr($restored), $dump ], 'restore in another month');
is(rows($restored), rows('postgres'), 'all rows are there');
is(partitions('audit_log', $restored), partitions('audit_log'), 'in the same partitions');

# 7.
reload('researcharr.worker' => 'on');
foreach my $db ('postgres', $restored)
{
	my $last = months('processing_history', 2);

	wake($db);
	ok(within(60, "SELECT to_regclass('researcharr.$last') IS NOT NULL", $db), "a month later there are new partitions in $db");
}
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC/, 'nothing strange is in the log');
done_testing();
