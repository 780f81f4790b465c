-- Many jobs in one call: what workers say (heartbeat, release, fail) and what
-- operators do (cancel, retry).  Each keeps what succeeds, and has a row for each
-- job in the order of the arguments.
SET search_path = researcharr;
DELETE FROM media;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
SELECT name FROM job_type_register('steady', backoff => 'fixed', backoff_base => '1 hour', backoff_cap => '1 hour', jitter => 0);
-- what a statement raises; ids differ from run to run
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE TEMP VIEW jobs AS
SELECT metadata->>'n' AS n, status, attempt, retry_count AS retries, error_message AS error,
       CASE WHEN available_at > clock_timestamp() + interval '30 minutes' THEN 'later' ELSE 'now' END AS available,
       lease_expires_at IS NOT NULL AS leased, unique_key AS key
  FROM processing_jobs ORDER BY 1;
CREATE TABLE taken (n int, id uuid, attempt int);
-- enqueues jobs 1 to n and claims them; in `taken` they are not in order of id
CREATE PROCEDURE pg_temp.fresh(n int, retries int = 3) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM researcharr.processing_jobs;
    DELETE FROM taken;
    PERFORM researcharr.job_enqueue((SELECT id FROM researcharr.media), 'steady', max_retries => retries,
                                    metadata => jsonb_build_object('n', g)) FROM generate_series(1, n) AS g;
    INSERT INTO taken SELECT (metadata->>'n')::int, id, attempt FROM researcharr.job_dequeue(max_jobs => greatest(n, 1))
     ORDER BY (metadata->>'n')::int % 2, (metadata->>'n')::int DESC;
END $$;
-- their ids and attempts, then a stale attempt, an unknown job, and the first one again
CREATE FUNCTION pg_temp.ids() RETURNS uuid[] LANGUAGE sql AS
$$ SELECT array_agg(id) || (array_agg(id))[2] || '01900000-0000-7000-8000-000000000000'::uuid || (array_agg(id))[1] FROM taken $$;
CREATE FUNCTION pg_temp.attempts() RETURNS int[] LANGUAGE sql AS
$$ SELECT array_agg(attempt) || 7 || 1 || (array_agg(attempt))[1] FROM taken $$;

-- heartbeat: a job that is given twice has both answers
CALL pg_temp.fresh(4);
SELECT t.n, r.lease_expires_at - clock_timestamp() BETWEEN '59 minutes' AND '1 hour' AS renewed
  FROM job_heartbeat_many(pg_temp.ids(), pg_temp.attempts(), '1 hour') WITH ORDINALITY AS r (id, lease_expires_at, place)
  LEFT JOIN taken AS t USING (id) ORDER BY place;
SELECT count(*), bool_and(lease_expires_at > clock_timestamp() + interval '50 minutes') AS renewed FROM processing_jobs;
-- by default each type's lease; never past max_runtime
SELECT name FROM job_type_register('steady', max_runtime => '2 minutes');
SELECT count(*) FILTER (WHERE r.lease_expires_at = j.started_at + interval '2 minutes') AS at_the_end
  FROM job_heartbeat_many(pg_temp.ids(), pg_temp.attempts()) AS r JOIN processing_jobs AS j USING (id);
SELECT name FROM job_type_register('steady', max_runtime => '1000 days');

-- release
CALL pg_temp.fresh(4);
SELECT t.n, r.released
  FROM job_release_many(pg_temp.ids(), pg_temp.attempts(), '1 hour') WITH ORDINALITY AS r (id, released, place)
  LEFT JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;
CALL pg_temp.fresh(2);
SELECT bool_and(released) FROM job_release_many((SELECT array_agg(id) FROM taken), (SELECT array_agg(attempt) FROM taken));
TABLE jobs;

-- fail: each with its error
CALL pg_temp.fresh(4);
UPDATE processing_jobs SET max_retries = 0 WHERE metadata->>'n' = '3';
SELECT t.n, r.status
  FROM job_fail_many(pg_temp.ids(), pg_temp.attempts(), '{e1,e2,e3,e4,e5,e6,e7}') WITH ORDINALITY AS r (id, status, place)
  LEFT JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;
CALL pg_temp.fresh(2);
SELECT array_agg(status) FROM job_fail_many((SELECT array_agg(id) FROM taken), (SELECT array_agg(attempt) FROM taken), '{a,b}', '0');
TABLE jobs;
CALL pg_temp.fresh(2);
SELECT array_agg(status) FROM job_fail_many((SELECT array_agg(id) FROM taken), (SELECT array_agg(attempt) FROM taken), '{a,b}', retry => false);
TABLE jobs;
-- an error that is too long is truncated, as by job_fail
CALL pg_temp.fresh(1);
SELECT status FROM job_fail_many((SELECT array_agg(id) FROM taken), '{1}', ARRAY[repeat('x', 100000)]);
SELECT octet_length(error_message) <= 65536 AS truncated, right(error_message, 30) AS ending FROM processing_jobs;

