-- The settings researcharr.*: defaults, who may set them, bad values.

-- the library brings them
LOAD 'researcharr';
SELECT name, boot_val, vartype, context FROM pg_settings
 WHERE name LIKE 'researcharr.%' AND context <> 'postmaster' ORDER BY name COLLATE "C";

-- every one is described
SELECT name FROM pg_settings
 WHERE name LIKE 'researcharr.%' AND short_desc NOT LIKE '%.';

-- the user's id: any short text on one line
SET researcharr.user_id = 'anna@example.org';
SHOW researcharr.user_id;
SET researcharr.user_id = 'Zoë ''; DROP TABLE media; --';
SHOW researcharr.user_id;
SELECT set_config('researcharr.user_id', repeat('x', 255), false)
       = repeat('x', 255) AS longest;
-- longer ones are refused (the message quotes them: only the rest is shown)
CREATE FUNCTION pg_temp.refused(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    PERFORM set_config('researcharr.user_id', value, false);
    RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, detail, hint);
END $$;
SELECT pg_temp.refused(repeat('x', 256));
SELECT pg_temp.refused(repeat('ë', 128));
SELECT pg_temp.refused(repeat('x', 10240));
SET researcharr.user_id = E'two\nlines';
SET researcharr.user_id = E'tab\t';
SET researcharr.user_id = E'\x7f';
-- after all that, the last good one
SELECT length(current_setting('researcharr.user_id'));
RESET researcharr.user_id;
SHOW researcharr.user_id;

-- auditing: for superusers to turn off
SET researcharr.audit = 'perhaps';
SET researcharr.audit = off;
RESET researcharr.audit;
CREATE ROLE regress_stranger;
SET ROLE regress_stranger;
SET researcharr.audit = off;
SET researcharr.user_id = 'anybody may';
RESET ROLE;
RESET researcharr.user_id;
DROP ROLE regress_stranger;

-- no misspelt ones
SET researcharr.no_such_setting = 1;
