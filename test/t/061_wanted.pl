# 061_wanted.pl: wanted_get_all reads little of many items, by index.
#
# Of 40,000 items (test/data/wanted.sql), each order reads a page
# with few rows of tracked_items and of processing_jobs.  The plans are those that
# auto_explain logs of the statements within the function.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use ResearcharrTest;
use PostgreSQL::Test::Utils;
use Test::More;

# rows that a scan of a page of 50 may read and throw away
my $bound = 600;

# The scans of a plan: [index or kind of scan, relation, rows read]
sub scans
{
	my ($node) = @_;
	my @scans = map { scans($_) } @{ $node->{Plans} // [] };

	if ($node->{'Relation Name'})
	{
		my $rows = $node->{'Actual Rows'};
		$rows += $node->{$_} // 0 foreach 'Rows Removed by Filter', 'Rows Removed by Index Recheck';
		push @scans, [ $node->{'Index Name'} // $node->{'Node Type'}, $node->{'Relation Name'}, $rows * $node->{'Actual Loops'} ];
	}
	return @scans;
}

my $node = new_node('wanted', "
	autovacuum = off
	fsync = off
	log_line_prefix = ''
	session_preload_libraries = auto_explain
	auto_explain.log_nested_statements = on
	auto_explain.log_format = json
	auto_explain.log_analyze = on
	auto_explain.log_timing = off
");
my $db = new_db('CREATE EXTENSION researcharr CASCADE');
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-d', $db, '-v', 'items=20000', '-f', "$FindBin::RealBin/../data/wanted.sql" ],
	'there are items');

foreach my $call (
	[ 'missing', 'oldest_search', 'tracked_items_search_idx' ],
	[ 'missing', 'newest_added', 'tracked_items_added_idx' ],
	[ 'missing', 'custom_format_score', 'tracked_items_search_idx' ],
	[ 'missing', 'random', 'tracked_items_random_idx' ],
	[ 'missing', 'alphabetical', 'tracked_items_title_idx' ],
	[ 'cutoff', 'oldest_search', 'tracked_items_search_idx' ],
	[ 'cutoff', 'newest_added', 'tracked_items_added_idx' ],
	[ 'cutoff', 'custom_format_score', 'tracked_items_score_idx' ],
	[ 'cutoff', 'random', 'tracked_items_random_idx' ],
	[ 'cutoff', 'alphabetical', 'tracked_items_title_idx' ])
{
	my ($kind, $order, $index) = @$call;
	my $offset = -s $node->logfile;
	my @scans;

	is( sql("SET auto_explain.log_min_duration = 0;
			SELECT count(*) FROM researcharr.wanted_get_all('instance 1', '$kind', order_by => '$order', \"limit\" => 50)", $db),
		50, "$kind, $order: a page");
	my $log = slurp_file($node->logfile, $offset);
	while ($log =~ /plan:\n((?:\t.*\n)+)/g)
	{
		my $plan = decode_json($1);
		push @scans, scans($plan->{Plan}) if $plan->{'Query Text'} !~ /wanted_get_all/;
	}
	my @items = grep { $_->[1] eq 'tracked_items' } @scans;
	ok(@items > 0 && !(grep { $_->[0] ne $index } @items), "$kind, $order: by index")
	  or diag(join "\n", map { "@$_" } @scans);
	ok(!(grep { $_->[2] > $bound } @scans), "$kind, $order: few rows")
	  or diag(join "\n", map { "@$_" } @scans);
}

done_testing();
