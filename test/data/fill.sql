-- fill.sql: at least one row for every table of version 1.0.
--
-- Tests that ask whether data survive something (an update, a dump and
-- restore) start from these rows.  They are put in as users would, with plain
-- INSERTs and calls; ids are fixed where other rows refer to them.  The file
-- has to work on version 1.0, so tables of later versions are not filled here.

-- the library: a movie, a series with an episode, and media of no kind yet
INSERT INTO researcharr.media (id, title, type, external_id, status, metadata)
VALUES ('01900000-0000-7000-8000-000000000001', 'Amélie', 'movie', '194',
        'completed', '{"radarr": {"hasFile": true}}'),
       ('01900000-0000-7000-8000-000000000002', 'It''s "Always" Sunny', 'series',
        '75805', 'processing', '{}'),
       ('01900000-0000-7000-8000-000000000003', 'The Gang Gets Racist',
        'episode', NULL, 'pending', '{}'),
       ('01900000-0000-7000-8000-000000000004', '1917', 'movie', NULL,
        'failed', '{"n": 1.50, "deep": {"list": [1, null, "ë"]}}');
INSERT INTO researcharr.movies
       (media_id, year, imdb_id, tmdb_id, runtime_minutes)
VALUES ('01900000-0000-7000-8000-000000000001', 2001, 'tt0211915', 194, 122);
INSERT INTO researcharr.series (media_id, tvdb_id, seasons, episodes)
VALUES ('01900000-0000-7000-8000-000000000002', 75805, 16, 170);
INSERT INTO researcharr.episodes
       (media_id, series_id, season_number, episode_number, air_date)
VALUES ('01900000-0000-7000-8000-000000000003',
        '01900000-0000-7000-8000-000000000002', 1, 1, '2005-08-04');

-- what waits for a service, settings and users of the application
INSERT INTO researcharr.queue_items
       (media_id, service, priority, retry_count, next_retry_at, metadata)
VALUES ('01900000-0000-7000-8000-000000000001', 'radarr', 50, 2,
        '2030-01-01 00:00:00+00', '{"why": "upgrade"}'),
       ('01900000-0000-7000-8000-000000000002', 'sonarr', 0, 0, NULL, '{}');
INSERT INTO researcharr.configuration
       (key, value, value_type, description, secret)
VALUES ('radarr.url', 'http://radarr:7878', 'string', 'where it is', false),
       ('radarr.api_key', 'not-a-real-key', 'string', NULL, true),
       ('search.limits', '{"per_hour": 20}', 'json', NULL, false);
INSERT INTO researcharr.webui_users (username, password_hash, api_key_hash)
VALUES ('admin', '$argon2id$v=19$m=65536', 'sha256:00');
INSERT INTO researcharr.cache_entries (key, value, expiry)
VALUES ('radarr/194', '\x00ff', '2030-01-01 00:00:00+00');

-- a job type of the user's own, and jobs in several states
INSERT INTO researcharr.job_types
       (name, priority, max_retries, backoff, rate_limit, rate_interval, paused)
VALUES ('subtitles', 10, 5, 'linear', 60, '1 hour', true);
INSERT INTO researcharr.processing_jobs
       (id, media_id, job_type, status, priority, retry_count, error_message,
        started_at, completed_at, attempt, lease_expires_at, worker, result,
        unique_key, metadata)
VALUES ('01900000-0000-7000-8000-000000000011',
        '01900000-0000-7000-8000-000000000001', 'search', 'queued', 100, 1,
        'no results', '2026-01-01 00:00:00+00', NULL, 1, NULL, 'w1', NULL,
        'movie 194', '{"indexer": "a"}'),
       ('01900000-0000-7000-8000-000000000012',
        '01900000-0000-7000-8000-000000000001', 'subtitles', 'running', 0, 0,
        NULL, '2026-01-01 00:00:00+00', NULL, 1, '2030-01-01 00:00:00+00',
        'w2', NULL, NULL, '{}'),
       ('01900000-0000-7000-8000-000000000013',
        '01900000-0000-7000-8000-000000000003', 'download', 'completed', 0, 0,
        NULL, '2026-01-01 00:00:00+00', '2026-01-01 00:01:00+00', 2, NULL,
        'w1', '{"bytes": 734003200}', NULL, '{}');

-- what happened to one of them; changes put themselves on record
INSERT INTO researcharr.processing_history
       (id, job_id, media_id, action, status, details, "timestamp")
VALUES ('01900000-0000-7000-8000-000000000021',
        '01900000-0000-7000-8000-000000000013',
        '01900000-0000-7000-8000-000000000003', 'completed', 'completed',
        '{"from": "running", "worker": "w1", "attempt": 2}',
        '2026-01-01 00:01:00+00');
