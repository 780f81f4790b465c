# 075_cache.pl: the cache in shared memory.
#
#  1. An old snapshot neither reads what is newer nor puts back what is older.
#  2. Sessions share it, databases do not; roles have their own fetched rows.
#  3. One of many sessions that miss computes.
#  4. Memory is never exceeded, and evicts.
#  5. write_behind reaches the table, and what is deleted does not come back.
#  6. Nothing is left by a restart, a crash, DROP EXTENSION and DROP DATABASE.
#  7. What was prepared before a restart ends without anything stale.
#  8. A standby caches nothing until it is promoted.
#  9. A server does not start with a size that it cannot reserve.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $conf = $preload . "researcharr.cache_size = 2MB\nmax_prepared_transactions = 5\n";
my $node = new_node('cache', $conf, allows_streaming => 1);
create_extension();
my $check_function = q{CREATE FUNCTION cache_check() RETURNS text LANGUAGE C AS 'researcharr', 'researcharr_cache_check'};
sql($check_function);

# The memory is in order, with nobody using it.
sub in_order
{
	my ($what) = @_;

	is(sql('SELECT cache_check()'), 'ok', "the memory is in order $what");
	return;
}

sub entries
{
	my ($db) = @_;

	return sql("SELECT entries FROM researcharr.cache_stats() WHERE store = 'memory'", $db);
}

# Runs statements of an old snapshot after others have changed the key: all in
# one session, whose other hand is dblink's.
sql('CREATE EXTENSION dblink');
my $self = 'port=' . $node->port . ' host=' . $node->host . ' dbname=postgres';

sub with_old_snapshot
{
	my ($meanwhile, $then) = @_;

	return sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;
		SELECT FROM dblink('$self', \$\$ $meanwhile \$\$) AS t (x text);
		$then; COMMIT") =~ s/^1\n\n?//r;
}

# 1.
my $set = "SELECT researcharr.cache_set_text('k', 'old')";
my $look = "SELECT COALESCE(researcharr.cache_get_text('k'), '-')";
foreach my $meanwhile ("SELECT researcharr.cache_delete('k')::text", "SELECT researcharr.cache_clear('k%')::text",
	'SELECT researcharr.cache_clear()::text')
{
	sql($set);
	with_old_snapshot($meanwhile, $set);
	is(sql($look), '-', "nothing old is put back after $meanwhile");
}
sql($set);
like(with_old_snapshot("SELECT pg_current_xact_id()::text || researcharr.cache_set_text('k', 'new')", $look),
	qr/^-$/m, 'nothing newer than the snapshot is read');
is(sql($look), 'new', 'others read it');
sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old');
	SELECT researcharr.cache_depends('t', 't:{id}')");
my $fill = "SELECT researcharr.cache_set_text('t:' || id, v) FROM t";
with_old_snapshot("WITH u AS (UPDATE t SET v = 'new' RETURNING v) SELECT v FROM u", $fill);
is(sql("SELECT researcharr.cache_get_text('t:1')"), '', 'a fill by an old snapshot is refused');
sql($fill);
is(sql("SELECT researcharr.cache_get_text('t:1')"), 'new', 'one by a new snapshot is not');
sql("UPDATE t SET id = 2");
is(sql("SELECT researcharr.cache_get_text('t:1')"), '', 'the key of the old version is dropped');
my $row = "SELECT title FROM researcharr.media_get_by_id_cached($media)";
sql($row) foreach 1 .. 2;
is(with_old_snapshot("WITH u AS (UPDATE researcharr.media SET title = 'New' RETURNING title) SELECT title FROM u", $row),
	'Watched', 'a cached row is read as of the snapshot');
is(sql($row), 'New', 'and as it is by others');
in_order('after old snapshots');

# 2.
new_db('CREATE EXTENSION researcharr CASCADE');
sql($set);
is(sql($look, 'db1'), '-', 'another database has keys of its own');
sql($set, 'db1');
sql('SELECT researcharr.cache_clear()', 'db1');
is(sql($look), 'old', 'and clears its own');
sql(q{CREATE ROLE reader; CREATE TABLE owned (v text); INSERT INTO owned VALUES ('mine'), ('theirs');
	ALTER TABLE owned ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON owned USING (v = 'theirs');
	GRANT SELECT ON owned TO reader; GRANT USAGE ON SCHEMA researcharr TO reader;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO reader});
