# 030_dump_restore.pl: a dump brings back every row once, and adds none.
#
#  1. Plain and custom formats, INSERTs, section by section, into a new
#     database: restored without an error, every table as it was, and
#     partitions that users made are back in their places.  (Rows of several
#     tables at a time, pg_restore -j, are out: an archive does not say that
#     one extension table's rows must come before another's.)
#  2. What was restored works on: jobs are handed out and finished, changes
#     are put on record, once, in the partition of their time, and an import
#     finds its instances and their objects.
#  3. Data alone, into a database where the extension is, by a superuser and
#     by a role that is none but owns the tables, or may SET ROLE to their owner.
#  4. Anybody else's rows are not taken for a dump's.
#  5. The schema alone, with the extensions named beside it (pg_dump 15 crashes
#     without), is as good as the whole database.
#  6. What legacy_adopt() has kept is in a dump, and the views that it made are,
#     and work after the restore.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('dump');
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($plain, $inserts, $custom, $data) =
  map { "$dir/$_" } qw(plain.sql inserts.sql custom.dump data.sql);

sub named_db
{
	my ($db, $sql) = @_;

	sql("CREATE DATABASE $db");
	sql($sql, $db) if $sql;
	return;
}

# Does the queue hand out a job and finish it, and is that on record?
sub works
{
	my ($db, $partition) = @_;
	my $media = '01900000-0000-7000-8000-000000000001';
	my $result = $node->safe_psql($db, qq{
		CREATE TEMP TABLE before AS SELECT
			(SELECT count(*) FROM researcharr.processing_history) AS history,
			(SELECT count(*) FROM researcharr.audit_log) AS audit;
		UPDATE researcharr.processing_jobs SET priority = 1 WHERE job_type = 'search';
		SELECT count(researcharr.job_enqueue('$media', 'search', 100));
		SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue(ARRAY['search']);
		UPDATE researcharr.media SET status = 'pending' WHERE id = '$media';
		SELECT (SELECT count(*) FROM researcharr.processing_history) - history,
			(SELECT count(*) FROM researcharr.audit_log) - audit FROM before;
		SELECT DISTINCT tableoid::regclass FROM researcharr.processing_history
		WHERE action = 'completed' AND "timestamp" > now() - interval '1 hour';
	});
	is($result, "1\nt\n1|2\nresearcharr.$partition", "$db works on");
}

# what an application imports, into the instances by default and into one with a name
my $imports = q{
	SELECT created, failed FROM researcharr.media_import_radarr('[{"id": 1, "title": "Stalker", "tmdbId": 1398}]')
	UNION ALL SELECT created, failed FROM researcharr.media_import_sonarr('[{"id": 1, "title": "The Wire", "tvdbId": 79126}]',
		'[{"id": 7, "seriesId": 1, "tvdbId": 297979, "seasonNumber": 1, "episodeNumber": 1, "title": "The Target"}]')
	UNION ALL SELECT created, failed FROM researcharr.media_sync_radarr('films', '[{"id": 1, "title": "Solaris", "tmdbId": 593}]');
};

# Does the database know the objects and their instances again?
sub imports_nothing_new
{
	my ($db) = @_;

	is($node->safe_psql($db, $imports), "0|0\n0|0\n0|0", "$db imports nothing new");
	is( $node->safe_psql($db, q{SELECT name, service, count(t.id) FROM researcharr.instances i
			LEFT JOIN researcharr.tracked_items t ON t.instance_id = i.id GROUP BY i.id, name, service ORDER BY name}),
		"films|radarr|1\nradarr|radarr|1\nsonarr|sonarr|2", "$db has each instance once");
	return;
}

# a database with rows in all tables, and a partition of the user's own
named_db('source', q{
	CREATE EXTENSION researcharr CASCADE;
	CREATE TABLE researcharr.history_now (PRIMARY KEY (id),
		details jsonb NOT NULL, id uuid NOT NULL, job_id uuid NOT NULL, media_id uuid NOT NULL,
		status text, action text NOT NULL, "timestamp" timestamptz NOT NULL);
	CREATE INDEX ON researcharr.history_now (job_id);
	ALTER TABLE researcharr.processing_history ATTACH PARTITION researcharr.history_now
		FOR VALUES FROM ('01910000-0000-0000-0000-000000000000') TO (MAXVALUE);
});
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('source'),
		'-f', "$FindBin::Bin/../data/fill.sql" ], 'the source is filled');
