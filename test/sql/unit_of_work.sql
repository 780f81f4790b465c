-- Unit of work: many operations in one call, all or nothing.
SET search_path = researcharr;
SET timezone = 'UTC';
CREATE FUNCTION pg_temp.error(operations text) RETURNS TABLE (sqlstate text, message text) LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    PERFORM researcharr.unit_of_work(operations::jsonb);
    RETURN QUERY SELECT 'none', 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
    RETURN QUERY SELECT SQLSTATE, regexp_replace(said, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID');
END $$;

-- later operations use what earlier ones returned
CREATE TEMP TABLE result AS SELECT unit_of_work('[
    {"op": "create", "entity": "series", "values": {"title": "Severance", "tvdb_id": 371980}},
    {"op": "create", "entity": "episode", "values": {"title": "$0.title", "series_id": "$0.id", "season_number": 1, "episode_number": 1}},
    {"op": "create", "entity": "episode", "values": {"title": "$$0.title", "series_id": "$0.id", "season_number": 1, "episode_number": 2,
        "metadata": {"series": "$0.tvdb_id", "deep": ["$1.id", "$$", "$", "$x", "$5 bill", "cost: $1.id"]}}},
    {"op": "create", "entity": "job", "values": {"media_id": "$1.id", "job_type": "search", "priority": 50}},
    {"op": "update", "entity": "series", "id": "$0.id", "values": {"seasons": 2}, "expected_updated_at": "$0.updated_at"},
    {"op": "get_by_id", "entity": "media", "id": "$0.id"},
    {"op": "get_by_id", "entity": "movie", "id": "$0.id"},
    {"op": "update", "entity": "movie", "id": "$0.id", "values": {"year": 2000}},
    {"op": "delete", "entity": "episode", "id": "$2.id"},
    {"op": "delete", "entity": "episode", "id": "$2.id"},
    {"op": "create", "entity": "config", "values": {"key": "k", "value": "v"}},
    {"op": "create", "entity": "webui_user", "values": {"username": "u", "password_hash": "h"}},
    {"op": "create", "entity": "queue_item", "values": {"media_id": "$1.id", "service": "sonarr"}}
]') AS r;
SELECT n - 1 AS n, jsonb_typeof(e) AS type, coalesce(e->>'title', e->>'key', e->>'username', e->>'job_type', e->>'service', e::text) AS what,
       e->>'seasons' AS seasons, replace(replace(e->>'metadata', r->0->>'id', 'ID 0'), r->1->>'id', 'ID 1') AS metadata
  FROM result, jsonb_array_elements(r) WITH ORDINALITY AS u (e, n) ORDER BY n;
SELECT title, series_id::text = r->0->>'id' AS of_it, season_number, episode_number FROM episode_get_all(), result;
SELECT priority, media_id::text = r->1->>'id' AS of_it FROM job_get_all(), result;
SELECT unit_of_work('[]');
-- what only looks like a reference, and what came by one, is what it is
SELECT e->>'title' AS title, e->'metadata' AS metadata FROM jsonb_array_elements(unit_of_work('[
    {"op": "create", "entity": "movie", "values": {"title": "$9.99", "metadata": {"title": "$$0.title", "status": "completed", "price": "$0.50", "deep": {"a": ["$$$"]}}}},
    {"op": "create", "entity": "media", "values": {"title": "$0.title", "type": "$0.type", "metadata": "$0.metadata"}},
    {"op": "create", "entity": "media", "values": {"title": "t", "type": "movie", "metadata": {"title": "$$$0.title", "status": "failed"}}},
    {"op": "update", "entity": "media", "id": "$1.id", "values": "$2.metadata"},
    {"op": "update", "entity": "media", "id": "$0.id", "values": {"metadata": {"whole": "$3.metadata", "number": "$0.year", "id": "$$0.id"}}}]')) e;

-- creates of a kind go in together; their results are in order, and none is lost
-- where another kind, other fields or a reference comes between
CREATE TEMP TABLE many AS SELECT unit_of_work(jsonb_agg(
    CASE WHEN n % 100 = 50 THEN jsonb_build_object('op', 'create', 'entity', 'movie', 'values', jsonb_build_object('title', 'Movie ' || n, 'year', 1900 + n % 100))
         WHEN n % 100 = 60 THEN jsonb_build_object('op', 'update', 'entity', 'media', 'id', format('$%s.id', n - 3), 'values', '{"status": "completed"}'::jsonb)
         WHEN n % 100 = 70 THEN jsonb_build_object('op', 'create', 'entity', 'job', 'values', jsonb_build_object('media_id', format('$%s.id', n - 1), 'job_type', 'search'))
         WHEN n % 100 = 71 THEN jsonb_build_object('op', 'create', 'entity', 'job', 'values', jsonb_build_object('media_id', format('$%s.id', n - 2), 'job_type', 'search'))
         ELSE jsonb_build_object('op', 'create', 'entity', 'media', 'values', jsonb_build_object('title', 'Media ' || n, 'type', 'movie', 'external_id', 'x' || n)) END
    ORDER BY n)) AS r FROM generate_series(0, 9999) n;
SELECT jsonb_array_length(r) FROM many;
SELECT count(*) FILTER (WHERE e->>'title' = 'Media ' || n - 1) AS media, count(*) FILTER (WHERE e->>'title' = 'Movie ' || n - 1) AS movies,
       count(*) FILTER (WHERE e->>'status' = 'completed' AND e->>'title' = 'Media ' || n - 4) AS updated, count(*) FILTER (WHERE e ? 'job_type') AS jobs
  FROM many, jsonb_array_elements(r) WITH ORDINALITY AS u (e, n);
SELECT count(*) FROM many, jsonb_array_elements(r) WITH ORDINALITY AS u (e, n) JOIN media m ON m.id = (e->>'id')::uuid
 WHERE NOT e ? 'year' AND m.title = e->>'title';
SELECT count(*) FROM media_get_all('{"external_id": {"like": "x%"}}');

-- one bad operation in the middle: nothing is done, and the error names it
SELECT count(*) AS before FROM media \gset
SELECT n AS bad, e.* FROM unnest('{0,1,499,500,1234,1999}'::int[]) n, pg_temp.error((
    SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'media', 'values', jsonb_build_object('title', 'y', 'type', 'movie',
        'external_id', CASE WHEN i = n THEN 'x1' ELSE 'y' || i END))) FROM generate_series(0, 1999) i)::text) e;
