# 042_model.pl: random use of the queue, beside a model of what it promises.
#
# One session does whatever can be done to jobs, at random: through the
# functions, by plain DML, in transactions and savepoints that are rolled back.
# The model is a table and plain SQL over it, written from the contract and not
# from the code.  Each answer must be the model's, and after each step the jobs
# must be; at the end so must the history.
#
# The seed is printed.  To run it again with one: SEED=n, or as an argument;
# SECONDS=n runs for longer.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $seed = $ARGV[0] // $ENV{SEED} // int(rand(1e6));
my $seconds = $ENV{SECONDS} // 6;
# the log would have every statement of the test
my $node = new_node('model', "log_statement = none\nlog_min_error_statement = panic");

$node->safe_psql(
	'postgres', <<'END');
CREATE EXTENSION researcharr CASCADE;
INSERT INTO researcharr.media (title, type)
SELECT 'film ' || n, 'movie' FROM generate_series(1, 3) AS n;

-- lease_end and available_at are far from now, either way: no step depends on
-- how long another one took
CREATE TABLE model (
    id uuid PRIMARY KEY, media_id uuid, job_type text, status text DEFAULT 'queued',
    priority int, retry_count int DEFAULT 0, max_retries int, error_message text,
    metadata jsonb, attempt int DEFAULT 0, available_at timestamptz,
    lease_end timestamptz, worker text, result jsonb, unique_key text);
CREATE TABLE types (name text PRIMARY KEY, known boolean, paused boolean);
INSERT INTO types VALUES ('search', true, false), ('verify', true, false), ('mine', false, false);
CREATE TABLE log (n serial, what text);
-- how many attempts ended; outside of the model because deleted jobs count too
CREATE TABLE ended (job_id uuid, attempt int);

CREATE FUNCTION pick(choices anyarray) RETURNS anyelement LANGUAGE sql AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pick_job(OUT id uuid, OUT attempt int) LANGUAGE sql AS $$
    SELECT id, CASE WHEN random() < 0.9 THEN attempt ELSE attempt - 1 END
      FROM (SELECT *, random() AS r FROM model) AS m
     ORDER BY status = 'running' AND random() < 0.8 DESC, r LIMIT 1 $$;
-- a time far enough from now, different each time but for some
CREATE FUNCTION pick_time() RETURNS timestamptz LANGUAGE sql AS $$
    SELECT date_trunc('day', clock_timestamp()) +
           CASE WHEN random() < 0.85 THEN -1 ELSE 1 END * (2 + floor(random() * 20)) * interval '1 day' $$;
CREATE FUNCTION expect(what text, got anyelement, wanted anyelement) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log (what) VALUES (format('%s: %s', what, got));
    IF got IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION '%: got %, and the model says %', what, got, wanted USING ERRCODE = 'P0099';
    END IF;
END $$;
-- runs a statement that gives one value; an error is as good, by its SQLSTATE
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE statement INTO result;
    RETURN result;
EXCEPTION WHEN SQLSTATE 'RA001' OR SQLSTATE 'RA002' OR unique_violation THEN
    RETURN SQLSTATE;
END $$;

-- the same wait for all: an hour
CREATE FUNCTION register(name text) RETURNS void LANGUAGE sql AS $$
    SELECT researcharr.job_type_register(name, jitter => 0, backoff => 'fixed',
                                         backoff_base => '1 hour', backoff_cap => '1 hour');
    UPDATE types SET known = true WHERE types.name = register.name $$;
SELECT register(name) FROM types WHERE known;

CREATE FUNCTION is_due(m model) RETURNS boolean LANGUAGE sql AS $$
    SELECT CASE m.status
           WHEN 'queued' THEN m.available_at <= clock_timestamp()
           WHEN 'running' THEN greatest(m.available_at, m.lease_end) <= clock_timestamp()
           ELSE false END $$;
CREATE FUNCTION is_live(m model) RETURNS boolean LANGUAGE sql AS
$$ SELECT m.status IN ('queued', 'running') $$;
CREATE FUNCTION end_attempt(job uuid) RETURNS void LANGUAGE sql AS
$$ INSERT INTO ended SELECT id, attempt FROM model WHERE id = job AND status = 'running' $$;

