-- Bad input to the queue: each has an error of its own with SQLSTATE, value and
-- hint, and nothing is changed by it.
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
CREATE TEMP TABLE ids AS SELECT
    job_enqueue(:'film', 'search', 9, metadata => '{"name": "running"}') AS running,
    job_enqueue(:'film', 'search', metadata => '{"name": "queued"}', unique_key => 'k') AS queued,
    job_enqueue(:'film', 'search', 7, metadata => '{"name": "ended"}', unique_key => 'ended') AS ended;
SELECT count(job_complete(id, attempt)) FROM job_dequeue(NULL, 2) WHERE priority = 7;
SELECT job_type_register('mine') IS NOT NULL AS registered;

-- All there is, in one number.
CREATE FUNCTION pg_temp.state() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(row, ',' ORDER BY row))
      FROM (SELECT j::text FROM researcharr.processing_jobs AS j
            UNION ALL SELECT t::text FROM researcharr.job_types AS t
            UNION ALL SELECT m::text FROM researcharr.media AS m
            UNION ALL SELECT count(*)::text FROM researcharr.processing_history) AS s (row) $$;
-- Runs a statement, in which $film, $running ... stand for ids, and shows what
-- it raised.  Ids differ from run to run.
CREATE FUNCTION pg_temp.try(statement text, OUT code text, OUT message text,
                            OUT detail text, OUT hint text, OUT job text) LANGUAGE plpgsql AS $$
DECLARE
    before text := pg_temp.state();
    ids record;
BEGIN
    SELECT * INTO ids FROM pg_temp.ids, (SELECT id AS film FROM researcharr.media) AS m;
    statement := replace(replace(replace(replace(replace(statement,
        '$film', quote_literal(ids.film)), '$running', quote_literal(ids.running)),
        '$queued', quote_literal(ids.queued)), '$ended', quote_literal(ids.ended)),
        '$nobody', quote_literal('00000000-0000-7000-8000-000000000000'));
    BEGIN
        EXECUTE statement;
        message := 'no error';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                                detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
                                job = PG_EXCEPTION_CONTEXT;
        job := (regexp_match(job, 'job [0-9]+ of the array.*?$', 'n'))[1];
    END;
    message := replace(replace(replace(message, ids.running::text, 'RUNNING'),
                       ids.queued::text, 'QUEUED'), ids.ended::text, 'ENDED');
    IF before IS DISTINCT FROM pg_temp.state() THEN
        message := message || ' SOMETHING CHANGED';
    END IF;
END $$;
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\n    '
CREATE TEMP TABLE tries (n serial, statement text);
CREATE FUNCTION pg_temp.shown() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(E'\n    ', regexp_replace(left(statement, 250), '\s+', ' ', 'g'), concat_ws(' ', code, message),
                     nullif(detail, ''), nullif(hint, ''), job)
      FROM pg_temp.tries, pg_temp.try(statement) AS t ORDER BY n $$;

--
-- enqueue
--
INSERT INTO tries (statement) VALUES
    ($$SELECT job_enqueue(NULL, 'search')$$),
    ($$SELECT job_enqueue($film, NULL)$$),
    ($$SELECT job_enqueue($nobody, 'search')$$),
    ($$SELECT job_enqueue($film, 'serch')$$),
    ($$SELECT job_enqueue($film, '')$$),
    ($$SELECT job_enqueue($film, 'Search')$$),
    ($$SELECT job_enqueue($film, ' search')$$),
    ($$SELECT job_enqueue($film, repeat('ä', 500))$$),
    ($$SELECT job_enqueue($film, 'search', -1)$$),
    ($$SELECT job_enqueue($film, 'search', 101)$$),
    ($$SELECT job_enqueue($film, 'search', -2147483648)$$),
    ($$SELECT job_enqueue($film, 'search', max_retries => -1)$$),
    ($$SELECT job_enqueue($film, 'search', max_retries => 11)$$),
    ($$SELECT job_enqueue($film, 'search', available_at => 'infinity')$$),
    ($$SELECT job_enqueue($film, 'search', available_at => '-infinity')$$),
    ($$SELECT job_enqueue($film, 'search', metadata => '[]')$$),
    ($$SELECT job_enqueue($film, 'search', metadata => '"text"')$$),
    ($$SELECT job_enqueue($film, 'search', metadata => 'null')$$),
    ($$SELECT job_enqueue($film, 'search', metadata => '17')$$),
    ($$SELECT job_enqueue($film, 'search', metadata =>
        jsonb_build_object('ten MB', repeat('x', 10000000)))$$),
    ($$SELECT job_enqueue($film, 'search', unique_key => '')$$),
    ($$SELECT job_enqueue($film, 'search', unique_key => repeat('ä', 256))$$),
    ($$SELECT job_enqueue($film, E'sear\x00ch')$$),
    ($$SELECT job_enqueue($film, 'search', unique_key => convert_from('\xff', 'UTF8'))$$),
    ($$SELECT job_enqueue($film, 'search', metadata => '{"a": "\u0000"}')$$);
