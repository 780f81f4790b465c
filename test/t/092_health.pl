# 092_health.pl: what makes each check of health_check() warn or fail, and what
# ends it.
#
#  1. The server: read-only state, thresholds that contradict each other,
#     connections, TLS, disks.
#  2. The queue: jobs that wait, failures, lapses, the agenda, the cache, slow
#     statements.
#  3. VACUUM: who holds it back, dead rows, wraparound.
#  4. Backups, the schedule, and the worker.
#  5. What is kept over a restart, what a reset of the statistics does, 10,000 job
#     types, a standby, and a server without preload.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('health', $preload . "researcharr.worker = off
autovacuum = off
max_connections = 12
superuser_reserved_connections = 2
wal_level = logical
max_prepared_transactions = 2
researcharr.agenda_types = 20
listen_addresses = '127.0.0.1'
", allows_streaming => 1);
create_extension();

# The status of a check, with these thresholds
sub status
{
	my ($check, %set) = @_;

	return sql(join('', map { "SET researcharr.health_$_ = '$set{$_}';" } sort keys %set)
		  . "SELECT h->'checks'->'$check'->>'status' FROM researcharr.health_check() h");
}

# A check's status becomes this, within a while: statistics are delayed
sub becomes
{
	my ($check, $status, $what, %set) = @_;

	return ok(within(30, join('', map { "SET researcharr.health_$_ = '$set{$_}';" } sort keys %set)
			. "SELECT h->'checks'->'$check'->>'status' = '$status' FROM researcharr.health_check() h"),
		"$check, $status: $what")
	  || diag(sql("SELECT h->'checks'->'$check' FROM researcharr.health_check() h"));
}

sub reason
{
	return sql("SELECT h->'checks'->'$_[0]'->>'reason' FROM researcharr.health_check() h");
}

# Sessions that do nothing, from this host
sub sessions
{
	my ($n, $host) = @_;

	return map {
		my $client = { in => "SELECT 1;\n", out => '', err => '' };
		local $ENV{PGAPPNAME} = 'idle';
		$client->{run} = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ($host ? " host=$host" : '') ],
			'<', \$client->{in}, '>', \$client->{out}, '2>', \$client->{err});
		$client->{run}->pump until $client->{out} =~ /1/ || !$client->{run}->pumpable;
		$client;
	} 1 .. $n;
}

