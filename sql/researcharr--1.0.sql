\echo Use "CREATE EXTENSION researcharr" to load this file. \quit

-- Names and operators of the script must mean the server's own, whatever lies
-- in the schemas of the extensions that this one requires, often public.

SET LOCAL search_path = pg_catalog, pg_temp;

-- The schema may exist already (a restore makes it first), but then it must be
-- empty and no other role's: else its owner, or what lies there, could pass
-- for the extension's own.

CREATE FUNCTION researcharr.check_schema() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_schema';
SELECT researcharr.check_schema();
DROP FUNCTION researcharr.check_schema();

-- What everything stands on: ids.

CREATE FUNCTION researcharr.uuid_v7() RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'researcharr_uuid_v7';
COMMENT ON FUNCTION researcharr.uuid_v7() IS
	'makes a new UUID of version 7, which sorts by the time it was made';

-- Logs: only the extension appends to them.

CREATE FUNCTION researcharr.log_guard() RETURNS trigger
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'researcharr_log_guard';
COMMENT ON FUNCTION researcharr.log_guard() IS
	'trigger: turns DML on a log away, but for the table''s owner and superusers';

-- data: the media library, what waits for a service, settings, web users.

-- Checks that SQL alone cannot say.

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
IS 'trigger: sets updated_at to the clock, and always later than it was';

CREATE FUNCTION researcharr.episode_media_delete()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_episode_media_delete';
COMMENT ON FUNCTION researcharr.episode_media_delete()
IS 'trigger: an episode takes its media row along, however it is deleted';

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
	CONSTRAINT media_title_check CHECK (
		char_length(title) BETWEEN 1 AND 500 AND title = btrim(title, E' \t\n\r\f\x0b')),
	CONSTRAINT media_type_check CHECK (type IN ('movie', 'series', 'episode')),
	CONSTRAINT media_external_id_check CHECK (char_length(external_id) BETWEEN 1 AND 100),
	CONSTRAINT media_status_check CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
	CONSTRAINT media_metadata_check CHECK (researcharr.metadata_is_valid(metadata))
);
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

CREATE TABLE researcharr.movies (
	media_id        uuid NOT NULL,
	type            text NOT NULL GENERATED ALWAYS AS ('movie'::text) STORED,
	year            int,
	imdb_id         text,
	tmdb_id         int,
	runtime_minutes int,
	CONSTRAINT movies_pkey PRIMARY KEY (media_id),
	CONSTRAINT movies_media_fkey FOREIGN KEY (media_id, type)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT movies_year_check CHECK (year BETWEEN 1870 AND 2100),
	CONSTRAINT movies_imdb_id_check CHECK (imdb_id ~ '^tt[0-9]{7,10}$'),
	CONSTRAINT movies_tmdb_id_check CHECK (tmdb_id > 0),
	CONSTRAINT movies_runtime_minutes_check CHECK (runtime_minutes > 0)
);
COMMENT ON TABLE researcharr.movies IS 'what only movies have';
COMMENT ON COLUMN researcharr.movies.media_id IS 'the movie''s row in media';
COMMENT ON COLUMN researcharr.movies.type IS 'always movie: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.movies.year IS '1870 to 2100; NULL where unknown';
COMMENT ON COLUMN researcharr.movies.imdb_id IS 'tt and 7 to 10 digits';
COMMENT ON COLUMN researcharr.movies.tmdb_id IS 'The Movie Database''s number';
COMMENT ON COLUMN researcharr.movies.runtime_minutes IS 'running time in minutes; NULL where unknown';

CREATE TABLE researcharr.series (
	media_id uuid NOT NULL,
	type     text NOT NULL GENERATED ALWAYS AS ('series'::text) STORED,
	tvdb_id  int,
	seasons  int,
	episodes int,
	CONSTRAINT series_pkey PRIMARY KEY (media_id),
	CONSTRAINT series_media_fkey FOREIGN KEY (media_id, type)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT series_tvdb_id_check CHECK (tvdb_id > 0),
	CONSTRAINT series_seasons_check CHECK (seasons >= 0),
	CONSTRAINT series_episodes_check CHECK (episodes >= 0)
);
COMMENT ON TABLE researcharr.series IS 'what only series have';
COMMENT ON COLUMN researcharr.series.media_id IS 'the series'' row in media';
COMMENT ON COLUMN researcharr.series.type IS 'always series: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.series.tvdb_id IS 'TheTVDB''s number';
COMMENT ON COLUMN researcharr.series.seasons IS 'how many seasons the source counts';
COMMENT ON COLUMN researcharr.series.episodes IS 'how many episodes the source counts';

