# 081_schedule_restart.pl: the schedule over restarts, crashes, failovers and
# dumps.
#
#  1. Due times that passed while the server was down are caught up once, or
#     skipped, as the entry says.
#  2. kill -9 in the midst of runs: no due time is started twice, and what was
#     cut off is recorded.  What a run does is seen outside of the database, and
#     commits are asynchronous but for those of the schedule.
#  3. The same when a synchronous standby is promoted instead.
#  4. Dumps have entries and ended runs, but nothing that a restore would run or
#     repeat.  In another cluster the owner's name counts, once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes;

my $effects = PostgreSQL::Test::Utils::tempdir() . '/effects';
my $node = new_node('primary', "$preload
max_worker_processes = 16
researcharr.max_workers = 6
researcharr.schedule_max_runs = 4
synchronous_commit = off
wal_writer_delay = 10s
restart_after_crash = on
", allows_streaming => 1);
create_extension();
sql(q{SELECT researcharr.schedule_pause('health_check')});	# each minute

# Calls a query until it returns t, also while the server restarts
sub comes
{
	my ($server, $query) = @_;

	return $server->poll_query_until('postgres', $query);
}

# 1.
sql(q{ALTER SYSTEM SET researcharr.worker = off});
$node->restart;
sql(q{
	CREATE FUNCTION public.daily(hours int) RETURNS text LANGUAGE sql AS
		$$ SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' - make_interval(hours => hours), '"0" FMHH24 "* * *"') $$;
	SELECT researcharr.schedule_set('catches up', public.daily(2), 'sql', '{"sql": "SELECT 1"}'),
		researcharr.schedule_set('skips', public.daily(2), 'sql', '{"sql": "SELECT 1"}', catch_up => false),
		researcharr.schedule_set('paused', public.daily(2), 'sql', '{"sql": "SELECT 1"}'),
		researcharr.schedule_set('not missed', public.daily(2), 'sql', '{"sql": "SELECT 1"}');
	SELECT researcharr.schedule_pause('paused');
	UPDATE researcharr.schedule_state SET handled_until = clock_timestamp() - interval '10 days' WHERE name <> 'not missed'});
sql(q{ALTER SYSTEM RESET researcharr.worker});
$node->restart;
ok( within(120, q{SELECT count(*) = 2 FROM researcharr.schedule_runs WHERE finished_at IS NOT NULL}),
	'what was missed is handled after a restart');
is( sql(q{SELECT name, status, reason, due_at > clock_timestamp() - interval '4 hours', started_at IS NULL, error
		FROM researcharr.schedule_runs ORDER BY name}),
	"catches up|succeeded|catch-up|t|f|\nskips|skipped|schedule|t|t|it was missed, and the entry does not catch up",
	'ten missed days are caught up once, or skipped');
is(sql(q{SELECT count(*) FROM researcharr.schedule_list() WHERE next_due < clock_timestamp()}), '0', 'nothing is due');
$node->restart;
sql(q{SELECT researcharr.schedule_resume('paused')});
is(sql(q{SELECT count(*) FROM researcharr.schedule_runs}), '2', 'a second restart repeats nothing, nor does the end of a pause');
sql(q{SELECT researcharr.schedule_drop(name) FROM researcharr.schedule_list() WHERE NOT built_in; DELETE FROM researcharr.schedule_log});

# 2.
# Entries whose runs append their due time to a file, and take a while
sub start_entries
{
	sql(qq{SELECT researcharr.schedule_set('entry ' || n, '* * * * * *', 'sql', jsonb_build_object('sql',
		format('COPY (SELECT entry, due_at FROM researcharr.schedule_log WHERE entry = %L AND status = %L)'
			|| ' TO PROGRAM %L; SELECT pg_sleep(0.2)', 'entry ' || n, 'running', 'cat >>$effects')))
		FROM generate_series(1, 2) n});
	return;
}

sub lines_of_effects
{
	return 0 unless -e $effects;
	my $n = () = slurp_file($effects) =~ /\n/g;
	return $n;
}

# Waits until so many more effects are there
sub more_effects
{
	my ($n) = @_;
	my $before = lines_of_effects();

	foreach (1 .. 1200)
	{
		return 1 if lines_of_effects() >= $before + $n;
		Time::HiRes::usleep(100_000);
	}
	return 0;
}

# Kills the server, and waits until its main process is gone
sub kill_server
{
	my $pid = $node->{_pid};

	$node->kill9;
	foreach (1 .. 600)
	{
		return unless kill 0, $pid;
		Time::HiRes::usleep(100_000);
	}
	die 'it does not die';
}

# Starts the server once the other processes of the one that was killed are gone
sub start_again
{
	foreach (1 .. 600)
	{
		return if $node->start(fail_ok => 1);
		Time::HiRes::usleep(100_000);
	}
	die 'no restart';
}

sub twice
{
	my %times;

	$times{$_}++ foreach split /\n/, slurp_file($effects);
	return join ' ', grep { $times{$_} > 1 } sort keys %times;
}

start_entries();
ok(more_effects(3), 'entries run');
foreach my $round (1 .. 3)
{
	kill_server();
	start_again();
	ok(more_effects(3), "entries run after kill -9, $round");
}
foreach my $round (1 .. 3)
{
	comes($node, q{SELECT count(*) > 0 FROM researcharr.schedule_log WHERE status = 'running'});
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM researcharr.schedule_log WHERE status = 'running' ORDER BY id LIMIT 1});
	kill 'KILL', $pid if $pid;
	comes($node, 'SELECT true');
	ok(more_effects(3), "entries run after the crash of a run, $round");
}
is(twice(), '', 'no due time was started twice');
sql(q{SELECT researcharr.schedule_pause(name) FROM researcharr.schedule_list() WHERE NOT built_in});
ok(within(120, 'SELECT count(*) = 0 FROM researcharr.schedule_runs WHERE finished_at IS NULL'), 'every run has an end');
is(sql(q{SELECT count(*) - count(DISTINCT (name, due_at)) FROM researcharr.schedule_runs}), '0', 'and a due time of its own');
ok(sql(q{SELECT count(*) > 0 FROM researcharr.schedule_runs WHERE status = 'interrupted'}) eq 't', 'what was cut off is recorded');

