-- Writes without a statement: the same as with one, and with one where it matters.
\set VERBOSITY terse
SET search_path = public, researcharr;
DELETE FROM media;
CREATE FUNCTION regress_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION regress_logged(title text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', entity_type, action, changes - '{id,media_id,created_at}'::text[], user_id, database_user = session_user, acting_role = current_user,
        transaction_id = pg_current_xact_id()) FROM researcharr.audit_log
     WHERE entity_id = (SELECT id::text FROM researcharr.media m WHERE m.title = $1) ORDER BY id $$;

-- both ways: a user's statement trigger makes it a statement
CREATE PROCEDURE regress_write(title text) LANGUAGE plpgsql AS $$
DECLARE
    m uuid;
    r text;
BEGIN
    SET LOCAL researcharr.user_id = 'regress';
    FOR r IN SELECT concat_ws(' ', c.title, type, external_id, status, metadata, year, imdb_id, tmdb_id, runtime_minutes)
        FROM researcharr.movie_create(jsonb_build_object('title', title, 'year', 1979, 'imdb_id', 'tt0078748', 'metadata', '{"a": 1}'::jsonb)) c LOOP
        RAISE NOTICE '%', r;
    END LOOP;
    SELECT id INTO m FROM researcharr.media WHERE media.title = regress_write.title;
    FOR r IN SELECT concat_ws(' ', u.title, status, updated_at > created_at, year, tmdb_id, runtime_minutes)
        FROM researcharr.movie_update(m, '{"status": "completed"}') u LOOP
        RAISE NOTICE '%', r;
    END LOOP;
    FOR r IN SELECT concat_ws(' ', u.title, status, year, imdb_id, tmdb_id, runtime_minutes)
        FROM researcharr.movie_update(m, '{"year": null, "runtime_minutes": 117, "metadata": {}}') u LOOP
        RAISE NOTICE '%', r;
    END LOOP;
    FOR r IN SELECT researcharr.movie_update(m, '{"year": 1980}', 'infinity') LOOP
        RAISE NOTICE '%', r;
    END LOOP;
EXCEPTION WHEN serialization_failure THEN
    RAISE NOTICE 'undone: %', replace(sqlerrm, m::text, 'ID');
END $$;
CALL regress_write('direct');
BEGIN;
CREATE TRIGGER regress AFTER INSERT OR UPDATE ON media EXECUTE FUNCTION regress_nothing();
CALL regress_write('statement');
ROLLBACK;
BEGIN;
SET LOCAL researcharr.user_id = 'regress';
SELECT title, year FROM movie_create('{"title": "direct", "year": 1979, "external_id": "1"}');
SELECT title, status, metadata, updated_at > created_at AS later FROM media_update((SELECT id FROM media WHERE title = 'direct'), '{"status": "failed", "metadata": {"b": 2}}');
SELECT year, tmdb_id FROM movie_update((SELECT id FROM media WHERE title = 'direct'), '{"year": 1980, "tmdb_id": 5}', (SELECT updated_at FROM media WHERE title = 'direct'));
SELECT * FROM regress_logged('direct');
ROLLBACK;
BEGIN;
CREATE TRIGGER regress AFTER INSERT OR UPDATE ON media EXECUTE FUNCTION regress_nothing();
CREATE TRIGGER regress AFTER INSERT OR UPDATE ON movies EXECUTE FUNCTION regress_nothing();
SET LOCAL researcharr.user_id = 'regress';
SELECT title, year FROM movie_create('{"title": "statement", "year": 1979, "external_id": "1"}');
SELECT title, status, metadata, updated_at > created_at AS later FROM media_update((SELECT id FROM media WHERE title = 'statement'), '{"status": "failed", "metadata": {"b": 2}}');
SELECT year, tmdb_id FROM movie_update((SELECT id FROM media WHERE title = 'statement'), '{"year": 1980, "tmdb_id": 5}', (SELECT updated_at FROM media WHERE title = 'statement'));
SELECT * FROM regress_logged('statement');
ROLLBACK;

