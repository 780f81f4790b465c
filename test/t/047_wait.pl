# 047_wait.pl: job_dequeue_wait with several sleepers, and what can befall them.
#
#  1. Asleep, a session holds nothing: VACUUM, ALTER TABLE and CREATE INDEX
#     CONCURRENTLY pass.
#  2. A commit of n jobs wakes n sleepers and leaves the others alone; a job that
#     falls due is one sleeper's; leases that end are noticed.
#  3. A sleeper that is stopped between wake-up and hand-over, in whatever way,
#     passes its wake-up on.
#  4. Nothing is handed to a client that is gone.
#  5. What no wake-up tells of is found: rows that somebody had locked, and what
#     slipped past the agenda.
#  6. More waiters than there is room for, and types that the agenda has no room
#     for, poll.
#  7. Leases that are bound to a session end with it.
#  8. DROP DATABASE ... (FORCE), a restart with a hundred waiters, a standby's
#     promotion with waiters that reconnect.

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

my $node = new_node('wait', q{
shared_preload_libraries = 'researcharr'
researcharr.agenda_refresh = 1h
researcharr.poll_interval = 1h
max_connections = 150
max_prepared_transactions = 5
autovacuum = off
restart_after_crash = on
}, allows_streaming => 1);

sub enqueue
{
	my ($n, %more) = @_;

	return sql("SELECT count(*) FROM researcharr.job_enqueue_many((SELECT jsonb_agg(jsonb_build_object(
		'media_id', $media, 'job_type', '" . ($more{type} // 'search') . "', 'available_at',
		clock_timestamp() + '" . ($more{in} // 0) . " s')) FROM generate_series(1, $n)))", $more{db});
}

