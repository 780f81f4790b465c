-- job: the job queue and the policies of its job types.

-- Policies of job types

CREATE TABLE researcharr.job_types (
	name          text NOT NULL,
	priority      int NOT NULL DEFAULT 0,
	max_retries   int NOT NULL DEFAULT 3,
	lease         interval NOT NULL DEFAULT '5 minutes',
	backoff       text NOT NULL DEFAULT 'exponential',
	backoff_base  interval NOT NULL DEFAULT '30 seconds',
	backoff_cap   interval NOT NULL DEFAULT '1 hour',
	jitter        double precision NOT NULL DEFAULT 0.1,
	max_running   int,
	rate_limit    int,
	rate_interval interval,
	weight        int NOT NULL DEFAULT 1,
	max_runtime   interval,
	paused        boolean NOT NULL DEFAULT false,
	CONSTRAINT job_types_pkey PRIMARY KEY (name),
	CONSTRAINT job_types_name_check CHECK (
		char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))),
	CONSTRAINT job_types_priority_check CHECK (priority BETWEEN 0 AND 100),
	CONSTRAINT job_types_max_retries_check CHECK (max_retries BETWEEN 0 AND 10),
	CONSTRAINT job_types_lease_check CHECK (
		isfinite(lease) AND lease > '0' AND lease <= '36500 days'),
	CONSTRAINT job_types_backoff_check CHECK (backoff IN ('fixed', 'linear', 'exponential')),
	CONSTRAINT job_types_backoff_base_check CHECK (
		isfinite(backoff_base) AND backoff_base >= '0' AND backoff_base <= '36500 days'),
	CONSTRAINT job_types_backoff_cap_check CHECK (
		isfinite(backoff_cap) AND backoff_cap >= '0' AND backoff_cap <= '36500 days'),
	CONSTRAINT job_types_jitter_check CHECK (jitter BETWEEN 0 AND 1),
	CONSTRAINT job_types_max_running_check CHECK (max_running > 0),
	CONSTRAINT job_types_rate_check CHECK (
		(rate_limit IS NULL) = (rate_interval IS NULL)),
	CONSTRAINT job_types_rate_limit_check CHECK (rate_limit > 0),
	CONSTRAINT job_types_rate_interval_check CHECK (
		isfinite(rate_interval) AND rate_interval > '0' AND rate_interval <= '36500 days'),
	CONSTRAINT job_types_weight_check CHECK (weight BETWEEN 1 AND 1000),
	CONSTRAINT job_types_max_runtime_check CHECK (
		isfinite(max_runtime) AND max_runtime > '0' AND max_runtime <= '36500 days')
);
COMMENT ON TABLE researcharr.job_types IS 'policies of job types that users registered or changed; job_type_policies shows the built-in ones too';
COMMENT ON COLUMN researcharr.job_types.name IS '1 to 100 characters, no white space at its ends';
COMMENT ON COLUMN researcharr.job_types.priority IS 'priority of a job enqueued without one, 0 to 100, 100 first';
COMMENT ON COLUMN researcharr.job_types.max_retries IS 'retries of a job enqueued without a number, 0 to 10';
COMMENT ON COLUMN researcharr.job_types.lease IS 'how long a worker has before its job is handed on, unless it asks otherwise';
COMMENT ON COLUMN researcharr.job_types.backoff IS 'how the wait grows from retry to retry: fixed, linear or exponential';
COMMENT ON COLUMN researcharr.job_types.backoff_base IS 'the wait before the first retry';
COMMENT ON COLUMN researcharr.job_types.backoff_cap IS 'the longest wait';
COMMENT ON COLUMN researcharr.job_types.jitter IS 'the share of a wait, 0 to 1, that is drawn by chance: a wait of w lies between w * (1 - jitter) and w';
COMMENT ON COLUMN researcharr.job_types.max_running IS 'how many jobs of the type may run at a time; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.rate_limit IS 'how many jobs of the type may start per rate_interval; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.rate_interval IS 'the interval that rate_limit speaks of';
COMMENT ON COLUMN researcharr.job_types.weight IS 'share of the type among types of equal priority, 1 to 1000';
COMMENT ON COLUMN researcharr.job_types.max_runtime IS 'how long an attempt may run, however often its lease is renewed; NULL for no limit';
COMMENT ON COLUMN researcharr.job_types.paused IS 'while true, no job of the type is handed out';