SELECT e.* FROM pg_temp.error((SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'movie', 'values', jsonb_build_object('title', 'y',
        'year', CASE WHEN i = 77 THEN 1 ELSE 2000 END))) FROM generate_series(0, 99) i)::text) e;
SELECT count(*) = :before AS nothing_done FROM media;

-- refused
SELECT o AS operations, e.* FROM unnest(ARRAY[
    '{}', '5', 'null', '[5]', '[null]', '[[]]', '[{}]', '[{"op": "create"}]', '[{"entity": "media"}]',
    '[{"op": "upsert", "entity": "media"}]', '[{"op": 5, "entity": "media"}]', '[{"op": "create", "entity": "book", "values": {}}]',
    '[{"op": "create", "entity": "media"}]', '[{"op": "create", "entity": "media", "id": null, "values": {}}]',
    '[{"op": "delete", "entity": "media"}]', '[{"op": "delete", "entity": "media", "id": "5"}]', '[{"op": "delete", "entity": "media", "id": 5}]',
    '[{"op": "delete", "entity": "media", "id": null}]', '[{"op": "get_by_id", "entity": "media", "id": "01900000-0000-7000-8000-000000000000", "values": {}}]',
    '[{"op": "update", "entity": "media", "id": "01900000-0000-7000-8000-000000000000"}]',
    '[{"op": "update", "entity": "media", "id": "01900000-0000-7000-8000-000000000000", "values": 5}]',
    '[{"op": "update", "entity": "media", "id": "01900000-0000-7000-8000-000000000000", "values": {}, "expected_updated_at": "x"}]',
    '[{"op": "create", "entity": "media", "values": {}, "valeus": {}}]', '[{"op": "create", "entity": "media", "values": {}, "expected_updated_at": "2020-01-01"}]',
    '[{"op": "create", "entity": "history", "values": {}}]', '[{"op": "delete", "entity": "audit", "id": "01900000-0000-7000-8000-000000000000"}]',
    '[{"op": "create", "entity": "media", "values": {"title": "$0.title", "type": "movie"}}]',
    '[{"op": "create", "entity": "media", "values": {"title": "$1.title", "type": "movie"}}, {"op": "create", "entity": "media", "values": {"title": "x", "type": "movie"}}]',
    '[{"op": "create", "entity": "media", "values": {"title": "$99999999999999999999.title", "type": "movie"}}]',
    '[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}, {"op": "get_by_id", "entity": "media", "id": "$0.nope"}]',
    '[{"op": "get_by_id", "entity": "media", "id": "01900000-0000-7000-8000-000000000000"}, {"op": "get_by_id", "entity": "media", "id": "$0.id"}]',
    '[{"op": "delete", "entity": "media", "id": "01900000-0000-7000-8000-000000000000"}, {"op": "get_by_id", "entity": "media", "id": "$0.id"}]',
    '[{"op": "create", "entity": "job", "values": {"media_id": "01900000-0000-7000-8000-000000000000", "job_type": "nope"}}]',
    '[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}, {"op": "update", "entity": "media", "id": "$0.id", "values": {"title": "u"}, "expected_updated_at": "2020-01-01"}]',
    '[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}, {"op": "create", "entity": "media", "values": {"title": "", "type": "movie"}}]'
]) WITH ORDINALITY AS u (o, n), pg_temp.error(o) e ORDER BY n;
-- a trigger's error, after the creates were tried together, and within savepoints
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.title = 'bad' THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = 'RX001', DETAIL = 'the detail', HINT = 'the hint';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
DO $$
DECLARE
    more text;
    hint text;
