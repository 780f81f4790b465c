-- repository: functions that applications call instead of SQL on the tables.

-- What users other than admins see of settings and web users

CREATE VIEW researcharr.configuration_masked WITH (security_barrier) AS
	SELECT c.id, c.key, CASE WHEN c.secret THEN '***' ELSE c.value END AS value, c.value_type,
		c.description, c.secret, c.created_at, c.updated_at
	FROM researcharr.configuration c;
COMMENT ON VIEW researcharr.configuration_masked IS 'settings, with *** for the value of each secret: what the functions read for others than admins';

CREATE VIEW researcharr.webui_users_masked WITH (security_barrier) AS
	SELECT u.id, u.username, NULL::text AS password_hash, NULL::text AS api_key_hash, u.created_at
	FROM researcharr.webui_users u;
COMMENT ON VIEW researcharr.webui_users_masked IS 'users without their hashes: what the functions read for others than admins';

-- One C function implements the same operation for all entities; the SQL function's
-- name determines the entity.

-- media

CREATE FUNCTION researcharr.media_get_by_id(id uuid)
RETURNS SETOF researcharr.media LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.media_get_by_id(uuid)
IS 'a media row by its id, or no row';

CREATE FUNCTION researcharr.media_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.media LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.media_get_all(jsonb, bigint, bigint, text)
IS 'the media rows that pass the filters';

CREATE FUNCTION researcharr.media_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.media_count(jsonb)
IS 'how many media rows pass the filters';

CREATE FUNCTION researcharr.media_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.media_exists(uuid)
IS 'whether there is a media row of this id';

CREATE FUNCTION researcharr.media_create(entity jsonb)
RETURNS researcharr.media LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.media_create(jsonb)
IS 'makes a media row of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.media_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.media LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.media_update(uuid, jsonb, timestamptz)
IS 'changes a media row; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.media_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.media_delete(uuid)
IS 'deletes a media row and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.media_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.media_validate(jsonb)
IS 'every violation for which media_create would refuse the object; no row where it is valid';

-- movie

CREATE FUNCTION researcharr.movie_get_by_id(id uuid)
RETURNS SETOF researcharr.movie_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.movie_get_by_id(uuid)
IS 'a movie by its id, or no row';

CREATE FUNCTION researcharr.movie_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.movie_rows LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.movie_get_all(jsonb, bigint, bigint, text)
IS 'the movies that pass the filters';

CREATE FUNCTION researcharr.movie_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.movie_count(jsonb)
IS 'how many movies pass the filters';

CREATE FUNCTION researcharr.movie_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.movie_exists(uuid)
IS 'whether there is a movie of this id';

CREATE FUNCTION researcharr.movie_create(entity jsonb)
RETURNS researcharr.movie_rows LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.movie_create(jsonb)
IS 'makes a movie, with its media row, of an object keyed by column; returns the flat row';

CREATE FUNCTION researcharr.movie_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.movie_rows LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.movie_update(uuid, jsonb, timestamptz)
IS 'changes a movie; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.movie_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.movie_delete(uuid)
IS 'deletes a movie and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.movie_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.movie_validate(jsonb)
IS 'every violation for which movie_create would refuse the object; no row where it is valid';

-- series

CREATE FUNCTION researcharr.series_get_by_id(id uuid)
RETURNS SETOF researcharr.series_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.series_get_by_id(uuid)
IS 'a series by its id, or no row';

CREATE FUNCTION researcharr.series_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.series_rows LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.series_get_all(jsonb, bigint, bigint, text)
IS 'the series that pass the filters';

CREATE FUNCTION researcharr.series_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.series_count(jsonb)
IS 'how many series pass the filters';

CREATE FUNCTION researcharr.series_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.series_exists(uuid)
IS 'whether there is a series of this id';

CREATE FUNCTION researcharr.series_create(entity jsonb)
RETURNS researcharr.series_rows LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.series_create(jsonb)
IS 'makes a series, with its media row, of an object keyed by column; returns the flat row';

CREATE FUNCTION researcharr.series_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.series_rows LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.series_update(uuid, jsonb, timestamptz)
IS 'changes a series; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.series_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.series_delete(uuid)
IS 'deletes a series and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.series_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.series_validate(jsonb)
IS 'every violation for which series_create would refuse the object; no row where it is valid';

