-- history_agrees.sql: does processing_history agree with the jobs themselves?
--
-- A row for each rule: the jobs' own sum, the history's, and how many jobs the
-- two disagree about (broken), which has to be 0.  Holds at any time, for any
-- snapshot, whatever happened to the jobs, as long as they were changed by the
-- extension's functions or deleted.

WITH history AS (
	-- in a job's order of events: an attempt's end, then what followed it
	SELECT h.job_id, h.action, h.status,
		(h.details ->> 'attempt')::int AS attempt,
		(h.details ->> 'claimed_at')::timestamptz AS claimed_at,
		(h.details ->> 'ended_at')::timestamptz AS ended_at,
		h.details ->> 'error' AS error,
		row_number() OVER (PARTITION BY h.job_id ORDER BY h.action = 'deleted',
			(h.details ->> 'attempt')::int, h."timestamp", h.id) AS place
	FROM researcharr.processing_history h
), requeued AS (
	SELECT job_id, max(place) AS place FROM history WHERE action = 'requeued' GROUP BY job_id
), told AS (
	-- what the history tells of each job
	SELECT h.job_id AS told_id,
		count(h.claimed_at) AS ended,
		count(DISTINCT h.attempt) FILTER (WHERE h.claimed_at IS NOT NULL) AS different,
		coalesce(max(h.attempt) FILTER (WHERE h.claimed_at IS NOT NULL), 0) AS highest,
		count(*) FILTER (WHERE h.place > coalesce(r.place, 0)
			AND (h.action = 'retried' OR h.action = 'lapsed' AND h.status IN ('running', 'queued'))) AS retries,
		count(*) FILTER (WHERE h.action IN ('completed', 'marked_completed')) AS completions,
		(array_agg(h.status ORDER BY h.place DESC))[1] AS last_status,
		(array_agg(h.ended_at ORDER BY h.place DESC))[1] AS last_ended_at,
		(array_agg(h.claimed_at ORDER BY h.place DESC))[1] AS last_claimed_at,
		(array_agg(h.error ORDER BY h.place DESC) FILTER (WHERE h.error IS NOT NULL))[1] AS last_error,
		bool_or(h.action = 'deleted') AS deleted
	FROM history h LEFT JOIN requeued r ON r.job_id = h.job_id
	GROUP BY h.job_id
), here AS (
	-- the jobs, each with what is told of it
	SELECT j.*, j.attempt - (j.status = 'running')::int AS attempts_ended,
		coalesce(t.ended, 0) AS ended, coalesce(t.different, 0) AS different,
		coalesce(t.highest, 0) AS highest, coalesce(t.retries, 0) AS retries,
		coalesce(t.completions, 0) AS completions, coalesce(t.last_status, 'queued') AS last_status,
		t.last_ended_at, t.last_claimed_at, t.last_error, coalesce(t.deleted, false) AS deleted
	FROM researcharr.processing_jobs j LEFT JOIN told t ON t.told_id = j.id
)
SELECT 'attempts that ended, one row for each' AS rule, coalesce(sum(attempts_ended), 0) AS jobs,
	coalesce(sum(ended), 0) AS history, count(*) FILTER (WHERE attempts_ended <> ended) AS broken
FROM here
UNION ALL
SELECT 'they are numbered from 1, none twice', coalesce(sum(attempts_ended), 0), coalesce(sum(different), 0),
	count(*) FILTER (WHERE different <> ended OR highest <> ended)
FROM here
UNION ALL
SELECT 'retries used up: tries that failed or lapsed', coalesce(sum(retry_count), 0), coalesce(sum(retries), 0),
	count(*) FILTER (WHERE retry_count <> retries)
FROM here
UNION ALL
SELECT 'finished jobs: status and times of their last row', count(completed_at),
	count(*) FILTER (WHERE completed_at IS NOT NULL AND last_status = status),
	count(*) FILTER (WHERE completed_at IS NOT NULL AND (last_status <> status
		OR last_ended_at <> completed_at OR last_claimed_at <> started_at))
FROM here
UNION ALL
SELECT 'unfinished jobs: last row, if any, of one', count(*) FILTER (WHERE completed_at IS NULL),
	count(*) FILTER (WHERE completed_at IS NULL AND last_status IN ('queued', 'running')),
	count(*) FILTER (WHERE completed_at IS NULL AND last_status <> status
		AND NOT (status = 'running' AND last_status = 'queued'))
FROM here
UNION ALL
SELECT 'completed jobs: completed once', count(*) FILTER (WHERE status = 'completed'),
	coalesce(sum(completions), 0),
	count(*) FILTER (WHERE completions <> (status = 'completed')::int)
FROM here
UNION ALL
SELECT 'errors: that of the last try that had one', count(error_message), count(last_error),
	count(*) FILTER (WHERE error_message IS DISTINCT FROM last_error)
FROM here
UNION ALL
SELECT 'jobs that are gone: on record as deleted', count(*), count(*) FILTER (WHERE deleted),
	count(*) FILTER (WHERE NOT deleted) + (SELECT count(*) FROM here WHERE here.deleted)
FROM told WHERE NOT EXISTS (SELECT FROM researcharr.processing_jobs j WHERE j.id = told_id);
