# 076_cache_stress.pl: fifty sessions read and write the cache at once.
#
# Each read compares what the cache has with what the table has, by the same
# snapshot: any difference is a stale value.  Values are long and of one letter,
# so that a torn one shows.  In the end the blocks that are used are those that
# entries account for.
#
# CACHE_STRESS_SECONDS: for how long (10)

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $seconds = $ENV{CACHE_STRESS_SECONDS} // 10;
my $node = new_node('cache_stress',
	$preload . "researcharr.cache_size = 1MB\nmax_connections = 80\nmax_prepared_transactions = 60\nfsync = off\nresearcharr.cache_default_ttl = 1s\n");
create_extension();
sql(q{
	CREATE FUNCTION cache_check() RETURNS text LANGUAGE C AS 'researcharr', 'researcharr_cache_check';
	CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL) WITH (fillfactor = 50);
	INSERT INTO t SELECT n, repeat('a', 10 + 150 * n % 3000) FROM generate_series(1, 50) n;
	SELECT researcharr.cache_depends('t', 't:{id}');
	INSERT INTO researcharr.media (id, title, type)
		SELECT ('01900000-0000-7000-8000-0000000001' || lpad(n::text, 2, '0'))::uuid, '0', 'movie' FROM generate_series(0, 49) n;
	INSERT INTO researcharr.movies (media_id, year) SELECT id, 1900 FROM researcharr.media WHERE title = '0';
	CREATE FUNCTION claim(ok boolean, what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		IF NOT ok THEN RAISE EXCEPTION 'stale or torn: %', what; END IF; END $$});

my $id = q{('01900000-0000-7000-8000-0000000001' || lpad(:n::text, 2, '0'))::uuid};
my %scripts = (
	# a key of the user's: read it, or put it there
	key => q{\set n random(1, 50)
		SELECT claim(coalesce(researcharr.cache_get_text('t:' || id, 'none') = v, true), id::text) FROM t WHERE id = :n;
		SELECT researcharr.cache_set_text('t:' || id, v, '1 s', NULL, 'none') FROM t WHERE id = :n;
		SELECT claim(coalesce(researcharr.cache_get_text('t:' || id, 'none') = v, true), id::text) FROM t WHERE id = :n;},
	# the same by an old snapshot
	old => qq{\\set n random(1, 50)
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT count(*) FROM t WHERE id = :n;
		SELECT claim(coalesce(researcharr.cache_get_text('t:' || id, 'none') = v, true), id::text) FROM t WHERE id = :n;
		SELECT researcharr.cache_set_text('t:' || id, v, '1 s', NULL, 'none') FROM t WHERE id = :n;
		COMMIT;},
	# rows
	row => qq{\\set n random(0, 49)
		SELECT claim(c.title = m.title AND c.updated_at = m.updated_at, m.title)
		FROM researcharr.media_get_by_id_cached($id) c, researcharr.media_get_by_id($id) m;
		SELECT claim(c.year = m.year AND c.title = m.title, m.title)
		FROM researcharr.movie_get_by_id_cached($id) c, researcharr.movie_get_by_id($id) m;},
	# fetched rows, of a table that they depend on
	fetch => q{\set n random(1, 50)
		SELECT claim(researcharr.cache_fetch('t:' || id, 'SELECT v FROM public.t WHERE id = ' || id) -> 0 ->> 'v' = v, id::text)
		FROM t WHERE id = :n;},
	# changes, some of which are rolled back or prepared
	write => qq{\\set n random(1, 50)
		UPDATE t SET v = repeat(chr(97 + (ascii(v) - 96) % 26), length(v)) WHERE id = :n;},
	undo => qq{\\set n random(1, 50)
		BEGIN;
		SELECT researcharr.cache_set_text('own:' || :client_id, 'x');
		SAVEPOINT s;
		UPDATE t SET v = repeat('z', length(v)) WHERE id = :n;
		SELECT claim(coalesce(researcharr.cache_get_text('t:' || id) = v, true), id::text) FROM t WHERE id = :n;
		ROLLBACK TO s;
		SELECT claim(coalesce(researcharr.cache_get_text('t:' || id) = v, true), id::text) FROM t WHERE id = :n;
		ROLLBACK;},
	prepare => qq{\\set n random(1, 50)
		BEGIN;
		UPDATE t SET v = repeat(chr(97 + (ascii(v) - 96) % 26), length(v)) WHERE id = :n;
		PREPARE TRANSACTION 'p:client_id';
		COMMIT PREPARED 'p:client_id';},
	media => qq{\\set n random(0, 49)
		BEGIN;
		UPDATE researcharr.media SET title = (title::int + 1)::text WHERE id = $id;
		UPDATE researcharr.movies SET year = 1900 + (year + 1) % 100 WHERE media_id = $id;
		COMMIT;},
	# others, that evict
	fill => q{\set n random(1, 5000)
		SELECT researcharr.cache_set_text('fill:' || n, repeat('f', n % 2000)) FROM generate_series(:n, :n + 30) n;
		SELECT claim(coalesce(researcharr.cache_get_text('fill:' || :n) = repeat('f', :n % 2000), true), 'fill');
		SELECT researcharr.cache_incr('count:' || :n % 5);},
	clear => q{SELECT researcharr.cache_clear('fill:1%');
		SELECT pg_sleep(0.05);});
my %weight = (key => 8, old => 4, row => 8, fetch => 4, write => 4, media => 3, fill => 6);
my @files;
foreach my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, $scripts{$name} =~ s/\n\t+/\n/gr . "\n");
	push @files, '-f', "$file\@" . ($weight{$name} // 1);
}

my ($out, $err);
my $ok = IPC::Run::run(
	[ 'pgbench', '-n', '-c', '50', '-j', '2', '-T', $seconds, '-h', $node->host, '-p', $node->port, @files, 'postgres' ],
	'>', \$out, '2>', \$err);
ok($ok, 'no session fails') or diag $err =~ s/^(.{2000}).*/$1/sr;
unlike($err, qr/stale or torn/, 'no value is stale or torn');
like($out, qr/number of transactions actually processed: [1-9]\d\d/, 'there were hundreds of transactions');
note($out);
is(sql('SELECT cache_check()'), 'ok', 'the memory is in order');
is(sql(q{SELECT count(*) FROM t WHERE coalesce(researcharr.cache_get_text('t:' || id), v) <> v}), 0, 'what is left is current');
my $stats = sql("SELECT hits > 0 AND misses > 0 AND evictions > 0 FROM researcharr.cache_stats() WHERE store = 'memory'");
is($stats, 't', 'the cache was hit, missed, and full');
sql('SELECT researcharr.cache_clear()');
is(sql("SELECT entries + bytes FROM researcharr.cache_stats() WHERE store = 'memory'"), 0, 'nothing is left after cache_clear');
is(sql('SELECT cache_check()'), 'ok', 'and nothing is lost');
done_testing();