CREATE TABLE researcharr.episodes (
	media_id       uuid NOT NULL,
	type           text NOT NULL GENERATED ALWAYS AS ('episode'::text) STORED,
	series_id      uuid NOT NULL,
	season_number  int NOT NULL,
	episode_number int NOT NULL,
	air_date       date,
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
COMMENT ON TABLE researcharr.episodes IS 'what only episodes have; deleting one deletes its media row too';
COMMENT ON COLUMN researcharr.episodes.media_id IS 'the episode''s row in media';
COMMENT ON COLUMN researcharr.episodes.type IS 'always episode: with the foreign key, only a media row of that type can have this one';
COMMENT ON COLUMN researcharr.episodes.series_id IS 'the series it belongs to';
COMMENT ON COLUMN researcharr.episodes.season_number IS 'from 0 (specials)';
COMMENT ON COLUMN researcharr.episodes.episode_number IS 'from 0';
COMMENT ON COLUMN researcharr.episodes.air_date IS 'first broadcast; NULL where unknown';

CREATE VIEW researcharr.movie_rows AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
		s.year, s.imdb_id, s.tmdb_id, s.runtime_minutes
	FROM researcharr.media m JOIN researcharr.movies s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.movie_rows IS 'movies as flat rows: media''s columns, then those that only movies have';

CREATE VIEW researcharr.series_rows AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
		s.tvdb_id, s.seasons, s.episodes
	FROM researcharr.media m JOIN researcharr.series s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.series_rows IS 'series as flat rows: media''s columns, then those that only series have';

CREATE VIEW researcharr.episode_rows AS
	SELECT m.id, m.title, m.type, m.external_id, m.status, m.metadata, m.created_at, m.updated_at,
		s.series_id, s.season_number, s.episode_number, s.air_date
	FROM researcharr.media m JOIN researcharr.episodes s ON s.media_id = m.id;
COMMENT ON VIEW researcharr.episode_rows IS 'episodes as flat rows: media''s columns, then those that only episodes have';

-- what waits for Radarr or Sonarr

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
CREATE INDEX queue_items_next_idx ON researcharr.queue_items (service, priority DESC, last_processed NULLS FIRST, id);
COMMENT ON INDEX researcharr.queue_items_next_idx IS 'the order in which a service gets its items';

-- an application's own settings, and its users

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
		char_length(key) BETWEEN 1 AND 255 AND key = btrim(key, E' \t\n\r\f\x0b')),
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
		char_length(username) BETWEEN 1 AND 100 AND username = btrim(username, E' \t\n\r\f\x0b')),
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
CREATE TRIGGER researcharr_media_delete AFTER DELETE ON researcharr.episodes
	REFERENCING OLD TABLE AS deleted
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.episode_media_delete();
CREATE TRIGGER researcharr_media_truncate BEFORE TRUNCATE ON researcharr.episodes
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.episode_media_delete();
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_updated_at;
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_updated_at;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_media_delete;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_media_truncate;
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.media IS 'keeps updated_at';
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.configuration IS 'keeps updated_at';
COMMENT ON TRIGGER researcharr_media_delete ON researcharr.episodes IS 'an episode takes its media row along';
COMMENT ON TRIGGER researcharr_media_truncate ON researcharr.episodes IS 'an episode takes its media row along';

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

-- what pg_dump takes along

SELECT pg_catalog.pg_extension_config_dump('researcharr.media', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.movies', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.series', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.episodes', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.queue_items', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.configuration', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.webui_users', '');

-- job: the queue, the policies of its job types, its history.

-- Policies of job types

