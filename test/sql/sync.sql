-- sync: media_sync_radarr and media_sync_sonarr.  The messages are part of the interface.

SET search_path = researcharr, pg_catalog;
\set SHOW_CONTEXT never
\set VERBOSITY terse
DELETE FROM instances;
SELECT name FROM instance_create('{"name": "hd", "service": "radarr"}');
SELECT name FROM instance_create('{"name": "4k", "service": "radarr", "settings": {"removed_media": "delete"}}');
SELECT name FROM instance_create('{"name": "tv", "service": "sonarr"}');
CREATE VIEW pg_temp.items AS SELECT n.name, t.kind, t.service_id, m.title, m.external_id, t.monitored, t.has_file, t.available_from,
	t.quality_profile_id AS profile, t.custom_format_score AS score, t.quality_cutoff_met AS cutoff, t.added_at
	FROM tracked_items t JOIN instances n ON n.id = t.instance_id JOIN media m ON m.id = t.media_id ORDER BY 1, 2, 3;
SET TimeZone = 'UTC';

-- movies: columns of tracked items, and what is wrong
SELECT created, updated, unchanged, moved, removed, failed, warnings, errors FROM media_sync_radarr('hd', '[
	{"id": 1, "title": "Out", "tmdbId": 101, "year": 2020, "monitored": true, "hasFile": true, "isAvailable": true, "qualityProfileId": 4,
	 "added": "2024-01-02T03:04:05Z", "movieFile": {"customFormatScore": 25, "qualityCutoffNotMet": true}},
	{"id": 2, "title": "Soon", "tmdbId": 102, "monitored": true, "hasFile": false, "isAvailable": false, "inCinemas": "2031-05-01T00:00:00Z",
	 "digitalRelease": "2031-04-01T10:30:00.5+02:00", "added": "0001-01-01T00:00:00Z"},
	{"id": 3, "title": "Some day", "tmdbId": 103, "monitored": false, "isAvailable": false, "movieFileId": 7},
	{"id": 4.0, "title": "\u00a0\u3000100 Years \u00a0", "tmdbId": 104, "year": 2115, "imdbId": "tt123456", "runtime": -1, "monitored": 1,
	 "digitalRelease": "soon", "qualityProfileId": "x"}]');
TABLE pg_temp.items;
SELECT title, year, imdb_id, runtime_minutes, metadata FROM movie_rows WHERE tmdb_id = 104;
SELECT payload ->> 'year' AS year FROM tracked_items WHERE service_id = 4;
-- the alphabetical order: a part of an object does not change a row's place
SELECT updated FROM media_sync_radarr('hd', '[{"id": 2, "title": "The Soon", "sortTitle": " SOON, the", "tmdbId": 102}]');
SELECT updated FROM media_sync_radarr('hd', '[{"id": 2, "title": "Soon", "tmdbId": 102}, {"id": 1, "title": "Out of", "tmdbId": 101}]');
SELECT service_id, sort_title FROM tracked_items ORDER BY 1;
SELECT updated FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101}]');

-- bad ids, and a title of 501 characters; pages are accepted
SELECT created, failed, e.* FROM media_sync_radarr('hd', jsonb_build_object('page', 1, 'totalRecords', 9, 'records', jsonb_build_array(
	'{"id": 0, "title": "x", "tmdbId": 1}'::jsonb, '{"id": -1, "title": "x", "tmdbId": 2}'::jsonb, '{"id": "9", "title": "x", "tmdbId": 3}'::jsonb,
	'{"title": "x", "tmdbId": 4}'::jsonb, '{"id": 9, "title": "x", "tmdbId": 5}'::jsonb, '{"id": 9, "title": "x", "tmdbId": 6}'::jsonb,
	'{"id": 10, "title": "x", "tmdbId": 5}'::jsonb, jsonb_build_object('id', 11, 'title', repeat('x', 501), 'tmdbId', 7), '1'))) i,
	jsonb_to_recordset(i.errors) e (index int, sqlstate text, source text, message text);
