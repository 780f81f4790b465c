-- What object-relational mappers and drivers do: whole-row writes, optimistic
-- locking by times of milliseconds, joined inheritance, and views mapped as tables.
SET search_path = researcharr;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\pset null -

-- Named arguments of a procedure need not begin with the first.
CALL job_dequeue_wait(job_types => '{search}', timeout => '0');
-- limit and offset are reserved words.
SELECT count(*) FROM media_get_all("limit" => 1, "offset" => 0);

-- A client whose dates have milliseconds: what it read is what it expects, each time.
CREATE FUNCTION pg_temp.as_date(t timestamptz) RETURNS timestamptz LANGUAGE sql AS $$ SELECT date_trunc('milliseconds', t) $$;
SELECT id AS movie FROM movie_create('{"title": "Alien", "year": 1979}') \gset
SELECT id AS config FROM config_create('{"key": "k", "value": "v"}') \gset
SELECT id AS media FROM media_create('{"title": "Heat", "type": "movie"}') \gset
SELECT id AS job FROM job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search')) \gset
CREATE FUNCTION pg_temp.edits(entity text, id uuid, change text, edits int) RETURNS TABLE (done bigint, refused bigint)
LANGUAGE plpgsql AS $$
DECLARE
	seen timestamptz;
	before timestamptz;
	now timestamptz;
	e record;
BEGIN
	done := 0;
	refused := 0;
	FOR n IN 1 .. edits LOOP
		EXECUTE format('SELECT updated_at FROM %s_get_by_id($1)', entity) INTO before USING id;
		seen := pg_temp.as_date(before);
		EXECUTE format('SELECT updated_at FROM %s_update($1, $2, $3)', entity)
			INTO now USING id, format(change, n % 10)::jsonb, seen;
		IF now >= before + interval '1 millisecond' THEN
			done := done + 1;
		END IF;
		-- the same date again is too late
		BEGIN
			EXECUTE format('SELECT %s_update($1, $2, $3)', entity) USING id, format(change, n % 10)::jsonb, seen;
		EXCEPTION WHEN serialization_failure THEN
			refused := refused + 1;
		END;
	END LOOP;
	RETURN NEXT;
END $$;
SELECT entity, e.* FROM (VALUES
	('movie', :'movie'::uuid, '{"year": 199%s}'), ('movie', :'movie', '{"title": "Alien %s"}'),
	('movie', :'movie', '{"title": "Alien %1$s", "year": 198%1$s}'), ('media', :'media', '{"title": "Heat %s"}'),
	('config', :'config', '{"value": "v%s"}'), ('job', :'job', '{"priority": %s}')) AS v (entity, id, change),
	pg_temp.edits(entity, id, change, 50) AS e;
-- A time with microseconds is that time alone.
UPDATE media SET created_at = created_at WHERE id = :'media';
SELECT updated_at AS seen, updated_at - interval '1 microsecond' AS earlier FROM media WHERE id = :'media' \gset
SELECT sqlstate, message ~ 'has changed since' AS says_so FROM pg_temp.error(format('SELECT media_update(%L, ''{"title": "no"}'', %L)', :'media',
	CASE WHEN :'earlier'::timestamptz = date_trunc('milliseconds', :'earlier'::timestamptz) THEN :'earlier'::timestamptz - interval '1 microsecond' ELSE :'earlier' END));
-- In statements, too: a role without privileges on whole tables, and a table that is not plain.
CREATE FUNCTION pg_temp.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER pass BEFORE UPDATE ON movies FOR EACH ROW EXECUTE FUNCTION pg_temp.pass();
CREATE TRIGGER pass BEFORE UPDATE ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.pass();
CREATE TRIGGER pass BEFORE UPDATE ON configuration FOR EACH ROW EXECUTE FUNCTION pg_temp.pass();
SELECT entity, e.* FROM (VALUES
	('movie', :'movie'::uuid, '{"year": 199%s}'), ('media', :'media', '{"title": "Heat %s"}'),
	('config', :'config', '{"value": "v%s"}')) AS v (entity, id, change), pg_temp.edits(entity, id, change, 20) AS e;
DROP TRIGGER pass ON movies;
DROP TRIGGER pass ON media;
DROP TRIGGER pass ON configuration;