BEGIN
    FOR try IN 1 .. 2 LOOP
        BEGIN
            PERFORM researcharr.unit_of_work((SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'movie', 'values',
                jsonb_build_object('title', CASE WHEN i = 7 THEN 'bad' ELSE 'good' END, 'year', 2000))) FROM generate_series(0, 20) i));
        EXCEPTION WHEN SQLSTATE 'RX001' THEN
            GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE INFO '%, %, %', SQLERRM, more, hint;
        END;
    END LOOP;
END $$;
BEGIN;
SAVEPOINT a;
SELECT jsonb_array_length(unit_of_work('[{"op": "create", "entity": "movie", "values": {"title": "in a"}}]'));
SAVEPOINT b;
SELECT sqlstate FROM pg_temp.error('[{"op": "create", "entity": "movie", "values": {"title": "in b"}}, {"op": "create", "entity": "movie", "values": {"title": "bad"}}]');
ROLLBACK TO b;
SELECT title FROM movie_rows WHERE title LIKE 'in %';
ROLLBACK TO a;
SELECT title FROM movie_rows WHERE title LIKE 'in %';
COMMIT;
DROP TRIGGER refuse ON media;
-- a trigger that runs a unit of work of its own
CREATE FUNCTION pg_temp.another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.title NOT LIKE '%+' THEN
        PERFORM researcharr.unit_of_work(jsonb_build_array(jsonb_build_object('op', 'create', 'entity', 'media', 'values', jsonb_build_object('title', NEW.title || '+', 'type', 'movie'))));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER another BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION pg_temp.another();
BEGIN;
SELECT jsonb_array_length(unit_of_work((SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'media', 'values', jsonb_build_object('title', 'nested', 'type', 'movie'))) FROM generate_series(1, 20)))),
       (SELECT count(*) FROM media WHERE title LIKE 'nested%') AS before;
SELECT title, count(*) FROM media WHERE title LIKE 'nested%' GROUP BY title ORDER BY title;
ROLLBACK;
DROP TRIGGER another ON media;
-- nothing may be written: reading goes on
BEGIN READ ONLY;
SELECT unit_of_work('[{"op": "get_by_id", "entity": "media", "id": "01900000-0000-7000-8000-000000000000"}]');
SELECT unit_of_work('[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}, {"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}]');
ROLLBACK;
SELECT * FROM pg_temp.error(NULL);
SELECT count(*) = :before AS nothing_done FROM media;
-- the DETAIL and HINT of an operation's error stay
SELECT unit_of_work('[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}, {"op": "create", "entity": "movie", "values": {"year": 1}}]');

-- not caught: what is not about an operation
SET statement_timeout = '50ms';
\set VERBOSITY sqlstate
SELECT unit_of_work(jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'media', 'values', jsonb_build_object('title', 'z', 'type', 'movie')))) FROM generate_series(1, 50000);
\set VERBOSITY default
RESET statement_timeout;

