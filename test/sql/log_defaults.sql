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
ROLLBACK TO t;

-- neither does it run through the server's own functions
CREATE TYPE pg_temp.pair AS (a pg_temp.positive);
CREATE TYPE pg_temp.mood AS ENUM ('good');
CREATE FUNCTION pg_temp.mood_json(pg_temp.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
CREATE CAST (pg_temp.mood AS json) WITH FUNCTION pg_temp.mood_json(pg_temp.mood);
TRUNCATE audit_log;
ALTER TABLE audit_log ADD v_pair pg_temp.pair, ADD v_mood pg_temp.mood DEFAULT 'good', ADD v_none pg_temp.mood, ADD v_json jsonb, ADD v_list jsonb,
	ADD v_text text, ADD v_row jsonb, ADD v_in jsonb, ADD v_xml xml, ADD v_query tsquery, ADD v_case text, ADD v_sum text;
ALTER TABLE audit_log ALTER v_pair SET DEFAULT '(1)'::text::pg_temp.pair, ALTER v_json SET DEFAULT to_jsonb('good'::pg_temp.mood),
	ALTER v_list SET DEFAULT to_jsonb(ARRAY['good'::pg_temp.mood]), ALTER v_text SET DEFAULT '(1)'::text::pg_temp.pair::text,
	ALTER v_row SET DEFAULT to_jsonb(ROW('good'::pg_temp.mood)), ALTER v_in SET DEFAULT to_jsonb(record_in('(1)', 'pg_temp.pair'::regtype, -1)),
	ALTER v_xml SET DEFAULT query_to_xml('SELECT pg_temp.tell()', true, true, ''), ALTER v_query SET DEFAULT ts_rewrite('a', 'SELECT pg_temp.tell()'),
	ALTER v_case SET DEFAULT CASE WHEN now() IS NULL THEN 'b' ELSE upper('c') END, ALTER v_sum SET DEFAULT coalesce(NULL, 1 + 1)::text;
INSERT INTO media (title, type) VALUES ('f', 'movie');
SELECT v_pair, v_mood, v_none, v_json, v_list, v_text, v_row, v_in, v_xml::text, v_query, v_case, v_sum FROM audit_log;

-- a domain that must not be null: an error, also without a default
CREATE DOMAIN pg_temp.present AS int NOT NULL;
CREATE DOMAIN pg_temp.derived AS pg_temp.present DEFAULT 1;
TRUNCATE audit_log;
SAVEPOINT u;
ALTER TABLE audit_log ADD w_none pg_temp.present;
INSERT INTO media (title, type) VALUES ('g', 'movie');
ROLLBACK TO u;
ALTER TABLE audit_log ADD w_derived pg_temp.derived;
\set VERBOSITY terse
INSERT INTO media (title, type) VALUES ('g', 'movie');
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
