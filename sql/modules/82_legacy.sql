-- legacy: the data of the old application.

CREATE TABLE researcharr.legacy_rows (
	source_schema text NOT NULL,
	source_table  text NOT NULL,
	source_key    text NOT NULL,
	data          jsonb NOT NULL,
	problem       text NOT NULL,
	tried_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT legacy_rows_pkey PRIMARY KEY (source_schema, source_table, source_key)
);
COMMENT ON TABLE researcharr.legacy_rows IS 'rows of the old application that legacy_adopt could not adopt yet';
COMMENT ON COLUMN researcharr.legacy_rows.source_schema IS 'the schema from which it came';
COMMENT ON COLUMN researcharr.legacy_rows.source_table IS 'the old application''s table';
COMMENT ON COLUMN researcharr.legacy_rows.source_key IS 'the row''s key in it';
COMMENT ON COLUMN researcharr.legacy_rows.data IS 'the row, without secrets';
COMMENT ON COLUMN researcharr.legacy_rows.problem IS 'why it could not be adopted';
COMMENT ON COLUMN researcharr.legacy_rows.tried_at IS 'when it was last tried';

CREATE FUNCTION researcharr.legacy_adopt(source_schema text DEFAULT NULL,
	OUT source_table text, OUT found bigint, OUT adopted bigint, OUT unchanged bigint, OUT kept bigint, OUT problems jsonb)
RETURNS SETOF record LANGUAGE C ROWS 8 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS 'MODULE_PATHNAME', 'researcharr_legacy_adopt';
COMMENT ON FUNCTION researcharr.legacy_adopt(text)
IS 'adopts the old application''s tables in a schema, and what was kept before; a row for each table, with up to 100 problems';

CREATE FUNCTION researcharr.legacy_finish(discard boolean DEFAULT false)
RETURNS int LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_legacy_finish';
COMMENT ON FUNCTION researcharr.legacy_finish(boolean)
IS 'drops the views radarr_queue and sonarr_queue that legacy_adopt made; refused while rows are kept, unless they are to be discarded';

CREATE FUNCTION researcharr.legacy_queue_write()
RETURNS trigger LANGUAGE C SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'researcharr_legacy_queue_write';
COMMENT ON FUNCTION researcharr.legacy_queue_write()
IS 'trigger: writes what is written to radarr_queue and sonarr_queue to tracked_items';

SELECT pg_catalog.pg_extension_config_dump('researcharr.legacy_rows', '');
