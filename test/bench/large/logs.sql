-- logs.sql: the history of the jobs of jobs.sql, and an audit log.  Variables:
-- part (history or audit).  To be run by a superuser.

\set ON_ERROR_STOP on
\ir loader.sql
SELECT :'part' = 'history' AS of_history, movies, series, done, failed, audited FROM bench.sizes \gset
\if :of_history
INSERT INTO researcharr.processing_history_default (id, job_id, media_id, action, status, details, "timestamp")
SELECT bench.id('done', n), bench.id('done', n), bench.subject(n, :movies, :series), 'completed', 'completed',
	format('{"from": "running", "attempt": 1, "worker": "worker-%s", "claimed_at": "%s", "ended_at": "%s"}', n % 50, t, t + interval '3 s')::jsonb,
	t + interval '3 s'
FROM generate_series(0::bigint, :done - 1) n, LATERAL bench.made_at('done', n) t;
-- each failed job was tried four times
INSERT INTO researcharr.processing_history_default (id, job_id, media_id, action, status, details, "timestamp")
SELECT bench.id('attempt' || k, n), bench.id('failed', n), bench.subject(n, :movies, :series), CASE k WHEN 4 THEN 'failed' ELSE 'retried' END,
	CASE k WHEN 4 THEN 'failed' ELSE 'queued' END,
	format('{"from": "running", "attempt": %s, "worker": "worker-%s", "claimed_at": "%s", "ended_at": "%s",
		"error": "the indexer timed out after 30 seconds"}', k, n % 50, t, t + interval '3 s')::jsonb,
	t + interval '3 s'
FROM generate_series(0::bigint, :failed - 1) n, generate_series(1, 4) k, LATERAL bench.made_at('failed', n) t;
\else
-- in four changes of a movie, one to its metadata
INSERT INTO researcharr.audit_log_default (id, entity_type, entity_id, action, user_id, changes, "timestamp", database_user, transaction_id, acting_role)
SELECT bench.id('audit', n), 'media', bench.id('movie', n % :movies), CASE WHEN n < :movies THEN 'create' ELSE 'update' END, 'user ' || n % 9,
	CASE WHEN n < :movies OR n % 4 = 0 THEN
		format('{"title": {"new": "%s"}, "status": {"new": "pending"}, "metadata": {"new": {"radarr": {"overview": "%s"}}}}',
			bench.title('movie', n), bench.noise(n) || bench.noise(-n))
	ELSE '{"status": {"old": "pending", "new": "completed"}}' END::jsonb, t, 'app', '1000'::xid8, 'app'
FROM generate_series(0::bigint, :audited - 1) n, LATERAL bench.made_at('audit', n) t;
\endif
