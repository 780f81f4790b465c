-- data: the media library, the service queues, settings, web users.

-- Checks that cannot be expressed in SQL alone

CREATE FUNCTION researcharr.metadata_is_valid(metadata jsonb)
RETURNS boolean LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'researcharr_metadata_is_valid';
COMMENT ON FUNCTION researcharr.metadata_is_valid(jsonb)
IS 'whether a metadata value is an object of at most 1 MB (1048576 bytes) as text; true for NULL, as in any CHECK';

CREATE FUNCTION researcharr.config_value_is_valid(value text, value_type text)
RETURNS boolean LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'researcharr_config_value_is_valid';
COMMENT ON FUNCTION researcharr.config_value_is_valid(text, text)
IS 'whether a configuration value reads as its type: string (anything), int (64 bits), bool (true or false), json';

CREATE FUNCTION researcharr.updated_at_advance()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_updated_at_advance';
COMMENT ON FUNCTION researcharr.updated_at_advance()
IS 'trigger: sets updated_at, or the column that is its argument, to the clock, and always later than it was by a millisecond or more';

CREATE FUNCTION researcharr.episode_media_delete()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_episode_media_delete';
COMMENT ON FUNCTION researcharr.episode_media_delete()
IS 'trigger: a series takes the media rows of its episodes along, however it is deleted';

CREATE FUNCTION researcharr.media_delete_lock()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_delete_lock';
COMMENT ON FUNCTION researcharr.media_delete_lock()
IS 'trigger: locks what goes along with deleted media, in the order that everybody keeps to';

CREATE FUNCTION researcharr.flat_row_write()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_flat_row_write';
COMMENT ON FUNCTION researcharr.flat_row_write()
IS 'trigger: writes a row of a view of flat rows to its two tables, as the caller';

CREATE FUNCTION researcharr.secret_guard()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_secret_guard';
COMMENT ON FUNCTION researcharr.secret_guard()
IS 'trigger: others than the owner do not learn secrets by changing a setting, and no message shows a row with one';

-- media and its subtypes

CREATE TABLE researcharr.media (
	id          uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	title       text NOT NULL,
	type        text NOT NULL,
	external_id text,
	status      text NOT NULL DEFAULT 'pending',
	metadata    jsonb NOT NULL DEFAULT '{}',
	created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT media_pkey PRIMARY KEY (id),
	CONSTRAINT media_external_id_type_key UNIQUE (external_id, type),
	CONSTRAINT media_id_type_key UNIQUE (id, type),
	CONSTRAINT media_type_check CHECK (type IN ('movie', 'series', 'episode')),
	CONSTRAINT media_external_id_check CHECK (char_length(external_id) BETWEEN 1 AND 100),
	CONSTRAINT media_status_check CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
	CONSTRAINT media_metadata_check CHECK (researcharr.metadata_is_valid(metadata))
);
-- NOT VALID, since an update does not wait for old rows to be checked, which satisfy it.
ALTER TABLE researcharr.media ADD CONSTRAINT media_title_check CHECK (
	char_length(title) BETWEEN 1 AND 500 AND
	title = btrim(title, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))) NOT VALID;
COMMENT ON TABLE researcharr.media IS 'one row for each movie, series and episode; what only one kind has is in movies, series and episodes';
COMMENT ON COLUMN researcharr.media.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.media.title IS '1 to 500 characters, no white space at its ends';
COMMENT ON COLUMN researcharr.media.type IS 'movie, series or episode';
COMMENT ON COLUMN researcharr.media.external_id IS 'the id by which Radarr (tmdbId) or Sonarr (tvdbId) knows it, as text, up to 100 characters; unique within the type';
COMMENT ON COLUMN researcharr.media.status IS 'pending, processing, completed or failed';
COMMENT ON COLUMN researcharr.media.metadata IS 'an object of at most 1 MB as text; imports keep the source''s other fields here, under radarr or sonarr';
COMMENT ON COLUMN researcharr.media.created_at IS 'when the row was made';
COMMENT ON COLUMN researcharr.media.updated_at IS 'when the row was last changed; strictly increasing';