SELECT * FROM media_sync_radarr('hd', '{"totalRecords": 2, "records": [{"id": 1, "title": "Out", "tmdbId": 101}]}', complete => true);

-- the wrong service, instance or share
SELECT * FROM media_sync_radarr('nobody', '[]');
SELECT * FROM media_sync_radarr('tv', '[]');
SELECT * FROM media_sync_sonarr('hd', '[]', '[]');
SELECT * FROM media_sync_radarr(NULL, '[]');
SELECT * FROM media_sync_radarr('hd', NULL);
SELECT * FROM media_sync_radarr('hd', '{}');
SELECT * FROM media_sync_radarr('hd', '[]', true, 1.5);
SELECT * FROM media_sync_radarr('hd', '[]', true, 'NaN');
SELECT * FROM media_sync_radarr('hd', '[{"id": 1, "title": "x", "tvdbId": 5}]');
SELECT * FROM media_sync_sonarr('tv', '[{"id": 1, "title": "x", "tmdbId": 5}]', '[]');
SELECT * FROM media_sync_sonarr('tv', '[]', '[{"id": 1, "title": "x", "tmdbId": 5}]');
SELECT count(*) FROM tracked_items;

-- an unchanged answer writes nothing; what is absent from an object stays, and null clears
CREATE TEMP TABLE before AS SELECT id, xmin::text AS version, ctid::text AS place FROM media UNION ALL SELECT media_id, xmin::text, ctid::text FROM movies
	UNION ALL SELECT id, xmin::text, ctid::text FROM tracked_items;
SELECT updated, unchanged FROM media_sync_radarr('hd', (SELECT jsonb_agg(payload) FROM tracked_items));
SELECT count(*) AS changed FROM (TABLE before EXCEPT (SELECT id, xmin::text AS version, ctid::text AS place FROM media UNION ALL SELECT media_id, xmin::text, ctid::text FROM movies
	UNION ALL SELECT id, xmin::text, ctid::text FROM tracked_items)) c;
SELECT updated FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101}]');
SELECT updated FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101, "year": null, "qualityProfileId": null, "path": "/m"}]');
SELECT year, profile, score, t.payload FROM movie_rows m JOIN tracked_items t ON t.media_id = m.id, pg_temp.items i WHERE i.service_id = 1 AND t.service_id = 1;
SELECT updated FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101, "hasFile": false}]');
SELECT has_file, score, cutoff FROM pg_temp.items WHERE service_id = 1;

-- volatile members do not touch media
SELECT updated_at AS before FROM media WHERE external_id = '101' \gset
SELECT updated FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101, "popularity": 7.5}]');
SELECT updated_at = :'before' AS quiet FROM media WHERE external_id = '101';

-- a complete answer: refused when empty or too small, and otherwise what is absent goes
SELECT * FROM media_sync_radarr('hd', '[]', true);
SELECT * FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101}]', true);
SELECT count(*) FROM tracked_items;
SELECT removed, warnings FROM media_sync_radarr('hd', '[{"id": "1", "title": "Out", "tmdbId": 101}]', true, 1);
SELECT unchanged, removed FROM media_sync_radarr('hd', '[{"id": 1, "title": "Out", "tmdbId": 101}, {"id": 2, "title": "Soon", "tmdbId": 102}]', true, 1);
SELECT title FROM pg_temp.items;
SELECT count(*) AS kept FROM movie_rows;

-- two instances: each has its flags; media go when the last one that deletes them lets go
SELECT created, updated FROM media_sync_radarr('4k', '[{"id": 7, "title": "Raus", "tmdbId": 101, "hasFile": true, "monitored": true},
	{"id": 8, "title": "Only here", "tmdbId": 108}, {"id": 9, "title": "Busy", "tmdbId": 109}]');
