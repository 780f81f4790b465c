# 035_job_stats.pl: of all who ask for numbers before there are any, one counts.
#
# A lock on an index keeps the count from beginning its scan.  The others wait
# for its end meanwhile, hold no LWLock, and can be interrupted.  If the count
# fails, one of them counts.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('job_stats', "${preload}autovacuum = off\n");
create_extension();
sql("SELECT count(researcharr.job_enqueue($media, 'search')) FROM generate_series(1, 5)");
my $locker = $node->background_psql('postgres');
my $stats = "SELECT jobs, estimated FROM researcharr.job_stats()";

sub in_state
{
	my ($client, $condition, $what) = @_;

	ok(within(60, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$client->{name}' AND $condition"), $what);
	return;
}

# A client that counts, as far as the lock lets it, and two more
sub three_clients
{
	my ($first, @others);

	# whoever commits a TRUNCATE makes the numbers invalid
	sql("TRUNCATE researcharr.processing_jobs; SELECT count(researcharr.job_enqueue($media, 'search')) FROM generate_series(1, 5)");
	$locker->query_safe('BEGIN; ALTER INDEX researcharr.processing_jobs_media_id_idx SET TABLESPACE pg_default');
	$first = in_background($stats);
	in_state($first, "wait_event_type = 'Lock'", 'the first one counts');
	@others = map { in_background($stats) } 1, 2;
	in_state($_, "wait_event_type = 'Extension'", 'another one waits for it') foreach @others;
	return ($first, @others);
}

my ($first, $second, $third) = three_clients();
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . backend($third) . ')');
$third->{run}->finish;
like($third->{err}, qr/canceling statement/, 'who waits can be interrupted');
$locker->query_safe('COMMIT');
$first->{run}->finish;
$second->{run}->finish;
like($first->{out}, qr/^5\|f$/m, 'one counted');
unlike($second->{out}, qr/f$/m, 'the other one did not');
like($second->{out}, qr/\|t$/m, '... and got numbers');

($first, $second, $third) = three_clients();
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . backend($first) . ')');
ok(within(60, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name IN ('$second->{name}', '$third->{name}')"),
	'after the death of the one that counts another one does');
$locker->query_safe('COMMIT');
$second->{run}->finish;
$third->{run}->finish;
is(join(' ', sort split /\n/, "$second->{out}$third->{out}"), '5|f 5|t', '... one of those that waited');

$locker->quit;
$node->stop;
done_testing();
