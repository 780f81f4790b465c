-- install.sql: the extension, and how ids, titles and metadata follow from a
-- number.  Variables: the numbers of rows that bench.sizes names.
--
-- A row's id and title are functions of its kind and number.  So the calls know
-- what is there, and a database filled twice has the same rows.  Ids are of
-- version 7, and their times are those of the rows.

\set ON_ERROR_STOP on
CREATE EXTENSION researcharr VERSION :version CASCADE;
SELECT count(researcharr.job_type_register(t, max_retries => 5)) FROM unnest('{subtitles,refresh}'::text[]) t;

CREATE SCHEMA bench;
CREATE TABLE bench.sizes AS
SELECT :movies AS movies, :series AS series, :series * 50 AS episodes, :items AS items, :done AS done,
	:failed AS failed, :queued AS queued, :audited AS audited;

-- The functions are STABLE, as what they call is, and expressions: so the planner
-- puts them in line, which makes filling several times as fast.

-- when the n-th row of a kind was made, in milliseconds since 1970: 2025 and on
CREATE FUNCTION bench.made_at_ms(kind text, n bigint) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN 1735689600000 + n * CASE kind WHEN 'movie' THEN 60000 WHEN 'series' THEN 900000 WHEN 'episode' THEN 20000
	WHEN 'item' THEN 50000 WHEN 'done' THEN 4000 WHEN 'failed' THEN 400000 WHEN 'audit' THEN 10000 ELSE 1000 END;

CREATE FUNCTION bench.made_at(kind text, n bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_timestamp(bench.made_at_ms(kind, n) / 1000.0::float8);

CREATE FUNCTION bench.id(kind text, n bigint) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN (lpad(to_hex(bench.made_at_ms(kind, n)), 12, '0') || '7' || left(md5(kind), 3) || '8' || lpad(to_hex(n), 15, '0'))::uuid;

-- the word of this rank, from 0: 3,876 differ
CREATE FUNCTION bench.word(rank int) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN initcap(substr('barcoldenfirgonhaljamkelmornipostquaredsilturvanwexyorzim', 1 + 3 * (rank % 19), 3)
	|| substr('ianestoraldineckeverolmytharbowishungapetullidorane', 1 + 3 * (rank / 19 % 17), 3)
	|| CASE WHEN rank < 323 THEN '' ELSE substr('tondesmarkusleyfordeenwykholmasterix', 1 + 3 * (rank / 323 % 12), 3) END);

-- a rank from 16 bits of a number: a word is half as frequent as one of half its rank
CREATE FUNCTION bench.rank(h bigint, bits int) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE
RETURN floor(power(3876.0::float8, ((h >> bits) & 65535) / 65536.0::float8))::int;

CREATE FUNCTION bench.title_of(h bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN h & 3 = 0 THEN 'The ' ELSE '' END || bench.word(bench.rank(h, 8))
	|| CASE WHEN (h >> 2) & 7 < 6 THEN ' ' || bench.word(bench.rank(h, 24)) ELSE '' END
	|| CASE WHEN (h >> 5) & 7 < 3 THEN ' of ' || bench.word(bench.rank(h, 40)) ELSE '' END;

CREATE FUNCTION bench.title(kind text, n bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN bench.title_of(hashint8extended(n, CASE kind WHEN 'movie' THEN 1 WHEN 'series' THEN 2 ELSE 3 END));

CREATE FUNCTION bench.status(n bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN n * 7919 % 10000 < 5 THEN 'processing' WHEN n * 7919 % 10000 < 500 THEN 'pending'
	WHEN n * 7919 % 10000 < 800 THEN 'failed' ELSE 'completed' END;

CREATE FUNCTION bench.job_type(n bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE n % 5 WHEN 0 THEN 'search' WHEN 1 THEN 'download' WHEN 2 THEN 'verify' WHEN 3 THEN 'subtitles' ELSE 'refresh' END;

-- the media that a job, queue item or log entry is about: movies and episodes by turns
CREATE FUNCTION bench.subject(n bigint, movies bigint, series bigint) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN n % 2 = 0 THEN bench.id('movie', (hashint8extended(n, 7) & 1073741823) % movies)
	ELSE bench.id('episode', (hashint8extended(n, 7) & 1073741823) % (series * 50)) END;

-- 384 characters that do not compress
CREATE FUNCTION bench.noise(n bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha512(int8send(4 * n)), 'hex') || encode(sha512(int8send(4 * n + 1)), 'hex') || encode(sha512(int8send(4 * n + 2)), 'hex');

-- the objects of Radarr's and Sonarr's APIs, but for what has columns of its own
CREATE FUNCTION bench.radarr(n bigint) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN format('{"id": %1$s, "overview": "%2$s %9$s %10$s %11$s", "path": "/movies/%3$s", "folderName": "/movies/%3$s", "qualityProfileId": %4$s,
"monitored": %5$s, "hasFile": %6$s, "sizeOnDisk": %7$s, "minimumAvailability": "released", "isAvailable": true, "certification": "PG-13",
"genres": ["Drama", "Thriller"], "tags": [%8$s], "added": "2024-05-05T10:10:10Z",
"images": [{"coverType": "poster", "url": "/MediaCover/%1$s/poster.jpg"}, {"coverType": "fanart", "url": "/MediaCover/%1$s/fanart.jpg"}],
"ratings": {"imdb": {"votes": %1$s, "value": 7.1, "type": "user"}, "tmdb": {"votes": %1$s, "value": 6.9, "type": "user"}},
"movieFile": {"movieId": %1$s, "relativePath": "%3$s.mkv", "size": %7$s, "dateAdded": "2024-05-05T10:10:10Z",
"quality": {"quality": {"id": 7, "name": "Bluray-1080p", "source": "bluray", "resolution": 1080}, "revision": {"version": 1, "real": 0}},
"mediaInfo": {"audioChannels": 5.1, "audioCodec": "DTS-HD MA", "videoBitDepth": 8, "videoCodec": "x264", "videoFps": 23.976, "runTime": "1:51:33"}}}',
	n, bench.noise(n), bench.title('movie', n), n % 7, (n % 10 < 7)::text, (n % 13 > 0)::text, n * 7919 % 20000000000, n % 20,
	bench.noise(-1 - n), bench.noise(-1000000000 - n), bench.noise(-2000000000 - n))::jsonb;

CREATE FUNCTION bench.sonarr(n bigint) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN format('{"id": %1$s, "overview": "%2$s %6$s", "path": "/tv/%3$s", "seasonFolder": true, "monitored": %4$s, "seriesType": "standard",
"network": "Channel %5$s", "ended": true, "qualityProfileId": %5$s}',
	n, bench.noise(1000000000 + n), bench.title('series', n), (n % 10 < 7)::text, n % 7, bench.noise(2000000000 + n))::jsonb;

CREATE FUNCTION bench.sonarr_episode(n bigint) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN format('{"id": %1$s, "overview": "%2$s", "monitored": %3$s, "hasFile": true, "absoluteEpisodeNumber": %4$s, "airDateUtc": "2020-01-01T01:00:00Z",
"episodeFile": {"seriesId": %5$s, "relativePath": "Season 1/%6$s.mkv", "size": %7$s,
"quality": {"quality": {"id": 7, "name": "WEBDL-1080p", "resolution": 1080}}}}',
	n, bench.noise(3000000000 + n), (n % 10 < 7)::text, n % 50, n / 50, bench.title('episode', n), n * 7919 % 2000000000)::jsonb;