-- episode

CREATE FUNCTION researcharr.episode_get_by_id(id uuid)
RETURNS SETOF researcharr.episode_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.episode_get_by_id(uuid)
IS 'an episode by its id, or no row';

CREATE FUNCTION researcharr.episode_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.episode_rows LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.episode_get_all(jsonb, bigint, bigint, text)
IS 'the episodes that pass the filters';

CREATE FUNCTION researcharr.episode_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.episode_count(jsonb)
IS 'how many episodes pass the filters';

CREATE FUNCTION researcharr.episode_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.episode_exists(uuid)
IS 'whether there is an episode of this id';

CREATE FUNCTION researcharr.episode_create(entity jsonb)
RETURNS researcharr.episode_rows LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.episode_create(jsonb)
IS 'makes an episode, with its media row, of an object keyed by column; returns the flat row';

CREATE FUNCTION researcharr.episode_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.episode_rows LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.episode_update(uuid, jsonb, timestamptz)
IS 'changes an episode; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.episode_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.episode_delete(uuid)
IS 'deletes an episode and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.episode_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.episode_validate(jsonb)
IS 'every violation for which episode_create would refuse the object; no row where it is valid';

-- job

CREATE FUNCTION researcharr.job_get_by_id(id uuid)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.job_get_by_id(uuid)
IS 'a job by its id, or no row';

CREATE FUNCTION researcharr.job_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.job_get_all(jsonb, bigint, bigint, text)
IS 'the jobs that pass the filters';

CREATE FUNCTION researcharr.job_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.job_count(jsonb)
IS 'how many jobs pass the filters';

CREATE FUNCTION researcharr.job_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.job_exists(uuid)
IS 'whether there is a job of this id';

CREATE FUNCTION researcharr.job_create(entity jsonb)
RETURNS researcharr.processing_jobs LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.job_create(jsonb)
IS 'enqueues a job, as job_enqueue does, of an object keyed by its arguments; returns the job';

CREATE FUNCTION researcharr.job_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.job_update(uuid, jsonb, timestamptz)
IS 'changes priority, available_at, max_retries or metadata of an unfinished job; 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.job_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.job_delete(uuid)
IS 'deletes a job and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.job_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.job_validate(jsonb)
IS 'every violation for which job_create would refuse the object; no row where it is valid';

-- queue_item

CREATE FUNCTION researcharr.queue_item_get_by_id(id uuid)
RETURNS SETOF researcharr.queue_items LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.queue_item_get_by_id(uuid)
IS 'a queue item by its id, or no row';

CREATE FUNCTION researcharr.queue_item_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.queue_items LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.queue_item_get_all(jsonb, bigint, bigint, text)
IS 'the queue items that pass the filters';

CREATE FUNCTION researcharr.queue_item_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.queue_item_count(jsonb)
IS 'how many queue items pass the filters';

CREATE FUNCTION researcharr.queue_item_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.queue_item_exists(uuid)
IS 'whether there is a queue item of this id';

CREATE FUNCTION researcharr.queue_item_create(entity jsonb)
RETURNS researcharr.queue_items LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.queue_item_create(jsonb)
IS 'makes a queue item of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.queue_item_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.queue_items LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.queue_item_update(uuid, jsonb, timestamptz)
IS 'changes a queue item; no row where there is none';

CREATE FUNCTION researcharr.queue_item_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.queue_item_delete(uuid)
IS 'deletes a queue item and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.queue_item_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.queue_item_validate(jsonb)
IS 'every violation for which queue_item_create would refuse the object; no row where it is valid';

-- config

CREATE FUNCTION researcharr.config_get_by_id(id uuid)
RETURNS SETOF researcharr.configuration LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.config_get_by_id(uuid)
IS 'a setting by its id, or no row; secrets are *** for all but admins';

CREATE FUNCTION researcharr.config_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.configuration LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.config_get_all(jsonb, bigint, bigint, text)
IS 'the settings that pass the filters; secrets are *** for all but admins';

CREATE FUNCTION researcharr.config_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.config_count(jsonb)
IS 'how many settings pass the filters';