-- columns of users, of a type that no array of it can be had as elements: one by one
ALTER TABLE media ADD COLUMN tags text[];
SELECT jsonb_path_query_array(unit_of_work('[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie", "tags": "{a,b}"}},
    {"op": "create", "entity": "media", "values": {"title": "t", "type": "movie", "tags": "{c}"}}]'), '$[*].tags');
ALTER TABLE media DROP COLUMN tags;

-- one who may not see secrets gets his results masked
CREATE ROLE regress_writer;
GRANT USAGE ON SCHEMA researcharr TO regress_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_writer;
GRANT INSERT ON configuration TO regress_writer;
GRANT SELECT ON configuration_masked TO regress_writer;
SET ROLE regress_writer;
SELECT jsonb_path_query_array(unit_of_work('[{"op": "create", "entity": "config", "values": {"key": "a", "value": "v", "secret": true}},
    {"op": "create", "entity": "config", "values": {"key": "b", "value": "w", "secret": false}}]'), '$[*].value');
SELECT * FROM pg_temp.error('[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}]');
RESET ROLE;
REVOKE ALL ON configuration, configuration_masked FROM regress_writer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_writer;
REVOKE ALL ON SCHEMA researcharr FROM regress_writer;
DROP ROLE regress_writer;
DELETE FROM media;
DELETE FROM configuration;
DELETE FROM webui_users;

-- triggers that change ids: each result is the row that was written
CREATE FUNCTION pg_temp.new_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.id := overlay(NEW.id::text PLACING 'ffffffff' FROM 1)::uuid;
    RETURN NEW;
END $$;
CREATE TRIGGER new_id BEFORE INSERT ON media FOR EACH ROW WHEN (NEW.title LIKE 'A%') EXECUTE FUNCTION pg_temp.new_id();
CREATE TRIGGER new_id BEFORE INSERT ON configuration FOR EACH ROW WHEN (NEW.key LIKE 'A%') EXECUTE FUNCTION pg_temp.new_id();
SELECT count(*) FROM movie_create('{"title": "A 0", "year": 1999}');
SELECT e, o->>'op' AS op, coalesce(r->>'title', r->>'key') AS what, left(r->>'id', 8) = 'ffffffff' AS changed, r->>'year' AS year
  FROM unnest('{media,movie,config}'::text[]) WITH ORDINALITY AS u (e, n),
       LATERAL (SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', e, 'values',
           CASE e WHEN 'media' THEN jsonb_build_object('title', t, 'type', 'movie') WHEN 'movie' THEN jsonb_build_object('title', t, 'year', 2000)
                  ELSE jsonb_build_object('key', t, 'value', 'v') END)) AS ops FROM unnest('{A 1,B 2,A 3}'::text[]) t) o2,
       LATERAL (SELECT unit_of_work(ops) AS all_results) w, jsonb_array_elements(all_results) WITH ORDINALITY AS v (r, m),
       LATERAL (SELECT ops->(m::int - 1) AS o) p ORDER BY n, m;
DROP TRIGGER new_id ON media;
DROP TRIGGER new_id ON configuration;
DELETE FROM media;
DELETE FROM configuration;

