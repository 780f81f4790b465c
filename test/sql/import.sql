-- Imports from Radarr and Sonarr: a real library, and all that can be wrong with
-- one.  The errors' texts are part of the interface.
SET search_path = researcharr, pg_catalog;
\set SHOW_CONTEXT never
\set movies `cat "$PG_ABS_SRCDIR/data/radarr-movie.json"`
\set series `cat "$PG_ABS_SRCDIR/data/sonarr-series.json"`
\set episodes `cat "$PG_ABS_SRCDIR/data/sonarr-episode.json"`

-- a real library lands whole
SELECT * FROM media_import_radarr(:'movies');
SELECT * FROM media_import_sonarr(:'series', :'episodes');
SELECT type, count(*), count(DISTINCT external_id) AS external_ids, min(status) AS status,
	count(*) FILTER (WHERE title <> btrim(title)) AS untrimmed
FROM media GROUP BY type ORDER BY type;
SELECT (SELECT count(*) FROM movie_rows) AS movies, (SELECT count(*) FROM series_rows) AS series,
	(SELECT count(*) FROM episode_rows) AS episodes;
SELECT count(*) FILTER (WHERE runtime_minutes IS NULL) AS runtime_unknown, min(runtime_minutes), min(year), max(year),
	count(*) FILTER (WHERE external_id = tmdb_id::text) AS keyed FROM movie_rows;
-- every object is there as it came
SELECT count(*) AS objects, count(*) FILTER (WHERE m.title = o ->> 'title' AND m.year = (o ->> 'year')::int
	AND m.imdb_id = o ->> 'imdbId' AND m.runtime_minutes IS NOT DISTINCT FROM NULLIF((o ->> 'runtime')::int, 0)
	AND m.metadata = jsonb_build_object('radarr', o - '{title,year,imdbId,tmdbId,runtime}'::text[])) AS as_they_came
FROM jsonb_array_elements(:'movies') o JOIN movie_rows m ON m.tmdb_id = (o ->> 'tmdbId')::int;
SELECT count(*) AS objects, count(*) FILTER (WHERE e.title = o ->> 'title' AND e.season_number = (o ->> 'seasonNumber')::int
	AND e.episode_number = (o ->> 'episodeNumber')::int AND e.air_date = (o ->> 'airDate')::date
	AND s.metadata #>> '{sonarr,id}' = o ->> 'seriesId'
	AND e.metadata = jsonb_build_object('sonarr', o - '{title,tvdbId,seriesId,seasonNumber,episodeNumber,airDate}'::text[])) AS as_they_came
FROM jsonb_array_elements(:'episodes') o JOIN episode_rows e ON e.external_id = o ->> 'tvdbId'
	JOIN series_rows s ON s.id = e.series_id;
SELECT s.title, s.external_id, s.seasons, s.episodes, count(e.id) AS imported, s.metadata #> '{sonarr,year}' AS year
FROM series_rows s JOIN episode_rows e ON e.series_id = s.id
GROUP BY 1, 2, 3, 4, 6 ORDER BY 2;

-- a second run changes nothing: no row is written
CREATE TEMP TABLE before (tab, id, version, place) AS SELECT 'media', id, xmin::text, ctid::text FROM media
	UNION ALL SELECT 'movies', media_id, xmin::text, ctid::text FROM movies
	UNION ALL SELECT 'series', media_id, xmin::text, ctid::text FROM series
	UNION ALL SELECT 'episodes', media_id, xmin::text, ctid::text FROM episodes;
SELECT * FROM media_import_radarr(:'movies', strict => true);
SELECT * FROM media_import_sonarr(:'series', :'episodes');
SELECT * FROM media_import_sonarr('[]', :'episodes');
SELECT * FROM media_import_sonarr(:'series', '[]');
SELECT * FROM media_import_sonarr('[]', '[]', NULL);
SELECT count(*) AS changed FROM (TABLE before EXCEPT (SELECT 'media', id, xmin::text, ctid::text FROM media
	UNION ALL SELECT 'movies', media_id, xmin::text, ctid::text FROM movies
	UNION ALL SELECT 'series', media_id, xmin::text, ctid::text FROM series
	UNION ALL SELECT 'episodes', media_id, xmin::text, ctid::text FROM episodes)) c;

