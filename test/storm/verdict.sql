-- verdict.sql: does the database agree with what workers were told?
--
-- The workers' books (storm.c) are in storm.said.  First what they amount to,
-- then a row for each rule: how often it is broken, which has to be 0.
\set ON_ERROR_STOP on
\set QUIET on

-- What is known of each transaction: that it is there, that it is not, or
-- neither, where the server died before it could say.
CREATE TEMP TABLE transactions AS
SELECT transaction,
	bool_or(verb = 'acknowledged' AND what IN ('commit', 'commit_prepared')) AS there,
	bool_or(verb = 'acknowledged' AND what = 'rollback_prepared')
		OR NOT bool_or(verb = 'end' AND what IN ('commit', 'commit_prepared')) AS absent,
	bool_or(verb = 'acknowledged' AND what = 'prepare') AS prepared,
	bool_or(verb = 'end' AND what LIKE '%_prepared') AS ended
FROM storm.said GROUP BY transaction;

CREATE TEMP TABLE effects AS
SELECT s.transaction, s.what, s.job, s.attempt, t.there, t.absent
FROM storm.said s JOIN transactions t USING (transaction) WHERE verb = 'effect';

\echo
SELECT count(*) FILTER (WHERE what = 'enqueued') || ' jobs enqueued, ' || count(*) FILTER (WHERE what = 'enqueued' AND there)
	|| ' of them acknowledged; ' || count(*) FILTER (WHERE what = 'completed') || ' completed, '
	|| count(*) FILTER (WHERE what = 'completed' AND there) || ' of them acknowledged' FROM effects;
SELECT sum(n) || ' jobs: ' || string_agg(n || ' ' || status, ', ')
FROM (SELECT status, count(*) AS n FROM researcharr.processing_jobs GROUP BY 1) x HAVING count(*) > 0;
SELECT count(*) FILTER (WHERE prepared) || ' transactions prepared' FROM transactions;

SELECT 'lost: enqueues that were acknowledged' AS rule, count(*) AS broken FROM effects e
WHERE what = 'enqueued' AND there AND NOT EXISTS (SELECT FROM researcharr.processing_jobs j WHERE j.id = e.job)
UNION ALL
SELECT 'undone: completions that were acknowledged', count(*) FROM effects e
WHERE what = 'completed' AND there AND NOT EXISTS (SELECT FROM researcharr.processing_jobs j
	WHERE j.id = e.job AND j.status = 'completed' AND j.attempt = e.attempt)
UNION ALL
SELECT 'undone: effects of acknowledged completions', count(*) FROM effects e
WHERE what = 'completed' AND there AND NOT EXISTS (SELECT FROM storm.done d WHERE d.job = e.job AND d.attempt = e.attempt)
UNION ALL
SELECT 'doubled: jobs whose work was done twice', count(*) FROM (SELECT FROM storm.done GROUP BY job HAVING count(*) > 1) x
UNION ALL
SELECT 'jobs that nobody enqueued', count(*) FROM researcharr.processing_jobs j
WHERE NOT EXISTS (SELECT FROM effects e WHERE e.what = 'enqueued' AND e.job = j.id AND NOT e.absent)
UNION ALL
SELECT 'work that nobody did', count(*) FROM storm.done d
WHERE NOT EXISTS (SELECT FROM effects e WHERE e.what = 'completed' AND e.job = d.job AND e.attempt = d.attempt AND NOT e.absent)
UNION ALL
SELECT 'completed jobs without their work, or work without its job', count(*)
FROM (SELECT * FROM researcharr.processing_jobs WHERE status = 'completed') j
	FULL JOIN storm.done d ON d.job = j.id AND d.attempt = j.attempt
WHERE j.id IS NULL OR d.job IS NULL
UNION ALL
SELECT 'lost: prepared transactions that nobody ended', count(*) FROM transactions WHERE prepared AND NOT ended
UNION ALL
SELECT 'prepared transactions that are left', count(*) FROM pg_prepared_xacts
UNION ALL
SELECT 'unfinished jobs', count(*) FROM researcharr.processing_jobs WHERE completed_at IS NULL;

\i data/history_agrees.sql
\i data/amcheck.sql
