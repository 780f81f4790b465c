-- setup.sql: the extension, a library, and what to search for.
--
-- psql variables: data, the directory of the library's files; jobs, how many
-- jobs at most.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
SET researcharr.user_id = 'import';

\echo 'The library, as Radarr and Sonarr give it:'
SELECT 'radarr' AS "from", created, updated, unchanged, failed
FROM researcharr.media_import_radarr(pg_read_file(:'data' || '/radarr-movie.json')::jsonb)
UNION ALL
SELECT 'sonarr', created, updated, unchanged, failed
FROM researcharr.media_import_sonarr(pg_read_file(:'data' || '/sonarr-series.json')::jsonb,
	pg_read_file(:'data' || '/sonarr-episode.json')::jsonb);

-- Searches are tried up to 5 times, again after a fifth of a second at first,
-- then after twice the last wait, up to one second.
SELECT name FROM researcharr.job_type_register('search', max_retries => 4,
	backoff => 'exponential', backoff_base => '200 milliseconds', backoff_cap => '1 second') \g /dev/null

-- Not a part of the extension: what the workers find, and how a search is to
-- go.  There are no real indexers here, so that a job's metadata say how many
-- tries find nothing: 8 % of the searches one, 4 % two, 0.5 % all.
CREATE SCHEMA demo;
CREATE TABLE demo.found (job_id uuid, media_id uuid, at timestamptz DEFAULT clock_timestamp());

-- A search for each monitored movie and episode without a file.  The better a
-- movie is rated, the sooner; episodes in between.
WITH missing AS (
	SELECT id, round(coalesce((metadata #>> '{radarr,ratings,imdb,value}')::numeric, 0) * 10)::int AS priority
	FROM researcharr.movie_rows
	WHERE metadata @> '{"radarr": {"monitored": true, "hasFile": false}}'
	UNION ALL
	SELECT id, 65 FROM researcharr.episode_rows
	WHERE metadata @> '{"sonarr": {"monitored": true, "hasFile": false}}'
), numbered AS (
	SELECT *, row_number() OVER (ORDER BY id) AS n FROM missing
), jobs AS (
	SELECT jsonb_agg(jsonb_build_object('media_id', id, 'job_type', 'search', 'priority', priority,
		'metadata', jsonb_build_object('misses', CASE WHEN n % 200 = 50 THEN 99
			WHEN n % 25 = 1 THEN 2 WHEN n % 25 IN (8, 16) THEN 1 ELSE 0 END))) AS list
	FROM numbered WHERE n <= :jobs
)
SELECT count(*) AS "searches enqueued" FROM jobs, researcharr.job_enqueue_many(list);