CREATE INDEX media_title_idx ON researcharr.media (title, type) WHERE external_id IS NULL;
COMMENT ON INDEX researcharr.media_title_idx IS 'for imports, which find media without an external_id by title';
CREATE INDEX media_created_at_idx ON researcharr.media (status, type, created_at, id);
COMMENT ON INDEX researcharr.media_created_at_idx IS 'media of a status and type, in the order in which they were made';

CREATE TABLE researcharr.movies (
	media_id        uuid NOT NULL,
	type            text NOT NULL DEFAULT 'movie',
	year            int,
	imdb_id         text,
	tmdb_id         int,
	runtime_minutes int,
	changed_at      timestamptz DEFAULT clock_timestamp(),
	CONSTRAINT movies_pkey PRIMARY KEY (media_id),
	CONSTRAINT movies_media_fkey FOREIGN KEY (media_id, type)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT movies_year_check CHECK (year BETWEEN 1870 AND 2100),
	CONSTRAINT movies_imdb_id_check CHECK (imdb_id ~ '^tt[0-9]{7,10}$'),
	CONSTRAINT movies_tmdb_id_check CHECK (tmdb_id > 0),
	CONSTRAINT movies_runtime_minutes_check CHECK (runtime_minutes > 0)
);
ALTER TABLE researcharr.movies ADD CONSTRAINT movies_type_check CHECK (type = 'movie') NOT VALID;
COMMENT ON TABLE researcharr.movies IS 'what only movies have';
COMMENT ON COLUMN researcharr.movies.media_id IS 'the movie''s row in media';
COMMENT ON COLUMN researcharr.movies.type IS 'always movie: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.movies.year IS '1870 to 2100; NULL where unknown';
COMMENT ON COLUMN researcharr.movies.imdb_id IS 'tt and 7 to 10 digits';
COMMENT ON COLUMN researcharr.movies.tmdb_id IS 'The Movie Database''s number';
COMMENT ON COLUMN researcharr.movies.runtime_minutes IS 'running time in minutes; NULL where unknown';
COMMENT ON COLUMN researcharr.movies.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';

CREATE INDEX movies_year_idx ON researcharr.movies (year, media_id);
COMMENT ON INDEX researcharr.movies_year_idx IS 'for filters and orders by year';
CREATE INDEX movies_imdb_id_idx ON researcharr.movies (imdb_id) WHERE imdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.movies_imdb_id_idx IS 'for filters by imdb_id';
CREATE INDEX movies_tmdb_id_idx ON researcharr.movies (tmdb_id) WHERE tmdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.movies_tmdb_id_idx IS 'for filters by tmdb_id';

CREATE TABLE researcharr.series (
	media_id uuid NOT NULL,
	type     text NOT NULL DEFAULT 'series',
	tvdb_id  int,
	seasons  int,
	episodes int,
	changed_at timestamptz DEFAULT clock_timestamp(),
	CONSTRAINT series_pkey PRIMARY KEY (media_id),
	CONSTRAINT series_media_fkey FOREIGN KEY (media_id, type)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT series_tvdb_id_check CHECK (tvdb_id > 0),
	CONSTRAINT series_seasons_check CHECK (seasons >= 0),
	CONSTRAINT series_episodes_check CHECK (episodes >= 0)
);
ALTER TABLE researcharr.series ADD CONSTRAINT series_type_check CHECK (type = 'series') NOT VALID;
COMMENT ON TABLE researcharr.series IS 'what only series have';
COMMENT ON COLUMN researcharr.series.media_id IS 'the series'' row in media';
COMMENT ON COLUMN researcharr.series.type IS 'always series: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.series.tvdb_id IS 'TheTVDB''s number';
COMMENT ON COLUMN researcharr.series.seasons IS 'how many seasons the source counts';
COMMENT ON COLUMN researcharr.series.episodes IS 'how many episodes the source counts';
COMMENT ON COLUMN researcharr.series.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';

CREATE INDEX series_tvdb_id_idx ON researcharr.series (tvdb_id) WHERE tvdb_id IS NOT NULL;
COMMENT ON INDEX researcharr.series_tvdb_id_idx IS 'for filters by tvdb_id';

