-- library: what the instances of Radarr and Sonarr have.

CREATE TABLE researcharr.instances (
	id             uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	name           text NOT NULL,
	service        text NOT NULL,
	base_url       text,
	active         boolean NOT NULL DEFAULT true,
	settings       jsonb NOT NULL DEFAULT '{}',
	last_synced_at timestamptz,
	created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT instances_pkey PRIMARY KEY (id),
	CONSTRAINT instances_name_key UNIQUE (name),
	CONSTRAINT instances_name_check CHECK (
		char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))),
	CONSTRAINT instances_service_check CHECK (service IN ('radarr', 'sonarr')),
	CONSTRAINT instances_base_url_check CHECK (
		char_length(base_url) BETWEEN 1 AND 2000
		AND base_url ~ '^https?://[^/?#@ \t\n\r\f\v]+(/[^?# \t\n\r\f\v]*)?$'),
	CONSTRAINT instances_settings_check CHECK (researcharr.metadata_is_valid(settings)
		AND (NOT settings ? 'removed_media'
			OR settings ->> 'removed_media' IN ('keep', 'delete', 'delete_with_jobs')) IS TRUE)
);
COMMENT ON TABLE researcharr.instances IS 'the Radarrs and Sonarrs that the application talks to';
COMMENT ON COLUMN researcharr.instances.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.instances.name IS '1 to 100 characters, no white space at its ends; unique';
COMMENT ON COLUMN researcharr.instances.service IS 'radarr or sonarr';
COMMENT ON COLUMN researcharr.instances.base_url IS 'where it answers: http or https, without a user, a password or a query';
COMMENT ON COLUMN researcharr.instances.active IS 'whether the application uses it';
COMMENT ON COLUMN researcharr.instances.settings
IS 'removed_media: keep, delete or delete_with_jobs, for media that no instance tracks any more; other members are the application''s; no API keys, at most the name of a secret setting';
COMMENT ON COLUMN researcharr.instances.last_synced_at IS 'when it was last synchronized; NULL for never; does not advance updated_at';
COMMENT ON COLUMN researcharr.instances.created_at IS 'when the row was made';
COMMENT ON COLUMN researcharr.instances.updated_at IS 'when the row was last changed; strictly increasing';

