# 040_agenda.pl: what the agenda goes through that one session cannot show.
#
#  1. Prepared transactions outlive a restart and a crash of the server; what
#     they knew does not.
#  2. A backend that is stopped, in whatever way, while it looks for what was
#     missed gives its turn back.
#  3. What slips past is found within researcharr.agenda_refresh, also when that
#     was changed a moment ago.
#  4. A lease that ends is found though there are many finished jobs about.
#  5. More job types than it has room for; databases and types that go.
#  6. The table rebuilt while somebody sleeps until there is a job.
#  7. The extension dropped and created again, under the same open session.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('agenda', q{
shared_preload_libraries = 'researcharr'
researcharr.agenda_refresh = 1h
max_prepared_transactions = 5
restart_after_crash = on
autovacuum = off
});

# How many jobs a dequeue hands out
sub take { return sql("SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 9)", $_[0]) }

# Until that many have been handed out, or for so many seconds: did it work?
sub take_within
{
	my ($n, $seconds) = @_;
	my $end = time + $seconds;

	while ($n > 0 && time < $end)
	{
		$n -= take();
		usleep(20_000) if $n > 0;
	}
	return $n == 0;
}

sub enqueue { return sql("SELECT count(researcharr.job_enqueue($media, 'search'))", $_[0]) }

create_extension();

# 1.
foreach my $how ('restart', 'crash')
{
	foreach my $end ('COMMIT', 'ROLLBACK')
	{
		enqueue() if $end eq 'ROLLBACK';
		sql($end eq 'COMMIT'
			? "BEGIN; SELECT researcharr.job_enqueue($media, 'search'); PREPARE TRANSACTION 'p'"
			: "BEGIN; SELECT id FROM researcharr.job_dequeue(); PREPARE TRANSACTION 'p'");
		if ($how eq 'restart')
		{
			$node->restart;
		}
		else
		{
			my $pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");

			kill 'KILL', $pid;
			$node->poll_query_until('postgres',
				"SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
			  or die 'the server does not come back';
		}
		take() for 1 .. 3;
		is(take(), 0, "$how: what is prepared is nobody's");
		sql("$end PREPARED 'p'");
		is(take(), 1, "$how: $end PREPARED brings the job");
	}
}
# of another use of two-phase commit nothing is to be learnt
sql("CREATE TABLE mine (n int); BEGIN; INSERT INTO mine VALUES (1); PREPARE TRANSACTION 'mine'; COMMIT PREPARED 'mine'");
is(take(), 0, 'a prepared transaction of somebody else');

# 2.  A walk waits in front of a page that somebody has locked: no way to tell
# from outside, so many are interrupted at random.
reload('researcharr.agenda_refresh' => '10 ms');
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT $media, 'search' FROM generate_series(1, 20000)");
sql("BEGIN; SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 10000); ROLLBACK");
sql("UPDATE researcharr.processing_jobs SET available_at = available_at + '1 day'");
foreach my $n (1 .. 60)
{
	# the session's first dequeue: it has never made a note
	my $timeout = $n % 3 + 1;

	$node->psql('postgres', "SET statement_timeout = $timeout; SELECT count(*) FROM researcharr.job_dequeue()",
		stderr => \my $stderr);
}
sql("ALTER TABLE researcharr.processing_jobs DISABLE TRIGGER zz_researcharr_guard");
sql("TRUNCATE researcharr.processing_jobs");
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ($media, 'search')");
ok(take_within(1, 60), 'the walk goes on after backends were stopped in it');

# 3.
reload('researcharr.agenda_refresh' => '1 h');
take() for 1 .. 3;
usleep(200_000);
take() for 1 .. 3;
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ($media, 'search')");
is(take(), 0, 'a row that no trigger told of slips past');
reload('researcharr.agenda_refresh' => '100 ms');
ok(take_within(1, 30), 'and is found once looking for it is due');
is(sql("SELECT sum(found) > 0 FROM researcharr.agenda_status()"), 't', 'agenda_status() counts it');
sql("ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard");

# 4.  Entries of finished jobs that an old snapshot keeps make the look for
# leases take several steps.
reload('researcharr.agenda_refresh' => '1 h');
sql("TRUNCATE researcharr.processing_jobs");
my $old = $node->background_psql('postgres');
$old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type, available_at)
	SELECT $media, 'search', '2020-01-01'::timestamptz + n * interval '1 s' FROM generate_series(0, 3000) n");
