-- jobs.sql: jobs: done, failed for good, and those that wait.  Variables: part
-- (done or rest).  To be run by a superuser.

\set ON_ERROR_STOP on
\ir loader.sql
SELECT :'part' = 'done' AS of_done, movies, series, done, failed, queued FROM bench.sizes \gset
\if :of_done
INSERT INTO researcharr.processing_jobs (id, media_id, job_type, status, priority, retry_count, started_at, completed_at, metadata,
	created_at, updated_at, attempt, available_at, worker, result)
SELECT bench.id('done', n), bench.subject(n, :movies, :series), bench.job_type(n), 'completed', n % 21 * 5, 0, t, t + interval '3 s',
	'{"quality": "Bluray-1080p", "indexers": [1, 4, 7]}', t, t + interval '3 s', 1, t, 'worker-' || n % 50, '{"releases": 3, "grabbed": true}'
FROM generate_series(0::bigint, :done - 1) n, LATERAL bench.made_at('done', n) t;
\else
INSERT INTO researcharr.processing_jobs (id, media_id, job_type, status, priority, retry_count, error_message, started_at, completed_at,
	metadata, created_at, updated_at, attempt, available_at, worker)
SELECT bench.id('failed', n), bench.subject(n, :movies, :series), bench.job_type(n), 'failed', n % 21 * 5, 3, 'the indexer timed out after 30 seconds',
	t, t + interval '3 s', '{"quality": "Bluray-1080p", "indexers": [1, 4, 7]}', t, t + interval '3 s', 4, t, 'worker-' || n % 50
FROM generate_series(0::bigint, :failed - 1) n, LATERAL bench.made_at('failed', n) t;
-- one in five is not due for days
INSERT INTO researcharr.processing_jobs (id, media_id, job_type, priority, metadata, created_at, updated_at, available_at)
SELECT bench.id('queued', n), bench.subject(n, :movies, :series), bench.job_type(n), n * 7919 % 21 * 5,
	'{"quality": "Bluray-1080p", "indexers": [1, 4, 7]}', t, t, CASE WHEN n % 25 < 5 THEN now() + (2 + n % 100 / 10.0) * interval '1 day' ELSE t END
FROM generate_series(0::bigint, :queued - 1) n, LATERAL bench.made_at('queued', n) t;
\endif