SELECT name, service_id, title, has_file FROM pg_temp.items;
SELECT job_enqueue(id, 'search') IS NOT NULL AS busy FROM media WHERE external_id = '109';
SELECT removed FROM media_sync_radarr('4k', '[{"id": 99, "title": "Else", "tmdbId": 199}]', true, 1);
SELECT external_id FROM media WHERE external_id IN ('101', '108', '109') ORDER BY 1;
UPDATE instances SET settings = '{"removed_media": "delete_with_jobs"}' WHERE name = 'hd';
SELECT created FROM media_sync_radarr('hd', '[{"id": 3, "title": "Busy", "tmdbId": 109}]');
SELECT removed FROM media_sync_radarr('hd', '[]', true, 1);
SELECT external_id FROM media WHERE external_id IN ('101', '102', '108', '109') ORDER BY 1;

-- a moved id keeps the row; ids that are dealt anew follow the external ids, and the tracked items with them
SELECT created FROM media_sync_radarr('hd', '[{"id": 1, "title": "A", "tmdbId": 201}, {"id": 2, "title": "B", "tmdbId": 202}, {"id": 3, "title": "C", "tmdbId": 203}]');
CREATE TEMP TABLE ids AS SELECT t.id, t.media_id, m.title FROM tracked_items t JOIN media m ON m.id = t.media_id;
SELECT moved, created FROM media_sync_radarr('hd', '[{"id": 1, "title": "A", "tmdbId": 211}]');
SELECT moved, created, unchanged FROM media_sync_radarr('hd', '[{"id": 1, "title": "B", "tmdbId": 202}, {"id": 2, "title": "A", "tmdbId": 211}, {"id": 3, "title": "C", "tmdbId": 203}]', true);
SELECT t.service_id, m.title, m.external_id, t.id = i.id AND m.id = i.media_id AS same FROM tracked_items t JOIN media m ON m.id = t.media_id JOIN ids i ON i.title = m.title
WHERE t.instance_id = (SELECT id FROM instances WHERE name = 'hd') ORDER BY 1;
-- an id for a new object, whose row's own id has another: a new row
SELECT moved, created FROM media_sync_radarr('hd', '[{"id": 1, "title": "D", "tmdbId": 204}, {"id": 9, "title": "B", "tmdbId": 202}]');
SELECT service_id, title, external_id FROM pg_temp.items WHERE name = 'hd';
-- another row has the new external id: the one without jobs goes
SELECT movie_create('{"title": "Ghost", "external_id": "303", "tmdb_id": 303}') IS NOT NULL AS ghost;
SELECT job_enqueue(media_id, 'search') IS NOT NULL AS job FROM tracked_items WHERE service_id = 3;
SELECT moved FROM media_sync_radarr('hd', '[{"id": 3, "title": "C", "tmdbId": 303}]');
SELECT title, external_id, count(j.id) AS jobs FROM media m LEFT JOIN processing_jobs j ON j.media_id = m.id WHERE title IN ('C', 'Ghost') OR external_id = '303' GROUP BY 1, 2;
SELECT job_enqueue((movie_create('{"title": "Ghost", "external_id": "304", "tmdb_id": 304}')).id, 'search') IS NOT NULL AS ghost;
SELECT moved FROM media_sync_radarr('hd', '[{"id": 2, "title": "A", "tmdbId": 304}]');
SELECT title, external_id, count(j.id) AS jobs FROM media m LEFT JOIN processing_jobs j ON j.media_id = m.id WHERE title IN ('A', 'Ghost') OR external_id = '304' GROUP BY 1, 2;
SELECT job_enqueue((movie_create('{"title": "Ghost", "external_id": "305", "tmdb_id": 305}')).id, 'search') IS NOT NULL AS ghost;
SELECT moved, jsonb_array_length(warnings) FROM media_sync_radarr('hd', '[{"id": 3, "title": "C", "tmdbId": 305}]');
SELECT title, external_id, count(j.id) AS jobs, count(DISTINCT t.id) AS items FROM media m LEFT JOIN processing_jobs j ON j.media_id = m.id
	LEFT JOIN tracked_items t ON t.media_id = m.id WHERE external_id IN ('303', '305') GROUP BY 1, 2 ORDER BY 2;

