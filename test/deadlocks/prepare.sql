-- What the deadlock program works on: two series with episodes, movies, and for
-- each of these jobs in every status, and queue items.

CREATE EXTENSION researcharr CASCADE;
ALTER DATABASE postgres SET researcharr.audit = off;

-- Makes them anew; returns ids by kind, and for running jobs the attempt.
CREATE FUNCTION prepare() RETURNS TABLE (kind text, id text) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM researcharr.media;
	DELETE FROM researcharr.processing_jobs;
	INSERT INTO researcharr.media (title, type, external_id, metadata)
		SELECT 's' || n, 'series', n::text, jsonb_build_object('sonarr', jsonb_build_object('id', n)) FROM generate_series(1, 2) n;
	INSERT INTO researcharr.media (title, type, external_id)
		SELECT 'e' || n, 'episode', (100 + n)::text FROM generate_series(1, 6) n;
	INSERT INTO researcharr.media (title, type, external_id)
		SELECT 'm' || n, 'movie', n::text FROM generate_series(1, 4) n;
	INSERT INTO researcharr.series (media_id, tvdb_id)
		SELECT m.id, m.external_id::int FROM researcharr.media m WHERE type = 'series';
	INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number)
		SELECT e.id, s.id, 1, e.external_id::int - 100 FROM researcharr.media e, researcharr.media s
		WHERE e.type = 'episode' AND s.type = 'series' AND s.title = CASE WHEN e.title <= 'e4' THEN 's1' ELSE 's2' END;
	INSERT INTO researcharr.movies (media_id) SELECT m.id FROM researcharr.media m WHERE type = 'movie';
	INSERT INTO researcharr.queue_items (media_id, service)
		SELECT m.id, CASE type WHEN 'movie' THEN 'radarr' ELSE 'sonarr' END FROM researcharr.media m;
	INSERT INTO researcharr.processing_jobs (media_id, job_type, status, attempt, lease_expires_at, started_at,
			completed_at, unique_key)
		SELECT m.id, 'search', s, 1, CASE s WHEN 'running' THEN clock_timestamp() + '1 h' END,
			CASE s WHEN 'running' THEN clock_timestamp() END, CASE s WHEN 'failed' THEN clock_timestamp() END,
			CASE s WHEN 'queued' THEN 'old ' || title END
		FROM researcharr.media m, unnest('{queued,running,failed}'::text[]) s WHERE title ~ '[1246]';
	RETURN QUERY SELECT CASE m.title WHEN 's1' THEN 'series' ELSE m.type || 's' END, m.id::text FROM researcharr.media m WHERE title <> 's2'
		UNION ALL SELECT j.status, j.id::text FROM researcharr.processing_jobs j
		UNION ALL SELECT 'items', q.id::text FROM researcharr.queue_items q;
END$$;