CREATE FUNCTION do_enqueue() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    media uuid := (SELECT pick(array_agg(id)) FROM researcharr.media);
    type text := pick('{search,verify,mine}'::text[]);
    prio int := pick('{0,0,1,50,100}'::int[]);
    at timestamptz := pick_time();
    retries int := pick('{0,1,2}'::int[]);
    key text := pick('{a,b,c,NULL,NULL,NULL}'::text[]);
    meta jsonb := jsonb_build_object('r', random());
    wanted text := (SELECT id FROM model AS m
                     WHERE job_type = type AND unique_key = key AND is_live(m));
    got text;
    way int := pick('{1,1,2,3,4}'::int[]);
BEGIN
    IF NOT (SELECT known FROM types WHERE name = type) THEN
        wanted := 'RA002';
    ELSIF way = 3 AND wanted IS NOT NULL THEN
        wanted := '23505';
    END IF;
    got := outcome(CASE way
        WHEN 1 THEN format('SELECT researcharr.job_enqueue(%L, %L, %L, %L, %L, %L, %L)',
                           media, type, prio, at, retries, meta, key)
        WHEN 2 THEN format('SELECT researcharr.job_enqueue_many(%L)', jsonb_build_array(
                           jsonb_build_object('media_id', media, 'job_type', type, 'priority', prio,
                               'available_at', at, 'max_retries', retries, 'metadata', meta,
                               'unique_key', key)))
        WHEN 4 THEN format('SELECT researcharr.job_enqueue_arrays(%L, %L, %L, %L, %L, %L, %L)',
                           ARRAY[media], ARRAY[type], ARRAY[prio], ARRAY[at], ARRAY[retries], ARRAY[meta], ARRAY[key])
        ELSE format('INSERT INTO researcharr.processing_jobs (media_id, job_type, priority,
                     available_at, max_retries, metadata, unique_key)
                     VALUES (%L, %L, %L, %L, %L, %L, %L) RETURNING id',
                    media, type, prio, at, retries, meta, key) END);
    IF wanted IS NULL AND got ~ '^[0-9a-f-]{36}$' THEN
        INSERT INTO model (id, media_id, job_type, priority, available_at, max_retries, metadata, unique_key)
        VALUES (got::uuid, media, type, prio, at, retries, meta, key);
        wanted := got;
    END IF;
    PERFORM expect(format('enqueue %s %s %s %s by way %s', type, prio, at, key, way), got, wanted);
END $$;

CREATE FUNCTION do_dequeue() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    asked text[] := string_to_array(pick('{search,verify,"verify,search,verify",mine,NULL,NULL,NULL}'::text[]), ',');
    most int := pick('{1,1,2,3,10}'::int[]);
    lease interval := pick('{1 us,1 hour,1 hour}'::interval[]);
    w text := pick('{w1,w2,NULL}'::text[]);
    left_over int := most;
    got text;
    wanted text[] := '{}';
    job model;
BEGIN
    got := outcome(format(
        $q$SELECT array_agg(metadata->>'r' || '/' || attempt) FROM researcharr.job_dequeue(%L, %s, %L, %L)$q$,
        asked, most, lease, w));
    IF EXISTS (SELECT FROM types WHERE name = ANY (asked) AND NOT known) THEN
        PERFORM expect('dequeue of an unknown type', got, 'RA002');
        RETURN;
    END IF;
    FOR job IN SELECT m.* FROM model AS m JOIN types AS t ON t.name = m.job_type
                WHERE is_due(m) AND known AND NOT paused AND (asked IS NULL OR job_type = ANY (asked))
                ORDER BY priority DESC, available_at, id LOOP
        EXIT WHEN left_over = 0;
        PERFORM end_attempt(job.id);
        IF job.status = 'running' AND job.retry_count >= job.max_retries THEN
            UPDATE model SET status = 'failed', lease_end = NULL, error_message = 'lease expired'
             WHERE id = job.id;
            CONTINUE;
        ELSIF job.status = 'running' AND job.retry_count > 0 THEN
            UPDATE model SET status = 'queued', lease_end = NULL, error_message = 'lease expired',
                   retry_count = retry_count + 1, available_at = clock_timestamp() + interval '1 hour'
             WHERE id = job.id;
            CONTINUE;
        END IF;
        UPDATE model SET status = 'running', attempt = attempt + 1, worker = w,
               lease_end = clock_timestamp() + lease,
               retry_count = retry_count + (status = 'running')::int,
               error_message = CASE status WHEN 'running' THEN 'lease expired' ELSE error_message END
         WHERE id = job.id RETURNING * INTO job;
        wanted := wanted || format('%s/%s', job.metadata->>'r', job.attempt);
        left_over := left_over - 1;
    END LOOP;
    PERFORM expect(format('dequeue %s of %s for %s', most, asked, lease), got,
                   CASE WHEN wanted <> '{}' THEN wanted::text END);
