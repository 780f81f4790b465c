# 080_schedule.pl: the schedule runs entries when they are due.
#
#  1. As their owners, in the process of a login: what is due, by hand, and what
#     an owner may not do.
#  2. Runs never overlap, and each due time is started once.
#  3. Jobs: one media, those that pass filters; once for each due time.
#  4. SQL that fails, hangs, catches its cancel, commits, ends its transaction,
#     leaves one open, or needs to be outside of one.
#  5. An owner that was dropped, that may not log in any more, or whose
#     settings are in the way.
#  6. Idle and paused entries do not run.  The log is bounded.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('schedule', "$preload
max_worker_processes = 16
researcharr.max_workers = 8
researcharr.schedule_max_runs = 6
log_min_messages = info
");
create_extension();
sql(q{
	CREATE ROLE app LOGIN;
	GRANT USAGE ON SCHEMA researcharr TO app;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO app;
	GRANT SELECT ON researcharr.media TO app;
	CREATE TABLE public.marks (n serial, what text, who text DEFAULT current_user, login text DEFAULT session_user,
		at timestamptz DEFAULT clock_timestamp());
	GRANT INSERT, SELECT ON public.marks TO app;
	GRANT USAGE ON SEQUENCE public.marks_n_seq TO app;
	CREATE TABLE public.secret (x int)});

sub as_app { return sql("SET ROLE app; $_[0]") }

# Sets an entry of app's that runs this SQL
sub entry
{
	my ($name, $cron, $sql) = @_;

	return as_app("SELECT researcharr.schedule_set('$name', '$cron', 'sql', jsonb_build_object('sql', \$sql\$$sql\$sql\$))");
}

# Runs an entry by hand, and waits for the run's end.  Returns its status, result and error.
sub run_once
{
	my ($name) = @_;
	my $id = sql("SELECT researcharr.schedule_run('$name')");

	within(120, "SELECT finished_at IS NOT NULL FROM researcharr.schedule_runs WHERE id = '$id'")
	  or diag("$name does not end: " . sql('SELECT * FROM researcharr.schedule_runs'));
	return sql("SELECT concat_ws('|', status, result, error) FROM researcharr.schedule_runs WHERE id = '$id'");
}

# An entry that is due once in a century, to be run by hand
my $never = '0 0 29 2 *';

# 1.
entry('mark', '* * * * * *', q{INSERT INTO public.marks (what) VALUES ('due')});
ok(within(120, "SELECT count(*) >= 2 FROM researcharr.schedule_runs WHERE name = 'mark' AND status = 'succeeded'"),
	'it runs when it is due');
is(sql("SELECT DISTINCT concat_ws('|', what, who, login) FROM public.marks"), 'due|app|app', 'as its owner, who is logged in');
is( sql(q{SELECT DISTINCT concat_ws('|', command, owner, result, error, reason IN ('schedule', 'catch-up'),
		started_at >= due_at, duration >= '0') FROM researcharr.schedule_runs WHERE name = 'mark' AND status = 'succeeded'}),
	'sql|app|INSERT 1|t|t|t', 'the run is recorded');
as_app(q{SELECT researcharr.schedule_drop('mark')});

entry('peek', $never, 'SELECT * FROM public.secret');
like(run_once('peek'), qr/^failed\|42501: permission denied for table secret/, 'it may not do more than its owner');
entry('rise', $never, 'SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; SELECT * FROM public.secret');
like(run_once('rise'), qr/^failed\|42501: permission denied for table secret/, 'the session user is the owner');
entry('set role', $never, 'SET ROLE postgres');
my $superuser = sql('SELECT current_user');
entry('set role', $never, "SET ROLE $superuser");
like(run_once('set role'), qr/^failed\|42501: permission denied to set role/, 'nor take on another role');
entry('log', $never, 'UPDATE researcharr.schedule_log SET status = status');
like(run_once('log'), qr/^failed\|42501/, 'nor write the log');

# 2.
entry('slow', '* * * * * *', q{INSERT INTO public.marks (what) VALUES ('begin'); COMMIT;
	SELECT pg_sleep(2.5); INSERT INTO public.marks (what) VALUES ('end')});
