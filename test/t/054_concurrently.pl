# 054_concurrently.pl: indexes built and replaced CONCURRENTLY, under load.
#
# What a session keeps of the jobs' table must know of each index: one that is
# gone cannot be opened, and one that it does not know of would miss its rows.
# Nothing but an invalidation message tells, and it may come at any moment.
#
#  1. REINDEX INDEX CONCURRENTLY disturbs nobody, on media neither.
#  2. Nor does another index that is built in the place of one of ours.
#  3. An index that was built meanwhile has every row.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{CONCURRENTLY_SECONDS} // 8;
my $node = new_node('concurrently', "shared_preload_libraries = 'researcharr'\nfsync = off");

create_extension();

# Sessions that enqueue, claim and complete, in transactions of their own
my @workers = map
{
	in_background(qq{DO \$\$ DECLARE j record; BEGIN LOOP
	PERFORM researcharr.job_enqueue($media, 'search', unique_key => random()::text);
	COMMIT;
	FOR j IN SELECT * FROM researcharr.job_dequeue() LOOP PERFORM researcharr.job_complete(j.id, j.attempt); END LOOP;
	COMMIT;
	PERFORM researcharr.job_next_due();
	COMMIT;
	EXIT WHEN EXISTS (SELECT FROM researcharr.configuration WHERE key = 'stop');
END LOOP; END \$\$});
} 1 .. 3;

my $end = time + $seconds;
my $rounds = 0;
my $missing = 0;
while (time < $end)
{
	foreach my $index (qw(processing_jobs_pkey processing_jobs_unique_key_idx media_pkey))
	{
		sql("REINDEX INDEX CONCURRENTLY researcharr.$index");
	}
	sql('CREATE INDEX CONCURRENTLY taker ON researcharr.processing_jobs (job_type, priority DESC, available_at, id) WHERE completed_at IS NULL');
	sql('DROP INDEX CONCURRENTLY researcharr.'
		  . ($rounds == 0 ? 'processing_jobs_take_idx' : 'taken'));
	sql('ALTER INDEX researcharr.taker RENAME TO taken');
	sql('REINDEX INDEX CONCURRENTLY researcharr.taken');
	sql('CREATE INDEX CONCURRENTLY mine ON researcharr.processing_jobs (created_at, id)');
	$missing += sql(q{BEGIN ISOLATION LEVEL REPEATABLE READ;
		SET LOCAL enable_seqscan = off;
		CREATE TEMPORARY TABLE indexed ON COMMIT DROP AS SELECT count(*) FROM researcharr.processing_jobs WHERE created_at > '-infinity';
		SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
		SELECT (SELECT count(*) FROM researcharr.processing_jobs WHERE created_at > '-infinity') - count FROM indexed;
		COMMIT});
	sql('DROP INDEX CONCURRENTLY researcharr.mine');
	$rounds++;
}
sql("SELECT FROM researcharr.config_set('stop', 'now')");
foreach my $worker (@workers)
{
	$worker->{run}->finish;
	is($worker->{err}, '', 'a session worked on while indexes were replaced');
}
is($missing, 0, 'an index built meanwhile has every row');
cmp_ok($rounds, '>', 0, "$rounds rounds");
# Where each took another one's job, some are left.
sql("SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue(max_jobs => 10000)");
is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status <> 'completed'"), 0, 'all jobs are done');

$node->stop;
done_testing();