CREATE FUNCTION researcharr.config_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.config_exists(uuid)
IS 'whether there is a setting of this id';

CREATE FUNCTION researcharr.config_create(entity jsonb)
RETURNS researcharr.configuration LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.config_create(jsonb)
IS 'makes a setting of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.config_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.configuration LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.config_update(uuid, jsonb, timestamptz)
IS 'changes a setting; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.config_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.config_delete(uuid)
IS 'deletes a setting and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.config_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.config_validate(jsonb)
IS 'every violation for which config_create would refuse the object; no row where it is valid';

-- webui_user

CREATE FUNCTION researcharr.webui_user_get_by_id(id uuid)
RETURNS SETOF researcharr.webui_users LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.webui_user_get_by_id(uuid)
IS 'a user of the web interface by its id, or no row; hashes are NULL for all but admins';

CREATE FUNCTION researcharr.webui_user_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.webui_users LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.webui_user_get_all(jsonb, bigint, bigint, text)
IS 'the users of the web interface that pass the filters; hashes are NULL for all but admins';

CREATE FUNCTION researcharr.webui_user_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.webui_user_count(jsonb)
IS 'how many users of the web interface pass the filters';

CREATE FUNCTION researcharr.webui_user_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.webui_user_exists(uuid)
IS 'whether there is a user of the web interface of this id';

CREATE FUNCTION researcharr.webui_user_create(entity jsonb)
RETURNS researcharr.webui_users LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.webui_user_create(jsonb)
IS 'makes a user of the web interface of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.webui_user_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.webui_users LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.webui_user_update(uuid, jsonb, timestamptz)
IS 'changes a user of the web interface; no row where there is none';

CREATE FUNCTION researcharr.webui_user_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.webui_user_delete(uuid)
IS 'deletes a user of the web interface and all that belongs to it; false where there is none';

CREATE FUNCTION researcharr.webui_user_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.webui_user_validate(jsonb)
IS 'every violation for which webui_user_create would refuse the object; no row where it is valid';

-- history

CREATE FUNCTION researcharr.history_get_by_id(id uuid)
RETURNS SETOF researcharr.processing_history LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.history_get_by_id(uuid)
IS 'an entry of the history by its id, or no row';

CREATE FUNCTION researcharr.history_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.processing_history LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.history_get_all(jsonb, bigint, bigint, text)
IS 'the entries of the history that pass the filters';

CREATE FUNCTION researcharr.history_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.history_count(jsonb)
IS 'how many entries of the history pass the filters';

CREATE FUNCTION researcharr.history_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.history_exists(uuid)
IS 'whether there is an entry of the history of this id';

-- audit

CREATE FUNCTION researcharr.audit_get_by_id(id uuid)
RETURNS SETOF researcharr.audit_log LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.audit_get_by_id(uuid)
IS 'an entry of the audit log by its id, or no row';

CREATE FUNCTION researcharr.audit_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.audit_log LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.audit_get_all(jsonb, bigint, bigint, text)
IS 'the entries of the audit log that pass the filters';

CREATE FUNCTION researcharr.audit_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.audit_count(jsonb)
IS 'how many entries of the audit log pass the filters';

CREATE FUNCTION researcharr.audit_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.audit_exists(uuid)
IS 'whether there is an entry of the audit log of this id';

-- Searching titles

-- An update to this version creates the index, which blocks writers of media, unless
-- an index of this name already exists.  For a large library, create it before with
-- CREATE INDEX CONCURRENTLY.  The operator class is in the schema of pg_trgm, which
-- is not known in advance, so search_path is set to it for this statement.
SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(n.nspname), true)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm';
CREATE INDEX IF NOT EXISTS media_title_trgm_idx ON researcharr.media USING gin (title gin_trgm_ops);
SET LOCAL search_path = pg_catalog, pg_temp;
COMMENT ON INDEX researcharr.media_title_trgm_idx IS 'for like, ilike and contains on titles';

-- The normalized form of titles that media_search compares.  An index expression is
-- evaluated as the user who writes the row.  This is a type and not a function
-- because a cast to a type requires no privilege.

CREATE TYPE researcharr.search_text;
CREATE FUNCTION researcharr.search_text_in(string cstring) RETURNS researcharr.search_text
	LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'researcharr_search_text_in';