-- series and episodes
CREATE FUNCTION pg_temp.episode(id int, tvdb int, season int, number int, title text, monitored boolean = true) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_build_object('id', id, 'seriesId', 5, 'tvdbId', tvdb, 'seasonNumber', season, 'episodeNumber', number, 'title', title,
		'monitored', monitored, 'hasFile', false, 'airDateUtc', '2024-03-0' || number || 'T01:00:00Z') $$;
CREATE VIEW pg_temp.places AS SELECT season_number || 'x' || episode_number AS place, e.title, external_id, t.service_id, t.monitored, t.quality_profile_id AS profile
	FROM episode_rows e LEFT JOIN tracked_items t ON t.media_id = e.id ORDER BY season_number, episode_number;
SELECT created, failed, errors FROM media_sync_sonarr('tv', '[{"id": 5, "title": "Show", "tvdbId": 79126, "year": 1, "monitored": true, "qualityProfileId": 6,
	"seasons": [{"seasonNumber": 1, "monitored": true}, {"seasonNumber": 2, "monitored": false}]}]',
	jsonb_build_array(pg_temp.episode(50, 11, 1, 1, 'Bogus'), pg_temp.episode(51, 12, 1, 2, 'A'), pg_temp.episode(52, 13, 1, 3, 'B', false), pg_temp.episode(53, 14, 2, 1, 'C')), true);
TABLE pg_temp.places;
SELECT service_id, available_from FROM pg_temp.items WHERE kind = 'episode';
SELECT service_id, sort_title FROM tracked_items WHERE kind <> 'movie' ORDER BY sort_title;
-- an episode is dropped, and the others move up
SELECT updated, unchanged, moved, removed, failed, errors FROM media_sync_sonarr('tv', '[]', jsonb_build_array(pg_temp.episode(50, 12, 1, 1, 'A'), pg_temp.episode(51, 13, 1, 2, 'B'), pg_temp.episode(53, 14, 2, 1, 'C')), true, 0.5);
TABLE pg_temp.places;
SELECT title FROM media WHERE external_id = '11';
-- two exchange places; flags of a series reach episodes that are not in the call
SELECT moved, updated, failed FROM media_sync_sonarr('tv', '[{"id": 5, "title": "Show", "tvdbId": 79126, "seasons": [{"seasonNumber": 2, "monitored": true}], "qualityProfileId": 7}]',
	jsonb_build_array(pg_temp.episode(50, 13, 1, 1, 'B'), pg_temp.episode(51, 12, 1, 2, 'A')));
TABLE pg_temp.places;
SELECT updated FROM media_sync_sonarr('tv', '[{"id": 5, "title": "Show", "sortTitle": "late show", "tvdbId": 79126, "monitored": false}]', '[]');
SELECT service_id, monitored, sort_title FROM tracked_items WHERE kind <> 'movie' ORDER BY sort_title;
-- a moved tvdbId of the series; its episodes stay with it
SELECT moved FROM media_sync_sonarr('tv', '[{"id": 5, "title": "Show", "tvdbId": 99126}]', '[]');
SELECT moved, updated, failed, errors FROM media_sync_sonarr('tv', '[]', jsonb_build_array(pg_temp.episode(50, 93, 1, 1, 'B'), pg_temp.episode(51, 92, 1, 2, 'A'), pg_temp.episode(53, 94, 2, 1, 'C')), true);
TABLE pg_temp.places;
SELECT count(*) AS series FROM series;
-- episodes are only complete for the series of the call
SELECT created, removed FROM media_sync_sonarr('tv', '[{"id": 6, "title": "Other", "tvdbId": 6}]', '[{"id": 60, "seriesId": 6, "title": "O", "tvdbId": 601, "seasonNumber": 1, "episodeNumber": 1}]');
SELECT removed FROM media_sync_sonarr('tv', '[]', '[{"id": 60, "seriesId": 6, "title": "O", "tvdbId": 601, "seasonNumber": 1, "episodeNumber": 1}]', true);
SELECT removed FROM media_sync_sonarr('tv', '[{"id": 6, "title": "Other", "tvdbId": 6}, {"id": 5, "title": "Show", "tvdbId": 99126}]', '[]', true);
SELECT removed FROM media_sync_sonarr('tv', '[{"id": 6, "title": "Other", "tvdbId": 6}]', '[]', true);
SELECT removed FROM media_sync_sonarr('tv', '[{"id": 6, "title": "Other", "tvdbId": 6}]', '[]', true, 1);
SELECT kind, service_id, title FROM pg_temp.items WHERE name = 'tv';

