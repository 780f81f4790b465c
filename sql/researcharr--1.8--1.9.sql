\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.9'" to load this file. \quit

-- 1.9: the cache.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION researcharr.cache_get(key text, strategy text DEFAULT NULL)
RETURNS bytea LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get';
COMMENT ON FUNCTION researcharr.cache_get(text, text)
IS 'the value under a key, or NULL';
REVOKE ALL ON FUNCTION researcharr.cache_get(text, text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_get_text(key text, strategy text DEFAULT NULL)
RETURNS text LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_text';
COMMENT ON FUNCTION researcharr.cache_get_text(text, text)
IS 'the value under a key as text, or NULL';
REVOKE ALL ON FUNCTION researcharr.cache_get_text(text, text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_get_jsonb(key text, strategy text DEFAULT NULL)
RETURNS jsonb LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_jsonb';
COMMENT ON FUNCTION researcharr.cache_get_jsonb(text, text)
IS 'the value under a key as JSON, or NULL';
REVOKE ALL ON FUNCTION researcharr.cache_get_jsonb(text, text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_set(key text, value bytea, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set';
COMMENT ON FUNCTION researcharr.cache_set(text, bytea, interval, text[], text)
IS 'sets the value under a key; others see it after the commit';
REVOKE ALL ON FUNCTION researcharr.cache_set(text, bytea, interval, text[], text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_set_text(key text, value text, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set';
COMMENT ON FUNCTION researcharr.cache_set_text(text, text, interval, text[], text)
IS 'sets the value under a key to a text';
REVOKE ALL ON FUNCTION researcharr.cache_set_text(text, text, interval, text[], text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_set_jsonb(key text, value jsonb, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set_jsonb';
COMMENT ON FUNCTION researcharr.cache_set_jsonb(text, jsonb, interval, text[], text)
IS 'sets the value under a key to JSON';
REVOKE ALL ON FUNCTION researcharr.cache_set_jsonb(text, jsonb, interval, text[], text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_get_many(keys text[], OUT key text, OUT value bytea)
RETURNS SETOF record LANGUAGE C ROWS 100 PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_many';
COMMENT ON FUNCTION researcharr.cache_get_many(text[])
IS 'the values under many keys: a row for each key that has one, in the order of the keys';
REVOKE ALL ON FUNCTION researcharr.cache_get_many(text[]) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_set_many(keys text[], "values" bytea[], ttl interval DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set_many';
COMMENT ON FUNCTION researcharr.cache_set_many(text[], bytea[], interval)
IS 'sets the values under many keys';
REVOKE ALL ON FUNCTION researcharr.cache_set_many(text[], bytea[], interval) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_touch(key text, ttl interval DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_touch';
COMMENT ON FUNCTION researcharr.cache_touch(text, interval)
IS 'gives what is under a key a new time to live; false if there is nothing';
REVOKE ALL ON FUNCTION researcharr.cache_touch(text, interval) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_incr(key text, "by" bigint DEFAULT 1, ttl interval DEFAULT NULL)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_incr';
COMMENT ON FUNCTION researcharr.cache_incr(text, bigint, interval)
IS 'adds to the number under a key, which begins at 0, and returns it; others wait for the commit';
REVOKE ALL ON FUNCTION researcharr.cache_incr(text, bigint, interval) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_delete(key text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_delete';
COMMENT ON FUNCTION researcharr.cache_delete(text)
IS 'deletes what is under a key, of all roles; false if there was nothing';
REVOKE ALL ON FUNCTION researcharr.cache_delete(text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_exists(key text)
RETURNS boolean LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_exists';
COMMENT ON FUNCTION researcharr.cache_exists(text)
IS 'is there a value under the key?';
REVOKE ALL ON FUNCTION researcharr.cache_exists(text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_clear(pattern text DEFAULT NULL)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_clear';
COMMENT ON FUNCTION researcharr.cache_clear(text)
IS 'deletes the keys that are LIKE the pattern (NULL: all); how many there were';
REVOKE ALL ON FUNCTION researcharr.cache_clear(text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_invalidate(tag text)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_invalidate';
COMMENT ON FUNCTION researcharr.cache_invalidate(text)
IS 'deletes the keys with a tag; how many there were';
REVOKE ALL ON FUNCTION researcharr.cache_invalidate(text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_stats(OUT store text, OUT hits bigint, OUT misses bigint, OUT hit_rate double precision,
	OUT evictions bigint, OUT expirations bigint, OUT entries bigint, OUT bytes bigint)
RETURNS SETOF record LANGUAGE C ROWS 2
AS 'MODULE_PATHNAME', 'researcharr_cache_stats';
COMMENT ON FUNCTION researcharr.cache_stats()
IS 'how this database uses the cache: a row for the memory and one for the table';
REVOKE ALL ON FUNCTION researcharr.cache_stats() FROM PUBLIC;

CREATE FUNCTION researcharr.cache_stats_reset()
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_stats_reset';
COMMENT ON FUNCTION researcharr.cache_stats_reset()
IS 'sets the counters of cache_stats to zero, for admins';
REVOKE ALL ON FUNCTION researcharr.cache_stats_reset() FROM PUBLIC;

CREATE FUNCTION researcharr.cache_fetch(key text, query text, ttl interval DEFAULT NULL, arguments jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_fetch';
COMMENT ON FUNCTION researcharr.cache_fetch(text, text, interval, jsonb)
IS 'the rows of a query as a JSON array, from the cache if they are there; it runs read-only, as the caller, with the arguments as $1, $2 and so on';
REVOKE ALL ON FUNCTION researcharr.cache_fetch(text, text, interval, jsonb) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_depends(target regclass, key_template text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_depends';
COMMENT ON FUNCTION researcharr.cache_depends(regclass, text)
IS 'makes changes of a table drop the keys that the template (as in media:{id}) makes of its rows; false if they did already';
REVOKE ALL ON FUNCTION researcharr.cache_depends(regclass, text) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_independent(target regclass)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_independent';
COMMENT ON FUNCTION researcharr.cache_independent(regclass)
IS 'ends all that cache_depends has made of a table; false if there was nothing';
REVOKE ALL ON FUNCTION researcharr.cache_independent(regclass) FROM PUBLIC;

CREATE FUNCTION researcharr.cache_flush()
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_flush';
COMMENT ON FUNCTION researcharr.cache_flush()
IS 'writes some of what write_behind has left in memory to the table, and removes some of what has expired; how many, 0 for nothing left';
REVOKE ALL ON FUNCTION researcharr.cache_flush() FROM PUBLIC;

CREATE FUNCTION researcharr.cache_table_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_table_changed';
COMMENT ON FUNCTION researcharr.cache_table_changed()
IS 'trigger: drops the keys that cache_depends makes of a changed row';
REVOKE ALL ON FUNCTION researcharr.cache_table_changed() FROM PUBLIC;

CREATE FUNCTION researcharr.cache_row_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_row_changed';
COMMENT ON FUNCTION researcharr.cache_row_changed()
IS 'trigger: drops a changed row of ours from the cache';
REVOKE ALL ON FUNCTION researcharr.cache_row_changed() FROM PUBLIC;

CREATE FUNCTION researcharr.media_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.media LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.media_get_by_id_cached(uuid)
IS 'a media row by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.media_get_by_id_cached(uuid) FROM PUBLIC;

CREATE FUNCTION researcharr.movie_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.movie_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.movie_get_by_id_cached(uuid)
IS 'a movie by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.movie_get_by_id_cached(uuid) FROM PUBLIC;

CREATE FUNCTION researcharr.series_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.series_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.series_get_by_id_cached(uuid)
IS 'a series by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.series_get_by_id_cached(uuid) FROM PUBLIC;

CREATE FUNCTION researcharr.episode_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.episode_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.episode_get_by_id_cached(uuid)
IS 'an episode by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.episode_get_by_id_cached(uuid) FROM PUBLIC;

CREATE FUNCTION researcharr.job_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.job_get_by_id_cached(uuid)
IS 'a job by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.job_get_by_id_cached(uuid) FROM PUBLIC;

CREATE FUNCTION researcharr.queue_item_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.queue_items LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.queue_item_get_by_id_cached(uuid)
IS 'a queue item by its id, or no row; from the cache if it is there, and never stale';
REVOKE ALL ON FUNCTION researcharr.queue_item_get_by_id_cached(uuid) FROM PUBLIC;

-- Changed rows leave the cache.  The tables are locked in the order of transactions that write to them.
CREATE TRIGGER researcharr_cache AFTER UPDATE OR DELETE ON researcharr.media
	FOR EACH ROW EXECUTE FUNCTION researcharr.cache_row_changed('media', 'id', '@type', 'id');
CREATE TRIGGER researcharr_cache_truncate AFTER TRUNCATE ON researcharr.media
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.cache_row_changed();
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_cache;
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_cache_truncate;
COMMENT ON TRIGGER researcharr_cache ON researcharr.media IS 'drops the row from the cache';
COMMENT ON TRIGGER researcharr_cache_truncate ON researcharr.media IS 'drops all rows from the cache';
CREATE TRIGGER researcharr_cache AFTER UPDATE OR DELETE ON researcharr.movies
	FOR EACH ROW EXECUTE FUNCTION researcharr.cache_row_changed('movie', 'media_id');
CREATE TRIGGER researcharr_cache_truncate AFTER TRUNCATE ON researcharr.movies
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.cache_row_changed();
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_cache;
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_cache_truncate;
COMMENT ON TRIGGER researcharr_cache ON researcharr.movies IS 'drops the row from the cache';
COMMENT ON TRIGGER researcharr_cache_truncate ON researcharr.movies IS 'drops all rows from the cache';
CREATE TRIGGER researcharr_cache AFTER UPDATE OR DELETE ON researcharr.series
	FOR EACH ROW EXECUTE FUNCTION researcharr.cache_row_changed('series', 'media_id');
CREATE TRIGGER researcharr_cache_truncate AFTER TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.cache_row_changed();
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_cache;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_cache_truncate;
COMMENT ON TRIGGER researcharr_cache ON researcharr.series IS 'drops the row from the cache';
COMMENT ON TRIGGER researcharr_cache_truncate ON researcharr.series IS 'drops all rows from the cache';
CREATE TRIGGER researcharr_cache AFTER UPDATE OR DELETE ON researcharr.episodes
	FOR EACH ROW EXECUTE FUNCTION researcharr.cache_row_changed('episode', 'media_id');
CREATE TRIGGER researcharr_cache_truncate AFTER TRUNCATE ON researcharr.episodes
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.cache_row_changed();
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_cache;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_cache_truncate;
COMMENT ON TRIGGER researcharr_cache ON researcharr.episodes IS 'drops the row from the cache';
COMMENT ON TRIGGER researcharr_cache_truncate ON researcharr.episodes IS 'drops all rows from the cache';
CREATE TRIGGER researcharr_cache AFTER UPDATE OR DELETE ON researcharr.queue_items
	FOR EACH ROW EXECUTE FUNCTION researcharr.cache_row_changed('queue_item', 'id');
CREATE TRIGGER researcharr_cache_truncate AFTER TRUNCATE ON researcharr.queue_items
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.cache_row_changed();
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_cache;
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_cache_truncate;
COMMENT ON TRIGGER researcharr_cache ON researcharr.queue_items IS 'drops the row from the cache';
COMMENT ON TRIGGER researcharr_cache_truncate ON researcharr.queue_items IS 'drops all rows from the cache';

-- cache_entries: its tags, and indexes.  Nobody but the cache's functions should use the table.
ALTER TABLE researcharr.cache_entries ADD COLUMN tags text[];
COMMENT ON COLUMN researcharr.cache_entries.tags IS 'what cache_invalidate can drop it by';

CREATE INDEX cache_entries_tags_idx ON researcharr.cache_entries USING gin (tags) WHERE tags IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_tags_idx IS 'for cache_invalidate';



-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