ok(within(120, "SELECT count(*) >= 3 FROM public.marks WHERE what = 'end'"), 'one that is due more often than it ends');
as_app(q{SELECT researcharr.schedule_drop('slow')});
ok(within(120, "SELECT count(*) = 0 FROM researcharr.schedule_runs WHERE finished_at IS NULL"), 'the last run ends');
is(sql(q{SELECT string_agg(left(what, 1), '' ORDER BY n) ~ '^(be)+$' FROM public.marks WHERE what IN ('begin', 'end')}),
	't', 'runs do not overlap');
is(sql(q{SELECT count(*) - count(DISTINCT due_at) FROM researcharr.schedule_runs WHERE name = 'slow' AND due_at IS NOT NULL}),
	'0', 'no due time has two runs');

# 3.
sql(q{INSERT INTO researcharr.media (title, type) SELECT 'many', 'movie' FROM generate_series(1, 3)});
as_app("SELECT researcharr.schedule_set('one', '$never', 'enqueue', jsonb_build_object('media_id', $media, 'job_type', 'search', 'priority', 7))");
is(run_once('one'), 'succeeded|1 jobs', 'a job for one media');
is(sql('SELECT count(*) FROM researcharr.processing_jobs WHERE priority = 7'), '1', 'it is there');
as_app(qq{SELECT researcharr.schedule_set('all', '* * * * * *', 'enqueue',
	'{"filters": {"title": "many"}, "job_type": "verify", "metadata": {"by": "schedule"}}')});
ok(within(120, "SELECT count(*) >= 2 FROM researcharr.schedule_runs WHERE name = 'all' AND status = 'succeeded'"), 'jobs by filters');
as_app(q{SELECT researcharr.schedule_drop('all')});
ok(within(120, "SELECT count(*) = 0 FROM researcharr.schedule_runs WHERE finished_at IS NULL"), 'the last run ends');
is( sql(q{SELECT count(*) = 3 * (SELECT count(*) FROM researcharr.schedule_runs WHERE name = 'all' AND status = 'succeeded')
		AND count(*) = count(DISTINCT unique_key) AND count(DISTINCT metadata) = 1
		FROM researcharr.processing_jobs WHERE job_type = 'verify'}),
	't', 'a job for each media and due time');
as_app(qq{SELECT researcharr.schedule_set('none', '$never', 'enqueue', '{"filters": {"title": "no such"}, "job_type": "verify"}')});
is(run_once('none'), 'succeeded|0 jobs', 'no media');
sql(q{REVOKE EXECUTE ON FUNCTION researcharr.job_enqueue FROM app});
like(run_once('one'), qr/^failed\|42501: permission denied for function job_enqueue/, 'with the privileges of the owner');

# 4.
entry('fails', $never, 'SELECT 1/0');
is(run_once('fails'), 'failed|22012: division by zero', 'SQL that fails');
ok($node->log_contains(qr/division by zero.*scheduled run of entry "fails"/s), 'and is logged');
entry('two', $never, q{INSERT INTO public.marks (what) VALUES ('undone'); SELECT 1/0});
run_once('two');
is(sql("SELECT count(*) FROM public.marks WHERE what = 'undone'"), '0', 'statements are one transaction');
reload('researcharr.schedule_timeout' => '1s');
entry('hangs', $never, 'SELECT pg_sleep(1000)');
is(run_once('hangs'), 'failed|57014: canceling statement due to statement timeout', 'SQL that hangs');
entry('clings', $never, q{SET statement_timeout = 0; DO $$ BEGIN LOOP
	BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$});
like(run_once('clings'), qr/^interrupted\|the process that ran it ended/, 'SQL that catches its cancel');
reload('researcharr.schedule_timeout' => '1h');
entry('commits', $never, q{DO $$ BEGIN INSERT INTO public.marks (what) VALUES ('kept'); COMMIT;
	INSERT INTO public.marks (what) VALUES ('lost'); ROLLBACK; INSERT INTO public.marks (what) VALUES ('kept'); END $$});