sql("SELECT id FROM researcharr.job_dequeue(lease => '3 s')");
sql("SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue(max_jobs => 2999)");
sql("SELECT id FROM researcharr.job_dequeue(lease => '1 microsecond')");
is(take_within(2, 30), 1, 'a lapsed lease is found behind and before many finished jobs');
$old->quit;
sql("TRUNCATE researcharr.processing_jobs");

# 5.
$node->append_conf('postgresql.conf', 'researcharr.agenda_types = 4');
sql("ALTER SYSTEM SET researcharr.agenda_refresh = '1 h'");
$node->restart;
is(sql("SHOW researcharr.agenda_types"), 4, 'room for few types');
sql("SELECT researcharr.job_type_register('t' || n) FROM generate_series(1, 6) n");
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type, available_at) SELECT $media, name, '2100-01-01' FROM researcharr.job_type_policies");
is(take(), 0, 'nine types, room for four');
is(sql("SELECT count(DISTINCT job_type) FROM researcharr.agenda_status()"), 4, 'agenda_status(): four');
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type, priority) SELECT $media, name, i FROM researcharr.job_type_policies, generate_series(0, 2) i");
is(sql("SELECT string_agg(priority::text, '' ORDER BY n) FROM researcharr.job_dequeue(max_jobs => 20) WITH ORDINALITY AS j(id, media_id, job_type, status, priority, retry_count, max_retries, error_message, started_at, completed_at, metadata, created_at, updated_at, attempt, available_at, lease_expires_at, worker, result, unique_key, n)"),
	'22222222211111111100', 'those without room are served in order too');
is(sql("SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 20)"), 7, 'and to the last');

sql("CREATE DATABASE other");
create_extension('other');
enqueue('other');
is(take('other'), 1, 'another database, without room');
sql("DELETE FROM researcharr.job_types");
$node->restart;
is(take('other'), 0, 'the other database comes first now');
enqueue('other');
is(take('other'), 1, 'and finds its jobs');
sql("DROP DATABASE other");
is(take(), 0, 'its slots are free again');
is(sql("SELECT count(DISTINCT job_type) FROM researcharr.agenda_status()"), 3, 'agenda_status(): all types here');

# another database with the OIDs of one that is gone
sql("CREATE DATABASE template");
create_extension('template');
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES ($media, 'search')", 'template');
sql("CREATE DATABASE other OID 100000 TEMPLATE template");
is(take('other'), 1, 'a copy of a database');
is(take('other'), 0, 'whose jobs are out');
sql("DROP DATABASE other");
sql("CREATE DATABASE other OID 100000 TEMPLATE template");
is(take('other'), 1, 'another copy, under the same OID');
sql("DROP DATABASE other");

# 6.
my $waiter = sleeper("timeout => '100 s'");
sql($_) foreach 'VACUUM FULL researcharr.processing_jobs', 'REINDEX TABLE researcharr.processing_jobs',
  'REINDEX TABLE CONCURRENTLY researcharr.processing_jobs',
  'CLUSTER researcharr.processing_jobs USING processing_jobs_pkey';
enqueue();
is(got($waiter), 1, 'a sleeper gets its job from the table as it is by then');

# 7.
my $session = $node->background_psql('postgres');
$session->query_safe("SELECT count(*) FROM researcharr.job_dequeue()");
sql("DROP EXTENSION researcharr; DROP SCHEMA IF EXISTS researcharr");
create_extension();
enqueue();
is($session->query_safe("SELECT count(*) FROM researcharr.job_dequeue()"), 1, 'a new extension, in an old session');
enqueue();
is(take(), 1, 'and in a new one');
$session->quit;

# Bad settings
$node->stop;
foreach my $bad (0, 10001, 'many')
{
	$node->adjust_conf('postgresql.conf', 'researcharr.agenda_types', "'$bad'");
	$node->start;
	is(sql("SHOW researcharr.agenda_types"), 256, "agenda_types = $bad is not taken");
	$node->stop;
}
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', undef);
$node->start;
my ($rc, $out, $err) = $node->psql('postgres', "SELECT * FROM researcharr.agenda_status()");
like($err, qr/there is no agenda.*HINT:.*shared_preload_libraries/s, 'no agenda without preload');
$node->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT * FROM researcharr.agenda_status()", stderr => \my $state);
like($state, qr/RA005/, 'RA005');
enqueue();
is(take(), 1, 'the queue works without it');

$node->stop;
done_testing();
