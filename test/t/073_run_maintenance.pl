# 073_run_maintenance.pl: maintenance by hand, without preload.
#
#  1. It does what is due, and commits after each task.
#  2. A task that fails does not stop the others, and the call fails at its end.
#  3. It is refused where it cannot commit.
#  4. A trigger that is committed while a task waits for a lock does not run.
#  5. The owner of a table can have put nulls into it.
#  6. Partitions of the logs stay as they are while a backup is restored.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('by_hand', "shared_preload_libraries = ''\nresearcharr.rescue_delay = 0\nresearcharr.maintenance_lock_timeout = 60s\n");
create_extension();
my $maintenance = 'CALL researcharr.run_maintenance()';

# 1.
sql("INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT $media, 'search' FROM generate_series(1, 1200);
	SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 700, lease => '1 us');
	INSERT INTO researcharr.cache_entries (key, value, expiry) SELECT n, '', now() FROM generate_series(1, 2500) n");
sql($maintenance);
is(sql("SELECT status, retry_count, count(*) FROM researcharr.processing_jobs GROUP BY 1, 2 ORDER BY 2"),
	"queued|0|500\nqueued|1|700", 'lapses are recorded');
is(sql("SELECT count(*) FROM researcharr.processing_history WHERE action = 'lapsed'"), 700, 'each once');
is(sql('SELECT count(*) FROM researcharr.cache_entries'), 0, 'expired rows are gone');
refused('postgres', 'SELECT * FROM researcharr.worker_status()', 'RA005', 'there is no background worker', 'worker_status');

# 2.
sql("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'no' USING ERRCODE = 'XX123'; END \$\$;
	CREATE TRIGGER fail BEFORE UPDATE ON researcharr.processing_jobs FOR EACH STATEMENT EXECUTE FUNCTION fail();
	SELECT count(*) FROM researcharr.job_dequeue(max_jobs => 2, lease => '1 us');
	ALTER TABLE researcharr.processing_jobs RENAME COLUMN worker TO workman;
	INSERT INTO researcharr.cache_entries (key, value, expiry) VALUES ('a', '', now())");
my $error = refused('postgres', $maintenance, '55000', '1 of \d+ maintenance tasks failed', 'a round in which a task fails');
like($error, qr/WARNING:  \w+: maintenance task "lease_rescue" failed/, 'it says which');
is(sql('SELECT count(*) FROM researcharr.cache_entries'), 0, 'the others have done their work');
sql('DROP TRIGGER fail ON researcharr.processing_jobs;
	ALTER TABLE researcharr.processing_jobs RENAME COLUMN workman TO worker');

# a job that a rule refuses does not stop the others
my $bad = sql("SELECT id FROM researcharr.processing_jobs WHERE status = 'running' LIMIT 1");
sql("ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT mine CHECK (id <> '$bad' OR status = 'running')");
sql($maintenance);
is(sql("SELECT id FROM researcharr.processing_jobs WHERE status = 'running'"), $bad, 'a job that a rule refuses does not stop others');
like(slurp_file($node->logfile), qr/the lapsed lease of job $bad cannot be recorded: /, 'and is in the log');

# 3.
refused('postgres', "BEGIN; $maintenance", '25001', '', 'a call in a transaction block');
refused('postgres', "DO 'BEGIN $maintenance; EXCEPTION WHEN division_by_zero THEN NULL; END'", '25001', '', 'one in a subtransaction');
sql('CREATE ROLE nobody; GRANT USAGE ON SCHEMA researcharr TO nobody');
refused('postgres', "SET ROLE nobody; $maintenance", '42501', '', 'one without EXECUTE');
sql("DO '$maintenance'" =~ s/DO '(.*)'/DO 'BEGIN $1; END'/r);
pass('a call by a DO block works');

# 4.
my $db = new_db();
create_extension($db);
sql("CREATE ROLE mallory; GRANT USAGE ON SCHEMA researcharr TO mallory; GRANT ALL ON SCHEMA public TO mallory;
	GRANT TRIGGER ON researcharr.processing_history_default TO mallory;
	SET ROLE mallory;
	CREATE TABLE public.loot (who text);
	CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN INSERT INTO public.loot VALUES (current_user); RETURN OLD; END \$\$;
	RESET ROLE;
	GRANT ALL ON public.loot TO PUBLIC;
	SELECT researcharr.job_cancel(researcharr.job_enqueue($media, 'search'))", $db);
my $reader = $node->background_psql($db);
$reader->query_safe('BEGIN; LOCK TABLE ONLY researcharr.processing_history IN ACCESS SHARE MODE');
my $call = in_background($maintenance, $db);
ok(within(30, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'researcharr.processing_history'::regclass
	AND mode = 'AccessExclusiveLock' AND NOT granted", $db), 'a task waits for the lock');
sql('SET ROLE mallory; CREATE TRIGGER steal BEFORE DELETE ON researcharr.processing_history_default
	FOR EACH ROW EXECUTE FUNCTION public.steal()', $db);
$reader->query_safe('COMMIT');
$reader->quit;
$call->{run}->finish;
like($call->{err}, qr/maintenance does not write to table "processing_history_default", because of trigger "steal"/, 'and then refuses');
is(sql('SELECT count(*) FROM public.loot', $db), 0, 'no code of another role has run');

# 5.
foreach (
	[ 'retention_rules', 'target', 'retention_list()' ],
	[ 'schedule_entries', 'name', 'schedule_list()' ],
	[ 'schedule_state', 'name', 'schedule_list()' ],
	[ 'schedule_log', 'id', 'schedule_list()' ],
	[ 'schedule_log', 'entry', 'schedule_list()' ])
{
	my ($table, $column, $function) = @$_;

	$db = new_db();
	create_extension($db);
	sql("SELECT researcharr.retention_set('history', '1 day'); SELECT researcharr.schedule_set('x', '\@yearly', 'sql', '{\"sql\": \"SELECT 1\"}');
		INSERT INTO researcharr.schedule_state (name, handled_until) VALUES ('y', now());
		SELECT researcharr.schedule_run('x');
		ALTER TABLE researcharr.$table DROP CONSTRAINT IF EXISTS ${table}_pkey;
		ALTER TABLE researcharr.$table ALTER COLUMN $column DROP NOT NULL;
		UPDATE researcharr.$table SET $column = NULL;
		SELECT count(*) FROM researcharr.$function", $db);
	$node->psql($db, $maintenance);
	pass("a null in $table.$column");
}

# 6.
$db = new_db();
create_extension($db);
my $partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'researcharr.audit_log'::regclass";
$reader = $node->background_psql($db);
$reader->query_safe('BEGIN; LOCK TABLE researcharr.retention_rules IN EXCLUSIVE MODE');
$node->psql($db, $maintenance);
is(sql($partitions, $db), 1, 'beside the lock of a restore no partition is made');
$reader->query_safe('COMMIT');
$reader->quit;
sql($maintenance, $db);
cmp_ok(sql($partitions, $db), '>', 1, 'afterwards they are');

unlike(slurp_file($node->logfile), qr/was terminated by signal|you don't own a lock/, 'the server goes on, and nothing strange is in its log');
$node->stop;
done_testing();
