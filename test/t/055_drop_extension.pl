# 055_drop_extension.pl: the extension is dropped and created anew beside callers.
#
# A function looks up a table by its name, and then waits for its lock.  By then
# the table may be gone, or another one have its name.  Callers get a clear error,
# and none that speaks of the server's insides.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $rounds = $ENV{DROP_ROUNDS} // 15;
my $node = new_node('drop_extension', "shared_preload_libraries = 'researcharr'\nfsync = off\ndeadlock_timeout = 50ms\nbacktrace_functions = 'relation_open'");

my $film = '01900000-0000-7000-8000-000000000001';
my $create = qq{CREATE EXTENSION researcharr CASCADE; INSERT INTO researcharr.media (id, title, type) VALUES ('$film', 'Film', 'movie');};
sql($create);

# What each caller does, over and over
my @calls = (
	"job_enqueue('$film', 'search')", 'job_dequeue()', 'job_stats()', 'job_next_due()',
	'media_get_all()', "job_get_by_media('$film')", "media_get_by_id('$film')",
	"job_create(jsonb_build_object('media_id', '$film', 'job_type', 'search'))",
	"job_type_register('mine')", "config_set('a', 'b')", 'config_list()',
	q(movie_create('{"title": "M"}')), q(media_search('film')), 'agenda_status()',
	q(unit_of_work('[{"op": "create", "entity": "media", "values": {"title": "U", "type": "movie"}}]')));
my $script = join('', map { "SELECT count(*) FROM researcharr.$_;\n" } @calls)
  . "INSERT INTO researcharr.media (title, type) VALUES ('M', 'movie');\n"
  . "UPDATE researcharr.processing_jobs SET priority = 1;\n"
  . "CALL researcharr.job_dequeue_wait(NULL, timeout => '1 ms');\n";
my $file = $node->basedir . '/calls.sql';
append_to_file($file, "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n" . $script x 2000);

my @callers = map
{
	my %caller = (err => "$file.$_");
	$caller{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ],
		'<', \undef, '>', '/dev/null', '2>', $caller{err});
	\%caller;
} 1 .. 3;

for my $round (1 .. $rounds)
{
	# a deadlock with a caller is nobody's fault; DROP EXTENSION gives in at times
	my $rc = 1;
	for (my $try = 0; $rc != 0 && $try < 100; $try++)
	{
		$rc = $node->psql('postgres', 'DROP EXTENSION researcharr');
	}
	is($rc, 0, "round $round: dropped") or last;
	sql($create);
}
$_->{run}->kill_kill foreach @callers;

# What the server itself says, while it makes a statement, of functions, types and
# the row types of functions that go is not ours to change: the backtrace tells.
my %seen;
foreach my $caller (@callers)
{
	my $errors = slurp_file($caller->{err});
	$seen{$1 =~ s/OID \d+/OID N/gr}++ while $errors =~ /^psql:[^ ]* (?:ERROR|FATAL|PANIC):  (.*)$/mg;
}
note("$seen{$_}  $_") foreach sort keys %seen;
my $servers_own = qr/^XX000: (cache lookup failed for (function|type) |could not open relation with OID|tuple concurrently (updated|deleted))/;
my @bad = grep { /^XX/ && !/$servers_own/ } sort keys %seen;
is(join("\n", @bad), '', 'callers get clear errors');
my @ours = grep { /researcharr\.so/ } slurp_file($node->logfile) =~ /could not open relation with OID \d+\n[^\n]*BACKTRACE:(.*?)\n\d/gs;
is(join("\n", @ours), '', 'no function of ours opens a table that is gone');
my @told = grep { /^(42P01|42883)/ } keys %seen;
isnt(scalar @told, 0, 'callers were there when the extension was not');
is($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = \'client backend\''), 1, 'callers are gone');
is(sql("SELECT researcharr.job_enqueue('$film', 'search') IS NOT NULL"), 't', 'it works in the end');

# The table is replaced while a call waits for its lock.  A column of the new table
# has the place of a column that the old one had dropped.
sql('ALTER TABLE researcharr.processing_history ADD COLUMN gone int;
	ALTER TABLE researcharr.processing_history DROP COLUMN gone');
my $owner = $node->background_psql('postgres', on_error_die => 1);
my $caller = $node->background_psql('postgres', on_error_stop => 0);
my $call = 'SELECT * FROM researcharr.history_get_all()';
my $pid = $caller->query_safe('SELECT pg_backend_pid()');
$caller->query_safe($call);
$owner->query_safe("BEGIN; DROP EXTENSION researcharr; $create
	ALTER TABLE researcharr.processing_history ADD COLUMN other int");
$caller->query_until(qr/called/, "\\echo called\n$call;\n");
ok(within(60, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)"), 'a call waits for the table');
$owner->query_safe('COMMIT');
$caller->query('SELECT 1');
like($caller->{stderr}, qr/changed while the statement ran\n[^\n]*DETAIL:  The table was dropped and created again, and now has a column 8, "other"/,
	'a call that met a new table says so');
$_->quit foreach $owner, $caller;

$node->stop;
done_testing();