# 3.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "primary_conninfo = '" . $node->connstr . " application_name=standby'");
$standby->start;
reload(synchronous_standby_names => 'standby');
ok(within(120, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'}), 'a synchronous standby');
start_entries();
ok(more_effects(4), 'entries run on the primary');
kill_server();
$standby->promote;
$standby->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()});
ok(more_effects(4), 'entries run on the promoted standby');
is(twice(), '', 'no due time was started twice');
use_node($standby);
sql(q{SELECT researcharr.schedule_pause(name) FROM researcharr.schedule_list() WHERE NOT built_in});
ok(within(120, 'SELECT count(*) = 0 FROM researcharr.schedule_runs WHERE finished_at IS NULL'), 'every run has an end');

# 4.
sql(q{
	CREATE ROLE app LOGIN;
	GRANT USAGE ON SCHEMA researcharr TO app;
	GRANT EXECUTE ON FUNCTION researcharr.schedule_set, researcharr.schedule_run TO app;
	SET ROLE app;
	SELECT researcharr.schedule_set('of app', '0 0 29 2 *', 'sql', '{"sql": "SELECT current_user"}', 'Europe/Berlin', false);
	RESET ROLE;
	ALTER SYSTEM SET researcharr.worker = off});
$standby->restart;
sql(q{SELECT researcharr.schedule_run('of app')});
my $listed = q{SELECT name, cron, zone, command, arguments, catch_up, owner, built_in, status FROM researcharr.schedule_list() ORDER BY name};
my $entries = sql($listed);
my $ended = sql('SELECT count(*) FROM researcharr.schedule_runs WHERE finished_at IS NOT NULL');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$standby->command_ok([ 'pg_dump', '-d', $standby->connstr('postgres'), '-f', $dump ], 'a dump');
$standby->stop;
my $other = new_node('other', "$preload
researcharr.worker = off
");
sql('CREATE ROLE app LOGIN; CREATE DATABASE restored');
$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $other->connstr('restored'), '-f', $dump ], 'is restored');
is(sql($listed, 'restored'), $entries, 'the entries are those that were');
is( sql(q{SELECT count(*) FILTER (WHERE finished_at IS NOT NULL), count(*) FILTER (WHERE finished_at IS NULL) FROM researcharr.schedule_runs}, 'restored'),
	"$ended|0", 'and the ended runs, and no other');
sql('ALTER SYSTEM SET researcharr.worker = on; SELECT pg_reload_conf()');
ok( within(120, q{SELECT system_identifier <> 0 AND owner_id = 'app'::regrole FROM researcharr.schedule_entries WHERE name = 'of app'
		AND system_identifier = (SELECT system_identifier FROM pg_control_system())}, 'restored'),
	'the owner by name is the owner');
my $run = sql(q{SELECT researcharr.schedule_run('of app')}, 'restored');
ok(within(120, "SELECT finished_at IS NOT NULL FROM researcharr.schedule_runs WHERE id = '$run'", 'restored'), 'it runs');
is(sql("SELECT status, result FROM researcharr.schedule_runs WHERE id = '$run'", 'restored'), 'succeeded|SELECT 1', 'as before');
sql('REASSIGN OWNED BY app TO current_user; DROP OWNED BY app', 'restored');
sql('DROP ROLE app; CREATE ROLE app LOGIN');
is( sql(q{SELECT status, problem FROM researcharr.schedule_list() WHERE name = 'of app'}, 'restored'),
	'broken|its owner, role "app", was dropped', 'a later role of its name is not');
$other->stop;
done_testing();
