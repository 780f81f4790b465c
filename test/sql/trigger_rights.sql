-- Triggers of others, on tables that a cascade reaches: AFTER triggers run as
-- the role that deletes, never as the owner of the tables.
BEGIN;
\set VERBOSITY terse
SET LOCAL search_path = researcharr;
CREATE ROLE regress_trigger_maker;
CREATE ROLE regress_trigger_deleter;
GRANT regress_trigger_maker TO regress_trigger_deleter;
GRANT USAGE ON SCHEMA researcharr TO regress_trigger_maker;
GRANT SELECT, DELETE, TRUNCATE, TRIGGER ON media, movies, series, episodes, processing_jobs, queue_items TO regress_trigger_maker;
CREATE SCHEMA regress_triggers AUTHORIZATION regress_trigger_maker;
CREATE FUNCTION regress_triggers.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % % on %: %', TG_WHEN, TG_OP, TG_LEVEL, TG_TABLE_NAME, current_user;
	RETURN COALESCE(OLD, NEW);
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

SET LOCAL ROLE regress_trigger_maker;
SELECT format('CREATE TRIGGER "regress_%s" AFTER DELETE ON researcharr.%s FOR EACH %s EXECUTE FUNCTION regress_triggers.note()',
	level, name, level)
FROM unnest('{media,series,episodes,processing_jobs,queue_items}'::text[]) name, unnest('{ROW,STATEMENT}'::text[]) level
ORDER BY name, level \gexec
RESET ROLE;

SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.media;
RESET ROLE;
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.series;
RESET ROLE;
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.episodes;
SET CONSTRAINTS ALL IMMEDIATE;
RESET ROLE;
DELETE FROM media;
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
TRUNCATE researcharr.episodes;
RESET ROLE;
DELETE FROM media;
SELECT pg_temp.refill();
SET LOCAL ROLE regress_trigger_deleter;
TRUNCATE researcharr.series CASCADE;
TRUNCATE researcharr.media CASCADE;
RESET ROLE;

-- With the cascade of SET session_replication_role = replica, too
SELECT pg_temp.refill();
ALTER TABLE media ENABLE ALWAYS TRIGGER "regress_ROW";
ALTER TABLE processing_jobs ENABLE ALWAYS TRIGGER "regress_ROW";
SET LOCAL session_replication_role = replica;
SET LOCAL ROLE regress_trigger_deleter;
DELETE FROM researcharr.series;
DELETE FROM researcharr.episodes;
RESET ROLE;
SET LOCAL session_replication_role = origin;
ROLLBACK;
