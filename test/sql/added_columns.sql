-- Columns that a user adds to the extension's tables, as fields of their entities.
SET search_path = researcharr;
SET timezone = 'UTC';

-- a column of media with the name of a subtype's column: the field stays the subtype's
ALTER TABLE media ADD COLUMN year int, ADD COLUMN series_id uuid, ADD COLUMN air_date text;
SELECT id AS movie, year FROM movie_create('{"title": "Alien", "year": 1979}') \gset
SELECT :year AS year, m.year AS of_media, s.year AS of_movies FROM media m JOIN movies s ON media_id = id;
SELECT year FROM movie_update(:'movie', '{"year": 1980}');
SELECT jsonb_path_query_array(unit_of_work('[{"op": "create", "entity": "movie", "values": {"title": "A", "year": 1999}},
    {"op": "create", "entity": "movie", "values": {"title": "B", "year": 1998}}]'), '$[*].year') AS years;
SELECT title, m.year AS of_media, s.year AS of_movies FROM media m JOIN movies s ON media_id = id ORDER BY title;
SELECT field, code FROM episode_validate('{"title": "E", "season_number": 1, "episode_number": 1}');
SELECT title, air_date FROM episode_create(jsonb_build_object('title', 'E', 'season_number', 1, 'episode_number', 1, 'air_date', '2020-01-01',
    'series_id', (SELECT id FROM series_create('{"title": "S"}'))));
SELECT title FROM movie_get_all('{"year": {"lt": 1990}}');
-- and the other way round: media's columns stay media's
ALTER TABLE movies ADD COLUMN title text, ADD COLUMN updated_at timestamptz;
SELECT title FROM movie_update(:'movie', '{"title": "Aliens"}', (SELECT updated_at FROM movie_rows WHERE id = :'movie'));
SELECT m.title AS of_media, s.title AS of_movies FROM media m JOIN movies s ON media_id = id WHERE id = :'movie';
-- the entity media has the column itself
SELECT title, year FROM media_update(:'movie', '{"year": 5}');
SELECT year FROM movie_get_by_id(:'movie');
-- a view that was made anew with a column more tells whose it is
BEGIN;
CREATE OR REPLACE VIEW movie_rows AS SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
    s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes, m.air_date FROM media m JOIN movies s ON s.media_id = m.id;
SELECT title, air_date FROM movie_create('{"title": "C", "air_date": "soon"}');
ROLLBACK;
ALTER TABLE media DROP COLUMN year, DROP COLUMN series_id, DROP COLUMN air_date;
ALTER TABLE movies DROP COLUMN title, DROP COLUMN updated_at;
DELETE FROM media;

-- arrays: as results give them, and as literals
CREATE DOMAIN regress_labels AS text[] CHECK (cardinality(VALUE) < 4);
CREATE DOMAIN regress_flag AS boolean;
CREATE DOMAIN regress_object AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
ALTER TABLE media ADD COLUMN tags text[], ADD COLUMN grid int[], ADD COLUMN flags boolean[], ADD COLUMN times timestamptz[], ADD COLUMN parts jsonb[],
    ADD COLUMN nets inet[], ADD COLUMN codes varchar(3)[], ADD COLUMN labels regress_labels, ADD COLUMN boxes box[],
    ADD COLUMN flag regress_flag, ADD COLUMN object regress_object, ADD COLUMN raw json;
SELECT id AS media FROM media_create($${"title": "arrays", "type": "movie", "tags": ["a", "", "b,\"\\{}", null, "NULL"], "grid": [[1, 2], [3, null]],
    "flags": [true, false], "times": ["2020-01-01T00:00:00+00:00"], "parts": [{"a": [1]}, [1, 2], 5, "x", null], "nets": ["10.0.0.1", null],
    "codes": ["abc"], "labels": ["x", "y"], "boxes": ["(1,1),(0,0)", "(2,2),(0,0)"], "flag": true, "object": {"a": 1}, "raw": [1, {"b": 2}]}$$) \gset
\x on
SELECT tags, grid, flags, times, parts, nets, codes, labels, boxes, flag, object, raw FROM media WHERE id = :'media';
-- what a result says can be written again, by itself and by reference
CREATE TEMP TABLE copied AS SELECT unit_of_work(jsonb_build_array(
    jsonb_build_object('op', 'get_by_id', 'entity', 'media', 'id', :'media'),
    jsonb_build_object('op', 'create', 'entity', 'media', 'values', to_jsonb(m) - '{id,created_at,updated_at}'::text[]),
    '{"op": "create", "entity": "media", "values": {"title": "by reference", "type": "movie", "tags": "$0.tags", "grid": "$0.grid", "flags": "$0.flags",
      "times": "$0.times", "parts": "$0.parts", "nets": "$0.nets", "codes": "$0.codes", "labels": "$0.labels", "boxes": "$0.boxes", "flag": "$0.flag",
      "object": "$0.object", "raw": "$0.raw"}}'::jsonb)) AS r FROM media m WHERE id = :'media';
SELECT count(DISTINCT e - '{id,title,created_at,updated_at}'::text[]) AS distinct_copies, count(*) FROM copied, jsonb_array_elements(r) e;
SELECT tags, labels FROM media_update(:'media', '{"tags": "{literal}", "labels": [], "grid": [], "flags": null}');
\x off
SELECT * FROM media_validate('{"title": "x", "type": "movie", "tags": ["a", 5], "grid": [1, [2]], "flags": ["true"], "times": ["never"], "parts": {"a": 1},
    "nets": ["10.0.0.1", "nowhere"], "codes": ["abcd"], "labels": ["a", "b", "c", "d"], "flag": "maybe", "object": [1], "boxes": [{}]}') ORDER BY field COLLATE "C";
SELECT * FROM media_validate('{"title": "x", "type": "movie", "grid": ["1"], "flag": 5, "times": [1], "nets": true}') ORDER BY field COLLATE "C";
-- in filters
SELECT f, media_count(f) FROM unnest(ARRAY['{"tags": {"contains": ["b,\"\\{}"]}}', '{"tags": {"contains": []}}', '{"tags": {"contains": "{literal}"}}',
    '{"tags": ["literal"]}', '{"grid": {"contains": [3]}}', '{"grid": [[1, 2], [3, null]]}', '{"labels": {"contains": ["y"]}}', '{"object": {"contains": {"a": 1}}}',
    '{"flag": true}', '{"parts": {"contains": [[1, 2]]}}', '{"nets": {"contains": ["10.0.0.1"]}}']::jsonb[]) f;
SELECT media_count('{"tags": {"contains": ["a", 5]}}');
-- eq and ne of null ask for a value, whether or not the type has an order
ALTER TABLE media ADD COLUMN place point;
UPDATE media SET place = '(1,1)' WHERE title = 'by reference';
SELECT f, media_count(f) FROM unnest(ARRAY['{"raw": null}', '{"raw": {"eq": null}}', '{"raw": {"ne": null}}', '{"place": null}', '{"place": {"ne": null}}',
    '{"boxes": {"ne": null}}']::jsonb[]) f;
SELECT media_count('{"place": {"gt": null}}');
SELECT media_count('{"place": {"eq": "(1,1)"}}');
ALTER TABLE media DROP COLUMN tags, DROP COLUMN grid, DROP COLUMN flags, DROP COLUMN times, DROP COLUMN parts, DROP COLUMN nets, DROP COLUMN codes,
    DROP COLUMN labels, DROP COLUMN boxes, DROP COLUMN flag, DROP COLUMN object, DROP COLUMN raw, DROP COLUMN place;
DROP DOMAIN regress_labels, regress_flag, regress_object;
DELETE FROM media;

-- names of objects: one that there is not is a violation
ALTER TABLE media ADD COLUMN rel regclass, ADD COLUMN rels regclass[], ADD COLUMN fn regproc, ADD COLUMN typ regtype, ADD COLUMN rol regrole,
    ADD COLUMN cfg regconfig, ADD COLUMN nsp regnamespace, ADD COLUMN op regoperator;
SELECT * FROM media_validate('{"title": "x", "type": "movie", "rel": "nowhere.nothing", "rels": ["researcharr.media", "nothing"], "fn": "nothing", "typ": "nothing",
    "rol": "nobody at all", "cfg": "nothing", "nsp": "nowhere", "op": "+(nothing,nothing)"}') ORDER BY field COLLATE "C";
SELECT * FROM media_validate('{"title": "x", "type": "movie", "rel": "a.b.c.d", "typ": "int4 int4", "rols": "x"}') ORDER BY field COLLATE "C";
SELECT rel, rels, fn, typ FROM media_create('{"title": "x", "type": "movie", "rel": "researcharr.media", "rels": ["researcharr.media"], "fn": "now", "typ": "integer"}');
SELECT media_count('{"rel": "nothing"}');
ALTER TABLE media DROP COLUMN rel, DROP COLUMN rels, DROP COLUMN fn, DROP COLUMN typ, DROP COLUMN rol, DROP COLUMN cfg, DROP COLUMN nsp, DROP COLUMN op;
DELETE FROM media;

-- who reads settings masked does not see the column; his creates go in together all the same
ALTER TABLE configuration ADD COLUMN "a note" text;
CREATE TABLE public.regress_statements (rows bigint);
CREATE FUNCTION pg_temp.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.regress_statements SELECT count(*) FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER count_rows AFTER INSERT ON configuration REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_rows();
CREATE ROLE regress_settings;
GRANT USAGE ON SCHEMA researcharr TO regress_settings;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_settings;
GRANT INSERT, SELECT (key) ON configuration TO regress_settings;
GRANT SELECT ON configuration_masked TO regress_settings;
GRANT INSERT ON public.regress_statements TO regress_settings;
SET ROLE regress_settings;
SELECT jsonb_path_query_array(unit_of_work('[{"op": "create", "entity": "config", "values": {"key": "a", "value": "v", "a note": "n"}},
    {"op": "create", "entity": "config", "values": {"key": "b", "value": "w", "a note": "n"}}]'), '$[*].key');
RESET ROLE;
SELECT rows FROM public.regress_statements;
DROP TRIGGER count_rows ON configuration;
DROP TABLE public.regress_statements;
ALTER TABLE configuration DROP COLUMN "a note";
DELETE FROM configuration;
REVOKE ALL ON configuration, configuration_masked FROM regress_settings;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_settings;
REVOKE ALL ON SCHEMA researcharr FROM regress_settings;
DROP ROLE regress_settings;
