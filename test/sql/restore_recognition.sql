-- Rows are treated as rows of a dump only where the client itself sends them,
-- with a dump's settings, as somebody who could restore one.
CREATE TEMP TABLE seen AS SELECT id FROM researcharr.audit_log;
-- how many rows of the audit log are new
CREATE FUNCTION pg_temp.recorded() RETURNS bigint LANGUAGE SQL SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	WITH news AS (
		INSERT INTO pg_temp.seen SELECT a.id FROM researcharr.audit_log a
		WHERE a.id NOT IN (SELECT s.id FROM pg_temp.seen s)
		RETURNING id)
	SELECT count(*) FROM news
$$;
CREATE ROLE regress_rarr_nobody;
CREATE SCHEMA rarr_api;
GRANT USAGE ON SCHEMA rarr_api TO regress_rarr_nobody;
-- the owner's functions, without a search_path of their own
CREATE FUNCTION rarr_api.add_media() RETURNS void LANGUAGE SQL SECURITY DEFINER AS $$
	INSERT INTO researcharr.media (title, type) VALUES ('By a deputy', 'movie')
$$;
CREATE FUNCTION rarr_api.add_job() RETURNS void LANGUAGE SQL SECURITY DEFINER AS $$
	INSERT INTO researcharr.processing_jobs (media_id, job_type) SELECT id, 'no such type' FROM researcharr.media LIMIT 1
$$;
-- the owner's function that trusts its caller's settings, but not his role
CREATE FUNCTION rarr_api.add_as_invoker() RETURNS void LANGUAGE SQL AS $$
	INSERT INTO researcharr.media (title, type) VALUES ('By the caller', 'movie')
$$;
CREATE TABLE rarr_api.inbox (title text);
CREATE FUNCTION rarr_api.file() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO researcharr.media (title, type) VALUES (NEW.title, 'movie');
	RETURN NULL;
END
$$;
CREATE TRIGGER file AFTER INSERT ON rarr_api.inbox FOR EACH ROW EXECUTE FUNCTION rarr_api.file();
GRANT INSERT ON rarr_api.inbox TO regress_rarr_nobody;

SET check_function_bodies = off;
SELECT set_config('search_path', '', false);
-- a dump's rows, by the owner
INSERT INTO researcharr.media (title, type) VALUES ('Restored', 'movie');
COPY researcharr.media (title, type) FROM stdin;
Restored too	movie
\.
SELECT pg_temp.recorded();
-- the owner, but not as a dump does it
SELECT rarr_api.add_media();
SELECT pg_temp.recorded();
SELECT rarr_api.add_as_invoker();
SELECT pg_temp.recorded();
DO $$ BEGIN INSERT INTO researcharr.media (title, type) VALUES ('In a block', 'movie'); END $$;
SELECT pg_temp.recorded();
INSERT INTO rarr_api.inbox VALUES ('By a trigger');
SELECT pg_temp.recorded();
WITH made AS (INSERT INTO researcharr.media (title, type) VALUES ('In a query', 'movie') RETURNING id) SELECT count(*) FROM made;
SELECT pg_temp.recorded();
-- somebody else, with the owner's rights for the time of a function
SET SESSION AUTHORIZATION regress_rarr_nobody;
SELECT rarr_api.add_media();
SELECT rarr_api.add_job();
INSERT INTO rarr_api.inbox VALUES ('By a trigger');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.recorded();
-- somebody who may insert, but owns nothing
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_nobody;
GRANT INSERT ON researcharr.media TO regress_rarr_nobody;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_rarr_nobody;
SET SESSION AUTHORIZATION regress_rarr_nobody;
INSERT INTO researcharr.media (title, type) VALUES ('By nobody', 'movie');
RESET SESSION AUTHORIZATION;
SET ROLE regress_rarr_nobody;
INSERT INTO researcharr.media (title, type) VALUES ('By nobody', 'movie');
RESET ROLE;
SELECT pg_temp.recorded();

RESET check_function_bodies;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA rarr_api CASCADE;
DROP OWNED BY regress_rarr_nobody;
DROP ROLE regress_rarr_nobody;
DELETE FROM researcharr.media;
