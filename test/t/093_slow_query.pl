# 093_slow_query.pl: which statements slow_queries keeps, and who sees them.
#
#  1. A statement that uses the extension, in whatever way, and no other.
#  2. What is kept of it.
#  3. Who sees what, and who may reset.
#  4. Texts: long ones, several at once, ones that are not valid.
#  5. Errors, cursors and subtransactions leave the hooks in order.
#  6. The ring has a limit; other databases; pg_stat_statements; no preload.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('slow', "shared_preload_libraries = 'pg_stat_statements, researcharr'\nresearcharr.worker = off\n");
create_extension();
sql('CREATE TABLE public.other (n int);
	CREATE VIEW public.through AS SELECT count(*) AS n FROM researcharr.media;
	CREATE FUNCTION public.reads() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM researcharr.movies); END $$;
	CREATE FUNCTION public.harmless() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM public.other); END $$;
	CREATE FUNCTION public.fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM researcharr.uuid_v7(); RETURN NEW; END $$;
	CREATE FUNCTION public.opens() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor; BEGIN OPEN c FOR SELECT count(*) FROM researcharr.media; RETURN c; END $$;
	CREATE FUNCTION public.caught() RETURNS int LANGUAGE plpgsql AS $$ BEGIN BEGIN PERFORM 1 / (SELECT count(*) - 1 FROM researcharr.media); EXCEPTION WHEN division_by_zero THEN NULL; END; RETURN 1; END $$;
	CREATE TABLE public.late (n int);
	CREATE TRIGGER fires AFTER INSERT ON public.late FOR EACH ROW EXECUTE FUNCTION public.fires()');

# What statements are kept if each one is slow, the oldest first
sub kept
{
	my (@statements) = @_;

	sql('SELECT researcharr.slow_query_reset()');
	sql(join ";\n", 'SET researcharr.slow_query_threshold = 0', @statements);
	return sql("SET researcharr.slow_query_threshold = -1; SELECT string_agg(query, E'\\n' ORDER BY at) FROM researcharr.slow_queries");
}

# 1.
foreach (
	'SELECT count(*) FROM researcharr.media',
	'SELECT count(*) FROM public.through',
	"SELECT researcharr.uuid_v7() IS NOT NULL",
	"INSERT INTO researcharr.media (title, type) VALUES ('x', 'movie')",
	"UPDATE researcharr.media SET status = 'pending' WHERE false",
	"SELECT count(*) FROM researcharr.media_search('x')",
	'SELECT public.reads()',
	'INSERT INTO public.late VALUES (1)',
	'WITH a AS (SELECT FROM researcharr.movies) SELECT 1 FROM a',
	'EXPLAIN (ANALYZE, TIMING OFF) SELECT FROM researcharr.media',
	'CREATE TABLE public.made AS SELECT title FROM researcharr.media')
{
	is(kept($_), $_ =~ /^EXPLAIN/ ? $_ : $_, "kept: $_");
}
is(kept($_), '', "not kept: $_")
  foreach 'SELECT 1', 'SELECT count(*) FROM pg_class', 'SELECT public.harmless()', 'INSERT INTO public.other VALUES (1)', 'SET work_mem = 1234';
is(kept('SELECT 1', 'SELECT count(*) FROM researcharr.media /* second */', 'SELECT 2'),
	'SELECT count(*) FROM researcharr.media /* second */', 'of several statements at once, its own text');
sql('SELECT researcharr.slow_query_reset()');
sql("SET researcharr.slow_query_threshold = '1 h'; SELECT count(*) FROM researcharr.media");
is(sql('SELECT count(*) FROM researcharr.slow_queries'), '0', 'a fast statement is not kept');