-- the share is exact: 7 of 10 is no more than 0.7
SELECT name FROM instance_create('{"name": "share", "service": "radarr"}');
SELECT created FROM media_sync_radarr('share', (SELECT jsonb_agg(jsonb_build_object('id', g, 'title', 'Of ten', 'tmdbId', 500 + g)) FROM generate_series(1, 10) g));
SELECT removed FROM media_sync_radarr('share', '[{"id": 1, "title": "Of ten", "tmdbId": 501}, {"id": 2, "title": "Of ten", "tmdbId": 502}, {"id": 3, "title": "Of ten", "tmdbId": 503}]', true, 0.7);
DELETE FROM instances WHERE name = 'share';

-- instances by default
SELECT created FROM media_import_radarr('[{"id": 1, "title": "Default", "tmdbId": 401}, {"id": 0, "title": "Untracked", "tmdbId": 402}, {"title": "Untracked too", "tmdbId": 403}]');
SELECT unchanged FROM media_import_radarr('[{"id": 1, "title": "Default", "tmdbId": 401}, {"id": 0, "title": "Untracked", "tmdbId": 402}, {"title": "Untracked too", "tmdbId": 403}]');
SELECT name, service_id, title FROM pg_temp.items WHERE name = 'radarr';
SELECT name, service, last_synced_at IS NOT NULL AS synced FROM instances ORDER BY 1;

-- another Radarr's objects, with the same ids: an import does not say whose they are
SELECT created, updated FROM media_import_radarr('[{"id": 1, "title": "Brazil", "tmdbId": 68}]');
SELECT title, external_id FROM media WHERE external_id IN ('401', '68') ORDER BY 1;
-- the same object with another id is still the same
SELECT created, updated FROM media_import_radarr('[{"id": 1, "title": "Brazil", "tmdbId": 69}]');
SELECT title, external_id FROM media WHERE title = 'Brazil';
-- an object without an external id, or without the whole of it, leaves what is known
SELECT updated, failed FROM media_import_radarr('[{"id": 1, "title": "Brazil", "tmdbId": 0, "isAvailable": true}]');
SELECT updated FROM media_import_radarr('[{"id": 1, "title": "Brazil", "physicalRelease": "2030-01-01T00:00:00Z"}]');
SELECT m.external_id, s.tmdb_id, t.available_from FROM tracked_items t JOIN media m ON m.id = media_id JOIN movies s USING (media_id) WHERE service_id = 1 AND kind = 'movie';

-- two Sonarrs that have different episodes at a place settle: the one whose id is the first decides
DELETE FROM media;
DELETE FROM instances;
INSERT INTO instances (id, name, service) VALUES ('00000000-0000-7000-8000-000000000001', 'one', 'sonarr'), ('00000000-0000-7000-8000-000000000002', 'two', 'sonarr');
CREATE FUNCTION pg_temp.both(OUT name text, OUT created int, OUT updated int, OUT unchanged int, OUT failed int) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT 'one', created, updated, unchanged, failed FROM researcharr.media_sync_sonarr('one', '[{"id": 5, "title": "Show", "tvdbId": 79126}]', jsonb_build_array(pg_temp.episode(50, 11, 1, 1, 'A')))
	UNION ALL
	SELECT 'two', created, updated, unchanged, failed FROM researcharr.media_sync_sonarr('two', '[{"id": 5, "title": "Show", "tvdbId": 79126}]', jsonb_build_array(pg_temp.episode(50, 12, 1, 1, 'B')))
