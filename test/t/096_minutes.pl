# 096_minutes.pl: the health check's figures as time goes by, on a server whose
# clock is set ahead (test/data/clock_shim.c).
#
#  1. Failures and lapses are of the last hour: what they warn of ends by itself.
#  2. Growth, and transactions a second, also when the statistics are reset.
#  3. The scheduled check writes to health_minutes, and deletes what is old.
#  4. After a restart, figures of the table are of the last hour and day too.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ClockShim;
use ResearcharrTest;
use Test::More;

my $shim = ClockShim->new;
my $node = PostgreSQL::Test::Cluster->new('minutes');
use_node($node);
$node->init;
$node->append_conf('postgresql.conf', $preload . "researcharr.worker = off\nautovacuum = off\n");
$shim->start($node);
create_extension();

# Something of a check, which is taken from its result
sub check
{
	my ($check, $what) = @_;

	return sql("SET researcharr.health_lapses_warning = 1; SET researcharr.health_lapses_error = 3;
		SELECT c$what FROM CAST(researcharr.health_check()->'checks'->'$check' AS jsonb) AS c");
}

sub status { return check($_[0], "->>'status'") }

sub last_hour { return check($_[0], "->'values'->>'last_hour'") }

my $minutes = 60;

# 1.
is(status('failures') . status('lapses'), 'okok', 'nothing has failed');
sql("SELECT researcharr.job_enqueue($media, 'verify') FROM generate_series(1, 100);
	SELECT count(f.id) FROM researcharr.job_dequeue('{verify}', 100) j, researcharr.job_fail(j.id, j.attempt, 'broken', retry => false) f;
	SELECT researcharr.job_enqueue($media, 'download') FROM generate_series(1, 3);
	SELECT count(*) FROM researcharr.job_dequeue('{download}', 3, lease => '1 us');
	SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue('{download}', 3)");
is(status($_), 'error', "$_, error: now") foreach qw(failures lapses);
$shim->advance(2 * $minutes);
is(status($_), 'error', "$_, error: a while ago") foreach qw(failures lapses);
$shim->advance(50 * $minutes);
is(last_hour('failures'), 100, 'failures of the last hour');
is(last_hour('lapses'), 3, 'lapses too');
$shim->advance(12 * $minutes);
is(status($_), 'ok', "$_, ok: more than an hour ago") foreach qw(failures lapses);
is(check('throughput', "->'values'->'last_day'->>'failed'"), 100, 'they are still of the last day');
$shim->advance(24 * 60 * $minutes);
is(check('throughput', "->'values'->'last_day'->>'failed'"), 0, 'but not for ever');

# 2.
$shim->advance(62 * $minutes);
status('sizes');
sql('CREATE TABLE public.large AS SELECT n, repeat(n::text, 100) AS t FROM generate_series(1, 5000) n');
$shim->advance(2 * $minutes);
cmp_ok(check('sizes', "->'values'->>'growth_bytes'"), '>', 500_000, 'growth');
like(check('sizes', "->>'reason'"), qr/, \d+ kB more in the last day$/, 'it says so');
sql('DROP TABLE public.large;' . 'SELECT;' x 1000);
$shim->advance(2 * $minutes);
cmp_ok(check('sizes', "->'values'->>'growth_bytes'"), '<', 500_000, 'it ends');
my $rate = check('throughput', "->'values'->>'transactions_per_second'");
cmp_ok($rate, '>', 0, 'transactions a second');
sql('SELECT pg_stat_reset()');
foreach my $after ('is reset', 'goes on')
{
	$shim->advance(2 * $minutes);
	cmp_ok(check('throughput', "->'values'->>'transactions_per_second'"), '>=', 0, "they are not negative when what counts them $after");
	is(status('throughput'), 'ok', 'throughput, ok');
}

# 3.
my $row = "INSERT INTO researcharr.health_minutes (started_at, ended_at, enqueued, claimed, completed, retried, failed, lapsed, released,
	cancelled, transactions, database_bytes) SELECT t, t + interval '1 min',";
sql("$row 0, 0, 0, 0, 0, 0, 0, 0, NULL, 1 FROM unnest('{8 days,7 days 1 hour,6 days 23 hours}'::interval[]) i, LATERAL (SELECT now() - i AS t) s");
reload('researcharr.worker' => 'on');
my $run = sql("SELECT researcharr.schedule_run('health_check')");
ok(within(60, "SELECT status = 'succeeded' FROM researcharr.schedule_runs WHERE id = '$run'"), 'the scheduled check');
reload('researcharr.worker' => 'off');
is(sql("SELECT count(*) FROM researcharr.health_minutes WHERE database_bytes = 1"), 1, 'what is older than a week is deleted');
is(sql("SELECT sum(failed) FROM researcharr.health_minutes"), 100, 'what happened is written');
is( sql("SELECT count(*) > 3 AND bool_and(database_bytes > 1000000 AND ended_at > started_at AND coalesce(transactions, 0) >= 0)
		FROM researcharr.health_minutes WHERE ended_at > now() - interval '1 hour'"), 't', 'a row for each minute');
is(sql("SELECT count(*) FROM researcharr.health_minutes WHERE transactions IS NULL AND ended_at > now() - interval '5 min'"), 1,
	'none of transactions for the one with the reset');
is(sql("SELECT count(*) FROM researcharr.health_minutes a JOIN researcharr.health_minutes b ON a.started_at < b.ended_at AND b.started_at < a.ended_at
	AND a.ended_at < b.ended_at"), 0, 'they do not overlap');

# 4.
sql("TRUNCATE researcharr.health_minutes;
	$row 0, 0, 0, 0, 100, 3, 0, 0, NULL, 5000 FROM generate_series(30, 50, 20) n, LATERAL (SELECT now() - n * interval '1 min' AS t) s;
	$row 0, 0, 0, 0, 1000, 300, 0, 0, NULL, 1000 FROM generate_series(2, 30, 4) n, LATERAL (SELECT now() - n * interval '1 hour' AS t) s");
$node->stop;
$shim->start($node);
is(last_hour('failures'), 200, 'after a restart, failures of the last hour');
is(last_hour('lapses'), 6, 'and lapses');
is(check('throughput', "->'values'->'last_day'->>'failed'"), 6200, 'and failures of the last day');
is(status($_), 'error', "$_, error: as before the restart") foreach qw(failures lapses);
$shim->advance(15 * $minutes);
is(last_hour('failures'), 100, 'then some are of the hour before');
$shim->advance(20 * $minutes);
is(status($_), 'ok', "$_, ok: more than an hour ago") foreach qw(failures lapses);
$node->stop;
done_testing();
