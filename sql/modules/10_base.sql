-- base: ids, and the trigger that protects logs.

CREATE FUNCTION researcharr.uuid_v7() RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'researcharr_uuid_v7';
COMMENT ON FUNCTION researcharr.uuid_v7() IS
	'makes a new UUID of version 7, which sorts by the time it was made';

-- Logs are append-only, and only the extension appends to them.

CREATE FUNCTION researcharr.log_guard() RETURNS trigger
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'researcharr_log_guard';
COMMENT ON FUNCTION researcharr.log_guard() IS
	'trigger: turns DML on a log away, but for the table''s owner and superusers';