CREATE TABLE researcharr.job_type_rates (
	job_type    text NOT NULL,
	tokens      double precision NOT NULL,
	refilled_at timestamptz NOT NULL,
	CONSTRAINT job_type_rates_pkey PRIMARY KEY (job_type)
) WITH (fillfactor = 20);
COMMENT ON TABLE researcharr.job_type_rates IS 'how far the rates of job types are used up, where the library is not preloaded; written by job_dequeue';
COMMENT ON COLUMN researcharr.job_type_rates.job_type IS 'a type with a rate_limit';
COMMENT ON COLUMN researcharr.job_type_rates.tokens IS 'how many of its jobs could start at refilled_at';
COMMENT ON COLUMN researcharr.job_type_rates.refilled_at IS 'since then, rate_limit more for each rate_interval, up to rate_limit in all';

CREATE FUNCTION researcharr.job_types_changed()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_types_changed';
COMMENT ON FUNCTION researcharr.job_types_changed()
IS 'trigger: lets every session read the policies anew once the change is committed';
CREATE TRIGGER researcharr_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON researcharr.job_types
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.job_types_changed();
ALTER TABLE researcharr.job_types ENABLE ALWAYS TRIGGER researcharr_changed;
COMMENT ON TRIGGER researcharr_changed ON researcharr.job_types IS 'lets every session read the policies anew';

CREATE FUNCTION researcharr.job_type_builtin()
RETURNS SETOF researcharr.job_types LANGUAGE C STABLE ROWS 3
AS 'MODULE_PATHNAME', 'researcharr_job_type_builtin';
COMMENT ON FUNCTION researcharr.job_type_builtin()
IS 'the job types that are known from the start, with the policies that they have unless job_types says otherwise';

CREATE VIEW researcharr.job_type_policies AS
	SELECT t.* FROM researcharr.job_types t
	UNION ALL
	SELECT b.* FROM researcharr.job_type_builtin() b
	WHERE NOT EXISTS (SELECT FROM researcharr.job_types t WHERE t.name = b.name);
COMMENT ON VIEW researcharr.job_type_policies IS 'every known job type and the policy in force';

CREATE FUNCTION researcharr.job_type_register(name text, priority int DEFAULT NULL, max_retries int DEFAULT NULL,
	lease interval DEFAULT NULL, backoff text DEFAULT NULL, backoff_base interval DEFAULT NULL,
	backoff_cap interval DEFAULT NULL, jitter double precision DEFAULT NULL, max_running int DEFAULT NULL,
	rate_limit int DEFAULT NULL, rate_interval interval DEFAULT NULL, weight int DEFAULT NULL,
	max_runtime interval DEFAULT NULL, paused boolean DEFAULT NULL)
RETURNS researcharr.job_types LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_register';
COMMENT ON FUNCTION researcharr.job_type_register(text, int, int, interval, text, interval, interval, double precision, int, int, interval, int, interval, boolean)
IS 'makes a job type known, or changes it: NULL keeps what is, or takes the default for a new one; returns the policy';