SELECT pg_temp.shown();
TRUNCATE tries;
-- just within: none of these is refused
INSERT INTO tries (statement) VALUES
    ($$SELECT job_enqueue($film, 'search', 100, max_retries => 10, unique_key => repeat('ä', 255))$$),
    ($$SELECT job_enqueue($film, 'search', 0, '-infinity'::timestamptz + '1 s', 0)$$),
    ($$SELECT job_enqueue($film, 'search', 0, '4713-01-01 00:00+00 BC', 0)$$),
    ($$SELECT job_enqueue($film, 'search', 0, '294276-12-31 23:59:59+00', 0,
        jsonb_build_object('just 1 MB', repeat('x', 1048576 - 17)))$$),
    ($$SELECT job_enqueue($film, 'search', 0, metadata =>
        jsonb_build_object('above 1 MB', repeat('x', 1048576 - 17)))$$);
SELECT pg_temp.shown();
TRUNCATE tries;
DELETE FROM processing_jobs WHERE id NOT IN (SELECT unnest(ARRAY[running, queued, ended]) FROM ids);

--
-- many: the position is told; the good ones are not enqueued either
--
INSERT INTO tries (statement)
SELECT format('SELECT count(*) FROM job_enqueue_many(%s)', jobs) FROM (VALUES
    ('NULL'), ($$'{}'$$), ($$'"jobs"'$$), ($$'null'$$), ($$'7'$$), ($$'[7]'$$), ($$'[[]]'$$), ($$'[null]'$$),
    ($$'[{}]'$$), ($$'[{"media_id": null, "job_type": "search"}]'$$),
    ($$'[{"media_id": "not one", "job_type": "search"}]'$$),
    ($$'[{"media_id": 7, "job_type": "search"}]'$$),
    ($$'[{"media_id": "00000000-0000-7000-8000-000000000000", "job_type": "search"}]'$$)) AS v (jobs);
INSERT INTO tries (statement)
SELECT format($$SELECT count(*) FROM job_enqueue_many(jsonb_build_array(
  jsonb_build_object('media_id', $film, 'job_type', 'search'),
  jsonb_build_object('media_id', $film) || '%s'))$$, rest) FROM (VALUES
    ('{}'), ('{"job_type": null}'), ('{"job_type": 5}'), ('{"job_type": "serch"}'),
    ('{"job_type": "search", "prio": 5}'), ('{"job_type": "search", "": 5}'),
    ('{"job_type": "search", "priority": 101}'), ('{"job_type": "search", "priority": "5"}'),
    ('{"job_type": "search", "priority": 5.5}'), ('{"job_type": "search", "priority": 5000000000}'),
    ('{"job_type": "search", "priority": 1e400}'), ('{"job_type": "search", "priority": {}}'),
    ('{"job_type": "search", "max_retries": 11}'), ('{"job_type": "search", "max_retries": true}'),
    ('{"job_type": "search", "available_at": "soon"}'), ('{"job_type": "search", "available_at": 5}'),
    ('{"job_type": "search", "available_at": "infinity"}'),
    ('{"job_type": "search", "available_at": "300000-01-01"}'),
    ('{"job_type": "search", "metadata": []}'), ('{"job_type": "search", "metadata": "text"}'),
    ('{"job_type": "search", "unique_key": ""}'), ('{"job_type": "search", "unique_key": 5}'))
  AS v (rest);
