-- history: the log of what happened to jobs.

-- Each partition has its own primary key and index; the log itself has none.
-- Otherwise attaching a partition would create them.  A restore attaches first and
-- creates the dumped ones afterwards, and would fail at the second primary key.

CREATE TABLE researcharr.processing_history (
	id          uuid NOT NULL,
	job_id      uuid NOT NULL,
	media_id    uuid NOT NULL,
	action      text NOT NULL,
	status      text,
	details     jsonb NOT NULL,
	"timestamp" timestamptz NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE researcharr.processing_history
IS 'append-only: a row for each ended attempt and each other change of a job''s status; outlives jobs and media';
COMMENT ON COLUMN researcharr.processing_history.id IS 'UUID version 7: when the row was made; the partition key';
COMMENT ON COLUMN researcharr.processing_history.job_id IS 'the job, which may be gone';
COMMENT ON COLUMN researcharr.processing_history.media_id IS 'the job''s media, which may be gone';
COMMENT ON COLUMN researcharr.processing_history.action
IS 'completed, retried, failed, lapsed, released, cancelled, requeued, marked_completed, deleted or adopted';
COMMENT ON COLUMN researcharr.processing_history.status IS 'the job''s new status; NULL for deleted';
COMMENT ON COLUMN researcharr.processing_history.details
IS 'from (the old status), attempt, worker, error, note; claimed_at and ended_at where an attempt ended; by (session_user, role, user_id) where an operator did it';
COMMENT ON COLUMN researcharr.processing_history."timestamp" IS 'when it happened, by the clock';

CREATE TABLE researcharr.processing_history_default PARTITION OF researcharr.processing_history (
	CONSTRAINT processing_history_default_pkey PRIMARY KEY (id)
) DEFAULT;
COMMENT ON TABLE researcharr.processing_history_default IS 'what no other partition holds';
CREATE INDEX processing_history_default_job_id_idx ON researcharr.processing_history_default (job_id);
COMMENT ON INDEX researcharr.processing_history_default_job_id_idx IS 'a job''s history';

-- A row trigger is cloned to every partition, a TRUNCATE trigger is not.
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.processing_history
	FOR EACH ROW EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_history
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_history_default
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard();
ALTER TABLE researcharr.processing_history ENABLE ALWAYS TRIGGER researcharr_guard;
ALTER TABLE researcharr.processing_history ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
ALTER TABLE researcharr.processing_history_default ENABLE ALWAYS TRIGGER researcharr_guard_truncate;
COMMENT ON TRIGGER researcharr_guard ON researcharr.processing_history IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.processing_history IS 'append-only';
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.processing_history_default IS 'append-only';

-- changes that are not made by the extension's functions

CREATE FUNCTION researcharr.processing_jobs_history()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_processing_jobs_history';
COMMENT ON FUNCTION researcharr.processing_jobs_history()
IS 'trigger: puts what plain DML, cascades and TRUNCATE do to jobs on record in processing_history';
CREATE TRIGGER researcharr_history_update AFTER UPDATE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
CREATE TRIGGER researcharr_history_delete AFTER DELETE ON researcharr.processing_jobs
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
CREATE TRIGGER researcharr_history_truncate BEFORE TRUNCATE ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_history();
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_update;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_delete;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER researcharr_history_truncate;
COMMENT ON TRIGGER researcharr_history_update ON researcharr.processing_jobs IS 'changes of status by plain DML';
COMMENT ON TRIGGER researcharr_history_delete ON researcharr.processing_jobs IS 'deleted jobs, by DELETE or a cascade';
COMMENT ON TRIGGER researcharr_history_truncate ON researcharr.processing_jobs IS 'truncated jobs, one by one';

-- tables whose rows pg_dump dumps; those of a partitioned table are in its partitions

SELECT pg_catalog.pg_extension_config_dump('researcharr.processing_history_default', '');
