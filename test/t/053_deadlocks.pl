# 053_deadlocks.pl: no two calls deadlock (test/deadlocks).
#
# DEADLOCK_ROUNDS (10) rounds of each pair of calls, from DEADLOCK_SEED (new).
# The table of pairs is in the log.

use strict;
use warnings;
use File::Temp;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{DEADLOCK_SEED} // time;
my $out = '';

# a socket's path must be short
local $ENV{TMPDIR} = File::Temp::tempdir('rdXXXX', DIR => $ENV{TMPDIR} || '/tmp', CLEANUP => 1);
local $ENV{INSTALLED} = 1;

my $ok = IPC::Run::run(
	[ "$FindBin::Bin/../deadlocks/run", $ENV{DEADLOCK_ROUNDS} // 10, $seed ],
	'>', \$out, '2>&1');
ok($ok, 'no pair of calls deadlocks');
like($out, qr/^seed $seed: 0 deadlocks, 0 internal errors$/m, 'and all pairs were tried');
note($out) if $ok;
diag($out) if !$ok;
done_testing();
