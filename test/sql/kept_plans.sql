-- The plans that a session keeps for the statements of repositories: few,
-- whatever comes between, and also after errors that were caught.
SET search_path = researcharr;
-- news of the table that come amid a call leave the plans made before until the next transaction
ALTER TABLE media SET (autovacuum_enabled = off);
CREATE FUNCTION pg_temp.kept_plans() RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' $$;
-- n statements of different shapes: which columns are given
CREATE FUNCTION pg_temp.create_media(n int, more jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    failed int := 0;
BEGIN
    FOR i IN 1 .. n LOOP
        BEGIN
            PERFORM researcharr.media_create((SELECT jsonb_object_agg('c' || g, 1) FILTER (WHERE (i >> g) & 1 = 1) FROM generate_series(0, 9) g)
                || '{"title": "x", "type": "movie"}' || more);
        EXCEPTION WHEN unique_violation THEN
            failed := failed + 1;
        END;
    END LOOP;
    RETURN failed || ' failed';
END $$;
SELECT 'ALTER TABLE media ' || string_agg('ADD c' || g || ' int', ', ') FROM generate_series(0, 9) g \gexec
SELECT count(*) FROM media_create('{"title": "x", "type": "movie", "external_id": "taken"}');
SELECT pg_temp.create_media(1, '{}');
SELECT pg_temp.kept_plans() AS before \gset
SELECT pg_temp.create_media(300, '{}');
SELECT pg_temp.kept_plans() - :before <= 64 AS few;
SELECT pg_temp.create_media(300, '{"external_id": "taken"}');
SELECT pg_temp.kept_plans() - :before <= 64 AS few;
BEGIN;
SELECT pg_temp.create_media(300, '{"external_id": "taken"}');
SELECT pg_temp.create_media(100, '{}');
SELECT pg_temp.kept_plans() - :before <= 64 AS few;
COMMIT;
-- a plan that an outer call executes stays, whatever the inner ones make
CREATE FUNCTION pg_temp.inner_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.create_media(200, '{}');
    PERFORM pg_temp.create_media(200, '{"external_id": "taken"}');
    RETURN NEW;
END $$;
CREATE TRIGGER inner_calls BEFORE INSERT ON media FOR EACH ROW WHEN (NEW.title = 'outer') EXECUTE FUNCTION pg_temp.inner_calls();
SELECT title FROM media_create('{"title": "outer", "type": "movie"}');
SELECT title FROM media_create('{"title": "outer", "type": "movie"}');
SELECT pg_temp.kept_plans() - :before <= 67 AS few;
DROP TRIGGER inner_calls ON media;
SELECT 'ALTER TABLE media ' || string_agg('DROP c' || g, ', ') FROM generate_series(0, 9) g \gexec
ALTER TABLE media RESET (autovacuum_enabled);
DELETE FROM media;
