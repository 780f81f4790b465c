\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.7'" to load this file. \quit

-- 1.7: calls that stay fast in a large database.

SET LOCAL search_path = pg_catalog, pg_temp;

-- Indexes for pages of media and flat rows.  Writers wait while one is made,
-- unless it is there already: a large library gets them before, by CREATE INDEX
-- CONCURRENTLY.  Tables are locked in the order of transactions that write.
CREATE INDEX IF NOT EXISTS media_status_idx ON researcharr.media (status, type, id);
COMMENT ON INDEX researcharr.media_status_idx IS 'media of a status and type, in the order of their ids';
CREATE INDEX IF NOT EXISTS media_created_at_idx ON researcharr.media (status, type, created_at, id);
COMMENT ON INDEX researcharr.media_created_at_idx IS 'media of a status and type, in the order in which they were made';
CREATE INDEX IF NOT EXISTS media_status_title_idx ON researcharr.media (status, type, title, id);
COMMENT ON INDEX researcharr.media_status_title_idx IS 'media of a status and type, in the order of their titles';
CREATE INDEX IF NOT EXISTS movies_year_idx ON researcharr.movies (year, media_id);
COMMENT ON INDEX researcharr.movies_year_idx IS 'for filters and orders by year';
CREATE INDEX IF NOT EXISTS movies_imdb_id_idx ON researcharr.movies (imdb_id) WHERE imdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.movies_imdb_id_idx IS 'for filters by imdb_id';
CREATE INDEX IF NOT EXISTS movies_tmdb_id_idx ON researcharr.movies (tmdb_id) WHERE tmdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.movies_tmdb_id_idx IS 'for filters by tmdb_id';
CREATE INDEX IF NOT EXISTS series_tvdb_id_idx ON researcharr.series (tvdb_id) WHERE tvdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.series_tvdb_id_idx IS 'for filters by tvdb_id';

CREATE FUNCTION researcharr.check_index(index regclass, definition text) RETURNS void
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'researcharr_check_index';
SELECT researcharr.check_index('researcharr.media_status_idx', 'CREATE INDEX media_status_idx ON researcharr.media USING btree (status, type, id)');
SELECT researcharr.check_index('researcharr.media_created_at_idx', 'CREATE INDEX media_created_at_idx ON researcharr.media USING btree (status, type, created_at, id)');
SELECT researcharr.check_index('researcharr.media_status_title_idx', 'CREATE INDEX media_status_title_idx ON researcharr.media USING btree (status, type, title, id)');
SELECT researcharr.check_index('researcharr.movies_year_idx', 'CREATE INDEX movies_year_idx ON researcharr.movies USING btree (year, media_id)');
SELECT researcharr.check_index('researcharr.movies_imdb_id_idx', 'CREATE INDEX movies_imdb_id_idx ON researcharr.movies USING btree (imdb_id) WHERE (imdb_id IS NOT NULL)');
SELECT researcharr.check_index('researcharr.movies_tmdb_id_idx', 'CREATE INDEX movies_tmdb_id_idx ON researcharr.movies USING btree (tmdb_id) WHERE (tmdb_id IS NOT NULL)');
SELECT researcharr.check_index('researcharr.series_tvdb_id_idx', 'CREATE INDEX series_tvdb_id_idx ON researcharr.series USING btree (tvdb_id) WHERE (tvdb_id IS NOT NULL)');
DROP FUNCTION researcharr.check_index(regclass, text);

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
