-- Validation: every violation at once, by stable codes, and the same verdict as
-- the tables' own constraints.
SET search_path = researcharr;
\pset null -
SELECT f.* FROM movie_validate('{"title": "Dune", "year": 2021, "imdb_id": "tt1160419"}') f;
SELECT f.* FROM movie_validate('{"title": "   ", "year": 1869, "imdb_id": "1160419", "tmdb_id": 0, "runtime_minutes": -1,
    "external_id": "", "status": "lost", "metadata": [], "colour": "red", "updated_at": "2020-01-01"}') f ORDER BY field COLLATE "C";
SELECT f.* FROM movie_validate('{"title": 5, "year": "soon", "imdb_id": null, "metadata": "x", "status": true, "type": "series"}') f ORDER BY field COLLATE "C";
SELECT f.* FROM movie_validate('{}') f;
SELECT f.* FROM unnest(ARRAY['[]', '5', 'null', '[{}]']::jsonb[]) o, movie_validate(o) f;
SELECT f.* FROM media_validate('{"title": "x", "type": "book"}') f;
SELECT f.* FROM media_validate(jsonb_build_object('title', repeat('x', 501), 'type', 'movie', 'external_id', repeat('é', 101))) f ORDER BY 1;
SELECT f.* FROM media_validate(jsonb_build_object('title', repeat('é', 500), 'type', 'movie', 'external_id', repeat('é', 100))) f;
SELECT f.* FROM media_validate(jsonb_build_object('title', 'x', 'type', 'movie', 'metadata', jsonb_build_object('a', repeat('x', 1048576)))) f;
SELECT f.* FROM series_validate('{"title": "x", "tvdb_id": 2147483648, "seasons": -1, "episodes": 1.5}') f ORDER BY field COLLATE "C";
SELECT f.* FROM episode_validate('{"title": "x", "season_number": -1, "air_date": "2020-02-30", "series_id": "s"}') f ORDER BY field COLLATE "C";
SELECT f.* FROM job_validate('{"job_type": "no such type", "priority": 101, "max_retries": 11, "available_at": "infinity",
    "metadata": 1, "unique_key": "", "status": "running"}') f ORDER BY field COLLATE "C";
SELECT f.* FROM queue_item_validate('{"service": "lidarr", "priority": -1, "retry_count": -1, "next_retry_at": "sometime"}') f ORDER BY field COLLATE "C";
SELECT f.* FROM config_validate('{"key": " k", "value": "x", "value_type": "float", "secret": "no"}') f ORDER BY field COLLATE "C";
SELECT o->>'value' AS value, f.* FROM unnest(ARRAY['{"key": "k", "value": "1e3", "value_type": "int"}', '{"key": "k", "value": "yes", "value_type": "bool"}',
    '{"key": "k", "value": "{", "value_type": "json"}', '{"key": "k", "value": "x"}']::jsonb[]) o LEFT JOIN LATERAL config_validate(o) f ON true;
SELECT f.* FROM webui_user_validate('{"username": "", "api_key_hash": ""}') f ORDER BY field COLLATE "C";
-- a setting's value is looked at whatever else is wrong
SELECT f.* FROM config_validate('{"key": "", "value": "x", "value_type": "int", "colour": "red"}') f ORDER BY field COLLATE "C";
-- numbers too large for anything are numbers; a fraction is none, nor is a string
SELECT f.* FROM movie_validate('{"title": "x", "year": 1e400, "tmdb_id": 10000000000000000000, "runtime_minutes": 1.0, "status": 1e400, "metadata": 1e400}') f
 ORDER BY field COLLATE "C";
SELECT f.* FROM movie_validate('{"title": "x", "year": -1e400, "tmdb_id": "5", "runtime_minutes": [1]}') f ORDER BY field COLLATE "C";
-- a field's name can be of any length; the message and the detail show its beginning
SELECT field = repeat('é', 100000) AS whole, code FROM media_validate(jsonb_build_object('title', 'x', 'type', 'movie', repeat('é', 100000), 1));
DO $$
DECLARE
    more text;
BEGIN
    PERFORM researcharr.media_create(jsonb_build_object('title', 'x', 'type', 'movie', repeat('é', 100000), 1));
