-- Searches of a large library: how many titles they read is bounded.
SET search_path = researcharr;
SET researcharr.audit = off;
-- 45,000 titles; "the" is in two thirds of them, "sea" in one of 450
INSERT INTO media (title, type) SELECT CASE WHEN n % 3 <> 0 THEN 'The ' ELSE '' END || initcap(translate(md5(n::text), '0123456789', 'ghijklmnop'))
    || CASE WHEN n % 450 = 0 THEN ' Sea' ELSE '' END, 'movie' FROM generate_series(1, 45000) n;
INSERT INTO media (title, type) VALUES ('Sea', 'movie'), ('The Sea', 'series'), ('Quiet Harbour', 'movie'), ('M', 'movie');
VACUUM ANALYZE media;
-- titles that a query reads, by whatever scan
CREATE FUNCTION pg_temp.reads(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := coalesce((SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.media'::regclass), 0);
BEGIN
    EXECUTE query;
    RETURN (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.media'::regclass) - before;
END $$;
-- a common word: some of its titles
SELECT q, kind, pg_temp.reads(format('SELECT researcharr.media_search(%L, %L)', q, kind)) < 2000 AS few_read, count(s) AS found, bool_and(s.title ~* 'the') AS all_match
  FROM (VALUES ('the', NULL), ('the', 'movie'), ('th', NULL), ('t', NULL)) AS v (q, kind) CROSS JOIN LATERAL media_search(q, kind) s GROUP BY q, kind ORDER BY q, kind;
-- with a type that has few of them, those
SELECT title, type FROM media_search('the', 'series');
-- a word that is not: all of them, in order
SELECT count(*), (array_agg(title ORDER BY n))[1:2] AS first FROM media_search('sea') WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n);
SELECT title FROM media_search('the sea') LIMIT 1;
-- nor is a letter that most titles have, but few words begin with
SELECT title FROM media_search('m') LIMIT 1;
SELECT title FROM media_search('quiet harbuor');
SELECT pg_temp.reads('SELECT researcharr.media_search(''quiet harbuor'')') < 100 AS few_read;
-- what the index cannot find: the newest titles
SELECT q, pg_temp.reads(format('SELECT researcharr.media_search(%L)', q)) <= 40000 AS bounded, (SELECT count(*) FROM media_search(q)) AS found
  FROM unnest(ARRAY['🎬', '🎬🎬🎬', '🎬 🎬', '%', '?!', '千尋', '神', '~', 'the the the', 'the of', 'zq']) WITH ORDINALITY AS u (q, n) ORDER BY n;
SELECT count(*) AS spaces FROM media_search(repeat(' ', 1000));
SELECT pg_temp.reads(format('SELECT researcharr.media_search(%L)', repeat('the ', 125))) <= 60000 AS bounded;
SELECT pg_temp.reads(format('SELECT researcharr.media_search(%L)', repeat('x', 500))) < 2000 AS few_read;

-- a page by a pattern: few matches are found and sorted, many are met in order
SELECT f, pg_temp.reads(format('SELECT researcharr.media_get_all(%L, 50)', f)) < 1000 AS few_read, min(m) AS rows
  FROM unnest(ARRAY['{"title": {"ilike": "%harbour%"}}', '{"title": {"like": "%Harbour"}}', '{"title": {"contains": "Harbour"}}', '{"title": {"ilike": "%no such title%"}}',
    '{"title": {"ilike": "%the%"}}', '{"title": {"ilike": "%e%"}}', '{"title": {"ilike": "the%"}}', '{"title": {"ilike": "% sea"}}']::jsonb[]) WITH ORDINALITY AS u (f, n)
  CROSS JOIN LATERAL (SELECT count(*) AS m FROM media_get_all(f, 50)) AS x (m) GROUP BY f, n ORDER BY n;
SELECT pg_temp.reads(format('SELECT researcharr.media_get_all(%L, 50)', jsonb_build_object('title', jsonb_build_object('ilike', '%' || repeat('x', 500) || '%')))) < 1000 AS few_read;
-- the rows and their order are those of a plain query
SELECT f, o, (SELECT array_agg(id ORDER BY n) FROM media_get_all(f, 7, 3, o) WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n))
    = (SELECT array_agg(id) FROM (SELECT id FROM media WHERE title ILIKE f #>> '{title,ilike}' ORDER BY CASE o WHEN 'title' THEN title END, CASE o WHEN 'title desc' THEN title END DESC, id LIMIT 7 OFFSET 3) AS m) AS same
  FROM unnest(ARRAY['{"title": {"ilike": "%sea%"}}', '{"title": {"ilike": "%the%"}}']::jsonb[]) f, unnest(ARRAY[NULL, 'id', 'title', 'title desc']) o ORDER BY f, o;
DELETE FROM media;
VACUUM ANALYZE media;
