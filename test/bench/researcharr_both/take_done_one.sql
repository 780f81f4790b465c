\if :{?attempt}
\else
\set attempt 0
\endif
\if :attempt > 0
SELECT coalesce(max(id::text), '') AS id, coalesce(max(attempt), 0) AS attempt FROM researcharr.job_complete_and_dequeue(:id::uuid, :attempt::int, NULL, ARRAY['search']) \gset
\else
SELECT coalesce(max(id::text), '') AS id, coalesce(max(attempt), 0) AS attempt FROM researcharr.job_dequeue(ARRAY['search']) \gset
\endif
