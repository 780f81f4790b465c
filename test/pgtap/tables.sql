-- tables: the columns of tables and views in their order, with types,
-- nullability and defaults; keys, checks and indexes.
BEGIN;
SELECT plan(4);
SET search_path = public;

SELECT results_eq($actual$
	SELECT c.relname::text COLLATE "default" || ': ' || string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
		CASE WHEN a.attnotnull THEN 'not null' END,
		CASE WHEN a.attgenerated = 's' THEN 'generated' WHEN d.oid IS NOT NULL THEN 'default' END,
		pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY a.attnum)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition
		AND a.attnum > 0 AND NOT a.attisdropped
	GROUP BY c.relname ORDER BY c.relname COLLATE "C"
$actual$, ARRAY[
	'access_grants: '
		|| 'grantee text not null, '
		|| 'level text not null, '
		|| 'granted_at timestamp with time zone not null default clock_timestamp(), '
		|| 'granted_by text not null, '
		|| 'applied_in text not null',
	'access_levels: '
		|| 'grantee text, '
		|| 'level text, '
		|| 'status text, '
		|| 'granted_at timestamp with time zone, '
		|| 'granted_by text',
	'audit_log: '
		|| 'id uuid not null, '
		|| 'entity_type text not null, '
		|| 'entity_id text, '
		|| 'action text not null, '
		|| 'user_id text, '
		|| 'changes jsonb not null, '
		|| 'timestamp timestamp with time zone not null, '
		|| 'database_user text not null, '
		|| 'transaction_id xid8 not null, '
		|| 'acting_role text',
	'backups: '
		|| 'name text not null, '
		|| 'created_at timestamp with time zone not null, '
		|| 'extension_version text not null, '
		|| 'lsn pg_lsn not null, '
		|| 'files integer not null, '
		|| 'rows bigint not null, '
		|| 'bytes bigint not null, '
		|| 'manifest_sha256 text not null, '
		|| 'verified_at timestamp with time zone, '
		|| 'verify_error text, '
		|| 'archived_at timestamp with time zone, '
		|| 'archive_error text, '
		|| 'archive_tried_at timestamp with time zone, '
		|| 'archive_failures integer not null default 0',
	'cache_entries: '
		|| 'key text not null, '
		|| 'value bytea not null, '
		|| 'expiry timestamp with time zone, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'tags text[]',
	'configuration: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'key text not null, '
		|| 'value text not null, '
		|| 'value_type text not null default ''string''::text, '
		|| 'description text, '
		|| 'secret boolean not null default false, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'updated_at timestamp with time zone not null default clock_timestamp()',
	'configuration_masked: '
		|| 'id uuid, '
		|| 'key text, '
		|| 'value text, '
		|| 'value_type text, '
		|| 'description text, '
		|| 'secret boolean, '
		|| 'created_at timestamp with time zone, '
		|| 'updated_at timestamp with time zone',
	'episode_rows: '
		|| 'id uuid, '
		|| 'title text, '
		|| 'type text, '
		|| 'external_id text, '
		|| 'status text, '
		|| 'metadata jsonb, '
		|| 'created_at timestamp with time zone, '
		|| 'updated_at timestamp with time zone, '
		|| 'series_id uuid, '
		|| 'season_number integer, '
		|| 'episode_number integer, '
		|| 'air_date date',
	'episodes: '
		|| 'media_id uuid not null, '
		|| 'type text not null default ''episode''::text, '
		|| 'series_id uuid not null, '
		|| 'season_number integer not null, '
		|| 'episode_number integer not null, '
		|| 'air_date date, '
		|| 'changed_at timestamp with time zone default clock_timestamp()',
	'health_minutes: '
		|| 'started_at timestamp with time zone not null, '
		|| 'ended_at timestamp with time zone not null, '
		|| 'enqueued bigint not null, '
		|| 'claimed bigint not null, '
		|| 'completed bigint not null, '
		|| 'retried bigint not null, '
		|| 'failed bigint not null, '
		|| 'lapsed bigint not null, '
		|| 'released bigint not null, '
		|| 'cancelled bigint not null, '
		|| 'transactions bigint, '
		|| 'database_bytes bigint',
	'instances: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'name text not null, '
		|| 'service text not null, '
		|| 'base_url text, '
		|| 'active boolean not null default true, '
		|| 'settings jsonb not null default ''{}''::jsonb, '
		|| 'last_synced_at timestamp with time zone, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'updated_at timestamp with time zone not null default clock_timestamp()',
	'job_type_policies: '
		|| 'name text, '
		|| 'priority integer, '
		|| 'max_retries integer, '
		|| 'lease interval, '
		|| 'backoff text, '
		|| 'backoff_base interval, '
		|| 'backoff_cap interval, '
		|| 'jitter double precision, '
		|| 'max_running integer, '
		|| 'rate_limit integer, '
		|| 'rate_interval interval, '
		|| 'weight integer, '
		|| 'max_runtime interval, '
		|| 'paused boolean',
	'job_type_rates: '
		|| 'job_type text not null, '
		|| 'tokens double precision not null, '
		|| 'refilled_at timestamp with time zone not null',
	'job_types: '
		|| 'name text not null, '
		|| 'priority integer not null default 0, '
		|| 'max_retries integer not null default 3, '
		|| 'lease interval not null default ''00:05:00''::interval, '
		|| 'backoff text not null default ''exponential''::text, '
		|| 'backoff_base interval not null default ''00:00:30''::interval, '
		|| 'backoff_cap interval not null default ''01:00:00''::interval, '
		|| 'jitter double precision not null default 0.1, '
		|| 'max_running integer, '
		|| 'rate_limit integer, '
		|| 'rate_interval interval, '
		|| 'weight integer not null default 1, '
		|| 'max_runtime interval, '
		|| 'paused boolean not null default false',
	'legacy_rows: '
		|| 'source_schema text not null, '
		|| 'source_table text not null, '
		|| 'source_key text not null, '
		|| 'data jsonb not null, '
		|| 'problem text not null, '
		|| 'tried_at timestamp with time zone not null default clock_timestamp()',
	'media: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'title text not null, '
		|| 'type text not null, '
		|| 'external_id text, '
		|| 'status text not null default ''pending''::text, '
		|| 'metadata jsonb not null default ''{}''::jsonb, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'updated_at timestamp with time zone not null default clock_timestamp()',
	'movie_rows: '
		|| 'id uuid, '
		|| 'title text, '
		|| 'type text, '
		|| 'external_id text, '
		|| 'status text, '
		|| 'metadata jsonb, '
		|| 'created_at timestamp with time zone, '
		|| 'updated_at timestamp with time zone, '
		|| 'year integer, '
		|| 'imdb_id text, '
		|| 'tmdb_id integer, '
		|| 'runtime_minutes integer',
	'movies: '
		|| 'media_id uuid not null, '
		|| 'type text not null default ''movie''::text, '
		|| 'year integer, '
		|| 'imdb_id text, '
		|| 'tmdb_id integer, '
		|| 'runtime_minutes integer, '
		|| 'changed_at timestamp with time zone default clock_timestamp()',
	'processing_history: '
		|| 'id uuid not null, '
		|| 'job_id uuid not null, '
		|| 'media_id uuid not null, '
		|| 'action text not null, '
		|| 'status text, '
		|| 'details jsonb not null, '
		|| 'timestamp timestamp with time zone not null',
	'processing_jobs: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'media_id uuid not null, '
		|| 'job_type text not null, '
		|| 'status text not null default ''queued''::text, '
		|| 'priority integer not null default 0, '
		|| 'retry_count integer not null default 0, '
		|| 'max_retries integer not null default 3, '
		|| 'error_message text, '
		|| 'started_at timestamp with time zone, '
		|| 'completed_at timestamp with time zone, '
		|| 'metadata jsonb not null default ''{}''::jsonb, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'updated_at timestamp with time zone not null default clock_timestamp(), '
		|| 'attempt integer not null default 0, '
		|| 'available_at timestamp with time zone not null default clock_timestamp(), '
		|| 'lease_expires_at timestamp with time zone, '
		|| 'worker text, '
		|| 'result jsonb, '
		|| 'unique_key text',
	'queue_items: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'media_id uuid not null, '
		|| 'service text not null, '
		|| 'priority integer not null default 0, '
		|| 'added_at timestamp with time zone not null default clock_timestamp(), '
		|| 'last_processed timestamp with time zone, '
		|| 'retry_count integer not null default 0, '
		|| 'next_retry_at timestamp with time zone, '
		|| 'metadata jsonb not null default ''{}''::jsonb',
	'restore_fence: '
		|| 'only_row boolean not null default true, '
		|| 'attempt integer not null',
	'retention_rules: '
		|| 'target text not null, '
		|| 'keep interval not null',
	'schedule_entries: '
		|| 'name text not null, '
		|| 'cron text not null, '
		|| 'command text not null, '
		|| 'arguments jsonb not null default ''{}''::jsonb, '
		|| 'zone text not null default ''UTC''::text, '
		|| 'catch_up boolean not null default true, '
		|| 'paused boolean not null default false, '
		|| 'owner text not null, '
		|| 'owner_id oid not null default 0, '
		|| 'system_identifier bigint not null default 0, '
		|| 'updated_at timestamp with time zone not null default clock_timestamp()',
	'schedule_log: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'entry text not null, '
		|| 'command text not null, '
		|| 'owner text not null, '
		|| 'reason text not null, '
		|| 'due_at timestamp with time zone, '
		|| 'status text not null default ''requested''::text, '
		|| 'launches integer not null default 0, '
		|| 'launched_at timestamp with time zone, '
		|| 'pid integer, '
		|| 'server_id timestamp with time zone, '
		|| 'started_at timestamp with time zone, '
		|| 'finished_at timestamp with time zone, '
		|| 'result text, '
		|| 'error text',
	'schedule_runs: '
		|| 'id uuid, '
		|| 'name text, '
		|| 'command text, '
		|| 'owner text, '
		|| 'reason text, '
		|| 'due_at timestamp with time zone, '
		|| 'status text, '
		|| 'started_at timestamp with time zone, '
		|| 'finished_at timestamp with time zone, '
		|| 'duration interval, '
		|| 'result text, '
		|| 'error text',
	'schedule_state: '
		|| 'name text not null, '
		|| 'handled_until timestamp with time zone not null',
	'series: '
		|| 'media_id uuid not null, '
		|| 'type text not null default ''series''::text, '
		|| 'tvdb_id integer, '
		|| 'seasons integer, '
		|| 'episodes integer, '
		|| 'changed_at timestamp with time zone default clock_timestamp()',
	'series_rows: '
		|| 'id uuid, '
		|| 'title text, '
		|| 'type text, '
		|| 'external_id text, '
		|| 'status text, '
		|| 'metadata jsonb, '
		|| 'created_at timestamp with time zone, '
		|| 'updated_at timestamp with time zone, '
		|| 'tvdb_id integer, '
		|| 'seasons integer, '
		|| 'episodes integer',
	'slow_queries: '
		|| 'at timestamp with time zone, '
		|| 'duration interval, '
		|| 'role name, '
		|| 'source text, '
		|| 'query_id bigint, '
		|| 'rows bigint, '
		|| 'shared_blks_hit bigint, '
		|| 'shared_blks_read bigint, '
		|| 'shared_blks_dirtied bigint, '
		|| 'temp_blks_written bigint, '
		|| 'query text, '
		|| 'normalized_query text',
	'tracked_items: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'instance_id uuid not null, '
		|| 'kind text not null, '
		|| 'service_id bigint not null, '
		|| 'media_id uuid not null, '
		|| 'monitored boolean not null default false, '
		|| 'has_file boolean not null default false, '
		|| 'available_from timestamp with time zone not null default ''infinity''::timestamp with time zone, '
		|| 'quality_profile_id integer, '
		|| 'custom_format_score integer, '
		|| 'quality_cutoff_met boolean, '
		|| 'added_at timestamp with time zone, '
		|| 'sort_title text, '
		|| 'last_search_at timestamp with time zone, '
		|| 'search_count integer not null default 0, '
		|| 'failed_search_count integer not null default 0, '
		|| 'next_search_at timestamp with time zone, '
		|| 'payload jsonb not null default ''{}''::jsonb, '
		|| 'created_at timestamp with time zone not null default clock_timestamp(), '
		|| 'updated_at timestamp with time zone not null default clock_timestamp()',
	'webui_users: '
		|| 'id uuid not null default researcharr.uuid_v7(), '
		|| 'username text not null, '
		|| 'password_hash text not null, '
		|| 'api_key_hash text, '
		|| 'created_at timestamp with time zone not null default clock_timestamp()',
	'webui_users_masked: '
		|| 'id uuid, '
		|| 'username text, '
		|| 'password_hash text, '
		|| 'api_key_hash text, '
		|| 'created_at timestamp with time zone'
], 'columns');

