-- Filters, orders and pages: what they find, what they refuse, and that an
-- index serves them.
SET search_path = researcharr;
SET timezone = 'UTC';
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
CREATE FUNCTION pg_temp.titles(filters jsonb) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(title, ', ' ORDER BY title COLLATE "C") FROM researcharr.movie_get_all(filters) $$;
SELECT count(movie_create(jsonb_build_object('title', t, 'year', y, 'external_id', e, 'status', s, 'metadata', m)))
  FROM (VALUES ('War and Peace', 1956, '1', 'completed', '{"tags": ["long", "war"]}'::jsonb),
               ('Star Wars', 1977, '2', 'pending', '{"tags": ["space"], "n": 1}'),
               ('100% Wolf', 2020, NULL, 'pending', '{}'),
               ('a_b', NULL, '4', 'failed', '{"n": 2}'),
               ('Ran', 1985, '5', 'completed', '{"tags": ["war"]}')) v (t, y, e, s, m);

SELECT f AS filters, pg_temp.titles(f) AS found FROM unnest(ARRAY[
    '{}', '{"status": "pending"}', '{"status": {"eq": "pending"}}', '{"status": {"ne": "pending"}}',
    '{"year": {"gt": 1977}}', '{"year": {"gte": 1977}}', '{"year": {"lt": 1977}}', '{"year": {"lte": 1977}}',
    '{"year": {"gte": 1960, "lt": 2000}}', '{"year": {"in": [1956, 2020, 3000]}}', '{"year": {"in": []}}',
    '{"title": {"like": "%War%"}}', '{"title": {"ilike": "%war%"}}', '{"title": {"contains": "100%"}}',
    '{"title": {"contains": "_"}}', '{"external_id": {"is_null": true}}', '{"external_id": {"is_null": false}, "year": {"is_null": true}}',
    '{"external_id": null}', '{"year": {"ne": null}}', '{"year": null}', '{"metadata": {"contains": {"tags": ["war"]}}}',
    '{"metadata": {"eq": {"n": 2}}}', '{"status": "completed", "year": {"gte": 1980}}',
    '{"created_at": {"gt": "2020-01-01T00:00:00Z"}, "id": {"ne": "01900000-0000-7000-8000-000000000000"}}',
    '{"title": "a''; DROP TABLE researcharr.media; --"}'
]::jsonb[]) WITH ORDINALITY AS u (f, n) ORDER BY n;

-- refused: RA004 for what is unknown, 22023 for a value that does not fit
SELECT f AS filters, e.sqlstate, e.message, e.detail FROM unnest(ARRAY[
    '[]', '"x"', '5', 'null', '{"yeer": 1}', '{"title\" OR true --": 1}', '{"year": {"gte": "soon"}}', '{"year": "1977"}', '{"year": 19.5}',
    '{"year": {"near": 1977}}', '{"year": {"like": "19%"}}', '{"year": {"contains": 1}}', '{"year": {"in": 1977}}',
    '{"year": {"in": [1977, null]}}', '{"year": {"gt": null}}', '{"year": {"is_null": "yes"}}', '{"title": {"ilike": 5}}',
    '{"title": ["a"]}', '{"id": "not a uuid"}', '{"created_at": {"gt": "yesterdayish"}}', '{"metadata": {"n": 1}}', '{"year": 5000000000}'
]::jsonb[]) WITH ORDINALITY AS u (f, n), pg_temp.error_detail(format('SELECT researcharr.movie_get_all(%L)', f)) e ORDER BY n;
SELECT sqlstate FROM pg_temp.error_detail('SELECT movie_count(''{"nope": 1}'')');
SELECT movie_count(), movie_count('{"status": "pending"}'), movie_count(NULL);
-- one status, and what is not that
SELECT f, movie_count(f) = (SELECT count(*) FROM movie_get_all(f)) AS same, movie_count(f) > 0 AS found
  FROM unnest(ARRAY['{"status": "pending"}', '{"status": {"eq": "pending"}}', '{"status": "failed"}', '{"status": "no such"}',
    '{"status": {"eq": "pending", "ne": "pending"}}', '{"status": {"ne": "failed"}}', '{"status": {}}']::jsonb[]) WITH ORDINALITY AS u (f, n) ORDER BY n;

