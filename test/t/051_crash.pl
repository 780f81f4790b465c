# 051_crash.pl: nothing is lost and nothing done twice when the server dies.
#
# Eight workers take jobs, and complete, fail or release them, roll back, add
# new ones or just forget them.  In the midst of that a worker's backend is
# killed (the server restarts by itself), the server stopped at once, or
# killed.  After each restart:
#
#  1. Every job is there, those whose enqueue was committed and no others, in
#     exactly one proper state.
#  2. Its effect (a row written in the transaction of job_complete) is there
#     exactly once if it is completed, under its last attempt, else not at all.
#  3. Every attempt that ended has one row in the history, and no other has.
#
# At the end workers without a crash finish all of it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start finish);
use POSIX ':sys_wait_h';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('crash', 'restart_after_crash = on');

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	-- a job that lapses again waits for so long
	SELECT researcharr.job_type_register(name, backoff_base => '10 ms', backoff_cap => '100 ms')
	  FROM researcharr.job_type_policies;
	INSERT INTO researcharr.media (title, type)
	SELECT 'film ' || n, 'movie' FROM generate_series(1, 20) AS n;
	CREATE TABLE added (id uuid);
	CREATE TABLE effect (id uuid, attempt int);

	CREATE FUNCTION add_jobs(n int) RETURNS void LANGUAGE sql AS $$
		INSERT INTO added SELECT researcharr.job_enqueue_many(
			(SELECT jsonb_agg(jsonb_build_object('media_id', id, 'job_type', type,
			                                     'priority', p % 3, 'max_retries', 5))
			   FROM (SELECT id FROM researcharr.media LIMIT 1) AS m,
			        unnest('{search,verify}'::text[]) AS type, generate_series(1, n) AS p)) $$;

	-- what a worker says of its job, unless it has lost it
	CREATE FUNCTION say(job researcharr.processing_jobs, chance int) RETURNS void
	LANGUAGE plpgsql AS $$
	BEGIN
		IF chance <= 60 THEN
			INSERT INTO effect VALUES (job.id, job.attempt);
			PERFORM researcharr.job_complete(job.id, job.attempt);
		ELSIF chance <= 70 THEN
			PERFORM researcharr.job_fail(job.id, job.attempt, 'failed', '0');
		ELSIF chance <= 75 THEN
			PERFORM researcharr.job_release(job.id, job.attempt);
		ELSIF chance <= 80 THEN
			PERFORM researcharr.job_heartbeat(job.id, job.attempt, '50 ms');
		ELSIF chance <= 85 THEN
			PERFORM researcharr.job_cancel(job.id);
			PERFORM researcharr.job_retry(job.id);
		ELSIF chance <= 90 THEN
			PERFORM add_jobs(3);
		END IF;
	EXCEPTION WHEN SQLSTATE 'RA001' THEN
		NULL;
	END $$;

	CREATE PROCEDURE work(chance int, lease interval) LANGUAGE plpgsql AS $$
	DECLARE
		job researcharr.processing_jobs;
	BEGIN
		FOR job IN SELECT * FROM researcharr.job_dequeue(NULL, 1 + chance % 4, lease) LOOP
			COMMIT;
			PERFORM say(job, chance);
			IF chance > 95 THEN
				ROLLBACK;
			END IF;
		END LOOP;
	END $$});

my $script = PostgreSQL::Test::Utils::tempdir() . '/work.sql';
append_to_file($script, "\\set chance random(1, 100)\nCALL work(:chance, '50 ms')\n");
my $finish_script = PostgreSQL::Test::Utils::tempdir() . '/finish.sql';
append_to_file($finish_script, "CALL work(1, '1 min')\n");

# Does the server answer?  It may turn psql away while that is being written to.
sub is_up
{
	return (eval { $node->psql('postgres', 'SELECT true') } // 1) == 0;
}

sub wait_until_up
{
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if is_up();
		sleep 0.1;
	}
	die 'no restart';
}

# Starts eight workers, which go on until the server dies.
sub start_workers
{
	return start(
		[
			'pgbench', '-n', '-c', '8', '-j', '2', '-T', '60', '-h', $node->host,
			'-p', $node->port, '-f', $script, 'postgres'
		],
		'>',
		\my $out,
		'2>',
		\my $err);
}