-- what differs is updated, and nothing else: status and others' metadata stay
UPDATE media SET status = 'completed', metadata = metadata || '{"mine": 1}' WHERE external_id = '100000';
CREATE TEMP TABLE old AS SELECT * FROM media WHERE external_id = '100000';
SELECT * FROM media_import_radarr('[{"tmdbId": 100000, "title": "\tThe Land Girls \n", "year": 1999, "hasFile": false}]');
SELECT m.title, m.year, m.imdb_id, m.status, m.metadata, m.created_at = o.created_at AS same_row, m.updated_at > o.updated_at AS later
FROM movie_rows m JOIN old o USING (id);
SELECT * FROM media_import_radarr('[{"tmdbId": 100000, "title": "The Land Girls", "year": 1999, "hasFile": false}]');
-- a media row without its own kind's row gets one
DELETE FROM movies WHERE tmdb_id = 100000;
SELECT * FROM media_import_radarr('[{"tmdbId": 100000, "title": "The Land Girls", "year": 1999, "hasFile": false}]');
SELECT count(*) FROM movie_rows WHERE external_id = '100000';

-- without an external id, title and year tell
SELECT * FROM media_import_radarr('[{"title": "Anon"}, {"title": "Anon", "year": 2018, "tmdbId": 0}, {"title": "Anon", "year": 2017, "tmdbId": null}]');
SELECT * FROM media_import_radarr('[{"title": " Anon", "year": 0}, {"title": "Anon", "year": 2018, "runtime": 90}, {"title": "Anon", "year": 2019}]');
SELECT title, external_id, year, tmdb_id, runtime_minutes, metadata FROM movie_rows WHERE title = 'Anon' ORDER BY year;
SELECT * FROM media_import_sonarr('[{"title": "Anon"}, {"title": "Anon", "year": 2018}]', '[]');
SELECT * FROM media_import_sonarr('[{"title": "Anon", "year": null}, {"title": "Anon", "year": 2018}]', '[]');
SELECT * FROM media_import_sonarr('[{"title": "Anon", "year": 0}, {"title": "Anon", "year": 2018}]', '[]');
SELECT title, external_id, tvdb_id, metadata FROM series_rows WHERE title = 'Anon' ORDER BY metadata::text;

-- titles that try to be SQL are stored as they are
SELECT * FROM media_import_radarr(jsonb_build_array(
	jsonb_build_object('tmdbId', 900001, 'title', 'Robert''); DROP TABLE researcharr.media; --'),
	jsonb_build_object('tmdbId', 900002, 'title', E'$1 %s %n \\ \' " {} \x01'),
	jsonb_build_object('tmdbId', 900003, 'title', repeat('é', 500))));
SELECT title FROM media WHERE external_id IN ('900001', '900002') ORDER BY external_id;

