-- How long a failed job waits: fixed, linear and exponential, base and cap,
-- jitter's bounds, and the edges of what an interval can say.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');

-- When a job's last attempt ended.  Its updated_at can be some milliseconds ahead.
CREATE FUNCTION pg_temp.ended(job uuid) RETURNS timestamptz LANGUAGE sql AS $$
SELECT CAST(details ->> 'ended_at' AS timestamptz) FROM researcharr.processing_history
 WHERE job_id = job ORDER BY id DESC LIMIT 1
$$;

-- The waits that a job of the type gets from failure to failure, in seconds.
CREATE FUNCTION pg_temp.waits(type text, retries int) RETURNS numeric[] LANGUAGE plpgsql AS $$
DECLARE
    job researcharr.processing_jobs;
    result numeric[] := '{}';
    id uuid := researcharr.job_enqueue((SELECT m.id FROM researcharr.media AS m), type,
                                       100, max_retries => retries);
BEGIN
    FOR i IN 1..retries LOOP
        SELECT * INTO STRICT job FROM researcharr.job_dequeue(ARRAY[type]);
        SELECT * INTO STRICT job FROM researcharr.job_fail(id, job.attempt, 'no');
        result := result || trim_scale(extract(epoch FROM job.available_at - pg_temp.ended(id)));
        UPDATE researcharr.processing_jobs AS j SET available_at = clock_timestamp()
         WHERE j.id = job.id;
    END LOOP;
    SELECT * INTO STRICT job FROM researcharr.job_dequeue(ARRAY[type]);
    SELECT * INTO STRICT job FROM researcharr.job_fail(id, job.attempt, 'no');
    ASSERT job.status = 'failed';
    RETURN result;
END $$;
CREATE FUNCTION pg_temp.waits_of(backoff text, base interval, cap interval,
                                 jitter float = 0, retries int = 10)
RETURNS numeric[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM researcharr.job_type_register('test', backoff => backoff, backoff_base => base,
                                          backoff_cap => cap, jitter => jitter);
    RETURN pg_temp.waits('test', retries);
END $$;

SELECT pg_temp.waits_of('fixed', '30 s', '1 h') AS fixed;
SELECT pg_temp.waits_of('linear', '30 s', '1 h') AS linear;
SELECT pg_temp.waits_of('exponential', '30 s', '1 h') AS exponential;
-- cap at, below and above the base; nothing at all
SELECT backoff, pg_temp.waits_of(backoff, '30 s', '30 s', retries => 3) AS cap_is_base,
       pg_temp.waits_of(backoff, '30 s', '10 s', retries => 3) AS cap_below_base,
       pg_temp.waits_of(backoff, '30 s', '0', retries => 3) AS no_cap,
       pg_temp.waits_of(backoff, '0', '1 h', retries => 3) AS no_base,
       pg_temp.waits_of(backoff, '0', '0', retries => 3) AS nothing
  FROM unnest('{fixed,linear,exponential}'::text[]) AS backoff;
-- fractions; months are 30 days, days 24 hours
SELECT pg_temp.waits_of('exponential', '0.000001 s', '1 h') AS microseconds;
SELECT pg_temp.waits_of('linear', '0.5 s', '2.25 s', retries => 6) AS halves;
SELECT pg_temp.waits_of('linear', '1 month 1 day', '1 year', retries => 3) AS months;
-- a base made of parts that cancel each other
SELECT pg_temp.waits_of('linear', '1 day -23:59:59', '1 h', retries => 3) AS parts;

-- the largest that there are
SELECT backoff, pg_temp.waits_of(backoff, '36500 days', '36500 days')
                = array_fill(3153600000::numeric, ARRAY[10]) AS capped
  FROM unnest('{fixed,linear,exponential}'::text[]) AS backoff;
SELECT backoff, pg_temp.waits_of(backoff, '36499 days 23:59:59.999999', '36500 days')
                <@ ARRAY[3153600000, 3153599999.999999] AS capped
  FROM unnest('{fixed,linear,exponential}'::text[]) AS backoff;
SELECT job_enqueue((SELECT id FROM media), 'search', 100) AS j \gset
SELECT attempt, retry_in, extract(epoch FROM f.available_at - pg_temp.ended(f.id)) AS seconds
  FROM (VALUES (1, interval '0'), (2, '0.000001 s'), (3, '100 years'), (4, '0')) AS v (n, retry_in),
       LATERAL (SELECT attempt FROM job_dequeue('{search}', n / n)) AS d,
       LATERAL job_fail(:'j', attempt, 'no', retry_in) AS f;
DELETE FROM processing_jobs;

-- jitter shortens by at most its share, and by chance
CREATE FUNCTION pg_temp.spread(jitter float, OUT within boolean, OUT different boolean,
                               OUT low boolean, OUT high boolean) LANGUAGE sql AS $$
    WITH waits AS (SELECT unnest(pg_temp.waits_of('fixed', '1000 s', '1000 s', jitter, 10)) AS wait
                     FROM generate_series(1, 20))
    SELECT bool_and(wait BETWEEN 1000 * (1 - jitter) AND 1000), count(DISTINCT wait) > 190,
           min(wait) < 1000 * (1 - jitter * 0.9), max(wait) > 1000 * (1 - jitter * 0.1)
      FROM waits $$;
SELECT jitter, s.* FROM unnest('{0.1,0.5,1}'::float[]) AS jitter, pg_temp.spread(jitter) AS s;
-- also of a wait that is at its cap, and of the largest
SELECT bool_and(wait BETWEEN 9 AND 10) AS within, count(DISTINCT wait) > 5 AS different
  FROM unnest(pg_temp.waits_of('exponential', '1 h', '10 s', 0.1)) AS wait;
SELECT bool_and(wait BETWEEN 0 AND 3153600000::numeric) AS within
  FROM unnest(pg_temp.waits_of('exponential', '36500 days', '36500 days', 1)) AS wait;
-- the built-in types': 30 s doubled up to an hour, a tenth of it by chance
SELECT bool_and(wait BETWEEN least(30 * 2 ^ (n - 1), 3600) * 0.9 AND least(30 * 2 ^ (n - 1), 3600))
  FROM unnest(pg_temp.waits('search', 10)) WITH ORDINALITY AS w (wait, n);
-- retry_in is taken as it is, whatever the type says
SELECT job_enqueue((SELECT id FROM media), 'test') AS j \gset
SELECT f.available_at - pg_temp.ended(f.id) AS wait
  FROM job_dequeue('{test}') AS d, job_fail(d.id, d.attempt, 'no', '77 s') AS f;

DELETE FROM job_types;
DELETE FROM media;
TRUNCATE processing_jobs;