sub end_session
{
	foreach (@_)
	{
		$_->{in} .= "\\q\n";
		$_->{run}->finish;
	}
	within(30, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'idle'");
	return;
}

# 1.
is(status('connection'), 'ok', 'connection, ok');
reload(default_transaction_read_only => 'on');
becomes('connection', 'error', 'nothing can be written');
reload(default_transaction_read_only => 'off');
becomes('connection', 'ok', 'it can again');

is(status('settings', connections_warning => 96), 'warning', 'settings, warning: a pair contradicts itself');
is(status('settings'), 'ok', 'settings, ok: it does not');

my @idle = sessions(4);
becomes('connections', 'warning', 'half are used', connections_warning => 50, connections_error => 80);
push @idle, sessions(3);
becomes('connections', 'error', 'nearly all are used', connections_warning => 50, connections_error => 80);
end_session(@idle);
becomes('connections', 'ok', 'few are used', connections_warning => 50, connections_error => 80);

is(status('tls', tls => 'all'), 'ok', 'tls, ok: sockets do not count');
@idle = sessions(1, '127.0.0.1');
becomes('tls', 'warning', 'a connection is not encrypted', tls => 'all');
is(status('tls', tls => $_), 'ok', "tls, ok: $_") foreach qw(remote off);
end_session(@idle);
becomes('tls', 'ok', 'it is closed', tls => 'all');

is(status('disk', disk_free_warning => 100, disk_free_error => -1), 'warning', 'disk, warning: too little is free');
is(status('disk', disk_free_error => 100), 'error', 'disk, error: much too little is');
is(status('disk', disk_free_warning => 0, disk_free_error => 0), 'ok', 'disk, ok: there is enough');
SKIP:
{
	skip 'backups are not in this version', 3
	  if sql("LOAD 'researcharr'; SELECT count(*) FROM pg_settings WHERE name = 'researcharr.backup_directory'") eq '0';
	$node->append_conf('postgresql.conf', "researcharr.backup_directory = '/nonexistent'\n");
	$node->restart;
	is(status('disk', disk_free_warning => 0, disk_free_error => 0), 'warning', 'disk, warning: no such directory');
	like(reason('disk'), qr/the backup directory cannot be examined: No such file/, 'it says so');
	$node->append_conf('postgresql.conf', "researcharr.backup_directory = ''\n");
	$node->restart;
	is(status('disk', disk_free_warning => 0, disk_free_error => 0), 'ok', 'disk, ok: none is set');
}

# 2.
my $waits = "SELECT researcharr.job_enqueue($media, 'search', available_at => now() -";
is(status('jobs'), 'ok', 'jobs, ok: none waits');
sql("$waits interval '20 min')");
is(status('jobs'), 'warning', 'jobs, warning: one has waited for long');
sql("$waits interval '2 h')");
is(status('jobs'), 'error', 'jobs, error: one has waited for very long');
like(reason('jobs'), qr/waited for 02:00/, 'it says how long');
sql("SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}', 10)");
is(status('jobs'), 'ok', 'jobs, ok: they are done');
is(sql("SELECT h->'checks'->'jobs'->'values'->>'counted_by' FROM researcharr.health_check() h"), '', 'nobody has counted them');
sql('SELECT * FROM researcharr.job_stats()');
is(sql("SELECT h->'checks'->'jobs'->'values'->'by_status'->>'completed' FROM researcharr.health_check() h"), '2', 'job_stats() has');

sub fail_jobs
{
	return sql("SELECT researcharr.job_enqueue($media, 'verify') FROM generate_series(1, $_[0]);
		SELECT count(f.id) FROM researcharr.job_dequeue('{verify}', $_[0]) j, researcharr.job_fail(j.id, j.attempt, 'broken', retry => false) f");
}
is(status('failures'), 'ok', 'failures, ok: none');
fail_jobs(10);
is(status('failures'), 'warning', 'failures, warning: ten');
fail_jobs(90);
is(status('failures'), 'error', 'failures, error: a hundred');
is(status('failures', failures_warning => 101, failures_error => -1), 'ok', 'failures, ok: so many are expected');
is(sql("SELECT h->'checks'->'failures'->'values'->>'last_hour' FROM researcharr.health_check() h"), '100', 'they are counted');
sql("BEGIN; SELECT researcharr.job_enqueue($media, 'verify') FROM generate_series(1, 5); ROLLBACK");
is(sql("SELECT h->'checks'->'throughput'->'values'->'last_hour'->>'enqueued' FROM researcharr.health_check() h"), '102',
	'what is rolled back is not');

is(status('lapses', lapses_warning => 1, lapses_error => 3), 'ok', 'lapses, ok: none');
sub lapse
{
	return sql("SELECT researcharr.job_enqueue($media, 'download') FROM generate_series(1, $_[0]);
		SELECT count(*) FROM researcharr.job_dequeue('{download}', $_[0], lease => '1 us');
		SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue('{download}', $_[0])");
}
lapse(1);
is(status('lapses', lapses_warning => 1, lapses_error => 3), 'warning', 'lapses, warning: one');
lapse(2);
is(status('lapses', lapses_warning => 1, lapses_error => 3), 'error', 'lapses, error: three');
is(status('lapses'), 'ok', 'lapses, ok: so many are expected');

is(status('cache', cache_hits_warning => 50, cache_hits_error => 10), 'ok', 'cache, ok: it has not been used');
sql("SELECT count(researcharr.cache_get_text('absent')) FROM generate_series(1, 2000)");
is(status('cache', cache_hits_warning => 50, cache_hits_error => -1), 'warning', 'cache, warning: nothing is found');
is(status('cache', cache_hits_error => 10), 'error', 'cache, error: that is too little');
is(status('cache'), 'ok', 'cache, ok: by default it does not matter');
sql('SELECT researcharr.cache_stats_reset()');
is(status('cache', cache_hits_warning => 50, cache_hits_error => 10), 'ok', 'cache, ok: it is counted anew');

sql("SELECT researcharr.record_slow_query('one', '2 s')");
is(status('slow_queries', slow_queries_warning => 1, slow_queries_error => 2), 'warning', 'slow_queries, warning: one');
sql("SELECT researcharr.record_slow_query('two', '2 s')");
is(status('slow_queries', slow_queries_warning => 1, slow_queries_error => 2), 'error', 'slow_queries, error: two');
sql('SELECT researcharr.slow_query_reset()');
is(status('slow_queries', slow_queries_warning => 1, slow_queries_error => 2), 'ok', 'slow_queries, ok: they are forgotten');

# the tables that grow without a rule of retention
is(status('retention', kept_rows_warning => 1), 'ok', 'retention, ok: there are no estimates yet');
sql('VACUUM ANALYZE researcharr.processing_jobs; ANALYZE researcharr.processing_history; ANALYZE researcharr.audit_log');
is(status('retention'), 'ok', 'retention, ok: there are few rows');
is(status('retention', kept_rows_warning => 1), 'warning', 'retention, warning: there are many');
is(status('retention', kept_rows_error => 1), 'error', 'retention, error: there are very many');
like(reason('retention'), qr/call retention_set\(\): .*\bhistory \(about \d+ rows\)/, 'it names history');
like(reason('retention'), qr/\bcompleted_jobs \(about \d+ rows\)/, 'and finished jobs');
sql("SELECT researcharr.retention_set('history', '1 year'), researcharr.retention_set('completed_jobs', '1 year')");
unlike(reason('retention'), qr/history|completed_jobs/, 'not those that have a rule');
sql("SELECT researcharr.retention_set(target, '1 year') FROM unnest('{audit,failed_jobs,cancelled_jobs}'::text[]) target");
is(status('retention', kept_rows_warning => 0, kept_rows_error => 1), 'warning', 'no rows are left without a rule');
is(reason('retention'), 'no table grows without a rule of retention', 'it says so');
sql("SELECT researcharr.retention_set(target, NULL) FROM researcharr.retention_list()");

# 3.
my %strict = (horizon_age_warning => 0, horizon_age_error => -1, horizon_xids_warning => -1, horizon_xids_error => 5);
is(status('horizon', %strict), 'ok', 'horizon, ok: nobody');
my ($old) = sessions(1);
$old->{in} .= "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class;\n";
$old->{run}->pump until $old->{out} =~ /\d{3}/;
becomes('horizon', 'warning', 'a session has an old snapshot', %strict);
like(reason('horizon'), qr/session \(pid \d+, user \S+, application idle, .*\) holds back VACUUM since \d{4}-/, 'it says who, and since when');
sql('SELECT pg_current_xact_id()') foreach 1 .. 6;
becomes('horizon', 'error', 'for many transactions', %strict);
end_session($old);
becomes('horizon', 'ok', 'it is gone', %strict);
sql("BEGIN; CREATE TABLE public.t (); PREPARE TRANSACTION 'forgotten'");
becomes('horizon', 'warning', 'a prepared transaction', %strict, horizon_xids_error => -1);
like(reason('horizon'), qr/prepared transaction \(forgotten\)/, 'it says which');
sql("ROLLBACK PREPARED 'forgotten'");
is(status('horizon', %strict), 'ok', 'horizon, ok: it is rolled back');
sql("SELECT pg_create_logical_replication_slot('lost', 'test_decoding')");
sql('SELECT pg_current_xact_id()') foreach 1 .. 6;
is(status('horizon', %strict), 'error', 'horizon, error: a slot');
like(reason('horizon'), qr/replication slot \(lost\)/, 'it says which');
sql("SELECT pg_drop_replication_slot('lost')");
is(status('horizon', %strict), 'ok', 'horizon, ok: it is dropped');

is(status('dead_rows'), 'ok', 'dead_rows, ok: none');
sql("INSERT INTO researcharr.cache_entries (key, value) SELECT n, '' FROM generate_series(1, 10000) n;
	DELETE FROM researcharr.cache_entries WHERE key::int <= 6000");
becomes('dead_rows', 'warning', 'more than half of a table');
like(reason('dead_rows'), qr/60 % of the rows of cache_entries are dead/, 'it says of which');
sql("DELETE FROM researcharr.cache_entries WHERE key::int <= 9900");
becomes('dead_rows', 'error', 'nearly all');
sql('VACUUM researcharr.cache_entries');
becomes('dead_rows', 'ok', 'VACUUM has removed them');

is(status('wraparound'), 'ok', 'wraparound, ok');
is(status('wraparound', wraparound_warning => 1, wraparound_error => -1), 'warning', 'wraparound, warning: it is near');
is(status('wraparound', wraparound_error => 1), 'error', 'wraparound, error: it is very near');

# 4.  A table of another shape stands in for the backups, so that it need not be
# known what else the real one has.
my $db = new_db('CREATE EXTENSION researcharr CASCADE');
sql('ALTER TABLE IF EXISTS researcharr.backups RENAME TO other_backups', $db);
my $backup = sub {
	sql("SELECT h->'checks'->'backup'->>'status' FROM researcharr.health_check() h", $db);
};
is($backup->(), 'not_available', 'backup, not available: there is no such table');
sql('CREATE TABLE researcharr.backups (name text, created_at timestamptz, verified_at timestamptz, verify_error text,
	archived_at timestamptz, archive_error text)', $db);
is($backup->(), 'warning', 'backup, warning: there is none');
sql("INSERT INTO researcharr.backups VALUES ('a', now() - interval '8 days', now())", $db);
is($backup->(), 'error', 'backup, error: the last one is old');
sql("INSERT INTO researcharr.backups VALUES ('b', now() - interval '2 days', now())", $db);
is($backup->(), 'warning', 'backup, warning: that one is too');
sql("INSERT INTO researcharr.backups VALUES ('c', now() - interval '2 s', now())", $db);
is($backup->(), 'ok', 'backup, ok: a new one');
sql("INSERT INTO researcharr.backups VALUES ('d', now() - interval '1 s', NULL, 'bad sum')", $db);
is($backup->(), 'warning', 'backup, warning: the newest is wrong');
sql("DELETE FROM researcharr.backups WHERE name = 'd'; UPDATE researcharr.backups SET archive_error = 'no space' WHERE name = 'c'", $db);
is($backup->(), 'warning', 'backup, warning: it is not archived');
sql("UPDATE researcharr.backups SET archive_error = NULL", $db);
is($backup->(), 'ok', 'backup, ok: now it is');

is(status('schedule'), 'ok', 'schedule, ok');
sql("SELECT researcharr.schedule_set('mine', '0 0 * * *', 'sql', '{\"sql\": \"SELECT 1\"}');
	INSERT INTO researcharr.schedule_state VALUES ('mine', now() - interval '2 days')
	ON CONFLICT (name) DO UPDATE SET handled_until = excluded.handled_until");
is(status('schedule', schedule_delay_error => -1), 'warning', 'schedule, warning: an entry is late');
is(status('schedule', schedule_delay_error => 300), 'error', 'schedule, error: very late');
sql("SELECT researcharr.schedule_drop('mine')");
is(status('schedule'), 'ok', 'schedule, ok: it is dropped');
my $run = "INSERT INTO researcharr.schedule_log (entry, command, owner, reason, status, finished_at) VALUES ('health_check', 'health_check', 'x', 'manual',";
sql("$run 'failed', now())");
is(status('schedule'), 'warning', 'schedule, warning: a run failed');
sql("$run 'succeeded', now())");
is(status('schedule'), 'ok', 'schedule, ok: the next one did not');

is(status('worker'), 'warning', 'worker, warning: it is off');
reload('researcharr.worker' => 'on');
becomes('worker', 'ok', 'it is on');
sql("CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'no'; END \$\$;
	CREATE TRIGGER fail BEFORE DELETE ON researcharr.cache_entries FOR EACH ROW EXECUTE FUNCTION public.fail();
	INSERT INTO researcharr.cache_entries (key, value, expiry) VALUES ('old', '', now() - interval '1 s'); DROP SCHEMA IF EXISTS nothing");
becomes('worker', 'warning', 'a task fails');
like(reason('worker'), qr/maintenance task "cache_expiry" fails: P0001: no/, 'it says which, and why');
becomes('worker', 'error', 'a task is late', worker_delay_error => 0);
sql('DROP TRIGGER fail ON researcharr.cache_entries');
becomes('worker', 'ok', 'it succeeds');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'researcharr launcher'");
becomes('worker', 'error', 'the launcher does not run');
becomes('worker', 'ok', 'it is started anew');

# 5.  The scheduled check keeps the figures.
sql("SELECT researcharr.schedule_run('health_check')");
ok(within(60, "SELECT status = 'succeeded' AND result ~ '^(warning|unhealthy);' FROM researcharr.schedule_runs
	WHERE name = 'health_check' AND command = 'health_check' AND owner <> 'x' ORDER BY finished_at DESC LIMIT 1"), 'the scheduled check says what it found');
reload('researcharr.worker' => 'off');
sql("TRUNCATE researcharr.health_minutes;
	INSERT INTO researcharr.health_minutes SELECT t, t + interval '1 min', 0, 0, 7, 0, 1, 0, 0, 0, NULL, 1000
	FROM generate_series(now() - interval '30 h', now() - interval '2 min', interval '1 min') t");
$node->restart;
is(status('failures', failures_warning => 40, failures_error => -1), 'warning', 'after a restart, figures come from the table');
cmp_ok(sql("SELECT h->'checks'->'throughput'->'values'->'last_day'->>'completed' FROM researcharr.health_check() h"), '>', 9900,
	'of the last day');

sql('ANALYZE researcharr.media; SELECT pg_stat_reset()');
becomes('throughput', 'ok', 'the statistics were reset');
isnt(status('dead_rows'), 'not_available', 'dead_rows too');

sql("INSERT INTO researcharr.job_types (name) SELECT 'type ' || n FROM generate_series(1, 10000) n;
	SELECT researcharr.job_enqueue($media, 'type ' || n) FROM generate_series(1, 10000, 100) n;
	SELECT count(*) FROM researcharr.job_dequeue(NULL, 5)");
is(status('agenda'), 'warning', 'agenda, warning: it is full');
is(status('jobs'), 'ok', 'jobs, ok: 10,000 types');
cmp_ok(sql('SELECT length(researcharr.metrics())'), '<', 200_000, 'metrics() has a limit');
$node->append_conf('postgresql.conf', "researcharr.agenda_types = 200\n");
$node->restart;
sql("SELECT researcharr.job_enqueue($media, 'search')");
is(status('agenda'), 'ok', 'agenda, ok: there is room');

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1\n");
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT h->'checks'->'connection'->'values'->>'in_recovery' || ' ' || (h->'checks'->'worker'->>'status')
	FROM researcharr.health_check() h"), 'true not_available', 'a standby answers');
ok($standby->safe_psql('postgres', 'SELECT length(researcharr.metrics()) > 0 AND length(researcharr.report_html()) > 0'), 'with metrics and a report');
becomes('horizon', 'error', 'a standby', horizon_age_warning => -1, horizon_age_error => -1, horizon_xids_warning => -1, horizon_xids_error => 0);
like(reason('horizon'), qr/standby \(pid \d+, application standby\)/, 'it says which');
$standby->stop;
becomes('horizon', 'ok', 'it is stopped', horizon_age_warning => -1, horizon_age_error => -1, horizon_xids_warning => -1, horizon_xids_error => 0);

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(sql("SELECT string_agg(c.key, ' ' ORDER BY c.key) FROM jsonb_each(researcharr.health_check()->'checks') c
	WHERE c.value->>'status' = 'not_available' AND c.key <> 'backup'"), 'agenda cache failures lapses slow_queries throughput worker',
	'without preload some checks are not available');
$node->stop;
done_testing();
