# 053_deadlocks.pl: no two calls deadlock (test/deadlocks).
#
# DEADLOCK_ROUNDS (10) rounds of each pair of calls, from DEADLOCK_SEED (new).
# The table of pairs is in the log.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ResearcharrTest;
use Test::More;

my $seed = $ENV{DEADLOCK_SEED} // time;
my $out = run_program('no pair of calls deadlocks', 'deadlocks',
	$ENV{DEADLOCK_ROUNDS} // 10, $seed);

like($out, qr/^seed $seed: 0 deadlocks, 0 internal errors$/m, 'and all pairs were tried');
done_testing();
