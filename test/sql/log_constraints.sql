-- Constraints that users put on the partitions of a log hold for the rows that
-- the extension writes, also those that the server checks after the row is in;
-- users' triggers there do not fire.
SELECT set_config('researcharr.audit', 'off', false);
INSERT INTO researcharr.media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000501', 'Logged', 'movie');
RESET researcharr.audit;
\set VERBOSITY terse
BEGIN;
TRUNCATE researcharr.audit_log, researcharr.processing_history;
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'fired by %', TG_OP;
END
$$;
CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON researcharr.audit_log_default FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
SAVEPOINT s;

-- a deferrable unique constraint: at the statement's end, or at commit
ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT once UNIQUE (entity_type, action) DEFERRABLE INITIALLY IMMEDIATE;
INSERT INTO researcharr.media (title, type) VALUES ('a', 'movie');
SAVEPOINT t;
INSERT INTO researcharr.media (title, type) VALUES ('b', 'movie');
ROLLBACK TO t;
INSERT INTO researcharr.media (title, type) SELECT 'c', 'movie' FROM generate_series(1, 100);
ROLLBACK TO t;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO researcharr.media (title, type) VALUES ('b', 'movie');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK TO s;

-- one that is not deferrable
ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT once UNIQUE (entity_type, action);
INSERT INTO researcharr.media (title, type) VALUES ('a', 'movie'), ('b', 'movie');
ROLLBACK TO s;

-- an exclusion constraint, deferrable or not
ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT alone EXCLUDE (action WITH =);
INSERT INTO researcharr.media (title, type) VALUES ('a', 'movie'), ('b', 'movie');
ROLLBACK TO s;
ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT alone EXCLUDE (action WITH =) DEFERRABLE;
INSERT INTO researcharr.media (title, type) VALUES ('a', 'movie'), ('b', 'movie');
ROLLBACK TO s;

-- a foreign key, of the partition and of the log itself, also one that waits
CREATE TABLE public.rarr_actions (action text PRIMARY KEY);
INSERT INTO public.rarr_actions VALUES ('create');
ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT known FOREIGN KEY (action) REFERENCES public.rarr_actions;
INSERT INTO researcharr.media (title, type) SELECT 'a', 'movie' FROM generate_series(1, 3);
SAVEPOINT t;
UPDATE researcharr.media SET status = 'failed' WHERE title = 'a';
ROLLBACK TO t;
SELECT count(*) FROM researcharr.audit_log;
ALTER TABLE researcharr.audit_log_default DROP CONSTRAINT known;
ALTER TABLE researcharr.audit_log ADD CONSTRAINT known FOREIGN KEY (action) REFERENCES public.rarr_actions
	DEFERRABLE INITIALLY DEFERRED;
UPDATE researcharr.media SET status = 'failed' WHERE title = 'a';
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK TO s;
CREATE TABLE public.rarr_jobs (id uuid PRIMARY KEY);
ALTER TABLE researcharr.processing_history ADD CONSTRAINT known FOREIGN KEY (job_id) REFERENCES public.rarr_jobs;
INSERT INTO public.rarr_jobs SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000501', 'search');
SELECT count(*) FROM researcharr.job_dequeue('{search}') j, researcharr.job_complete(j.id, j.attempt);
SELECT count(*) FROM (SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000501', 'search')) e;
SELECT count(*) FROM researcharr.job_dequeue('{search}') j, researcharr.job_complete(j.id, j.attempt);
ROLLBACK;

-- A log must be partitioned as the extension made it: by range of id.
\set VERBOSITY default
BEGIN;
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000501', 'search') IS NOT NULL AS enqueued;
ALTER TABLE researcharr.processing_history RENAME TO history_old;
SAVEPOINT s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old) PARTITION BY HASH (id);
CREATE TABLE researcharr.history_part PARTITION OF researcharr.processing_history FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK TO s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old) PARTITION BY LIST (id);
CREATE TABLE researcharr.history_part PARTITION OF researcharr.processing_history DEFAULT;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK TO s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old) PARTITION BY RANGE ("timestamp");
CREATE TABLE researcharr.history_part PARTITION OF researcharr.processing_history DEFAULT;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK TO s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old) PARTITION BY RANGE (id, job_id);
CREATE TABLE researcharr.history_part PARTITION OF researcharr.processing_history DEFAULT;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK TO s;
CREATE TABLE researcharr.processing_history (LIKE researcharr.history_old) PARTITION BY RANGE ((id::text));
CREATE TABLE researcharr.history_part PARTITION OF researcharr.processing_history DEFAULT;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK TO s;
CREATE VIEW researcharr.processing_history AS TABLE researcharr.history_old;
SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs;
ROLLBACK;

DELETE FROM researcharr.media;
