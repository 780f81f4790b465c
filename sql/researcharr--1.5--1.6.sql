\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.6'" to load this file. \quit

-- 1.6: deadlocks, clocks, races, and what workers missed.

SET LOCAL search_path = pg_catalog, pg_temp;

-- pg_trgm may have been changed since 1.5.

CREATE FUNCTION researcharr.check_trgm() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_check_trgm';
SELECT researcharr.check_trgm();
DROP FUNCTION researcharr.check_trgm();

-- The index that media_search uses.  Writers of media wait while it is made,
-- unless an index of this name is there already: a large library gets it
-- before, by CREATE INDEX CONCURRENTLY in version 1.5, which has the type.  The
-- queue goes on: nothing before this locks processing_jobs.  The operator class
-- is where pg_trgm is.  Only superusers can make operator classes, and the
-- check sees to it that it is pg_trgm's.  A search scans the index up to some
-- 400 times, and each time the whole list of pending entries, so that this is
-- kept short.
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

COMMENT ON INDEX researcharr.media_title_trgm_idx IS 'for like, ilike and contains on titles';
COMMENT ON FUNCTION researcharr.media_search(text, text)
IS 'media whose titles are like the query, but for case, diacritics, punctuation and slips, the best 1000 of each kind: equal ones first, then those that begin with it, then by whole words and similarity';

-- many jobs in one call

CREATE FUNCTION researcharr.job_heartbeat_many(ids uuid[], attempts int[], lease interval DEFAULT NULL,
	OUT id uuid, OUT lease_expires_at timestamptz)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_heartbeat_many';
COMMENT ON FUNCTION researcharr.job_heartbeat_many(uuid[], int[], interval)
IS 'renews the leases of many jobs; lease_expires_at is NULL for those not running under their attempt';
REVOKE ALL ON FUNCTION researcharr.job_heartbeat_many(uuid[], int[], interval) FROM PUBLIC;