-- triggers that keep rows out: no result where there is no row, and never half of a flat one
CREATE FUNCTION pg_temp.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep_out BEFORE INSERT ON media FOR EACH ROW WHEN (NEW.title LIKE 'out%') EXECUTE FUNCTION pg_temp.keep_out();
SELECT media_create('{"title": "out", "type": "movie"}') IS NULL AS kept_out, movie_create('{"title": "out"}') IS NULL AS both_halves;
SELECT jsonb_path_query_array(unit_of_work('[{"op": "create", "entity": "media", "values": {"title": "in 1", "type": "movie"}},
    {"op": "create", "entity": "media", "values": {"title": "out 2", "type": "movie"}}, {"op": "create", "entity": "media", "values": {"title": "in 3", "type": "movie"}},
    {"op": "create", "entity": "movie", "values": {"title": "in 4"}}, {"op": "create", "entity": "movie", "values": {"title": "out 5"}},
    {"op": "create", "entity": "movie", "values": {"title": "in 6"}}]'), '$[*].title');
SELECT title, EXISTS (SELECT FROM movies WHERE media_id = id) AS is_movie FROM media ORDER BY title;
DROP TRIGGER keep_out ON media;
CREATE TRIGGER keep_out BEFORE INSERT OR UPDATE ON movies FOR EACH ROW WHEN (NEW.year = 1900) EXECUTE FUNCTION pg_temp.keep_out();
SELECT movie_create('{"title": "out", "year": 1900}') IS NULL AS kept_out;
SELECT unit_of_work('[{"op": "create", "entity": "movie", "values": {"title": "out 7", "year": 1900}}, {"op": "create", "entity": "movie", "values": {"title": "out 8", "year": 1900}}]');
SELECT id AS movie FROM movie_create('{"title": "in 9", "year": 1901}') \gset
SELECT updated_at AS before FROM movie_rows WHERE id = :'movie' \gset
SELECT movie_update(:'movie', '{"title": "other", "year": 1900}'), movie_update(:'movie', '{"year": 1900}', :'before');
SELECT title, year, updated_at = :'before' AS as_it_was FROM movie_get_by_id(:'movie');
SELECT title FROM media WHERE title LIKE 'out%';
SELECT entity_type, action, changes->'title' AS title FROM audit_log WHERE changes->'title'->>'new' IN ('out 5', 'out 7', 'out 8') OR entity_id = :'movie' AND action = 'update';
DROP TRIGGER keep_out ON movies;
-- so with row security on the subtype's table, which hides without an error, and with a rule
ALTER TABLE movies ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON movies FOR SELECT USING (true);
CREATE POLICY writing ON movies FOR UPDATE USING (year <> 1901);
CREATE ROLE regress_halves;
GRANT USAGE ON SCHEMA researcharr TO regress_halves;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_halves;
GRANT SELECT, UPDATE ON media, movies, movie_rows TO regress_halves;
SET ROLE regress_halves;
SELECT movie_update(:'movie', '{"title": "other", "year": 1902}');
RESET ROLE;
DROP POLICY reading ON movies;
DROP POLICY writing ON movies;
ALTER TABLE movies DISABLE ROW LEVEL SECURITY;
CREATE RULE keep_out AS ON INSERT TO movies DO INSTEAD NOTHING;
SELECT movie_create('{"title": "out"}') IS NULL AS kept_out;
DROP RULE keep_out ON movies;
SELECT title, year, updated_at = :'before' AS as_it_was FROM movie_get_by_id(:'movie');
SELECT title FROM media WHERE title LIKE 'out%';
REVOKE ALL ON media, movies, movie_rows FROM regress_halves;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_halves;

-- to enqueue takes EXECUTE on a function that enqueues, by whatever path; the rest takes what the statements take
GRANT EXECUTE ON FUNCTION unit_of_work, uuid_v7, metadata_is_valid TO regress_halves;
GRANT SELECT ON processing_jobs TO regress_halves;
CREATE FUNCTION pg_temp.enqueue(media uuid, n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_array_length(researcharr.unit_of_work((SELECT jsonb_agg(jsonb_build_object('op', 'create', 'entity', 'job', 'values',
        jsonb_build_object('media_id', media, 'job_type', 'search'))) FROM generate_series(1, n))));
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SET ROLE regress_halves;
SELECT pg_temp.enqueue(:'movie', 1), pg_temp.enqueue(:'movie', 3);
SELECT unit_of_work(jsonb_build_array(jsonb_build_object('op', 'create', 'entity', 'job', 'values', jsonb_build_object('media_id', :'movie', 'job_type', 'search'))));
RESET ROLE;
SELECT count(*) FROM processing_jobs;
GRANT EXECUTE ON FUNCTION job_create TO regress_halves;
SET ROLE regress_halves;
SELECT pg_temp.enqueue(:'movie', 1), pg_temp.enqueue(:'movie', 3);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION job_create FROM regress_halves;
GRANT EXECUTE ON FUNCTION job_enqueue TO regress_halves;
SET ROLE regress_halves;
SELECT pg_temp.enqueue(:'movie', 1);
SELECT id AS job FROM processing_jobs LIMIT 1 \gset
SELECT * FROM pg_temp.error(format('[{"op": "update", "entity": "job", "id": "%s", "values": {"priority": 5}}]', :'job'));
SELECT * FROM pg_temp.error(format('[{"op": "delete", "entity": "job", "id": "%s"}]', :'job'));
SELECT * FROM pg_temp.error('[{"op": "create", "entity": "media", "values": {"title": "t", "type": "movie"}}]');
SELECT * FROM pg_temp.error('[{"op": "get_by_id", "entity": "webui_user", "id": "01900000-0000-7000-8000-000000000000"}]');
SELECT job_create(jsonb_build_object('media_id', :'movie', 'job_type', 'search'));
RESET ROLE;
REVOKE ALL ON media, movies, movie_rows, processing_jobs FROM regress_halves;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_halves;
REVOKE ALL ON SCHEMA researcharr FROM regress_halves;
DROP ROLE regress_halves;
DELETE FROM media;
