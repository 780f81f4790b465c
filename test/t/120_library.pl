# 120_library.pl: synchronize two simulated services, whatever they do.
#
# The services are tables: a Radarr with movies, and a Sonarr with series and
# episodes.  They add, delete and change objects, move external ids, renumber
# episodes, and deal their own ids anew.  They are synchronized by partial and
# full calls at random; some calls are cut off by a crash of the server.  After
# each full call the library's rows are those of the services, no job is lost, no
# media row stands for two objects, and a second call writes nothing.
#
# The seed is printed.  To run it again with one: SEED=n; STEPS=n runs longer.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $seed = $ENV{SEED} // int(rand(1e6));
my $steps = $ENV{STEPS} // 30;
my $node = new_node('library', "log_statement = none\nfsync = off");

note "SEED=$seed";
srand($seed);
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION researcharr CASCADE;
SELECT researcharr.instance_create('{"name": "films", "service": "radarr"}');
SELECT researcharr.instance_create('{"name": "shows", "service": "sonarr"}');

CREATE TABLE movie (id int, tmdb int, title text, monitored boolean, has_file boolean);
CREATE TABLE series (id int, tvdb int, title text, monitored boolean);
CREATE TABLE episode (id int, series int, tvdb int, season int, number int, title text, monitored boolean, has_file boolean);
CREATE TABLE jobs (id uuid);
CREATE SEQUENCE numbers START 1000;

CREATE FUNCTION flip() RETURNS boolean LANGUAGE sql AS $$ SELECT random() < 0.5 $$;
CREATE FUNCTION new_name() RETURNS text LANGUAGE sql AS $$ SELECT 'title ' || nextval('numbers') $$;
-- what the services answer, of all or some
CREATE FUNCTION movies(share float = 1) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'tmdbId', tmdb, 'title', title, 'monitored', monitored,
		'hasFile', has_file, 'isAvailable', true) ORDER BY random()), '[]') FROM movie WHERE random() < share $$;
CREATE FUNCTION shows(share float = 1) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'tvdbId', tvdb, 'title', title, 'monitored', monitored)), '[]')
	FROM series WHERE random() < share $$;
CREATE FUNCTION episodes(shows jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'seriesId', series, 'tvdbId', tvdb, 'seasonNumber', season,
		'episodeNumber', number, 'title', title, 'monitored', monitored, 'hasFile', has_file) ORDER BY random()), '[]')
	FROM episode WHERE series IN (SELECT (o ->> 'id')::int FROM jsonb_array_elements(shows) o) $$;

-- something happens in a service
CREATE FUNCTION happen() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	what int := floor(random() * 14);
	n int := nextval('numbers');
	one int;
	gone record;
