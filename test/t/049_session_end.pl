# 049_session_end.pl: a session that ends hands its jobs back without waiting,
# without users' code and without an error (researcharr.bind_leases).
#
#  1. With users' rules on processing_jobs or the history: where the server
#     would run their code, or they could refuse the row, leases end later; the
#     session ends at once all the same, and its log has no error.
#  2. With locks that others hold.
#  3. With hundreds of partitions of the history and hardly any room for locks:
#     an append opens the partition that it writes to, and no other.
#  4. A worker that completes a job and claims the next in one call.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('session_end', q{
shared_preload_libraries = 'researcharr'
researcharr.worker = off
max_connections = 60
max_locks_per_transaction = 10
max_prepared_transactions = 0
autovacuum = off
});

create_extension();
sql(q{CREATE FUNCTION public.tell(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		IF current_setting('test.active', true) = 'on' THEN
			RAISE EXCEPTION 'user code at exit';
		END IF;
		RETURN true;
	END $$;
	CREATE FUNCTION public.now_and_then() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN public.tell(clock_timestamp()); END';
	CREATE FUNCTION public.in_sql() RETURNS boolean LANGUAGE sql AS 'SELECT public.tell(true)';
	CREATE DOMAIN public.told AS boolean DEFAULT public.tell(1);
	CREATE DOMAIN public.checked AS int CHECK (public.tell(VALUE));
	CREATE DOMAIN public.present AS int NOT NULL;
	CREATE TYPE public.pair AS (a public.checked);
	CREATE TYPE public.mood AS ENUM ('good');
	CREATE FUNCTION public.mood_json(public.mood) RETURNS json LANGUAGE sql AS 'SELECT to_json(public.tell(1))';
	CREATE CAST (public.mood AS json) WITH FUNCTION public.mood_json(public.mood);
	CREATE FUNCTION public.distance(int, int) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.tell(1); RETURN $1 - $2; END';
	CREATE TYPE public.span AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = public.distance);
	CREATE TABLE public.kept (job uuid REFERENCES researcharr.processing_jobs (id));
	CREATE TABLE public.jobs (id uuid PRIMARY KEY)});

# A session that has claimed n jobs, and its backend's pid
sub claim
{
	my ($n) = @_;
	my $session = $node->background_psql('postgres', on_error_die => 1);

	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe('SET researcharr.bind_leases = on');
	is($session->query_safe("SELECT count(*) FROM researcharr.job_dequeue(max_jobs => $n)"), $n, "$n claimed") if $n > 1;
	$session->query_safe("SELECT FROM researcharr.job_dequeue()") if $n == 1;
	$session->query_safe("SET test.active = 'on'");
	return ($session, $pid);
}