my $fetch = q{SELECT researcharr.cache_fetch('owned', 'SELECT v FROM public.owned ORDER BY v')};
is(sql($fetch), '[{"v": "mine"}, {"v": "theirs"}]', 'a superuser sees all rows');
is(sql("SET ROLE reader; $fetch"), '[{"v": "theirs"}]', 'another role sees its own');
is(sql("SET ROLE reader; $fetch; RESET ROLE; $fetch"), qq([{"v": "theirs"}]\n[{"v": "mine"}, {"v": "theirs"}]),
	'also from the cache');
sql(q{CREATE SCHEMA other; CREATE TABLE other.t2 (v text); INSERT INTO other.t2 VALUES ('other');
	CREATE TABLE t2 (v text); INSERT INTO t2 VALUES ('public')});
is(sql(q{SELECT researcharr.cache_fetch('path', 'SELECT v FROM t2');
	SET search_path = other; SELECT researcharr.cache_fetch('path', 'SELECT v FROM t2')}),
	qq([{"v": "public"}]\n[{"v": "other"}]), 'each search_path has its own');

# 3.
sql('CREATE SEQUENCE computed; CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1);
	PERFORM FROM dblink(\'' . $self . '\', $q$ SELECT nextval(\'computed\') $q$) AS t (n bigint);
	RETURN 1; END $$');
my $holder = in_background([ 'SELECT pg_advisory_lock(1)', "SELECT pg_sleep(600)" ]);
within(60, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted");
my @waiting = map { in_background("SELECT researcharr.cache_fetch('slow', 'SELECT public.slow()')") } 1 .. 5;
ok(within(60, "SELECT count(*) = 4 FROM pg_locks WHERE locktype = 'object' AND NOT granted"), 'four wait for one');
sql('SELECT pg_terminate_backend(' . backend($holder) . ')');
$_->{run}->finish foreach @waiting;
is(join('', map { $_->{out} } @waiting), "[{\"slow\": 1}]\n" x 5, 'all get the result');
is(sql('SELECT last_value FROM computed'), 1, 'which one computed');
$holder->{run}->finish;
in_order('after fetches');

# 4.
sql(q{DO $$ BEGIN
	FOR i IN 1..40 LOOP
		PERFORM researcharr.cache_set_text('n:' || n, repeat('x', n % 3000)) FROM generate_series(500 * i - 499, 500 * i) n;
		COMMIT;
	END LOOP;
END $$});
sql(q{SELECT researcharr.cache_set_text('s:' || n, repeat('x', 300), '1 us') FROM generate_series(1, 500) n});
cmp_ok(sql("SELECT evictions FROM researcharr.cache_stats() WHERE store = 'memory'"), '>', 10000, 'it evicts');
cmp_ok(sql("SELECT bytes FROM researcharr.cache_stats() WHERE store = 'memory'"), '<=', 2 * 1024 * 1024, 'within its memory');
is(sql(q{SELECT count(*) FROM generate_series(1, 20000) n WHERE researcharr.cache_get_text('n:' || n) <> repeat('x', n % 3000)}),
	0, 'what is left is right');
sql(q{SELECT researcharr.cache_set_text('large', repeat('l', 400000))});
is(sql(q{SELECT length(researcharr.cache_get_text('large'))}), 400000, 'a large value finds room');
sql(q{SELECT researcharr.cache_set_text('larger', repeat('l', 1000000))});
is(sql(q{SELECT researcharr.cache_get_text('larger') IS NULL}), 't', 'one of half the memory is not kept');
sql('SELECT researcharr.cache_flush()');
in_order('after evictions');

# 5.
sql(q{SELECT researcharr.cache_clear()});
sql(q{SELECT researcharr.cache_set_text('w:' || n, 'x', strategy => 'write_behind') FROM generate_series(1, 3000) n});
is(sql('SELECT count(*) FROM researcharr.cache_entries'), 0, 'nothing is written at once') or diag entries();
sql(q{SELECT researcharr.cache_delete('w:1'); SELECT researcharr.cache_clear('w:2_')});
ok(within(60, 'SELECT researcharr.cache_flush() = 0'), 'a flush ends');
is(sql('SELECT count(*) FROM researcharr.cache_entries'), 2989, 'what is left is written');
sql(q{SELECT researcharr.cache_delete('w:3')});
is(sql(q{SELECT researcharr.cache_get_text('w:3', 'read_through')}), '', 'what is deleted does not come back');
within(60, 'SELECT researcharr.cache_flush() = 0');
is(sql(q{SELECT count(*) FROM researcharr.cache_entries WHERE key = 'w:3'}), 0, 'nor in the table');
is(sql(q{SELECT researcharr.cache_get_text('w:4', 'read_through')}), 'x', 'the rest is there');
in_order('after flushes');

# 6.
sql($set);
$node->restart;
is(sql($look), '-', 'a restart empties it');
is(sql(q{SELECT researcharr.cache_get_text('w:4', 'read_through')}), 'x', 'but not the table');
sql($set);
$node->stop('immediate');
$node->start;
is(sql($look), '-', 'a crash empties it');
is(sql('SELECT count(*) FROM researcharr.cache_entries'), 0, 'and the table');
sql($set);
sql('DROP EXTENSION researcharr CASCADE; CREATE EXTENSION researcharr');
is(sql($look), '-', 'DROP EXTENSION empties it');
is(entries(), 0, 'and leaves nothing behind');
sql("BEGIN; $set; DROP EXTENSION researcharr; ROLLBACK; $set; BEGIN; DROP EXTENSION researcharr; ROLLBACK");
is(sql($look), 'old', 'one that is rolled back does not');
sql('SELECT researcharr.cache_clear()');
sql($set, 'db1');
in_order('with entries of two databases');
sql('DROP DATABASE db1');
in_order('after DROP DATABASE');
is(entries(), 0, 'which leaves nothing behind');

# 7.
sql('DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, \'old\');
	SELECT researcharr.cache_depends(\'t\', \'t:{id}\')');
sql("BEGIN; UPDATE t SET v = 'new'; PREPARE TRANSACTION 'p'");
sql($fill);
is(sql("SELECT researcharr.cache_get_text('t:1')"), '', 'a prepared change keeps its key out of the cache');
$node->restart;
sql($fill);
is(sql("SELECT researcharr.cache_get_text('t:1')"), 'old', 'after a restart it is not known');
sql("COMMIT PREPARED 'p'");
is(sql("SELECT researcharr.cache_get_text('t:1')"), '', 'but its commit leaves nothing stale');
sql($fill);
is(sql("SELECT researcharr.cache_get_text('t:1')"), 'new', 'and the cache goes on');
sql("CREATE TABLE other (id int); BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'q'; COMMIT PREPARED 'q'");
is(sql("SELECT researcharr.cache_get_text('t:1')"), 'new', 'also beside a prepared transaction that has nothing to do with it');
in_order('at the end');

# 8.
$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 5\n");
$node->restart;
sql("INSERT INTO researcharr.media (id, title, type) VALUES ($media, 'New', 'movie')");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('cache_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql($_) foreach $set, $row;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$look; $row; $row; $fetch; SELECT researcharr.cache_exists('k');
	SELECT store, entries FROM researcharr.cache_stats() ORDER BY store"),
	"-\nNew\nNew\n" . sql($fetch) . "\nf\nmemory|0\ntable|0", 'a standby reads, and caches nothing')
  or diag $standby->safe_psql('postgres', $row);
foreach my $call ("cache_set_text('k', 'v')", "cache_delete('k')", 'cache_clear()', "cache_invalidate('t')", "cache_incr('n')",
	"cache_touch('k')", "cache_set_many('{a}', '{b}')", "cache_depends('t', 'a')", "cache_independent('t')", 'cache_flush()')
{
	my ($rc, $out, $err) =
	  $standby->psql('postgres', "SELECT researcharr.$call", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	like($err, qr/ERROR:  25006/, "$call on a standby");
}
$standby->promote;
is($standby->safe_psql('postgres', "$look; $row; $set; $look; $row"), "-\nNew\n\nold\nNew", 'promoted, it caches');
$standby->stop;

# 9.
SKIP:
{
	my $overcommit = -e '/proc/sys/vm/overcommit_memory' ? slurp_file('/proc/sys/vm/overcommit_memory') : 1;

	skip 'this machine promises any memory', 2 if $overcommit == 1;
	$node->stop;
	$node->append_conf('postgresql.conf', "researcharr.cache_size = 1000GB\n");
	is($node->start(fail_ok => 1), 0, 'a server does not start with memory that it cannot have');
	like(slurp_file($node->logfile), qr/could not map anonymous shared memory/, 'and says so');
}
done_testing();
