-- library.sql: the answers of a Radarr and a Sonarr, for test/bench/library.sh.
--
-- Variables: movies, series, episodes (of each series), slice (objects of a call).
-- Each row of "answers" is what a call gets.  A movie has about 3.5 kB, an episode
-- 1.2 kB.  "churn" is a night later: popularity, ratings and statistics have
-- changed.  "changes" is the same with other titles of one object in a hundred.
CREATE TABLE answers (day text, part int, series jsonb, body jsonb, PRIMARY KEY (day, part));
ALTER TABLE answers ALTER body SET STORAGE EXTERNAL, ALTER series SET STORAGE EXTERNAL;

-- words of about n characters, always the same for a seed
CREATE FUNCTION words(seed text, n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT left(string_agg(translate(md5(seed || i), '0123456789', 'aeiou nrst'), ' '), n) FROM generate_series(1, n / 33 + 1) i
$$;

CREATE FUNCTION movie(n int, day int, edits boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', n, 'tmdbId', 100000 + n, 'imdbId', 'tt' || lpad(n::text, 7, '0'), 'year', 1950 + n % 75,
		'title', initcap(words('t' || n, 12 + n % 20)) || CASE WHEN edits AND n % 100 = 0 THEN ' II' ELSE '' END,
		'sortTitle', words('t' || n, 12 + n % 20), 'originalTitle', words('o' || n, 20), 'status', 'released', 'overview', words('w' || n, 600),
		'monitored', n % 5 > 0, 'hasFile', n % 3 > 0, 'isAvailable', true, 'qualityProfileId', n % 4 + 1, 'runtime', 80 + n % 70,
		'inCinemas', '2001-05-06T00:00:00Z', 'digitalRelease', '2001-09-06T00:00:00Z', 'added', '2020-01-02T03:04:05Z',
		'path', '/films/' || words('p' || n, 40), 'folderName', '/films/' || words('p' || n, 40), 'studio', words('s' || n % 50, 15),
		'genres', '["Drama", "Thriller", "Science Fiction"]'::jsonb, 'tags', '[1, 4]'::jsonb, 'certification', 'PG-13',
		'popularity', (n % 97) + day / 7.0, 'sizeOnDisk', 4000000000 + n + day, 'statistics', jsonb_build_object('movieFileCount', 1, 'sizeOnDisk', 4000000000 + n + day),
		'ratings', jsonb_build_object('imdb', jsonb_build_object('votes', 1000 + n + day, 'value', 7.1, 'type', 'user'),
			'tmdb', jsonb_build_object('votes', 500 + day, 'value', 6.9, 'type', 'user'), 'metacritic', jsonb_build_object('votes', 0, 'value', 61, 'type', 'user')),
		'images', (SELECT jsonb_agg(jsonb_build_object('coverType', type, 'url', '/MediaCover/' || n || '/' || type || '.jpg?lastWrite=' || day,
			'remoteUrl', 'https://image.example/t/p/original/' || md5(type || n) || '.jpg')) FROM unnest('{poster,fanart,clearlogo}'::text[]) type),
		'alternateTitles', (SELECT jsonb_agg(jsonb_build_object('sourceType', 'tmdb', 'movieMetadataId', n, 'title', words('a' || n || i, 25), 'id', 10 * n + i))
			FROM generate_series(1, 4) i),
		'movieFile', jsonb_build_object('id', n, 'movieId', n, 'relativePath', words('f' || n, 60), 'size', 4000000000 + n, 'dateAdded', '2021-01-01T00:00:00Z',
			'customFormatScore', n % 200, 'qualityCutoffNotMet', n % 2 = 0, 'releaseGroup', 'GROUP', 'edition', '',
			'quality', jsonb_build_object('quality', jsonb_build_object('id', 7, 'name', 'Bluray-1080p', 'source', 'bluray', 'resolution', 1080, 'modifier', 'none'),
				'revision', jsonb_build_object('version', 1, 'real', 0, 'isRepack', false)),
			'languages', '[{"id": 1, "name": "English"}]'::jsonb,
			'mediaInfo', jsonb_build_object('audioBitrate', 640000, 'audioChannels', 5.1, 'audioCodec', 'AC3', 'audioLanguages', 'eng', 'audioStreamCount', 1,
				'videoBitDepth', 8, 'videoBitrate', 9000000, 'videoCodec', 'x264', 'videoFps', 23.976, 'resolution', '1920x800', 'runTime', '1:52:33', 'scanType', 'Progressive',
				'subtitles', 'eng/spa/fre')))
$$;

CREATE FUNCTION series(n int, day int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', n, 'tvdbId', 300000 + n, 'title', initcap(words('S' || n, 20)), 'year', 1990 + n % 30, 'monitored', true,
		'qualityProfileId', 1, 'overview', words('SW' || n, 500), 'status', 'continuing', 'ratings', jsonb_build_object('votes', 100 + day, 'value', 8.1),
		'seasons', (SELECT jsonb_agg(jsonb_build_object('seasonNumber', s, 'monitored', true)) FROM generate_series(1, 10) s),
		'statistics', jsonb_build_object('seasonCount', 10, 'totalEpisodeCount', 100, 'sizeOnDisk', 1000000 + day))
$$;

CREATE FUNCTION episode(series int, n int, episodes int, edits boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', id, 'seriesId', series, 'tvdbId', 5000000 + id, 'seasonNumber', 1 + (n - 1) / 10, 'episodeNumber', 1 + (n - 1) % 10,
		'absoluteEpisodeNumber', n, 'title', initcap(words('e' || id, 15 + id % 20)) || CASE WHEN edits AND id % 100 = 0 THEN ' (2)' ELSE '' END,
		'airDate', '2015-01-01'::date + n, 'airDateUtc', to_char('2015-01-01 20:00'::timestamp + n * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
		'overview', words('ew' || id, 380), 'hasFile', id % 4 > 0, 'monitored', id % 6 > 0, 'episodeFileId', id % 4, 'unverifiedSceneNumbering', false, 'runtime', 45,
		'episodeFile', jsonb_build_object('id', id, 'relativePath', words('ef' || id, 70), 'size', 1000000000 + id, 'customFormatScore', id % 100, 'qualityCutoffNotMet', false,
			'quality', jsonb_build_object('quality', jsonb_build_object('id', 4, 'name', 'HDTV-720p', 'source', 'television', 'resolution', 720)),
			'mediaInfo', jsonb_build_object('audioChannels', 2, 'audioCodec', 'AAC', 'videoCodec', 'h264', 'videoFps', 25, 'resolution', '1280x720', 'runTime', '43:10')))
	FROM (SELECT (series - 1) * episodes + n AS id) s
$$;

INSERT INTO answers
SELECT d.day, part, NULL, jsonb_agg(movie(n, d.nights, d.edits))
FROM (VALUES ('first', 0, false), ('churn', 1, false), ('changes', 1, true)) d (day, nights, edits),
	generate_series(1, :movies) n, LATERAL (SELECT n / :slice AS part) p GROUP BY d.day, d.nights, part;
INSERT INTO answers
SELECT d.day, part, (SELECT jsonb_agg(series(s, d.nights)) FROM unnest(array_agg(DISTINCT n)) s), jsonb_agg(episode(n, e, :episodes, d.edits))
FROM (VALUES ('first', 0, false), ('churn', 1, false), ('changes', 1, true)) d (day, nights, edits),
	generate_series(1, :series) n, generate_series(1, :episodes) e, LATERAL (SELECT -1 - n * :episodes / :slice AS part) p GROUP BY d.day, d.nights, part;
VACUUM ANALYZE answers;
