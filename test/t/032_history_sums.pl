# 032_history_sums.pl: no row of the history is lost, and none is doubled.
#
# Several clients claim jobs and complete, fail or release them, cancel and
# requeue some, let leases lapse and die with jobs in their hands, while many
# of their transactions and savepoints are rolled back at random.  Afterwards
# the history of each job must tell the very story that ends in its row: as
# many ended attempts as it had, each once, retries as counted, and each
# change of status from where the one before had left it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('sums');
$node->safe_psql('postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	SELECT FROM researcharr.job_type_register('search', max_retries => 2, backoff_base => '0');
	INSERT INTO researcharr.media (title, type) SELECT 'M ' || n, 'movie' FROM generate_series(1, 20) n;
	SELECT count(researcharr.job_enqueue(id, 'search')) FROM researcharr.media, generate_series(1, 20);
});

my $work = PostgreSQL::Test::Utils::tempdir() . '/work.pgbench';
append_to_file($work, q{
\set what random(1, 12)
\set undo random(1, 3)
\set victim random(0, 399)
BEGIN;
SAVEPOINT s;
\if :what <= 4
SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(max_jobs => 2, worker => 'c');
\elif :what <= 7
SELECT FROM researcharr.job_dequeue(worker => 'f') j, researcharr.job_fail(j.id, j.attempt, 'no luck', '0');
\elif :what = 8
SELECT researcharr.job_release(id, attempt) FROM researcharr.job_dequeue(worker => 'r');
\elif :what = 9
SELECT FROM researcharr.job_dequeue(max_jobs => 3, lease => '1 ms', worker => 'dies');
\elif :what = 10
SELECT researcharr.job_cancel(id) FROM (SELECT id FROM researcharr.processing_jobs ORDER BY id OFFSET :victim LIMIT 1) x;
\else
SELECT researcharr.job_retry(id) FROM (SELECT id FROM researcharr.processing_jobs
	WHERE status IN ('failed', 'cancelled') ORDER BY id LIMIT 3) x;
\endif
\if :undo = 1
ROLLBACK TO s;
\endif
COMMIT;
\if :undo = 2
BEGIN;
SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(worker => 'undone');
UPDATE researcharr.processing_jobs SET status = 'queued', completed_at = NULL
WHERE id = (SELECT id FROM researcharr.processing_jobs WHERE status = 'completed' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
\if :what > 6
COMMIT;
\else
ROLLBACK;
\endif
\endif
});
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '300', '-f', $work,
		'--max-tries=10', '-d', $node->connstr('postgres') ], 'clients at work');

# What no job may have
my $wrong = $node->safe_psql('postgres', q{
	WITH story AS (
		SELECT *, lag(status, 1, 'queued') OVER w AS before,
			row_number() OVER (PARTITION BY job_id ORDER BY id DESC) = 1 AS is_last
		FROM researcharr.processing_history WINDOW w AS (PARTITION BY job_id ORDER BY "timestamp", id)),
	sums AS (
		SELECT job_id, count(*) FILTER (WHERE details ? 'claimed_at') AS ended,
			count(DISTINCT details->'attempt') FILTER (WHERE details ? 'claimed_at') AS attempts
		FROM story GROUP BY job_id)
	SELECT j.id, j.status, j.attempt, s.ended, s.attempts
	FROM researcharr.processing_jobs j LEFT JOIN sums s ON s.job_id = j.id
	WHERE coalesce(s.ended, 0) <> j.attempt - (j.status = 'running')::int
	OR coalesce(s.attempts, 0) <> coalesce(s.ended, 0)
	OR EXISTS (SELECT FROM story h WHERE h.job_id = j.id AND h.is_last AND h.status <> j.status
		AND j.status <> 'running')
	OR EXISTS (SELECT FROM story h WHERE h.job_id = j.id AND h.details->>'from' <> h.before
		AND NOT (h.details->>'from' = 'running' AND h.before IN ('queued', 'running')))});
is($wrong, '', 'every job has the history that ends in its row');
my ($jobs, $rows, $actions) = split /\|/, $node->safe_psql('postgres', q{
	SELECT count(DISTINCT job_id), count(*), string_agg(DISTINCT action, ' ' ORDER BY action)
	FROM researcharr.processing_history});
is($actions, 'cancelled completed failed lapsed released requeued retried', "all kinds of changes are among its $rows rows");

$node->stop;
done_testing();