CREATE TABLE researcharr.job_types (
	name          text NOT NULL,
	priority      int NOT NULL DEFAULT 0,
	max_retries   int NOT NULL DEFAULT 3,
	lease         interval NOT NULL DEFAULT '5 minutes',
	backoff       text NOT NULL DEFAULT 'exponential',
	backoff_base  interval NOT NULL DEFAULT '30 seconds',
	backoff_cap   interval NOT NULL DEFAULT '1 hour',
	jitter        double precision NOT NULL DEFAULT 0.1,
	max_running   int,
	rate_limit    int,
	rate_interval interval,
	weight        int NOT NULL DEFAULT 1,
	max_runtime   interval,
	paused        boolean NOT NULL DEFAULT false,
	CONSTRAINT job_types_pkey PRIMARY KEY (name),
	CONSTRAINT job_types_name_check CHECK (
		char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, E' \t\n\r\f\x0b')),
	CONSTRAINT job_types_priority_check CHECK (priority BETWEEN 0 AND 100),
	CONSTRAINT job_types_max_retries_check CHECK (max_retries BETWEEN 0 AND 10),
	CONSTRAINT job_types_lease_check CHECK (
		isfinite(lease) AND lease > '0' AND lease <= '36500 days'),
	CONSTRAINT job_types_backoff_check CHECK (backoff IN ('fixed', 'linear', 'exponential')),
	CONSTRAINT job_types_backoff_base_check CHECK (
		isfinite(backoff_base) AND backoff_base >= '0' AND backoff_base <= '36500 days'),
	CONSTRAINT job_types_backoff_cap_check CHECK (
		isfinite(backoff_cap) AND backoff_cap >= '0' AND backoff_cap <= '36500 days'),
	CONSTRAINT job_types_jitter_check CHECK (jitter BETWEEN 0 AND 1),
	CONSTRAINT job_types_max_running_check CHECK (max_running > 0),
	CONSTRAINT job_types_rate_check CHECK (
		(rate_limit IS NULL) = (rate_interval IS NULL)),
	CONSTRAINT job_types_rate_limit_check CHECK (rate_limit > 0),
	CONSTRAINT job_types_rate_interval_check CHECK (
		isfinite(rate_interval) AND rate_interval > '0' AND rate_interval <= '36500 days'),
	CONSTRAINT job_types_weight_check CHECK (weight BETWEEN 1 AND 1000),
	CONSTRAINT job_types_max_runtime_check CHECK (
		isfinite(max_runtime) AND max_runtime > '0' AND max_runtime <= '36500 days')
);
COMMENT ON TABLE researcharr.job_types IS 'policies of job types that users registered or changed; job_type_policies shows the built-in ones too';
COMMENT ON COLUMN researcharr.job_types.name IS '1 to 100 characters, no white space at its ends';
COMMENT ON COLUMN researcharr.job_types.priority IS 'priority of a job enqueued without one, 0 to 100, 100 first';
COMMENT ON COLUMN researcharr.job_types.max_retries IS 'retries of a job enqueued without a number, 0 to 10';
COMMENT ON COLUMN researcharr.job_types.lease IS 'how long a worker has before its job is handed on, unless it asks otherwise';
COMMENT ON COLUMN researcharr.job_types.backoff IS 'how the wait grows from retry to retry: fixed, linear or exponential';
COMMENT ON COLUMN researcharr.job_types.backoff_base IS 'the wait before the first retry';
COMMENT ON COLUMN researcharr.job_types.backoff_cap IS 'the longest wait';
COMMENT ON COLUMN researcharr.job_types.jitter IS 'the share of a wait, 0 to 1, that is drawn by chance: a wait of w lies between w * (1 - jitter) and w';
COMMENT ON COLUMN researcharr.job_types.max_running IS 'how many jobs of the type may run at a time; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.rate_limit IS 'how many jobs of the type may start per rate_interval; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.rate_interval IS 'the interval that rate_limit speaks of';
COMMENT ON COLUMN researcharr.job_types.weight IS 'share of the type among types of equal priority, 1 to 1000';
COMMENT ON COLUMN researcharr.job_types.max_runtime IS 'how long an attempt may run, however often its lease is renewed; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.paused IS 'while true, no job of the type is handed out';

CREATE FUNCTION researcharr.job_types_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_types_changed';
COMMENT ON FUNCTION researcharr.job_types_changed()
IS 'trigger: lets every session read the policies anew once the change is committed';
CREATE TRIGGER researcharr_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON researcharr.job_types
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.job_types_changed();
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_changed;
COMMENT ON TRIGGER researcharr_changed ON researcharr.job_types IS 'lets every session read the policies anew';

CREATE FUNCTION researcharr.job_type_builtin()
RETURNS SETOF researcharr.job_types LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_job_type_builtin';
COMMENT ON FUNCTION researcharr.job_type_builtin()
IS 'the job types that are known from the start, with the policies that they have unless job_types says otherwise';