CREATE TABLE researcharr.episodes (
	media_id       uuid NOT NULL,
	type           text NOT NULL DEFAULT 'episode',
	series_id      uuid NOT NULL,
	season_number  int NOT NULL,
	episode_number int NOT NULL,
	air_date       date,
	changed_at     timestamptz DEFAULT clock_timestamp(),
	CONSTRAINT episodes_pkey PRIMARY KEY (media_id),
	CONSTRAINT episodes_series_id_season_number_episode_number_key
		UNIQUE (series_id, season_number, episode_number),
	CONSTRAINT episodes_media_fkey FOREIGN KEY (media_id, type)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT episodes_series_fkey FOREIGN KEY (series_id)
		REFERENCES researcharr.series (media_id) ON DELETE CASCADE,
	CONSTRAINT episodes_season_number_check CHECK (season_number >= 0),
	CONSTRAINT episodes_episode_number_check CHECK (episode_number >= 0),
	CONSTRAINT episodes_air_date_check CHECK (isfinite(air_date))
);
ALTER TABLE researcharr.episodes ADD CONSTRAINT episodes_type_check CHECK (type = 'episode') NOT VALID;
COMMENT ON TABLE researcharr.episodes IS 'what only episodes have; deleting a series deletes the media rows of its episodes';
COMMENT ON COLUMN researcharr.episodes.media_id IS 'the episode''s row in media';
COMMENT ON COLUMN researcharr.episodes.type IS 'always episode: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.episodes.series_id IS 'the series it belongs to';
COMMENT ON COLUMN researcharr.episodes.season_number IS 'from 0 (specials)';
COMMENT ON COLUMN researcharr.episodes.episode_number IS 'from 0';
COMMENT ON COLUMN researcharr.episodes.air_date IS 'first broadcast; NULL where unknown';
COMMENT ON COLUMN researcharr.episodes.changed_at IS 'when the row was made or last changed; strictly increasing; NULL where that was before version 1.14';

-- Reading a flat row requires SELECT on both tables, and their row security applies.
-- A flat row has changed when either half has.
CREATE VIEW researcharr.movie_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes
	FROM researcharr.media m JOIN researcharr.movies s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.movie_rows IS 'movies as flat rows: media''s columns, then those that only movies have';

CREATE VIEW researcharr.series_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.tvdb_id, s.seasons, s.episodes
	FROM researcharr.media m JOIN researcharr.series s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.series_rows IS 'series as flat rows: media''s columns, then those that only series have';

CREATE VIEW researcharr.episode_rows WITH (security_invoker = true) AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at,
		GREATEST(m.updated_at, s.changed_at) AS updated_at,
		s.series_id, s.season_number, s.episode_number, s.air_date
	FROM researcharr.media m JOIN researcharr.episodes s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.episode_rows IS 'episodes as flat rows: media''s columns, then those that only episodes have';

-- queues for Radarr and Sonarr

CREATE TABLE researcharr.queue_items (
	id             uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	media_id       uuid NOT NULL,
	service        text NOT NULL,
	priority       int NOT NULL DEFAULT 0,
	added_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_processed timestamptz,
	retry_count    int NOT NULL DEFAULT 0,
	next_retry_at  timestamptz,
	metadata       jsonb NOT NULL DEFAULT '{}',
	CONSTRAINT queue_items_pkey PRIMARY KEY (id),
	CONSTRAINT queue_items_media_id_fkey FOREIGN KEY (media_id)
		REFERENCES researcharr.media (id) ON DELETE CASCADE,
	CONSTRAINT queue_items_service_check CHECK (service IN ('radarr', 'sonarr')),
	CONSTRAINT queue_items_priority_check CHECK (priority BETWEEN 0 AND 100),
	CONSTRAINT queue_items_retry_count_check CHECK (retry_count >= 0),
	CONSTRAINT queue_items_metadata_check CHECK (researcharr.metadata_is_valid(metadata))
) WITH (fillfactor = 80);
COMMENT ON TABLE researcharr.queue_items IS 'media that wait for Radarr or Sonarr to look for them';
COMMENT ON COLUMN researcharr.queue_items.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.queue_items.media_id IS 'what is wanted';
COMMENT ON COLUMN researcharr.queue_items.service IS 'radarr or sonarr';
COMMENT ON COLUMN researcharr.queue_items.priority IS '0 to 100, 100 first';
COMMENT ON COLUMN researcharr.queue_items.added_at IS 'when it was queued';
COMMENT ON COLUMN researcharr.queue_items.last_processed IS 'when it was last handed to the service; NULL for never';
COMMENT ON COLUMN researcharr.queue_items.retry_count IS 'tries since the last success';
COMMENT ON COLUMN researcharr.queue_items.next_retry_at IS 'not before this; NULL for at once';
COMMENT ON COLUMN researcharr.queue_items.metadata IS 'an object of at most 1 MB as text';