$$;
SELECT * FROM pg_temp.both();
SELECT * FROM pg_temp.both();
SELECT title, external_id, season_number, episode_number FROM media m LEFT JOIN episodes e ON e.media_id = m.id WHERE m.type = 'episode' ORDER BY 1;
-- and one with another external id for a shared episode
SELECT updated, unchanged FROM media_sync_sonarr('two', '[]', jsonb_build_array(pg_temp.episode(50, 11, 1, 1, 'A')));
SELECT updated FROM media_sync_sonarr('two', '[]', jsonb_build_array(pg_temp.episode(50, 19, 1, 1, 'A')));
SELECT * FROM pg_temp.both() WHERE name = 'one';
SELECT external_id FROM media WHERE type = 'episode' AND title = 'A';

-- two that differ about an episode's place: each has its own in the alphabet, and an unchanged call writes nothing
SELECT updated FROM media_sync_sonarr('one', '[]', jsonb_build_array(pg_temp.episode(51, 21, 1, 3, 'C')));
SELECT created FROM media_sync_sonarr('two', '[]', jsonb_build_array(pg_temp.episode(51, 21, 1, 2, 'C')));
SELECT updated, unchanged FROM media_sync_sonarr('two', '[{"id": 5, "title": "Show", "tvdbId": 79126, "statistics": {"episodeCount": 2}}]', '[]');
SELECT updated, unchanged FROM media_sync_sonarr('two', '[]', jsonb_build_array(pg_temp.episode(51, 21, 1, 2, 'C')));
SELECT n.name, t.sort_title FROM tracked_items t JOIN instances n ON n.id = t.instance_id WHERE t.service_id = 51 ORDER BY 1;

-- the episodes of a series come before a series whose title begins with its title; titles count where there is no sortTitle
SELECT created, failed, warnings FROM media_sync_sonarr('one', '[{"id": 7, "title": "Lost", "tvdbId": 701}, {"id": 8, "title": "Lost Girl", "tvdbId": 801, "sortTitle": " "},
	{"id": 9, "title": "مسلسل", "tvdbId": 901, "sortTitle": 5}]',
	'[{"id": 70, "seriesId": 7, "tvdbId": 702, "title": "x", "seasonNumber": 1, "episodeNumber": 100000}, {"id": 80, "seriesId": 8, "tvdbId": 802, "title": "x", "seasonNumber": 0, "episodeNumber": 1}]');
SELECT service_id, sort_title FROM tracked_items WHERE service_id BETWEEN 7 AND 80 AND service_id NOT BETWEEN 50 AND 59 ORDER BY sort_title COLLATE "C";
SELECT updated FROM media_sync_sonarr('one', '[{"id": 7, "title": "Zost", "tvdbId": 701}]', '[]');
SELECT service_id, sort_title FROM tracked_items WHERE service_id IN (7, 70) ORDER BY 1;
UPDATE tracked_items SET sort_title = repeat('y', 500) WHERE service_id = 7;
SELECT updated, failed FROM media_sync_sonarr('one', '[]', '[{"id": 70, "seriesId": 7, "tvdbId": 702, "title": "x", "seasonNumber": 1, "episodeNumber": 2}]');
SELECT length(sort_title), right(sort_title, 15) FROM tracked_items WHERE service_id = 70;

-- values that cannot be: NULL, and the original stays
SELECT name FROM instance_create('{"name": "films", "service": "radarr"}');
SELECT created, failed, warnings FROM media_sync_radarr('films', '[{"id": 1, "title": "Zero", "tmdbId": 1, "imdbId": "0"}]');
SELECT imdb_id, metadata FROM movie_rows;
SELECT created, failed, warnings FROM media_sync_sonarr('one', '[]', '[{"id": 71, "seriesId": 7, "tvdbId": 711, "title": "Never", "seasonNumber": 2, "episodeNumber": 1, "airDate": "0000-00-00"},
	{"id": 72, "seriesId": 7, "tvdbId": 712, "title": "At six", "seasonNumber": 2, "episodeNumber": 2, "airDate": "2024-03-01T18:00:00Z"}]');
