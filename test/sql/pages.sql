-- Pages of media and flat rows: whatever the filters, the order and the page,
-- they have the rows that plain SQL finds, in its order.
SET search_path = researcharr;
SET client_min_messages = warning;
-- 600 media with few different titles, times, statuses and years; each third
-- one has no row of its subtype
INSERT INTO media (id, title, type, status, external_id, created_at)
SELECT overlay('01900000-0000-7000-8000-000000000000' placing lpad(to_hex(n * 7919 % 601), 4, '0') from 1 for 4)::uuid,
    'Title ' || n % 23, (ARRAY['movie', 'series', 'episode'])[1 + n % 3],
    (ARRAY['pending', 'processing', 'completed', 'failed', 'completed', 'completed'])[1 + n / 7 % 6],
    CASE WHEN n % 2 = 0 THEN n::text END, '2026-01-01'::timestamptz + n % 41 * interval '1 hour'
  FROM generate_series(1, 600) AS n;
INSERT INTO movies (media_id, year, imdb_id) SELECT id, 1990 + nullif(n % 9, 0), 'tt' || lpad(n::text, 7, '0')
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM media WHERE type = 'movie') AS m WHERE n % 3 > 0;
INSERT INTO series (media_id, tvdb_id) SELECT id, n
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM media WHERE type = 'series') AS m WHERE n % 3 > 0;
INSERT INTO episodes (media_id, series_id, season_number, episode_number)
SELECT e.id, s.media_id, n % 4, n FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM media WHERE type = 'episode') AS e
  JOIN (SELECT media_id, row_number() OVER (ORDER BY media_id) AS k FROM series) AS s ON k = 1 + n % 5 WHERE n % 3 > 0;
ANALYZE media, movies, series, episodes;

CREATE TABLE public.cases (entity text, filters jsonb, condition text);
INSERT INTO public.cases SELECT e, f::jsonb, c FROM unnest('{media,movie,series,episode}'::text[]) e, (VALUES
    ('{}', 'true'), ('{"status": "failed"}', 'status = ''failed'''), ('{"status": {"ne": "completed"}}', 'status <> ''completed'''),
    ('{"status": {"in": ["pending", "processing"]}, "type": "movie"}', 'status IN (''pending'', ''processing'') AND type = ''movie'''),
    ('{"status": {"like": "p%"}}', 'status LIKE ''p%'''), ('{"type": {"gt": "movie"}}', 'type > ''movie'''), ('{"status": "none"}', 'false'),
    ('{"id": {"gt": "0100"}}', NULL), ('{"id": {"gt": "01000000-0000-7000-8000-000000000000"}}', 'id > ''01000000-0000-7000-8000-000000000000'''),
    ('{"id": {"gt": "01000000-0000-7000-8000-000000000000"}, "status": "failed"}', 'id > ''01000000-0000-7000-8000-000000000000'' AND status = ''failed'''),
    ('{"title": "Title 7"}', 'title = ''Title 7'''), ('{"title": {"ilike": "title 1_"}}', 'title ILIKE ''title 1_'''),
    ('{"title": {"gte": "Title 2"}, "status": "completed"}', 'title >= ''Title 2'' AND status = ''completed'''),
    ('{"created_at": {"lt": "2026-01-02"}}', 'created_at < ''2026-01-02'''),
    ('{"created_at": {"gte": "2026-01-02 12:00+0", "lt": "2026-01-02 20:00+0"}}', 'created_at >= ''2026-01-02 12:00+0'' AND created_at < ''2026-01-02 20:00+0'''),
    ('{"title": {"in": ["Title 1", "Title 2"]}, "created_at": {"lt": "2026-01-02"}}', 'title IN (''Title 1'', ''Title 2'') AND created_at < ''2026-01-02'''), ('{"external_id": {"is_null": true}}', 'external_id IS NULL')) v (f, c)
  WHERE c IS NOT NULL