-- a statement calls the functions of triggers
CREATE FUNCTION regress_called() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(proname, ' ' ORDER BY proname COLLATE "C") FROM pg_proc
     WHERE pronamespace = 'researcharr'::regnamespace AND prorettype = 'trigger'::regtype AND pg_stat_get_xact_function_calls(oid) > 0 $$;
SELECT title FROM media_create('{"title": "calls", "type": "series", "id": "01900000-0000-7000-8000-0000000000d4"}');
SELECT service FROM queue_item_create('{"id": "01900000-0000-7000-8000-0000000000d2", "media_id": "01900000-0000-7000-8000-0000000000d4", "service": "sonarr"}');
BEGIN;
SET LOCAL track_functions = 'all';
SELECT title FROM movie_create('{"title": "calls", "id": "01900000-0000-7000-8000-0000000000d1"}');
SELECT title FROM series_create('{"title": "calls", "id": "01900000-0000-7000-8000-0000000000d3"}');
SELECT regress_called() AS direct;
COMMIT;
BEGIN;
SET LOCAL track_functions = 'all';
SELECT year FROM movie_update('01900000-0000-7000-8000-0000000000d1', '{"year": 1980}');
SELECT status FROM media_update('01900000-0000-7000-8000-0000000000d1', '{"status": "failed"}');
SELECT tvdb_id FROM series_update('01900000-0000-7000-8000-0000000000d3', '{"tvdb_id": 7}');
SELECT priority FROM queue_item_update('01900000-0000-7000-8000-0000000000d2', '{"priority": 5}');
SELECT regress_called() AS direct;
CREATE TRIGGER regress AFTER INSERT OR UPDATE ON media EXECUTE FUNCTION regress_nothing();
SELECT year FROM movie_update('01900000-0000-7000-8000-0000000000d1', '{"year": 1981}');
SELECT regress_called() AS statement;
ROLLBACK;
DELETE FROM media WHERE title = 'calls';
DROP FUNCTION regress_called;

-- columns that a user added: defaults are evaluated where no value is given
CREATE SEQUENCE regress_numbers;
CREATE DOMAIN regress_filled AS text NOT NULL;
ALTER TABLE media ADD COLUMN number int DEFAULT nextval('public.regress_numbers'), ADD COLUMN size int GENERATED ALWAYS AS (length(title)) STORED,
    ADD COLUMN counted int GENERATED BY DEFAULT AS IDENTITY, ADD CONSTRAINT regress_short CHECK (size < 20);
ALTER SEQUENCE regress_numbers RESTART;
ALTER TABLE media ALTER COLUMN counted RESTART;
SELECT title, number, size, counted FROM media_create('{"title": "one", "type": "movie"}');
SELECT title, number, size, counted FROM media_create('{"title": "three", "type": "movie", "number": 7}');
SELECT title, number, size, counted FROM media_create('{"title": "two", "type": "movie"}');
SELECT title, number, size FROM media_update((SELECT id FROM media WHERE title = 'two'), '{"title": "second"}');
SELECT media_create('{"title": "this title is much too long", "type": "movie"}');
SELECT media_update((SELECT id FROM media WHERE title = 'one'), '{"title": "this title is much too long"}');
-- a constraint applies to the next row, in the same session
ALTER TABLE media DROP COLUMN size, DROP COLUMN counted, ADD CONSTRAINT regress_no_four CHECK (title <> 'four');
SELECT media_create('{"title": "four", "type": "movie"}');
ALTER TABLE media DROP CONSTRAINT regress_no_four, ALTER COLUMN status SET DEFAULT 'failed';
SELECT title, status FROM media_create('{"title": "four", "type": "movie"}');
ALTER TABLE media ALTER COLUMN status SET DEFAULT 'pending', ADD COLUMN filled regress_filled DEFAULT 'x';
SELECT title, status, filled FROM media_create('{"title": "five", "type": "movie"}');
ALTER TABLE media ALTER COLUMN filled DROP DEFAULT;
SELECT media_create('{"title": "six", "type": "movie"}');
ALTER TABLE media DROP COLUMN filled, DROP COLUMN number;
-- indexes that a user added get entries
CREATE UNIQUE INDEX regress_lower ON media (lower(title));
CREATE INDEX regress_array ON media USING gin (metadata);
SELECT media_create('{"title": "FIVE", "type": "movie"}');
SELECT title FROM media_create('{"title": "seven", "type": "movie", "metadata": {"tag": "x"}}');
SELECT title FROM media_update((SELECT id FROM media WHERE title = 'second'), '{"metadata": {"tag": "x"}}');
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT title FROM media WHERE metadata @> '{"tag": "x"}' ORDER BY title;
ROLLBACK;
DROP INDEX regress_lower, regress_array;
ALTER TABLE media ADD CONSTRAINT regress_title UNIQUE (title) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
SELECT title FROM media_create('{"title": "seven", "type": "series"}');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
ALTER TABLE media DROP CONSTRAINT regress_title;

