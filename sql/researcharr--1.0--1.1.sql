\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.1'" to load this file. \quit

-- 1.1: the agenda.

SET LOCAL search_path = pg_catalog, pg_temp;

-- The guard of jobs also hears of what is deleted and truncated.
CREATE OR REPLACE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.processing_jobs
	FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_guard();
CREATE TRIGGER zz_researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_guard();
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard_truncate;
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.processing_jobs IS 'known job types, updated_at, no forgery; the agenda''s notes';
COMMENT ON TRIGGER zz_researcharr_guard_truncate ON researcharr.processing_jobs IS 'the agenda''s notes';
COMMENT ON FUNCTION researcharr.processing_jobs_guard()
IS 'trigger: plain DML names known job types only, keeps updated_at, and does not forge what the functions keep; the agenda hears of it';

CREATE FUNCTION researcharr.agenda_status(OUT job_type text, OUT priority int, OUT available_at timestamptz,
	OUT id uuid, OUT due boolean, OUT next_lapse timestamptz, OUT raised bigint, OUT refused bigint,
	OUT verified_at timestamptz, OUT found bigint)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_agenda_status';
COMMENT ON FUNCTION researcharr.agenda_status()
IS 'what the agenda knows of this database''s jobs: for each type and priority, the place before which none can be handed out';
REVOKE ALL ON FUNCTION researcharr.agenda_status() FROM PUBLIC;