UNION ALL SELECT e, f::jsonb, c FROM (VALUES
    ('movie', '{"year": 1995}', 'year = 1995'), ('movie', '{"year": {"gt": 1995}, "status": {"ne": "failed"}}', 'year > 1995 AND status <> ''failed'''),
    ('movie', '{"year": null}', 'year IS NULL'), ('movie', '{"imdb_id": "tt0000100"}', 'imdb_id = ''tt0000100'''),
    ('movie', '{"imdb_id": {"in": ["tt0000100", "tt0000101", "tt0000103"]}}', 'imdb_id IN (''tt0000100'', ''tt0000101'', ''tt0000103'')'),
    ('series', '{"tvdb_id": {"lt": 20}}', 'tvdb_id < 20'), ('episode', '{"season_number": 2, "title": {"ne": "Title 1"}}', 'season_number = 2 AND title <> ''Title 1''')) v (e, f, c);
CREATE TABLE public.orders (entity text, order_by text);
INSERT INTO public.orders SELECT e, o FROM unnest('{media,movie,series,episode}'::text[]) e, unnest(ARRAY[NULL, 'id', 'id desc', 'created_at',
    'created_at desc', 'title', 'title desc nulls last, created_at', 'status, title', 'status desc, id desc', 'type desc, created_at desc', 'status, type',
    'updated_at, id', 'external_id desc nulls last', 'title, id desc, status']) o
UNION ALL SELECT e, o FROM (VALUES ('movie', 'year'), ('movie', 'year desc'), ('movie', 'year desc nulls last, title'), ('movie', 'year nulls first, id desc'), ('movie', 'title, year'),
    ('series', 'tvdb_id desc'), ('episode', 'series_id, season_number, episode_number'), ('episode', 'season_number desc, created_at')) v (e, o);

-- which pages differ from those of plain SQL
CREATE FUNCTION pg_temp.different() RETURNS TABLE (pages bigint, different text) LANGUAGE plpgsql AS $$
DECLARE
    c record;
    called uuid[];
    plain uuid[];
BEGIN
    pages := 0;
    FOR c IN SELECT s.*, o.order_by, p.* FROM public.cases s JOIN public.orders o USING (entity),
        (VALUES (7, 3), (1200, NULL), (20, 190)) p ("limit", "offset") LOOP
        EXECUTE format('SELECT array_agg(id) FROM researcharr.%s_get_all($1, $2, $3, $4)', c.entity)
            INTO called USING c.filters, c.limit, c.offset, c.order_by;
        EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM researcharr.%s WHERE %s ORDER BY %s LIMIT $1 OFFSET $2) s',
            CASE c.entity WHEN 'media' THEN 'media' ELSE c.entity || '_rows' END, c.condition, concat_ws(', ', c.order_by, CASE WHEN c.order_by ~ '\yid\y' THEN NULL ELSE 'id' END))
            INTO plain USING c.limit, c.offset;
        pages := pages + 1;
        IF called IS DISTINCT FROM plain THEN
            different := concat_ws('; ', different, c::text);
        END IF;
    END LOOP;
    RETURN NEXT;
END $$;
SELECT * FROM pg_temp.different();
SELECT entity, count(*) FROM public.cases GROUP BY entity ORDER BY entity;
SELECT count(*) FROM movie_get_all('{}', 0, order_by => 'title');
-- without a limit, and counts
CREATE FUNCTION pg_temp.counts_differ() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c record;
    called bigint;
    plain bigint;
    rows bigint;
    result text;
BEGIN
    FOR c IN SELECT * FROM public.cases LOOP
        EXECUTE format('SELECT researcharr.%s_count($1)', c.entity) INTO called USING c.filters;
        EXECUTE format('SELECT count(*) FROM researcharr.%s WHERE %s', CASE c.entity WHEN 'media' THEN 'media' ELSE c.entity || '_rows' END, c.condition) INTO plain;
        EXECUTE format('SELECT count(*) FROM researcharr.%s_get_all($1)', c.entity) INTO rows USING c.filters;
        IF called <> plain OR rows <> plain THEN
            result := concat_ws('; ', result, c::text);
        END IF;
    END LOOP;
    RETURN result;