-- cancel: queued and running jobs, not finished ones
CALL pg_temp.fresh(4);
SELECT job_release(id, attempt) FROM taken WHERE n = 1;
SELECT job_complete(id, attempt) FROM taken WHERE n = 2;
SELECT t.n, r.cancelled FROM job_cancel_many(pg_temp.ids()) WITH ORDINALITY AS r (id, cancelled, place)
  LEFT JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;

-- retry: failed and cancelled jobs; a job whose key is taken is passed over
UPDATE processing_jobs SET unique_key = 'k' WHERE metadata->>'n' = '1';
SELECT t.n, r.retried FROM job_retry_many(pg_temp.ids()) WITH ORDINALITY AS r (id, retried, place)
  LEFT JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;
SELECT count(*) FROM job_cancel_many(pg_temp.ids()) WHERE cancelled;
-- of two with one key, the first in the arguments; others are not touched by that
UPDATE processing_jobs SET unique_key = 'k' WHERE metadata->>'n' IN ('1', '3', '4');
SELECT t.n, r.retried
  FROM job_retry_many((SELECT array_agg(id ORDER BY n DESC) FROM taken)) WITH ORDINALITY AS r (id, retried, place)
  JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;
-- a key of another type is another key; another unfinished job has this one
UPDATE processing_jobs SET unique_key = 'l' WHERE metadata->>'n' = '3';
SELECT job_enqueue(:'film', 'verify', unique_key => 'l', metadata => '{"n": 5}') IS NOT NULL AS other_type,
       job_enqueue(:'film', 'steady', unique_key => 'm', metadata => '{"n": 6}') IS NOT NULL AS same_type;
UPDATE processing_jobs SET unique_key = 'm' WHERE metadata->>'n' = '1';
SELECT t.n, r.retried
  FROM job_retry_many((SELECT array_agg(id ORDER BY n) FROM taken)) WITH ORDINALITY AS r (id, retried, place)
  JOIN taken AS t USING (id) ORDER BY place;
TABLE jobs;
SELECT action, h.status, count(*) FROM processing_history AS h JOIN taken ON job_id = taken.id
 WHERE action IN ('cancelled', 'requeued') GROUP BY 1, 2 ORDER BY 1;

-- bad arguments: an error, and nothing has changed
CALL pg_temp.fresh(2);
SELECT call, pg_temp.error_of('SELECT count(*) FROM ' || call) FROM unnest(ARRAY[
    $$job_heartbeat_many(NULL, '{}')$$,
    $$job_heartbeat_many('{}', NULL)$$,
    $$job_heartbeat_many(ARRAY[(SELECT id FROM taken LIMIT 1), NULL], '{1,1}')$$,
    $$job_heartbeat_many((SELECT array_agg(id) FROM taken), '{1,NULL}')$$,
    $$job_heartbeat_many((SELECT array_agg(id) FROM taken), '{1}')$$,
    $$job_heartbeat_many((SELECT array_agg(id) FROM taken), '{1,1}', '0')$$,
    $$job_heartbeat_many((SELECT array_agg(ARRAY[id]) FROM taken), '{1,1}')$$,
    $$job_release_many((SELECT array_agg(id) FROM taken), '{1,1,1}')$$,
    $$job_release_many((SELECT array_agg(id) FROM taken), '{1,1}', '-1 s')$$,
    $$job_release_many((SELECT array_agg(id) FROM taken), NULL)$$,
    $$job_fail_many((SELECT array_agg(id) FROM taken), '{1,1}', NULL)$$,
    $$job_fail_many((SELECT array_agg(id) FROM taken), '{1,1}', '{a}')$$,
    $$job_fail_many((SELECT array_agg(id) FROM taken), '{1,1}', '{a,NULL}')$$,
    $$job_fail_many((SELECT array_agg(id) FROM taken), '{1,1}', '{a,b}', '-1 s')$$,
    $$job_cancel_many(NULL)$$,
    $$job_cancel_many(ARRAY[(SELECT id FROM taken LIMIT 1), NULL])$$,
    $$job_retry_many(NULL)$$,
    $$job_retry_many(ARRAY[NULL::uuid])$$,
    $$job_complete_many((SELECT array_agg(id) FROM taken), '{1,1}', '{"{}"}')$$,
    $$job_cancel_all(NULL)$$,
    $$job_cancel_all('[]')$$,
    $$job_cancel_all('{"colour": 1}')$$,
    $$job_cancel_all('{}', 0)$$,
    $$job_retry_all('{}', 10001)$$,
    $$job_retry_all(NULL)$$]) AS call;
TABLE jobs;
-- nothing to do
SELECT count(*) FROM job_heartbeat_many('{}', '{}');
SELECT count(*) FROM job_fail_many('{}', '{}', '{}');
SELECT count(*) FROM job_retry_many('{}');
BEGIN READ ONLY;
SELECT job_cancel_all('{}');
ROLLBACK;