-- foreign keys, of the extension and of a user, from a table and to it
BEGIN;
SELECT title FROM series_create('{"title": "keys", "id": "01900000-0000-7000-8000-0000000000d5", "external_id": "k"}');
SELECT title FROM episode_create('{"title": "keys", "id": "01900000-0000-7000-8000-0000000000d6", "series_id": "01900000-0000-7000-8000-0000000000d5", "season_number": 1, "episode_number": 1}');
SELECT service FROM queue_item_create('{"id": "01900000-0000-7000-8000-0000000000d7", "media_id": "01900000-0000-7000-8000-0000000000d5", "service": "sonarr"}');
CREATE TABLE public.regress_keys (external_id text, type text, number int UNIQUE, FOREIGN KEY (external_id, type) REFERENCES media (external_id, type) ON UPDATE CASCADE);
INSERT INTO public.regress_keys VALUES ('k', 'series', 1);
ALTER TABLE media ADD COLUMN number int REFERENCES public.regress_keys (number);
SAVEPOINT s;
SELECT episode_update('01900000-0000-7000-8000-0000000000d6', '{"series_id": "01900000-0000-7000-8000-0000000000d6"}');
ROLLBACK TO s;
SELECT queue_item_update('01900000-0000-7000-8000-0000000000d7', '{"media_id": "01900000-0000-7000-8000-0000000000d9"}');
ROLLBACK TO s;
SELECT media_update('01900000-0000-7000-8000-0000000000d5', '{"number": 2}');
ROLLBACK TO s;
SELECT number FROM media_update('01900000-0000-7000-8000-0000000000d5', '{"number": 1}');
SELECT external_id FROM media_update('01900000-0000-7000-8000-0000000000d5', '{"external_id": "l"}');
SELECT external_id FROM public.regress_keys;
ROLLBACK;

-- triggers that are not as the extension made them
BEGIN;
ALTER TABLE media DISABLE TRIGGER researcharr_audit_insert;
SELECT title FROM movie_create('{"title": "eight"}');
SELECT * FROM regress_logged('eight');
ALTER TABLE media ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE media DISABLE TRIGGER researcharr_updated_at;
SELECT u.updated_at = m.updated_at AS same FROM movie_rows m, movie_update(m.id, '{"status": "failed"}') u WHERE m.title = 'eight';
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT title FROM movie_create('{"title": "eight"}');
SELECT updated_at > created_at AS later FROM movie_update((SELECT id FROM media WHERE title = 'eight'), '{"status": "failed"}');
SELECT * FROM regress_logged('eight');
ROLLBACK;
BEGIN;
SET LOCAL researcharr.audit = off;
SELECT title FROM movie_create('{"title": "eight"}');
SELECT * FROM regress_logged('eight');
ROLLBACK;