CREATE INDEX queue_items_media_id_idx ON researcharr.queue_items (media_id);
COMMENT ON INDEX researcharr.queue_items_media_id_idx IS 'for the foreign key';
CREATE INDEX queue_items_ready_idx ON researcharr.queue_items (service, priority DESC, last_processed NULLS FIRST, id)
	WHERE next_retry_at IS NULL;
COMMENT ON INDEX researcharr.queue_items_ready_idx IS 'the order in which a service gets its items';
CREATE INDEX queue_items_retry_idx ON researcharr.queue_items (service, next_retry_at)
	WHERE next_retry_at IS NOT NULL;
COMMENT ON INDEX researcharr.queue_items_retry_idx IS 'items that are handed out or wait for a retry, and when they are due again';

-- settings of the application, and its users

CREATE TABLE researcharr.configuration (
	id          uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	key         text NOT NULL,
	value       text NOT NULL,
	value_type  text NOT NULL DEFAULT 'string',
	description text,
	secret      boolean NOT NULL DEFAULT false,
	created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT configuration_pkey PRIMARY KEY (id),
	CONSTRAINT configuration_key_key UNIQUE (key),
	CONSTRAINT configuration_key_check CHECK (
		char_length(key) BETWEEN 1 AND 255 AND key = btrim(key, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))),
	CONSTRAINT configuration_value_type_check CHECK (value_type IN ('string', 'int', 'bool', 'json')),
	CONSTRAINT configuration_value_check CHECK (researcharr.config_value_is_valid(value, value_type))
);
COMMENT ON TABLE researcharr.configuration IS 'settings of the application, typed';
COMMENT ON COLUMN researcharr.configuration.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.configuration.key IS '1 to 255 characters, no white space at its ends';
COMMENT ON COLUMN researcharr.configuration.value IS 'the value as text, readable as value_type';
COMMENT ON COLUMN researcharr.configuration.value_type IS 'string, int (64 bits), bool (true or false) or json';
COMMENT ON COLUMN researcharr.configuration.description IS 'what the setting does';
COMMENT ON COLUMN researcharr.configuration.secret IS 'whether the value is masked in the audit log';
COMMENT ON COLUMN researcharr.configuration.created_at IS 'when the row was made';
COMMENT ON COLUMN researcharr.configuration.updated_at IS 'when the row was last changed; strictly increasing';

CREATE TABLE researcharr.webui_users (
	id            uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	username      text NOT NULL,
	password_hash text NOT NULL,
	api_key_hash  text,
	created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT webui_users_pkey PRIMARY KEY (id),
	CONSTRAINT webui_users_username_key UNIQUE (username),
	CONSTRAINT webui_users_username_check CHECK (
		char_length(username) BETWEEN 1 AND 100 AND username = btrim(username, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))),
	CONSTRAINT webui_users_password_hash_check CHECK (password_hash <> ''),
	CONSTRAINT webui_users_api_key_hash_check CHECK (api_key_hash <> '')
);
COMMENT ON TABLE researcharr.webui_users IS 'users of the application''s web interface; only hashes, never a password';
COMMENT ON COLUMN researcharr.webui_users.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.webui_users.username IS '1 to 100 characters, no white space at its ends; unique';
COMMENT ON COLUMN researcharr.webui_users.password_hash IS 'hash of the password, made by the application';
COMMENT ON COLUMN researcharr.webui_users.api_key_hash IS 'hash of the API key, made by the application';
COMMENT ON COLUMN researcharr.webui_users.created_at IS 'when the row was made';