CREATE VIEW researcharr.job_type_policies AS
	SELECT t.* FROM researcharr.job_types t
	UNION ALL
	SELECT b.* FROM researcharr.job_type_builtin() b
	WHERE NOT EXISTS (SELECT FROM researcharr.job_types t WHERE t.name = b.name);
COMMENT ON VIEW researcharr.job_type_policies IS 'every known job type and the policy in force';

CREATE FUNCTION researcharr.job_type_register(name text, priority int DEFAULT NULL, max_retries int DEFAULT NULL,
	lease interval DEFAULT NULL, backoff text DEFAULT NULL, backoff_base interval DEFAULT NULL,
	backoff_cap interval DEFAULT NULL, jitter double precision DEFAULT NULL, max_running int DEFAULT NULL,
	rate_limit int DEFAULT NULL, rate_interval interval DEFAULT NULL, weight int DEFAULT NULL,
	max_runtime interval DEFAULT NULL, paused boolean DEFAULT NULL)
RETURNS researcharr.job_types LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_register';
COMMENT ON FUNCTION researcharr.job_type_register(text, int, int, interval, text, interval, interval, double precision, int, int, interval, int, interval, boolean)
IS 'makes a job type known, or changes it: NULL keeps what is, or takes the default for a new one; returns the policy';