-- what was cached for one role does not serve another
CREATE ROLE regress_writer;
CREATE ROLE regress_other;
GRANT USAGE ON SCHEMA researcharr TO regress_writer, regress_other;
GRANT SELECT, INSERT, UPDATE ON media, movies TO regress_writer, regress_other;
GRANT SELECT ON movie_rows TO regress_writer, regress_other;
GRANT EXECUTE ON FUNCTION media_create(jsonb), movie_create(jsonb), movie_update(uuid, jsonb, timestamptz), uuid_v7() TO regress_writer, regress_other;
GRANT EXECUTE ON FUNCTION metadata_is_valid(jsonb) TO regress_writer;
SET ROLE regress_writer;
SELECT title FROM movie_create('{"title": "nine"}');
SELECT status FROM movie_update((SELECT id FROM media WHERE title = 'nine'), '{"status": "failed"}');
SET ROLE regress_other;
SELECT movie_create('{"title": "ten"}');
SELECT status FROM movie_update((SELECT id FROM media WHERE title = 'nine'), '{"status": "pending"}');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION metadata_is_valid(jsonb) FROM regress_writer;
SET ROLE regress_writer;
SELECT movie_create('{"title": "ten"}');
RESET ROLE;
GRANT regress_writer TO regress_other;
GRANT EXECUTE ON FUNCTION metadata_is_valid(jsonb) TO regress_writer;
SET ROLE regress_other;
SELECT title FROM movie_create('{"title": "ten"}');
RESET ROLE;
REVOKE regress_writer FROM regress_other;
SET ROLE regress_other;
SELECT movie_create('{"title": "eleven"}');
RESET ROLE;
GRANT regress_writer TO regress_other;
-- privileges on columns, and without the right to read
REVOKE INSERT ON media FROM regress_writer;
REVOKE INSERT, SELECT ON media FROM regress_other;
SET ROLE regress_writer;
SELECT movie_create('{"title": "eleven"}');
RESET ROLE;
GRANT INSERT (id, title, type) ON media TO regress_writer;
SET ROLE regress_writer;
SELECT title FROM movie_create('{"title": "eleven"}');
SELECT movie_create('{"title": "twelve", "status": "failed"}');
RESET ROLE;
BEGIN READ ONLY;
SELECT movie_create('{"title": "twelve"}');
ROLLBACK;

-- an error leaves nothing behind
BEGIN;
SAVEPOINT s;
SELECT movie_create('{"title": "twelve", "imdb_id": "tt0000001"}'::jsonb || jsonb_build_object('id', (SELECT id FROM media WHERE title = 'nine')));
ROLLBACK TO s;
SELECT title FROM movie_create('{"title": "twelve"}');
COMMIT;
-- a call within a call
CREATE FUNCTION regress_more(title text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    IF title = 'outer' THEN PERFORM researcharr.movie_create('{"title": "inner"}'); END IF;
    RETURN true;
END $$;
ALTER TABLE media ADD CONSTRAINT regress_more CHECK (public.regress_more(title));
SELECT title FROM movie_create('{"title": "outer"}');
SELECT title, s.media_id IS NOT NULL AS whole FROM media m LEFT JOIN movies s ON s.media_id = m.id WHERE title IN ('inner', 'outer') ORDER BY title;
ALTER TABLE media DROP CONSTRAINT regress_more;
SELECT title FROM movie_create('{"title": "last"}');
-- a row whose INSERT is not over: its foreign key is checked after all
CREATE FUNCTION regress_season(id uuid) RETURNS int LANGUAGE sql AS $$
    SELECT season_number FROM researcharr.episode_update(id, '{"season_number": 2}') $$;
INSERT INTO episodes (media_id, series_id, season_number, episode_number)
SELECT id, '01900000-0000-7000-8000-00000000dead', 1, 1 FROM media_create('{"title": "orphan", "type": "episode"}')
RETURNING public.regress_season(media_id);
SELECT count(*) FROM episodes WHERE series_id = '01900000-0000-7000-8000-00000000dead';
DROP FUNCTION regress_season;
-- large values, out of line
SELECT length(metadata ->> 'x'), status FROM movie_create(jsonb_build_object('title', 'large', 'metadata', jsonb_build_object('x', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n))));
SELECT length(metadata ->> 'x'), status FROM movie_update((SELECT id FROM media WHERE title = 'large'), '{"status": "failed"}');
SELECT length(metadata ->> 'x') FROM media WHERE title = 'large';

DELETE FROM media;
DROP OWNED BY regress_writer, regress_other;
DROP ROLE regress_writer, regress_other;
DROP SEQUENCE regress_numbers;
DROP DOMAIN regress_filled;
DROP PROCEDURE regress_write;
DROP FUNCTION regress_nothing, regress_logged, regress_more;