BEGIN
	CASE what
	WHEN 0, 1 THEN
		INSERT INTO movie SELECT n + g, n + g, new_name(), flip(), flip() FROM generate_series(1, 3) g;
		PERFORM setval('numbers', n + 10);
	WHEN 2, 3 THEN
		INSERT INTO series VALUES (n, n, new_name(), flip());
		INSERT INTO episode SELECT n + g, n, n + g, 1 + g / 5, g % 5, new_name(), flip(), flip() FROM generate_series(1, 8) g;
		PERFORM setval('numbers', n + 10);
	WHEN 4 THEN
		DELETE FROM movie WHERE id = (SELECT id FROM movie ORDER BY random() LIMIT 1);
	WHEN 5 THEN
		DELETE FROM series WHERE id = (SELECT id FROM series ORDER BY random() LIMIT 1) RETURNING id INTO one;
		DELETE FROM episode WHERE series = one;
	WHEN 6 THEN
		UPDATE movie SET monitored = flip(), has_file = flip(), title = new_name() WHERE random() < 0.3;
		UPDATE series SET monitored = flip() WHERE random() < 0.3;
		UPDATE episode SET monitored = flip(), has_file = flip() WHERE random() < 0.3;
	WHEN 7 THEN -- external ids move
		UPDATE movie SET tmdb = nextval('numbers') WHERE random() < 0.2;
		UPDATE series SET tvdb = nextval('numbers') WHERE random() < 0.2;
		UPDATE episode SET tvdb = nextval('numbers') WHERE random() < 0.1;
	WHEN 8 THEN -- one of which the library has another row
		UPDATE movie SET tmdb = x.tmdb FROM (SELECT external_id::int AS tmdb FROM researcharr.media m WHERE type = 'movie'
			AND NOT EXISTS (SELECT FROM movie WHERE tmdb = external_id::int) ORDER BY random() LIMIT 1) x
		WHERE id = (SELECT id FROM movie ORDER BY random() LIMIT 1);
	WHEN 9 THEN -- an episode is dropped: those behind it move up to the places and ids before theirs
		SELECT * INTO gone FROM episode ORDER BY random() LIMIT 1;
		UPDATE episode e SET tvdb = x.tvdb, title = x.title FROM (
			SELECT id, lead(tvdb) OVER w AS tvdb, lead(title) OVER w AS title FROM episode
			WHERE series = gone.series AND season = gone.season AND number >= gone.number WINDOW w AS (ORDER BY number)) x
		WHERE e.id = x.id AND x.tvdb IS NOT NULL;
		DELETE FROM episode WHERE id = (SELECT id FROM episode WHERE series = gone.series AND season = gone.season ORDER BY number DESC LIMIT 1);
	WHEN 10 THEN -- episodes change places
		UPDATE episode e SET number = x.number FROM (SELECT series, season, id,
			lead(number, 1, first) OVER (PARTITION BY series, season ORDER BY number) AS number
			FROM (SELECT *, first_value(number) OVER (PARTITION BY series, season ORDER BY number) AS first FROM episode) f) x
		WHERE e.id = x.id AND e.series = (SELECT id FROM series ORDER BY random() LIMIT 1);
	WHEN 11 THEN -- the service's own ids are dealt anew
		UPDATE movie m SET id = x.id FROM (SELECT tmdb, row_number() OVER (ORDER BY random()) AS id FROM movie) x WHERE m.tmdb = x.tmdb;
	WHEN 12 THEN
		CREATE TEMP TABLE dealt AS SELECT id AS old, row_number() OVER (ORDER BY random())::int AS new FROM series;
		UPDATE series SET id = new FROM dealt WHERE id = old;
		UPDATE episode SET series = new FROM dealt WHERE series = old;
		UPDATE episode e SET id = x.id FROM (SELECT tvdb, row_number() OVER (ORDER BY random()) AS id FROM episode) x WHERE e.tvdb = x.tvdb;
		DROP TABLE dealt;
	ELSE -- somebody searches
		INSERT INTO jobs SELECT researcharr.job_enqueue(media_id, 'search')
		FROM (SELECT media_id FROM researcharr.tracked_items ORDER BY random() LIMIT 5) t;
	END CASE;
	RETURN what;
END $$;

-- a call with some of what the services have
CREATE FUNCTION refresh_some() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	part jsonb := shows(0.4);
	films record;
	series record;
BEGIN
	SELECT * INTO films FROM researcharr.media_sync_radarr('films', movies(0.4));
	SELECT * INTO series FROM researcharr.media_sync_sonarr('shows', part, episodes(part));
	RETURN to_jsonb(films.errors) || series.errors;
END $$;
CREATE FUNCTION refresh_all() RETURNS TABLE (written bigint, errors jsonb) LANGUAGE plpgsql AS $$
DECLARE
	films record;
	series record;
BEGIN
	SELECT * INTO films FROM researcharr.media_sync_radarr('films', movies(), true, 1);
	SELECT * INTO series FROM researcharr.media_sync_sonarr('shows', shows(), episodes(shows()), true, 1);
	written := films.created + films.updated + films.moved + films.removed + series.created + series.updated + series.moved + series.removed;
	errors := films.errors || series.errors;
	RETURN NEXT;
END $$;