sub enqueue
{
	my ($n) = @_;

	sql("DELETE FROM public.kept; TRUNCATE researcharr.processing_jobs CASCADE;
		SELECT count(researcharr.job_enqueue($media, 'search'))
		FROM generate_series(1, $n)");
	return;
}

# Ends a session with two jobs; how many of them are queued again?
sub ends
{
	my ($name, $handed_back, $before_end) = @_;
	my ($session, $pid);
	my $log = -s $node->logfile;

	($session, $pid) = claim(2);
	$before_end->() if $before_end;
	is(sql("SELECT pg_terminate_backend($pid, 60000)"), 't', "$name: it ends at once");
	is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued' AND retry_count = 1"),
		$handed_back, "$name: $handed_back of 2 handed back");
	is(sql("SELECT count(*) FROM researcharr.processing_history h JOIN researcharr.processing_jobs j ON j.id = h.job_id
		WHERE h.action = 'lapsed' AND h.status = 'queued'"), $handed_back, "$name: as many on record");
	unlike(slurp_file($node->logfile, $log),
		qr/ERROR|WARNING|PANIC|FATAL:  (?!terminating connection due to administrator command)/, "$name: no error");
	eval { $session->quit };
	return;
}

# 1.
my @rules = (
	[ 'no rule', 2, '' ],
	[ 'a CHECK with a function', 0, 'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule CHECK (public.tell(status))' ],
	[ 'a CHECK without a function', 2, 'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule CHECK (retry_count < 5)' ],
	[ 'a CHECK that refuses a retry', 0, 'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule CHECK (retry_count < 1)' ],
	[ 'a generated column', 0, 'ALTER TABLE researcharr.processing_jobs ADD rule boolean GENERATED ALWAYS AS (public.tell(status)) STORED' ],
	[ 'a default with a function that may be evaluated at any time', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule boolean DEFAULT public.tell(true)' ],
	[ 'a default with another function', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule text DEFAULT public.now_and_then()' ],
	[ 'an index', 2, 'CREATE INDEX rule ON researcharr.processing_jobs (worker)' ],
	[ 'an index on a function', 0, 'CREATE INDEX rule ON researcharr.processing_jobs (public.tell(status))' ],
	[ 'an index with a function in its predicate', 0, 'CREATE INDEX rule ON researcharr.processing_jobs (status) WHERE public.tell(status)' ],
	[ 'a unique index', 0, 'CREATE UNIQUE INDEX rule ON researcharr.processing_jobs (id, status)' ],
	[ 'an exclusion constraint', 0, 'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule EXCLUDE (id WITH =)' ],
	[ 'a trigger', 0, 'CREATE TRIGGER rule BEFORE UPDATE ON researcharr.processing_jobs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()' ],
	[ 'a default with a function in SQL, whose body takes its place', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule boolean DEFAULT public.in_sql()' ],
	[ 'a default without a function of a user', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule timestamptz DEFAULT clock_timestamp()' ],
	[ 'a domain whose default has a function', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule public.told' ],
	[ 'a default of the history with a function', 0, 'ALTER TABLE researcharr.processing_history ADD rule boolean DEFAULT public.tell(1)' ],
	[ 'a column of the history that must have a value', 0, 'ALTER TABLE researcharr.processing_history ADD rule int NOT NULL' ],
	[ 'a column of the history with a default', 2, 'ALTER TABLE researcharr.processing_history ADD rule bigint NOT NULL DEFAULT 1' ],
	[ 'a default of the history that is volatile', 0, 'ALTER TABLE researcharr.processing_history ADD rule uuid DEFAULT gen_random_uuid()' ],
	[ 'a CHECK of the history', 0, 'ALTER TABLE researcharr.processing_history ADD CONSTRAINT rule CHECK (public.tell(action))' ],
	[ 'a CHECK of the history that refuses the row', 0, q{ALTER TABLE researcharr.processing_history ADD CONSTRAINT rule CHECK (action <> 'lapsed')} ],
	[ 'an index of the history on a function', 0, 'CREATE INDEX rule ON researcharr.processing_history (public.tell(action))' ],
	[ 'a unique index of the history with its id', 2, 'CREATE UNIQUE INDEX rule ON researcharr.processing_history_default (id, action)' ],
	[ 'a unique index of the history without it', 0, 'CREATE UNIQUE INDEX rule ON researcharr.processing_history_default (job_id)' ],
	[ 'a foreign key of the history', 0, 'ALTER TABLE researcharr.processing_history ADD CONSTRAINT rule FOREIGN KEY (job_id) REFERENCES public.jobs' ],
	[ 'a default that fails when it is compiled', 2, 'ALTER TABLE researcharr.processing_jobs ADD rule int, ALTER rule SET DEFAULT 1 / 0' ],
	[ 'a CHECK that can fail', 0, q{ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule CHECK (current_setting('app.tenant') <> '') NOT VALID} ],
	[ 'a CHECK that divides', 0, 'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule CHECK (10 / (1 - retry_count) > 0)' ],
	[ 'a CHECK of a list, a length and a time', 2, q{ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT rule
		CHECK (NOT (priority IN (-1, -2) OR length(status) < 2) AND available_at > '-infinity' AND worker IS NULL IS NOT NULL)} ],
	[ 'an index on an expression that can fail', 0, 'CREATE INDEX rule ON researcharr.processing_jobs ((10 / (1 - retry_count)))' ],
	[ 'an index with a predicate that can fail', 0, 'CREATE INDEX rule ON researcharr.processing_jobs (id) WHERE 10 / (1 - retry_count) > 0' ],
	[ 'an index with a predicate that cannot', 2, 'CREATE INDEX rule ON researcharr.processing_jobs (id) WHERE retry_count > 0' ],
	[ 'a default of the history that can fail', 0, q{ALTER TABLE researcharr.processing_history ADD rule text, ALTER rule SET DEFAULT current_setting('app.tenant')} ],
	[ 'a default of the history that fails when it is compiled', 0, 'ALTER TABLE researcharr.processing_history ADD rule int, ALTER rule SET DEFAULT 1 / 0' ],
	[ 'a default of the history with the time', 2, 'ALTER TABLE researcharr.processing_history ADD rule timestamptz NOT NULL DEFAULT now()' ],
	[ 'a default of the history with the date', 2, 'ALTER TABLE researcharr.processing_history ADD rule date NOT NULL DEFAULT current_date' ],
	[ 'a CHECK of the history that can fail', 0, q{ALTER TABLE researcharr.processing_history ADD CONSTRAINT rule CHECK (current_setting('app.tenant') <> '')} ],
	[ 'an index of the history on an expression that can fail', 0, 'CREATE INDEX rule ON researcharr.processing_history ((10 / (length(action) - 6)))' ],
	[ 'a default of the history with a composite type', 0, q{ALTER TABLE researcharr.processing_history ADD rule public.pair, ALTER rule SET DEFAULT '(1)'::text::public.pair} ],
	[ 'a default of the history with a cast of an enum', 0, q{ALTER TABLE researcharr.processing_history ADD rule jsonb, ALTER rule SET DEFAULT to_jsonb('good'::public.mood)} ],
	[ 'a domain of the history that must have a value', 0, 'ALTER TABLE researcharr.processing_history ADD rule public.present' ],
	[ 'a domain of the history that need not', 2, 'ALTER TABLE researcharr.processing_history ADD rule public.checked' ],
	[ 'an index of a range with a function', 0, q{ALTER TABLE researcharr.processing_jobs ADD rule public.span DEFAULT '[1,2)'; CREATE INDEX ON researcharr.processing_jobs USING gist (rule)} ],
	[ 'a deferrable constraint of the history', 0, 'ALTER TABLE researcharr.processing_history_default ADD CONSTRAINT rule UNIQUE (id) DEFERRABLE' ],
);
foreach (@rules)
{
	my ($name, $handed_back, $rule) = @$_;

	enqueue(2);
	sql('TRUNCATE researcharr.processing_history');
	sql($rule) if $rule;
	# what the session knows of expressions is out of date when it ends
	ends($name, $handed_back, sub { sql('CREATE OR REPLACE FUNCTION public.news() RETURNS int LANGUAGE sql RETURN 1') });
	sql(q{DROP INDEX IF EXISTS researcharr.rule; DROP TRIGGER IF EXISTS rule ON researcharr.processing_jobs})
	  unless $rule =~ /CONSTRAINT|COLUMN|ADD rule/;
	sql("ALTER TABLE researcharr.$1 DROP CONSTRAINT rule") if $rule =~ /TABLE researcharr\.(\w+) ADD CONSTRAINT/;
	sql("ALTER TABLE researcharr.$_ DROP COLUMN IF EXISTS rule") foreach 'processing_jobs', 'processing_history';
}

# a table that is not what it was when the jobs were claimed
my %changes = (
	'a column with another name' => [ 'ALTER TABLE researcharr.processing_jobs RENAME worker TO workman',
		'ALTER TABLE researcharr.processing_jobs RENAME workman TO worker' ],
	'no index of ids' => [ 'ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT processing_jobs_pkey CASCADE',
		'ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT processing_jobs_pkey PRIMARY KEY (id);
		ALTER TABLE public.kept ADD FOREIGN KEY (job) REFERENCES researcharr.processing_jobs' ],
	'no partition for the present' => [ 'ALTER TABLE researcharr.processing_history DETACH PARTITION researcharr.processing_history_default',
		'ALTER TABLE researcharr.processing_history ATTACH PARTITION researcharr.processing_history_default DEFAULT' ],
	'a history with another name' => [ 'ALTER TABLE researcharr.processing_history RENAME TO other_history',
		'ALTER TABLE researcharr.other_history RENAME TO processing_history' ],
	'a job without a status' => [ q{ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT processing_jobs_status_check,
			DROP CONSTRAINT processing_jobs_lease_expires_at_check;
		UPDATE researcharr.processing_jobs SET status = 'unknown'},
		q{TRUNCATE researcharr.processing_jobs CASCADE; ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT processing_jobs_status_check
			CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled'))} ],
);
foreach my $name (sort keys %changes)
{
	my ($change, $undo) = @{ $changes{$name} };
	my ($session, $pid);
	my $log = -s $node->logfile;

	enqueue(2);
	($session, $pid) = claim(2);
	sql($change);
	is(sql("SELECT pg_terminate_backend($pid, 60000)"), 't', "$name: it ends at once");
	sql($undo);
	is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued'"), 0, "$name: the leases end later");
	unlike(slurp_file($node->logfile, $log),
		qr/ERROR|WARNING|PANIC|FATAL:  (?!terminating connection due to administrator command)/, "$name: no error");
	eval { $session->quit };
}

# 2.
my $locker = $node->background_psql('postgres', on_error_die => 1);
my @locks = (
	[ 'a job that somebody has locked', 1, 'SELECT FROM researcharr.processing_jobs LIMIT 1 FOR UPDATE' ],
	[ 'a job that somebody refers to', 2, 'INSERT INTO public.kept SELECT id FROM researcharr.processing_jobs LIMIT 1' ],
	[ 'a table that somebody has locked', 0, 'LOCK TABLE researcharr.processing_jobs IN SHARE MODE' ],
	[ 'a history that somebody has locked', 0, 'LOCK TABLE ONLY researcharr.processing_history IN SHARE MODE' ],
	[ 'a partition that somebody has locked', 0, 'LOCK TABLE researcharr.processing_history_default IN SHARE MODE' ],
);
foreach (@locks)
{
	my ($name, $handed_back, $lock) = @$_;

	enqueue(2);
	ends($name, $handed_back, sub { $locker->query_safe("BEGIN; $lock") });
	$locker->query_safe('ROLLBACK');
}

# locks that are held for moments, as VACUUM and whoever makes a partition do
foreach my $table ('processing_jobs', 'processing_history', 'processing_history_default')
{
	my ($session, $pid);

	enqueue(2);
	($session, $pid) = claim(2);
	$locker->query_safe("BEGIN; LOCK TABLE ONLY researcharr.$table IN ACCESS EXCLUSIVE MODE");
	sql("SELECT pg_terminate_backend($pid)");
	$locker->query_safe('SELECT pg_sleep(0.1); ROLLBACK');
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	is(sql("SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued'"), 2, "a lock of $table that is gone soon: the jobs are back");
	sql('DELETE FROM researcharr.processing_jobs');
	eval { $session->quit };
}
enqueue(2);
sql('CREATE UNIQUE INDEX rule ON researcharr.processing_jobs (id, status)');
ends('a unique index that has a column of the claim, and a job that somebody refers to', 0,
	sub { $locker->query_safe('BEGIN; INSERT INTO public.kept SELECT id FROM researcharr.processing_jobs LIMIT 1') });
$locker->query_safe('ROLLBACK');
sql('DROP INDEX researcharr.rule');
$locker->quit;

# 3.
sql(qq{DO \$\$ BEGIN PERFORM pg_catalog.set_config('client_min_messages', 'warning', true); END \$\$});
foreach my $batch (0 .. 14)
{
	# few at a time: the statement that makes a partition keeps its locks
	sql(qq{DO \$\$
	BEGIN
		FOR n IN 20 * $batch .. 20 * $batch + 19 LOOP
			EXECUTE format('CREATE TABLE researcharr.history_%s PARTITION OF researcharr.processing_history (PRIMARY KEY (id)) FOR VALUES FROM (%L) TO (%L)',
				n, lpad(to_hex(n), 8, '0') || '-0000-0000-0000-000000000000', lpad(to_hex(n + 1), 8, '0') || '-0000-0000-0000-000000000000');
			EXECUTE format('CREATE INDEX ON researcharr.history_%s (job_id)', n);
			COMMIT;
		END LOOP;
	END \$\$});
}
enqueue(40);
is( sql(q{BEGIN; SELECT count(*) FROM researcharr.job_dequeue() j, researcharr.job_release(j.id, j.attempt);
		SELECT string_agg(DISTINCT relation::regclass::text, ' ') FROM pg_locks
		WHERE pid = pg_backend_pid() AND relation::regclass::text ~ 'history' AND relation::regclass::text !~ '_(idx|pkey)'; COMMIT}),
	"1\nresearcharr.processing_history researcharr.processing_history_default", 'an append locks the log and one partition');
is( sql(q{BEGIN; UPDATE researcharr.processing_jobs SET status = 'cancelled', completed_at = now() WHERE id = (SELECT min(id::text)::uuid FROM researcharr.processing_jobs);
		SELECT string_agg(DISTINCT relation::regclass::text, ' ') FROM pg_locks
		WHERE pid = pg_backend_pid() AND relation::regclass::text ~ 'history' AND relation::regclass::text !~ '_(idx|pkey)'; ROLLBACK}),
	'researcharr.processing_history researcharr.processing_history_default', 'so does that of a trigger');
my $log = -s $node->logfile;
my @sessions = map { (claim(1))[0] } 1 .. 40;
is(sql(q{SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'running'}), 40, 'forty sessions have a job each');
sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}), 'they are gone');
is(sql(q{SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued' AND retry_count = 1}), 40, 'and their jobs handed back');
unlike(slurp_file($node->logfile, $log), qr/out of shared memory|PANIC|FATAL:  (?!terminating connection due)/, 'there was room for all locks');
eval { $_->quit } foreach @sessions;

# 4.
enqueue(3);
my ($session, $pid) = claim(1);
is($session->query_safe("SELECT count(*) FROM (SELECT id, attempt FROM researcharr.processing_jobs WHERE status = 'running') j,
	LATERAL researcharr.job_complete_and_dequeue(j.id, j.attempt)"), 1, 'a worker completes a job and has the next');
is(sql("SELECT pg_terminate_backend($pid, 60000)"), 't', 'its session ends');
is(sql('SELECT status, retry_count, count(*) FROM researcharr.processing_jobs GROUP BY 1, 2 ORDER BY 1, 2'),
	"completed|0|1\nqueued|0|1\nqueued|1|1", 'the job that it had is handed back, and the completed one is not');
eval { $session->quit };

$node->stop;
done_testing();
