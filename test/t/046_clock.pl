# 046_clock.pl: the system's clock is set ahead, and set right again; backends
# that do not get on while it is their turn to look for what was missed.
#
#  1. Sleepers: jobs that fall due, leases that end, and timeouts.
#  2. Limits and rates, also while somebody sleeps until there is a token.
#  3. The same without preload.
#  4. A step of a walk that costs long, and one that is held up in the middle.
#
# The server's clocks are those of test/data/clock_shim.c.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ClockShim;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $shim = ClockShim->new;

sub set_clock { return $shim->set(@_) }

sub go_forward { return $shim->set(monotonic => $shim->{values}{monotonic} + $_[0]) }

my $node = PostgreSQL::Test::Cluster->new('clock');
use_node($node);
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'researcharr'
researcharr.agenda_refresh = 100ms
researcharr.poll_interval = 100ms
autovacuum = off
});

sub start_node { return $shim->start($node) }

start_node();

my $hour = 3600;
my $until_2038 = 13 * 365 * 24 * 3600;

sub take { return sql("SELECT count(*) FROM researcharr.job_dequeue('{$_[0]}', " . ($_[1] // 1) . ')') }

# Is a job of the type to be had within half a minute?
sub taken_at_last
{
	my ($type) = @_;

	return within(30, "SELECT count(*) > 0 FROM researcharr.job_dequeue('{$type}')");
}

sub enqueue
{
	my ($type, $in) = @_;

	return sql("SELECT count(researcharr.job_enqueue($media, '$type', available_at => clock_timestamp() + '$in'))");
}

# All look once while the clock is ahead, so that what they remember is.
sub look_ahead
{
	my ($seconds, $type) = @_;

	set_clock(system => $seconds);
	sql("CALL researcharr.job_dequeue_wait(NULL, '{$type}', timeout => '0.3 s')");
	set_clock(system => 0);
	return;
}

create_extension();

# 1. and 3.
foreach my $how ('with preload', 'without')
{
	if ($how eq 'without')
	{
		$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
		$node->stop;
		start_node();
	}
	foreach my $ahead ($hour, $until_2038)
	{
		look_ahead($ahead, 'search');
		my $sleeper = sleeper("'{search}', timeout => '30 s'");
		enqueue('search', '0.5 s');
		is(got($sleeper), 1, "$how, $ahead s ahead: a job that falls due");
		sql('TRUNCATE researcharr.processing_jobs');

		set_clock(system => $ahead);
		$sleeper = sleeper("'{search}', timeout => '30 s'");
		set_clock(system => 0);
		enqueue('search', '0.5 s');
		is(got($sleeper), 1, 'while somebody sleeps');

		sql('TRUNCATE researcharr.processing_jobs');
		look_ahead($ahead, 'search');
		enqueue('search', '0 s');
		take('search');
		sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() + '0.5 s' WHERE status = 'running'");
		$sleeper = sleeper("'{search}', timeout => '30 s'");
		is(got($sleeper), 1, 'a lease that ends');
		sql('TRUNCATE researcharr.processing_jobs');
	}

	set_clock(system => $hour);
	my $sleeper = sleeper("'{search}', timeout => '2 s'");
	set_clock(system => 0);
	my $begun = time;
	is(got($sleeper), 0, 'nothing comes');
	cmp_ok(time - $begun, '<', 60, "$how, a timeout is over when it is, though the clock was set back");

	$sleeper = sleeper("'{search}', timeout => '600 s'");
	set_clock(system => $hour);
	sql("SELECT researcharr.job_type_register('download', priority => 1)");
	usleep(500_000);
	within(60, "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE application_name = '$sleeper->{name}'");
	enqueue('search', '0 s');
	is(got($sleeper), 1, 'and not before, though it was set ahead');
	set_clock(system => 0);
	sql('TRUNCATE researcharr.processing_jobs');

	# 2.
	sql("SELECT researcharr.job_type_register('rated', rate_limit => 2, rate_interval => '0.2 s');
		SELECT researcharr.job_type_register('one', max_running => 1)");
	enqueue('rated', '0 s') for 1 .. 8;
	enqueue('one', '0 s') for 1 .. 3;
	ok(taken_at_last('rated'), 'a type with a rate');
	ok(taken_at_last('one'), 'one with a limit');
	set_clock(system => $hour);
	take('rated', 9);
	take('one');
	set_clock(system => 0);
	sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() WHERE status = 'running'");
	ok(taken_at_last('rated'), "$how, an hour ahead: the rate's bucket fills");
	ok(taken_at_last('one'), 'a lapsed job at the limit is handed on');
	sql('TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types');
}

# 2. A sleeper that saw the clock ahead works out anew how long to sleep, since the
# configuration is read again.  Nothing but the token's time makes it look.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'researcharr'");
$node->adjust_conf('postgresql.conf', 'researcharr.agenda_refresh', '1h');
$node->adjust_conf('postgresql.conf', 'researcharr.poll_interval', '1h');
$node->stop;
start_node();
sql("SELECT researcharr.job_type_register('rated', rate_limit => 1, rate_interval => '15 s')");
enqueue('rated', '0 s') for 1 .. 2;
ok(taken_at_last('rated'), 'the bucket is empty');
set_clock(system => $hour);
my $sleeper = sleeper("'{rated}', timeout => '120 s'");
set_clock(system => 0);
$node->reload;
my $begun = time;
is(got($sleeper), 1, 'a sleeper gets the next token');
cmp_ok(time - $begun, '<', 60, 'when it is due, though the clock was set back');
sql('TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types');
$node->adjust_conf('postgresql.conf', 'researcharr.agenda_refresh', '100ms');
$node->adjust_conf('postgresql.conf', 'researcharr.poll_interval', '100ms');

# 4.  A job that slips past the agenda is found by the walk over everything; the
# clock is set ahead while that is held up, as on a machine that was stopped.
$node->stop;
start_node();

sub slip
{
	my ($n) = @_;

	return sql("BEGIN; ALTER TABLE researcharr.processing_jobs DISABLE TRIGGER zz_researcharr_guard;
		INSERT INTO researcharr.processing_jobs (media_id, job_type, available_at)
		SELECT $media, 'search', clock_timestamp() - '1 h'::interval FROM generate_series(1, $n);
		ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard; COMMIT");
}

# A session in which the n-th look at the clock of a dequeue takes so long
sub hold_dequeue
{
	my ($n) = @_;
	my %client = (out => '', err => '', in => '');

	$client{run} = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$client{in}, '>', \$client{out}, '2>', \$client{err});
	$client{in} .= "SELECT count(*) FROM researcharr.job_dequeue('{search}'); SELECT pg_backend_pid();\n";
	pump_until($client{run}, IPC::Run::timeout(60), \$client{out}, qr/\d+\n\d+\n/);
	$client{out} =~ /(\d+)\n$/ or die;
	$client{pid} = $1;
	usleep(300_000);			# so that both walks are due
	set_clock(hold => $client{pid}, call => $n);
	$client{out} = '';
	$client{in} .= "SELECT 'taken', count(*) FROM researcharr.job_dequeue('{search}', 9);\n";
	my $end = time + 30;
	while (time < $end)
	{
		$client{run}->pump_nb;
		$client{held} = $shim->is_held;
		last if $client{held} || $client{out} =~ /taken/;
		usleep(10_000);
	}
	return \%client;
}

sub go_on
{
	my ($client) = @_;

	set_clock(hold => 0);
	$client->{run}->pump until $client->{out} =~ /taken\|(\d+)/;
	my $n = $1;
	$client->{in} .= "\\q\n";
	$client->{run}->finish;
	return $n;
}

my $holds = 0;
foreach my $call (1 .. 8)
{
	sql('TRUNCATE researcharr.processing_jobs');
	enqueue('search', '0 s') for 1 .. 8;
	take('search', 8);
	ok(!taken_at_once(), 'nothing is left');
	my $client = hold_dequeue($call);
	if ($client->{held})
	{
		# more than the patience that others have with it
		$holds++;
		sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp()");
		go_forward(6);
		ok(taken_at_last('search'), "held up at call $call: lapsed jobs reach others");

		# a step that cost a hundred seconds
		go_forward(100);
	}
	go_on($client);
	go_forward(11);
	slip(1);
	ok(taken_at_last('search'), "$call: it goes on, and the next step is not long in coming");
}
cmp_ok($holds, '>', 4, 'it was held up in several places');

sub taken_at_once { return take('search') > 0 }

$node->stop;
done_testing();
