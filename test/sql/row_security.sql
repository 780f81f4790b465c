-- Row security that users add to the data tables holds for the functions and
-- for the views of flat rows, which read their tables as whoever asks.
BEGIN;
\set VERBOSITY terse
SET LOCAL search_path = researcharr;
CREATE ROLE regress_tenant_a;
CREATE ROLE regress_tenant_b;
GRANT USAGE ON SCHEMA researcharr TO regress_tenant_a, regress_tenant_b;
GRANT SELECT, INSERT, UPDATE, DELETE ON media, movies, movie_rows TO regress_tenant_a, regress_tenant_b;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_tenant_a, regress_tenant_b;
SELECT count(*) FROM unnest('{a,b}'::text[]) x, movie_create(jsonb_build_object('title', x || ' movie', 'year', 1949));
CREATE FUNCTION pg_temp.seen() RETURNS TABLE (flat text, called text, counted bigint, found text) LANGUAGE sql AS $$
	SELECT (SELECT string_agg(title, ',') FROM researcharr.movie_rows),
		(SELECT string_agg(title, ',') FROM researcharr.movie_get_all()),
		researcharr.movie_count(), (SELECT string_agg(title, ',') FROM researcharr.media_search('movie'))
$$;
SELECT id AS a FROM movie_rows WHERE title = 'a movie' \gset

-- of media
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON media USING (title LIKE right(current_user, 1) || ' %');
SELECT * FROM pg_temp.seen();
SET LOCAL ROLE regress_tenant_b;
SELECT * FROM pg_temp.seen();
SELECT count(*) FROM researcharr.movie_get_by_id(:'a');
SELECT count(*) FROM researcharr.movie_update(:'a', '{"year": 1950}');
SELECT researcharr.movie_delete(:'a');
RESET ROLE;

-- of movies alone
ALTER TABLE media DISABLE ROW LEVEL SECURITY;
ALTER TABLE movies ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON movies USING (media_id IN (SELECT id FROM researcharr.media WHERE title LIKE right(current_user, 1) || ' %'));
SET LOCAL ROLE regress_tenant_b;
SELECT * FROM pg_temp.seen();
SELECT count(*) FROM researcharr.movie_get_by_id(:'a');
RESET ROLE;

-- A flat row needs SELECT on both tables
REVOKE SELECT ON movies FROM regress_tenant_b;
SAVEPOINT denied;
SET LOCAL ROLE regress_tenant_b;
SELECT count(*) FROM researcharr.movie_rows;
ROLLBACK TO denied;
SET LOCAL ROLE regress_tenant_b;
SELECT researcharr.movie_count();
ROLLBACK;
