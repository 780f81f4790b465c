-- tracked.sql: two instances, and what they track: the movies, and as many
-- episodes.  Does nothing if they are there.  Runs with loader.sql's settings.
-- Variable: movies.
--
-- A third is missing, a tenth has a file below its cutoff, and half of what was
-- searched is not due yet.  The table is analyzed, as autovacuum would do.

INSERT INTO researcharr.instances (id, name, service)
VALUES (bench.id('instance', 1), 'films', 'radarr'), (bench.id('instance', 2), 'shows', 'sonarr') ON CONFLICT DO NOTHING;
WITH made AS (
INSERT INTO researcharr.tracked_items (id, instance_id, kind, service_id, media_id, monitored, has_file, quality_cutoff_met,
	custom_format_score, available_from, added_at, sort_title, last_search_at, next_search_at, search_count)
SELECT bench.id('tracked ' || kind, n), bench.id('instance', instance), kind, n + 1, bench.id(kind, n), n % 20 <> 1, NOT missing,
	CASE WHEN NOT missing THEN n % 10 <> 3 END, CASE WHEN NOT missing THEN n * 7919 % 1000 END, '-infinity',
	timestamptz '2015-01-01' + n * interval '10 minutes', lower(bench.title(kind, n)),
	CASE WHEN searched THEN now() - n % 1000 * interval '1 hour' END,
	CASE WHEN searched AND n % 2 = 0 THEN now() + interval '1 day' END, searched::int
FROM (VALUES (1, 'movie'), (2, 'episode')) k (instance, kind), generate_series(0, :movies::int - 1) n,
	LATERAL (SELECT n % 3 = 0 AS missing, n % 4 <> 0 AS searched) x
WHERE NOT EXISTS (SELECT FROM researcharr.tracked_items WHERE instance_id = bench.id('instance', 1))
RETURNING 1)
SELECT count(*) > 0 AS filled FROM made \gset
\if :filled
ANALYZE researcharr.tracked_items;
\endif