COMMENT ON FUNCTION researcharr.search_text_in(cstring)
IS 'input function of search_text: the words of a text, in lower case, without diacritics and punctuation';
CREATE FUNCTION researcharr.search_text_out(value researcharr.search_text) RETURNS cstring
	LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'researcharr_search_text_out';
COMMENT ON FUNCTION researcharr.search_text_out(researcharr.search_text)
IS 'output function of search_text';
CREATE TYPE researcharr.search_text (
	INPUT = researcharr.search_text_in,
	OUTPUT = researcharr.search_text_out,
	LIKE = pg_catalog.text,
	CATEGORY = 'S'
);
COMMENT ON TYPE researcharr.search_text
IS 'a text as media_search compares it: its words in lower case, without diacritics and punctuation, a space before and behind each';
CREATE CAST (researcharr.search_text AS pg_catalog.text) WITHOUT FUNCTION;
COMMENT ON CAST (researcharr.search_text AS pg_catalog.text)
IS 'the same characters';

-- The index on normalized titles.  A search can scan it some 400 times, and each scan
-- reads the whole pending list, so that list is kept short.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, ' || pg_catalog.quote_ident(n.nspname) || ', pg_temp', true)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm';
CREATE INDEX IF NOT EXISTS media_search_idx ON researcharr.media
	USING gin (CAST(CAST(title AS researcharr.search_text) AS pg_catalog.text) gin_trgm_ops)
	WITH (gin_pending_list_limit = 64);
SET LOCAL search_path = pg_catalog, pg_temp;
COMMENT ON INDEX researcharr.media_search_idx IS 'for media_search';

CREATE FUNCTION researcharr.check_search_index(index regclass) RETURNS void
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'researcharr_check_search_index';
SELECT researcharr.check_search_index('researcharr.media_search_idx');
DROP FUNCTION researcharr.check_search_index(regclass);

CREATE FUNCTION researcharr.media_search(query text, media_type text DEFAULT NULL)
RETURNS SETOF researcharr.media LANGUAGE C STABLE ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_media_search';
COMMENT ON FUNCTION researcharr.media_search(text, text)
IS 'media whose titles are like the query, but for case, diacritics, punctuation and slips, the best 1000 of each kind: equal ones first, then those that begin with it, then by whole words and similarity';

-- More about media

CREATE FUNCTION researcharr.media_get_by_external_id(external_id text, type text)
RETURNS SETOF researcharr.media LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_media_get_by_external_id';
COMMENT ON FUNCTION researcharr.media_get_by_external_id(text, text)
IS 'the media of this type that Radarr or Sonarr knows by this id, or no row';

CREATE FUNCTION researcharr.media_get_by_status(status text)
RETURNS SETOF researcharr.media LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_media_get_by_status';
COMMENT ON FUNCTION researcharr.media_get_by_status(text)
IS 'the media of this status, oldest first';

-- More about jobs

