-- Changes of many groups of jobs in nested subtransactions: what is kept reaches
-- the agenda, the counters and the limits when the transaction ends, and what is
-- rolled back does not.
SET search_path = researcharr;
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie');
CREATE FUNCTION pg_temp.enqueue(kind text) RETURNS void LANGUAGE SQL AS $$
    INSERT INTO researcharr.processing_jobs (media_id, job_type, priority, available_at)
    SELECT '01900000-0000-7000-8000-000000000001', kind || t, p, '2020-01-01'
      FROM generate_series(1, 6) t, generate_series(0, 100) p $$;
-- The call, at this depth of subtransactions; one of the depth `failing` is rolled back.
CREATE FUNCTION pg_temp.nested(call text, depth int, failing int = 0) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    IF depth > 0 THEN
        PERFORM pg_temp.nested(call, depth - 1, failing);
    END IF;
    IF depth = failing AND failing > 0 THEN
        RAISE EXCEPTION 'rolled back' USING ERRCODE = 'RX001';
    END IF;
EXCEPTION WHEN SQLSTATE 'RX001' THEN
    NULL;
END $$;
CREATE FUNCTION pg_temp.take(kind text) RETURNS text LANGUAGE SQL AS $$
    SELECT format('%s jobs of %s types and %s priorities', count(*), count(DISTINCT job_type), count(DISTINCT priority))
      FROM researcharr.job_dequeue(ARRAY(SELECT kind || t FROM generate_series(1, 6) t), 10000) $$;
CREATE FUNCTION pg_temp.statistics_agree() RETURNS boolean LANGUAGE SQL AS $$
    SELECT NOT EXISTS (SELECT job_type, status, jobs FROM researcharr.job_stats()
                       EXCEPT SELECT job_type, status, count(*) FROM researcharr.processing_jobs GROUP BY 1, 2) $$;
SELECT count(job_type_register(kind || t)) FROM unnest('{kept,lost,mixed,limited}'::text[]) kind, generate_series(1, 6) t;
-- the agenda knows that there are none
SELECT kind, pg_temp.take(kind) FROM unnest('{kept,lost,mixed,limited}'::text[]) kind ORDER BY 1;
SELECT count(*) FROM job_stats();

SELECT pg_temp.nested($$SELECT pg_temp.enqueue('kept')$$, 3);
SELECT pg_temp.nested($$SELECT pg_temp.enqueue('lost')$$, 3, 3);
SELECT pg_temp.nested($$SELECT pg_temp.enqueue('mixed')$$, 5, 2);
SELECT pg_temp.statistics_agree();
-- claims in subtransactions, all but the outermost one's rolled back
SELECT pg_temp.nested($$SELECT FROM researcharr.job_dequeue('{kept1,kept2,kept3,kept4,kept5,kept6}', 606)$$, 3, 2);
SELECT kind, pg_temp.take(kind) FROM unnest('{kept,lost,mixed}'::text[]) kind ORDER BY 1;
SELECT pg_temp.statistics_agree();
SELECT left(job_type, -1) AS kind, status, count(*) FROM processing_jobs GROUP BY 1, 2 ORDER BY 1, 2;

-- a limit of 50 for each of six types: claims that are rolled back do not count
-- any more, and neither do jobs whose end is kept
SELECT count(job_type_register('limited' || t, max_running => 50)) FROM generate_series(1, 6) t;
SELECT pg_temp.nested($$SELECT pg_temp.enqueue('limited')$$, 1);
SELECT pg_temp.nested($$SELECT pg_temp.take('limited')$$, 3, 2);
SELECT pg_temp.nested($$SELECT pg_temp.take('limited')$$, 3, 3);
SELECT status, count(*) FROM processing_jobs WHERE job_type LIKE 'limited%' GROUP BY 1 ORDER BY 1;
SELECT pg_temp.nested($$SELECT count(job_complete(id, attempt)) FROM (
        SELECT id, attempt FROM researcharr.processing_jobs
         WHERE status = 'running' AND job_type LIKE 'limited%' ORDER BY job_type, id LIMIT 60) r$$, 2, 1);
SELECT pg_temp.take('limited');
SELECT pg_temp.take('limited');
SELECT status, count(*) FROM processing_jobs WHERE job_type LIKE 'limited%' GROUP BY 1 ORDER BY 1;
SELECT pg_temp.statistics_agree();
-- soon after a count, when job_stats() still goes by the counters
SELECT count(*) > 0 AS counted FROM job_stats();
SELECT pg_temp.nested($$UPDATE researcharr.processing_jobs SET status = 'cancelled', completed_at = now()
                         WHERE id = (SELECT min(id::text)::uuid FROM researcharr.processing_jobs WHERE status = 'queued')$$, 3);
SELECT pg_temp.statistics_agree();

TRUNCATE processing_jobs, processing_history;
DELETE FROM media;
DELETE FROM job_types WHERE name ~ '[1-6]$';
