-- Triggers of others, on tables that a cascade reaches: AFTER triggers run as
-- the role that deletes, never as the owner of the tables, and so do BEFORE
-- triggers on media.  (From 18 on, the server's foreign keys fire statement
-- triggers as the owner, for no rows.  These are not noted here.)
BEGIN;
\set VERBOSITY terse
SET LOCAL search_path = researcharr;
CREATE ROLE regress_trigger_maker;
CREATE ROLE regress_trigger_deleter;
GRANT regress_trigger_maker TO regress_trigger_deleter;
GRANT USAGE ON SCHEMA researcharr TO regress_trigger_maker;
GRANT SELECT, DELETE, TRUNCATE, TRIGGER ON media, movies, series, episodes, processing_jobs, queue_items TO regress_trigger_maker;
CREATE SCHEMA regress_triggers AUTHORIZATION regress_trigger_maker;
CREATE TABLE regress_triggers.notes (timing text, level text, name text, role text);
GRANT INSERT ON regress_triggers.notes TO PUBLIC;
CREATE FUNCTION regress_triggers.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_LEVEL = 'STATEMENT' THEN
		PERFORM FROM gone;
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
	END IF;
	INSERT INTO regress_triggers.notes VALUES (TG_WHEN, TG_LEVEL, TG_TABLE_NAME, current_user);
	RETURN OLD;
END$$;
ALTER FUNCTION regress_triggers.note() OWNER TO regress_trigger_maker;
CREATE FUNCTION pg_temp.refill() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	series uuid;
	episode uuid;
BEGIN
	INSERT INTO researcharr.media (title, type) VALUES ('s', 'series') RETURNING id INTO series;
	INSERT INTO researcharr.series (media_id) VALUES (series);
	INSERT INTO researcharr.media (title, type) VALUES ('e', 'episode') RETURNING id INTO episode;
	INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number) VALUES (episode, series, 1, 1);
	INSERT INTO researcharr.processing_jobs (media_id, job_type) VALUES (series, 'search'), (episode, 'search');
	INSERT INTO researcharr.queue_items (media_id, service) VALUES (episode, 'sonarr');
END$$;
-- for which tables triggers have fired, and as whom
CREATE FUNCTION pg_temp.fired(OUT role text, OUT triggers text, OUT tables text) RETURNS SETOF record LANGUAGE sql AS $$
	WITH noted AS (DELETE FROM regress_triggers.notes RETURNING notes.*)
	SELECT CASE n.role WHEN session_user THEN 'owner' ELSE n.role END, concat_ws(' ', timing, level), string_agg(DISTINCT name, ', ' ORDER BY name)
	FROM noted n GROUP BY 1, 2 ORDER BY 1, 2
$$;

SET LOCAL ROLE regress_trigger_maker;
SELECT format('CREATE TRIGGER "regress_%s" AFTER DELETE ON researcharr.%s REFERENCING OLD TABLE AS gone
	FOR EACH %s EXECUTE FUNCTION regress_triggers.note()',
	level, name, level)
FROM unnest('{media,series,episodes,processing_jobs,queue_items}'::text[]) name, unnest('{ROW,STATEMENT}'::text[]) level
ORDER BY name, level \gexec
CREATE TRIGGER "regress_BEFORE" BEFORE DELETE ON researcharr.media FOR EACH ROW EXECUTE FUNCTION regress_triggers.note();
RESET ROLE;

SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.media;
RESET ROLE;
SELECT * FROM pg_temp.fired();
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.series;
RESET ROLE;
SELECT * FROM pg_temp.fired();
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.episodes;
RESET ROLE;
SELECT * FROM pg_temp.fired();
DELETE FROM media;
SELECT * FROM pg_temp.fired();
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
TRUNCATE researcharr.episodes;
RESET ROLE;
SELECT * FROM pg_temp.fired();
DELETE FROM media;
SELECT * FROM pg_temp.fired();
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
TRUNCATE researcharr.series CASCADE;
TRUNCATE researcharr.media CASCADE;
RESET ROLE;
SELECT * FROM pg_temp.fired();

-- With the cascade of SET session_replication_role = replica, too
SELECT pg_temp.refill();
ALTER TABLE media ENABLE ALWAYS TRIGGER "regress_ROW";
ALTER TABLE processing_jobs ENABLE ALWAYS TRIGGER "regress_ROW";
SET LOCAL session_replication_role = replica;
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.series;
DELETE FROM researcharr.episodes;
RESET ROLE;
SELECT * FROM pg_temp.fired();
SET LOCAL session_replication_role = origin;
ROLLBACK;