SELECT title, air_date, metadata FROM episode_rows WHERE season_number = 2 ORDER BY episode_number;

-- an empty complete call
SELECT * FROM media_sync_sonarr('one', '[]', '[]', true);
-- pages
SELECT created, failed, errors FROM media_sync_sonarr('one', '{"page": 1, "totalRecords": 1, "records": [{"id": 10, "title": "Paged", "tvdbId": 1001}]}',
	'{"page": 1, "totalRecords": 1, "records": [{"id": 100, "seriesId": 10, "tvdbId": 1002, "title": "x", "seasonNumber": 1, "episodeNumber": 1}]}');
-- titles from right to left, with marks, and absolute numbers
SELECT created, failed, warnings, errors FROM media_sync_sonarr('one', '[{"id": 11, "title": "\u200fחברים (1994)\u200f", "tvdbId": 1101}]',
	'[{"id": 110, "seriesId": 11, "tvdbId": 1102, "title": "الحلقة ١", "seasonNumber": 3, "episodeNumber": 1, "absoluteEpisodeNumber": 51, "sceneAbsoluteEpisodeNumber": 52}]');
SELECT m.title = E'\u200fחברים (1994)\u200f' AS same FROM media m JOIN tracked_items t ON t.media_id = m.id WHERE t.service_id = 11;
SELECT title, season_number, episode_number, metadata -> 'sonarr' -> 'absoluteEpisodeNumber' AS absolute FROM episode_rows WHERE external_id = '1102';

-- a movie of Radarr 5, and a series and an episode of Sonarr 4, whole
SELECT created, failed, warnings, errors FROM media_sync_radarr('films', '[{"title": "Stalker", "originalTitle": "Сталкер", "originalLanguage": {"id": 11, "name": "Russian"},
	"alternateTitles": [{"sourceType": "tmdb", "movieMetadataId": 5, "title": "Stalker", "id": 9}], "secondaryYearSourceId": 0, "sortTitle": "stalker", "sizeOnDisk": 15032385536,
	"status": "released", "overview": "Near a gray and unnamed city is the Zone.", "inCinemas": "1979-05-25T00:00:00Z", "digitalRelease": "2016-05-11T00:00:00Z",
	"images": [{"coverType": "poster", "url": "/MediaCover/12/poster.jpg", "remoteUrl": "https://image.tmdb.org/x.jpg"}], "website": "", "year": 1979, "youTubeTrailerId": "x",
	"studio": "Mosfilm", "path": "/movies/Stalker (1979)", "qualityProfileId": 6, "hasFile": true, "movieFileId": 31, "monitored": true, "minimumAvailability": "released",
	"isAvailable": true, "folderName": "/movies/Stalker (1979)", "runtime": 162, "cleanTitle": "stalker", "imdbId": "tt0079944", "tmdbId": 1398, "titleSlug": "1398",
	"rootFolderPath": "/movies", "genres": ["Science Fiction", "Drama"], "keywords": ["zone"], "tags": [], "added": "2024-06-07T08:09:10Z",
	"ratings": {"imdb": {"votes": 150000, "value": 8.1, "type": "user"}}, "movieFile": {"movieId": 12, "relativePath": "Stalker.mkv", "size": 15032385536, "dateAdded": "2024-06-08T01:02:03Z",
	"languages": [{"id": 11, "name": "Russian"}], "quality": {"quality": {"id": 7, "name": "Bluray-1080p"}, "revision": {"version": 1, "real": 0, "isRepack": false}},
	"customFormats": [], "customFormatScore": 15, "qualityCutoffNotMet": false, "id": 31}, "collection": {"title": "", "tmdbId": 0}, "popularity": 14.2,
	"lastSearchTime": "2024-06-07T09:00:00Z", "statistics": {"movieFileCount": 1, "sizeOnDisk": 15032385536, "releaseGroups": []}, "id": 12}]');
