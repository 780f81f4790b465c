-- ready.sql: what calls use up: media, jobs and others to be deleted, and due
-- jobs.  Runs before each such call, and adds what is missing.  Variables:
-- spares, and the number of due jobs.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE SEQUENCE IF NOT EXISTS bench.spare;
SELECT setval('bench.spare', 1, false), movies FROM bench.sizes \gset
SELECT count(*) FROM researcharr.job_enqueue_arrays((
	SELECT coalesce(array_agg(bench.id('movie', n % :movies)), '{}')
	FROM generate_series(1, :jobs - (SELECT count(*) FROM researcharr.processing_jobs
		WHERE completed_at IS NULL AND status = 'queued' AND job_type = 'search' AND available_at <= now())) n), '{search}');
\ir loader.sql
\ir tracked.sql
INSERT INTO researcharr.media (id, title, type)
SELECT bench.id('spare movie', n), 'Spare ' || n, 'movie' FROM generate_series(1, :spares) n
UNION ALL
SELECT bench.id('spare series', n), 'Spare ' || n, 'series' FROM generate_series(1, :spares / 10) n
UNION ALL
SELECT bench.id('spare episode', n), 'Spare ' || n, 'episode' FROM generate_series(1, :spares * 5) n
ON CONFLICT DO NOTHING;
INSERT INTO researcharr.movies (media_id)
SELECT bench.id('spare movie', n) FROM generate_series(1, :spares) n ON CONFLICT DO NOTHING;
INSERT INTO researcharr.series (media_id)
SELECT bench.id('spare series', n) FROM generate_series(1, :spares / 10) n ON CONFLICT DO NOTHING;
INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number)
SELECT bench.id('spare episode', n), bench.id('spare series', 1 + n % (:spares / 10)), 1, n FROM generate_series(1, :spares * 5) n
ON CONFLICT DO NOTHING;
INSERT INTO researcharr.processing_jobs (id, media_id, job_type, available_at)
SELECT bench.id('spare job', n), bench.id('movie', n % :movies), 'verify', now() + interval '1 day' FROM generate_series(1, :spares) n
ON CONFLICT DO NOTHING;
INSERT INTO researcharr.queue_items (id, media_id, service, next_retry_at)
SELECT bench.id('spare item', n), bench.id('movie', n % :movies), 'sonarr', now() + interval '1 day' FROM generate_series(1, :spares) n
ON CONFLICT DO NOTHING;
INSERT INTO researcharr.configuration (id, key, value)
SELECT bench.id('spare config', n), 'spare.' || n, 'x' FROM generate_series(1, :spares) n ON CONFLICT DO NOTHING;
INSERT INTO researcharr.webui_users (id, username, password_hash)
SELECT bench.id('spare user', n), 'spare ' || n, 'x' FROM generate_series(1, :spares) n ON CONFLICT DO NOTHING;
INSERT INTO researcharr.instances (id, name, service)
SELECT bench.id('spare instance', n), 'spare ' || n, 'radarr' FROM generate_series(1, :spares) n ON CONFLICT DO NOTHING;
INSERT INTO researcharr.tracked_items (id, instance_id, kind, service_id, media_id)
SELECT bench.id('spare tracked', n), bench.id('instance', 1), 'movie', 2000000000 + n, bench.id('movie', n % :movies) FROM generate_series(1, :spares) n
ON CONFLICT DO NOTHING;
