-- history: what happened to jobs.

-- Partitions have their own key and index, and the log itself has none: it
-- would make them when a partition is attached, which a restore does before
-- it makes those of the dump, and fails at the second primary key.

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
IS 'completed, retried, failed, lapsed, released, cancelled, requeued, marked_completed or deleted';
COMMENT ON COLUMN researcharr.processing_history.status IS 'the job''s new status; NULL for deleted';
COMMENT ON COLUMN researcharr.processing_history.details
IS 'from (the old status), attempt, worker, error; claimed_at and ended_at where an attempt ended';
COMMENT ON COLUMN researcharr.processing_history."timestamp" IS 'when it happened, by the clock';

CREATE TABLE researcharr.processing_history_default PARTITION OF researcharr.processing_history (
	CONSTRAINT processing_history_default_pkey PRIMARY KEY (id)
) DEFAULT;
COMMENT ON TABLE researcharr.processing_history_default IS 'what no other partition holds';
CREATE INDEX processing_history_default_job_id_idx ON researcharr.processing_history_default (job_id);
COMMENT ON INDEX researcharr.processing_history_default_job_id_idx IS 'a job''s history';

-- what pg_dump takes along: a partitioned table's rows are dumped with its partitions

SELECT pg_catalog.pg_extension_config_dump('researcharr.processing_history_default', '');