# 2.
sql("SELECT researcharr.slow_query_reset()");
sql("SET researcharr.slow_query_threshold = '200 ms'; SELECT title, pg_sleep(0.3) FROM researcharr.media LIMIT 1");
is(sql("SELECT source, rows, duration >= '0.2 s', shared_blks_hit >= 0, shared_blks_dirtied >= 0, role = current_user, at > now() - interval '1 h', query_id <> 0
	FROM researcharr.slow_queries"), 'executor|1|t|t|t|t|t|t', 'what is kept of a slow statement');
sql("SELECT researcharr.record_slow_query('GET /series', '1.5 s')");
is(sql("SELECT source, duration, query, rows IS NULL FROM researcharr.slow_queries LIMIT 1"), 'application|00:00:01.5|GET /series|t',
	'an application reports one, which is the newest');
refused('postgres', "SELECT researcharr.record_slow_query('x', '-1 s')", '22023', 'duration', 'a negative duration');
refused('postgres', "SELECT researcharr.record_slow_query('', '1 s')", '22023', 'query is empty', 'an empty text');

# 3.
sql('CREATE ROLE watcher LOGIN; CREATE ROLE worker LOGIN; GRANT USAGE ON SCHEMA researcharr TO watcher, worker;
	GRANT SELECT ON researcharr.media TO worker;
	GRANT SELECT ON researcharr.slow_queries TO watcher, worker;
	GRANT EXECUTE ON FUNCTION researcharr.slow_query_list(), researcharr.slow_query_reset(), researcharr.record_slow_query(text, interval) TO watcher, worker');
sql("SELECT researcharr.slow_query_reset(); SET SESSION AUTHORIZATION worker; SELECT researcharr.record_slow_query('secret', '1 s')");
my $seen = 'SELECT query, normalized_query IS NULL, role, duration FROM researcharr.slow_queries';
is(sql("SET SESSION AUTHORIZATION worker; $seen"), 'secret|t|worker|00:00:01', "a role sees its own");
is(sql("SET SESSION AUTHORIZATION watcher; $seen"), '<insufficient privilege>|t|worker|00:00:01', "and not others' texts");
sql('GRANT pg_read_all_stats TO watcher');
is(sql("SET SESSION AUTHORIZATION watcher; $seen"), 'secret|t|worker|00:00:01', 'but as a member of pg_read_all_stats');
refused('postgres', 'SET SESSION AUTHORIZATION watcher; SELECT researcharr.slow_query_reset()', '42501', 'permission denied', 'a reset by others');
sql('DROP OWNED BY worker; DROP ROLE worker');
like(sql('SELECT role FROM researcharr.slow_queries'), qr/unknown|OID/i, 'the role was dropped');

# 4.
is(sql("SELECT researcharr.slow_query_reset(); SELECT researcharr.record_slow_query(repeat('€', 5000), '1 s');
		SELECT query = repeat('€', 1333) || ' [truncated]' FROM researcharr.slow_queries", 'postgres') =~ s/\s//gr, 't',
	'a long text is cut at a whole character');
my $ascii = new_db('CREATE EXTENSION researcharr CASCADE', "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
is(sql("SELECT researcharr.record_slow_query(E'\\xff\\xfe bad', '1 s'); SELECT length(query) > 4 FROM researcharr.slow_queries;
		SELECT researcharr.report_html() ~ 'bad'", $ascii) =~ s/\s+/ /gr, ' t t', 'a text in no encoding');
is(sql("SELECT count(*) FROM researcharr.slow_queries WHERE query ~ 'bad'"), '0', 'it is not shown in other databases');

# 5.
my $after = 'SELECT count(*) FROM researcharr.media /* after */';
my ($rc) = $node->psql('postgres', 'SET researcharr.slow_query_threshold = 0; SELECT public.reads() / 0', on_error_stop => 1);
is(kept($after), $after, 'after an error in a session that ended');
sql('SELECT researcharr.slow_query_reset()');
$node->psql('postgres', "SET researcharr.slow_query_threshold = 0;\n\\set ON_ERROR_STOP 0\nSELECT public.reads() / 0;\nSELECT 1 /* not ours */;\nSELECT count(*) FROM researcharr.media /* ours */;", on_error_stop => 0);
is(sql("SELECT string_agg(query, ';' ORDER BY at) FROM researcharr.slow_queries"), 'SELECT count(*) FROM researcharr.media /* ours */', 'after an error within a session');
is(kept('SELECT public.caught() /* a */', $after, 'SELECT 1'), "SELECT public.caught() /* a */\n$after", 'an error that a function catches');
is(kept("DO \$\$ BEGIN BEGIN PERFORM 1 / (SELECT count(*) - 2 FROM researcharr.media WHERE false); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; PERFORM 1; END \$\$", $after) =~ s/.*\n//sr,
	$after, 'an error that a DO block catches');
is(kept('BEGIN', 'DECLARE c CURSOR FOR SELECT title FROM researcharr.media', 'FETCH 1 FROM c', 'FETCH 1 FROM c', 'DECLARE d CURSOR FOR SELECT 1 AS n', 'FETCH d', 'CLOSE d', 'COMMIT'),
	'DECLARE c CURSOR FOR SELECT title FROM researcharr.media', 'a cursor is one statement');
is(kept('BEGIN', 'SELECT public.opens()', 'ROLLBACK', $after), $after, 'a cursor that a function leaves open has run nothing');
is(kept('BEGIN', 'SAVEPOINT s', 'DECLARE c CURSOR FOR SELECT title FROM researcharr.media', 'FETCH 1 FROM c', 'ROLLBACK TO s', 'COMMIT', $after), $after, 'a cursor that is rolled back');
like(kept('BEGIN', 'DECLARE c CURSOR WITH HOLD FOR SELECT title FROM researcharr.media', 'COMMIT', 'FETCH ALL FROM c', 'CLOSE c'), qr/^DECLARE c CURSOR WITH HOLD/, 'a cursor that outlives its transaction');
is(kept("SET min_parallel_table_scan_size = 0", "SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET force_parallel_mode = on", 'SELECT count(*) FROM researcharr.media /* parallel */'),
	'SELECT count(*) FROM researcharr.media /* parallel */', 'a parallel one is kept once') if sql('SHOW server_version_num') < 160000;

# 6.
sql("SELECT count(researcharr.record_slow_query('n' || n, '1 s')) FROM generate_series(1, 250) n");
is(sql("SELECT count(*), min(substr(query, 2)::int), max(substr(query, 2)::int) FROM researcharr.slow_queries"), '100|151|250', 'the last hundred are kept');
sql("SELECT researcharr.slow_query_reset()", $ascii);
is(sql('SELECT count(*) FROM researcharr.slow_queries'), '100', 'another database has its own reset');
sql('CREATE EXTENSION pg_stat_statements');
sql("SELECT researcharr.slow_query_reset(); SET researcharr.slow_query_threshold = 0; SELECT count(*) FROM researcharr.media WHERE title = 'confidential'");
is(sql("SELECT normalized_query FROM researcharr.slow_queries WHERE query ~ 'confidential'"), 'SELECT count(*) FROM researcharr.media WHERE title = $1',
	'pg_stat_statements has the normalized text');
my $trap = new_db('CREATE EXTENSION researcharr CASCADE; CREATE SCHEMA pgss; CREATE VIEW pgss.pg_stat_statements AS SELECT 1::bigint AS queryid, 0::oid AS dbid, 1 / 0 AS query');
sql("SELECT researcharr.record_slow_query('x', '1 s')", $trap);
is(sql('SELECT query FROM researcharr.slow_queries', $trap), 'x', 'a view of that name that is not of the extension is not read');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(sql('SELECT count(*) FROM researcharr.slow_queries'), '0', 'without preload there are none');
refused('postgres', "SELECT researcharr.record_slow_query('x', '1 s')", 'RA005', 'slow statements are not kept', 'recording without preload');
refused('postgres', 'SELECT researcharr.slow_query_reset()', 'RA005', 'slow statements are not kept', 'a reset without preload');
$node->stop;
done_testing();