$node->safe_psql('source', q{
	SET researcharr.user_id = 'somebody';
	UPDATE researcharr.media SET status = 'failed', metadata = jsonb_build_object('large',
		(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n)) WHERE title = '1917';
	SELECT researcharr.job_fail(id, attempt, E'a "quoted"\nerror \\\\ ü') FROM researcharr.job_dequeue(ARRAY['search'], worker => 'w');
	UPDATE researcharr.processing_jobs SET available_at = '2020-01-01' WHERE job_type = 'search';
	DELETE FROM researcharr.processing_jobs WHERE job_type = 'download';
});
$node->safe_psql('source', q{SELECT researcharr.instance_create('{"name": "films", "service": "radarr"}')});
is($node->safe_psql('source', $imports), "1|0\n2|0\n1|0", 'the source imports a library');
my $source = contents('source');
like($source, qr/researcharr\.$_\|[1-9]/, "there are rows in $_")
  foreach qw(media movies series episodes queue_items configuration webui_users job_types
  processing_jobs processing_history_default history_now audit_log_default instances tracked_items);
unlike($source, qr/cache/, 'the cache is not dumped');

# 1. whole databases
my @dump = ('pg_dump', '--no-sync', '-d', $node->connstr('source'));
$node->command_ok([ @dump, '-f', $plain ], 'a plain dump');
$node->command_ok([ @dump, '--rows-per-insert=10', '-f', $inserts ], 'a dump of INSERTs');
$node->command_ok([ @dump, '-Fc', '-f', $custom ], 'a custom dump');
named_db($_) foreach qw(from_plain from_inserts from_custom from_sections);
foreach ([ 'from_plain', $plain ], [ 'from_inserts', $inserts ])
{
	my ($db, $file) = @$_;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-1', '-d', $node->connstr($db), '-f', $file ],
		"$db is restored");
}
$node->command_ok([ 'pg_restore', '-e', '-1', '-d', $node->connstr('from_custom'), $custom ],
	'from_custom is restored');
$node->command_ok([ 'pg_restore', '-e', @$_, '-d', $node->connstr('from_sections'), $custom ],
	"from_sections: @$_")
  foreach [ '--section=pre-data' ], [ '--section=data' ], [ '--section=post-data', '-j', '3' ];
# 5.
named_db('from_schema');
$node->command_ok([ @dump, '-Fc', '-n', 'researcharr', '-e', 'researcharr', '-e', 'pg_trgm', '-f', "$dir/schema" ],
	'a dump of the schema and its extensions');
$node->command_ok([ 'pg_restore', '-e', '-1', '-d', $node->connstr('from_schema'), "$dir/schema" ],
	'from_schema is restored');
foreach my $db (qw(from_plain from_inserts from_custom from_sections from_schema))
{
	is(contents($db), $source, "$db has every row once, and no other");
	is( $node->safe_psql($db, q{SELECT inhparent::regclass, inhrelid::regclass
			FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid AND c.relkind = 'r' ORDER BY relname}),
		"researcharr.audit_log|researcharr.audit_log_default\n"
		  . "researcharr.processing_history|researcharr.history_now\n"
		  . "researcharr.processing_history|researcharr.processing_history_default",
		"$db has the partitions");
	# 2.
	works($db, 'history_now');
	imports_nothing_new($db);
}

# a dump of what was restored is the same dump
named_db('again');
$node->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-d', $node->connstr('from_custom'), '-f', "$dir/again" ], 'dumped again');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('again'), "$dir/again" ], 'restored again');
is(contents('again'), contents('from_custom'), 'the same after a second time');

# 3. data alone; the user's own partition is not there, so it must be made
$node->command_ok([ @dump, '--data-only', '-f', $data ], 'a dump of data alone');
my $install = q{CREATE EXTENSION researcharr CASCADE;
	CREATE TABLE researcharr.history_now (LIKE researcharr.processing_history_default INCLUDING ALL);};
my $give_to_app = q{DO $$
	DECLARE r regclass;
	BEGIN
		FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p') LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO app', r);
		END LOOP;
	END $$;
	GRANT USAGE ON SCHEMA researcharr TO app;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO app;};
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN');
foreach my $user ('', 'app')
{
	my $db = 'data_by_' . ($user || 'superuser');
	my @as = $user ? ('-U', $user) : ();

	named_db($db, $install);
	$node->safe_psql($db, $give_to_app) if $user;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', @as, '-d', $node->connstr($db), '-f', $data ],
		"$db is loaded");
	is(contents($db), $source, "$db has every row once, and no other");
	works($db, 'processing_history_default');
	imports_nothing_new($db);
}
like(slurp_file($node->logfile), qr/are treated as rows of a dump/, 'the log says so');

