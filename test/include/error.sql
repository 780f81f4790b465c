\set ECHO none
-- error.sql: what a statement raises, as a row: for SQL tests that include this
-- file.
CREATE FUNCTION pg_temp.error_detail(query text)
RETURNS TABLE (sqlstate text, message text, detail text) LANGUAGE plpgsql AS $$
DECLARE
    said text;
    more text;
BEGIN
    EXECUTE query;
    RETURN QUERY SELECT 'none', 'no error', '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL;
    RETURN QUERY SELECT SQLSTATE, said, more;
END $$;
CREATE FUNCTION pg_temp.error(query text)
RETURNS TABLE (sqlstate text, message text) LANGUAGE sql AS
$$ SELECT sqlstate, message FROM pg_temp.error_detail(query) $$;
\set ECHO all