sub asleep
{
	my ($n) = @_;

	return within(60, "SELECT count(*) = $n FROM pg_stat_activity WHERE wait_event_type = 'Extension'
		AND query ~ '^(CALL|DO)'")
	  || diag sql("SELECT application_name, state, wait_event_type, wait_event, query FROM pg_stat_activity");
}

sub cancel_all
{
	my (@clients) = @_;

	sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Extension'");
	$_->{run}->finish foreach @clients;
	return;
}

# How many of those that sleep now have slept on since then: all but designated
# wakers, which may look once more for when the next job falls due
sub slept_on
{
	my ($then, $now) = @_;

	return scalar grep { index($then, $_) >= 0 } split /, /, $now;
}

my $waiting = "SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued'";
my $none_waits = "SELECT count(*) = 0 FROM researcharr.processing_jobs WHERE status = 'queued'";

create_extension('postgres');

# 1.
my @three = map { sleeper() } 1 .. 3;
is(sql("SELECT count(*), count(backend_xmin), count(backend_xid), min(state) FROM pg_stat_activity
	WHERE application_name ~ '^client'"), '3|0|0|active', 'no snapshot and no transaction id');
is(sql("SELECT count(*), min(locktype), max(locktype), min(l.mode) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE application_name ~ '^client'"), '3|virtualxid|virtualxid|ExclusiveLock', 'no lock but on the own virtual id');
my $event = sql("SELECT DISTINCT wait_event FROM pg_stat_activity WHERE application_name ~ '^client'");
is($event, sql("SELECT current_setting('server_version_num')::int >= 170000") eq 't' ? 'ResearcharrJobWait' : 'Extension',
	'the wait event');
my $quick = "SET statement_timeout = '60 s'; SET lock_timeout = '20 s'; ";
sql("CREATE TABLE t AS SELECT generate_series(1, 1000) n; DELETE FROM t");
my (undef, undef, $verbose) = $node->psql('postgres', "VACUUM (VERBOSE) t");
like($verbose, qr/1000 removed, 0 remain, 0 are dead/, 'VACUUM removes what was deleted meanwhile');
is($node->psql('postgres', "$quick ALTER TABLE researcharr.processing_jobs ADD COLUMN mine int DEFAULT random()"), 0, 'ALTER TABLE');
is($node->psql('postgres', "CREATE INDEX CONCURRENTLY mine ON researcharr.processing_jobs (mine)"), 0, 'CREATE INDEX CONCURRENTLY');
sql("ALTER TABLE researcharr.processing_jobs DROP COLUMN mine");

# No interval without an end: NULL says that.  Before 17 there is none.
my (undef, undef, $infinite) = $node->psql('postgres', "CALL researcharr.job_dequeue_wait(NULL, timeout => 'infinity')",
	extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($infinite, sql("SELECT current_setting('server_version_num')::int >= 170000") eq 't' ? qr/22023/ : qr/22007/, 'an infinite timeout');

# 2.
my $started = "SELECT string_agg(pid || ' ' || xact_start, ', ' ORDER BY pid) FROM pg_stat_activity WHERE wait_event_type = 'Extension'";
push @three, map { sleeper() } 1 .. 2;
enqueue(3);
ok(asleep(2), 'three jobs are for three of five sleepers');
is(sql($waiting), 0, 'all jobs were taken');
enqueue(1, in => 0.5);
enqueue(1, in => 0.5);
ok(within(20, $none_waits), 'what falls due is taken');
ok(asleep(0), 'by both');
is(eval join('+', map { scalar got($_) } @three), 5, 'five jobs handed out in all');
is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE started_at - available_at > '20 s'"), 0, 'without delay');

@three = map { sleeper() } 1 .. 3;
enqueue(1, in => 0.5);
ok(asleep(2), 'one job that falls due is one sleeper\'s');
sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() + '0.5 s' WHERE id IN
	(SELECT id FROM researcharr.processing_jobs LIMIT 2)");
ok(asleep(0), 'two leases that end');
is(eval join('+', map { scalar got($_) } @three), 3, 'three jobs handed out');
sql("TRUNCATE researcharr.processing_jobs");

# Of many sleepers, a few are woken.
my @many = map { sleeper() } 1 .. 12;
my $before = sql($started);
enqueue(2);
ok(asleep(10), 'two jobs are for two of twelve sleepers');
cmp_ok(slept_on($before, sql($started)), '>=', 6, 'most of the others have slept on');
$before = sql($started);
enqueue(1, in => 0.5);
ok(asleep(9), 'one that falls due is for one of ten');
cmp_ok(slept_on($before, sql($started)), '>=', 6, 'most of the others have slept on');
cancel_all(@many);
sql("TRUNCATE researcharr.processing_jobs");

# A job that lapses again is queued for later by the sleeper whom its lease woke,
# and handed out when its time has come.  Then it makes room in a type at its limit.
sql("SELECT researcharr.job_type_register('dying', max_running => 1, backoff => 'fixed', backoff_base => '1 s',
	backoff_cap => '1 s', jitter => 0)");
enqueue(1, type => 'dying');
sql("SELECT FROM researcharr.job_dequeue('{dying}', lease => '1 h')");
my @dying = map { sleeper("'{dying}'") } 1 .. 2;
sql("UPDATE researcharr.processing_jobs SET retry_count = 1, lease_expires_at = clock_timestamp() + '0.3 s'");
ok(within(20, q{SELECT count(*) = 1 FROM researcharr.processing_jobs
	WHERE attempt = 2 AND retry_count = 2 AND started_at >= available_at}), 'a job that lapsed again is handed out after its wait');
is(sql("SELECT count(*) FROM researcharr.processing_history h JOIN researcharr.processing_jobs j ON j.id = job_id
	WHERE action = 'lapsed' AND h.status = 'queued' AND j.available_at >= h.timestamp + '1 s'"), 1, 'and not before');
sql("SELECT researcharr.job_enqueue($media, 'dying')");
is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'running'"), 1, 'the type is at its limit');
sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() WHERE status = 'running'");
ok(within(20, "SELECT count(*) = 1 FROM researcharr.processing_jobs WHERE attempt = 1 AND status = 'running'"),
	'another one has its place when it lapses again');
$_->{run}->finish foreach @dying;
sql("TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types");

# different types; one sleeper that takes what it is not woken for
my $both = sleeper("'{search,verify}'");
my $search = sleeper("'{search}'");
my $verify = sleeper("'{verify}'");
# whichever it takes, there is one left for each of the others
sql("SELECT count(researcharr.job_enqueue($media, t)) FROM unnest('{search,search,verify,verify}'::text[]) AS t");
is(join(' ', map { got($_) } $both, $search, $verify), '1 1 1', 'each gets one of its types');
sql("TRUNCATE researcharr.processing_jobs");

# A sleeper that comes to nothing, since the limits of its type do not let it,
# leaves the rest to the one that sleeps longest, and that knew of no job.
sql("SELECT researcharr.job_type_register('slow', rate_limit => 1, rate_interval => '2 s')");
my @slow = map { sleeper("'{slow}'") } 1 .. 4;
foreach my $n (1 .. 3)
{
	enqueue(1, type => 'slow');
	ok(within(20, $none_waits), "a limit of the rate lets job $n through");
}
cancel_all(@slow);
sql("TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types");

# 3.  An old sleeper takes what the others leave.  The last to come is woken
# first: it is stopped, woken, and ended before it can look.
my $worker = in_background(q{DO $$ DECLARE j jsonb; BEGIN LOOP
	CALL researcharr.job_dequeue_wait(j, max_jobs => 100);
	PERFORM researcharr.job_complete((e->>'id')::uuid, (e->>'attempt')::int) FROM jsonb_array_elements(j) e;
	COMMIT; END LOOP; END $$});
ok(asleep(1), 'a worker sleeps');
my $left = 0;
foreach my $n (1 .. 100)
{
	my $victim = sleeper();
	my $pid = backend($victim);
	my $how = (qw(TERM INT client)) [ $n % 3 ];
	my $stop = $n % 4 != 0;

	kill 'STOP', $pid if $stop;
	enqueue(1);
	if ($how eq 'client')
	{
		$victim->{run}->signal('KILL');
		$victim->{run}->finish;
	}
	kill $how, $pid if $how ne 'client';
	kill 'CONT', $pid if $stop;
	$victim->{run}->finish if $how ne 'client';

	# Where it was not stopped it may have won.
	$left += within(20, "SELECT count(*) = 0 FROM researcharr.processing_jobs WHERE status = 'queued'"
		. ($stop ? " OR status = 'running'" : '')) ? 0 : 1;
	sql("TRUNCATE researcharr.processing_jobs") if !$stop;
	within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid") or die 'it does not end';
}
is($left, 0, 'a hundred wake-ups of sleepers that were ended came to somebody else');
ok(asleep(1), 'who sleeps again');

cancel_all($worker);

# the same where it was woken for a lease that ended
sql("TRUNCATE researcharr.processing_jobs");
enqueue(1);
sql("SELECT FROM researcharr.job_dequeue()");
my $heir = sleeper();
my $victim = sleeper();
my $pid = backend($victim);
kill 'STOP', $pid;
sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp()");
kill 'TERM', $pid;
kill 'CONT', $pid;
$victim->{run}->finish;
ok(within(20, 'SELECT attempt = 2 FROM researcharr.processing_jobs'), 'a job whose lease ended came to somebody else, too')
  or cancel_all($heir);
is(got($heir), 1, 'who sleeps on the same');

# 4.
sql("TRUNCATE researcharr.processing_jobs");
my $gone = sleeper();
$pid = backend($gone);
$gone->{run}->signal('KILL');
$gone->{run}->finish;
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'the end of a client is noticed');
$gone = sleeper();
$pid = backend($gone);
kill 'STOP', $pid;
enqueue(1);
$gone->{run}->signal('KILL');
$gone->{run}->finish;
kill 'CONT', $pid;
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'also by one that was woken');
is(sql("SELECT status, attempt FROM researcharr.processing_jobs"), 'queued|0', 'which took nothing');

# 5.
reload('researcharr.poll_interval' => '200 ms');
within(20, "SELECT current_setting('researcharr.poll_interval') = '200ms'");
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN; SELECT FROM researcharr.processing_jobs FOR UPDATE");
@three = map { sleeper() } 1 .. 3;
is(sql($waiting), 1, 'a locked job waits');
$locker->query_safe("COMMIT");
ok(within(20, $none_waits), 'and is taken when it is let go of, though that tells nobody');
ok(asleep(2), 'by one');
reload('researcharr.agenda_refresh' => '200 ms');
sql("ALTER TABLE researcharr.processing_jobs DISABLE TRIGGER zz_researcharr_guard");
within(20, "SELECT current_setting('researcharr.agenda_refresh') = '200ms'");
shift @three;
push @three, sleeper();
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT $media, 'search' FROM generate_series(1, 3)");
ok(within(20, $none_waits), 'what slipped past the agenda is found while all sleep');
is(eval join('+', map { scalar got($_) } @three), 3, 'one each');
sql("ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard");
sql("TRUNCATE researcharr.processing_jobs");

# a type that goes while somebody waits for it
sql("SELECT researcharr.job_type_register('mine')");
my $mine = sleeper("'{mine}'");
my $all = sleeper();
sql("DELETE FROM researcharr.job_types");
$mine->{run}->finish;
like($mine->{err}, qr/unknown job type: "mine"/, 'a dropped type is not waited for');
ok(asleep(1), 'all types are');
enqueue(1);
is(got($all), 1, 'and come');

# 6.
$node->append_conf('postgresql.conf', "researcharr.max_waiters = 2\nresearcharr.agenda_types = 2");
$node->restart;
sql("TRUNCATE researcharr.processing_jobs");
my @many = map { sleeper("'{search}'") } 1 .. 4;
enqueue(4);
is(join(' ', map { got($_) } @many), '1 1 1 1', 'more sleepers than there is room for');
@many = map { sleeper("'{$_}'") } qw(search download verify);
enqueue(1, type => $_) foreach qw(search download verify);
is(join(' ', map { got($_) } @many), '1 1 1', 'more types than there is room for');
$node->append_conf('postgresql.conf', "researcharr.max_waiters = 0");
$node->restart;
@many = map { sleeper("'{search}'") } 1 .. 2;
enqueue(2);
is(join(' ', map { got($_) } @many), '1 1', 'no room at all');

reload('researcharr.poll_interval' => '1 h');
within(20, "SELECT current_setting('researcharr.poll_interval') = '1h'");
@many = map { sleeper("timeout => '60 s'") } 1 .. 2;
enqueue(2);
reload('researcharr.poll_interval' => '50 ms');
is(join(' ', map { got($_) } @many), '1 1', 'the configuration reaches who sleeps');
$node->append_conf('postgresql.conf', "researcharr.max_waiters = -1\nresearcharr.agenda_types = 256");
$node->restart;

# 7.
# A session claims two jobs, with its lease bound, and does something more.
sub bound
{
	my (@more) = @_;

	sql("TRUNCATE researcharr.processing_jobs");
	enqueue(2);
	my $client = in_background([ 'SET researcharr.bind_leases = on', 'SELECT id FROM researcharr.job_dequeue(max_jobs => 2)', @more ]);
	within(60, "SELECT count(*) = 2 FROM researcharr.processing_jobs WHERE attempt = 1") or diag 'no claim';
	return $client;
}

# How many of the two are queued again after a failed try, and on record as such
sub handed_back
{
	my ($n, $name) = @_;
	my $error = "'the worker''s session ended'";

	ok(within(20, "SELECT count(*) = $n FROM researcharr.processing_jobs WHERE status = 'queued' AND retry_count = 1
		AND error_message = $error"), $name)
	  or diag sql("SELECT status, retry_count, error_message FROM researcharr.processing_jobs");
	is(sql("SELECT count(*) FROM researcharr.processing_history h JOIN researcharr.processing_jobs j ON j.id = h.job_id
		WHERE action = 'lapsed' AND h.status = 'queued' AND h.details->>'error' = $error"), $n, '... on record');
	return;
}
my $complete = 'SELECT researcharr.job_complete(id, attempt) FROM (SELECT * FROM researcharr.processing_jobs LIMIT 1) j';
my $sleep = 'SELECT pg_sleep(1000)';

# Another session gets the jobs that this one claimed in vain, under the same
# attempt: they are not its to hand back.
sub taken_over
{
	my ($name, @commands) = @_;

	sql("TRUNCATE researcharr.processing_jobs");
	enqueue(2);
	my $client = in_background([ 'SET researcharr.bind_leases = on', @commands, $sleep ]);
	within(60, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND application_name = '$client->{name}'")
	  or diag 'no claim';
	sql("ROLLBACK PREPARED 'p'") if grep /PREPARE/, @commands;
	is(sql('SELECT count(*), max(attempt) FROM researcharr.job_dequeue(max_jobs => 2)'), '2|1', 'others claim');
	my $pid = backend($client);
	sql("SELECT pg_terminate_backend($pid)");
	$client->{run}->finish;
	within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'running'"), 2, $name);
	return;
}
my $claim = 'SELECT FROM researcharr.job_dequeue(max_jobs => 2)';
taken_over('a claim that was rolled back is nobody\'s', 'BEGIN', $claim, 'ROLLBACK');
taken_over('nor is one in a savepoint', 'BEGIN', 'SAVEPOINT s', $claim, 'ROLLBACK TO s', 'COMMIT');
taken_over('nor one in a savepoint that was released', 'BEGIN', 'SAVEPOINT r', 'SAVEPOINT s', $claim, 'RELEASE s', 'ROLLBACK TO r', 'COMMIT');
taken_over('nor one that was prepared', 'BEGIN', $claim, "PREPARE TRANSACTION 'p'");

my $bound = bound($sleep);
sql('SELECT pg_terminate_backend(' . backend($bound) . ')');
handed_back(2, 'terminated');
$bound->{run}->finish;
$bound = bound('SELECT 1');
$bound->{run}->finish;
handed_back(2, 'the client left');
$bound = bound($complete);
$bound->{run}->finish;
handed_back(1, 'one job was completed before');
$bound = bound('BEGIN', $complete, $sleep);
within(20, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND application_name = '$bound->{name}'");
sql('SELECT pg_terminate_backend(' . backend($bound) . ')');
handed_back(2, 'terminated in the transaction that completes');
$bound->{run}->finish;
$bound = bound('BEGIN', 'SAVEPOINT s', $complete, 'ROLLBACK TO s', 'COMMIT');
$bound->{run}->finish;
handed_back(2, 'completed in a savepoint that was rolled back');
$bound = bound($sleep);
my $waiter = sleeper();
sql('SELECT pg_terminate_backend(' . backend($bound) . ')');
is(got($waiter), 1, 'a sleeper gets what is handed back');
$bound->{run}->finish;
$bound = bound('BEGIN', 'SAVEPOINT s', "SELECT FROM researcharr.processing_jobs j, researcharr.job_fail(j.id, j.attempt, 'no', '0')",
	$claim, 'RELEASE s', 'COMMIT', $sleep);
ok(within(20, "SELECT count(*) = 2 FROM researcharr.processing_jobs WHERE attempt = 2"), 'failed and claimed once more at once');
sql('SELECT pg_terminate_backend(' . backend($bound) . ')');
$bound->{run}->finish;
ok(within(20, "SELECT count(*) = 2 FROM researcharr.processing_jobs WHERE status = 'queued' AND retry_count = 2"),
	'the second claim is handed back');
is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE available_at > clock_timestamp() + interval '20 s'"), 2,
	'and waits, since a retry was used up before');
sql("TRUNCATE researcharr.processing_jobs");
$bound = in_background(q{DO $$ DECLARE j jsonb; BEGIN
	SET researcharr.bind_leases = on;
	CALL researcharr.job_dequeue_wait(j, max_jobs => 2);
	PERFORM pg_sleep(1000);
	END $$});
ok(asleep(1), 'one that waits');
enqueue(2);
within(20, "SELECT count(*) = 2 FROM researcharr.processing_jobs WHERE attempt = 1");
sql('SELECT pg_terminate_backend(' . backend($bound) . ')');
$bound->{run}->finish;
handed_back(2, 'what it got is handed back');

$locker = $node->background_psql('postgres');
$bound = bound($sleep);
my $pid_of_bound = backend($bound);
$locker->query_safe("BEGIN; SELECT FROM researcharr.processing_jobs LIMIT 1 FOR UPDATE");
sql("SELECT pg_terminate_backend($pid_of_bound)");
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid_of_bound"), 'the end waits for nobody');
handed_back(1, 'a job that somebody has locked keeps its lease');
$locker->query_safe("COMMIT");
$bound = bound($sleep);
$pid_of_bound = backend($bound);
$locker->query_safe("BEGIN; LOCK TABLE researcharr.processing_jobs");
sql("SELECT pg_terminate_backend($pid_of_bound)");
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid_of_bound"), 'not for a table either');
$locker->query_safe("COMMIT");
handed_back(0, 'all keep their leases then');
$bound = bound($sleep);
$pid_of_bound = backend($bound);
$locker->query_safe("BEGIN; ALTER INDEX researcharr.processing_jobs_take_idx SET TABLESPACE pg_default");
sql("SELECT pg_terminate_backend($pid_of_bound)");
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid_of_bound"), 'nor for an index');
$locker->query_safe("COMMIT");
handed_back(0, 'the same then');
$bound = bound($sleep);
$pid_of_bound = backend($bound);
sql("UPDATE researcharr.processing_jobs SET retry_count = 1");
sql("SELECT researcharr.job_type_register('search', max_running => 5)");
sql("SELECT FROM researcharr.job_dequeue('{search}')");
$locker->query_safe("BEGIN; LOCK TABLE researcharr.job_types");
sql("SELECT pg_terminate_backend($pid_of_bound)");
ok(within(20, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid_of_bound"), 'nor for the policies');
$locker->query_safe("COMMIT");
sql("DELETE FROM researcharr.job_types");
sql("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER mine BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION nothing()");
$bound = bound('SELECT 1');
$bound->{run}->finish;
handed_back(0, 'no code of users runs when a session ends');
sql("DROP TRIGGER mine ON researcharr.processing_jobs");
$bound = bound($sleep);
$node->restart;
handed_back(2, 'the server was restarted');
$bound->{run}->finish;
$bound = bound($sleep);
kill 'KILL', backend($bound);
$bound->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
handed_back(0, 'after a crash the lease counts');

# 8.
sql("CREATE DATABASE other");
create_extension('other');
my @other = map { sleeper(undef, 'other') } 1 .. 3;
my $here = sleeper();
is($node->psql('postgres', 'DROP DATABASE other WITH (FORCE)'), 0, 'DROP DATABASE (FORCE)');
foreach (@other)
{
	$_->{run}->finish;
	like($_->{err}, qr/terminating connection/, 'whoever slept there is gone');
}
enqueue(1);
is(got($here), 1, 'whoever sleeps elsewhere is not');

sub workers
{
	my ($seconds) = @_;

	append_to_file($node->basedir . '/work.sql', q{
CALL researcharr.job_dequeue_wait(NULL, timeout => '5 s') \gset
SELECT count(researcharr.job_complete((j->>'id')::uuid, (j->>'attempt')::int)) FROM jsonb_array_elements(:jobs::jsonb) j;
}) if !-e $node->basedir . '/work.sql';
	return start([ 'pgbench', '-n', '-M', 'extended', '-c', 100, '-j', 2, '-T', $seconds, '-f', $node->basedir . '/work.sql',
		$node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
}
my $workers = workers(60);
ok(asleep(100), 'a hundred sleepers');
my $start = time;
$node->restart;
cmp_ok(time - $start, '<', 50, 'a restart does not wait for them');
$workers->finish;
enqueue(50);
$workers = workers(60);
ok(within(60, "SELECT count(*) = 0 FROM researcharr.processing_jobs WHERE status <> 'completed' AND status <> 'running'"), 'a hundred new ones work');
$workers->signal('INT');
$workers->finish;

sql("TRUNCATE researcharr.processing_jobs");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my ($rc, $out, $err) = $standby->psql('postgres', 'CALL researcharr.job_dequeue_wait(NULL)',
	extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
is($err, 'psql:<stdin>:1: ERROR:  25006', 'a standby hands out nothing');
my $last = sleeper();
enqueue(1);
is(got($last), 1, 'the primary does');
$last = sleeper();
$node->wait_for_catchup($standby);
$node->stop('fast');
$last->{run}->finish;
$standby->promote;
$node = $standby;
use_node($node);
$last = sleeper();
enqueue(1);
is(got($last), 1, 'and the standby, once it is promoted');
$last = sleeper(q{timeout => '100 s'});
sql("UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() + '0.3 s'
	WHERE ctid = (SELECT min(ctid) FROM researcharr.processing_jobs)");
is(got($last), 1, 'also what the primary had handed out');
$node->stop;
done_testing();
