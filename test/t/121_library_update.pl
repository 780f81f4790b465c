# 121_library_update.pl: what imports have stored before version 1.13 becomes
# tracked items.
#
#  1. Movies, series and episodes are tracked, with what their rows hold.
#  2. No other row changes, and a trigger on media does not fire: it would run as
#     the role that updates the extension.
#  3. Values that an import would change or refuse do not stop the update.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('library_update', undef, extra => [ '--encoding=UTF8', '--no-locale' ]);
my $versions = q{SELECT md5(string_agg(v, E'\n' ORDER BY v)) FROM (
	SELECT concat_ws(' ', 'media', id, xmin, updated_at) FROM researcharr.media
	UNION ALL SELECT concat_ws(' ', 'movies', media_id, tmdb_id, year) FROM researcharr.movies
	UNION ALL SELECT concat_ws(' ', 'series', media_id, tvdb_id) FROM researcharr.series
	UNION ALL SELECT concat_ws(' ', 'episodes', media_id, air_date) FROM researcharr.episodes) AS s (v)};

sql(<<'END');
CREATE EXTENSION researcharr VERSION '1.12' CASCADE;
CREATE FUNCTION stored(type text, external text, title text, metadata jsonb) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO researcharr.media (title, type, external_id, metadata) VALUES (title, type, external, metadata) RETURNING id $$;

INSERT INTO researcharr.movies (media_id, tmdb_id, year)
	SELECT stored('movie', g::text, 'Movie ' || g, jsonb_build_object('radarr', jsonb_build_object('id', g, 'monitored', true, 'hasFile', g % 2 = 0))), g, 2000
	FROM generate_series(1, 700) g;
-- with an ideographic space, which an import trims
INSERT INTO researcharr.movies (media_id, tmdb_id) VALUES
	(stored('movie', '800', E'Spaces\u3000', '{"radarr": {"id": 800, "monitored": true}}'), 800),
	(stored('movie', NULL, 'Same', '{"radarr": {"id": 801}}'), NULL), (stored('movie', NULL, 'Same', '{"radarr": {"id": 802}}'), NULL),
	(stored('movie', '803', 'One', '{"radarr": {"id": 803}}'), 803), (stored('movie', '804', 'The same id', '{"radarr": {"id": 803.0}}'), 804),
	(stored('movie', '805', 'No id', '{"radarr": {"monitored": true}}'), 805), (stored('movie', '806', 'Bad id', '{"radarr": {"id": -1}}'), 806);
-- Sonarr 4 also knows the series' tmdbId
INSERT INTO researcharr.series (media_id, tvdb_id) VALUES
	(stored('series', '1', 'Show', '{"sonarr": {"id": 1, "tmdbId": 7, "monitored": true, "qualityProfileId": 4, "seasons": [{"seasonNumber": 2, "monitored": false}]}}'), 1);
INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number, air_date)
	SELECT stored('episode', (10 + g)::text, 'Episode', jsonb_build_object('sonarr', jsonb_build_object('id', g, 'seriesId', 1, 'monitored', true))),
		(SELECT media_id FROM researcharr.series), g, 1, d
	FROM (VALUES (1, '2020-01-02'::date), (2, '2021-01-02'), (3, '0044-03-15 BC'), (4, '300000-01-01')) AS v (g, d);

CREATE TABLE fired (role name);
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (current_user); RETURN NULL; END $$;
DO $$ DECLARE name text; BEGIN
	FOREACH name IN ARRAY '{media,movies,series,episodes}'::text[] LOOP
		EXECUTE format('CREATE TRIGGER fires AFTER INSERT OR UPDATE OR DELETE ON researcharr.%I FOR EACH ROW EXECUTE FUNCTION fired()', name);
	END LOOP; END $$;
END
my $before = sql($versions);
sql("ALTER EXTENSION researcharr UPDATE TO '1.13'");

# 1.
is( sql(q{SELECT string_agg(concat_ws(' ', n.name, k.kind, count), ', ' ORDER BY k.kind) FROM (SELECT instance_id, kind, count(*)
	FROM researcharr.tracked_items GROUP BY 1, 2) k JOIN researcharr.instances n ON n.id = k.instance_id}),
	'sonarr episode 4, radarr movie 704, sonarr series 1', 'all that imports have stored is tracked');
is( sql(q{SELECT count(*) FROM researcharr.tracked_items t JOIN researcharr.movie_rows m ON m.id = t.media_id
	WHERE m.tmdb_id < 800 AND t.service_id = m.tmdb_id AND t.monitored AND t.has_file = (t.service_id % 2 = 0) AND t.payload ->> 'title' = m.title}),
	'700', '... with what the rows hold');
is( sql(q{SELECT string_agg(concat_ws(' ', t.service_id, t.monitored, t.quality_profile_id, t.payload ->> 'airDate'), ', ' ORDER BY t.service_id)
	FROM researcharr.tracked_items t WHERE kind = 'episode'}),
	'1 t 4 2020-01-02, 2 f 4 2021-01-02, 3 t 4, 4 t 4', '... and what a series says for its episodes');
is( sql(q{SELECT string_agg(sort_title, ', ' ORDER BY service_id) FROM researcharr.tracked_items WHERE (kind, service_id) IN (('movie', 1), ('series', 1), ('episode', 2))}),
	'movie 1, show, show  00002x00001', '... and its place in the alphabet');
is( sql(q{SELECT count(DISTINCT media_id) FROM researcharr.tracked_items WHERE service_id IN (801, 802)}),
	'2', 'movies without an external id keep their own rows');
is(sql('SELECT count(last_synced_at) FROM researcharr.instances'), '0', 'nothing has been synchronized yet');

# 2.
is(sql($versions), $before, 'no other row changes');
is(sql('SELECT count(*) FROM fired'), '0', 'no trigger fires');

# 3.
sql('ALTER EXTENSION researcharr UPDATE');
is( sql(q{SELECT unchanged FROM researcharr.media_import_radarr('[{"id": 1, "title": "Movie 1", "tmdbId": 1, "year": 2000, "monitored": true, "hasFile": false}]')}),
	'1', 'an import finds nothing to do');

$node->stop;
done_testing();
