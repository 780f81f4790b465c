-- report.sql: what happened, for a person to read.
\set QUIET on
\pset footer off
\pset null '-'
SET timezone = 'UTC';

\echo 'Jobs by type and state:'
SELECT job_type, status, jobs FROM researcharr.job_stats();

\echo 'The better rated went first: priorities, and when their first tries began, in seconds:'
WITH first_tries AS (
	SELECT job_id, (details ->> 'claimed_at')::timestamptz AS at
	FROM researcharr.processing_history WHERE details ->> 'attempt' = '1'
)
SELECT format('%s to %s', max(j.priority), min(j.priority)) AS priority, count(*) AS jobs,
	extract(epoch FROM min(f.at) - s.at)::numeric(9, 2) AS first,
	extract(epoch FROM max(f.at) - s.at)::numeric(9, 2) AS last
FROM researcharr.processing_jobs j JOIN first_tries f ON f.job_id = j.id,
	(SELECT min(at) AS at FROM first_tries) AS s
GROUP BY s.at, width_bucket(j.priority, 0, 101, 5) ORDER BY max(j.priority) DESC;

\echo 'What ended an attempt, how often, and how long attempts took, in seconds:'
SELECT action, status AS "then", count(*) AS times,
	avg(extract(epoch FROM (details ->> 'ended_at')::timestamptz - (details ->> 'claimed_at')::timestamptz))::numeric(9, 3) AS average,
	max(extract(epoch FROM (details ->> 'ended_at')::timestamptz - (details ->> 'claimed_at')::timestamptz))::numeric(9, 3) AS longest
FROM researcharr.processing_history WHERE details ? 'claimed_at'
GROUP BY action, status ORDER BY times DESC, action, status;

-- the most urgent of the jobs that failed twice and then succeeded
SELECT j.id AS job, j.media_id AS media, m.title
FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id
WHERE (SELECT array_agg(h.action ORDER BY h."timestamp") FROM researcharr.processing_history h WHERE h.job_id = j.id)
	= '{retried,retried,completed}'
ORDER BY m.type DESC, j.priority DESC, j.id LIMIT 1 \gset

\echo 'The life of a job that failed twice and then succeeded: search for' :'title'
SELECT to_char(at, 'HH24:MI:SS.MS') AS at, what, attempt, worker, error
FROM (SELECT created_at AS at, 'enqueued, priority ' || priority AS what, NULL AS attempt, NULL AS worker,
		NULL AS error
	FROM researcharr.processing_jobs WHERE id = :'job'
	UNION ALL
	SELECT (details ->> 'claimed_at')::timestamptz, 'claimed', details ->> 'attempt', details ->> 'worker', NULL
	FROM researcharr.processing_history WHERE job_id = :'job'
	UNION ALL
	SELECT (details ->> 'ended_at')::timestamptz, action, details ->> 'attempt', details ->> 'worker', details ->> 'error'
	FROM researcharr.processing_history WHERE job_id = :'job') AS life
ORDER BY life.at, what = 'claimed';

-- somebody sees to the same movie
BEGIN;
SET LOCAL researcharr.user_id = 'anna';
UPDATE researcharr.media SET metadata = metadata || '{"note": "the restored version, please"}' WHERE id = :'media';
UPDATE researcharr.movies SET runtime_minutes = coalesce(runtime_minutes + 1, 104) WHERE media_id = :'media';
COMMIT;

\echo 'The audit of that movie (the beginnings of long values):'
SELECT to_char(min(l."timestamp"), 'HH24:MI:SS.MS') AS at, entity_type AS entity, action, user_id AS "for",
	CASE action WHEN 'create' THEN 'a new row' ELSE string_agg(name, ', ') END AS changed,
	string_agg(left(value ->> 'old', 24), ', ') AS old, left(string_agg(left(value ->> 'new', 24), ', '), 40) AS new
FROM researcharr.audit_log l, jsonb_each(changes) AS c (name, value)
WHERE entity_type IN ('media', 'movie') AND entity_id = :'media' AND name NOT LIKE '%id'
GROUP BY l.id, entity_type, action, user_id ORDER BY l.id;

\echo 'Speed (a job takes 6 ms of pretended work, some far more):'
WITH attempts AS (
	SELECT action, (details ->> 'claimed_at')::timestamptz AS claimed_at, (details ->> 'ended_at')::timestamptz AS ended_at
	FROM researcharr.processing_history WHERE details ? 'claimed_at'
), sums AS (
	SELECT count(*) AS attempts, count(*) FILTER (WHERE action = 'completed') AS completed,
		extract(epoch FROM max(ended_at) - min(claimed_at)) AS seconds
	FROM attempts
)
SELECT attempts, completed AS "jobs completed", seconds::numeric(9, 2),
	(completed / seconds)::numeric(9, 1) AS "jobs per second"
FROM sums;

\echo 'Does the history agree with the jobs?  Broken has to be 0 everywhere.'
\ir ../data/history_agrees.sql

\echo 'Does what the workers did agree with the jobs?'
\ir effects.sql