-- bad objects are reported one by one, and the others land
SELECT created, updated, unchanged, failed FROM media_import_radarr('[1, {"tmdbId": 1, "title": "Good"}, {}]');
SELECT e.* FROM media_import_radarr(jsonb_build_array(
	1, NULL, 'text', '[]'::jsonb, '{}'::jsonb,
	'{"title": "x1", "year": "soon"}'::jsonb, '{"title": "x2", "year": 1869}'::jsonb, '{"title": "x3", "year": 2000.5}'::jsonb,
	'{"title": "x4", "year": 1e131071}'::jsonb, '{"title": "x5", "year": [2000]}'::jsonb, '{"title": "x", "tmdbId": -1}'::jsonb,
	'{"title": "x", "tmdbId": 2147483648}'::jsonb, '{"title": "x", "tmdbId": "603"}'::jsonb, '{"title": "x", "tmdbId": 99999999999999999999}'::jsonb,
	'{"title": 5}'::jsonb, '{"title": null}'::jsonb, '{"title": " \t\n "}'::jsonb, jsonb_build_object('title', repeat('x', 501)),
	'{"title": "x6", "imdbId": "nm0000001"}'::jsonb, '{"title": "x7", "imdbId": 1}'::jsonb, '{"title": "x8", "runtime": -5}'::jsonb,
	'{"title": "x", "id": "one"}'::jsonb, '{"tmdbId": true, "year": {}, "imdbId": false}'::jsonb,
	jsonb_build_object('title', repeat('x', 600), 'imdbId', repeat('é', 600)),
	jsonb_build_object('title', 'x', 'big', repeat('x', 1048576)),
	'{"title": "twice", "tmdbId": 5}'::jsonb, '{"title": "twice again", "tmdbId": 5}'::jsonb,
	'{"title": "y", "year": 2000}'::jsonb, '{"title": "y ", "year": 2000, "tmdbId": 0}'::jsonb)) i,
	jsonb_to_recordset(i.errors) e (index int, sqlstate text, source text, message text);
SELECT e.* FROM media_import_sonarr(
	'[{"id": 91, "title": "S", "tvdbId": 91, "statistics": 1}, {"id": 92, "title": "S", "tvdbId": 92, "statistics": {"seasonCount": -1}},
	  {"id": 93, "title": "S", "tvdbId": 93}, {"id": 93, "title": "S", "tvdbId": 94}, {"id": 1.5, "title": "S", "tvdbId": 95}]',
	'[{"seriesId": 91, "seasonNumber": 1, "episodeNumber": 1, "title": "its series is bad"},
	  {"seriesId": 93, "seasonNumber": 1, "episodeNumber": 1, "title": "good", "tvdbId": 931},
	  {"seriesId": 93, "seasonNumber": 1, "episodeNumber": 1, "title": "same place", "tvdbId": 932},
	  {"seriesId": 93, "seasonNumber": 1, "episodeNumber": 2, "title": "same id", "tvdbId": 931},
	  {"seriesId": 4711, "seasonNumber": 1, "episodeNumber": 1, "title": "series of nobody"},
	  {"seasonNumber": 1, "episodeNumber": 1, "title": "no series"},
	  {"seriesId": 93, "seasonNumber": -1, "episodeNumber": -1, "title": "x", "airDate": "2001-02-29"},
	  {"seriesId": 93, "title": "x", "airDate": "20010228"},
	  {"seriesId": "93", "seasonNumber": 1, "episodeNumber": 3, "title": "x", "airDate": 5},
	  {"seriesId": 93, "seasonNumber": 0, "episodeNumber": 0, "title": "special", "airDate": ""}]') i,
	jsonb_to_recordset(i.errors) e (index int, sqlstate text, source text, message text);
SELECT title, season_number, episode_number, air_date, external_id FROM episode_rows
WHERE series_id = (SELECT id FROM media WHERE type = 'series' AND external_id = '93') ORDER BY 2, 3;

-- episodes change places, one comes before them, one moves away and another
-- without an id takes its place; an id that changes keeps the row
CREATE FUNCTION pg_temp.episodes(VARIADIC rows text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('seriesId', 93, 'seasonNumber', split_part(r, ' ', 1)::int, 'episodeNumber', split_part(r, ' ', 2)::int,
		'tvdbId', NULLIF(split_part(r, ' ', 3), '')::int, 'title', split_part(r, ' ', 4))) FROM unnest(rows) r $$;
CREATE VIEW pg_temp.places AS SELECT season_number || ' ' || episode_number AS place, external_id, title,
	metadata -> 'mine' AS first_title FROM episode_rows
	WHERE series_id = (SELECT id FROM media WHERE type = 'series' AND external_id = '93')
	ORDER BY season_number, episode_number;
