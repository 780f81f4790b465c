-- cache: entries with a time to live.

CREATE UNLOGGED TABLE researcharr.cache_entries (
	key        text NOT NULL,
	value      bytea NOT NULL,
	expiry     timestamptz,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT cache_entries_pkey PRIMARY KEY (key),
	CONSTRAINT cache_entries_key_check CHECK (char_length(key) BETWEEN 1 AND 1024)
);
COMMENT ON TABLE researcharr.cache_entries IS 'the cache; unlogged: a crash or a promotion empties it, and no dump takes it along';
COMMENT ON COLUMN researcharr.cache_entries.key IS '1 to 1024 characters';
COMMENT ON COLUMN researcharr.cache_entries.value IS 'what is cached';
COMMENT ON COLUMN researcharr.cache_entries.expiry IS 'not served from then on; NULL for no end';
COMMENT ON COLUMN researcharr.cache_entries.created_at IS 'when it was stored';
CREATE INDEX cache_entries_expiry_idx ON researcharr.cache_entries (expiry) WHERE expiry IS NOT NULL;
COMMENT ON INDEX researcharr.cache_entries_expiry_idx IS 'what has expired, for the maintenance task that deletes it';
