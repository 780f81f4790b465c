# 044_limits_shmem.pl: what shared memory knows of limits, rates and counts, and
# what it must not get wrong where it knows little.
#
#  1. A rate: claims that go on for long add no tokens; neither does a restart,
#     nor a policy that is changed after one.
#  2. A sleeper is woken when a prepared transaction or a TRUNCATE makes room.
#  3. Without room for all running jobs: a rollback lets go at once.
#  4. The counters of types and tables that are gone are given to others.
#  5. A database that is created with the OID of one that is gone.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('limits_shmem', q{
shared_preload_libraries = 'researcharr'
researcharr.agenda_refresh = 1h
researcharr.poll_interval = 1h
researcharr.limited_jobs = 3
max_prepared_transactions = 5
autovacuum = off
fsync = off
});

sub enqueue { return sql("SELECT count(researcharr.job_enqueue($media, '$_[0]')) FROM generate_series(1, $_[1])") }

sub take { return sql("SELECT count(*) FROM researcharr.job_dequeue('{$_[0]}', $_[1])") }

create_extension();

# 1.
register(q{'rated', rate_limit => 10, rate_interval => '10 s'});
enqueue('rated', 1000);
sql(q{CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
	CREATE TRIGGER slow BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW
	WHEN (NEW.worker = 'slow' AND OLD.status = 'queued') EXECUTE FUNCTION slow()});
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
my $slow = in_background(q{SELECT count(*) FROM researcharr.job_dequeue('{rated}', 3, worker => 'slow')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'});
cmp_ok(take('rated', 9), '==', 9, 'a full bucket, less one that is on the way');
my $more = 0;
for (1 .. 600)
{
	$more += take('rated', 9);
	last if $more >= 4;
	usleep(100_000);
}
cmp_ok($more, '>=', 4, 'more as time goes by');
$holder->quit;
$slow->{run}->finish;
take('rated', 9);
is(sql(q{SELECT count(*) <= 10.5 + extract(epoch FROM clock_timestamp() - min(started_at))
	FROM researcharr.processing_jobs WHERE job_type = 'rated' AND status = 'running'}),
	't', 'a claim that began long ago gives nothing back');
sql('DROP TRIGGER slow ON researcharr.processing_jobs; DROP FUNCTION slow');

register(q{'hourly', rate_limit => 5, rate_interval => '1 h'});
enqueue('hourly', 30);
is(take('hourly', 20), 5, 'a full bucket of five an hour');
$node->stop('immediate');
$node->start;
sql(q{UPDATE researcharr.job_types SET weight = 2});
is(take('hourly', 20), 0, 'a policy that is changed after a crash fills no bucket');
register(q{'another', rate_limit => 5, rate_interval => '1 h'});
enqueue('another', 9);
is(take('another', 20), 5, 'that of a new type is full');

# 2.
my $running = q{SELECT count(*) FROM researcharr.processing_jobs WHERE job_type = 'one' AND status = 'running'};

sub woken_by
{
	my ($name, $sql) = @_;
	my $sleeper = sleeper(q{'{one}', worker => 'sleeper', timeout => '60 s'});
	my $end = time + 60;

	usleep(200_000);
	my $told = (split /\n/, sql("$sql;\nSELECT clock_timestamp()"))[-1];
	usleep(20_000) while time < $end
	  && sql(q{SELECT count(*) FROM researcharr.processing_jobs WHERE worker = 'sleeper'}) eq '0';
	# by itself it would look again after 10 s
	is(sql(qq{SELECT started_at < '$told'::timestamptz + '6 s' FROM researcharr.processing_jobs WHERE worker = 'sleeper'}),
		't', "$name wakes a sleeper");
	sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL'});
	$sleeper->{run}->finish;
	return;
}

register(q{'one', max_running => 1});
enqueue('one', 5);
is(take('one', 9), 1, 'one of a type is running');
sql(q{BEGIN; SELECT researcharr.job_complete(id, attempt) FROM researcharr.processing_jobs
	WHERE job_type = 'one' AND status = 'running'; PREPARE TRANSACTION 'done'});
woken_by('COMMIT PREPARED', q{COMMIT PREPARED 'done'});
is(sql($running), 1, 'one is running');
sql(q{BEGIN; SELECT researcharr.job_complete(id, attempt) FROM researcharr.processing_jobs
	WHERE job_type = 'one' AND status = 'running'; SELECT count(*) FROM researcharr.job_dequeue('{one}');
	PREPARE TRANSACTION 'done'});
is(take('one', 9), 0, 'its end and the next claim are prepared: no other one may run');
sql(q{COMMIT PREPARED 'done'; UPDATE researcharr.processing_jobs SET worker = NULL});
is(sql($running), 1, 'once that is committed, the next one is running');
is(take('one', 9), 0, 'and no other one may');
woken_by('TRUNCATE', qq{BEGIN; TRUNCATE researcharr.processing_jobs;
	SELECT researcharr.job_enqueue($media, 'one'); COMMIT});
sql('TRUNCATE researcharr.processing_jobs');
is(take('one', 9), 0, 'none is left');

# 3.
register(q{'three', max_running => 3});
register(q{'two', max_running => 2});
enqueue('three', 5);
enqueue('two', 9);
is(take('three', 9), 3, 'three fill what room there is');
my $open = in_background(q{BEGIN; SELECT count(*) FROM researcharr.job_dequeue('{two}', 9); SELECT pg_sleep(60); COMMIT});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
is(take('two', 9), 0, 'where there is no room the open claim counts');
sql(q{SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.processing_jobs WHERE status = 'running'});
is(take('two', 9), 0, 'and where there is again');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
$open->{run}->finish;
is(take('two', 9), 2, 'it is rolled back: its places are free at once');
sql('TRUNCATE researcharr.processing_jobs');
is(take('two', 9), 0, 'none is left');

my @warnings = slurp_file($node->logfile) =~ /WARNING:  shared memory has no more room for running jobs/g;
is(scalar @warnings, 1, 'that there is no room is said once');

# a database that is gone keeps no room
$node->safe_psql('postgres', 'CREATE DATABASE gone');
create_extension('gone');
$node->safe_psql('gone', "SELECT researcharr.job_type_register('gone', max_running => 3);
	SELECT count(researcharr.job_enqueue($media, 'gone')) FROM generate_series(1, 5)");
is($node->safe_psql('gone', q{SELECT count(*) FROM researcharr.job_dequeue('{gone}', 9)}), 3, 'three in a database');
sql('DROP DATABASE gone');
enqueue('two', 9);
is(take('two', 9), 2, 'it is dropped: two in another one');
is(take('two', 9), 0, 'and no more');
sql('TRUNCATE researcharr.processing_jobs');

# 4.
$node->append_conf('postgresql.conf', 'researcharr.agenda_types = 6');
$node->restart;

sub is_estimated
{
	my ($name) = @_;
	my $last = '';

	# One count makes room, the next one finds it.  How long its figures are
	# good for depends on what it cost, so that a session that is kept from the
	# processor in between has to count again.
	for (1 .. 20)
	{
		$last = (split /\n/, sql(q{SELECT count(*) FROM researcharr.job_stats();
			SELECT count(*) FROM researcharr.job_stats();
			SELECT string_agg(DISTINCT estimated::text, ',') FROM researcharr.job_stats()}))[-1];
		last if $last eq 'true';
	}
	is($last, 'true', $name);
	return;
}

sql('TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types');
foreach my $n (1 .. 9)
{
	register("'n$n'");
	enqueue("n$n", 5);
	sql("SELECT count(*) FROM researcharr.job_stats()");
	sql("DELETE FROM researcharr.processing_jobs; DELETE FROM researcharr.job_types");
}
enqueue('search', 100);
is_estimated('counters of types without jobs are given to others');
foreach my $n (1 .. 8)
{
	sql(q{SET client_min_messages = warning; DROP EXTENSION researcharr; DROP SCHEMA IF EXISTS researcharr});
	create_extension();
	enqueue('search', 100);
	sql(q{SELECT count(*) FROM researcharr.job_stats()});
}
is_estimated('and so are those of tables that are gone');
is(sql(q{SELECT job_type, status, jobs FROM researcharr.job_stats()}), 'search|queued|100', 'which count right');
# more types than there is room for: a count each time, and right
sql("SELECT researcharr.job_type_register('m' || n) FROM generate_series(1, 9) AS n;
	SELECT count(researcharr.job_enqueue($media, 'm' || n)) FROM generate_series(1, 9) AS n");
is(sql('SELECT count(*), sum(jobs), bool_or(estimated) FROM researcharr.job_stats()'), '10|109|f', 'too many types are counted');
is(sql('SELECT count(*), sum(jobs), bool_or(estimated) FROM researcharr.job_stats()'), '10|109|f', 'each time');
sql("DELETE FROM researcharr.processing_jobs WHERE job_type ~ 'm'");
sql('SELECT count(*) FROM researcharr.job_stats()');
is_estimated('until there are fewer');

# 5.
$node->append_conf('postgresql.conf', "researcharr.agenda_types = 256\nresearcharr.limited_jobs = 1000");
$node->restart;
sql('CREATE DATABASE template');
create_extension('template');
$node->safe_psql('template', "SELECT researcharr.job_type_register('two', max_running => 2);
	SELECT researcharr.job_type_register('rated', rate_limit => 3, rate_interval => '1 h');
	SELECT count(researcharr.job_enqueue($media, n)) FROM unnest('{two, rated}'::text[]) AS n, generate_series(1, 10);
	SELECT count(*) FROM researcharr.job_dequeue('{two}', 2)");

sub in_copy { return $node->safe_psql('copy', $_[0]) }

foreach my $n (1 .. 2)
{
	sql('CREATE DATABASE copy TEMPLATE template OID 70000');
	is(in_copy(q{SELECT count(*) FROM researcharr.job_dequeue('{two}', 5)}), 0, "copy $n: two are running");
	is(in_copy(q{SELECT string_agg(status || ' ' || jobs, ', ' ORDER BY status) FROM researcharr.job_stats() WHERE job_type = 'two'}),
		'queued 8, running 2', 'and are counted');
	is(in_copy(q{SELECT count(*) FROM researcharr.job_dequeue('{rated}', 5)}), 3, 'its bucket is full');
	is(in_copy(q{SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.processing_jobs WHERE status = 'running'}), 5,
		'all are done');
	is(in_copy(q{SELECT count(*) FROM researcharr.job_dequeue('{two}', 1)}), 1, 'so that one may run');
	sql('DROP DATABASE copy');
}

$node->stop;
done_testing();
