-- What Radarr and Sonarr send when something happens.
\set VERBOSITY terse
\pset null -
SET client_min_messages = warning;
TRUNCATE researcharr.media, researcharr.instances CASCADE;
RESET client_min_messages;
INSERT INTO researcharr.instances (name, service) VALUES ('movies', 'radarr'), ('shows', 'sonarr');

CREATE FUNCTION pg_temp.apply(instance text, payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	SELECT * INTO r FROM researcharr.media_apply_webhook(instance, payload);
	RETURN format('%s %s %s', r.event, r.applied, coalesce((SELECT title FROM researcharr.media WHERE id = r.media_id), '-'));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.movie(event text, extra jsonb DEFAULT '{}', id int DEFAULT 7) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('eventType', event, 'instanceName', 'Radarr', 'movie', jsonb_build_object('id', id, 'title', 'Greenland',
		'year', 2020, 'tmdbId', 524047, 'imdbId', 'tt7737786', 'folderPath', '/movies/Greenland (2020)')) || extra
$$;
CREATE FUNCTION pg_temp.show(event text, extra jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('eventType', event, 'series', jsonb_build_object('id', 3, 'title', 'The Wire', 'tvdbId', 79126, 'path', '/tv/The Wire'),
		'episodes', '[{"id": 31, "seasonNumber": 1, "episodeNumber": 1, "title": "The Target", "airDate": "2002-06-02", "airDateUtc": "2002-06-03T01:00:00Z"}]'::jsonb) || extra
$$;
CREATE VIEW items AS SELECT t.kind, m.title, t.monitored, t.has_file, t.custom_format_score, t.quality_profile_id, t.payload -> 'movieFileId' AS movie_file
FROM researcharr.tracked_items t JOIN researcharr.media m ON m.id = t.media_id ORDER BY t.kind, t.service_id;

-- events that are about nothing, and unknown ones
SELECT pg_temp.apply('movies', pg_temp.movie('Test')), pg_temp.apply('movies', '{"eventType": "HealthIssue", "level": "warning"}'),
	pg_temp.apply('shows', '{"eventType": "Health"}'), pg_temp.apply('movies', '{"eventType": "Coffee", "movie": 1}');
SELECT count(*) FROM items;

-- bad input
SELECT pg_temp.apply(NULL, '{}');
SELECT pg_temp.apply('movies', NULL);
SELECT pg_temp.apply('none', pg_temp.movie('Grab'));
SELECT pg_temp.apply('movies', '[]');
SELECT pg_temp.apply('movies', '{}');
SELECT pg_temp.apply('movies', '{"eventType": 5}');
SELECT pg_temp.apply('movies', '{"eventType": "Grab"}');
SELECT pg_temp.apply('movies', '{"eventType": "Grab", "movie": "Dune"}');
SELECT pg_temp.apply('movies', '{"eventType": "Grab", "movie": {"title": "Dune", "tmdbId": 1}}');
SELECT pg_temp.apply('movies', pg_temp.movie('Grab', id => 0)), pg_temp.apply('movies', pg_temp.movie('Grab', id => -1));
SELECT pg_temp.apply('movies', '{"eventType": "Grab", "movie": {"id": "7", "title": "Dune"}}');
SELECT pg_temp.apply('movies', pg_temp.show('Grab'));
SELECT pg_temp.apply('shows', pg_temp.movie('Grab'));
SELECT pg_temp.apply('shows', pg_temp.show('Grab', '{"episodes": [{"title": "no id"}]}'));
SELECT pg_temp.apply('movies', jsonb_set(pg_temp.movie('Grab'), '{movie,title}', to_jsonb(repeat('x', 501))));
SELECT count(*) FROM items;

-- partial: what the library has stays
SELECT created FROM researcharr.media_sync_radarr('movies', '[{"id": 7, "title": "Greenland", "tmdbId": 524047, "imdbId": "tt7737786", "year": 2020,
	"runtime": 120, "monitored": true, "hasFile": false, "qualityProfileId": 4, "isAvailable": true}]');
SELECT pg_temp.apply('movies', pg_temp.movie('Grab', '{"release": {"quality": "WEBDL-1080p"}}'));
SELECT title, year, runtime_minutes FROM researcharr.movie_rows;
SELECT * FROM items;

-- the file comes, once and again; the queued search for it is cancelled, on record
SELECT count(*) FROM researcharr.wanted_enqueue('movies');
SELECT pg_temp.apply('movies', pg_temp.movie('Download', '{"movieFile": {"id": 100, "relativePath": "a.mkv"}, "customFormatInfo": {"customFormatScore": 25}}'));
SELECT * FROM items;
SELECT j.status, h.action FROM researcharr.processing_jobs j JOIN researcharr.processing_history h ON h.job_id = j.id;
SELECT max(updated_at) AS before FROM researcharr.tracked_items \gset
SELECT pg_temp.apply('movies', pg_temp.movie('Download', '{"movieFile": {"id": 100, "relativePath": "a.mkv"}, "customFormatInfo": {"customFormatScore": 25}}'));
SELECT max(updated_at) = :'before' AS unchanged FROM researcharr.tracked_items;

-- an upgrade, in both orders: the old file's end changes nothing
SELECT pg_temp.apply('movies', pg_temp.movie('MovieFileDelete', '{"deleteReason": "upgrade", "movieFile": {"id": 100}}'));
SELECT pg_temp.apply('movies', pg_temp.movie('Download', '{"movieFile": {"id": 101}, "isUpgrade": true}'));
SELECT pg_temp.apply('movies', pg_temp.movie('MovieFileDelete', '{"deleteReason": "manual", "movieFile": {"id": 100}}'));
SELECT * FROM items;
-- gone; and a late word of how it came
SELECT pg_temp.apply('movies', pg_temp.movie('MovieFileDelete', '{"deleteReason": "manual", "movieFile": {"id": 101}}'));
SELECT pg_temp.apply('movies', pg_temp.movie('Download', '{"movieFile": {"id": 101}}'));
SELECT * FROM items;
SELECT pg_temp.apply('movies', pg_temp.movie('Rename', '{"renamedMovieFiles": []}'));

-- a movie that is not known yet comes with its first event
SELECT pg_temp.apply('movies', '{"eventType": "MovieAdded", "movie": {"id": 8, "title": "Dune", "year": 2021, "tmdbId": 438631}}');
SELECT title, has_file FROM items;

-- deleted, with its queued searches; and again
SELECT count(*) FROM researcharr.wanted_enqueue('movies');
SELECT pg_temp.apply('movies', pg_temp.movie('MovieDelete', '{"deletedFiles": false}'));
SELECT pg_temp.apply('movies', pg_temp.movie('MovieDelete', '{"deletedFiles": false}'));
SELECT title FROM items;
SELECT m.title, j.status FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id ORDER BY j.id;
-- with its media, if the instance says so
UPDATE researcharr.instances SET settings = '{"removed_media": "delete"}';
SELECT pg_temp.apply('movies', '{"eventType": "MovieDelete", "movie": {"id": 8, "title": "Dune", "tmdbId": 438631}}');
SELECT title FROM researcharr.media;

-- series and episodes
SELECT pg_temp.apply('shows', pg_temp.show('SeriesAdd') - 'episodes');
SELECT pg_temp.apply('shows', pg_temp.show('Grab'));
SELECT pg_temp.apply('shows', pg_temp.show('Download', '{"episodeFile": {"id": 9, "relativePath": "b.mkv"}}'));
SELECT kind, title, has_file FROM items;
SELECT pg_temp.apply('shows', pg_temp.show('EpisodeFileDelete', '{"episodeFile": {"id": 9}, "deleteReason": "manual"}'));
SELECT kind, title, has_file FROM items;
SELECT pg_temp.apply('shows', pg_temp.show('Download', '{"episodes": [{"id": 31, "seasonNumber": 1, "episodeNumber": 1, "title": "The Target"},
	{"id": 32, "seasonNumber": 1, "episodeNumber": 2, "title": "The Detail"}], "episodeFile": {"id": 10}}'));
SELECT kind, title, has_file FROM items;
SELECT pg_temp.apply('shows', pg_temp.show('SeriesDelete') - 'episodes');
SELECT count(*) FROM items;
SELECT count(*) FROM researcharr.media WHERE type <> 'movie';

-- what is not monitored any more is not searched
UPDATE researcharr.instances SET settings = '{}';
SELECT created FROM researcharr.media_sync_radarr('movies', '[{"id": 9, "title": "Alien", "tmdbId": 348, "year": 1979, "monitored": true, "hasFile": false, "isAvailable": true}]');
SELECT count(*) FROM researcharr.wanted_enqueue('movies');
SELECT updated FROM researcharr.media_sync_radarr('movies', '[{"id": 9, "title": "Alien", "tmdbId": 348, "monitored": false}]');
SELECT j.status FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id WHERE m.title = 'Alien';
-- a repeated event leaves what a synchronization knows of the file
SELECT updated FROM researcharr.media_sync_radarr('movies', '[{"id": 9, "title": "Alien", "tmdbId": 348, "hasFile": true, "movieFileId": 102, "movieFile": {"id": 102, "customFormatScore": 77}}]');
SELECT pg_temp.apply('movies', '{"eventType": "Download", "movie": {"id": 9, "title": "Alien", "tmdbId": 348}, "movieFile": {"id": 102}}');
SELECT custom_format_score, payload->'movieFile' AS file FROM researcharr.tracked_items WHERE service_id = 9;
-- nor is an episode whose season or series is not
CREATE FUNCTION pg_temp.lost(series boolean, second_season boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_array(jsonb_build_object('id', 4, 'title', 'Lost', 'tvdbId', 73739, 'monitored', series, 'seasons',
		jsonb_build_array('{"seasonNumber": 1, "monitored": true}'::jsonb, jsonb_build_object('seasonNumber', 2, 'monitored', second_season))))
$$;
CREATE VIEW searches AS SELECT m.title, j.status FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id
	WHERE j.metadata ? 'wanted' AND m.title NOT IN ('Greenland', 'Dune', 'Alien') ORDER BY m.title, j.id;
SELECT created FROM researcharr.media_sync_sonarr('shows', pg_temp.lost(true, true), (SELECT jsonb_agg(jsonb_build_object('id', 40 + n, 'seriesId', 4, 'tvdbId', 4500 + n,
	'title', 'Part ' || n, 'seasonNumber', 1 + n / 3, 'episodeNumber', n, 'monitored', true, 'hasFile', false, 'airDateUtc', '2004-09-22T00:00:00Z')) FROM generate_series(1, 4) n));
SELECT count(*) FROM researcharr.wanted_enqueue('shows', order_by => 'alphabetical');
SELECT m.title AS running FROM researcharr.job_dequeue('{search}') d JOIN researcharr.media m ON m.id = d.media_id;
SELECT updated FROM researcharr.media_sync_sonarr('shows', pg_temp.lost(true, false), '[]');
TABLE searches;
SELECT updated FROM researcharr.media_sync_sonarr('shows', pg_temp.lost(false, false), '[]');
TABLE searches;
-- a better file ends the search for one, if it meets the cutoff
SELECT created FROM researcharr.media_sync_radarr('movies', (SELECT jsonb_agg(jsonb_build_object('id', 20 + n, 'title', 'Cut ' || n, 'tmdbId', 2000 + n, 'monitored', true,
	'hasFile', true, 'isAvailable', true, 'movieFile', jsonb_build_object('id', n, 'qualityCutoffNotMet', true))) FROM generate_series(1, 4) n));
SELECT count(*) FROM researcharr.wanted_enqueue('movies', 'cutoff', order_by => 'alphabetical');
SELECT m.title AS running FROM researcharr.job_dequeue('{search}') d JOIN researcharr.media m ON m.id = d.media_id;
SELECT updated FROM researcharr.media_sync_radarr('movies', (SELECT jsonb_agg(jsonb_build_object('id', 20 + n, 'title', 'Cut ' || n, 'tmdbId', 2000 + n,
	'hasFile', true, 'movieFile', jsonb_build_object('id', 10 + n, 'qualityCutoffNotMet', n = 3))) FROM generate_series(1, 3) n));
TABLE searches;
-- what a complete call does not have is not searched
SELECT removed FROM researcharr.media_sync_radarr('movies', '[{"id": 9, "title": "Alien", "tmdbId": 348}]', true, 1);
TABLE searches;
DELETE FROM researcharr.media WHERE title LIKE 'Part _' OR title = 'Lost';
-- a series goes with its episodes, also with one that has lost its place
SELECT created FROM researcharr.media_sync_sonarr('shows', '[{"id": 4, "title": "Lost", "tvdbId": 73739}]', '[{"id": 41, "seriesId": 4, "tvdbId": 4100, "title": "Pilot", "seasonNumber": 1, "episodeNumber": 1}]');
SELECT created FROM researcharr.media_sync_sonarr('shows', '[]', '[{"id": 42, "seriesId": 4, "tvdbId": 4200, "title": "Part 2", "seasonNumber": 1, "episodeNumber": 2}]');
DELETE FROM researcharr.episodes WHERE media_id = (SELECT id FROM researcharr.media WHERE external_id = '4200' AND type = 'episode');
SELECT title, episode_number FROM researcharr.tracked_items JOIN researcharr.media m ON m.id = media_id LEFT JOIN researcharr.episodes USING (media_id) WHERE service_id IN (41, 42) ORDER BY service_id;
SELECT pg_temp.apply('shows', '{"eventType": "SeriesDelete", "series": {"id": 4, "title": "Lost", "tvdbId": 73739}}');
SELECT count(*) FROM researcharr.tracked_items WHERE service_id IN (4, 41, 42);
DROP VIEW items, searches;
SET client_min_messages = warning;
TRUNCATE researcharr.media, researcharr.instances CASCADE;