SELECT results_eq($actual$
	SELECT c.relname::text COLLATE "default" || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
	WHERE k.connamespace = 'researcharr'::regnamespace AND k.contype IN ('p', 'u', 'f')
	ORDER BY (c.relname || ' ' || k.conname) COLLATE "C"
$actual$, ARRAY[
	'access_grants access_grants_pkey PRIMARY KEY (grantee)',
	'audit_log_default audit_log_default_pkey PRIMARY KEY (id)',
	'backups backups_pkey PRIMARY KEY (name)',
	'cache_entries cache_entries_pkey PRIMARY KEY (key)',
	'configuration configuration_key_key UNIQUE (key)',
	'configuration configuration_pkey PRIMARY KEY (id)',
	'episodes episodes_media_fkey FOREIGN KEY (media_id, type) REFERENCES researcharr.media(id, type) ON DELETE CASCADE',
	'episodes episodes_pkey PRIMARY KEY (media_id)',
	'episodes episodes_series_fkey FOREIGN KEY (series_id) REFERENCES researcharr.series(media_id) ON DELETE CASCADE',
	'episodes episodes_series_id_season_number_episode_number_key UNIQUE (series_id, season_number, episode_number)',
	'health_minutes health_minutes_pkey PRIMARY KEY (ended_at)',
	'instances instances_name_key UNIQUE (name)',
	'instances instances_pkey PRIMARY KEY (id)',
	'job_type_rates job_type_rates_pkey PRIMARY KEY (job_type)',
	'job_types job_types_pkey PRIMARY KEY (name)',
	'legacy_rows legacy_rows_pkey PRIMARY KEY (source_schema, source_table, source_key)',
	'media media_external_id_type_key UNIQUE (external_id, type)',
	'media media_id_type_key UNIQUE (id, type)',
	'media media_pkey PRIMARY KEY (id)',
	'movies movies_media_fkey FOREIGN KEY (media_id, type) REFERENCES researcharr.media(id, type) ON DELETE CASCADE',
	'movies movies_pkey PRIMARY KEY (media_id)',
	'processing_history_default processing_history_default_pkey PRIMARY KEY (id)',
	'processing_jobs processing_jobs_media_id_fkey FOREIGN KEY (media_id) REFERENCES researcharr.media(id) ON DELETE CASCADE',
	'processing_jobs processing_jobs_pkey PRIMARY KEY (id)',
	'queue_items queue_items_media_id_fkey FOREIGN KEY (media_id) REFERENCES researcharr.media(id) ON DELETE CASCADE',
	'queue_items queue_items_pkey PRIMARY KEY (id)',
	'restore_fence restore_fence_pkey PRIMARY KEY (only_row)',
	'retention_rules retention_rules_pkey PRIMARY KEY (target)',
	'schedule_entries schedule_entries_pkey PRIMARY KEY (name)',
	'schedule_log schedule_log_pkey PRIMARY KEY (id)',
	'schedule_state schedule_state_pkey PRIMARY KEY (name)',
	'series series_media_fkey FOREIGN KEY (media_id, type) REFERENCES researcharr.media(id, type) ON DELETE CASCADE',
	'series series_pkey PRIMARY KEY (media_id)',
	'tracked_items tracked_items_instance_id_fkey FOREIGN KEY (instance_id) REFERENCES researcharr.instances(id) ON DELETE CASCADE',
	'tracked_items tracked_items_instance_id_kind_service_id_key UNIQUE (instance_id, kind, service_id)',
	'tracked_items tracked_items_media_fkey FOREIGN KEY (media_id, kind) REFERENCES researcharr.media(id, type) ON DELETE CASCADE',
	'tracked_items tracked_items_pkey PRIMARY KEY (id)',
	'webui_users webui_users_pkey PRIMARY KEY (id)',
	'webui_users webui_users_username_key UNIQUE (username)'
], 'primary, unique and foreign keys');