-- orders
SELECT o AS order_by, string_agg(title, ', ' ORDER BY g.n) FROM unnest(ARRAY[
    'title', 'year desc', 'year DESC NULLS LAST, title', '  status ,year asc nulls first ', 'id'
]) WITH ORDINALITY AS u (o, n), movie_get_all(order_by => o) WITH ORDINALITY AS g (id, title, type, external_id, status,
    metadata, created_at, updated_at, year, imdb_id, tmdb_id, runtime_minutes, n) GROUP BY u.n, o ORDER BY u.n;
SELECT o AS order_by, e.sqlstate, e.message FROM unnest(ARRAY[
    '', ',', 'title,', 'title; DROP TABLE researcharr.media', 'title desc; SELECT 1', 'lower(title)', '"title"', 'Title',
    'title up', 'title desc asc', 'title nulls', 'title nulls third', 'title -- ', '1', 'year, nope'
]) WITH ORDINALITY AS u (o, n), pg_temp.error_detail(format('SELECT researcharr.movie_get_all(order_by => %L)', o)) e ORDER BY n;

-- pages: by limit and offset, and by the last id seen
SELECT title FROM movie_get_all('{}', 2);
SELECT title FROM movie_get_all('{}', 2, 2);
SELECT title FROM movie_get_all('{}', "offset" => 4, order_by => 'status');
SELECT count(*) FROM movie_get_all('{}', 0);
SELECT * FROM pg_temp.error_detail('SELECT movie_get_all(''{}'', -1)');
SELECT * FROM pg_temp.error_detail('SELECT movie_get_all(''{}'', 1, -1)');
SELECT * FROM pg_temp.error_detail('SELECT movie_get_all(''{}'', -9223372036854775808)');
WITH RECURSIVE pages AS (
    SELECT 1 AS page, (SELECT array_agg(p.id) FROM movie_get_all('{}', 2, order_by => 'id') p) AS ids
    UNION ALL
    SELECT page + 1, (SELECT array_agg(p.id) FROM movie_get_all(jsonb_build_object('id', jsonb_build_object('gt', ids[cardinality(ids)])),
        2, order_by => 'id') p) FROM pages WHERE ids IS NOT NULL)
SELECT page, cardinality(ids) FROM pages ORDER BY page;

-- Plans: an index serves a filter on its column; the parameters have the
INSERT INTO media (title, type, external_id, status)
SELECT 'Filler ' || n, 'movie', 'f' || n, 'pending' FROM generate_series(1, 20000) n;
VACUUM ANALYZE media;
-- column's own type, so also after calls enough for a generic plan
CREATE FUNCTION pg_temp.scans(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint[];
    after bigint[];
    counts text := 'SELECT ARRAY[coalesce((SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relid = ''researcharr.media''::regclass), 0)::bigint,
        coalesce((SELECT sum(idx_scan) FROM pg_stat_xact_user_tables WHERE relid = ''researcharr.media''::regclass), 0)::bigint]';
BEGIN
    EXECUTE counts INTO before;
    EXECUTE query;
    EXECUTE counts INTO after;
    RETURN format('%s sequential, %s by index', after[1] - before[1], after[2] - before[2]);
END $$;
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{"external_id": "f77"}')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{"external_id": {"in": ["f77", "f78"]}}')$$) LIKE '0 sequential%' AS by_index;
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{}', 10, order_by => 'id')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{"title": {"ilike": "%filler 1234%"}}')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_by_external_id('f77', 'movie')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_exists('01900000-0000-7000-8000-000000000000')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_by_id('01900000-0000-7000-8000-000000000000')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{"status": "completed"}')$$);
SELECT pg_temp.scans($$SELECT researcharr.media_get_all('{"updated_at": {"gt": "2100-01-01"}}')$$) AS not_indexed;
SELECT pg_temp.scans(format('SELECT researcharr.media_get_all(%L, 10)', f)) AS scans, count(*)
  FROM unnest(ARRAY['{"external_id": "f77"}', '{"title": "Filler 9"}', '{"title": {"like": "%ller 1234%"}}']::jsonb[]) f, generate_series(1, 12) GROUP BY scans, f ORDER BY f;
-- not a plan for most rows where few are asked for, nor the other way round
SELECT DISTINCT pg_temp.scans($$SELECT researcharr.media_get_all('{"status": "pending"}', 5, order_by => 'id')$$) LIKE '0 sequential%' AS by_index FROM generate_series(1, 12);
DELETE FROM media;