-- more than a dequeue hands out
CALL pg_temp.fresh(10);
SELECT count(*), count(r.lease_expires_at) AS renewed
  FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts
          FROM (SELECT id, attempt FROM taken CROSS JOIN generate_series(1, 1001)) AS t) AS t, job_heartbeat_many(ids, attempts) AS r;
SELECT count(*), count(*) FILTER (WHERE released) AS released
  FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts
          FROM (SELECT id, attempt FROM taken CROSS JOIN generate_series(1, 1001)) AS t) AS t, job_release_many(ids, attempts) AS r;
SELECT count(*), count(*) FILTER (WHERE cancelled) AS cancelled
  FROM (SELECT array_agg(id) AS ids FROM (SELECT id FROM taken CROSS JOIN generate_series(1, 1001)) AS t) AS t, job_cancel_many(ids) AS r;
SELECT count(*), count(*) FILTER (WHERE retried) AS retried
  FROM (SELECT array_agg(id) AS ids FROM (SELECT id FROM taken CROSS JOIN generate_series(1, 1001)) AS t) AS t, job_retry_many(ids) AS r;

-- all that pass filters, so many at a time, until there are no more
DELETE FROM processing_jobs;
SELECT count(*) FROM job_enqueue_arrays((SELECT array_agg(:'film'::uuid) FROM generate_series(1, 25)), '{steady}',
    metadata => (SELECT array_agg(jsonb_build_object('n', g)) FROM generate_series(1, 25) AS g));
SELECT job_enqueue(:'film', 'verify', metadata => '{"n": "v"}') IS NOT NULL AS other;
SELECT count(*) FROM job_dequeue('{steady}', 5);
SELECT job_cancel_all('{"job_type": "steady", "status": "running"}');
SELECT job_cancel_all('{"job_type": "steady"}', 15) AS first, job_cancel_all('{"job_type": "steady"}', 15) AS second,
       job_cancel_all('{"job_type": "steady"}', 15) AS third;
SELECT job_type, status, count(*) FROM processing_jobs GROUP BY 1, 2 ORDER BY 1, 2;
SELECT job_retry_all('{"status": "failed"}') AS none_failed,
       job_retry_all('{"created_at": {"gt": "2100-01-01"}}') AS none_so_late;
-- jobs whose keys are taken do not hide the others
UPDATE processing_jobs SET unique_key = 'twice' WHERE (metadata->>'n')::int <= 10 AND job_type = 'steady';
SELECT job_retry_all('{"job_type": "steady", "status": "cancelled"}', 5) AS first,
       job_retry_all('{"job_type": "steady", "status": "cancelled"}', 5) AS second,
       job_retry_all('{"job_type": "steady", "status": "cancelled"}') AS third,
       job_retry_all('{"job_type": "steady", "status": "cancelled"}') AS fourth;
SELECT status, unique_key, count(*) FROM processing_jobs WHERE job_type = 'steady' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS verify_untouched FROM processing_jobs WHERE job_type = 'verify' AND status = 'queued' AND attempt = 0;

-- a trigger of a user's that gives jobs a key that is taken: the job is passed over
CREATE FUNCTION take_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'cancelled' AND OLD.metadata->>'n' IN ('2', '3') THEN
        NEW.unique_key := 'twice';
    END IF;
    RETURN NEW;
END $$;
SELECT count(*) FROM job_cancel_many((SELECT array_agg(id) FROM processing_jobs WHERE metadata->>'n' > '1')) WHERE cancelled;
UPDATE processing_jobs SET unique_key = 'own ' || (metadata->>'n') WHERE metadata->>'n' IN ('2', '3', '4');
CREATE TRIGGER take_key BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION take_key();
SELECT j.metadata->>'n' AS n, r.retried
  FROM job_retry_many((SELECT array_agg(id ORDER BY metadata->>'n') FROM processing_jobs WHERE metadata->>'n' IN ('2', '3', '4'))) AS r
  JOIN processing_jobs AS j USING (id) ORDER BY 1;
DROP TRIGGER take_key ON processing_jobs;
DROP FUNCTION take_key();
-- an index of a user's that refuses a change undoes the call
CREATE UNIQUE INDEX one_error ON processing_jobs (error_message) WHERE error_message = 'same';
CALL pg_temp.fresh(2);
SELECT pg_temp.error_of($$SELECT count(*) FROM job_fail_many((SELECT array_agg(id) FROM taken), '{1,1}', '{same,same}')$$);
TABLE jobs;
DROP INDEX one_error;

-- whoever asks for all must be able to read jobs
CREATE ROLE regress_batches;
GRANT USAGE ON SCHEMA researcharr TO regress_batches;
GRANT EXECUTE ON FUNCTION job_cancel_all, job_cancel_many TO regress_batches;
SET ROLE regress_batches;
SELECT job_cancel_all('{}');
RESET ROLE;
DROP OWNED BY regress_batches;
DROP ROLE regress_batches;

DROP TABLE taken;
DELETE FROM job_types;
DELETE FROM media;