SELECT results_eq($actual$
	SELECT c.relname::text COLLATE "default" || ': ' || string_agg(replace(k.conname, c.relname || '_', ''), ', ' ORDER BY k.conname COLLATE "C")
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
	WHERE k.connamespace = 'researcharr'::regnamespace AND k.contype = 'c'
	GROUP BY c.relname ORDER BY c.relname COLLATE "C"
$actual$, ARRAY[
	'access_grants: level_check',
	'backups: manifest_sha256_check, name_check',
	'cache_entries: key_check',
	'configuration: key_check, value_check, value_type_check',
	'episodes: air_date_check, episode_number_check, season_number_check, type_check',
	'instances: base_url_check, name_check, service_check, settings_check',
	'job_types: backoff_base_check, backoff_cap_check, backoff_check, jitter_check, lease_check, max_retries_check, max_running_check, max_runtime_check, name_check, priority_check, rate_check, rate_interval_check, rate_limit_check, weight_check',
	'media: external_id_check, metadata_check, status_check, title_check, type_check',
	'movies: imdb_id_check, runtime_minutes_check, tmdb_id_check, type_check, year_check',
	'processing_jobs: attempt_check, available_at_check, completed_at_check, error_message_check, job_type_check, lease_expires_at_check, max_retries_check, metadata_check, priority_check, retry_count_check, status_check, unique_key_check',
	'queue_items: metadata_check, priority_check, retry_count_check, service_check',
	'restore_fence: only_row_check',
	'retention_rules: keep_check, target_check',
	'schedule_entries: arguments_check, cron_check, name_check',
	'schedule_log: finished_at_check, reason_check, status_check',
	'series: episodes_check, seasons_check, tvdb_id_check, type_check',
	'tracked_items: failed_search_count_check, kind_check, payload_check, search_count_check, service_id_check, sort_title_check',
	'webui_users: api_key_hash_check, password_hash_check, username_check'
], 'checks');

