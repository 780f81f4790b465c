-- max_runtime: no lease of an attempt ends later than that after its claim.
SET client_min_messages = warning;
INSERT INTO researcharr.media (id, title, type)
VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie');
SELECT (researcharr.job_type_register('long', lease => '3 hours', max_runtime => '1 hour')).max_runtime;
SELECT count(researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'long')) FROM generate_series(1, 3);

-- claims: the type's lease, one that is asked for, a shorter one
SELECT lease_expires_at - started_at AS lease FROM researcharr.job_dequeue('{long}');
SELECT lease_expires_at - started_at AS lease FROM researcharr.job_dequeue('{long}', lease => '2 hours');
SELECT id, attempt, lease_expires_at - started_at AS lease FROM researcharr.job_dequeue('{long}', lease => '1 minute') \gset
SELECT :'lease' AS lease;

-- heartbeats
SELECT researcharr.job_heartbeat(:'id', :attempt, '10 minutes') - clock_timestamp() BETWEEN '9 min' AND '10 min' AS shorter;
SELECT researcharr.job_heartbeat(:'id', :attempt, '2 hours') = started_at + interval '1 hour' AS capped
FROM researcharr.processing_jobs WHERE id = :'id';
SELECT researcharr.job_heartbeat(:'id', :attempt) = started_at + interval '1 hour' AS capped
FROM researcharr.processing_jobs WHERE id = :'id';
SELECT lease_expires_at - started_at AS lease FROM researcharr.processing_jobs WHERE id = :'id';

-- it is over: the heartbeat says so, and the job is handed on
SELECT (researcharr.job_type_register('long', max_runtime => '1 us')).max_runtime;
SELECT researcharr.job_heartbeat(:'id', :attempt) < clock_timestamp() AS over;
SELECT id = :'id' AS same, attempt, retry_count, error_message FROM researcharr.job_dequeue('{long}');
\set VERBOSITY sqlstate
SELECT researcharr.job_heartbeat(:'id', :attempt);
\set VERBOSITY default

-- no limit
UPDATE researcharr.job_types SET max_runtime = NULL WHERE name = 'long';
SELECT researcharr.job_heartbeat(:'id', 2, '2 days') - clock_timestamp() > '1 day' AS extended;
DELETE FROM researcharr.job_types;
SELECT researcharr.job_heartbeat(:'id', 2, '2 days') - clock_timestamp() > '1 day' AS without_type;

-- out of range, as ever
SELECT researcharr.job_type_register('long', max_runtime => '0');
SELECT researcharr.job_type_register('long', max_runtime => '36501 days');
SHOW researcharr.bind_leases;
TRUNCATE researcharr.media CASCADE;