SELECT pg_temp.shown();
TRUNCATE tries;

--
-- dequeue and next due
--
INSERT INTO tries (statement) VALUES
    ($$SELECT count(*) FROM job_dequeue(max_jobs => 0)$$),
    ($$SELECT count(*) FROM job_dequeue(max_jobs => -1)$$),
    ($$SELECT count(*) FROM job_dequeue(max_jobs => 10001)$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '0')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '-1 s')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '1 day -24 hours')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '36500 days 1 us')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '178000000 years')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => '-178000000 years')$$),
    ($$SELECT count(*) FROM job_dequeue(lease => make_interval(months => 2147483647, days => 2147483647, secs => 9e11))$$),
    ($$SELECT count(*) FROM job_dequeue('{}')$$),
    ($$SELECT count(*) FROM job_dequeue('{search,NULL}')$$),
    ($$SELECT count(*) FROM job_dequeue('{{search},{verify}}')$$),
    ($$SELECT count(*) FROM job_dequeue('{search,serch}')$$),
    ($$SELECT job_next_due('{}')$$),
    ($$SELECT job_next_due('{NULL}')$$),
    ($$SELECT job_next_due('{serch}')$$);
SELECT pg_temp.shown();
TRUNCATE tries;

--
-- what a worker says
--
INSERT INTO tries (statement)
SELECT replace(statement, '@', function) FROM (VALUES
    ($$job_complete(@)$$), ($$job_fail(@, 'error')$$), ($$job_heartbeat(@)$$), ($$job_release(@)$$)) AS f (statement),
    LATERAL (VALUES ('NULL, 1'), ('$running, NULL'), ('$running, 2'), ('$running, 0'), ('$running, -1'),
            ('$queued, 0'), ('$queued, 1'), ('$ended, 1'), ('$nobody, 1')) AS v (function);
UPDATE tries SET statement = 'SELECT ' || statement;
INSERT INTO tries (statement) VALUES
    ($$SELECT job_fail($running, 1, NULL)$$),
    ($$SELECT job_fail($running, 1, 'error', '-1 s')$$),
    ($$SELECT job_fail($running, 1, 'error', '36501 days')$$),
    ($$SELECT job_heartbeat($running, 1, '0')$$),
    ($$SELECT job_heartbeat($running, 1, '-1 day')$$),
    ($$SELECT job_heartbeat($running, 1, '36501 days')$$),
    ($$SELECT job_release($running, 1, '-1 us')$$),
    ($$SELECT job_release($running, 1, '36501 days')$$),
    ($$SELECT count(*) FROM job_complete_many(NULL, '{1}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], NULL)$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running, NULL]::uuid[], '{1,1}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], '{NULL}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], '{}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], '{1,1}')$$),
    ($$SELECT count(*) FROM job_complete_many('{}', '{1}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], '{1}', '{}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[ARRAY[$running]]::uuid[], '{1}')$$),
    ($$SELECT count(*) FROM job_complete_many(ARRAY[$running]::uuid[], '{{1}}')$$);
SELECT pg_temp.shown();
TRUNCATE tries;

--
-- what an operator says
--
INSERT INTO tries (statement) VALUES
    ($$SELECT job_cancel(NULL)$$),
    ($$SELECT job_retry(NULL)$$),
    ($$SELECT job_mark_as_completed(NULL)$$),
    ($$SELECT job_cancel('not an id')$$);
SELECT pg_temp.shown();
TRUNCATE tries;
-- a retry of a job whose unique key another one has by now
UPDATE processing_jobs SET status = 'cancelled' WHERE id = (SELECT ended FROM ids);
SELECT job_enqueue(:'film', 'search', unique_key => 'ended') IS NOT NULL AS added;
INSERT INTO tries (statement) VALUES ('SELECT job_retry($ended)');
SELECT pg_temp.shown();
TRUNCATE tries;

