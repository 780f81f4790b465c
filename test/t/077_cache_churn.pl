# 077_cache_churn.pl: the table of cached values does not grow without end.
#
# A day in 24 rounds.  In each, keys of which most are set again and again get
# new values, others are set once and expire, some are deleted; then maintenance
# removes what has expired, and VACUUM frees its room.  The table and its indexes
# stay as large as after the first hours.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('cache_churn', $preload . "researcharr.worker = off\nautovacuum = off\nfsync = off\nresearcharr.cache_size = 1MB\n");
create_extension();

my $bytes = "SELECT pg_total_relation_size('researcharr.cache_entries')";
my ($after_four, $largest) = (0, 0);

# An hour: 3,000 values for 2,000 keys, 1,000 keys that never come again, and
# counters.  What came again lives on; of the others, a value lives for a moment.
sub hour
{
	my ($hour) = @_;

	sql("SELECT count(researcharr.cache_set_text('again:' || n * 7919 % 2000, repeat('x', 100 + n % 400), '1 day', '{again}', 'write_through'))
			FROM generate_series(1, 3000) n;
		SELECT count(researcharr.cache_set_text('once:$hour:' || n, repeat('y', 200), '1 ms', NULL, 'write_through')) FROM generate_series(1, 1000) n;
		SELECT count(researcharr.cache_delete('again:' || n)) FROM generate_series($hour, 1999, 24) n");
	sql("SELECT pg_sleep(0.01)");
	sql("CALL researcharr.run_maintenance()");
	sql('VACUUM researcharr.cache_entries');
	return;
}

foreach my $hour (1 .. 24)
{
	hour($hour);
	$after_four = sql($bytes) if $hour == 4;
	$largest = sql($bytes) if sql($bytes) > $largest;
}
is(sql('SELECT count(*) FROM researcharr.cache_entries WHERE expiry < clock_timestamp()'), 0, 'nothing that has expired is left');
is(sql("SELECT count(*) FROM researcharr.cache_entries WHERE key LIKE 'once:%'"), 0, 'of 24,000 keys that were set once, none is left');
my $left = sql("SELECT count(*) FROM researcharr.cache_entries");
cmp_ok($left, '>', 1900, 'what is used is there');
cmp_ok($left, '<=', 2000, 'once');
cmp_ok($largest, '<=', 1.1 * $after_four, "the table is as large as after four hours: $after_four bytes then, $largest at most");

$node->stop;
done_testing();
