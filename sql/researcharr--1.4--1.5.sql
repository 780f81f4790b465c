\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.5'" to load this file. \quit

-- 1.5: hardening. No crash, no escalation of privileges, no blocked queue.

SET LOCAL search_path = pg_catalog, pg_temp;

-- pg_trgm may exist already, too: an old version, or one whose owner could drop
-- it, and the extension with it.

CREATE FUNCTION researcharr.check_trgm() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_trgm';
SELECT researcharr.check_trgm();
DROP FUNCTION researcharr.check_trgm();

-- Titles as media_search compares them.  A type, because casting to one takes
-- no privilege: an index's expression is evaluated as whoever writes the row.

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

-- Flat rows are read with the privileges, and under the row security, of who reads them.
ALTER VIEW researcharr.movie_rows SET (security_invoker = true);
ALTER VIEW researcharr.series_rows SET (security_invoker = true);
ALTER VIEW researcharr.episode_rows SET (security_invoker = true);

-- Secrets stay out of messages, and out of the reach of who may change settings.
CREATE FUNCTION researcharr.secret_guard()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_secret_guard';
COMMENT ON FUNCTION researcharr.secret_guard()
IS 'trigger: others than the owner do not learn secrets by changing a setting, and no message shows a row with one';
REVOKE ALL ON FUNCTION researcharr.secret_guard() FROM PUBLIC;
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE ON researcharr.configuration
	FOR EACH ROW EXECUTE FUNCTION researcharr.secret_guard();
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE ON researcharr.webui_users
	FOR EACH ROW EXECUTE FUNCTION researcharr.secret_guard();
ALTER TABLE researcharr.configuration ENABLE ALWAYS TRIGGER zz_researcharr_guard;
ALTER TABLE researcharr.webui_users ENABLE ALWAYS TRIGGER zz_researcharr_guard;
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.configuration IS 'secrets stay secret';
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.webui_users IS 'hashes stay out of messages';

-- Who did it.
COMMENT ON COLUMN researcharr.processing_history.details
IS 'from (the old status), attempt, worker, error; claimed_at and ended_at where an attempt ended; by (session_user, role, user_id) where an operator did it';
ALTER TABLE researcharr.audit_log ADD COLUMN acting_role text;
COMMENT ON COLUMN researcharr.audit_log.acting_role
IS 'the current role: that of SET ROLE, or a SECURITY DEFINER function''s owner; NULL in rows from before version 1.5';

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Limits of what a worker writes.  The functions and the guard check them.
COMMENT ON COLUMN researcharr.processing_jobs.error_message IS 'what the last failed attempt said, at most 64 kB';
COMMENT ON COLUMN researcharr.processing_jobs.worker IS 'who claimed it last, in its own words, at most 255 characters';
COMMENT ON COLUMN researcharr.processing_jobs.result IS 'what the worker returned, at most 1 MB as text';

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