END $$;
SELECT pg_temp.counts_differ();
-- the same by keysets: each row once, in any order that ends with the id
CREATE FUNCTION pg_temp.keyset(entity text, more jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    last uuid := '00000000-0000-0000-0000-000000000000';
    page uuid[];
    ids uuid[];
BEGIN
    LOOP
        EXECUTE format('SELECT array_agg(id) FROM researcharr.%s_get_all($1, 11, order_by => ''id'')', entity)
            INTO page USING more || jsonb_build_object('id', jsonb_build_object('gt', last));
        EXIT WHEN page IS NULL;
        ids := ids || page;
        last := page[cardinality(page)];
    END LOOP;
    RETURN cardinality(ids) || ' rows, ' || (SELECT count(DISTINCT i) FROM unnest(ids) i) || ' different ones';
END $$;
SELECT e, pg_temp.keyset(e, '{}') AS all, pg_temp.keyset(e, '{"status": "completed"}') AS completed
  FROM unnest('{media,movie,series,episode}'::text[]) e;

-- row security hides one half of most rows: pages are as full as without limit
CREATE ROLE regress_pages;
GRANT USAGE ON SCHEMA researcharr TO regress_pages;
GRANT SELECT ON media, movies, series, episodes, movie_rows, series_rows, episode_rows TO regress_pages;
GRANT SELECT ON public.cases, public.orders TO regress_pages;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_pages;
DELETE FROM public.cases WHERE entity <> 'movie';
DELETE FROM public.orders WHERE order_by NOT IN ('id', 'created_at desc', 'title', 'status, title', 'updated_at, id', 'year desc nulls last, title');
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenth ON media USING (hashtext(id::text) % 10 = 0);
SET ROLE regress_pages;
SELECT count(*) FROM movie_rows;
SELECT * FROM pg_temp.different();
RESET ROLE;
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
ALTER TABLE movies ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenth ON movies USING (hashtext(media_id::text) % 20 = 0);
SET ROLE regress_pages;
SELECT count(*) FROM movie_rows;
SELECT * FROM pg_temp.different();
RESET ROLE;
ALTER TABLE movies DISABLE ROW LEVEL SECURITY;
DROP POLICY tenth ON media;
DROP POLICY tenth ON movies;
-- a page takes the privileges that all rows take
REVOKE SELECT ON movies FROM regress_pages;
GRANT SELECT (media_id, year) ON movies TO regress_pages;
SET ROLE regress_pages;
SELECT count(*) FROM movie_get_all();
SELECT count(*) FROM movie_get_all('{}', 1);
SELECT count(*) FROM movie_get_all('{}', 1, order_by => 'title');
RESET ROLE;
GRANT SELECT ON movies TO regress_pages;
REVOKE SELECT ON movie_rows FROM regress_pages;
SET ROLE regress_pages;
SELECT count(*) FROM movie_get_all('{}', 1);
SELECT count(*) FROM movie_get_all('{"year": 3000}', 1, order_by => 'year');
RESET ROLE;
DROP OWNED BY regress_pages;
DROP ROLE regress_pages;

-- a view that was made anew: its columns and rows count, not those of its tables
BEGIN;
CREATE OR REPLACE VIEW movie_rows AS SELECT m.id, reverse(m.title) AS title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
    3000 - s.year AS year, s.imdb_id, s.tmdb_id, s.runtime_minutes FROM media m JOIN movies s ON s.media_id = m.id WHERE m.status <> 'failed';
SELECT * FROM pg_temp.different();
ROLLBACK;
BEGIN;
CREATE OR REPLACE VIEW movie_rows AS SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
    s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes FROM media m JOIN movies s ON s.media_id = m.id WHERE m.status <> 'failed';
SELECT * FROM pg_temp.different();
ROLLBACK;
-- statuses and types that the extension's constraints would refuse
BEGIN;
ALTER TABLE media DROP CONSTRAINT media_status_check, DROP CONSTRAINT media_type_check;
INSERT INTO media (title, type, status) SELECT 'Book ' || n, 'book', 'read' FROM generate_series(1, 20) n;
INSERT INTO public.cases SELECT 'media', filters, condition FROM public.cases WHERE condition !~ 'year|imdb';
SELECT * FROM pg_temp.different();
ROLLBACK;
DROP TABLE public.cases, public.orders;
DELETE FROM media;