SELECT title, year, runtime_minutes, imdb_id, tmdb_id, external_id FROM movie_rows WHERE tmdb_id = 1398;
SELECT name, title, monitored, has_file, available_from, profile, score, cutoff, added_at FROM pg_temp.items WHERE service_id = 12;
SELECT created, failed, warnings, errors FROM media_sync_sonarr('one', '[{"title": "Severance", "alternateTitles": [], "sortTitle": "severance", "status": "continuing", "ended": false,
	"overview": "x", "nextAiring": "2031-01-17T02:00:00Z", "network": "Apple TV+", "airTime": "21:00", "images": [], "originalLanguage": {"id": 1, "name": "English"},
	"seasons": [{"seasonNumber": 0, "monitored": false, "statistics": {"episodeFileCount": 0, "episodeCount": 0, "totalEpisodeCount": 8, "sizeOnDisk": 0, "releaseGroups": [], "percentOfEpisodes": 0}},
	{"seasonNumber": 1, "monitored": true, "statistics": {"episodeFileCount": 1, "episodeCount": 9, "totalEpisodeCount": 9, "sizeOnDisk": 5, "releaseGroups": ["G"], "percentOfEpisodes": 11.1}}],
	"year": 2022, "path": "/tv/Severance", "qualityProfileId": 4, "seasonFolder": true, "monitored": true, "monitorNewItems": "all", "useSceneNumbering": false, "runtime": 50,
	"tvdbId": 371980, "tvRageId": 0, "tvMazeId": 44933, "tmdbId": 95396, "firstAired": "2022-02-17T00:00:00Z", "lastAired": "2025-03-20T00:00:00Z", "seriesType": "standard",
	"cleanTitle": "severance", "imdbId": "tt11280740", "titleSlug": "severance", "rootFolderPath": "/tv", "certification": "TV-MA", "genres": ["Drama"], "tags": [],
	"added": "2024-01-01T00:00:00Z", "ratings": {"votes": 0, "value": 0.0}, "statistics": {"seasonCount": 1, "episodeFileCount": 1, "episodeCount": 9, "totalEpisodeCount": 17,
	"sizeOnDisk": 5, "releaseGroups": ["G"], "percentOfEpisodes": 11.1}, "languageProfileId": 1, "id": 12}]',
	'[{"seriesId": 12, "tvdbId": 8393529, "episodeFileId": 77, "seasonNumber": 1, "episodeNumber": 1, "title": "Good News About Hell", "airDate": "2022-02-17", "airDateUtc": "2022-02-18T05:00:00Z",
	"lastSearchTime": "2024-01-02T00:00:00Z", "runtime": 57, "overview": "x", "hasFile": true, "monitored": true, "absoluteEpisodeNumber": 1, "unverifiedSceneNumbering": false,
	"episodeFile": {"seriesId": 12, "seasonNumber": 1, "relativePath": "a.mkv", "size": 5, "customFormats": [], "customFormatScore": -5, "qualityCutoffNotMet": true, "id": 77}, "id": 121},
	{"seriesId": 12, "tvdbId": 8393530, "episodeFileId": 0, "seasonNumber": 0, "episodeNumber": 1, "title": "A special", "runtime": 3, "hasFile": false, "monitored": true,
	"unverifiedSceneNumbering": false, "id": 122}]');
SELECT title, external_id, seasons, episodes FROM series_rows WHERE tvdb_id = 371980;
SELECT title, season_number, episode_number, air_date FROM episode_rows WHERE external_id IN ('8393529', '8393530') ORDER BY 2;
SELECT name, title, monitored, has_file, available_from, profile, score, cutoff, added_at FROM pg_temp.items WHERE name = 'one' AND service_id IN (12, 121, 122);

-- leave nothing behind
DELETE FROM media;
DELETE FROM instances;