-- Plain DML on half a flat row moves the row's updated_at, so what was read before is too late.
CREATE FUNCTION pg_temp.stale(id uuid, dml text, changes jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen timestamptz = (SELECT r.updated_at FROM movie_rows r WHERE r.id = stale.id);
BEGIN
	EXECUTE dml USING id;
	PERFORM movie_update(id, changes, seen);
	RETURN 'lost';
EXCEPTION WHEN serialization_failure THEN
	RETURN SQLSTATE;
END $$;
SELECT dml, pg_temp.stale(:'movie', dml, '{"year": 2001}') AS year, pg_temp.stale(:'movie', dml, '{"title": "x"}') AS title,
	pg_temp.stale(:'movie', dml, '{"year": 2001, "title": "x"}') AS both_halves, pg_temp.stale(:'movie', dml, '{}') AS nothing
FROM unnest('{UPDATE movies SET year = 1999 WHERE media_id = $1,UPDATE movies SET year = year WHERE media_id = $1,
	UPDATE media SET title = title WHERE id = $1}'::text[]) dml;
-- also if the half was deleted and inserted anew
SELECT updated_at AS seen FROM movie_rows WHERE id = :'movie' \gset
DELETE FROM movies WHERE media_id = :'movie';
INSERT INTO movies (media_id, year) VALUES (:'movie', 1980);
SELECT sqlstate FROM pg_temp.error(format('SELECT movie_update(%L, ''{"year": 2001}'', %L)', :'movie', :'seen'));
SELECT year FROM movie_rows WHERE id = :'movie';
-- series and episodes alike
SELECT id AS show FROM series_create('{"title": "Fargo", "tvdb_id": 1}') \gset
SELECT id AS part FROM episode_create(jsonb_build_object('title', 'one', 'series_id', :'show', 'season_number', 1, 'episode_number', 1)) \gset
SELECT s.updated_at AS show_seen, e.updated_at AS part_seen FROM series_rows s, episode_rows e \gset
UPDATE series SET seasons = 2;
UPDATE episodes SET episode_number = 2;
SELECT v.entity, e.sqlstate FROM (VALUES ('series', :'show'::uuid, :'show_seen'::timestamptz), ('episode', :'part', :'part_seen')) AS v (entity, id, seen),
	pg_temp.error(format('SELECT %s_update(%L, ''{"title": "stale"}'', %L)', entity, id, seen)) e;
SELECT u.title, u.seasons FROM series_rows r, series_update(r.id, '{"title": "Fargo 2"}', date_trunc('milliseconds', r.updated_at)) u;
SELECT u.title, u.episode_number FROM episode_rows r, episode_update(r.id, '{"title": "two"}', date_trunc('milliseconds', r.updated_at)) u;
SELECT series_delete(:'show');
-- It is the later time of both halves, whoever reads it, and the log of changes does not have it.
UPDATE movies SET year = 1980 WHERE media_id = :'movie';
SELECT r.updated_at = s.changed_at AS of_subtype, s.changed_at > m.updated_at AS later,
	g.updated_at = r.updated_at AS by_id, a.updated_at = r.updated_at AS by_page
FROM movie_rows r JOIN movies s ON s.media_id = r.id JOIN media m USING (id), movie_get_by_id(r.id) g, movie_get_all(jsonb_build_object('updated_at', r.updated_at), 1) a
WHERE r.id = :'movie';
SELECT changes FROM audit_log WHERE entity_type = 'movie' AND action = 'update' ORDER BY id DESC LIMIT 1;
UPDATE movies SET changed_at = '2000-01-01' WHERE media_id = :'movie';
SELECT changed_at > '2020-01-01' AS kept FROM movies WHERE media_id = :'movie';
-- Pages in this order read both tables, and so do filters.  The first movie's time is ahead of the clock.
SELECT pg_sleep(extract(epoch FROM updated_at - clock_timestamp()) + 0.01) FROM movie_rows WHERE id = :'movie';
SELECT id AS second FROM movie_create('{"title": "Brazil", "year": 1985}') \gset
SELECT id AS third FROM movie_create('{"title": "Casino", "year": 1995}') \gset
UPDATE movies SET year = 1986 WHERE media_id = :'second';
SELECT title FROM movie_get_all(order_by => 'updated_at desc', "limit" => 2);
SELECT title FROM movie_get_all(jsonb_build_object('updated_at', jsonb_build_object('gte', (SELECT changed_at FROM movies WHERE media_id = :'second'))), 5);
-- Rows from before version 1.14 have no time of their own.
SET session_replication_role = replica;
ALTER TABLE movies DISABLE TRIGGER researcharr_changed_at;
UPDATE movies SET changed_at = NULL WHERE media_id = :'third';
ALTER TABLE movies ENABLE ALWAYS TRIGGER researcharr_changed_at;
RESET session_replication_role;
SELECT r.updated_at = m.updated_at AS of_media, u.year FROM movie_rows r JOIN media m USING (id), movie_update(r.id, '{"year": 1996}', date_trunc('milliseconds', r.updated_at)) u
WHERE r.id = :'third';

-- If a user has made the view anew, updated_at is what the view says.
BEGIN;
CREATE OR REPLACE VIEW movie_rows WITH (security_invoker = true) AS SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
	s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes FROM media m JOIN movies s ON s.media_id = m.id;
SELECT r.updated_at < s.changed_at AS earlier, u.title FROM movie_rows r JOIN movies s ON s.media_id = r.id, movie_update(r.id, '{"title": "Brasil"}', r.updated_at) u WHERE r.id = :'second';
ROLLBACK;

-- Whole-row writes name the type; another one is refused.
INSERT INTO media (id, title, type) VALUES ('00000000-0000-7000-8000-000000000001', 'whole', 'movie'), ('00000000-0000-7000-8000-000000000002', 'show', 'series'),
	('00000000-0000-7000-8000-000000000003', 'part', 'episode');
INSERT INTO movies (media_id, type, year, imdb_id, tmdb_id, runtime_minutes) VALUES ('00000000-0000-7000-8000-000000000001', 'movie', 1990, NULL, NULL, NULL);
INSERT INTO series (media_id, type, tvdb_id, seasons, episodes) VALUES ('00000000-0000-7000-8000-000000000002', 'series', NULL, NULL, NULL);
INSERT INTO episodes (media_id, type, series_id, season_number, episode_number, air_date)
VALUES ('00000000-0000-7000-8000-000000000003', 'episode', '00000000-0000-7000-8000-000000000002', 1, 1, NULL);
UPDATE movies SET media_id = media_id, type = 'movie', year = 1991, imdb_id = NULL WHERE media_id = '00000000-0000-7000-8000-000000000001';
SELECT statement, e.sqlstate FROM unnest('{UPDATE movies SET type = ''series'',UPDATE episodes SET type = ''movie'',
	"INSERT INTO movies (media_id, type) VALUES (''00000000-0000-7000-8000-000000000002'', ''series'')",
	"INSERT INTO movies (media_id, type) VALUES (''00000000-0000-7000-8000-000000000002'', ''movie'')"}'::text[]) statement, pg_temp.error(statement) e;

-- Joined inheritance deletes the child's row and then the parent's: both are there to be deleted.
WITH gone AS (DELETE FROM episodes WHERE media_id = '00000000-0000-7000-8000-000000000003' RETURNING 1) SELECT count(*) FROM gone;
WITH gone AS (DELETE FROM media WHERE id = '00000000-0000-7000-8000-000000000003' RETURNING 1) SELECT count(*) FROM gone;
WITH gone AS (DELETE FROM series WHERE media_id = '00000000-0000-7000-8000-000000000002' RETURNING 1) SELECT count(*) FROM gone;
WITH gone AS (DELETE FROM media WHERE id = '00000000-0000-7000-8000-000000000002' RETURNING 1) SELECT count(*) FROM gone;

-- The views of flat rows are mapped as tables.
INSERT INTO movie_rows (title, year) VALUES ('Dune', 1984) RETURNING title, type, status, metadata, year, updated_at >= created_at AS times \gx
INSERT INTO movie_rows (id, title, type, external_id, status, metadata, created_at, updated_at, year, imdb_id, tmdb_id, runtime_minutes)
VALUES ('00000000-0000-7000-8000-000000000011', 'Elf', 'movie', '11', 'failed', '{"a": 1}', '2001-01-01', '2001-01-01', 2003, 'tt0319343', 10719, 97)
RETURNING id, title, external_id, status, metadata, created_at, updated_at > '2020-01-01' AS updated, year, imdb_id, tmdb_id, runtime_minutes \gx
INSERT INTO series_rows (id, title, tvdb_id) VALUES ('00000000-0000-7000-8000-000000000012', 'Fargo', 269613) RETURNING title, type, tvdb_id;
INSERT INTO episode_rows (id, title, series_id, season_number, episode_number)
SELECT format('00000000-0000-7000-8000-0000000001%s0', n)::uuid, 'part ' || n, '00000000-0000-7000-8000-000000000012', 1, n FROM generate_series(1, 3) AS n RETURNING title, type, episode_number;
UPDATE movie_rows SET title = 'Elves', year = 2004, metadata = '{}' WHERE id = '00000000-0000-7000-8000-000000000011' RETURNING title, year, metadata, status;
UPDATE movie_rows SET id = id, type = 'movie', year = NULL, runtime_minutes = runtime_minutes, updated_at = '2001-01-01' WHERE id = '00000000-0000-7000-8000-000000000011'
RETURNING title, year, runtime_minutes, updated_at > '2020-01-01' AS updated;
UPDATE movie_rows SET title = 'nobody' WHERE id = '00000000-0000-7000-8000-0000000000ff' RETURNING title;
WITH done AS (UPDATE episode_rows SET status = 'completed' WHERE season_number = 1 RETURNING title, status) SELECT * FROM done ORDER BY title;
-- by version: what was read before finds no row
SELECT updated_at AS seen FROM movie_rows WHERE id = '00000000-0000-7000-8000-000000000011' \gset
UPDATE movie_rows SET year = 2005 WHERE id = '00000000-0000-7000-8000-000000000011' AND updated_at = :'seen' RETURNING year;
UPDATE movie_rows SET year = 2006 WHERE id = '00000000-0000-7000-8000-000000000011' AND updated_at = :'seen' RETURNING year;
DELETE FROM episode_rows WHERE episode_number = 1 RETURNING title;
DELETE FROM series_rows WHERE title = 'Fargo' RETURNING title;
SELECT count(*) FROM media WHERE type <> 'movie';
DELETE FROM movie_rows WHERE title = 'nobody' RETURNING title;
-- the same errors as the tables', and the rights are those of the caller on the view and both tables
SELECT statement, e.* FROM unnest('{"INSERT INTO movie_rows (title, type) VALUES (''x'', ''series'')","INSERT INTO movie_rows (year) VALUES (1990)",
	"INSERT INTO movie_rows (title) VALUES ('' x '')","INSERT INTO movie_rows (title, year) VALUES (''x'', 1)","UPDATE movie_rows SET id = uuid_v7()",
	"UPDATE movie_rows SET type = ''series''","UPDATE movie_rows SET title = NULL","UPDATE movie_rows SET year = 1",
	"INSERT INTO episode_rows (title, series_id, season_number, episode_number) VALUES (''x'', uuid_v7(), 1, 1)"}'::text[]) statement, pg_temp.error(statement) e;
SELECT count(*) FROM media WHERE title = 'x';
CREATE ROLE regress_orm;
GRANT USAGE ON SCHEMA researcharr TO regress_orm;
GRANT SELECT, INSERT, UPDATE, DELETE ON movie_rows TO regress_orm;
GRANT EXECUTE ON FUNCTION metadata_is_valid, uuid_v7 TO regress_orm;
\set writes '{"INSERT INTO researcharr.movie_rows (title) VALUES (''mine'')","UPDATE researcharr.movie_rows SET title = ''mine''","DELETE FROM researcharr.movie_rows"}'
SET ROLE regress_orm;
SELECT statement, e.sqlstate FROM unnest(:'writes'::text[]) statement, pg_temp.error(statement) e;
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON media, movies TO regress_orm;
SET ROLE regress_orm;
INSERT INTO movie_rows (title) VALUES ('mine');
UPDATE movie_rows SET year = 2007 WHERE title = 'mine' RETURNING title, year;
DELETE FROM movie_rows WHERE title = 'mine' RETURNING title;
RESET ROLE;
DROP OWNED BY regress_orm;
DROP ROLE regress_orm;
-- the function serves these views only
CREATE VIEW pg_temp.other AS SELECT * FROM movie_rows;
CREATE TRIGGER other INSTEAD OF DELETE ON pg_temp.other FOR EACH ROW EXECUTE FUNCTION flat_row_write();
SELECT e.* FROM pg_temp.error('DELETE FROM pg_temp.other') e;

-- What psql prints of a table is printable.
SELECT count(*) FROM pg_constraint WHERE connamespace = 'researcharr'::regnamespace AND pg_get_constraintdef(oid) ~ '[\x01-\x08\x0b-\x1f]';
SELECT obj_description('researcharr'::regnamespace, 'pg_namespace');
SELECT message FROM pg_temp.error($$INSERT INTO media (title, type) VALUES (E'\x0bx', 'movie')$$);
DELETE FROM media;
DELETE FROM configuration;