SELECT results_eq($actual$
	SELECT replace(pg_get_indexdef(i.indexrelid), 'researcharr.', '')
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	WHERE c.relnamespace = 'researcharr'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
	ORDER BY c.relname COLLATE "C"
$actual$, ARRAY[
	'CREATE INDEX audit_log_default_entity_idx ON audit_log_default USING btree (entity_type, entity_id)',
	'CREATE INDEX cache_entries_expiry_idx ON cache_entries USING btree (expiry) WHERE (expiry IS NOT NULL)',
	'CREATE INDEX cache_entries_tags_idx ON cache_entries USING gin (tags) WHERE (tags IS NOT NULL)',
	'CREATE INDEX media_created_at_idx ON media USING btree (status, type, created_at, id)',
	'CREATE INDEX media_search_idx ON media USING gin ((((title)::search_text)::text) gin_trgm_ops) WITH (gin_pending_list_limit=''64'')',
	'CREATE INDEX media_title_idx ON media USING btree (title, type) WHERE (external_id IS NULL)',
	'CREATE INDEX media_title_trgm_idx ON media USING gin (title gin_trgm_ops)',
	'CREATE INDEX movies_imdb_id_idx ON movies USING btree (imdb_id) WHERE (imdb_id IS NOT NULL)',
	'CREATE INDEX movies_tmdb_id_idx ON movies USING btree (tmdb_id) WHERE (tmdb_id IS NOT NULL)',
	'CREATE INDEX movies_year_idx ON movies USING btree (year, media_id)',
	'CREATE INDEX processing_history_default_job_id_idx ON processing_history_default USING btree (job_id)',
	'CREATE INDEX processing_jobs_failed_idx ON processing_jobs USING btree (completed_at, id) WHERE ((completed_at IS NOT NULL) AND (error_message IS NOT NULL))',
	'CREATE INDEX processing_jobs_media_id_idx ON processing_jobs USING btree (media_id)',
	'CREATE INDEX processing_jobs_take_idx ON processing_jobs USING btree (job_type, priority DESC, available_at, id) WHERE (completed_at IS NULL)',
	'CREATE UNIQUE INDEX processing_jobs_unique_key_idx ON processing_jobs USING btree (job_type, unique_key) WHERE ((completed_at IS NULL) AND (unique_key IS NOT NULL))',
	'CREATE INDEX queue_items_media_id_idx ON queue_items USING btree (media_id)',
	'CREATE INDEX queue_items_ready_idx ON queue_items USING btree (service, priority DESC, last_processed NULLS FIRST, id) WHERE (next_retry_at IS NULL)',
	'CREATE INDEX queue_items_retry_idx ON queue_items USING btree (service, next_retry_at) WHERE (next_retry_at IS NOT NULL)',
	'CREATE INDEX schedule_log_entry_idx ON schedule_log USING btree (entry, id)',
	'CREATE UNIQUE INDEX schedule_log_open_idx ON schedule_log USING btree (entry, status) WHERE (finished_at IS NULL)',
	'CREATE INDEX series_tvdb_id_idx ON series USING btree (tvdb_id) WHERE (tvdb_id IS NOT NULL)',
	'CREATE INDEX tracked_items_added_idx ON tracked_items USING btree (instance_id, has_file, added_at DESC NULLS LAST, id, available_from) WHERE (monitored AND (kind <> ''series''::text) AND ((NOT has_file) OR (NOT quality_cutoff_met)))',
	'CREATE INDEX tracked_items_media_id_idx ON tracked_items USING btree (media_id)',
	'CREATE INDEX tracked_items_random_idx ON tracked_items USING btree (instance_id, has_file, uuid_hash(id), id, available_from) WHERE (monitored AND (kind <> ''series''::text) AND ((NOT has_file) OR (NOT quality_cutoff_met)))',
	'CREATE INDEX tracked_items_score_idx ON tracked_items USING btree (instance_id, custom_format_score NULLS FIRST, last_search_at NULLS FIRST, id) WHERE (monitored AND (kind <> ''series''::text) AND has_file AND (NOT quality_cutoff_met))',
	'CREATE INDEX tracked_items_search_idx ON tracked_items USING btree (instance_id, has_file, last_search_at NULLS FIRST, id, available_from) WHERE (monitored AND (kind <> ''series''::text) AND ((NOT has_file) OR (NOT quality_cutoff_met)))',
	'CREATE INDEX tracked_items_title_idx ON tracked_items USING btree (instance_id, has_file, sort_title, id, available_from) WHERE (monitored AND (kind <> ''series''::text) AND ((NOT has_file) OR (NOT quality_cutoff_met)))'
], 'indexes that are no keys');

SELECT * FROM finish();
ROLLBACK;
