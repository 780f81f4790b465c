# 052_stress.pl: many clients that treat the queue badly (test/stress).
#
# For STRESS_SECONDS (15) with STRESS_CONNECTIONS (20), from STRESS_SEED (new):
# once with the agenda, and once, shorter, without the library preloaded.  Then
# STRESS_HANDOVERS (10000) jobs handed to sleepers.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ResearcharrTest;
use Test::More;

my $seconds = $ENV{STRESS_SECONDS} // 15;
my $connections = $ENV{STRESS_CONNECTIONS} // 20;
my $seed = $ENV{STRESS_SEED} // time;

sub stress
{
	my ($name, $time, %settings) = @_;

	local @ENV{ keys %settings } = values %settings;
	my $out = run_program($name, 'stress', $time, $seed, $connections);
	like($out, qr/^seed $seed: 0 violations$/m, "$name: nothing was broken");
	return $out;
}

my $out = stress('with the agenda', $seconds);
like($out, qr/^ +0  jobs before their group's place/m, 'nothing slipped past the agenda');
stress('without', int($seconds / 3) + 1, PRELOAD => 'no');

stress('hand-overs', 1, HANDOVERS => $ENV{STRESS_HANDOVERS} // 10000);

done_testing();