SELECT created, updated, unchanged, failed, errors FROM media_import_sonarr('[]', pg_temp.episodes('0 0 930 special', '1 1 931 a', '1 2 932 b', '1 3 933 c'));
UPDATE media SET metadata = metadata || jsonb_build_object('mine', title) WHERE type = 'episode' AND external_id IN ('930', '931', '932', '933');
SELECT * FROM media_import_sonarr('[]', pg_temp.episodes('1 2 931 a', '1 1 932 b', '0 0 933 c', '1 3 930 special'));
TABLE pg_temp.places;
SELECT * FROM media_import_sonarr('[]', pg_temp.episodes('1 1 934 new', '1 2 932 b', '1 3 931 a', '1 4 930 special'));
TABLE pg_temp.places;
SELECT * FROM media_import_sonarr('[]', pg_temp.episodes('1 1  nameless', '1 9 934 new', '0 0 935 cc'));
TABLE pg_temp.places;
SELECT * FROM media_import_sonarr('[]', pg_temp.episodes('1 1  nameless', '1 9 934 new', '0 0 935 cc'));
-- places that other rows have: those rows lose them
SELECT created, updated, unchanged, failed, e.* FROM media_import_sonarr('[]', pg_temp.episodes('1 2 931 a', '1 3 936 d')) i,
	jsonb_to_recordset(i.errors) e (index int, sqlstate text, source text, message text);

-- a series gets another tvdbId
SELECT * FROM media_import_sonarr('[{"id": 93, "tvdbId": 96, "title": "S"}]', '[]');
SELECT * FROM media_import_sonarr('[]', '[{"seriesId": 93, "seasonNumber": 1, "episodeNumber": 9, "title": "whose"}]');
SELECT * FROM media_import_sonarr('[{"id": 93, "tvdbId": 96, "title": "S"}]', '[{"seriesId": 93, "seasonNumber": 1, "episodeNumber": 9, "title": "its"}]');

-- strict: one bad object undoes all, and the first errors are in the DETAIL
SELECT * FROM media_import_radarr('[{"tmdbId": 700001, "title": "Good"}, {"tmdbId": 700002}]', true);
SELECT * FROM media_import_sonarr('[{"id": 94, "tvdbId": 97, "title": "Good"}]', '[{"seriesId": 94}]', true);
SELECT * FROM media_import_radarr((SELECT jsonb_agg(n) FROM generate_series(1, 20000) n), true);
SELECT count(*) FROM media WHERE external_id IN ('700001', '97');
-- a long list of errors ends after 10000; failed counts all
SELECT failed, jsonb_array_length(errors) FROM media_import_radarr((SELECT jsonb_agg(n) FROM generate_series(1, 10001) n));

-- no array
SELECT * FROM media_import_radarr('{}');
SELECT * FROM media_import_radarr('"x"');
SELECT * FROM media_import_radarr('null');
SELECT * FROM media_import_sonarr('[]', '{"a": 1}');
SELECT * FROM media_import_radarr(NULL);
SELECT * FROM media_import_sonarr('[]', NULL);

-- what the database refuses is reported like that too
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE
		WHEN NEW.title LIKE '%raise%' THEN RAISE EXCEPTION 'not "%"', NEW.title USING ERRCODE = 'X0001';
		WHEN NEW.title LIKE '%divide%' THEN PERFORM 1 / 0;
		WHEN NEW.title LIKE '%skip%' THEN RETURN NULL;
		WHEN NEW.title LIKE '%cancel%' THEN RAISE EXCEPTION USING ERRCODE = 'query_canceled';
		WHEN NEW.title LIKE '%deadlock%' THEN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected';
		WHEN NEW.title LIKE '%full%' THEN RAISE EXCEPTION USING ERRCODE = 'disk_full';
		ELSE RETURN NEW;
	END CASE;
	RETURN NEW;