EXCEPTION WHEN SQLSTATE 'RA003' THEN
    GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL;
    RAISE NOTICE '% %', SQLERRM, more::jsonb->0->>'field' = repeat('é', 32) || '...';
END $$;
-- deep, and many
SELECT f.field, f.code FROM media_validate(('{"type": "movie", "title":' || repeat('[', 2000) || repeat(']', 2000) || '}')::jsonb) f;
SELECT count(*) FROM media_validate(('{"type": "movie", "title": "x", "metadata":' || repeat('{"a":', 2000) || '1' || repeat('}', 2000) || '}')::jsonb) f;
SELECT count(*), count(DISTINCT field) FROM media_validate((SELECT jsonb_object_agg('f' || n, n) FROM generate_series(1, 20000) n)) WHERE code = 'unknown_field';

-- Validator and constraints agree: objects put together by chance, from values at
-- and beyond the rules' edges, are valid exactly where a plain INSERT takes them.
-- What a function trims, the INSERT gets trimmed; null stands for leaving out.
SELECT setseed(0.5);
CREATE TEMP TABLE choices (entity text, field text, value jsonb, n int);
INSERT INTO choices SELECT entity, field, e.value, e.n FROM (VALUES
    ('media', 'title', '["a", "", "  ", " b ", null]'::jsonb || jsonb_build_array(repeat('x', 500), repeat('é', 501))),
    ('media', 'type', '["movie", "series", "episode", "book", "", "Movie", null]'),
    ('media', 'external_id', '["1", "", " ", null]'::jsonb || jsonb_build_array(repeat('é', 100), repeat('x', 101))),
    ('media', 'status', '["pending", "processing", "completed", "failed", "done", null]'),
    ('media', 'metadata', '[{}, {"a": 1}, [], 5, "x", null]'),
    ('movies', 'year', '[1870, 1869, 2100, 2101, -1, 0, null]'),
    ('movies', 'imdb_id', '["tt1234567", "tt1234567890", "tt123456", "tt12345678901", "TT1234567", "tt12345678x", "", null]'),
    ('movies', 'tmdb_id', '[1, 0, -1, 2147483647, null]'),
    ('movies', 'runtime_minutes', '[1, 0, -5, 300, null]'),
    ('series', 'tvdb_id', '[1, 0, null]'),
    ('series', 'seasons', '[0, -1, 5, null]'),
    ('series', 'episodes', '[0, -1, 5, null]'),
    ('episodes', 'season_number', '[0, -1, 1, null]'),
    ('episodes', 'episode_number', '[0, -1, 7, null]'),
    ('episodes', 'air_date', '["2020-02-29", "1999-12-31", null]'),
    ('processing_jobs', 'job_type', '["search", "nope", "", null]'),
    ('processing_jobs', 'priority', '[0, -1, 100, 101, null]'),
    ('processing_jobs', 'max_retries', '[0, -1, 10, 11, null]'),
    ('processing_jobs', 'available_at', '["2030-01-01", "infinity", "-infinity", null]'),
    ('processing_jobs', 'unique_key', '["k", "", null]'::jsonb || jsonb_build_array(repeat('é', 255), repeat('x', 256))),
    ('processing_jobs', 'metadata', '[{}, [], null]'),
    ('queue_items', 'service', '["radarr", "sonarr", "lidarr", null]'),
    ('queue_items', 'priority', '[0, -1, 100, 101, null]'),
    ('queue_items', 'retry_count', '[0, -1, 3, null]'),
    ('queue_items', 'metadata', '[{"a": []}, "x", null]'),
    ('configuration', 'key', '["k", "", " k", null]'::jsonb || jsonb_build_array(repeat('é', 255), repeat('x', 256))),
    ('configuration', 'value', '["", "1", "-9223372036854775808", "9223372036854775808", "true", "{}", "[1", "1.5", null]'),
    ('configuration', 'value_type', '["string", "int", "bool", "json", "xml", null]'),
    ('configuration', 'secret', '[true, false, null]'),
    ('webui_users', 'username', '["u", "", "u ", null]'::jsonb || jsonb_build_array(repeat('é', 100), repeat('x', 101))),
    ('webui_users', 'password_hash', '["h", "", null]'),
    ('webui_users', 'api_key_hash', '["h", "", null]')) v (entity, field, options),
    jsonb_array_elements(options) WITH ORDINALITY AS e (value, n);
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'm', 'movie'), ('01900000-0000-7000-8000-000000000002', 's', 'series');
INSERT INTO series (media_id) VALUES ('01900000-0000-7000-8000-000000000002');

