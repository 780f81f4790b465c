-- functions: the signatures that other people's code calls.
BEGIN;
SELECT plan(2);
SET search_path = public;

CREATE TEMP TABLE expected (signature text, result text);
INSERT INTO expected VALUES
	('agenda_status(OUT job_type text, OUT priority integer, OUT available_at timestamp with time zone, OUT id uuid, OUT due boolean, OUT next_lapse timestamp with time zone, OUT raised bigint, OUT refused bigint, OUT verified_at timestamp with time zone, OUT found bigint)',
		'SETOF record'),
	('config_value_is_valid(value text, value_type text)',
		'boolean'),
	('job_cancel(id uuid)',
		'boolean'),
	('job_complete(id uuid, attempt integer, result jsonb DEFAULT NULL::jsonb)',
		'boolean'),
	('job_complete_many(ids uuid[], attempts integer[], results jsonb[] DEFAULT NULL::jsonb[], OUT id uuid, OUT completed boolean)',
		'SETOF record'),
	('job_dequeue(job_types text[] DEFAULT NULL::text[], max_jobs integer DEFAULT 1, lease interval DEFAULT NULL::interval, worker text DEFAULT NULL::text)',
		'SETOF researcharr.processing_jobs'),
	('job_enqueue(media_id uuid, job_type text, priority integer DEFAULT NULL::integer, available_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_retries integer DEFAULT NULL::integer, metadata jsonb DEFAULT NULL::jsonb, unique_key text DEFAULT NULL::text)',
		'uuid'),
	('job_enqueue_many(jobs jsonb)',
		'SETOF uuid'),
	('job_fail(id uuid, attempt integer, error text, retry_in interval DEFAULT NULL::interval, retry boolean DEFAULT true)',
		'SETOF researcharr.processing_jobs'),
	('job_heartbeat(id uuid, attempt integer, lease interval DEFAULT NULL::interval)',
		'timestamp with time zone'),
	('job_mark_as_completed(id uuid)',
		'boolean'),
	('job_next_due(job_types text[] DEFAULT NULL::text[])',
		'timestamp with time zone'),
	('job_release(id uuid, attempt integer, delay interval DEFAULT NULL::interval)',
		'boolean'),
	('job_retry(id uuid)',
		'boolean'),
	('job_stats(OUT job_type text, OUT status text, OUT jobs bigint, OUT oldest timestamp with time zone, OUT estimated boolean)',
		'SETOF record'),
	('job_type_builtin()',
		'SETOF researcharr.job_types'),
	('job_type_pause(name text)',
		'boolean'),
	('job_type_register(name text, priority integer DEFAULT NULL::integer, max_retries integer DEFAULT NULL::integer, lease interval DEFAULT NULL::interval, backoff text DEFAULT NULL::text, backoff_base interval DEFAULT NULL::interval, backoff_cap interval DEFAULT NULL::interval, jitter double precision DEFAULT NULL::double precision, max_running integer DEFAULT NULL::integer, rate_limit integer DEFAULT NULL::integer, rate_interval interval DEFAULT NULL::interval, weight integer DEFAULT NULL::integer, max_runtime interval DEFAULT NULL::interval, paused boolean DEFAULT NULL::boolean)',
		'researcharr.job_types'),
	('job_type_resume(name text)',
		'boolean'),
	('media_import_radarr(movies jsonb, strict boolean DEFAULT false, OUT created integer, OUT updated integer, OUT unchanged integer, OUT failed integer, OUT errors jsonb)',
		'record'),
	('media_import_sonarr(series jsonb, episodes jsonb, strict boolean DEFAULT false, OUT created integer, OUT updated integer, OUT unchanged integer, OUT failed integer, OUT errors jsonb)',
		'record'),
	('metadata_is_valid(metadata jsonb)',
		'boolean'),
	('uuid_v7()',
		'uuid');

CREATE TEMP VIEW actual AS
	SELECT proname || '(' || pg_get_function_arguments(oid) || ')', pg_get_function_result(oid)
	FROM pg_proc WHERE pronamespace = 'researcharr'::regnamespace AND prorettype <> 'trigger'::regtype;
SELECT set_eq('TABLE actual', 'TABLE expected', 'functions with their arguments, defaults and results');

-- what a trigger calls is nothing for anybody else
SELECT is_empty($$
	SELECT proname FROM pg_proc p WHERE pronamespace = 'researcharr'::regnamespace AND prorettype = 'trigger'::regtype
	AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid)
$$, 'every trigger function has a trigger');

SELECT * FROM finish();
ROLLBACK;