CREATE FUNCTION researcharr.job_type_pause(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_pause';
COMMENT ON FUNCTION researcharr.job_type_pause(text)
IS 'hands out no more jobs of the type until job_type_resume; false where it was paused already';

CREATE FUNCTION researcharr.job_type_resume(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_type_resume';
COMMENT ON FUNCTION researcharr.job_type_resume(text)
IS 'ends job_type_pause; false where the type was not paused';

-- Jobs

CREATE TABLE researcharr.processing_jobs (
	id               uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	media_id         uuid NOT NULL,
	job_type         text NOT NULL,
	status           text NOT NULL DEFAULT 'queued',
	priority         int NOT NULL DEFAULT 0,
	retry_count      int NOT NULL DEFAULT 0,
	max_retries      int NOT NULL DEFAULT 3,
	error_message    text,
	started_at       timestamptz,
	completed_at     timestamptz,
	metadata         jsonb NOT NULL DEFAULT '{}',
	created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	attempt          int NOT NULL DEFAULT 0,
	available_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	lease_expires_at timestamptz,
	worker           text,
	result           jsonb,
	unique_key       text,
	CONSTRAINT processing_jobs_pkey PRIMARY KEY (id) WITH (fillfactor = 70),
	CONSTRAINT processing_jobs_media_id_fkey FOREIGN KEY (media_id)
		REFERENCES researcharr.media (id) ON DELETE CASCADE,
	CONSTRAINT processing_jobs_job_type_check CHECK (char_length(job_type) BETWEEN 1 AND 100),
	CONSTRAINT processing_jobs_status_check CHECK (
		status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
	CONSTRAINT processing_jobs_priority_check CHECK (priority BETWEEN 0 AND 100),
	CONSTRAINT processing_jobs_retry_count_check CHECK (retry_count >= 0),
	CONSTRAINT processing_jobs_max_retries_check CHECK (max_retries BETWEEN 0 AND 10),
	CONSTRAINT processing_jobs_metadata_check CHECK (researcharr.metadata_is_valid(metadata)),
	CONSTRAINT processing_jobs_attempt_check CHECK (attempt >= 0),
	CONSTRAINT processing_jobs_available_at_check CHECK (isfinite(available_at)),
	CONSTRAINT processing_jobs_lease_expires_at_check CHECK (
		(status = 'running') = (lease_expires_at IS NOT NULL)),
	CONSTRAINT processing_jobs_completed_at_check CHECK (
		(status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
	CONSTRAINT processing_jobs_unique_key_check CHECK (char_length(unique_key) BETWEEN 1 AND 255)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0,
	-- room for the versions that a claim and its end make: a claim that finds none on its page is not HOT
	fillfactor = 50);
COMMENT ON TABLE researcharr.processing_jobs IS 'the job queue: waiting, running and finished jobs';
COMMENT ON COLUMN researcharr.processing_jobs.id IS 'UUID version 7';
COMMENT ON COLUMN researcharr.processing_jobs.media_id IS 'what the job is about';
COMMENT ON COLUMN researcharr.processing_jobs.job_type IS 'a name of job_type_policies';
COMMENT ON COLUMN researcharr.processing_jobs.status IS 'queued, running, completed, failed or cancelled';
COMMENT ON COLUMN researcharr.processing_jobs.priority IS '0 to 100, 100 first';
COMMENT ON COLUMN researcharr.processing_jobs.retry_count IS 'retries used up';
COMMENT ON COLUMN researcharr.processing_jobs.max_retries IS 'retries allowed, 0 to 10';
COMMENT ON COLUMN researcharr.processing_jobs.error_message IS 'what the last failed attempt said, at most 64 kB; not NULL for a failed job';
COMMENT ON COLUMN researcharr.processing_jobs.started_at IS 'the latest claim';
COMMENT ON COLUMN researcharr.processing_jobs.completed_at IS 'set exactly when the status is final: completed, failed or cancelled';
COMMENT ON COLUMN researcharr.processing_jobs.metadata IS 'the job''s arguments: an object of at most 1 MB as text';
COMMENT ON COLUMN researcharr.processing_jobs.created_at IS 'when the job was enqueued';
COMMENT ON COLUMN researcharr.processing_jobs.updated_at IS 'when the row was last changed; strictly increasing';
COMMENT ON COLUMN researcharr.processing_jobs.attempt IS 'how often the job was claimed; the fencing token of whoever holds it';
COMMENT ON COLUMN researcharr.processing_jobs.available_at IS 'not handed out before this';
COMMENT ON COLUMN researcharr.processing_jobs.lease_expires_at IS 'set while running: handed on from then';
COMMENT ON COLUMN researcharr.processing_jobs.worker IS 'who claimed it last, in its own words, at most 255 characters';
COMMENT ON COLUMN researcharr.processing_jobs.result IS 'what the worker returned, at most 1 MB as text';
COMMENT ON COLUMN researcharr.processing_jobs.unique_key IS 'at most one unfinished job of a type has it; up to 255 characters';

CREATE INDEX processing_jobs_take_idx ON researcharr.processing_jobs (job_type, priority DESC, available_at, id)
	WHERE completed_at IS NULL;
COMMENT ON INDEX researcharr.processing_jobs_take_idx
IS 'the order in which jobs are handed out; neither a claim nor a heartbeat changes a column of it';
CREATE INDEX processing_jobs_media_id_idx ON researcharr.processing_jobs (media_id);
COMMENT ON INDEX researcharr.processing_jobs_media_id_idx IS 'for the foreign key, and a media''s jobs';
CREATE UNIQUE INDEX processing_jobs_unique_key_idx ON researcharr.processing_jobs (job_type, unique_key)
	WHERE completed_at IS NULL AND unique_key IS NOT NULL;
COMMENT ON INDEX researcharr.processing_jobs_unique_key_idx IS 'one unfinished job of a type for each unique key';

-- Claims and completions of jobs without a message leave this index alone.  A
-- predicate on status would cost each claim its HOT update.
CREATE INDEX processing_jobs_failed_idx ON researcharr.processing_jobs (completed_at, id)
	WHERE completed_at IS NOT NULL AND error_message IS NOT NULL;
COMMENT ON INDEX researcharr.processing_jobs_failed_idx
IS 'failed jobs in the order in which they failed, and others that ended after a failed attempt';
-- NOT VALID, since an update does not wait for old rows to be checked; it gives them a message.
ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT processing_jobs_error_message_check CHECK (
	status <> 'failed' OR error_message IS NOT NULL) NOT VALID;

CREATE FUNCTION researcharr.processing_jobs_guard()
RETURNS trigger LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_processing_jobs_guard';
COMMENT ON FUNCTION researcharr.processing_jobs_guard()
IS 'trigger: plain DML names known job types only, keeps updated_at, and does not forge what the functions keep; the agenda hears of it';
-- Triggers fire in order of name.  This one fires last and sees the changes of users' triggers.
CREATE TRIGGER zz_researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.processing_jobs
	FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_guard();
CREATE TRIGGER zz_researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.processing_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.processing_jobs_guard();
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard;
ALTER TABLE researcharr.processing_jobs ENABLE ALWAYS TRIGGER zz_researcharr_guard_truncate;
COMMENT ON TRIGGER zz_researcharr_guard ON researcharr.processing_jobs IS 'known job types, updated_at, no forgery; the agenda''s notes';
COMMENT ON TRIGGER zz_researcharr_guard_truncate ON researcharr.processing_jobs IS 'the agenda''s notes';

CREATE FUNCTION researcharr.job_enqueue(media_id uuid, job_type text, priority int DEFAULT NULL,
	available_at timestamptz DEFAULT NULL, max_retries int DEFAULT NULL, metadata jsonb DEFAULT NULL,
	unique_key text DEFAULT NULL)
RETURNS uuid LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue';
COMMENT ON FUNCTION researcharr.job_enqueue(uuid, text, int, timestamptz, int, jsonb, text)
IS 'enqueues a job and returns its id; with a unique_key that an unfinished job of the type has, that job''s id, and nothing is added';

CREATE FUNCTION researcharr.job_enqueue_many(jobs jsonb)
RETURNS SETOF uuid LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue_many';
COMMENT ON FUNCTION researcharr.job_enqueue_many(jsonb)
IS 'enqueues an array of objects, keyed by job_enqueue''s argument names; their ids in the array''s order';

CREATE FUNCTION researcharr.job_enqueue_arrays(media_ids uuid[], job_types text[], priorities int[] DEFAULT NULL,
	available_at timestamptz[] DEFAULT NULL, max_retries int[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL,
	unique_keys text[] DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_enqueue_arrays';
COMMENT ON FUNCTION researcharr.job_enqueue_arrays(uuid[], text[], int[], timestamptz[], int[], jsonb[], text[])
IS 'enqueues a job for each of media_ids; the other arrays have an element for each job, or one for all; the jobs'' ids in the order of media_ids';

CREATE FUNCTION researcharr.job_dequeue(job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1,
	lease interval DEFAULT NULL, worker text DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_dequeue';
COMMENT ON FUNCTION researcharr.job_dequeue(text[], int, interval, text)
IS 'claims up to max_jobs (1 to 10000) due jobs of the given types (NULL: all), highest priority first; each under a lease';

CREATE FUNCTION researcharr.job_complete(id uuid, attempt int, result jsonb DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_complete';
COMMENT ON FUNCTION researcharr.job_complete(uuid, int, jsonb)
IS 'finishes a job that is running under this attempt; RA001 where it is not';

CREATE FUNCTION researcharr.job_complete_many(ids uuid[], attempts int[], results jsonb[] DEFAULT NULL,
	OUT id uuid, OUT completed boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_complete_many';
COMMENT ON FUNCTION researcharr.job_complete_many(uuid[], int[], jsonb[])
IS 'finishes many jobs; completed is false for those not running under their attempt, which does not undo the rest';

CREATE FUNCTION researcharr.job_complete_and_dequeue(id uuid, attempt int, result jsonb DEFAULT NULL,
	job_types text[] DEFAULT NULL, max_jobs int DEFAULT 1, lease interval DEFAULT NULL, worker text DEFAULT NULL)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_complete_and_dequeue';
COMMENT ON FUNCTION researcharr.job_complete_and_dequeue(uuid, int, jsonb, text[], int, interval, text)
IS 'job_complete and then job_dequeue, in one call: the rows are the jobs that it claimed; RA001 if the job is not running under this attempt, and then nothing is claimed';

CREATE FUNCTION researcharr.job_fail(id uuid, attempt int, error text, retry_in interval DEFAULT NULL,
	retry boolean DEFAULT true)
RETURNS SETOF researcharr.processing_jobs LANGUAGE C ROWS 1
AS 'MODULE_PATHNAME', 'researcharr_job_fail';
COMMENT ON FUNCTION researcharr.job_fail(uuid, int, text, interval, boolean)
IS 'ends an attempt with an error: queued again after retry_in or the type''s backoff while retries are left, else failed';

CREATE FUNCTION researcharr.job_heartbeat(id uuid, attempt int, lease interval DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_heartbeat';
COMMENT ON FUNCTION researcharr.job_heartbeat(uuid, int, interval)
IS 'renews a lease from now; returns its new end';

CREATE FUNCTION researcharr.job_release(id uuid, attempt int, delay interval DEFAULT NULL)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_release';
COMMENT ON FUNCTION researcharr.job_release(uuid, int, interval)
IS 'gives a job back, untried, to be handed out again after delay; no retry is used up';

CREATE FUNCTION researcharr.job_cancel(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_cancel';
COMMENT ON FUNCTION researcharr.job_cancel(uuid)
IS 'cancels a queued or running job at once; false where it is finished or absent';

CREATE FUNCTION researcharr.job_retry(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_retry';
COMMENT ON FUNCTION researcharr.job_retry(uuid)
IS 'queues a failed or cancelled job again, with all its retries; false for any other';

CREATE FUNCTION researcharr.job_mark_as_completed(id uuid)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_mark_as_completed';
COMMENT ON FUNCTION researcharr.job_mark_as_completed(uuid)
IS 'an operator''s word that a job is done, queued or running; false where it is finished or absent';

CREATE FUNCTION researcharr.job_heartbeat_many(ids uuid[], attempts int[], lease interval DEFAULT NULL,
	OUT id uuid, OUT lease_expires_at timestamptz)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_heartbeat_many';
COMMENT ON FUNCTION researcharr.job_heartbeat_many(uuid[], int[], interval)
IS 'renews the leases of many jobs; lease_expires_at is NULL for those not running under their attempt';

CREATE FUNCTION researcharr.job_release_many(ids uuid[], attempts int[], delay interval DEFAULT NULL,
	OUT id uuid, OUT released boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_release_many';
COMMENT ON FUNCTION researcharr.job_release_many(uuid[], int[], interval)
IS 'gives many jobs back, untried; released is false for those not running under their attempt';

CREATE FUNCTION researcharr.job_fail_many(ids uuid[], attempts int[], errors text[], retry_in interval DEFAULT NULL,
	retry boolean DEFAULT true, OUT id uuid, OUT status text)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_fail_many';
COMMENT ON FUNCTION researcharr.job_fail_many(uuid[], int[], text[], interval, boolean)
IS 'ends many attempts, each with an error, as job_fail does; status is the new one, NULL for jobs not running under their attempt';

CREATE FUNCTION researcharr.job_cancel_many(ids uuid[], OUT id uuid, OUT cancelled boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_cancel_many';
COMMENT ON FUNCTION researcharr.job_cancel_many(uuid[])
IS 'cancels many queued or running jobs; cancelled is false for those that are finished or absent';

CREATE FUNCTION researcharr.job_retry_many(ids uuid[], OUT id uuid, OUT retried boolean)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_job_retry_many';
COMMENT ON FUNCTION researcharr.job_retry_many(uuid[])
IS 'queues many failed or cancelled jobs again; retried is false for any other, and where an unfinished job has the unique key';

CREATE FUNCTION researcharr.job_cancel_all(filters jsonb, "limit" int DEFAULT 10000)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_cancel_all';
COMMENT ON FUNCTION researcharr.job_cancel_all(jsonb, int)
IS 'cancels up to "limit" (1 to 10000) queued or running jobs that pass the filters; how many: repeat until 0';

CREATE FUNCTION researcharr.job_retry_all(filters jsonb, "limit" int DEFAULT 10000)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_job_retry_all';
COMMENT ON FUNCTION researcharr.job_retry_all(jsonb, int)
IS 'queues up to "limit" (1 to 10000) failed or cancelled jobs that pass the filters again; how many: repeat until 0';

CREATE FUNCTION researcharr.job_next_due(job_types text[] DEFAULT NULL)
RETURNS timestamptz LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'researcharr_job_next_due';
COMMENT ON FUNCTION researcharr.job_next_due(text[])
IS 'when the next job of these types (NULL: all) may be handed out: in the past where one is due, NULL for never';

CREATE FUNCTION researcharr.job_stats(OUT job_type text, OUT status text, OUT jobs bigint, OUT oldest timestamptz,
	OUT estimated boolean)
RETURNS SETOF record LANGUAGE C STABLE ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_job_stats';
COMMENT ON FUNCTION researcharr.job_stats()
IS 'jobs by type and status, and when the oldest of each was enqueued; estimated where the figures come from counters, not from a count';

CREATE FUNCTION researcharr.agenda_status(OUT job_type text, OUT priority int, OUT available_at timestamptz,
	OUT id uuid, OUT due boolean, OUT next_lapse timestamptz, OUT raised bigint, OUT refused bigint,
	OUT verified_at timestamptz, OUT found bigint)
RETURNS SETOF record LANGUAGE C ROWS 100
AS 'MODULE_PATHNAME', 'researcharr_agenda_status';
COMMENT ON FUNCTION researcharr.agenda_status()
IS 'what the agenda knows of this database''s jobs: for each type and priority, the place before which none can be handed out';

-- tables whose rows pg_dump dumps

SELECT pg_catalog.pg_extension_config_dump('researcharr.job_types', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.job_type_rates', '');
SELECT pg_catalog.pg_extension_config_dump('researcharr.processing_jobs', '');