-- what the library should have, and has
CREATE VIEW wanted AS
	SELECT 'movie' AS kind, id::bigint, tmdb::text AS external, title, NULL AS place, monitored, has_file FROM movie
	UNION ALL SELECT 'series', id, tvdb::text, title, NULL, monitored, false FROM series
	UNION ALL SELECT 'episode', e.id, e.tvdb::text, e.title, concat_ws(' ', s.tvdb, season, number), e.monitored AND s.monitored, has_file
	FROM episode e JOIN series s ON s.id = e.series;
CREATE VIEW had AS
	SELECT kind, service_id, external_id, title, NULL AS place, monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.movie_rows m ON m.id = t.media_id WHERE tmdb_id = external_id::int
	UNION ALL SELECT kind, service_id, external_id, title, NULL, monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.series_rows m ON m.id = t.media_id WHERE tvdb_id = external_id::int
	UNION ALL SELECT kind, service_id, m.external_id, m.title, concat_ws(' ', s.external_id, season_number, episode_number), monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.episode_rows m ON m.id = t.media_id JOIN researcharr.media s ON s.id = m.series_id;
CREATE VIEW versions AS
	SELECT 'media' AS name, id, xmin::text AS version FROM researcharr.media
	UNION ALL SELECT 'movies', media_id, xmin::text FROM researcharr.movies
	UNION ALL SELECT 'series', media_id, xmin::text FROM researcharr.series
	UNION ALL SELECT 'episodes', media_id, xmin::text FROM researcharr.episodes
	UNION ALL SELECT 'tracked_items', id, xmin::text FROM researcharr.tracked_items
	UNION ALL SELECT 'audit_log', id, xmin::text FROM researcharr.audit_log;
CREATE TABLE before (name text, id uuid, version text);
END

my @problems = (
	[ 'wanted, and not there' => 'SELECT * FROM wanted EXCEPT ALL SELECT * FROM had' ],
	[ 'there, and not wanted' => 'SELECT * FROM had EXCEPT ALL SELECT * FROM wanted' ],
	[ 'tracked, but none of these' => 'SELECT count(*) FROM researcharr.tracked_items HAVING count(*) <> (SELECT count(*) FROM had)' ],
	[ 'media for two objects' => 'SELECT media_id FROM researcharr.tracked_items GROUP BY 1 HAVING count(*) > 1' ],
	[ 'lost jobs' => 'SELECT id FROM jobs EXCEPT SELECT id FROM researcharr.processing_jobs' ]);
my @history;

# Compares the library with the services
sub check
{
	my $written = sql('SELECT written, errors FROM refresh_all()');
	my $good = is(($written =~ s/^\d+\|//r), '[]', "no errors after @history");

	foreach (@problems)
	{
		my ($what, $query) = @$_;

		$good &= is(sql($query), '', $what);
	}
	sql('TRUNCATE before; INSERT INTO before TABLE versions');
	$good &= is(sql('SELECT * FROM refresh_all()'), '0|[]', 'a second call finds nothing to do');
	$good &= is(sql('(TABLE versions EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE versions)'),
		'', 'and writes nothing');
	@history = ();
	return $good;
}

# Cuts off a call by a crash
sub crash
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe('BEGIN; SELECT * FROM refresh_all()');
	$node->stop('immediate');
	eval { $session->{run}->finish };
	$node->start;
	return;
}

sql("SELECT setseed(@{[rand]}); SELECT happen() FROM generate_series(1, 12)");
check() or BAIL_OUT("SEED=$seed");
foreach my $step (1 .. $steps)
{
	my $happened = sql("SELECT setseed(@{[rand]}); SELECT happen() FROM generate_series(1, 1 + (random() * 2)::int)");

	push @history, split /\n/, $happened;
	if (rand() < 0.5)
	{
		push @history, 'some';
		sql('SELECT refresh_some()');
	}
	if ($step % 10 == 0)
	{
		push @history, 'crash';
		crash();
	}
	if (rand() < 0.5 && !check())
	{
		diag "SEED=$seed";
		last;
	}
}
check();
done_testing();