CREATE FUNCTION researcharr.job_release_many(ids uuid[], attempts int[], delay interval DEFAULT NULL,
	OUT id uuid, OUT released boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_release_many';
COMMENT ON FUNCTION researcharr.job_release_many(uuid[], int[], interval)
IS 'gives many jobs back, untried; released is false for those not running under their attempt';
REVOKE ALL ON FUNCTION researcharr.job_release_many(uuid[], int[], interval) FROM PUBLIC;

CREATE FUNCTION researcharr.job_fail_many(ids uuid[], attempts int[], errors text[], retry_in interval DEFAULT NULL,
	retry boolean DEFAULT true, OUT id uuid, OUT status text)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_fail_many';
COMMENT ON FUNCTION researcharr.job_fail_many(uuid[], int[], text[], interval, boolean)
IS 'ends many attempts, each with an error, as job_fail does; status is the new one, NULL for jobs not running under their attempt';
REVOKE ALL ON FUNCTION researcharr.job_fail_many(uuid[], int[], text[], interval, boolean) FROM PUBLIC;

CREATE FUNCTION researcharr.job_cancel_many(ids uuid[], OUT id uuid, OUT cancelled boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_cancel_many';
COMMENT ON FUNCTION researcharr.job_cancel_many(uuid[])
IS 'cancels many queued or running jobs; cancelled is false for those that are finished or absent';
REVOKE ALL ON FUNCTION researcharr.job_cancel_many(uuid[]) FROM PUBLIC;

CREATE FUNCTION researcharr.job_retry_many(ids uuid[], OUT id uuid, OUT retried boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_retry_many';
COMMENT ON FUNCTION researcharr.job_retry_many(uuid[])
IS 'queues many failed or cancelled jobs again; retried is false for any other, and where an unfinished job has the unique key';
REVOKE ALL ON FUNCTION researcharr.job_retry_many(uuid[]) FROM PUBLIC;

CREATE FUNCTION researcharr.job_cancel_all(filters jsonb, "limit" int DEFAULT 10000)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_cancel_all';
COMMENT ON FUNCTION researcharr.job_cancel_all(jsonb, int)
IS 'cancels up to "limit" (1 to 10000) queued or running jobs that pass the filters; how many: repeat until 0';
REVOKE ALL ON FUNCTION researcharr.job_cancel_all(jsonb, int) FROM PUBLIC;

CREATE FUNCTION researcharr.job_retry_all(filters jsonb, "limit" int DEFAULT 10000)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_retry_all';
COMMENT ON FUNCTION researcharr.job_retry_all(jsonb, int)
IS 'queues up to "limit" (1 to 10000) failed or cancelled jobs that pass the filters again; how many: repeat until 0';
REVOKE ALL ON FUNCTION researcharr.job_retry_all(jsonb, int) FROM PUBLIC;

-- Deletes lock rows in the order that everybody keeps to.  An episode's row no longer takes its media
-- row along; a series takes its episodes' along.  Tables are locked in the order of transactions that
-- write to them: media first.
CREATE FUNCTION researcharr.media_delete_lock()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_delete_lock';
COMMENT ON FUNCTION researcharr.media_delete_lock()
IS 'trigger: locks what goes along with deleted media, in the order that everybody keeps to';
REVOKE ALL ON FUNCTION researcharr.media_delete_lock() FROM PUBLIC;
COMMENT ON FUNCTION researcharr.episode_media_delete()
IS 'trigger: a series takes the media rows of its episodes along, however it is deleted';
COMMENT ON TABLE researcharr.episodes IS 'what only episodes have; deleting a series deletes the media rows of its episodes';
CREATE TRIGGER researcharr_lock_series BEFORE DELETE ON researcharr.media
	FOR EACH ROW WHEN (old.type = 'series') EXECUTE FUNCTION researcharr.media_delete_lock();
-- AFTER triggers fire in the order of their names, too: before the foreign keys', which begin with RI_.
CREATE TRIGGER "A_researcharr_lock_parts" AFTER DELETE ON researcharr.media
	REFERENCING OLD TABLE AS old_rows
	FOR EACH ROW EXECUTE FUNCTION researcharr.media_delete_lock();
CREATE TRIGGER researcharr_media_delete BEFORE DELETE ON researcharr.series
	FOR EACH ROW EXECUTE FUNCTION researcharr.episode_media_delete();
CREATE TRIGGER researcharr_media_truncate BEFORE TRUNCATE ON researcharr.series
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.episode_media_delete();
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_media_delete;
ALTER TABLE researcharr.series ENABLE ALWAYS TRIGGER researcharr_media_truncate;
COMMENT ON TRIGGER researcharr_lock_series ON researcharr.media IS 'locks a series and its episodes in the right order';
COMMENT ON TRIGGER "A_researcharr_lock_parts" ON researcharr.media IS 'locks jobs, and what else goes along, in the right order';
COMMENT ON TRIGGER researcharr_media_delete ON researcharr.series IS 'a series takes its episodes'' media rows along';
COMMENT ON TRIGGER researcharr_media_truncate ON researcharr.series IS 'a series takes its episodes'' media rows along';
DROP TRIGGER researcharr_media_delete ON researcharr.episodes;
DROP TRIGGER researcharr_media_truncate ON researcharr.episodes;

-- job_dequeue_wait: its result needs no argument any more.

CREATE OR REPLACE PROCEDURE researcharr.job_dequeue_wait(INOUT jobs jsonb DEFAULT NULL, job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1,
	lease interval DEFAULT NULL, worker text DEFAULT NULL, timeout interval DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_dequeue_wait';

-- Statements that lock processing_jobs come after all others: workers wait from
-- the first of them until the update's transaction ends.

-- Keep this last.  It revokes what default privileges grant on the objects that
-- this script makes, from everybody but their owner.

CREATE FUNCTION researcharr.revoke_default_privileges(fresh boolean) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'researcharr_revoke_default_privileges';
SELECT researcharr.revoke_default_privileges(false);
DROP FUNCTION researcharr.revoke_default_privileges(boolean);
