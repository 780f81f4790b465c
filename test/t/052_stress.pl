# 052_stress.pl: many clients that treat the queue badly (test/stress).
#
# For STRESS_SECONDS (15) with STRESS_CONNECTIONS (20), from STRESS_SEED (new):
# once with the agenda, and once, shorter, without the library preloaded.  Then
# STRESS_HANDOVERS (10000) jobs handed to sleepers.

use strict;
use warnings;
use File::Temp;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $stress = "$FindBin::Bin/../stress/run";
my $seconds = $ENV{STRESS_SECONDS} // 15;
my $connections = $ENV{STRESS_CONNECTIONS} // 20;
my $seed = $ENV{STRESS_SEED} // time;

# a socket's path must be short
local $ENV{TMPDIR} = File::Temp::tempdir('rsXXXX', DIR => $ENV{TMPDIR} || '/tmp', CLEANUP => 1);
local $ENV{INSTALLED} = 1;

sub stress
{
	my ($name, $time, %settings) = @_;
	my $out = '';

	local @ENV{ keys %settings } = values %settings;
	my $ok = IPC::Run::run([ $stress, $time, $seed, $connections ], '>', \$out, '2>&1');
	ok($ok, $name);
	note($out) if $ok;
	diag($out) if !$ok;
	like($out, qr/^seed $seed: 0 violations$/m, "$name: nothing was broken");
	return $out;
}

my $out = stress('with the agenda', $seconds);
like($out, qr/^ +0  jobs before their group's place/m, 'nothing slipped past the agenda');
stress('without', int($seconds / 3) + 1, PRELOAD => 'no');

stress('hand-overs', 1, HANDOVERS => $ENV{STRESS_HANDOVERS} // 10000);

done_testing();
