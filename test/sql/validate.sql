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
    WHEN integrity_constraint_violation OR SQLSTATE 'RA002' THEN RETURN SQLERRM;
END $$;
CREATE TEMP TABLE verdicts AS
SELECT e.name, object, pg_temp.taken(tables, object) AS refused, found
  FROM (VALUES ('media', '{media}'::text[]), ('movie', '{media,movies}'), ('series', '{media,series}'), ('episode', '{media,episodes}'),
               ('job', '{processing_jobs}'), ('queue_item', '{queue_items}'), ('config', '{configuration}'), ('webui_user', '{webui_users}')) e (name, tables),
       generate_series(1, 800) n,
       LATERAL (SELECT CASE WHEN n > 0 THEN pg_temp.make(tables) END AS object) o,
       LATERAL (SELECT count(*) FILTER (WHERE f.field <> 'series_id') AS found FROM (
            SELECT f.* FROM media_validate(object) f WHERE e.name = 'media'
            UNION ALL SELECT f.* FROM movie_validate(object) f WHERE e.name = 'movie'
            UNION ALL SELECT f.* FROM series_validate(object) f WHERE e.name = 'series'
            UNION ALL SELECT f.* FROM episode_validate(object) f WHERE e.name = 'episode'
            UNION ALL SELECT f.* FROM job_validate(object || '{"media_id": "01900000-0000-7000-8000-000000000001"}') f WHERE e.name = 'job'
            UNION ALL SELECT f.* FROM queue_item_validate(object || '{"media_id": "01900000-0000-7000-8000-000000000001"}') f WHERE e.name = 'queue_item'
            UNION ALL SELECT f.* FROM config_validate(object) f WHERE e.name = 'config'
            UNION ALL SELECT f.* FROM webui_user_validate(object) f WHERE e.name = 'webui_user') f) v;
SELECT name, count(*) AS objects, count(*) FILTER (WHERE (refused IS NULL) = (found = 0)) AS agreed,
       count(*) FILTER (WHERE found = 0) > 5 AS some_valid, count(*) FILTER (WHERE found > 0) > 5 AS some_not
  FROM verdicts GROUP BY name ORDER BY name COLLATE "C";
SELECT name, left(object::text, 200) AS object, refused, found FROM verdicts WHERE (refused IS NULL) <> (found = 0) LIMIT 5;
DELETE FROM media;