is(run_once('commits'), 'succeeded|DO', 'SQL that commits');
is(sql("SELECT string_agg(what, ' ' ORDER BY n) FROM public.marks WHERE what IN ('kept', 'lost')"), 'kept kept', 'as it says');
entry('ends', $never, q{BEGIN; INSERT INTO public.marks (what) VALUES ('first'); ROLLBACK;
	INSERT INTO public.marks (what) VALUES ('second'); COMMIT; SELECT 1});
is(run_once('ends'), 'succeeded|SELECT 1', 'SQL that ends its transaction');
is(sql("SELECT string_agg(what, ' ' ORDER BY n) FROM public.marks WHERE what IN ('first', 'second')"), 'second', 'as it says');
entry('open', $never, q{BEGIN; INSERT INTO public.marks (what) VALUES ('open')});
like(run_once('open'), qr/^failed\|2D000: the statements left a transaction open/, 'SQL that leaves a transaction open');
is(sql("SELECT count(*) FROM public.marks WHERE what = 'open'"), '0', 'which is rolled back');
entry('vacuum', $never, 'VACUUM public.marks');
is(run_once('vacuum'), 'succeeded|VACUUM', 'SQL that must be outside of a transaction');
entry('quits', $never, 'SELECT pg_terminate_backend(pg_backend_pid())');
like(run_once('quits'), qr/^interrupted\|/, 'SQL that ends its process');

# 5.
sql(q{ALTER ROLE app SET default_transaction_read_only = on; ALTER ROLE app SET synchronous_commit = off;
	ALTER ROLE app SET default_transaction_isolation = serializable; ALTER ROLE app SET search_path = nowhere});
entry('settings', $never, q{SHOW transaction_read_only});
is(run_once('settings'), 'succeeded|SHOW', 'settings of the owner hold for its own SQL alone');
entry('settings', $never, q{INSERT INTO public.marks (what) VALUES ('no')});
like(run_once('settings'), qr/^failed\|25006/, 'and do hold there');
sql('ALTER ROLE app RESET ALL');
entry('due', '* * * * * *', 'SELECT 1');
ok(within(120, "SELECT count(*) >= 1 FROM researcharr.schedule_runs WHERE name = 'due' AND status = 'succeeded'"), 'an entry runs');
sql('ALTER ROLE app NOLOGIN');
ok( within(120, q{SELECT count(*) >= 2 FROM researcharr.schedule_runs WHERE name = 'due' AND status = 'failed'
		AND error = 'its owner, role "app", is not permitted to log in'}),
	'until its owner may not log in');
sql('ALTER ROLE app LOGIN; DROP OWNED BY app; DROP ROLE app; CREATE ROLE app LOGIN SUPERUSER');
ok( within(120, q{SELECT count(*) >= 2 FROM researcharr.schedule_runs WHERE name = 'due' AND status = 'failed'
		AND error = 'its owner, role "app", was dropped'}),
	'or was dropped, also if another role has the name');

# 6.
is(sql(q{SELECT count(*) FROM researcharr.schedule_runs WHERE name IN ('backup', 'backup_cleanup')}),
	'0', 'idle entries have no runs');
is(sql(q{SELECT researcharr.schedule_pause('due')}), 't', 'a pause');
ok(within(120, "SELECT count(*) = 0 FROM researcharr.schedule_runs WHERE finished_at IS NULL"), 'nothing waits');
my $before = sql(q{SELECT max(id::text) FROM researcharr.schedule_runs WHERE name = 'due'});
sql(q{SELECT researcharr.schedule_set('other', '* * * * * *', 'sql', '{"sql": "SELECT 1"}')});
ok(within(120, "SELECT count(*) >= 4 FROM researcharr.schedule_runs WHERE name = 'other' AND status = 'succeeded'"), 'others run');
is(sql(q{SELECT max(id::text) FROM researcharr.schedule_runs WHERE name = 'due'}), $before, 'a paused one does not');
reload('researcharr.schedule_keep_runs' => '2');
ok(within(120, "SELECT count(*) <= 3 FROM researcharr.schedule_runs WHERE name = 'other' AND finished_at IS NOT NULL"), 'the log is bounded');
ok($node->log_contains('PANIC|was terminated by signal') == 0, 'nothing crashed');
$node->stop;
done_testing();
