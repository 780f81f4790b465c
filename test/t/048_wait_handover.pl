# 048_wait_handover.pl: claims and wake-ups that job_dequeue_wait must not lose.
#
#  1. The server cannot keep the result: nothing is claimed.
#  2. The commit fails, at the end of the CALL: nothing is claimed.
#  3. Several CALLs in a pipeline commit one by one.
#  4. A sleeper is woken for a type whose slot in the agenda is then given to
#     another database's type: that type's sleepers take its jobs all the same.
#  5. The sleeper that looks after what falls due is stopped: another one does.
#  6. The sleepers that are woken are stopped: another one takes the jobs.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('wait_handover', q{
shared_preload_libraries = 'researcharr'
researcharr.agenda_types = 5
researcharr.agenda_refresh = 1h
researcharr.poll_interval = 1h
autovacuum = off
});

sub running { return sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'running'", $_[0]) }

# Are so many jobs running before so many seconds are over?
sub running_within
{
	my ($seconds, $n, $db) = @_;

	return within($seconds, "SELECT count(*) = $n FROM researcharr.processing_jobs WHERE status = 'running'", $db);
}

create_extension('postgres');

# 1.  The claims themselves take some 12 MB of temporary files, the result 16.
my $failures = 0;
foreach my $kb (10_000, 12_800, 13_600, 14_400, 40_000)
{
	sql("TRUNCATE researcharr.processing_jobs;
		INSERT INTO researcharr.processing_jobs (media_id, job_type, metadata)
		SELECT $media, 'search', jsonb_build_object('x', repeat('x', 1000)) FROM generate_series(1, 10000)");
	my ($rc, $out, $err) = $node->psql('postgres', "SET work_mem = '64kB'; SET temp_file_limit = '${kb}kB';
		\\o /dev/null
		CALL researcharr.job_dequeue_wait(NULL, '{search}', 10000, timeout => '0')");
	unlike($err, qr/AbortTransaction/, 'the server aborts once');
	if ($err =~ /temp_file_limit/)
	{
		$failures++;
		is(running(), 0, "temp_file_limit of $kb kB: an error, and no claims");
	}
	else
	{
		is(running(), 10000, "temp_file_limit of $kb kB: all are claimed");
	}
}
cmp_ok($failures, '>', 1, 'the result was too large for some');
isnt($failures, 5, 'but not for the last');

# 2.
sql("TRUNCATE researcharr.processing_jobs;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE division_by_zero; END';
	CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON researcharr.processing_jobs DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION refuse();
	SELECT count(researcharr.job_enqueue($media, 'search')) FROM generate_series(1, 3)");
my ($rc, $out, $err) = $node->psql('postgres', q{CALL researcharr.job_dequeue_wait(max_jobs => 2, timeout => '0')});
like($err, qr/division_by_zero/, 'the commit fails');
is(running(), 0, 'no claims');
sql('DROP TRIGGER refuse ON researcharr.processing_jobs; DROP FUNCTION refuse');

# 3.
append_to_file($node->basedir . '/pipeline.sql', q{\startpipeline
CALL researcharr.job_dequeue_wait(timeout => '0');
SELECT 1/count(*) FROM pg_class WHERE false;
\endpipeline
});
my $pgbench = start([ 'pgbench', '-n', '-M', 'extended', '-t', 1, '-f', $node->basedir . '/pipeline.sql', $node->connstr('postgres') ],
	'>', \$out, '2>', \$err);
$pgbench->finish;
like($err, qr/division by zero/, 'what comes after it in a pipeline fails');
is(running(), 1, 'the claim was committed before');

# 4.
sql('TRUNCATE researcharr.processing_jobs');
sql('CREATE DATABASE other');
create_extension('other');
sql("SELECT researcharr.job_type_register(n) FROM unnest('{a, e}'::text[]) AS n");
sql("SELECT researcharr.job_type_register('b')", 'other');

$node->restart;
my $first = sleeper('', 'postgres');	# of a, download, e, search, verify: all slots
my $woken = sleeper('', 'postgres');	# the last one is woken first
my $pid = backend($woken);
kill 'STOP', $pid;
sql("SELECT researcharr.job_enqueue($media, 'e')");
sql("DELETE FROM researcharr.job_types; SELECT researcharr.job_type_register('c')");
is(sql("SELECT count(*) FROM researcharr.job_dequeue('{c}')"), 0, 'types that are gone let go of their slots');
my @sleepers = map { sleeper("job_types => '{b}'", 'other') } 1 .. 2;
sql("WITH due AS MATERIALIZED (SELECT clock_timestamp() + '1 s' AS at)
	SELECT count(researcharr.job_enqueue($media, 'b', available_at => at)) FROM due, generate_series(1, 2)", 'other');
ok(running_within(30, 2, 'other'), 'two jobs fall due, and are taken while the one woken for the slot is stopped');
kill 'CONT', $pid;
push @sleepers, map { sleeper("job_types => '{b}'", 'other') } 1 .. 2;
sql("SELECT count(researcharr.job_enqueue($media, 'b')) FROM generate_series(1, 2)", 'other');
ok(running_within(30, 4, 'other'), 'and it holds back no job of that slot afterwards');
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL'");
$_->{run}->finish foreach $first, $woken, @sleepers;

# 5.
sql('TRUNCATE researcharr.processing_jobs');
my $stopped = sleeper("job_types => '{search}'", 'postgres');
my $second = sleeper("job_types => '{search}'", 'postgres');
$pid = backend($stopped);
kill 'STOP', $pid;
sql("SELECT researcharr.job_enqueue($media, 'search', available_at => clock_timestamp() + '1 s')");
ok(running_within(60, 1, 'postgres'), 'a job falls due while the first sleeper is stopped');
kill 'CONT', $pid;
sql("SELECT researcharr.job_enqueue($media, 'search')");
ok(running_within(60, 2, 'postgres'), 'and that one goes on afterwards');
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL'");
$_->{run}->finish foreach $stopped, $second;

# 6.  With a sleeper that has yet to be woken, and with the designated waker
# alone.  The last to fall asleep are woken first.
foreach my $others (2, 1)
{
	sql('TRUNCATE researcharr.processing_jobs');
	my @going = map { sleeper("job_types => '{search}'", 'postgres') } 1 .. $others;
	my @halted = map { sleeper("job_types => '{search}'", 'postgres') } 1 .. 2;
	my @pids = map { backend($_) } @halted;
	kill 'STOP', $_ foreach @pids;
	sql("SELECT count(researcharr.job_enqueue($media, 'search')) FROM generate_series(1, 2)");
	ok(running_within(45, $others, 'postgres'), "both that were woken are stopped: $others others take the jobs");
	kill 'CONT', $_ foreach @pids;
	sql("SELECT count(researcharr.job_enqueue($media, 'search')) FROM generate_series(1, $others)");
	ok(running_within(45, 2 + $others, 'postgres'), 'they go on afterwards, and take the rest');
	$_->{run}->finish foreach @going, @halted;
}

$node->stop;
done_testing();
