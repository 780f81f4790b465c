-- cache: entries with a time to live.

CREATE UNLOGGED TABLE researcharr.cache_entries (
	key        text NOT NULL,
	value      bytea NOT NULL,
	expiry     timestamptz,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	tags       text[],
	CONSTRAINT cache_entries_pkey PRIMARY KEY (key),
	CONSTRAINT cache_entries_key_check CHECK (char_length(key) BETWEEN 1 AND 1024)
);
COMMENT ON TABLE researcharr.cache_entries IS 'the cache; unlogged: a crash or a promotion empties it, and no dump takes it along';
COMMENT ON COLUMN researcharr.cache_entries.key IS '1 to 1024 characters';
COMMENT ON COLUMN researcharr.cache_entries.value IS 'what is cached';
COMMENT ON COLUMN researcharr.cache_entries.expiry IS 'not served from then on; NULL for no end';
COMMENT ON COLUMN researcharr.cache_entries.created_at IS 'when it was stored';
COMMENT ON COLUMN researcharr.cache_entries.tags IS 'what cache_invalidate can drop it by';

CREATE INDEX cache_entries_expiry_idx ON researcharr.cache_entries (expiry) WHERE expiry IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_expiry_idx IS 'what has expired, for the maintenance task that deletes it';
CREATE INDEX cache_entries_tags_idx ON researcharr.cache_entries USING gin (tags) WHERE tags IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_tags_idx IS 'for cache_invalidate';

CREATE FUNCTION researcharr.cache_get(key text, strategy text DEFAULT NULL)
RETURNS bytea LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get';
COMMENT ON FUNCTION researcharr.cache_get(text, text)
IS 'the value under a key, or NULL';

CREATE FUNCTION researcharr.cache_get_text(key text, strategy text DEFAULT NULL)
RETURNS text LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_text';
COMMENT ON FUNCTION researcharr.cache_get_text(text, text)
IS 'the value under a key as text, or NULL';

CREATE FUNCTION researcharr.cache_get_jsonb(key text, strategy text DEFAULT NULL)
RETURNS jsonb LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_jsonb';
COMMENT ON FUNCTION researcharr.cache_get_jsonb(text, text)
IS 'the value under a key as JSON, or NULL';

CREATE FUNCTION researcharr.cache_set(key text, value bytea, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set';
COMMENT ON FUNCTION researcharr.cache_set(text, bytea, interval, text[], text)
IS 'sets the value under a key; others see it after the commit';

CREATE FUNCTION researcharr.cache_set_text(key text, value text, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set';
COMMENT ON FUNCTION researcharr.cache_set_text(text, text, interval, text[], text)
IS 'sets the value under a key to a text';

CREATE FUNCTION researcharr.cache_set_jsonb(key text, value jsonb, ttl interval DEFAULT NULL, tags text[] DEFAULT NULL,
	strategy text DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set_jsonb';
COMMENT ON FUNCTION researcharr.cache_set_jsonb(text, jsonb, interval, text[], text)
IS 'sets the value under a key to JSON';

CREATE FUNCTION researcharr.cache_get_many(keys text[], OUT key text, OUT value bytea)
RETURNS SETOF record LANGUAGE C ROWS 100 PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_get_many';
COMMENT ON FUNCTION researcharr.cache_get_many(text[])
IS 'the values under many keys: a row for each key that has one, in the order of the keys';

CREATE FUNCTION researcharr.cache_set_many(keys text[], "values" bytea[], ttl interval DEFAULT NULL)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_set_many';
COMMENT ON FUNCTION researcharr.cache_set_many(text[], bytea[], interval)
IS 'sets the values under many keys';

CREATE FUNCTION researcharr.cache_touch(key text, ttl interval DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_touch';
COMMENT ON FUNCTION researcharr.cache_touch(text, interval)
IS 'gives what is under a key a new time to live; false if there is nothing';

CREATE FUNCTION researcharr.cache_incr(key text, "by" bigint DEFAULT 1, ttl interval DEFAULT NULL)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_incr';
COMMENT ON FUNCTION researcharr.cache_incr(text, bigint, interval)
IS 'adds to the number under a key, which begins at 0, and returns it; others wait for the commit';

CREATE FUNCTION researcharr.cache_delete(key text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_delete';
COMMENT ON FUNCTION researcharr.cache_delete(text)
IS 'deletes what is under a key, of all roles; false if there was nothing';

CREATE FUNCTION researcharr.cache_exists(key text)
RETURNS boolean LANGUAGE C PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'researcharr_cache_exists';
COMMENT ON FUNCTION researcharr.cache_exists(text)
IS 'is there a value under the key?';

CREATE FUNCTION researcharr.cache_clear(pattern text DEFAULT NULL)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_clear';
COMMENT ON FUNCTION researcharr.cache_clear(text)
IS 'deletes the keys that are LIKE the pattern (NULL: all); how many there were';

CREATE FUNCTION researcharr.cache_invalidate(tag text)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_invalidate';
COMMENT ON FUNCTION researcharr.cache_invalidate(text)
IS 'deletes the keys with a tag; how many there were';

CREATE FUNCTION researcharr.cache_stats(OUT store text, OUT hits bigint, OUT misses bigint, OUT hit_rate double precision,
	OUT evictions bigint, OUT expirations bigint, OUT entries bigint, OUT bytes bigint)
RETURNS SETOF record LANGUAGE C ROWS 2
AS 'MODULE_PATHNAME', 'researcharr_cache_stats';
COMMENT ON FUNCTION researcharr.cache_stats()
IS 'how this database uses the cache: a row for the memory and one for the table';

CREATE FUNCTION researcharr.cache_stats_reset()
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_stats_reset';
COMMENT ON FUNCTION researcharr.cache_stats_reset()
IS 'sets the counters of cache_stats to zero, for admins';

CREATE FUNCTION researcharr.cache_fetch(key text, query text, ttl interval DEFAULT NULL, arguments jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_fetch';
COMMENT ON FUNCTION researcharr.cache_fetch(text, text, interval, jsonb)
IS 'the rows of a query as a JSON array, from the cache if they are there; it runs read-only, as the caller, with the arguments as $1, $2 and so on';

CREATE FUNCTION researcharr.cache_depends(target regclass, key_template text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_depends';
COMMENT ON FUNCTION researcharr.cache_depends(regclass, text)
IS 'makes changes of a table drop the keys that the template (as in media:{id}) makes of its rows; false if they did already';

CREATE FUNCTION researcharr.cache_independent(target regclass)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_independent';
COMMENT ON FUNCTION researcharr.cache_independent(regclass)
IS 'ends all that cache_depends has made of a table; false if there was nothing';

CREATE FUNCTION researcharr.cache_flush()
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_flush';
COMMENT ON FUNCTION researcharr.cache_flush()
IS 'writes some of what write_behind has left in memory to the table, and removes some of what has expired; how many, 0 for nothing left';

CREATE FUNCTION researcharr.cache_table_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_table_changed';
COMMENT ON FUNCTION researcharr.cache_table_changed()
IS 'trigger: drops the keys that cache_depends makes of a changed row';

CREATE FUNCTION researcharr.cache_row_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_cache_row_changed';
COMMENT ON FUNCTION researcharr.cache_row_changed()
IS 'trigger: drops a changed row of ours from the cache';

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
