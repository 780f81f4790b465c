-- Limits of what a worker writes into a job: name, error, result, leases.
SET search_path = researcharr;
SET client_min_messages = warning;
\set VERBOSITY sqlstate
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT id AS film FROM media \gset
SELECT count(job_enqueue(:'film', 'search')) FROM generate_series(1, 6);

--
-- The name of a worker has at most 255 characters
--
SELECT id, attempt, length(worker) FROM job_dequeue('{search}', worker => repeat('ä', 255)) \gset long_
SELECT :long_length AS characters;
SELECT count(*) FROM job_dequeue('{search}', worker => repeat('w', 256));
SELECT count(*) FROM job_dequeue('{search}', worker => repeat('ä', 256));
SELECT count(*) FROM job_dequeue('{search}', worker => repeat('w', 10000000));
CALL job_dequeue_wait(NULL, '{search}', 1, NULL, repeat('w', 256), '0');
SELECT status, count(*) FROM processing_jobs GROUP BY 1 ORDER BY 1;

--
-- An error is truncated to 64 kB, between two characters, and says so
--
SELECT octet_length(error_message), right(error_message, 29) FROM job_fail(:'long_id', :long_attempt, repeat('e', 65536), '0');
SELECT id, attempt FROM job_dequeue('{search}') \gset
SELECT octet_length(error_message), right(error_message, 29) FROM job_fail(:'id', :attempt, repeat('e', 65537), '0');
SELECT id, attempt FROM job_dequeue('{search}') \gset
SELECT octet_length(error_message), right(error_message, 31) FROM job_fail(:'id', :attempt, 'e' || repeat('ä', 1000000), retry => false);
SELECT max(octet_length(details->>'error')) <= 65536 AS history_is_bounded FROM processing_history;

--
-- A result has at most 1 MB as text
--
SELECT id, attempt FROM job_dequeue('{search}') \gset
SELECT job_complete(:'id', :attempt, to_jsonb(repeat('r', 1048575)));
SELECT * FROM job_complete_many(ARRAY[:'id'::uuid], ARRAY[:attempt], ARRAY[to_jsonb(repeat('r', 1048575))]);
SELECT job_complete(:'id', :attempt, to_jsonb(repeat('r', 1048574)));
SELECT id, attempt FROM job_dequeue('{search}') \gset
SELECT job_complete(:'id', :attempt, '[1e131071, 1e131071, 1e131071, 1e131071, 1e131071, 1e131071, 1e131071, 1e131071]');
SELECT job_complete(:'id', :attempt, '[1e131071, 1e131071, 1e131071, 1e131071]');

--
-- Plain DML of the owner has the same limits
--
SELECT id FROM job_dequeue('{search}') \gset
UPDATE processing_jobs SET worker = repeat('w', 256) WHERE id = :'id';
UPDATE processing_jobs SET result = to_jsonb(repeat('r', 1048575)) WHERE id = :'id';
UPDATE processing_jobs SET error_message = repeat('e', 100000), worker = repeat('w', 255)
 WHERE id = :'id' RETURNING octet_length(error_message), length(worker);
INSERT INTO processing_jobs (media_id, job_type, worker) VALUES (:'film', 'search', repeat('w', 256));
INSERT INTO processing_jobs (media_id, job_type, error_message)
VALUES (:'film', 'search', repeat('e', 100000)) RETURNING octet_length(error_message);

--
-- A job that was larger before the limits existed can be changed and finished
--
ALTER TABLE processing_jobs DISABLE TRIGGER zz_researcharr_guard;
UPDATE processing_jobs SET worker = repeat('w', 1000), error_message = repeat('e', 1000000),
       result = to_jsonb(repeat('r', 2000000)), lease_expires_at = clock_timestamp() WHERE id = :'id';
ALTER TABLE processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard;
UPDATE processing_jobs SET priority = 100 WHERE id = :'id' RETURNING length(worker), octet_length(error_message);
SELECT id = :'id' AS same, attempt, error_message FROM job_dequeue('{search}') \gset
SELECT :'same' AS same, :'error_message' AS error_message;
SELECT job_complete(:'id', :attempt, '{}');

--
-- Leases and delays of roles that do not own the table
--
CREATE ROLE regress_sizes_worker;
GRANT USAGE ON SCHEMA researcharr TO regress_sizes_worker;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA researcharr TO regress_sizes_worker;
SELECT count(job_enqueue(:'film', 'search')) FROM generate_series(1, 3);
SET ROLE regress_sizes_worker;
\set VERBOSITY default
SELECT count(*) FROM job_dequeue('{search}', lease => '30 days 1 second');
\set VERBOSITY sqlstate
CALL job_dequeue_wait(NULL, '{search}', 1, '31 days', NULL, '0');
SELECT id, attempt, lease_expires_at - started_at AS lease FROM job_dequeue('{search}', lease => '30 days') \gset
SELECT :'lease' AS lease;
SELECT job_heartbeat(:'id', :attempt, '31 days');
SELECT count(*) FROM job_fail(:'id', :attempt, 'later', '31 days');
SELECT job_release(:'id', :attempt, '31 days');
SET researcharr.max_lease = '100d';
RESET ROLE;
SET researcharr.max_lease = '100d';
SET ROLE regress_sizes_worker;
SELECT job_release(:'id', :attempt, '31 days');
RESET ROLE;
RESET researcharr.max_lease;
-- the owner's are as long as an interval may be
SELECT count(*) FROM job_dequeue('{search}', lease => '36500 days');
DROP OWNED BY regress_sizes_worker;
DROP ROLE regress_sizes_worker;
TRUNCATE media CASCADE;
