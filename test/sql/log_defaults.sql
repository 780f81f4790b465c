-- Columns that users added to a log get the log's defaults, as an INSERT into it
-- would give them, in the rows that the extension writes.
SET client_min_messages = warning;
SET search_path = researcharr;
\set VERBOSITY terse
BEGIN;
TRUNCATE audit_log, processing_history;
CREATE SEQUENCE regress_seq;
ALTER TABLE audit_log ADD gone int DEFAULT 1;
ALTER TABLE audit_log DROP gone;
ALTER TABLE audit_log ADD c_text text DEFAULT 'x', ADD c_int int NOT NULL DEFAULT 7, ADD c_big bigint DEFAULT 1, ADD c_code varchar(5) NOT NULL DEFAULT 'abc',
	ADD c_time timestamptz NOT NULL DEFAULT now(), ADD c_who name DEFAULT current_user, ADD c_seq int NOT NULL DEFAULT nextval('regress_seq'),
	ADD c_id uuid DEFAULT researcharr.uuid_v7(), ADD c_list text[] DEFAULT '{a,b}', ADD c_none text,
	ADD c_made text GENERATED ALWAYS AS (action || '!') STORED;
ALTER TABLE processing_history ADD c_int int NOT NULL DEFAULT 7, ADD c_text text DEFAULT upper('x');
INSERT INTO media (title, type) VALUES ('a', 'movie');
SELECT c_text, c_int, c_big, c_code, c_time = now() AS now, c_who = current_user AS who, c_seq, c_id > id AS new_id, c_list, c_none, c_made FROM audit_log;
-- many rows: a value for each
INSERT INTO media (title, type) SELECT 'm', 'movie' FROM generate_series(1, 2500);
SELECT count(*), count(DISTINCT c_seq), count(DISTINCT c_id), min(c_int), max(c_code) FROM audit_log;
SELECT job_cancel(job_enqueue((SELECT id FROM media WHERE title = 'a'), 'search'));
SELECT action, c_int, c_text FROM processing_history;
SELECT count(job_enqueue(id, 'search')) FROM media WHERE title = 'm';
SELECT job_cancel_all('{}');
SELECT action, c_int, c_text, count(*) FROM processing_history GROUP BY 1, 2, 3;

-- the log's default counts, not that of a partition; a new one counts at once
ALTER TABLE audit_log_default ALTER c_text SET DEFAULT 'partition';
ALTER TABLE ONLY audit_log ALTER c_int SET DEFAULT 8;
DELETE FROM media WHERE title = 'a';
SELECT c_text, c_int, count(*) FROM audit_log WHERE action = 'delete' GROUP BY 1, 2;
ALTER TABLE audit_log ALTER c_text DROP DEFAULT;
UPDATE media SET status = 'failed' WHERE id = (SELECT id FROM media LIMIT 1);
SELECT c_text, c_int FROM audit_log WHERE action = 'update';
SAVEPOINT s;

-- whoever causes a row evaluates its defaults with his own rights
CREATE ROLE regress_logger;
GRANT USAGE ON SCHEMA researcharr TO regress_logger;
GRANT INSERT ON media TO regress_logger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_logger;
SET LOCAL ROLE regress_logger;
INSERT INTO media (title, type) VALUES ('b', 'movie');
ROLLBACK TO s;
ALTER TABLE audit_log ALTER c_seq DROP DEFAULT, ALTER c_seq DROP NOT NULL;
CREATE ROLE regress_logger;
GRANT USAGE ON SCHEMA researcharr TO regress_logger;
GRANT INSERT ON media TO regress_logger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_logger;
SET LOCAL ROLE regress_logger;
INSERT INTO media (title, type) VALUES ('b', 'movie');
RESET ROLE;
SELECT c_who FROM audit_log WHERE c_who <> current_user;
ROLLBACK TO s;

-- users' code does not run: NULL, and an error where that cannot be
CREATE FUNCTION pg_temp.tell() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'run'; END $$;
CREATE FUNCTION pg_temp.positive(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
CREATE DOMAIN pg_temp.positive AS int DEFAULT 5 CHECK (pg_temp.positive(VALUE));
ALTER TABLE audit_log ADD u_tell int;
ALTER TABLE audit_log ALTER u_tell SET DEFAULT pg_temp.tell();
ALTER TABLE audit_log_default ALTER c_big SET DEFAULT pg_temp.tell();
TRUNCATE processing_history;
ALTER TABLE processing_history ADD u_domain pg_temp.positive;
INSERT INTO media (title, type) VALUES ('c', 'movie');
SELECT c_big, u_tell FROM audit_log WHERE changes->'title'->>'new' = 'c';
SELECT job_cancel(job_enqueue(id, 'search')) FROM media WHERE title = 'c';
SELECT action, u_domain FROM processing_history;
SAVEPOINT t;
TRUNCATE audit_log;
ALTER TABLE audit_log ALTER u_tell SET NOT NULL;
\set VERBOSITY default
INSERT INTO media (title, type) VALUES ('d', 'movie');
ROLLBACK;

-- a partition that has its columns in another order
BEGIN;
ALTER TABLE audit_log DETACH PARTITION audit_log_default;
CREATE TABLE regress_part (c_int int NOT NULL, LIKE audit_log);
ALTER TABLE audit_log ADD c_int int NOT NULL DEFAULT 7;
ALTER TABLE audit_log ATTACH PARTITION regress_part DEFAULT;
INSERT INTO media (title, type) VALUES ('e', 'movie');
SELECT c_int, action FROM audit_log;
ROLLBACK;