END $$;

-- complete, fail, heartbeat, release; of one job, or of it, another's, and it again
CREATE FUNCTION do_word() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    job uuid;
    n int;
    m model;
    word text := pick('{complete,complete,fail,fail,heartbeat,release}'::text[]);
    many boolean := random() < 0.4;
    ids text;
    wait interval := pick('{0,3 days,NULL}'::interval[]);
    again boolean := pick('{t,t,f}'::boolean[]);
    res jsonb := pick(ARRAY['{"a": 1}', NULL, '[]']::jsonb[]);
    lease interval := pick('{1 us,1 hour}'::interval[]);
    ours boolean;
    got text;
    wanted text;
BEGIN
    SELECT * INTO job, n FROM pick_job();
    SELECT * INTO m FROM model WHERE id = job;
    job := CASE WHEN random() < 0.02 OR job IS NULL THEN gen_random_uuid() ELSE job END;
    n := coalesce(n, 1);
    -- a dropped type's jobs wait as built-in types' do, by chance
    IF wait IS NULL AND EXISTS (SELECT FROM types WHERE name = m.job_type AND NOT known) THEN
        wait := '3 days';
    END IF;
    ours := coalesce(m.id = job AND m.status = 'running' AND m.attempt = n, false);
    ids := format('ARRAY[%1$L, gen_random_uuid(), %1$L]::uuid[], ARRAY[%2$s, 1, %2$s]', job, n);
    got := outcome(CASE word || CASE WHEN many THEN ' many' ELSE '' END
        WHEN 'complete' THEN format('SELECT researcharr.job_complete(%L, %s, %L)', job, n, res)
        WHEN 'complete many' THEN format('SELECT array_agg(completed) FROM researcharr.job_complete_many(
                                 %1$s, ARRAY[%2$L, NULL, NULL]::jsonb[])', ids, res)
        WHEN 'fail' THEN format('SELECT status FROM researcharr.job_fail(%L, %s, %L, %L, %L)',
                                job, n, 'no ' || n, wait, again)
        WHEN 'fail many' THEN format('SELECT array_agg(status) FROM researcharr.job_fail_many(%s,
                                      ARRAY[%L, %L, %L], %L, %L)', ids, 'no ' || n, 'a', 'b', wait, again)
        WHEN 'heartbeat' THEN format('SELECT researcharr.job_heartbeat(%L, %s, %L) IS NOT NULL', job, n, lease)
        WHEN 'heartbeat many' THEN format('SELECT array_agg(lease_expires_at IS NOT NULL)
                                           FROM researcharr.job_heartbeat_many(%s, %L)', ids, lease)
        WHEN 'release' THEN format('SELECT researcharr.job_release(%L, %s, %L)', job, n, wait)
        ELSE format('SELECT array_agg(released) FROM researcharr.job_release_many(%s, %L)', ids, wait) END);
    wanted := CASE WHEN NOT ours AND NOT many THEN 'RA001'
                   WHEN word = 'fail' THEN CASE WHEN again AND m.retry_count < m.max_retries THEN 'queued' ELSE 'failed' END
                   ELSE 'true' END;
    IF many THEN
        wanted := CASE WHEN word = 'fail' THEN format('{%s,NULL,NULL}', CASE WHEN ours THEN wanted ELSE 'NULL' END)
                       WHEN NOT ours THEN '{f,f,f}'
                       WHEN word = 'heartbeat' THEN '{t,f,t}'
                       ELSE '{t,f,f}' END;
    END IF;
    PERFORM expect(format('%s, %s%s', word, CASE WHEN ours THEN 'ours' ELSE 'of others' END,
                          CASE WHEN many THEN ', many' ELSE '' END), got, wanted);
    got := CASE WHEN word = 'fail' AND many THEN (got::text[])[1] ELSE got END;
    IF NOT ours THEN
        RETURN;
    ELSIF word = 'heartbeat' THEN
        UPDATE model SET lease_end = clock_timestamp() + lease WHERE id = job;
        RETURN;
    END IF;
    PERFORM end_attempt(job);
    IF word = 'complete' THEN
        UPDATE model SET status = 'completed', lease_end = NULL, result = res WHERE id = job;
    ELSIF word = 'release' THEN
        UPDATE model SET status = 'queued', lease_end = NULL,
               available_at = clock_timestamp() + coalesce(wait, '0') WHERE id = job;
    ELSE
        UPDATE model SET status = got, lease_end = NULL, error_message = 'no ' || n,
               retry_count = retry_count + (got = 'queued')::int,
               available_at = CASE got WHEN 'queued' THEN clock_timestamp() + coalesce(wait, '1 hour')
                                       ELSE available_at END
         WHERE id = job;
    END IF;
END $$;

-- cancel, retry, mark as completed
CREATE FUNCTION do_order() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    job uuid := (pick_job()).id;
    m model;
    what text := pick('{cancel,retry,retry,mark_as_completed}'::text[]);
    many boolean := what <> 'mark_as_completed' AND random() < 0.4;
    wanted text := 'false';
    got text;
BEGIN
    SELECT * INTO m FROM model WHERE id = job;
    job := coalesce(job, gen_random_uuid());
    IF what = 'retry' AND m.status IN ('failed', 'cancelled') THEN
        wanted := CASE WHEN EXISTS (SELECT FROM model AS o WHERE is_live(o) AND o.job_type = m.job_type
                                       AND o.unique_key = m.unique_key)
                       THEN '23505' ELSE 'true' END;
    ELSIF what <> 'retry' AND m.status IN ('queued', 'running') THEN
        wanted := 'true';
    END IF;
    IF many THEN
        -- of two jobs with one key the first is queued again
        got := outcome(format('SELECT array_agg(o) FROM (SELECT (r).* FROM (SELECT researcharr.job_%s_many(
                               ARRAY[%2$L, gen_random_uuid(), %2$L]::uuid[]) AS r) AS r) AS r (id, o)', what, job));
        PERFORM expect(what || ' many ' || coalesce(m.status, 'nobody'), got,
                       CASE wanted WHEN 'true' THEN '{t,f,f}' ELSE '{f,f,f}' END);
    ELSE
        PERFORM expect(what || ' ' || coalesce(m.status, 'nobody'),
                       outcome(format('SELECT researcharr.job_%s(%L)', what, job)), wanted);
    END IF;
    IF wanted = 'true' THEN
        PERFORM end_attempt(job);
        UPDATE model SET lease_end = NULL,
               status = CASE what WHEN 'retry' THEN 'queued' WHEN 'cancel' THEN 'cancelled' ELSE 'completed' END,
               retry_count = CASE what WHEN 'retry' THEN 0 ELSE retry_count END,
               available_at = CASE what WHEN 'retry' THEN clock_timestamp() ELSE available_at END
         WHERE id = job;
    END IF;
