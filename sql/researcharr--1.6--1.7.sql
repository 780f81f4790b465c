\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.7'" to load this file. \quit

-- 1.7: calls that stay fast in a large database.

SET LOCAL search_path = pg_catalog, pg_temp;

-- Indexes for pages of media and flat rows.  Writers wait while one is made,
-- unless it is there already: a large library gets them before, by CREATE INDEX
-- CONCURRENTLY.  Tables are locked in the order of transactions that write.
CREATE INDEX IF NOT EXISTS media_created_at_idx ON researcharr.media (status, type, created_at, id);
COMMENT ON INDEX researcharr.media_created_at_idx IS 'media of a status and type, in the order in which they were made';
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
SELECT researcharr.check_index('researcharr.media_created_at_idx', 'CREATE INDEX media_created_at_idx ON researcharr.media USING btree (status, type, created_at, id)');
SELECT researcharr.check_index('researcharr.movies_year_idx', 'CREATE INDEX movies_year_idx ON researcharr.movies USING btree (year, media_id)');
SELECT researcharr.check_index('researcharr.movies_imdb_id_idx', 'CREATE INDEX movies_imdb_id_idx ON researcharr.movies USING btree (imdb_id) WHERE (imdb_id IS NOT NULL)');
SELECT researcharr.check_index('researcharr.movies_tmdb_id_idx', 'CREATE INDEX movies_tmdb_id_idx ON researcharr.movies USING btree (tmdb_id) WHERE (tmdb_id IS NOT NULL)');
SELECT researcharr.check_index('researcharr.series_tvdb_id_idx', 'CREATE INDEX series_tvdb_id_idx ON researcharr.series USING btree (tvdb_id) WHERE (tvdb_id IS NOT NULL)');

CREATE FUNCTION researcharr.count_estimate(entity text)
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_count_estimate';
COMMENT ON FUNCTION researcharr.count_estimate(text)
IS 'about how many rows an entity (media, movie, ..., history, audit) has, from its size and what the last VACUUM or ANALYZE found; E_count counts';
REVOKE ALL ON FUNCTION researcharr.count_estimate(text) FROM PUBLIC;

-- Items that are not due are set aside.  Callers of queue_item_get_next wait while
-- the indexes are made, unless a large queue has them before.
CREATE INDEX IF NOT EXISTS queue_items_ready_idx ON researcharr.queue_items (service, priority DESC, last_processed NULLS FIRST, id)
	WHERE next_retry_at IS NULL;
COMMENT ON INDEX researcharr.queue_items_ready_idx IS 'the order in which a service gets its items';
CREATE INDEX IF NOT EXISTS queue_items_retry_idx ON researcharr.queue_items (service, next_retry_at)
	WHERE next_retry_at IS NOT NULL;
COMMENT ON INDEX researcharr.queue_items_retry_idx IS 'items that are handed out or wait for a retry, and when they are due again';
SELECT researcharr.check_index('researcharr.queue_items_ready_idx',
	'CREATE INDEX queue_items_ready_idx ON researcharr.queue_items USING btree (service, priority DESC, last_processed NULLS FIRST, id) WHERE (next_retry_at IS NULL)');
SELECT researcharr.check_index('researcharr.queue_items_retry_idx',
	'CREATE INDEX queue_items_retry_idx ON researcharr.queue_items USING btree (service, next_retry_at) WHERE (next_retry_at IS NOT NULL)');
DROP INDEX researcharr.queue_items_next_idx;

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Failed jobs have a message, by which an index finds them.  Only the owner of
-- the table could make one without.  Users' triggers must not run with the
-- rights of whoever updates the extension.
SET LOCAL session_replication_role = replica;
UPDATE researcharr.processing_jobs SET error_message = 'failed without a message'
WHERE status = 'failed' AND error_message IS NULL;
SET LOCAL session_replication_role = origin;
-- Workers wait while the index is made, unless a large queue has it before:
-- docs/upgrading.md.
CREATE INDEX IF NOT EXISTS processing_jobs_failed_idx ON researcharr.processing_jobs (completed_at, id)
	WHERE completed_at IS NOT NULL AND error_message IS NOT NULL;
COMMENT ON INDEX researcharr.processing_jobs_failed_idx
IS 'failed jobs in the order in which they failed, and others that ended after a failed attempt';
SELECT researcharr.check_index('researcharr.processing_jobs_failed_idx',
	'CREATE INDEX processing_jobs_failed_idx ON researcharr.processing_jobs USING btree (completed_at, id) WHERE ((completed_at IS NOT NULL) AND (error_message IS NOT NULL))');
ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT processing_jobs_error_message_check CHECK (
	status <> 'failed' OR error_message IS NOT NULL) NOT VALID;
COMMENT ON COLUMN researcharr.processing_jobs.error_message IS 'what the last failed attempt said, at most 64 kB; not NULL for a failed job';

DROP FUNCTION researcharr.check_index(regclass, text);

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