# All that must hold, each as the number of jobs of which it does not.
my $checks = q{
	WITH ended AS (
	    SELECT job_id AS id, count(*) AS n, count(DISTINCT details->>'attempt') AS attempts
	      FROM researcharr.processing_history
	     WHERE details ? 'claimed_at' GROUP BY 1),
	effects AS (
	    SELECT id, count(*) AS n, max(attempt) AS attempt FROM effect GROUP BY 1)
	SELECT count(*) FILTER (WHERE j.id IS NULL OR a.id IS NULL),
	       count(*) FILTER (WHERE CASE status
	           WHEN 'queued' THEN lease_expires_at IS NOT NULL OR completed_at IS NOT NULL
	           WHEN 'running' THEN lease_expires_at IS NULL OR completed_at IS NOT NULL OR j.attempt = 0
	           WHEN 'completed' THEN lease_expires_at IS NOT NULL OR completed_at IS NULL
	           WHEN 'failed' THEN lease_expires_at IS NOT NULL OR completed_at IS NULL
	           ELSE true END),
	       count(*) FILTER (WHERE coalesce(e.n, 0) <> (status = 'completed')::int),
	       count(*) FILTER (WHERE e.attempt <> j.attempt),
	       count(*) FILTER (WHERE coalesce(h.n, 0) <> j.attempt - (status = 'running')::int),
	       count(*) FILTER (WHERE h.n <> h.attempts)
	  FROM researcharr.processing_jobs AS j
	  FULL JOIN (SELECT DISTINCT id FROM added) AS a USING (id)
	  LEFT JOIN effects AS e USING (id)
	  LEFT JOIN ended AS h USING (id)};

sub check
{
	my ($when) = @_;

	is($node->safe_psql('postgres', $checks), '0|0|0|0|0|0',
		"$when: no job lost, in two states, done twice, or off the record");
	return;
}

# The server is our own child, so that it is gone once it is killed.
my $server;

sub start_server
{
	foreach (1 .. 100)
	{
		$server = fork // die "fork: $!";
		if ($server == 0)
		{
			open(STDOUT, '>>', $node->logfile) or die;
			open(STDERR, '>&', \*STDOUT) or die;
			exec('postgres', '-D', $node->data_dir) or die;
		}
		# a child of the server before may still be on its way out
		while (waitpid($server, WNOHANG) == 0)
		{
			return if is_up();
			sleep 0.05;
		}
	}
	die 'the server does not start';
}

sub end_server
{
	my ($signal) = @_;

	return unless $server;
	kill $signal, $server;
	waitpid $server, 0;
	undef $server;
	return;
}

my %crash = (
	"a worker's backend is killed" => sub {
		my $pid = $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL work%'
			   ORDER BY random() LIMIT 1});

		kill 'KILL', $pid;
		return;
	},
	'the server is stopped at once' => sub {
		end_server('QUIT');
		start_server();
		return;
	},
	'the server is killed' => sub {
		end_server('KILL');
		start_server();
		return;
	});

$node->stop;
start_server();
my $before = 0;
foreach my $what (sort(keys %crash), sort(keys %crash))
{
	$node->safe_psql('postgres', 'SELECT add_jobs(3000)');
	my $workers = start_workers();

	$node->poll_query_until('postgres',
		"SELECT count(*) > $before + 100 FROM effect")
	  or die 'the workers do nothing';
	sleep rand 0.3;
	$crash{$what}->();
	finish($workers);
	wait_until_up();
	check($what);
	$before = $node->safe_psql('postgres', 'SELECT count(*) FROM effect');
	note "$before effects";
}

# The rest, in peace: leases lapse and are handed on.
my $left = q{SELECT count(*) FROM researcharr.processing_jobs
              WHERE status IN ('queued', 'running')};
cmp_ok($node->safe_psql('postgres', $left), '>', 0, 'there is work left');
foreach my $try (1 .. 20)
{
	command_ok(
		[
			'pgbench', '-n', '-c', '8', '-j', '2', '-t', '1000', '-h', $node->host,
			'-p', $node->port, '-f', $finish_script, 'postgres'
		],
		'workers finish what there is');
	last unless $node->safe_psql('postgres', $left);
	sleep 0.1;
}
is($node->safe_psql('postgres', $left), '0', 'all is done');
check('at the end');
end_server('INT');
done_testing();

END
{
	my $rc = $?;

	end_server('QUIT');
	$? = $rc;
}