END$$;
CREATE TRIGGER zz_refuse BEFORE INSERT OR UPDATE ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
ALTER TABLE movies ADD CONSTRAINT no_thirteen CHECK (runtime_minutes <> 13);
SELECT created, updated, unchanged, failed, e.* FROM media_import_radarr((SELECT jsonb_agg(jsonb_build_object('tmdbId', 600000 + n,
	'title', n || CASE n WHEN 1 THEN ' raise' WHEN 250 THEN ' divide' WHEN 777 THEN ' skip' WHEN 1200 THEN ' raise' ELSE '' END,
	'runtime', CASE n WHEN 499 THEN 13 ELSE n END)) FROM generate_series(1, 1200) n WHERE n <> 13)) i,
	jsonb_to_recordset(i.errors) e (index int, sqlstate text, source text, message text);
SELECT count(*) FROM movies WHERE tmdb_id BETWEEN 600001 AND 601200;
SELECT * FROM media_import_radarr('[{"tmdbId": 600002, "title": "raise"}, {"tmdbId": 600003, "title": "3", "runtime": 4}]');
-- with the row in the way
CREATE UNIQUE INDEX one_a_title ON media (title) WHERE external_id LIKE '60____';
SELECT created, unchanged, failed, errors FROM media_import_radarr('[{"tmdbId": 600002, "title": "2", "runtime": 2}, {"tmdbId": 605000, "title": "fine"}, {"tmdbId": 605001, "title": "2"}]');
DROP INDEX one_a_title;
-- but not what is no object's fault
SELECT * FROM media_import_radarr('[{"tmdbId": 610001, "title": "fine"}, {"tmdbId": 610002, "title": "cancel"}]');
SELECT * FROM media_import_radarr('[{"tmdbId": 610001, "title": "fine"}, {"tmdbId": 610002, "title": "deadlock"}]');
SELECT * FROM media_import_radarr('[{"tmdbId": 610001, "title": "fine"}, {"tmdbId": 610002, "title": "full"}]');
SELECT count(*) FROM media WHERE external_id IN ('610001', '610002');
DROP TRIGGER zz_refuse ON media;
ALTER TABLE movies DROP CONSTRAINT no_thirteen;

-- rights: missing ones on the tables stop the import, row security refuses rows
CREATE ROLE regress_researcharr_importer;
GRANT USAGE ON SCHEMA researcharr TO regress_researcharr_importer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_researcharr_importer;
GRANT SELECT, INSERT, UPDATE ON media TO regress_researcharr_importer;
GRANT SELECT, INSERT ON movies TO regress_researcharr_importer;
GRANT SELECT, INSERT, UPDATE ON instances, tracked_items TO regress_researcharr_importer;
SET ROLE regress_researcharr_importer;
SELECT * FROM media_import_radarr('[{"tmdbId": 620001, "title": "fine"}]');
RESET ROLE;
GRANT UPDATE ON movies TO regress_researcharr_importer;
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY most ON media USING (true) WITH CHECK (title <> 'hidden');
SET ROLE regress_researcharr_importer;
SELECT * FROM media_import_radarr('[{"tmdbId": 620001, "title": "fine"}, {"tmdbId": 620002, "title": "hidden"}]');
RESET ROLE;
DROP POLICY most ON media;
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
BEGIN READ ONLY;
SELECT * FROM media_import_radarr('[]');
ROLLBACK;

-- whose operators and functions come first in the path does not matter
CREATE FUNCTION pg_temp.wrong(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1';
CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.wrong);
CREATE FUNCTION pg_temp.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS 'SELECT $1[1] WHERE 1 / 0 = 1';
SET search_path = pg_temp, pg_catalog, researcharr;
SELECT * FROM researcharr.media_import_radarr('[{"tmdbId": 620001, "title": "fine"}, {"title": "Anon"}]');
RESET search_path;

-- leave nothing behind
DELETE FROM researcharr.media;
DELETE FROM researcharr.instances;
DROP OWNED BY regress_researcharr_importer;
DROP ROLE regress_researcharr_importer;