-- an object: of each field one value, mostly the first one, which is good, or none
CREATE FUNCTION pg_temp.make(tables text[]) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(jsonb_object_agg(field, value), '{}') FROM (
        SELECT DISTINCT ON (field) field, value FROM choices WHERE entity = ANY (tables)
        ORDER BY field, random() * CASE WHEN n = 1 THEN 0.15 ELSE 1 END) c WHERE random() < 0.95
$$;
-- would the tables take it?
CREATE FUNCTION pg_temp.taken(tables text[], object jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id uuid := researcharr.uuid_v7();
    key text := 'id';
    part jsonb;
    columns text;
BEGIN
    object := jsonb_strip_nulls(object);
    IF object ? 'title' THEN
        object := object || jsonb_build_object('title', btrim(object->>'title', E' \t\n\r\f\x0b'));
    END IF;
    FOR i IN 1 .. cardinality(tables) LOOP
        SELECT jsonb_object_agg(o.key, o.value) INTO part FROM jsonb_each(object) o
         WHERE EXISTS (SELECT FROM choices c WHERE c.entity = tables[i] AND c.field = o.key);
        part := coalesce(part, '{}') || jsonb_build_object(key, id);
        IF tables[i] = 'episodes' THEN
            part := part || '{"series_id": "01900000-0000-7000-8000-000000000002"}';
        ELSIF tables[i] IN ('processing_jobs', 'queue_items') THEN
            part := part || '{"media_id": "01900000-0000-7000-8000-000000000001"}';
        ELSIF tables[i] = 'media' AND cardinality(tables) > 1 AND NOT part ? 'type' THEN
            part := part || jsonb_build_object('type', CASE tables[2] WHEN 'movies' THEN 'movie' WHEN 'episodes' THEN 'episode' ELSE 'series' END);
        END IF;
        SELECT string_agg(quote_ident(k), ', ') INTO columns FROM jsonb_object_keys(part) k;
        EXECUTE format('INSERT INTO researcharr.%1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::researcharr.%1$I, $1)', tables[i], columns) USING part;
        key := 'media_id';
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'XY000';
EXCEPTION
    WHEN SQLSTATE 'XY000' THEN RETURN NULL;
    WHEN integrity_constraint_violation OR data_exception OR SQLSTATE 'RA002' THEN RETURN SQLERRM;
END $$;
-- what does the validator say, and what does E_create?
CREATE FUNCTION pg_temp.found(entity text, object jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('SELECT string_agg(field || '' '' || code, '', '' ORDER BY field COLLATE "C", code) FROM researcharr.%I($1)', entity || '_validate') INTO found USING object;
    RETURN found;
END $$;
CREATE FUNCTION pg_temp.created(entity text, object jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    more text;
BEGIN
    EXECUTE format('SELECT FROM researcharr.%I($1)', entity || '_create') USING object;
    RAISE EXCEPTION USING ERRCODE = 'XY000';
EXCEPTION
    WHEN SQLSTATE 'XY000' THEN RETURN NULL;
    WHEN SQLSTATE 'RA002' THEN RETURN 'job_type unknown_job_type';
    WHEN SQLSTATE 'RA003' THEN
        GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL;
        RETURN (SELECT string_agg(v->>'field' || ' ' || (v->>'code'), ', ' ORDER BY v->>'field' COLLATE "C", v->>'code') FROM jsonb_array_elements(more::jsonb) v);
END $$;
CREATE TEMP TABLE entities (name text, tables text[], good jsonb);
INSERT INTO entities VALUES ('media', '{media}', '{"title": "a", "type": "movie"}'), ('movie', '{media,movies}', '{"title": "a"}'), ('series', '{media,series}', '{"title": "a"}'),
    ('episode', '{media,episodes}', '{"title": "a", "season_number": 1, "episode_number": 1, "series_id": "01900000-0000-7000-8000-000000000002"}'),
    ('job', '{processing_jobs}', '{"job_type": "search", "media_id": "01900000-0000-7000-8000-000000000001"}'),
    ('queue_item', '{queue_items}', '{"service": "radarr", "media_id": "01900000-0000-7000-8000-000000000001"}'),
    ('config', '{configuration}', '{"key": "k", "value": "x"}'), ('webui_user', '{webui_users}', '{"username": "u", "password_hash": "h"}');
CREATE TEMP TABLE verdicts AS
SELECT name, object, pg_temp.taken(tables, object) AS refused, pg_temp.found(name, object) AS found, pg_temp.created(name, object) AS created
  FROM entities, generate_series(1, 800) n,
       LATERAL (SELECT CASE WHEN n > 0 THEN pg_temp.make(tables) END
                       || CASE WHEN cardinality(tables) > 1 AND random() < 0.8 THEN jsonb_build_object('type', name) ELSE '{}' END
                       || CASE WHEN good ? 'media_id' THEN jsonb_build_object('media_id', good->'media_id') ELSE '{}' END
                       || CASE WHEN good ? 'series_id' THEN jsonb_build_object('series_id', good->'series_id') ELSE '{}' END AS object) o;
SELECT name, count(*) AS objects, count(*) FILTER (WHERE (refused IS NULL) = (found IS NULL)) AS agreed,
       count(*) FILTER (WHERE found IS NULL) > 50 AS some_valid, count(*) FILTER (WHERE found IS NOT NULL) > 50 AS some_not,
       count(*) FILTER (WHERE found LIKE '%,%') > 20 AS some_doubly
  FROM verdicts GROUP BY name ORDER BY name COLLATE "C";
SELECT name, left(object::text, 200) AS object, refused, found FROM verdicts WHERE (refused IS NULL) <> (found IS NULL) LIMIT 5;
-- E_create raises what E_validate finds
SELECT name, left(object::text, 200) AS object, found, created FROM verdicts WHERE found IS DISTINCT FROM created LIMIT 5;

-- Each edge alone, on an object that is good without it: what of it both take, and
-- what both refuse, the validator because of that very field.
INSERT INTO choices SELECT entity, field, e.value, 1000 + e.n FROM (VALUES
    ('media', 'title', '["\t\n\r\f\u000b", "\u00a0", "a\tb"]'::jsonb || jsonb_build_array(' ' || repeat('é', 500) || E'\n', repeat('x', 501))),
    ('media', 'metadata', jsonb_build_array(jsonb_build_object('a', repeat('x', 1048567)), jsonb_build_object('a', repeat('x', 1048568)), jsonb_build_object('a', repeat(E'\n', 524284)))),
    ('movies', 'year', '[1.5, 2147483648, -2147483649, 9223372036854775808, "x"]'),
    ('movies', 'imdb_id', '["tt1234567\n", "xt1234567", "tt１２３４５６７", "tt-123456"]'),
    ('movies', 'runtime_minutes', '[2147483647, 2147483648]'), ('movies', 'tmdb_id', '[2147483648]'),
    ('series', 'tvdb_id', '[2147483647, 2147483648, -1]'), ('series', 'seasons', '[2147483647, 2147483648]'), ('series', 'episodes', '[2147483647, 2147483648]'),
    ('episodes', 'season_number', '[2147483647, 2147483648]'), ('episodes', 'episode_number', '[2147483647, 2147483648]'),
    ('episodes', 'air_date', '["0001-01-01", "9999-12-31", "0000-01-01", "2020-02-30", "1900-02-29", "2000-02-29", "2020-13-01", "infinity", "soon", ""]'),
    ('processing_jobs', 'available_at', '["soon", "", "2020-02-30"]'), ('processing_jobs', 'priority', '[2147483648]'), ('processing_jobs', 'max_retries', '[2147483648]'),
    ('queue_items', 'last_processed', '["2020-01-01", "soon"]'), ('queue_items', 'next_retry_at', '["2020-01-01", "infinity", "2020-02-30"]'),
    ('queue_items', 'retry_count', '[2147483647, 2147483648]'), ('queue_items', 'priority', '[1, 99]'),
    ('configuration', 'description', '["", null]'), ('webui_users', 'username', '["\t", "a b"]')) v (entity, field, options),
    jsonb_array_elements(options) WITH ORDINALITY AS e (value, n);
CREATE TEMP TABLE edges AS
SELECT e.name, c.field, c.n, c.value, pg_temp.taken(tables, object) AS refused, pg_temp.found(e.name, object) AS found, pg_temp.created(e.name, object) AS created
  FROM entities e JOIN choices c ON c.entity = ANY (tables), LATERAL (SELECT good || jsonb_build_object(c.field, c.value) AS object) o;
SELECT name, field, string_agg(shown, ' ' ORDER BY n) FILTER (WHERE refused IS NULL AND found IS NULL) AS both_take,
       string_agg(shown, ' ' ORDER BY n) FILTER (WHERE refused IS NOT NULL AND found IN (field || ' required', field || ' wrong_type', field || ' wrong_form',
           field || ' too_short', field || ' too_long', field || ' untrimmed', field || ' not_one_of', field || ' out_of_range', field || ' unknown_job_type')) AS both_refuse,
       count(*) FILTER (WHERE (refused IS NULL) <> (found IS NULL)) AS at_odds
  FROM edges, LATERAL (SELECT CASE WHEN length(value::text) > 40 THEN format('%s...[%s]', left(value::text, 5), length(value::text)) ELSE value::text END AS shown) s
 GROUP BY name, field ORDER BY name COLLATE "C", field COLLATE "C";
SELECT name, field, left(value::text, 60) AS value, left(refused, 60) AS refused, found, created FROM edges
 WHERE ((refused IS NULL) <> (found IS NULL) OR found LIKE '%,%' OR split_part(found, ' ', 1) <> field OR found IS DISTINCT FROM created) AND field <> 'value_type';
-- a setting's value against its type, each pair
SELECT type.value AS value_type, string_agg(v.value::text, ' ' ORDER BY v.n) FILTER (WHERE refused IS NULL AND found IS NULL) AS both_take,
       string_agg(v.value::text, ' ' ORDER BY v.n) FILTER (WHERE refused IS NOT NULL AND found IS NOT NULL) AS both_refuse,
       count(*) FILTER (WHERE (refused IS NULL) <> (found IS NULL)) AS at_odds
  FROM choices type, (SELECT value, n FROM choices WHERE field = 'value' UNION ALL SELECT * FROM (VALUES
           ('"-1"'::jsonb, 50), ('"+1"', 51), ('" 1"', 52), ('"01"', 53), ('"0x1"', 54), ('"9223372036854775807"', 55), ('"-9223372036854775809"', 56),
           ('"TRUE"', 57), ('"false"', 58), ('"null"', 59), ('"\"x\""', 60), ('"[1,]"', 61), ('"1e131072"', 62), ('"1e131071"', 63),
           ('"\"\\u0000\""', 64), ('"{\"a\": 1} x"', 65)) more) v,
       LATERAL (SELECT jsonb_build_object('key', 'k', 'value', v.value, 'value_type', type.value) AS object) o,
       LATERAL (SELECT pg_temp.taken('{configuration}', object) AS refused, pg_temp.found('config', object) AS found) r
 WHERE type.field = 'value_type' GROUP BY type.value, type.n ORDER BY type.n;
DELETE FROM media;
-- the detail of an error lists no more than 100 violations; E_validate lists all
DO $$
DECLARE
    more text;
    hint text;
BEGIN
    PERFORM researcharr.media_create((SELECT jsonb_object_agg('field ' || n || repeat(' long', 1000), 1) FROM generate_series(1, 10000) n));
EXCEPTION WHEN SQLSTATE 'RA003' THEN
    GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % %, less than 16 kB: %', substring(SQLERRM FROM 'and .*'), hint, jsonb_array_length(more::jsonb), length(more) < 16384;
END $$;
SELECT count(*) FROM media_validate((SELECT jsonb_object_agg('field ' || n, 1) FROM generate_series(1, 10000) n));
