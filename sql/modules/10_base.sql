-- What everything stands on: ids.

CREATE FUNCTION researcharr.uuid_v7() RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'researcharr_uuid_v7';
COMMENT ON FUNCTION researcharr.uuid_v7() IS
	'makes a new UUID of version 7, which sorts by the time it was made';