# ... and by pg_restore: as a superuser who takes the owners' places, and as a
# role that may only SET ROLE to the tables' owner
my $archive = "$dir/data.dump";
$node->safe_psql('postgres', 'CREATE ROLE operator LOGIN NOINHERIT IN ROLE app');
$node->command_ok([ 'pg_dump', '--no-sync', '-Fc', '--data-only', '-d', $node->connstr('data_by_app'), '-f', $archive ],
	'an archive of data alone');
foreach ([ 'data_by_owners', '--use-set-session-authorization' ], [ 'data_by_role', '--role=app', '-U', 'operator' ])
{
	my ($db, @options) = @$_;

	named_db($db, $install);
	$node->safe_psql($db, $give_to_app);
	$node->command_ok([ 'pg_restore', '-e', @options, '-d', $node->connstr($db), $archive ], "$db is loaded");
	is(contents($db), contents('data_by_app'), "$db has every row once, and no other");
}

# 4. one who may insert, but is not the owner, with a dump's settings
$node->safe_psql('postgres', 'CREATE ROLE guest LOGIN');
$node->safe_psql('source', q{GRANT USAGE ON SCHEMA researcharr TO guest;
	GRANT INSERT ON researcharr.media TO guest;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO guest;});
$node->safe_psql('source', q{SET check_function_bodies = off;
	SELECT pg_catalog.set_config('search_path', '', false);
	INSERT INTO researcharr.media (title, type) VALUES ('A guest''s', 'movie');},
	extra_params => [ '-U', 'guest' ]);
is($node->safe_psql('source', q{SELECT database_user, changes#>>'{title,new}' FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}),
	"guest|A guest's", 'what a guest loads is put on record');

# 6. rows of the old application that have no media yet, and its views
named_db('adopted', q{
	CREATE EXTENSION researcharr CASCADE;
	CREATE SCHEMA old;
	CREATE TABLE old.radarr_queue (movie_id bigint PRIMARY KEY, last_processed text);
	CREATE TABLE old.sonarr_queue (episode_id bigint PRIMARY KEY, last_processed text);
	INSERT INTO old.radarr_queue VALUES (1, '2024-03-01T10:00:00'), (99, '2024-03-02T10:00:00');
	INSERT INTO old.sonarr_queue VALUES (7, '2024-03-03T10:00:00');
	SELECT FROM researcharr.media_import_radarr('[{"id": 1, "tmdbId": 101, "title": "movie 1"}]');
	SELECT FROM researcharr.legacy_adopt('old');
});
my $views = q{SELECT * FROM researcharr.radarr_queue; SELECT * FROM researcharr.sonarr_queue;
	SELECT source_table, source_key, data, problem FROM researcharr.legacy_rows ORDER BY 1, 2};
my $adopted = sql($views, 'adopted');
like($adopted, qr/^1\|2024-03-01T10:00:00.*\nradarr_queue\|99\|.*\nsonarr_queue\|7\|/s, 'there are a view with a row, and kept rows');
$node->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-d', $node->connstr('adopted'), '-f', "$dir/adopted" ], 'a dump of them');
named_db('from_adopted');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('from_adopted'), "$dir/adopted" ], '... is restored');
is(contents('from_adopted'), contents('adopted'), '... with every row once, and no other');
is(sql($views, 'from_adopted'), $adopted, '... and the views show the same');
is( sql(q{
		UPDATE researcharr.radarr_queue SET last_processed = '2025-01-01' WHERE movie_id = 1;
		SELECT created FROM researcharr.media_import_radarr('[{"id": 99, "tmdbId": 199, "title": "late"}]');
		SELECT source_table, adopted, kept FROM researcharr.legacy_adopt();
		SELECT movie_id, last_processed FROM researcharr.radarr_queue ORDER BY 1;
		SELECT researcharr.legacy_finish(true)}, 'from_adopted'),
	"1\nradarr_queue|1|0\nsonarr_queue|0|1\n1|2025-01-01T00:00:00.000000\n99|2024-03-02T10:00:00.000000\n2",
	'... and are written to, adopted later, and dropped');

$node->stop;
done_testing();