-- triggers

CREATE TRIGGER researcharr_updated_at BEFORE UPDATE ON researcharr.media
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance();
CREATE TRIGGER researcharr_updated_at BEFORE UPDATE ON researcharr.configuration
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance();
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.movies
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.series
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
CREATE TRIGGER researcharr_changed_at BEFORE UPDATE ON researcharr.episodes
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance('changed_at');
-- Triggers fire in order of name.  This one fires last and sees the changes of users' triggers.
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE ON researcharr.configuration
	FOR EACH ROW EXECUTE FUNCTION researcharr.secret_guard();
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE ON researcharr.webui_users
	FOR EACH ROW EXECUTE FUNCTION researcharr.secret_guard();
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER zz_researcharr_guard;
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER zz_researcharr_guard;
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.configuration IS 'secrets stay secret';
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.webui_users IS 'hashes stay out of messages';
CREATE TRIGGER researcharr_lock_series BEFORE DELETE ON researcharr.media
	FOR EACH ROW WHEN (old.type = 'series') EXECUTE FUNCTION researcharr.media_delete_lock();
-- AFTER triggers fire in order of name, too: this one before those of foreign keys (RI_...).
CREATE TRIGGER "A_researcharr_lock_parts" AFTER DELETE ON researcharr.media
	REFERENCING OLD TABLE AS old_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.media_delete_lock();
CREATE TRIGGER researcharr_media_delete BEFORE DELETE ON researcharr.series
	FOR EACH ROW EXECUTE FUNCTION researcharr.episode_media_delete();
CREATE TRIGGER researcharr_media_truncate BEFORE TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.episode_media_delete();
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_updated_at;
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_updated_at;
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_changed_at;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_changed_at;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_changed_at;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_media_delete;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_media_truncate;
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.media IS 'keeps updated_at';
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.configuration IS 'keeps updated_at';
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.movies IS 'keeps changed_at';
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.series IS 'keeps changed_at';
COMMENT ON TRIGGER researcharr_changed_at ON researcharr.episodes IS 'keeps changed_at';
COMMENT ON TRIGGER researcharr_lock_series ON researcharr.media IS 'locks a series and its episodes in the right order';
COMMENT ON TRIGGER "A_researcharr_lock_parts" ON researcharr.media IS 'locks jobs, and what else goes along, in the right order';
COMMENT ON TRIGGER researcharr_media_delete ON researcharr.series IS 'a series takes its episodes'' media rows along';
COMMENT ON TRIGGER researcharr_media_truncate ON researcharr.series IS 'a series takes its episodes'' media rows along';

-- an ORM can map each view of flat rows as one table
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.movie_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.movie_rows IS 'writes both tables';
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.series_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.series_rows IS 'writes both tables';
CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.episode_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.flat_row_write();
COMMENT ON TRIGGER researcharr_write ON researcharr.episode_rows IS 'writes both tables';

-- imports

CREATE FUNCTION researcharr.media_import_radarr(movies jsonb, strict boolean DEFAULT false,
	OUT created int, OUT updated int, OUT unchanged int, OUT failed int, OUT errors jsonb)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_import_radarr';
COMMENT ON FUNCTION researcharr.media_import_radarr(jsonb, boolean)
IS 'imports what Radarr''s GET /api/v3/movie answers; with strict, one bad object undoes all (RA003)';

CREATE FUNCTION researcharr.media_import_sonarr(series jsonb, episodes jsonb, strict boolean DEFAULT false,
	OUT created int, OUT updated int, OUT unchanged int, OUT failed int, OUT errors jsonb)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_import_sonarr';
COMMENT ON FUNCTION researcharr.media_import_sonarr(jsonb, jsonb, boolean)
IS 'imports what Sonarr''s GET /api/v3/series and /api/v3/episode answer; with strict, one bad object undoes all (RA003)';

-- tables whose rows pg_dump dumps

SELECT pg_catalog.pg_extension_config_dump('researcharr.media', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.movies', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.series', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.episodes', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.queue_items', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.configuration', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.webui_users', '');