CREATE TABLE researcharr.tracked_items (
	id                  uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	instance_id         uuid NOT NULL,
	kind                text NOT NULL,
	service_id          bigint NOT NULL,
	media_id            uuid NOT NULL,
	monitored           boolean NOT NULL DEFAULT false,
	has_file            boolean NOT NULL DEFAULT false,
	available_from      timestamptz NOT NULL DEFAULT 'infinity',
	quality_profile_id  int,
	custom_format_score int,
	quality_cutoff_met  boolean,
	added_at            timestamptz,
	sort_title          text,
	last_search_at      timestamptz,
	search_count        int NOT NULL DEFAULT 0,
	failed_search_count int NOT NULL DEFAULT 0,
	next_search_at      timestamptz,
	payload             jsonb NOT NULL DEFAULT '{}',
	created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT tracked_items_pkey PRIMARY KEY (id),
	CONSTRAINT tracked_items_instance_id_kind_service_id_key UNIQUE (instance_id, kind, service_id),
	CONSTRAINT tracked_items_instance_id_fkey FOREIGN KEY (instance_id)
		REFERENCES researcharr.instances (id) ON DELETE CASCADE,
	CONSTRAINT tracked_items_media_fkey FOREIGN KEY (media_id, kind)
		REFERENCES researcharr.media (id, type) ON DELETE CASCADE,
	CONSTRAINT tracked_items_kind_check CHECK (kind IN ('movie', 'series', 'episode')),
	CONSTRAINT tracked_items_service_id_check CHECK (service_id > 0),
	CONSTRAINT tracked_items_sort_title_check CHECK (char_length(sort_title) <= 500),
	CONSTRAINT tracked_items_search_count_check CHECK (search_count >= 0),
	CONSTRAINT tracked_items_failed_search_count_check CHECK (failed_search_count >= 0),
	CONSTRAINT tracked_items_payload_check CHECK (researcharr.metadata_is_valid(payload))
);
COMMENT ON TABLE researcharr.tracked_items IS 'one row for each movie, series and episode of each instance';
COMMENT ON COLUMN researcharr.tracked_items.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.tracked_items.instance_id IS 'the instance that has it';
COMMENT ON COLUMN researcharr.tracked_items.kind IS 'movie, series or episode: the media row''s type';
COMMENT ON COLUMN researcharr.tracked_items.service_id IS 'the instance''s own id of it';
COMMENT ON COLUMN researcharr.tracked_items.media_id IS 'the media row that it stands for';
COMMENT ON COLUMN researcharr.tracked_items.monitored IS 'whether the instance looks for it; for an episode, its season and series must be monitored too';
COMMENT ON COLUMN researcharr.tracked_items.has_file IS 'whether the instance has a file of it';
COMMENT ON COLUMN researcharr.tracked_items.available_from
IS 'from when it can be found: an episode''s air time; -infinity for a movie that the service calls available, else its earliest release; infinity where unknown';
COMMENT ON COLUMN researcharr.tracked_items.quality_profile_id IS 'the instance''s quality profile; an episode has its series''';
COMMENT ON COLUMN researcharr.tracked_items.custom_format_score IS 'the score of its file; NULL where unknown';
COMMENT ON COLUMN researcharr.tracked_items.quality_cutoff_met IS 'whether its file is as good as the profile asks; NULL where unknown';
COMMENT ON COLUMN researcharr.tracked_items.added_at IS 'when the instance got it; NULL where unknown';
COMMENT ON COLUMN researcharr.tracked_items.sort_title
IS 'what the alphabetical order goes by, at most 500 characters: the service''s sortTitle, or else its title, in lower case; an episode has its series'', with its season and number';
COMMENT ON COLUMN researcharr.tracked_items.last_search_at IS 'when it was last searched; NULL for never';
COMMENT ON COLUMN researcharr.tracked_items.search_count IS 'how often it was searched';
COMMENT ON COLUMN researcharr.tracked_items.failed_search_count IS 'how many searches failed since the last success';
COMMENT ON COLUMN researcharr.tracked_items.next_search_at IS 'no search before this; NULL for at once';
COMMENT ON COLUMN researcharr.tracked_items.payload IS 'the object as the instance last sent it, at most 1 MB as text';
COMMENT ON COLUMN researcharr.tracked_items.created_at IS 'when the row was made';
COMMENT ON COLUMN researcharr.tracked_items.updated_at IS 'when the row was last changed; strictly increasing';

CREATE INDEX tracked_items_media_id_idx ON researcharr.tracked_items (media_id);
COMMENT ON INDEX researcharr.tracked_items_media_id_idx IS 'for the foreign key';
-- Of what is wanted, each order has an index.  available_from is last, so that what is
-- not available yet is skipped within the index.
CREATE INDEX tracked_items_search_idx
	ON researcharr.tracked_items (instance_id, has_file, last_search_at NULLS FIRST, id, available_from)
	WHERE monitored AND kind <> 'series' AND (NOT has_file OR NOT quality_cutoff_met);
COMMENT ON INDEX researcharr.tracked_items_search_idx IS 'what is wanted, the oldest search first';
CREATE INDEX tracked_items_added_idx
	ON researcharr.tracked_items (instance_id, has_file, added_at DESC NULLS LAST, id, available_from)
	WHERE monitored AND kind <> 'series' AND (NOT has_file OR NOT quality_cutoff_met);
COMMENT ON INDEX researcharr.tracked_items_added_idx IS 'what is wanted, the newest first';
CREATE INDEX tracked_items_score_idx
	ON researcharr.tracked_items (instance_id, custom_format_score NULLS FIRST, last_search_at NULLS FIRST, id)
	WHERE monitored AND kind <> 'series' AND has_file AND NOT quality_cutoff_met;