CREATE FUNCTION researcharr.job_type_pause(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_pause';
COMMENT ON FUNCTION researcharr.job_type_pause(text)
IS 'hands out no more jobs of the type until job_type_resume; false where it was paused already';

CREATE FUNCTION researcharr.job_type_resume(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_resume';
COMMENT ON FUNCTION researcharr.job_type_resume(text)
IS 'ends job_type_pause; false where the type was not paused';

-- Jobs

CREATE TABLE researcharr.processing_jobs (
	id               uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	media_id         uuid NOT NULL,
	job_type         text NOT NULL,
	status           text NOT NULL DEFAULT 'queued',
	priority         int NOT NULL DEFAULT 0,
	retry_count      int NOT NULL DEFAULT 0,
	max_retries      int NOT NULL DEFAULT 3,
	error_message    text,
	started_at       timestamptz,
	completed_at     timestamptz,
	metadata         jsonb NOT NULL DEFAULT '{}',
	created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	attempt          int NOT NULL DEFAULT 0,
	available_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	lease_expires_at timestamptz,
	worker           text,
	result           jsonb,
	unique_key       text,
	CONSTRAINT processing_jobs_pkey PRIMARY KEY (id),
	CONSTRAINT processing_jobs_media_id_fkey FOREIGN KEY (media_id)
		REFERENCES researcharr.media (id) ON DELETE CASCADE,
	CONSTRAINT processing_jobs_job_type_check CHECK (char_length(job_type) BETWEEN 1 AND 100),
	CONSTRAINT processing_jobs_status_check CHECK (
		status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
	CONSTRAINT processing_jobs_priority_check CHECK (priority BETWEEN 0 AND 100),
	CONSTRAINT processing_jobs_retry_count_check CHECK (retry_count >= 0),
	CONSTRAINT processing_jobs_max_retries_check CHECK (max_retries BETWEEN 0 AND 10),
	CONSTRAINT processing_jobs_metadata_check CHECK (researcharr.metadata_is_valid(metadata)),
	CONSTRAINT processing_jobs_attempt_check CHECK (attempt >= 0),
	CONSTRAINT processing_jobs_available_at_check CHECK (isfinite(available_at)),
	CONSTRAINT processing_jobs_lease_expires_at_check CHECK (
		(status = 'running') = (lease_expires_at IS NOT NULL)),
	CONSTRAINT processing_jobs_completed_at_check CHECK (
		(status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
	CONSTRAINT processing_jobs_unique_key_check CHECK (char_length(unique_key) BETWEEN 1 AND 255)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE researcharr.processing_jobs IS 'the job queue: waiting, running and finished jobs';
COMMENT ON COLUMN researcharr.processing_jobs.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.processing_jobs.media_id IS 'what the job is about';
COMMENT ON COLUMN researcharr.processing_jobs.job_type IS 'a name of job_type_policies';
COMMENT ON COLUMN researcharr.processing_jobs.status IS 'queued, running, completed, failed or cancelled';
COMMENT ON COLUMN researcharr.processing_jobs.priority IS '0 to 100, 100 first';
COMMENT ON COLUMN researcharr.processing_jobs.retry_count IS 'retries used up';
COMMENT ON COLUMN researcharr.processing_jobs.max_retries IS 'retries allowed, 0 to 10';
COMMENT ON COLUMN researcharr.processing_jobs.error_message IS 'what the last failed attempt said';
COMMENT ON COLUMN researcharr.processing_jobs.started_at IS 'the latest claim';
COMMENT ON COLUMN researcharr.processing_jobs.completed_at IS 'set exactly when the status is final: completed, failed or cancelled';
COMMENT ON COLUMN researcharr.processing_jobs.metadata IS 'the job''s arguments: an object of at most 1 MB as text';
COMMENT ON COLUMN researcharr.processing_jobs.created_at IS 'when the job was enqueued';
COMMENT ON COLUMN researcharr.processing_jobs.updated_at IS 'when the row was last changed; strictly increasing';
COMMENT ON COLUMN researcharr.processing_jobs.attempt IS 'how often the job was claimed; the fencing token of whoever holds it';
COMMENT ON COLUMN researcharr.processing_jobs.available_at IS 'not handed out before this';
COMMENT ON COLUMN researcharr.processing_jobs.lease_expires_at IS 'set while running: handed on from then';
COMMENT ON COLUMN researcharr.processing_jobs.worker IS 'who claimed it last, in its own words';
COMMENT ON COLUMN researcharr.processing_jobs.result IS 'what the worker returned';
COMMENT ON COLUMN researcharr.processing_jobs.unique_key IS 'at most one unfinished job of a type has it; up to 255 characters';

CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id)
	WHERE completed_at IS NULL;
COMMENT ON INDEX researcharr.processing_jobs_take_idx
IS 'the order in which jobs are handed out; neither a claim nor a heartbeat changes a column of it';
CREATE INDEX processing_jobs_media_id_idx ON researcharr.processing_jobs (media_id);
COMMENT ON INDEX researcharr.processing_jobs_media_id_idx IS 'for the foreign key, and a media''s jobs';
CREATE UNIQUE INDEX processing_jobs_unique_key_idx ON researcharr.processing_jobs (job_type, unique_key)
	WHERE completed_at IS NULL AND unique_key IS NOT NULL;
COMMENT ON INDEX researcharr.processing_jobs_unique_key_idx IS 'one unfinished job of a type for each unique key';

CREATE FUNCTION researcharr.processing_jobs_guard()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_processing_jobs_guard';
COMMENT ON FUNCTION researcharr.processing_jobs_guard()
IS 'trigger: plain DML names known job types only, keeps updated_at, and does not forge what the functions keep';
-- Triggers fire in the order of their names: this one sees what users' own made of the row.
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE ON researcharr.processing_jobs
	FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_guard();
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard;
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.processing_jobs IS 'known job types, updated_at, no forgery';

CREATE FUNCTION researcharr.job_enqueue(media_id uuid, job_type text, priority int DEFAULT NULL,
	available_at timestamptz DEFAULT NULL, max_retries int DEFAULT NULL, metadata jsonb DEFAULT NULL,
	unique_key text DEFAULT NULL)
RETURNS uuid LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue';
COMMENT ON FUNCTION researcharr.job_enqueue(uuid, text, int, timestamptz, int, jsonb, text)
IS 'enqueues a job and returns its id; with a unique_key that an unfinished job of the type has, that job''s id, and nothing is added';

CREATE FUNCTION researcharr.job_enqueue_many(jobs jsonb)
RETURNS SETOF uuid LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue_many';
COMMENT ON FUNCTION researcharr.job_enqueue_many(jsonb)
IS 'enqueues an array of objects, keyed by job_enqueue''s argument names; their ids in the array''s order';

CREATE FUNCTION researcharr.job_dequeue(job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1,
	lease interval DEFAULT NULL, worker text DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_dequeue';
COMMENT ON FUNCTION researcharr.job_dequeue(text[], int, interval, text)
IS 'claims up to max_jobs (1 to 10000) due jobs of the given types (NULL: all), highest priority first; each under a lease';

CREATE FUNCTION researcharr.job_complete(id uuid, attempt int, result jsonb DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_complete';
COMMENT ON FUNCTION researcharr.job_complete(uuid, int, jsonb)
IS 'finishes a job that is running under this attempt; RA001 where it is not';

CREATE FUNCTION researcharr.job_complete_many(ids uuid[], attempts int[], results jsonb[] DEFAULT NULL,
	OUT id uuid, OUT completed boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_complete_many';
COMMENT ON FUNCTION researcharr.job_complete_many(uuid[], int[], jsonb[])
IS 'finishes many jobs; completed is false for those not running under their attempt, which does not undo the rest';

CREATE FUNCTION researcharr.job_fail(id uuid, attempt int, error text, retry_in interval DEFAULT NULL,
	retry boolean DEFAULT true)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_fail';
COMMENT ON FUNCTION researcharr.job_fail(uuid, int, text, interval, boolean)
IS 'ends an attempt with an error: queued again after retry_in or the type''s backoff while retries are left, else failed';

CREATE FUNCTION researcharr.job_heartbeat(id uuid, attempt int, lease interval DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_heartbeat';
COMMENT ON FUNCTION researcharr.job_heartbeat(uuid, int, interval)
IS 'renews a lease from now; returns its new end';

CREATE FUNCTION researcharr.job_release(id uuid, attempt int, delay interval DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_release';
COMMENT ON FUNCTION researcharr.job_release(uuid, int, interval)
IS 'gives a job back, untried, to be handed out again after delay; no retry is used up';

CREATE FUNCTION researcharr.job_cancel(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_cancel';
COMMENT ON FUNCTION researcharr.job_cancel(uuid)
IS 'cancels a queued or running job at once; false where it is finished or absent';

CREATE FUNCTION researcharr.job_retry(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_retry';
COMMENT ON FUNCTION researcharr.job_retry(uuid)
IS 'queues a failed or cancelled job again, with all its retries; false for any other';

CREATE FUNCTION researcharr.job_mark_as_completed(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_mark_as_completed';
COMMENT ON FUNCTION researcharr.job_mark_as_completed(uuid)
IS 'an operator''s word that a job is done, queued or running; false where it is finished or absent';

CREATE FUNCTION researcharr.job_next_due(job_types text[] DEFAULT NULL)
RETURNS timestamptz LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_job_next_due';
COMMENT ON FUNCTION researcharr.job_next_due(text[])
IS 'when the next job of these types (NULL: all) may be handed out: in the past where one is due, NULL for never';

CREATE FUNCTION researcharr.job_stats(OUT job_type text, OUT status text, OUT jobs bigint, OUT oldest timestamptz,
	OUT estimated boolean)
RETURNS SETOF record LANGUAGE SQL STABLE ROWS 20
BEGIN ATOMIC
	SELECT j.job_type, j.status, pg_catalog.count(*), pg_catalog.min(j.created_at), false
	FROM researcharr.processing_jobs j GROUP BY j.job_type, j.status ORDER BY j.job_type, j.status;
END;
COMMENT ON FUNCTION researcharr.job_stats()
IS 'jobs by type and status, and when the oldest of each was enqueued';

-- what pg_dump takes along

SELECT pg_catalog.pg_extension_config_dump('researcharr.job_types', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.processing_jobs', '');

-- history: what happened to jobs.

-- Partitions have their own key and index, and the log itself has none: it
-- would make them when a partition is attached, which a restore does before
-- it makes those of the dump, and fails at the second primary key.

CREATE TABLE researcharr.processing_history (
	id          uuid NOT NULL,
	job_id      uuid NOT NULL,
	media_id    uuid NOT NULL,
	action      text NOT NULL,
	status      text,
	details     jsonb NOT NULL,
	"timestamp" timestamptz NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE researcharr.processing_history
IS 'append-only: a row for each ended attempt and each other change of a job''s status; outlives jobs and media';
COMMENT ON COLUMN researcharr.processing_history.id IS 'UUID version 7: when the row was made; the partition key';
COMMENT ON COLUMN researcharr.processing_history.job_id IS 'the job, which may be gone';
COMMENT ON COLUMN researcharr.processing_history.media_id IS 'the job''s media, which may be gone';
COMMENT ON COLUMN researcharr.processing_history.action
IS 'completed, retried, failed, lapsed, released, cancelled, requeued, marked_completed or deleted';
COMMENT ON COLUMN researcharr.processing_history.status IS 'the job''s new status; NULL for deleted';
COMMENT ON COLUMN researcharr.processing_history.details
IS 'from (the old status), attempt, worker, error; claimed_at and ended_at where an attempt ended';
COMMENT ON COLUMN researcharr.processing_history."timestamp" IS 'when it happened, by the clock';

CREATE TABLE researcharr.processing_history_default PARTITION OF researcharr.processing_history (
	CONSTRAINT processing_history_default_pkey PRIMARY KEY (id)
) DEFAULT;
COMMENT ON TABLE researcharr.processing_history_default IS 'what no other partition holds';
CREATE INDEX processing_history_default_job_id_idx ON researcharr.processing_history_default (job_id);
COMMENT ON INDEX researcharr.processing_history_default_job_id_idx IS 'a job''s history';

-- The row trigger is cloned to every partition; one for TRUNCATE is not.
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.processing_history
	FOR EACH ROW EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_history
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_history_default
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
ALTER TABLE researcharr.processing_history ENABLE ALWAYS TRIGGER researcharr_guard;
ALTER TABLE researcharr.processing_history ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
ALTER TABLE researcharr.processing_history_default ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
COMMENT ON TRIGGER researcharr_guard ON researcharr.processing_history IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.processing_history IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.processing_history_default IS 'append-only';

-- what other than the extension's functions changes

CREATE FUNCTION researcharr.processing_jobs_history()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_processing_jobs_history';
COMMENT ON FUNCTION researcharr.processing_jobs_history()
IS 'trigger: puts what plain DML, cascades and TRUNCATE do to jobs on record in processing_history';
CREATE TRIGGER researcharr_history_update AFTER UPDATE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
CREATE TRIGGER researcharr_history_delete AFTER DELETE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
CREATE TRIGGER researcharr_history_truncate BEFORE TRUNCATE ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_update;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_delete;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_truncate;
COMMENT ON TRIGGER researcharr_history_update ON researcharr.processing_jobs IS 'changes of status by plain DML';
COMMENT ON TRIGGER researcharr_history_delete ON researcharr.processing_jobs IS 'deleted jobs, by DELETE or a cascade';
COMMENT ON TRIGGER researcharr_history_truncate ON researcharr.processing_jobs IS 'truncated jobs, one by one';

-- what pg_dump takes along: a partitioned table's rows are dumped with its partitions

SELECT pg_catalog.pg_extension_config_dump('researcharr.processing_history_default', '');

-- audit: every other change of data.

-- As in the history, partitions have their own key and index.  Those of the
-- second index are compared as bytes, at a fraction of a language's cost.

CREATE TABLE researcharr.audit_log (
	id             uuid NOT NULL,
	entity_type    text COLLATE "C" NOT NULL,
	entity_id      text COLLATE "C",
	action         text NOT NULL,
	user_id        text,
	changes        jsonb NOT NULL,
	"timestamp"    timestamptz NOT NULL,
	database_user  text NOT NULL,
	transaction_id xid8 NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE researcharr.audit_log IS 'append-only: a row for each row of the application''s data that was made, changed or deleted';
COMMENT ON COLUMN researcharr.audit_log.id IS 'UUID version 7: when the row was made; the partition key';
COMMENT ON COLUMN researcharr.audit_log.entity_type
IS 'media, movie, series, episode, job, queue_item, config, webui_user or job_type';
COMMENT ON COLUMN researcharr.audit_log.entity_id
IS 'the changed row''s key as text, as it was before the change; NULL for truncate: the whole table';
COMMENT ON COLUMN researcharr.audit_log.action IS 'create, update, delete or truncate';
COMMENT ON COLUMN researcharr.audit_log.user_id IS 'the setting researcharr.user_id: whom the application worked for; NULL where it did not say';
COMMENT ON COLUMN researcharr.audit_log.changes
IS 'by column name, changed columns only: {"old": …, "new": …}; a create has only new and a delete only old values, where not NULL; secrets are ***';
COMMENT ON COLUMN researcharr.audit_log."timestamp" IS 'when the statement''s changes were put on record, by the clock';
COMMENT ON COLUMN researcharr.audit_log.database_user IS 'the session user: the role that had logged in';
COMMENT ON COLUMN researcharr.audit_log.transaction_id IS 'the transaction; of this cluster, so without a meaning after a restore into another';

CREATE TABLE researcharr.audit_log_default PARTITION OF researcharr.audit_log (
	CONSTRAINT audit_log_default_pkey PRIMARY KEY (id)
) DEFAULT;
COMMENT ON TABLE researcharr.audit_log_default IS 'what no other partition holds';
CREATE INDEX audit_log_default_entity_idx ON researcharr.audit_log_default (entity_type, entity_id);
COMMENT ON INDEX researcharr.audit_log_default_entity_idx IS 'what happened to an entity';

CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.audit_log
	FOR EACH ROW EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.audit_log
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.audit_log_default
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
ALTER TABLE researcharr.audit_log ENABLE ALWAYS TRIGGER researcharr_guard;
ALTER TABLE researcharr.audit_log ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
ALTER TABLE researcharr.audit_log_default ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
COMMENT ON TRIGGER researcharr_guard ON researcharr.audit_log IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.audit_log IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.audit_log_default IS 'append-only';

-- The trigger function's arguments: the entity type; then words, each with the
-- column that follows it.  key: it identifies a row; ignore: bookkeeping; mask:
-- its values are ***, or, with "if" after it, where that column is true; only:
-- an update of any column but these is not on record.

CREATE FUNCTION researcharr.audit_record()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_audit_record';
COMMENT ON FUNCTION researcharr.audit_record()
IS 'trigger: puts the changes of a statement on record in audit_log';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.media
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('media', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.media
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('media', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.media
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('media', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.media
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('media', 'key', 'id', 'ignore', 'updated_at');
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.media ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.media IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.media IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.media IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.media IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.movies
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.movies
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type');
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.movies ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.movies IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.movies IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.movies IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.movies IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.series
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type');
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.series IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.series IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.series IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.series IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.episodes
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.episodes
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type');
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.episodes ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.episodes IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.episodes IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.episodes IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.episodes IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.queue_items
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('queue_item', 'key', 'id');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.queue_items
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('queue_item', 'key', 'id');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.queue_items
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('queue_item', 'key', 'id');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.queue_items
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('queue_item', 'key', 'id');
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.queue_items ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.queue_items IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.queue_items IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.queue_items IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.queue_items IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.configuration
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('config', 'key', 'id', 'ignore', 'updated_at', 'mask', 'value', 'if', 'secret');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.configuration
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('config', 'key', 'id', 'ignore', 'updated_at', 'mask', 'value', 'if', 'secret');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.configuration
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('config', 'key', 'id', 'ignore', 'updated_at', 'mask', 'value', 'if', 'secret');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.configuration
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('config', 'key', 'id', 'ignore', 'updated_at', 'mask', 'value', 'if', 'secret');
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.configuration IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.configuration IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.configuration IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.configuration IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.job_types
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job_type', 'key', 'name');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.job_types
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job_type', 'key', 'name');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.job_types
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job_type', 'key', 'name');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.job_types
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job_type', 'key', 'name');
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.job_types IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.job_types IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.job_types IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.job_types IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.webui_users
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('webui_user', 'key', 'id', 'mask', 'password_hash', 'mask', 'api_key_hash');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.webui_users
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('webui_user', 'key', 'id', 'mask', 'password_hash', 'mask', 'api_key_hash');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.webui_users
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('webui_user', 'key', 'id', 'mask', 'password_hash', 'mask', 'api_key_hash');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.webui_users
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('webui_user', 'key', 'id', 'mask', 'password_hash', 'mask', 'api_key_hash');
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.webui_users IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.webui_users IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.webui_users IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.webui_users IS 'all rows gone';

-- Of a job, the history has the rest: plain DML that changes what users may
-- change, and what was deleted.

CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job', 'key', 'id', 'only', 'priority', 'only', 'available_at',
	'only', 'max_retries', 'only', 'metadata', 'only', 'unique_key');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('job', 'key', 'id', 'ignore', 'updated_at');
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.processing_jobs IS 'priority, available_at, max_retries, metadata, unique_key changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.processing_jobs IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.processing_jobs IS 'all rows gone';

-- what pg_dump takes along

SELECT pg_catalog.pg_extension_config_dump('researcharr.audit_log_default', '');

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

-- privileges: nothing for PUBLIC.

REVOKE ALL ON SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA researcharr FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA researcharr FROM PUBLIC;