-- Columns of users, whatever their types
CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN pg_temp.percent AS int CHECK (VALUE BETWEEN 0 AND 100);
ALTER TABLE media ADD COLUMN score numeric(3, 1), ADD COLUMN mood pg_temp.mood, ADD COLUMN part pg_temp.percent,
    ADD COLUMN tags text[], ADD COLUMN raw json, ADD COLUMN code char(3), ADD COLUMN seen boolean, ADD COLUMN at timestamptz(0), ADD COLUMN "Odd name" int;
INSERT INTO media (title, type, score, mood, part, tags, raw, code, seen, at, "Odd name") VALUES
    ('One', 'movie', 1.9, 'sad', 10, '{a,b}', '{}', 'x', true, '2026-01-01', 1), ('Two', 'movie', 2.0, 'happy', 90, '{b}', '{}', 'xyz', false, '2026-01-02', 2);
SELECT f AS filters, (SELECT string_agg(title, ', ' ORDER BY title) FROM media_get_all(f)) AS found FROM unnest(ARRAY[
    '{"score": {"gte": 1.96}}', '{"score": 1.9}', '{"score": "1.9"}', '{"score": {"in": [1.9, 2]}}', '{"mood": {"gt": "sad"}}', '{"mood": {"in": ["sad", "ok"]}}',
    '{"part": {"lt": 50}}', '{"part": {"in": [90]}}', '{"tags": {"contains": "{a}"}}', '{"tags": "{b}"}', '{"code": "x"}', '{"code": {"gt": "xylophone"}}', '{"seen": true}',
    '{"at": {"gt": "2026-01-01 23:59:59.6"}}', '{"at": {"lt": "infinity"}}', '{"Odd name": 2}', '{"score": {}}', '{"title": {"like": "T\\\\wo"}}'
]::jsonb[]) WITH ORDINALITY AS u (f, n) ORDER BY n;
SELECT f AS filters, e.sqlstate, e.message FROM unnest(ARRAY[
    '{"score": "much"}', '{"score": true}', '{"mood": "angry"}', '{"part": 101}', '{"tags": ["a"]}', '{"tags": {"in": ["{a}"]}}', '{"raw": "{}"}', '{"raw": {"contains": {}}}', '{"seen": "yes"}',
    '{"seen": {"gt": null}}', '{"odd name": 2}', '{"": 1}', '{"tit": 1}', '{"titles": 1}', '{"title": {"like": "a\\\\"}}', '{"title": {"ilike": "\\\\\\"}}', '{"title": {"eq": {"a": 1}}}',
    '{"id": {"in": ["01900000-0000-7000-8000-000000000000", "x"]}}', '{"title": {"EQ": "x"}}', '{"title": {"": "x"}}', '{"metadata": {"in": {}}}'
]::jsonb[]) WITH ORDINALITY AS u (f, n), pg_temp.error_detail(format('SELECT researcharr.media_get_all(%L)', f)) e ORDER BY n;
SELECT string_agg(title, ', ') FROM media_get_all(order_by => 'mood desc');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_get_all(order_by => ''raw'')');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT media_get_all(order_by => ''tags, part desc nulls last'')');
DELETE FROM media;
ALTER TABLE media DROP COLUMN score, DROP COLUMN mood, DROP COLUMN part, DROP COLUMN tags, DROP COLUMN raw, DROP COLUMN code, DROP COLUMN seen, DROP COLUMN at, DROP COLUMN "Odd name";

-- Nothing hangs on the search_path: not even an operator that stands before pg_catalog's
CREATE SCHEMA evil;
CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil was called''; END';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE OPERATOR evil.~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE OPERATOR evil.~* (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE OPERATOR evil.> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''';
SET search_path = evil, pg_catalog;
SELECT (researcharr.media_create('{"title": "Good", "type": "movie"}')).title;
SELECT title FROM researcharr.media_get_all('{"title": {"eq": "Good", "ilike": "g%", "in": ["Good"], "gt": "A", "contains": "oo"}, "type": "movie"}', 1, 0, 'title desc');
SELECT title FROM researcharr.media_search('good');
SELECT title FROM researcharr.media_search('go');
SELECT title FROM researcharr.media_search('gud');
SELECT count(*) FROM researcharr.media_get_by_status('pending');
SELECT count(*) FROM researcharr.media_get_by_external_id('1', 'movie');
SELECT count(*) FROM researcharr.job_get_pending(3);
SELECT count(*) FROM researcharr.job_get_failed();
SELECT count(*) FROM researcharr.config_list('a');
SET search_path = researcharr;
DROP SCHEMA evil CASCADE;
DELETE FROM media;