END $$;

-- all jobs that pass filters: cancel, or retry those whose keys are free, the first of each key
CREATE FUNCTION do_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    what text := pick('{cancel,retry}'::text[]);
    type text := pick('{search,verify,mine}'::text[]);
    most int := pick('{1,3,10000}'::int[]);
    chosen uuid[] := '{}';
    job model;
BEGIN
    FOR job IN SELECT * FROM model WHERE job_type = type
                  AND CASE what WHEN 'cancel' THEN status IN ('queued', 'running') ELSE status IN ('failed', 'cancelled') END
                ORDER BY id LOOP
        EXIT WHEN cardinality(chosen) = most;
        CONTINUE WHEN what = 'retry' AND EXISTS (SELECT FROM model AS o WHERE is_live(o) AND o.job_type = type
                                                    AND o.unique_key = job.unique_key);
        PERFORM end_attempt(job.id);
        chosen := chosen || job.id;
        UPDATE model SET lease_end = NULL, status = CASE what WHEN 'retry' THEN 'queued' ELSE 'cancelled' END,
               retry_count = CASE what WHEN 'retry' THEN 0 ELSE retry_count END,
               available_at = CASE what WHEN 'retry' THEN clock_timestamp() ELSE available_at END
         WHERE id = job.id;
    END LOOP;
    PERFORM expect(format('%s all of %s, at most %s', what, type, most),
                   outcome(format('SELECT researcharr.job_%s_all(%L, %s)', what, jsonb_build_object('job_type', type), most)),
                   cardinality(chosen)::text);
