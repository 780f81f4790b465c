# 050_demo.pl: the demo, small and with much trouble, and what it leaves.
#
#  1. It ends well: every job is finished, and its own check finds that the
#     history agrees with the jobs, over rollbacks, deaths and lapsed leases.
#  2. The check is worth something: it finds what was tampered with.
#  3. Interrupted, it leaves no process and no file.

use strict;
use warnings;
use Cwd;
use File::Temp;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $top = "$FindBin::Bin/../..";
my $demo = "$top/test/demo/run";
my $tmp = File::Temp::tempdir('rdXXXX', DIR => $ENV{TMPDIR} || '/tmp', CLEANUP => 1);

local $ENV{TMPDIR} = $tmp;
local $ENV{INSTALLED} = 1;
local $ENV{SEED} = $ENV{SEED} // 1;

# What of the demo there is: processes, by their command line, and files
sub remains
{
	my @found = glob "$tmp/*";

	foreach my $file (glob '/proc/[0-9]*/cmdline')
	{
		open my $handle, '<', $file or next;
		my $line = <$handle> // '';
		push @found, $line =~ s/\0/ /gr if $line =~ /\Q$tmp\E/;
	}
	return join "\n", @found;
}

# The rows of a table that psql printed, after a title: column by column
sub table
{
	my ($out, $title) = @_;
	my ($lines) = $out =~ /^\Q$title\E.*\n.*\n-[-+]*\n((?:.*\|.*\n)+)/m;

	return map { s/^ +//r } split /\n/, $lines // '';
}

# 1.
{
	my ($out, $err);

	local @ENV{ 'JOBS', 'WORKERS', 'TROUBLE' } = (200, 3, 15);
	ok(IPC::Run::run([$demo], '>', \$out, '2>', \$err), 'the demo ends well')
	  or diag($out, $err);
	is($err, '', 'nothing on standard error');
	like($out, qr/radarr \| +3200 \| +0 \| +0 \| +0\n/, 'the movies are imported');
	like($out, qr/sonarr \| +330 \| +0 \| +0 \| +0\n/, 'the series and episodes, too');
	like($out, qr/^ +0 s   waiting .*completed/m, 'progress is shown');

	my $jobs = 0;
	$jobs += $_ foreach map { /\| +(\d+)$/ } table($out, 'Jobs by type');
	is($jobs, 200, 'all jobs are there');
	is_deeply([ map { /\| (\w+)/ } table($out, 'Jobs by type') ],
		[ 'completed', 'failed' ], 'all jobs are finished');
	is_deeply(
		[
			map { (split / *\| */)[1] =~ s/,.*//r }
			  table($out, 'The life of a job')
		],
		[ 'enqueued', ('claimed', 'retried') x 2, 'claimed', 'completed' ],
		'a job failed twice and succeeded');
	like($out, qr/lapsed +\| running/, 'leases have lapsed');
	my @audit = map { join ' ', (split / *\| */)[ 1 .. 4 ] } table($out, 'The audit of that movie');
	is($audit[0], 'media create import a new row', 'audit: its import');
	like($audit[2] // '', qr/^media update worker-\d status$/, 'audit: what a worker did');
	is($audit[-1], 'movie update anna runtime_minutes', 'audit: the last change');
	my @rules = (table($out, 'Does the history'), table($out, 'Does what'));
	is(scalar @rules, 10, 'ten rules are checked');
	is((split / *\| */)[-1], 0, "no job breaks: $_") foreach @rules;
	is(remains(), '', 'nothing is left');
}

# 2.
my $node = new_node('demo');
$node->safe_psql('postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	INSERT INTO researcharr.media (title, type) VALUES ('a', 'movie');
	SELECT researcharr.job_enqueue(id, 'search') FROM researcharr.media, generate_series(1, 6);
	SELECT researcharr.job_fail(id, attempt, 'no', '0') FROM researcharr.job_dequeue(max_jobs => 3);
	SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(max_jobs => 4);
	SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE status = 'queued' LIMIT 1;
	DELETE FROM researcharr.processing_jobs WHERE status = 'cancelled';
	SELECT * FROM researcharr.job_dequeue()});

# The rules that are broken after some SQL, which is rolled back
sub broken
{
	my ($sql) = @_;
	my $out = $node->safe_psql('postgres',
		"BEGIN; SET LOCAL researcharr.audit = off; $sql;\n"
		  . slurp_file("$top/test/data/history_agrees.sql") . '; ROLLBACK');

	return join '; ', map { /^(\w+).*\|[1-9]\d*$/ ? $1 : () } split /\n/, $out;
}

is(broken('SELECT'), '', 'a true history agrees');
isnt(broken($_->[0]), '', "found: $_->[1]")
  foreach (
	[ "DELETE FROM researcharr.processing_history WHERE action = 'retried'", 'rows lost' ],
	[ "DELETE FROM researcharr.processing_history WHERE action = 'deleted'", 'a deletion lost' ],
	[ "INSERT INTO researcharr.processing_history SELECT researcharr.uuid_v7(), job_id, media_id,"
		  . " action, status, details, timestamp FROM researcharr.processing_history"
		  . " WHERE action = 'completed' LIMIT 1", 'a row doubled' ],
	[ "UPDATE researcharr.processing_history SET status = 'failed' WHERE action = 'completed'",
		'a wrong status' ],
	[ "UPDATE researcharr.processing_history SET details = details || '{\"error\": \"?\"}'"
		  . " WHERE action = 'retried'", 'a wrong error' ],
	[ "UPDATE researcharr.processing_jobs SET retry_count = 3", 'a wrong number of retries' ],
	[ "UPDATE researcharr.processing_jobs SET attempt = attempt + 1 WHERE status = 'completed'",
		'a wrong number of attempts' ]);
$node->stop;

# 3.
{
	my $out = '';

	local $ENV{JOBS} = 1900;
	my $run = IPC::Run::start([$demo], '>', \$out, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$run->pump until $out =~ /running [1-9]/;
	$run->signal('INT');
	eval { $run->finish };
	is($run->full_result(0) >> 8, 130, 'interrupted: the exit status');
	unlike($out, qr/server closed/, 'interrupted: the workers end before the server');
	is(remains(), '', 'interrupted: nothing is left');
}

done_testing();
