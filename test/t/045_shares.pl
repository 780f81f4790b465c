# 045_shares.pl: types that are asked for at once share by weight.
#
# Sessions take jobs one by one, or a few at a time, of types of weight 1, 3 and
# 6, which all have more jobs than are taken.  All sessions together must come
# to these shares, and no dequeue may come back empty, as long as any type has
# jobs: not where one is at its limit, has no token, is paused, or has no more.
# With the library preloaded, and in one session without.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my %weights = (one => 1, three => 3, six => 6);
my $all = '{' . join(',', sort keys %weights) . '}';

my $node = new_node('shares', q{
max_connections = 30
autovacuum = off
fsync = off
shared_preload_libraries = ''
});

sub refill
{
	my ($n) = @_;

	sql('TRUNCATE researcharr.processing_jobs, taken');
	sql("SELECT count(researcharr.job_enqueue(m.id, t)) FROM researcharr.media m, generate_series(1, $n),
		unnest('$all'::text[]) AS t");
	return;
}

# What each call gets goes on the books, with NULL for a call that gets nothing.
my $script = PostgreSQL::Test::Utils::tempdir() . '/take.sql';
append_to_file($script, qq{
\\set n random(1, 3)
WITH jobs AS MATERIALIZED (SELECT job_type FROM researcharr.job_dequeue('$all', :n))
INSERT INTO taken SELECT job_type FROM jobs UNION ALL SELECT NULL WHERE NOT EXISTS (SELECT FROM jobs);
});

sub take
{
	my ($sessions, $calls) = @_;

	$node->command_ok([ 'pgbench', '-n', '-c', $sessions, '-j', 2, '-t', $calls, '-f', $script,
			$node->connstr('postgres') ], "$sessions sessions take jobs");
	return map { split /\|/ } split /\n/, sql("SELECT coalesce(job_type, 'none'), count(*) FROM taken GROUP BY 1");
}

sub is_shared
{
	my ($name, %taken) = @_;
	my $total = 0;
	my $weight = 0;

	$total += $_ foreach map { $taken{$_} // 0 } keys %weights;
	$weight += $_ foreach values %weights;
	is($taken{none} // 0, 0, "$name: no call came back empty");
	foreach my $type (sort keys %weights)
	{
		my $share = ($taken{$type} // 0) / $total;
		my $due = $weights{$type} / $weight;

		cmp_ok(abs($share - $due), '<', 0.03, sprintf('%s: "%s" had %.3f, and is due %.3f', $name, $type, $share, $due));
	}
	return;
}

sql(q{CREATE EXTENSION researcharr CASCADE;
	INSERT INTO researcharr.media (title, type) VALUES ('film', 'movie');
	CREATE TABLE taken (job_type text)});
register("'$_', weight => $weights{$_}") foreach keys %weights;

refill(700);
is_shared('one session, without preload', take(1, 400));

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'researcharr'");
$node->restart;
refill(700);
is_shared('one session', take(1, 400));
refill(2000);
is_shared('sixteen sessions', take(16, 80));

# The heaviest has no room: the others share among them, and take all.
register(q{'six', max_running => 10});
refill(1000);
my %taken = take(16, 30);
is($taken{none} // 0, 0, 'one at its limit: no call came back empty');
is($taken{six}, 10, 'it had what it may');
my $rest = $taken{one} + $taken{three};
cmp_ok(abs($taken{three} / $rest - 0.75), '<', 0.04, sprintf('the others shared by weight: %.3f', $taken{three} / $rest));

# No token, and paused
sql(q{DELETE FROM researcharr.job_types WHERE name = 'six'});
register(q{'six', weight => 6, rate_limit => 5, rate_interval => '1 hour'});
sql(q{SELECT researcharr.job_type_pause('three')});
refill(1000);
%taken = take(8, 30);
is($taken{none} // 0, 0, 'a rate and a pause: no call came back empty');
is($taken{six} // 0, 5, 'what the rate allows');
is($taken{three} // 0, 0, 'nothing that is paused');
sql(q{UPDATE researcharr.job_types SET rate_limit = NULL, rate_interval = NULL, paused = false});

# All is taken, and only then there is nothing.
refill(100);
%taken = take(8, 60);
is("@taken{sort keys %weights}", '100 100 100', 'in the end all is taken');
cmp_ok($taken{none} // 0, '>', 0, 'and only then a call comes back empty');

$node->stop;
done_testing();