END $$;

-- plain DML, and the passing of time
CREATE FUNCTION do_dml() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    job uuid := (pick_job()).id;
    what text := pick('{priority,time,retries,lapse,lapse,lapse,delete,tidy}'::text[]);
    prio int := pick('{0,50,99}'::int[]);
    at timestamptz := pick_time();
BEGIN
    INSERT INTO log (what) VALUES (format('%s of %s', what, job));
    CASE what
    WHEN 'priority' THEN
        UPDATE researcharr.processing_jobs SET priority = prio WHERE id = job;
        UPDATE model SET priority = prio WHERE id = job;
    WHEN 'time' THEN
        UPDATE researcharr.processing_jobs SET available_at = at WHERE id = job;
        UPDATE model SET available_at = at WHERE id = job;
    WHEN 'retries' THEN
        UPDATE researcharr.processing_jobs SET max_retries = 1 WHERE id = job;
        UPDATE model SET max_retries = 1 WHERE id = job;
    WHEN 'lapse' THEN
        UPDATE researcharr.processing_jobs SET lease_expires_at = now() - interval '1 hour'
         WHERE id = job AND status = 'running';
        UPDATE model SET lease_end = now() - interval '1 hour' WHERE id = job AND status = 'running';
    WHEN 'delete' THEN
        DELETE FROM researcharr.processing_jobs WHERE id = job;
        PERFORM end_attempt(job);
        DELETE FROM model WHERE id = job;
    ELSE
        IF (SELECT count(*) FROM model) > 60 THEN
            DELETE FROM researcharr.processing_jobs WHERE status NOT IN ('queued', 'running') OR priority = 0;
            PERFORM end_attempt(id) FROM model WHERE priority = 0;
            DELETE FROM model WHERE status NOT IN ('queued', 'running') OR priority = 0;
        END IF;
    END CASE;
END $$;

CREATE FUNCTION do_type() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t types;
    what text := pick('{pause,resume,resume,resume,register,register,drop}'::text[]);
BEGIN
    SELECT * INTO t FROM types ORDER BY random() LIMIT 1;
    IF what = 'register' THEN
        PERFORM register(t.name);
    ELSIF what = 'drop' THEN
        DELETE FROM researcharr.job_types WHERE name = t.name;
        UPDATE types SET known = false, paused = false WHERE name = t.name;
        IF t.name <> 'mine' THEN
            PERFORM register(t.name);
        END IF;
    ELSIF NOT t.known THEN
        PERFORM expect(what, outcome(format('SELECT researcharr.job_type_%s(%L)', what, t.name)), 'RA002');
    ELSE
        PERFORM expect(what, outcome(format('SELECT researcharr.job_type_%s(%L)', what, t.name)),
                       (t.paused <> (what = 'pause'))::text);
        UPDATE types SET paused = what = 'pause' WHERE name = t.name;
    END IF;
END $$;

CREATE FUNCTION do_look() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM expect('stats',
        (SELECT array_agg(format('%s %s %s', job_type, status, jobs) ORDER BY job_type, status)::text
           FROM researcharr.job_stats()),
        (SELECT array_agg(format('%s %s %s', job_type, status, n) ORDER BY job_type, status)::text
           FROM (SELECT job_type, status, count(*) AS n FROM model GROUP BY 1, 2) AS s));
    PERFORM expect('next due',
        (SELECT CASE WHEN due <= clock_timestamp() THEN 'now' ELSE date_trunc('hour', due)::text END
           FROM researcharr.job_next_due() AS due),
        (SELECT CASE WHEN due <= clock_timestamp() THEN 'now' ELSE date_trunc('hour', due)::text END
           FROM (SELECT min(CASE status WHEN 'queued' THEN available_at
                                        ELSE greatest(available_at, lease_end) END) AS due
                   FROM model AS m JOIN types AS t ON t.name = m.job_type
                  WHERE is_live(m) AND known AND NOT paused) AS s));
