# 043_limits.pl: a type's max_running is never exceeded, and never lost.
#
# Fifty sessions take jobs of a type that may have seven running, and complete,
# release or lose them, or roll back.  Meanwhile others look: at no instant may
# more than seven be running.  With the library preloaded and without, and with
# less room in shared memory than jobs.  Then the server is killed, and what may
# start afterwards is what the table says.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $limit = 7;
my $sessions = 50;
my $seconds = $ENV{LIMITS_SECONDS} || 4;

# a worker; its deeds are one transaction each, or two
my $script = PostgreSQL::Test::Utils::tempdir() . '/worker.sql';
append_to_file($script, q{
\set chance random(1, 100)
BEGIN;
SELECT count(*) AS n, quote_literal(max(id::text)) AS id, coalesce(max(attempt), 0) AS attempt
  FROM researcharr.job_dequeue('{limited,other}', :chance % 3 + 1, '30 ms') WHERE job_type = 'limited' \gset
\if :n
\if :chance > 90
ROLLBACK;
\else
COMMIT;
\sleep 2 ms
\endif
\if :chance <= 60
SELECT completed FROM researcharr.job_complete_many(ARRAY[:id::uuid], ARRAY[:attempt]);
\elif :chance <= 70
SELECT researcharr.job_cancel(:id);
\elif :chance <= 75
UPDATE researcharr.processing_jobs SET priority = :chance WHERE id = :id;
\endif
\else
COMMIT;
\endif
});

# looks as often as it can; says how often, and what the most was
my $look = q{
DO $$
DECLARE most int := 0; n int; looks int := 0; began timestamptz := clock_timestamp();
BEGIN
	WHILE clock_timestamp() < began + interval '%d s' LOOP
		SELECT count(*) INTO n FROM researcharr.processing_jobs
		 WHERE job_type = 'limited' AND completed_at IS NULL AND status = 'running';
		most := greatest(most, n);
		looks := looks + 1;
		PERFORM pg_sleep(0.0005);
	END LOOP;
	RAISE NOTICE 'looked %% most %%', looks, most;
END$$};

sub fill
{
	my ($node) = @_;

	$node->safe_psql('postgres', qq{
		TRUNCATE researcharr.processing_jobs;
		SELECT researcharr.job_type_register('limited', max_retries => 10, max_running => $limit),
		       researcharr.job_type_register('other');
		SELECT count(researcharr.job_enqueue(m.id, t.name))
		  FROM researcharr.media AS m, generate_series(1, 2000), unnest('{limited,limited,other}'::text[]) AS t (name)});
}

sub check
{
	my ($node, $name) = @_;
	my ($out, $err) = ('', '');

	my ($looks, $most, $done, $ok) = (0, 0, 0, 1);

	fill($node);
	# a slow machine gets further rounds
	foreach my $round (1 .. 8)
	{
		my $work = start([ 'pgbench', '-n', '-c', $sessions, '-j', 2, '-T', $seconds, '-f', $script,
				$node->connstr('postgres') ], '>', \$out, '2>', \$err);
		my ($ret, $stdout, $stderr) = $node->psql('postgres', sprintf($look, $seconds));
		finish($work) or $ok = 0;
		my ($n, $m) = $stderr =~ /looked (\d+) most (\d+)/ or $ok = 0;
		$looks += $n // 0;
		$most = $m if ($m // 0) > $most;
		$done = $node->safe_psql('postgres', q{
			SELECT count(*) FROM researcharr.processing_jobs WHERE job_type = 'limited' AND status = 'completed'});
		last if !$ok || ($looks > 20 && $most >= $limit - 2 && $done > 20);
	}
	ok($ok, "$name: the workers worked") or diag("$out\n$err");
	cmp_ok($looks, '>', 20, "$name: somebody looked");
	cmp_ok($most, '<=', $limit, "$name: never more than $limit were running");
	cmp_ok($most, '>=', $limit - 2, "$name: and about so many were");
	cmp_ok($done, '>', 20, "$name: there was progress");
	note("$name: $looks looks, $done completed");
}

sub running
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{
		SELECT count(*) FROM researcharr.processing_jobs WHERE job_type = 'limited' AND status = 'running'});
}

# what is running after all is over, and what may start
sub check_rest
{
	my ($node, $name) = @_;
	my $running = running($node);

	# jobs that lapsed before are handed on at once, too
	$node->safe_psql('postgres', q{UPDATE researcharr.processing_jobs SET retry_count = 0 WHERE status = 'running'});
	my $started = $node->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT * FROM researcharr.job_dequeue('{limited}', 1000, '1 h')) AS d
		 WHERE NOT d.error_message = 'lease expired' OR d.error_message IS NULL});
	is(running($node), $limit, "$name: $running were running, and the rest may start");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM researcharr.job_dequeue('{limited}', 1000)}),
		0, "$name: and no more than these");
}

my $node = new_node('limits', q{
max_connections = 100
max_prepared_transactions = 5
restart_after_crash = on
fsync = off
shared_preload_libraries = ''
});
$node->safe_psql('postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	INSERT INTO researcharr.media (title, type) VALUES ('film', 'movie')});
check($node, 'without preload');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'researcharr'");
$node->restart;
check($node, 'preloaded');
$node->safe_psql('postgres', q{UPDATE researcharr.processing_jobs SET lease_expires_at = 'now' WHERE status = 'running'});
check_rest($node, 'after the work');

# the server dies in the midst of it
{
	my ($out, $err) = ('', '');
	fill($node);
	my $work = start([ 'pgbench', '-n', '-c', $sessions, '-j', 2, '-T', 60, '-f', $script,
			$node->connstr('postgres') ], '>', \$out, '2>', \$err);
	sleep 2;
	$node->stop('immediate');
	finish($work);
	$node->start;
	cmp_ok(running($node), '<=', $limit, 'after a crash no more are running');
	check_rest($node, 'after a crash');
}

# a backend is killed, and a prepared transaction outlives that
{
	fill($node);
	$node->safe_psql('postgres', q{
		BEGIN; SELECT count(*) FROM researcharr.job_dequeue('{limited}', 2, '1 h'); PREPARE TRANSACTION 'claimed'});
	my $client = in_background(q{BEGIN; SELECT count(*) FROM researcharr.job_dequeue('{limited}', 2); SELECT pg_sleep(100)});
	my $asleep = q{query LIKE '%pg_sleep(100)' AND state = 'active' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'};
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE $asleep");
	kill 'KILL', $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $asleep");
	$client->{run}->finish;
	$node->poll_query_until('postgres', 'SELECT true');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM researcharr.job_dequeue('{limited}', 1000, '1 h')}),
		$limit - 2, 'what is prepared counts after a crash');
	$node->safe_psql('postgres', q{ROLLBACK PREPARED 'claimed'});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM researcharr.job_dequeue('{limited}', 1000, '1 h')}),
		2, 'and no more once it is rolled back');
}

$node->append_conf('postgresql.conf', 'researcharr.limited_jobs = 3');
$node->restart;
check($node, 'with little room');
$node->stop;
done_testing();
