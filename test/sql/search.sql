-- Searching titles: exact ones, prefixes, whole words, then what is similar.
SET search_path = researcharr;
DELETE FROM media;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
INSERT INTO media (title, type) SELECT t, 'movie' FROM unnest(ARRAY['The Matrix Reloaded', 'Matrix', 'The Matrix', 'Matrix Revolutions', 'Dominatrix',
    'Dune', 'Dune: Part Two', 'Jodorowsky''s Dune', 'Dunes of Mars', 'Star Wars', 'Star Trek', 'Inception', '100% Wolf', '1000 Wolves', 'It', 'It Follows',
    'Kit', '???', 'a_b', 'axb', 'C:\ Drive', 'Interstellar', 'Interstella 5555', 'Amélie', 'Se7en']) t;
INSERT INTO media (title, type) VALUES ('Star Trek', 'series'), ('Dune', 'series');
SELECT q AS query, string_agg(title, ' | ' ORDER BY s.n) AS found FROM unnest(ARRAY['matrix', 'MATRIX', '  matrix ', 'the matrix', 'dune', 'dune part', 'star', 'star trek',
    'matrx', 'matrux', 'matirx', 'dnue', 'udne', 'fllows', 'kti', 'dun_', 'incepton', 'interstelar', 'star wrs', 'wars star', '100%', '%', '_', 'a_b', 'it', '???', 'C:\', 'amélie', 'Amelie', '''; DROP TABLE media; --', '', ' ', 'no such title at all'])
    WITH ORDINALITY AS u (q, n) LEFT JOIN LATERAL media_search(q) WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n) ON true
 GROUP BY u.n, q ORDER BY u.n;
SELECT title, type FROM media_search('star trek', 'series');
SELECT title, type FROM media_search('dume', 'series');
SELECT * FROM pg_temp.error('SELECT media_search(NULL)');
SELECT * FROM pg_temp.error('SELECT media_search(''x'', ''book'')');
SELECT * FROM pg_temp.error('SELECT media_search(repeat(''x'', 501))');
SELECT count(*) FROM media_search(repeat('x', 500));
SELECT count(*) FROM media_search(repeat('(', 400));

-- two letters: equal ones and those that begin with them come first here, too
INSERT INTO media (title, type) VALUES ('Up in the Air, and Other Long Stories', 'movie'), ('Go Up', 'movie'), ('UP', 'movie');
SELECT title FROM media_search('up');
-- what looks like a pattern, an expression or a path is none
INSERT INTO media (title, type) VALUES ('***=star', 'movie'), ('(a|b)* [c]', 'movie'), (E'Tab\tand\nline', 'movie'), ('Привет, мир', 'movie'), ('千と千尋の神隠し', 'movie'), ('Crème Brûlée', 'movie');
SELECT q AS query, (SELECT string_agg(title, ' | ') FROM media_search(q)) AS found
  FROM unnest(ARRAY['***=star', '***', '(a|b)* [c]', '(a|b', '\m', '\', 'привет', 'превет', '千と千尋', '千尋', '神', 'zz', 'ax', 'CRÈME', 'creme brulee', E'and\nline', '-', '....']) WITH ORDINALITY AS u (q, n) ORDER BY n;

-- the session's own thresholds neither count nor change
SET pg_trgm.word_similarity_threshold = 1;
SELECT title FROM media_search('incepton');
SHOW pg_trgm.word_similarity_threshold;
RESET pg_trgm.word_similarity_threshold;

-- a user's column may have any name
ALTER TABLE media ADD COLUMN rank int, ADD COLUMN "limit" int, ADD COLUMN t int, ADD COLUMN job_type int;
SELECT title FROM media_search('star trek', 'series');
SELECT title FROM media_search('satr', 'series');
SELECT count(*) FROM media_get_all('{"limit": null, "t": null}', 5, order_by => 'limit desc, t, rank');
ALTER TABLE media DROP COLUMN rank, DROP COLUMN "limit", DROP COLUMN t, DROP COLUMN job_type;
ALTER TABLE processing_jobs ADD COLUMN types int, ADD COLUMN p int, ADD COLUMN j int;
SELECT count(*) FROM job_get_pending(1);
ALTER TABLE processing_jobs DROP COLUMN types, DROP COLUMN p, DROP COLUMN j;

-- pg_trgm may live in any schema, and move
CREATE SCHEMA "Odd schema";
ALTER EXTENSION pg_trgm SET SCHEMA "Odd schema";
SELECT title FROM media_search('incepton');
SELECT title FROM media_search('star');
ALTER EXTENSION pg_trgm SET SCHEMA public;
SELECT title FROM media_search('incepton');
DROP SCHEMA "Odd schema";

-- an index serves it, and not more than the best come back
INSERT INTO media (title, type) SELECT 'Filler ' || md5(n::text), 'movie' FROM generate_series(1, 20000) n;
VACUUM ANALYZE media;
SELECT count(*) FROM media_search('filler');
CREATE FUNCTION pg_temp.scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := coalesce((SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.media'::regclass), 0);
BEGIN
    EXECUTE query;
    RETURN coalesce((SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.media'::regclass), 0) - before;
END $$;
SELECT q, pg_temp.scans(format('SELECT researcharr.media_search(%L)', q)) AS sequential FROM unnest('{matrix,incepton,star wrs,it,lodz,kti,xyzzy,man in hat}'::text[]) q;

-- nor does contains read the table, whatever it asks for
INSERT INTO media (title, type) VALUES ('100% Wolf', 'movie'), ('a_b', 'movie'), ('C:\ Drive', 'movie'), ('axb', 'movie');
SELECT f AS filter, pg_temp.scans(format('SELECT researcharr.media_count(%L)', f)) AS sequential, media_count(f), (SELECT string_agg(title, ', ') FROM media_get_all(f, 3)) AS found
  FROM unnest(ARRAY['{"title": {"contains": "Filler c4ca4"}}', '{"title": {"contains": "0% Wolf"}}', '{"title": {"contains": "C:\\ Dr"}}', '{"title": {"contains": "olf"}}',
    '{"title": {"contains": "OLF"}}', '{"title": {"ilike": "%0% WOLF"}}']::jsonb[]) f;
SELECT f AS filter, media_count(f) FROM unnest(ARRAY['{"title": {"contains": "_"}}', '{"title": {"contains": "%"}}', '{"title": {"contains": "\\"}}', '{"title": {"contains": ""}}']::jsonb[]) f;
DELETE FROM media;
