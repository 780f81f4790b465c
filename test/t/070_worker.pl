# 070_worker.pl: the background worker.
#
#  1. It finds a database after CREATE EXTENSION and after a restart, and is gone
#     after DROP EXTENSION.
#  2. It records lapses of a type that nobody dequeues, and deletes expired rows.
#  3. A task that fails is logged and counted, and does not stop the others.
#  4. Nobody's code runs with the rights of the extension's owner.
#  5. It survives the death of a worker and of the server.
#  6. An idle server stays idle.
#  7. It says what it lacks.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('worker', $preload . "researcharr.rescue_delay = 0\nrestart_after_crash = on\n");

# Has this task run in the database since it was there?
sub ran
{
	my ($task, $db) = @_;

	return within(30, "SELECT count(*) = 1 FROM researcharr.worker_status()
		WHERE database = current_database() AND task = '$task' AND result = 'succeeded'", $db);
}

# Has all tasks run soon: the worker looks at its database when something that
# can be the extension is dropped.
sub wake
{
	return sql('DROP SCHEMA IF EXISTS nothing', $_[0]);
}

sub processes
{
	my ($db) = @_;

	return "SELECT pid FROM pg_stat_activity WHERE backend_type = 'researcharr worker'"
	  . ($db ? " AND datname = '$db'" : '');
}

# A job that lapses at once.  Returns its id.
sub lapse
{
	my ($db, $type) = @_;

	return sql("SELECT researcharr.job_enqueue($media, '$type');
		SELECT id FROM researcharr.job_dequeue('{$type}', lease => '1 us')", $db) =~ s/.*\n//r;
}

# 1.
my $db = new_db();
create_extension($db);
ok(ran($_, $db), "$_ runs after CREATE EXTENSION") foreach qw(lease_rescue cache_expiry);
ok(within(30, 'SELECT NOT EXISTS (' . processes() . ')'), 'and the worker ends');
$node->restart;
ok(ran('lease_rescue', $db), 'after a restart the database is found');
my $copy = new_db('', "TEMPLATE $db");
ok(ran('lease_rescue', $copy), 'and a copy of it');
sql("DROP DATABASE $copy");
is(sql("SELECT count(*) FROM researcharr.worker_status() WHERE database = '$copy'", $db), 0, 'until it is dropped');
sql('DROP EXTENSION researcharr', $db);
my $other = new_db('CREATE ROLE landlord SUPERUSER; SET ROLE landlord; CREATE EXTENSION researcharr CASCADE');
create_extension($other);
ok(within(30, "SELECT count(*) = 0 FROM researcharr.worker_status() WHERE database = '$db'", $other),
	'nothing is left after DROP EXTENSION');
ok(ran('lease_rescue', $other), 'while others are served');

# 2.
my $job = lapse($other, 'verify');
ok(within(30, "SELECT status = 'queued' AND retry_count = 1 AND error_message = 'lease expired'
		FROM researcharr.processing_jobs WHERE id = '$job'", $other), 'a lapse is recorded');
is(sql("SELECT action, status FROM researcharr.processing_history WHERE job_id = '$job'", $other),
	'lapsed|queued', 'in the history too');
is(sql("SELECT attempt FROM researcharr.job_dequeue('{verify}')", $other), 2, 'and the job can be claimed');
sql("SELECT researcharr.job_type_register('paused', max_retries => 0)", $other);
$job = lapse($other, 'paused');
sql("SELECT researcharr.job_type_pause('paused')", $other);
ok(within(30, "SELECT status = 'failed' FROM researcharr.processing_jobs WHERE id = '$job'", $other),
	'also of a type that is paused');
sql("INSERT INTO researcharr.cache_entries (key, value, expiry)
	SELECT n, '', now() + CASE WHEN n % 2 = 0 THEN '-1 s' ELSE '1 day' END::interval FROM generate_series(1, 5000) n", $other);
wake($other);
ok(within(30, 'SELECT count(*) = 2500 FROM researcharr.cache_entries', $other), 'expired rows are deleted');

# a backlog of jobs, among which one is running at the server's start
sql("SELECT researcharr.job_type_register('backlog');
	INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT $media, 'backlog' FROM generate_series(1, 3000);
	UPDATE researcharr.processing_jobs SET status = 'running', started_at = now(), lease_expires_at = now() - interval '1 h',
		attempt = 1 WHERE id = (SELECT id FROM researcharr.processing_jobs WHERE job_type = 'backlog' ORDER BY available_at DESC LIMIT 1)",
	$other);
$node->restart;
ok(within(60, "SELECT count(*) = 1 FROM researcharr.processing_history h JOIN researcharr.processing_jobs j ON j.id = h.job_id
	WHERE job_type = 'backlog' AND action = 'lapsed'", $other), 'a running job behind a backlog is found');

# 3.
sql("CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'not \%', OLD.key; END \$\$;
	CREATE TRIGGER fail BEFORE DELETE ON researcharr.cache_entries FOR EACH ROW EXECUTE FUNCTION public.fail();
	UPDATE researcharr.cache_entries SET expiry = now() - interval '1 s' WHERE key = '1'", $other);
wake($other);
ok(within(30, "SELECT result = 'failed' AND error = 'P0001: not 1' AND failures = 1 AND next_due > now() + interval '1 s'
	FROM researcharr.worker_status() WHERE database = current_database() AND task = 'cache_expiry'", $other),
	'a task that fails is counted, and tried again later');
$job = lapse($other, 'search');
ok(within(30, "SELECT status = 'queued' FROM researcharr.processing_jobs WHERE id = '$job'", $other), 'others go on');
like(slurp_file($node->logfile), qr/ERROR:  not 1\n.*maintenance task "cache_expiry"/s, 'the failure is in the log');
sql('DROP TRIGGER fail ON researcharr.cache_entries', $other);
ok(within(60, "SELECT result = 'succeeded' AND failures = 0
	FROM researcharr.worker_status() WHERE database = current_database() AND task = 'cache_expiry'", $other),
	'it recovers');

# 4.
sql("CREATE ROLE mallory LOGIN; GRANT USAGE ON SCHEMA researcharr TO mallory; GRANT ALL ON SCHEMA public TO mallory;
	GRANT TRIGGER ON researcharr.cache_entries TO mallory; GRANT TRIGGER, SELECT ON researcharr.processing_jobs TO mallory", $other);
sql("SET ROLE mallory;
	CREATE TABLE public.loot (who text, session text);
	GRANT ALL ON public.loot TO PUBLIC;
	CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN INSERT INTO public.loot VALUES (current_user, session_user); RETURN NEW; END \$\$;
	CREATE TRIGGER steal AFTER DELETE ON researcharr.cache_entries FOR EACH ROW EXECUTE FUNCTION public.steal();
	CREATE TRIGGER steal BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION public.steal()", $other);
wake($other);
foreach my $task (qw(cache_expiry lease_rescue))
{
	ok(within(30, "SELECT error LIKE '42501: maintenance does not write to table \%, because of trigger \"steal\"'
		FROM researcharr.worker_status() WHERE database = current_database() AND task = '$task'", $other),
		"$task does not run another role's trigger");
}
is(sql('SELECT count(*) FROM public.loot', $other), 0, 'no code of that role has run');
sql('DROP TRIGGER steal ON researcharr.cache_entries; DROP TRIGGER steal ON researcharr.processing_jobs;
	REVOKE ALL ON ALL TABLES IN SCHEMA researcharr FROM mallory', $other);

# the owner's own trigger runs as the owner, restricted
sql("CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			INSERT INTO public.loot VALUES (current_user, session_user);
			BEGIN
				RESET SESSION AUTHORIZATION;
			EXCEPTION WHEN insufficient_privilege THEN
				INSERT INTO public.loot VALUES ('restricted');
			END;
			RETURN OLD;
		END \$\$;
	CREATE TRIGGER own BEFORE DELETE ON researcharr.cache_entries FOR EACH ROW EXECUTE FUNCTION public.own()", $other);
sql("INSERT INTO researcharr.cache_entries (key, value, expiry) VALUES ('old', '', now() - interval '1 s')", $other);
wake($other);
ok(within(60, "SELECT count(*) = 0 FROM researcharr.cache_entries WHERE key = 'old'", $other), 'the owner may have triggers');
is(sql("SELECT who FROM public.loot ORDER BY who", $other),
	"landlord\nrestricted", 'they run as the owner of the extension, and cannot become the session user');

# 5.
my $slow = "INSERT INTO researcharr.cache_entries (key, value, expiry) VALUES ('slow', '', now() - interval '1 s')";
sql("CREATE OR REPLACE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN PERFORM pg_sleep(100); RETURN OLD; END \$\$; $slow", $other);
wake($other);
my $busy = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'researcharr worker' AND datname = '$other'
	AND application_name = 'cache_expiry' AND query LIKE 'deleting expired rows\%' AND state = 'active'";
ok(within(30, $busy), 'pg_stat_activity says what a worker does');
is(sql("SELECT result, pid IS NOT NULL FROM researcharr.worker_status() WHERE database = current_database() AND task = 'cache_expiry'",
		$other), 'running|t', 'worker_status() too');
kill 'KILL', sql(processes($other));
$node->poll_query_until('postgres', 'SELECT true');
sql($slow, $other);    # a crash empties the table
wake($other);
ok(within(60, $busy), 'a worker was killed, the server has restarted: the task runs again');
ok(within(60, "SELECT error = '57014: canceled after 10000 ms' FROM researcharr.worker_status()
	WHERE database = current_database() AND task = 'cache_expiry'", $other), 'and is over when its time is');
sql('DROP TRIGGER own ON researcharr.cache_entries', $other);
$node->stop('immediate');
$node->start;
ok(ran('lease_rescue', $other), 'the server was killed: and once more');

# 6.
my $launcher = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'researcharr launcher'");
ok(within(60, 'SELECT NOT EXISTS (' . processes() . ')'), 'all workers have ended');

sub switches
{
	return slurp_file("/proc/$launcher/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : -1;
}
SKIP:
{
	skip 'no /proc', 1 unless -e "/proc/$launcher/status";
	my $woken;

	# at first it visits databases
	foreach (1 .. 6)
	{
		my $before = switches();

		sql('SELECT pg_sleep(20)');
		$woken = switches() - $before;
		last if $woken <= 2;
	}
	cmp_ok($woken, '<=', 2, 'an idle launcher wakes at most once in 10 s');
}

# 7.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
$node->wait_for_log(qr/no maintenance worker can be started for database/);
pass('no process can be started: the log says so');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nresearcharr.worker = off");
$node->restart;
is(sql("SELECT count(*) FROM researcharr.worker_status()", $other), 0, 'switched off, it does nothing');
reload('researcharr.worker' => 'on');
ok(ran('lease_rescue', $other), 'switched on, it does');
sql("ALTER DATABASE $other ALLOW_CONNECTIONS false");
$node->stop;
# A worker that was started before the ALTER may be refused until here
my $closed = -s $node->logfile;
$node->start;
create_extension($db);
ok(ran('lease_rescue', $db), 'a database that allows no connections does not stop others');
unlike(substr(slurp_file($node->logfile), $closed), qr/is not currently accepting connections/, 'nor is it tried');
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|maintenance.*FATAL/, 'nothing strange is in the log');
done_testing();