END $$;

-- times are the functions' own where the model has only about the same
CREATE VIEW differences AS
    SELECT 'jobs' AS side, d.* FROM (
        SELECT id, media_id, job_type, status, priority, retry_count, max_retries, error_message,
               metadata, attempt, worker, result, unique_key,
               status IN ('completed', 'failed', 'cancelled') AS ended
          FROM researcharr.processing_jobs
         EXCEPT
        SELECT id, media_id, job_type, status, priority, retry_count, max_retries, error_message,
               metadata, attempt, worker, result, unique_key, NOT is_live(m)
          FROM model AS m) AS d
     UNION ALL
    SELECT 'model', m.id, m.media_id, m.job_type, m.status, m.priority, m.retry_count, m.max_retries,
           m.error_message, m.metadata, m.attempt, m.worker, m.result, m.unique_key, NOT is_live(m)
      FROM model AS m LEFT JOIN researcharr.processing_jobs AS j USING (id)
     WHERE j.id IS NULL OR abs(extract(epoch FROM j.available_at - m.available_at)) > 60
        OR abs(extract(epoch FROM j.lease_expires_at - m.lease_end)) > 60
        OR (j.lease_expires_at IS NULL) <> (m.lease_end IS NULL);

CREATE FUNCTION step() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    what text := pick('{enqueue,enqueue,enqueue,enqueue,enqueue,dequeue,dequeue,dequeue,dequeue,word,word,word,order,dml,dml,look,type}'::text[]);
    difference record;
BEGIN
    IF random() < 0.02 THEN
        what := 'all';
    END IF;
    EXECUTE format('SELECT do_%s()', what);
    -- the model's times are taken a little later than the jobs'
    UPDATE model AS m SET available_at = j.available_at
      FROM researcharr.processing_jobs AS j
     WHERE j.id = m.id AND j.available_at <> m.available_at
       AND abs(extract(epoch FROM j.available_at - m.available_at)) < 60;
    FOR difference IN TABLE differences LOOP
        RAISE EXCEPTION 'after %: %', what, difference USING ERRCODE = 'P0099';
    END LOOP;
END $$;

-- steps, in savepoints of which some are rolled back
CREATE FUNCTION steps(n int, depth int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    done int := 0;
BEGIN
    FOR i IN 1..n LOOP
        IF depth > 0 AND random() < 0.1 THEN
            BEGIN
                done := done + steps(5, depth - 1);
                IF random() < 0.5 THEN
                    RAISE EXCEPTION 'take it back' USING ERRCODE = 'P0098';
                END IF;
            EXCEPTION WHEN SQLSTATE 'P0098' THEN
                NULL;
            END;
        END IF;
        PERFORM step();
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;
CREATE PROCEDURE run(seconds float, INOUT done int = 0) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
    WHILE clock_timestamp() < until LOOP
        done := done + steps(10, 3);
        IF random() < 0.8 THEN
            COMMIT;
        ELSE
            ROLLBACK;
        END IF;
    END LOOP;
END $$;
END

note "SEED=$seed";
my ($rc, $out, $err) = $node->psql(
	'postgres', qq{
	SELECT setseed($seed % 1000003 / 1000003.0);
	CALL run($seconds);
});
is($err, '', "the queue does what the model says (SEED=$seed)");
is($rc, 0, 'to the end');
diag($err) if $err;
note "$1 steps" if $out =~ /(\d+)\s*\z/;
note $node->safe_psql('postgres',
	'SELECT what FROM log ORDER BY n DESC LIMIT 20') if $err;

# The history has each attempt that ended, once, and no other.
is( $node->safe_psql(
		'postgres', q{
	SELECT count(*) FROM (
	    (SELECT job_id, (details->>'attempt')::int FROM researcharr.processing_history
	      WHERE details ? 'claimed_at' EXCEPT ALL TABLE ended)
	    UNION ALL
	    (TABLE ended EXCEPT ALL
	     SELECT job_id, (details->>'attempt')::int FROM researcharr.processing_history
	      WHERE details ? 'claimed_at')) AS s}),
	'0',
	'the history has every attempt that ended, once');
is( $node->safe_psql(
		'postgres', q{SELECT count(*) FROM ended HAVING count(*) < 20}),
	'',
	'there were some');

$node->stop;
done_testing();
