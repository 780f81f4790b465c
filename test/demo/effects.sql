-- effects.sql: did each completed job have its effect, and once?
-- A row of the same shape as those of history_agrees.sql.
SELECT 'completed jobs: one find for each' AS rule,
	count(*) FILTER (WHERE status = 'completed') AS jobs, coalesce(sum(found), 0) AS found,
	count(*) FILTER (WHERE found IS DISTINCT FROM (status = 'completed')::int
		OR status = 'completed' AND media_status <> 'completed') AS broken
FROM (SELECT j.status, m.status AS media_status,
		(SELECT count(*) FROM demo.found f WHERE f.job_id = j.id AND f.media_id = j.media_id) AS found
	FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id) AS jobs
UNION ALL
SELECT 'all jobs: finished', count(*), count(completed_at), count(*) - count(completed_at)
FROM researcharr.processing_jobs;