--
-- job types
--
INSERT INTO tries (statement)
SELECT 'SELECT job_type_register(' || arguments || ')' FROM (VALUES
    ('NULL'), (''''''), (''' x'''), ('''x '''), ('E''x\n'''), ('repeat(''ä'', 101)'),
    ('''mine'', -1'), ('''mine'', 101'), ('''mine'', max_retries => 11'),
    ('''mine'', lease => ''0'''), ('''mine'', lease => ''-1 s'''), ('''mine'', lease => ''36501 days'''),
    ('''mine'', lease => ''178000000 years'''), ('''mine'', backoff => ''quadratic'''),
    ('''mine'', backoff => '''''), ('''mine'', backoff_base => ''-1 s'''),
    ('''mine'', backoff_base => ''36500 days 1 us'''), ('''mine'', backoff_cap => ''-1 us'''),
    ('''mine'', jitter => 1.1'), ('''mine'', jitter => -0.1'), ('''mine'', jitter => ''NaN'''),
    ('''mine'', jitter => ''infinity'''), ('''mine'', max_running => 0'),
    ('''mine'', rate_limit => 0, rate_interval => ''1 s'''), ('''mine'', rate_limit => 1'),
    ('''mine'', rate_interval => ''1 s'''), ('''mine'', rate_limit => 1, rate_interval => ''0'''),
    ('''mine'', weight => 0'), ('''mine'', weight => 1001'), ('''mine'', max_runtime => ''0''')) AS v (arguments);
INSERT INTO tries (statement) VALUES
    ($$SELECT job_type_pause(NULL)$$),
    ($$SELECT job_type_pause('serch')$$),
    ($$SELECT job_type_resume('serch')$$),
    ($$INSERT INTO job_types (name, backoff) VALUES ('x', 'quadratic')$$),
    ($$UPDATE job_types SET jitter = 2$$),
    ($$INSERT INTO job_types (name) VALUES ('mine')$$),
    ($$SELECT processing_jobs_guard()$$),
    ($$SELECT job_types_changed()$$),
    ($$SELECT processing_jobs_history()$$);
SELECT pg_temp.shown();
TRUNCATE tries;
-- the hint names twenty of the known types
INSERT INTO job_types (name) SELECT 'type ' || n FROM generate_series(10, 40) AS n;
INSERT INTO tries (statement) VALUES ($$SELECT job_enqueue($film, 'serch')$$);
SELECT pg_temp.shown();
TRUNCATE tries;

--
-- where nothing may be written
--
CREATE FUNCTION pg_temp.read_only(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
BEGIN READ ONLY;
SELECT statement, pg_temp.read_only(statement) FROM unnest(ARRAY[
    $$SELECT researcharr.job_enqueue(researcharr.uuid_v7(), 'search')$$,
    $$SELECT researcharr.job_enqueue_many('[]')$$,
    $$SELECT researcharr.job_enqueue_arrays('{}', '{}')$$,
    $$SELECT researcharr.job_dequeue()$$,
    $$SELECT researcharr.job_complete(researcharr.uuid_v7(), 1)$$,
    $$SELECT researcharr.job_complete_many('{}', '{}')$$,
    $$SELECT researcharr.job_fail(researcharr.uuid_v7(), 1, 'error')$$,
    $$SELECT researcharr.job_heartbeat(researcharr.uuid_v7(), 1)$$,
    $$SELECT researcharr.job_release(researcharr.uuid_v7(), 1)$$,
    $$SELECT researcharr.job_cancel(researcharr.uuid_v7())$$,
    $$SELECT researcharr.job_retry(researcharr.uuid_v7())$$,
    $$SELECT researcharr.job_mark_as_completed(researcharr.uuid_v7())$$,
    $$SELECT researcharr.job_type_register('x')$$,
    $$SELECT researcharr.job_type_pause('search')$$,
    $$SELECT researcharr.job_stats()$$,
    $$SELECT researcharr.job_next_due()$$]) AS statement;
COMMIT;

-- a long value is cut short between two characters
SELECT job_enqueue(:'film', 'search', metadata => to_jsonb(repeat('ü', 60)));
-- a job whose attempt cannot be raised any more fails alone
DELETE FROM processing_jobs;
INSERT INTO processing_jobs (id, media_id, job_type, attempt)
VALUES ('01900000-0000-7000-8000-000000000001', :'film', 'search', 2147483647);
SELECT count(*) FROM job_dequeue();
SELECT status, attempt, error_message FROM processing_jobs;

DELETE FROM job_types;
DELETE FROM media;
TRUNCATE processing_jobs;