COMMENT ON INDEX researcharr.tracked_items_score_idx IS 'what has a file below its cutoff, the lowest score first';
CREATE INDEX tracked_items_random_idx
	ON researcharr.tracked_items (instance_id, has_file, uuid_hash(id), id, available_from)
	WHERE monitored AND kind <> 'series' AND (NOT has_file OR NOT quality_cutoff_met);
COMMENT ON INDEX researcharr.tracked_items_random_idx IS 'what is wanted, from a random point on';
CREATE INDEX tracked_items_title_idx
	ON researcharr.tracked_items (instance_id, has_file, sort_title, id, available_from)
	WHERE monitored AND kind <> 'series' AND (NOT has_file OR NOT quality_cutoff_met);
COMMENT ON INDEX researcharr.tracked_items_title_idx IS 'what is wanted, in alphabetical order';

-- A synchronization alone does not count as a change of the instance.
CREATE TRIGGER researcharr_updated_at BEFORE UPDATE ON researcharr.instances
	FOR EACH ROW WHEN (old.last_synced_at IS NOT DISTINCT FROM new.last_synced_at
		OR (old.name, old.service, old.base_url, old.active, old.settings)
			IS DISTINCT FROM (new.name, new.service, new.base_url, new.active, new.settings))
	EXECUTE FUNCTION researcharr.updated_at_advance();
CREATE TRIGGER researcharr_updated_at BEFORE UPDATE ON researcharr.tracked_items
	FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance();
ALTER TABLE researcharr.instances ENABLE ALWAYS TRIGGER researcharr_updated_at;
ALTER TABLE researcharr.tracked_items ENABLE ALWAYS TRIGGER researcharr_updated_at;
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.instances IS 'keeps updated_at';
COMMENT ON TRIGGER researcharr_updated_at ON researcharr.tracked_items IS 'keeps updated_at';
-- AFTER triggers fire in order of name: this one before that of the foreign key (RI_...).
CREATE TRIGGER "A_researcharr_lock_parts" AFTER DELETE ON researcharr.instances
	REFERENCING OLD TABLE AS old_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.media_delete_lock();
