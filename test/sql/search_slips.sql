-- Searching titles as people write them: without diacritics and punctuation, and
-- with slips of the pen.
SET search_path = researcharr;
-- what is compared: words, without case, diacritics and punctuation
SELECT t AS title, t::search_text AS compared
  FROM unnest(ARRAY['Łódź', 'POKÉMON', 'Ocean''s Eleven', 'S.W.A.T.', 'M*A*S*H', 'J.Edgar', 'E.T. the Extra-Terrestrial', 'Vol.2', '2.0', 'Straße', 'Ærø', 'Ǽ', 'WALL·E',
    '½ Nelson', 'C++', '???', '', '  Ça   va?  ', 'naïve', 'e' || U&'\0301' || 't' || U&'\0301' || 'é', 'ﬁ', '千と千尋の神隠し', '시그널', 'd’Amélie', '100% Wolf']) t;
SELECT NULL::text::search_text IS NULL AS "null", search_text_in(NULL) IS NULL AS "in", search_text_out(NULL) IS NULL AS "out", 'A-B'::search_text::text || 'c' AS text;
DELETE FROM media;
INSERT INTO media (title, type) SELECT t, 'movie' FROM unnest(ARRAY['Łódź', 'Pokémon', 'Spider-Man', 'Spider-Man: Homecoming', 'Ocean''s Eleven', 'S.W.A.T.', 'WALL·E', 'X-Men',
    'Star Wars: Episode V - The Empire Strikes Back', 'The Lord of the Rings', 'Good']) t;
SELECT q AS query, (SELECT string_agg(title, ' | ' ORDER BY n) FROM media_search(q) WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n)) AS found
  FROM unnest(ARRAY['lodz', 'LÓDZ', 'łódź', 'lódx', 'pokemon', 'Pokemno', 'spiderman', 'spider man homecoming', 'oceans eleven', 'swat', 'walle', 'wall-e', 'xmen', 'star wars empire', 'lord rings', 'gud'])
    WITH ORDINALITY AS u (q, o) ORDER BY o;

-- an exact title is the first, also of one or two letters, however many begin with it
DELETE FROM media;
INSERT INTO media (title, type) SELECT t, 'movie' FROM unnest(ARRAY['M', 'm!', 'It', 'IT', 'Up', '9', 'Ça', 'X']) t;
INSERT INTO media (title, type) SELECT c || n, 'movie' FROM generate_series(1, 1500) n, unnest(ARRAY['m', 'It', 'Up ', '9', 'Ca', 'x ']) c;
SELECT q AS query, (SELECT string_agg(title, ' | ' ORDER BY n) FROM media_search(q) WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n) WHERE n <= 3) AS first
  FROM unnest(ARRAY['m', 'm!', 'it', 'UP', '9', 'ca', 'ça', 'x']) q;

-- each single slip is found: a wrong, missing, extra or swapped letter at each place of 36 titles
DELETE FROM media;
CREATE TEMP TABLE titles (title) AS SELECT * FROM unnest(ARRAY['Alien', 'Heat', 'Jaws', 'Matrix', 'Gladiator', 'Predator', 'Terminator', 'Inception', 'Interstellar', 'Pokémon', 'Casablanca', 'Vertigo',
    'Titanic', 'Goodfellas', 'Parasite', 'Dune', 'Psycho', 'Avatar', 'Sicario', 'Prometheus', 'Deadpool', 'Wicked', 'Oppenheimer', 'Chernobyl', 'Severance', 'Succession', 'The Godfather',
    'Blade Runner', 'Star Wars', 'Pulp Fiction', 'Fight Club', 'Forrest Gump', 'The Dark Knight', 'Back to the Future', 'Reservoir Dogs', 'Breaking Bad']);
INSERT INTO media (title, type) SELECT title, 'movie' FROM titles;
-- beside many others
INSERT INTO media (title, type) SELECT initcap(substr(md5(n::text), 1, 3 + n % 7) || ' ' || substr(md5((-n)::text), 1, n % 9)), 'movie' FROM generate_series(1, 3000) n
 WHERE substr(md5((-n)::text), 1, n % 9) <> '';
CREATE TEMP TABLE slips (title, kind, query) AS
    SELECT title, 'wrong', overlay(title PLACING 'q' FROM i FOR 1) FROM titles, generate_series(1, length(title)) i WHERE substr(title, i, 1) <> ' '
    UNION ALL
    SELECT title, 'missing', overlay(title PLACING '' FROM i FOR 1) FROM titles, generate_series(1, length(title)) i WHERE substr(title, i, 1) <> ' '
    UNION ALL
    SELECT title, 'extra', overlay(title PLACING substr(title, i, 1) || 'q' FROM i FOR 1) FROM titles, generate_series(1, length(title)) i WHERE substr(title, i, 1) <> ' '
    UNION ALL
    SELECT title, 'swapped', overlay(title PLACING substr(title, i + 1, 1) || substr(title, i, 1) FROM i FOR 2) FROM titles, generate_series(1, length(title) - 1) i
     WHERE substr(title, i, 2) !~ ' ' AND substr(title, i, 1) <> substr(title, i + 1, 1);
SELECT kind, count(*) AS slips, count(place) AS found, count(*) FILTER (WHERE place = 1) AS first, max(rows) AS most_rows
  FROM slips, LATERAL (SELECT min(n) FILTER (WHERE s.title = slips.title) AS place, count(*) AS rows
    FROM media_search(query) WITH ORDINALITY AS s (id, title, type, external_id, status, metadata, created_at, updated_at, n)) AS f
 GROUP BY kind ORDER BY kind;
-- without the index, and where row security keeps it from serving, the same is found
CREATE ROLE regress_searcher;
GRANT USAGE ON SCHEMA researcharr TO regress_searcher;
GRANT SELECT ON media TO regress_searcher;
GRANT EXECUTE ON FUNCTION media_search TO regress_searcher;
CREATE FUNCTION pg_temp.found() RETURNS TABLE (query text, found text) LANGUAGE sql AS $$
    SELECT q, (SELECT string_agg(title, ' | ') FROM researcharr.media_search(q)) FROM unnest(ARRAY['dnue', 'dume', 'deune', 'heqt', 'glaidator', 'pokemno', 'knight dark', 'jaws']) q
$$;
SELECT * FROM pg_temp.found();
BEGIN;
DROP INDEX media_search_idx;
SELECT * FROM pg_temp.found();
ROLLBACK;
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY dunes ON media FOR SELECT TO regress_searcher USING (title LIKE '%D%');
SET ROLE regress_searcher;
SELECT * FROM pg_temp.found();
RESET ROLE;
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
DROP POLICY dunes ON media;
DROP OWNED BY regress_searcher;
DROP ROLE regress_searcher;
DELETE FROM media;
