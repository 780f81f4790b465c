\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.8'" to load this file. \quit

-- 1.8: the cache.

SET LOCAL search_path = pg_catalog, pg_temp;

-- cache_entries: its tags, and indexes.  Nobody but the cache's functions should use the table.
ALTER TABLE researcharr.cache_entries ADD COLUMN tags text[];
COMMENT ON COLUMN researcharr.cache_entries.tags IS 'what cache_invalidate can drop it by';

CREATE INDEX cache_entries_expiry_idx ON researcharr.cache_entries (expiry) WHERE expiry IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_expiry_idx IS 'for the removal of what has expired';
CREATE INDEX cache_entries_tags_idx ON researcharr.cache_entries USING gin (tags) WHERE tags IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_tags_idx IS 'for cache_invalidate';


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

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