COMMENT ON TRIGGER "A_researcharr_lock_parts" ON researcharr.instances IS 'locks what an instance tracks in the right order';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.instances
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('instance', 'key', 'id', 'ignore', 'updated_at', 'ignore', 'last_synced_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.instances
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('instance', 'key', 'id', 'ignore', 'updated_at', 'ignore', 'last_synced_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.instances
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('instance', 'key', 'id', 'ignore', 'updated_at', 'ignore', 'last_synced_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.instances
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('instance', 'key', 'id', 'ignore', 'updated_at', 'ignore', 'last_synced_at');
ALTER TABLE researcharr.instances ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.instances ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.instances ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.instances ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.instances IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.instances IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.instances IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.instances IS 'all rows gone';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.tracked_items
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('tracked_item', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.tracked_items
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('tracked_item', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.tracked_items
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('tracked_item', 'key', 'id', 'ignore', 'updated_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.tracked_items
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('tracked_item', 'key', 'id', 'ignore', 'updated_at');
ALTER TABLE researcharr.tracked_items ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.tracked_items ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.tracked_items ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.tracked_items ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.tracked_items IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.tracked_items IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.tracked_items IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.tracked_items IS 'all rows gone';

-- instance

CREATE FUNCTION researcharr.instance_get_by_id(id uuid)
RETURNS SETOF researcharr.instances LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.instance_get_by_id(uuid)
IS 'an instance by its id, or no row';

CREATE FUNCTION researcharr.instance_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.instances LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.instance_get_all(jsonb, bigint, bigint, text)
IS 'the instances that pass the filters';

CREATE FUNCTION researcharr.instance_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.instance_count(jsonb)
IS 'how many instances pass the filters';

CREATE FUNCTION researcharr.instance_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.instance_exists(uuid)
IS 'whether there is an instance of this id';

CREATE FUNCTION researcharr.instance_create(entity jsonb)
RETURNS researcharr.instances LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.instance_create(jsonb)
IS 'makes an instance of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.instance_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.instances LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.instance_update(uuid, jsonb, timestamptz)
IS 'changes an instance; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.instance_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.instance_delete(uuid)
IS 'deletes an instance and its tracked items; false where there is none';

CREATE FUNCTION researcharr.instance_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.instance_validate(jsonb)
IS 'every violation for which instance_create would refuse the object; no row where it is valid';

-- tracked_item

CREATE FUNCTION researcharr.tracked_item_get_by_id(id uuid)
RETURNS SETOF researcharr.tracked_items LANGUAGE C STABLE ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_get_by_id';
COMMENT ON FUNCTION researcharr.tracked_item_get_by_id(uuid)
IS 'a tracked item by its id, or no row';

CREATE FUNCTION researcharr.tracked_item_get_all(filters jsonb DEFAULT '{}', "limit" bigint DEFAULT NULL,
	"offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.tracked_items LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_get_all';
COMMENT ON FUNCTION researcharr.tracked_item_get_all(jsonb, bigint, bigint, text)
IS 'the tracked items that pass the filters';

CREATE FUNCTION researcharr.tracked_item_count(filters jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_count';
COMMENT ON FUNCTION researcharr.tracked_item_count(jsonb)
IS 'how many tracked items pass the filters';

CREATE FUNCTION researcharr.tracked_item_exists(id uuid)
RETURNS boolean LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_entity_exists';
COMMENT ON FUNCTION researcharr.tracked_item_exists(uuid)
IS 'whether there is a tracked item of this id';

CREATE FUNCTION researcharr.tracked_item_create(entity jsonb)
RETURNS researcharr.tracked_items LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_create';
COMMENT ON FUNCTION researcharr.tracked_item_create(jsonb)
IS 'makes a tracked item of an object keyed by column; returns the row';

CREATE FUNCTION researcharr.tracked_item_update(id uuid, changes jsonb, expected_updated_at timestamptz DEFAULT NULL)
RETURNS SETOF researcharr.tracked_items LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_entity_update';
COMMENT ON FUNCTION researcharr.tracked_item_update(uuid, jsonb, timestamptz)
IS 'changes a tracked item; no row where there is none, 40001 where it has changed since expected_updated_at';

CREATE FUNCTION researcharr.tracked_item_delete(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_entity_delete';
COMMENT ON FUNCTION researcharr.tracked_item_delete(uuid)
IS 'deletes a tracked item; false where there is none';

CREATE FUNCTION researcharr.tracked_item_validate(entity jsonb, OUT field text, OUT code text, OUT message text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_entity_validate';
COMMENT ON FUNCTION researcharr.tracked_item_validate(jsonb)
IS 'every violation for which tracked_item_create would refuse the object; no row where it is valid';

-- synchronization

CREATE FUNCTION researcharr.media_sync_radarr(instance text, movies jsonb, complete boolean DEFAULT false,
	max_removed real DEFAULT 0.2, OUT created int, OUT updated int, OUT unchanged int, OUT moved int, OUT removed int,
	OUT failed int, OUT warnings jsonb, OUT errors jsonb)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_sync_radarr';
COMMENT ON FUNCTION researcharr.media_sync_radarr(text, jsonb, boolean, real)
IS 'brings what Radarr''s GET /api/v3/movie answers into the library; with complete, what is absent is not tracked any more';

CREATE FUNCTION researcharr.media_sync_sonarr(instance text, series jsonb, episodes jsonb, complete boolean DEFAULT false,
	max_removed real DEFAULT 0.2, OUT created int, OUT updated int, OUT unchanged int, OUT moved int, OUT removed int,
	OUT failed int, OUT warnings jsonb, OUT errors jsonb)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_sync_sonarr';
COMMENT ON FUNCTION researcharr.media_sync_sonarr(text, jsonb, jsonb, boolean, real)
IS 'brings what Sonarr''s GET /api/v3/series and /api/v3/episode answer into the library; with complete, what is absent is not tracked any more';

-- tables whose rows pg_dump dumps

SELECT pg_catalog.pg_extension_config_dump('researcharr.instances', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.tracked_items', '');