CREATE FUNCTION researcharr.job_get_pending("limit" bigint DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_job_get_pending';
COMMENT ON FUNCTION researcharr.job_get_pending(bigint)
IS 'the queued jobs, due or not: by priority, then by the time from which they may be handed out';

CREATE FUNCTION researcharr.job_get_by_media(media_id uuid)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE ROWS 5
AS 'MODULE_PATHNAME', 'researcharr_job_get_by_media';
COMMENT ON FUNCTION researcharr.job_get_by_media(uuid)
IS 'the jobs of a media, oldest first';

CREATE FUNCTION researcharr.job_get_failed()
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_job_get_failed';
COMMENT ON FUNCTION researcharr.job_get_failed()
IS 'the failed jobs, the last to fail first';

-- Queues for Radarr and Sonarr

CREATE FUNCTION researcharr.queue_item_get_next(service text, "limit" int DEFAULT 10)
RETURNS SETOF researcharr.queue_items LANGUAGE C ROWS 10
AS 'MODULE_PATHNAME', 'researcharr_queue_item_get_next';
COMMENT ON FUNCTION researcharr.queue_item_get_next(text, int)
IS 'hands out due items of a service, by priority, then the one processed longest ago; none again before researcharr.queue_item_lease is over';

CREATE FUNCTION researcharr.queue_item_update_last_processed(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_queue_item_update_last_processed';
COMMENT ON FUNCTION researcharr.queue_item_update_last_processed(uuid)
IS 'an item was processed: clears its next_retry_at and retry_count; false where there is none';

CREATE FUNCTION researcharr.queue_item_increment_retry_count(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_queue_item_increment_retry_count';
COMMENT ON FUNCTION researcharr.queue_item_increment_retry_count(uuid)
IS 'an item failed: counts the try and sets next_retry_at, 30 s on and doubled with each try up to an hour; false where there is none';

-- Settings

CREATE FUNCTION researcharr.config_set(key text, value text, value_type text DEFAULT 'string', description text DEFAULT NULL,
	secret boolean DEFAULT NULL)
RETURNS researcharr.configuration LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_config_set';
COMMENT ON FUNCTION researcharr.config_set(text, text, text, text, boolean)
IS 'makes or changes a setting; RA003 where the value does not read as its type; a description or secret that is NULL stays as it is';

CREATE FUNCTION researcharr.config_get(key text)
RETURNS text LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_config_get';
COMMENT ON FUNCTION researcharr.config_get(text)
IS 'a setting''s value as text, *** for a secret and no admin; NULL where there is none';

CREATE FUNCTION researcharr.config_get_int(key text)
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_config_get_int';
COMMENT ON FUNCTION researcharr.config_get_int(text)
IS 'a setting of type int; NULL where there is none, 42804 where it is of another type';

CREATE FUNCTION researcharr.config_get_bool(key text)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_config_get_bool';
COMMENT ON FUNCTION researcharr.config_get_bool(text)
IS 'a setting of type bool; NULL where there is none, 42804 where it is of another type';

CREATE FUNCTION researcharr.config_get_json(key text)
RETURNS jsonb LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_config_get_json';
COMMENT ON FUNCTION researcharr.config_get_json(text)
IS 'a setting of type json; NULL where there is none, 42804 where it is of another type';

CREATE FUNCTION researcharr.config_list(prefix text DEFAULT '')
RETURNS SETOF researcharr.configuration LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_config_list';
COMMENT ON FUNCTION researcharr.config_list(text)
IS 'the settings whose keys begin with the prefix, by key; secrets are *** for all but admins';

-- Sizes

CREATE FUNCTION researcharr.count_estimate(entity text)
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_count_estimate';
COMMENT ON FUNCTION researcharr.count_estimate(text)
IS 'about how many rows an entity (media, movie, ..., history, audit) has, from its size and what the last VACUUM or ANALYZE found; E_count counts';

-- Units of work

CREATE FUNCTION researcharr.unit_of_work(operations jsonb)
RETURNS jsonb LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_unit_of_work';
COMMENT ON FUNCTION researcharr.unit_of_work(jsonb)
IS 'runs an array of {op, entity, id, values} in order, all or nothing, and returns their results; "$n.field" is a field of the n-th result';

-- Rows from the cache

CREATE FUNCTION researcharr.media_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.media LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.media_get_by_id_cached(uuid)
IS 'a media row by its id, or no row; from the cache if it is there, and never stale';

CREATE FUNCTION researcharr.movie_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.movie_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.movie_get_by_id_cached(uuid)
IS 'a movie by its id, or no row; from the cache if it is there, and never stale';

CREATE FUNCTION researcharr.series_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.series_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.series_get_by_id_cached(uuid)
IS 'a series by its id, or no row; from the cache if it is there, and never stale';

CREATE FUNCTION researcharr.episode_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.episode_rows LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.episode_get_by_id_cached(uuid)
IS 'an episode by its id, or no row; from the cache if it is there, and never stale';

CREATE FUNCTION researcharr.job_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.job_get_by_id_cached(uuid)
IS 'a job by its id, or no row; from the cache if it is there, and never stale';

CREATE FUNCTION researcharr.queue_item_get_by_id_cached(id uuid)
RETURNS SETOF researcharr.queue_items LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id_cached';
COMMENT ON FUNCTION researcharr.queue_item_get_by_id_cached(uuid)
IS 'a queue item by its id, or no row; from the cache if it is there, and never stale';
