-- audit: the log of all other changes of data.

-- As in the history, each partition has its own primary key and index.  The keys of
-- the second index use the collation "C", which is much cheaper to compare.

CREATE TABLE researcharr.audit_log (
	id             uuid NOT NULL,
	entity_type    text COLLATE "C" NOT NULL,
	entity_id      text COLLATE "C",
	action         text NOT NULL,
	user_id        text,
	changes        jsonb NOT NULL,
	"timestamp"    timestamptz NOT NULL,
	database_user  text NOT NULL,
	transaction_id xid8 NOT NULL,
	acting_role    text
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
IS 'by column name, changed columns only: {"old": …, "new": …}; of JSON objects the changed members only, with "partial": true; a create has only new and a delete only old values, where not NULL; secrets are ***';
COMMENT ON COLUMN researcharr.audit_log."timestamp" IS 'when the statement''s changes were put on record, by the clock';
COMMENT ON COLUMN researcharr.audit_log.database_user IS 'the session user: the role that had logged in';
COMMENT ON COLUMN researcharr.audit_log.transaction_id IS 'the transaction; of this cluster, so without a meaning after a restore into another';
COMMENT ON COLUMN researcharr.audit_log.acting_role
IS 'the current role: that of SET ROLE, or a SECURITY DEFINER function''s owner; NULL in rows from before version 1.5';

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

-- The arguments of the trigger function are the entity type and then pairs of a
-- keyword and a column:
--   key     the column identifies a row
--   ignore  the column is not compared
--   mask    its values are shown as ***
--   if      follows mask: only in rows where this column is true
--   only    only updates of such columns are logged
-- All columns but those of ignore must exist.

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
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.movies
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.movies
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('movie', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
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
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.series
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('series', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
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
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.episodes
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.episodes
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('episode', 'key', 'media_id', 'ignore', 'type', 'ignore', 'changed_at');
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

-- For jobs, only deletes and updates of user-changeable columns by plain DML are
-- logged here; everything else is in the history.

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

-- tables whose rows pg_dump dumps

SELECT pg_catalog.pg_extension_config_dump('researcharr.audit_log_default', '');
