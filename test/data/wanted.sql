-- wanted.sql: tracked items of two instances, for test/t/061_wanted.pl and
-- test/bench/wanted.sh.  Variable: items, for each instance.
--
-- Of each instance's items a third is missing, a tenth has a file below its cutoff,
-- and a twentieth is not monitored.  One in thirty is not available yet, one in a
-- hundred has a queued job, and of those that were searched half are not due.

\set ON_ERROR_STOP on
SET synchronous_commit = off;
SELECT count(*) FROM (
	SELECT researcharr.instance_create(jsonb_build_object('name', 'instance ' || n, 'service', 'radarr')) FROM generate_series(1, 2) AS n) AS i;
INSERT INTO researcharr.media (title, type, external_id)
SELECT md5(n::text) || ' ' || n, 'movie', n FROM generate_series(1, :items) AS n;
INSERT INTO researcharr.tracked_items (instance_id, kind, service_id, media_id, monitored, has_file, quality_cutoff_met,
	custom_format_score, available_from, added_at, sort_title, last_search_at, next_search_at, search_count, payload)
SELECT i.id, 'movie', m.external_id::int, m.id, n % 20 <> 1, NOT missing, CASE WHEN NOT missing THEN n % 10 <> 3 END,
	CASE WHEN NOT missing THEN n * 7919 % 1000 END,
	CASE WHEN n % 30 = 7 THEN now() + interval '30 days' ELSE '-infinity' END,
	timestamptz '2015-01-01' + n * interval '10 minutes', m.title,
	CASE WHEN searched THEN now() - n % 1000 * interval '1 hour' END,
	CASE WHEN searched AND n % 2 = 0 THEN now() + n % 1000 * interval '1 minute' END, searched::int,
	jsonb_build_object('title', m.title, 'overview', repeat(md5(n::text), 20))
FROM researcharr.instances AS i, researcharr.media AS m, hashint4(m.external_id::int) AS h,
	LATERAL (SELECT abs(h::bigint) AS n, abs(h::bigint) % 3 = 0 AS missing, abs(h::bigint) % 4 <> 0 AS searched) AS x;
INSERT INTO researcharr.processing_jobs (media_id, job_type, unique_key)
SELECT media_id, 'search', 'tracked_item:' || id FROM researcharr.tracked_items WHERE monitored AND service_id % 100 = 0;
VACUUM ANALYZE;
