-- schedule: what is done at which times.

CREATE TABLE researcharr.schedule_entries (
	name              text NOT NULL,
	cron              text NOT NULL,
	command           text NOT NULL,
	arguments         jsonb NOT NULL DEFAULT '{}',
	zone              text NOT NULL DEFAULT 'UTC',
	catch_up          boolean NOT NULL DEFAULT true,
	paused            boolean NOT NULL DEFAULT false,
	owner             text NOT NULL,
	owner_id          oid NOT NULL DEFAULT 0,
	system_identifier bigint NOT NULL DEFAULT 0,
	updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT schedule_entries_pkey PRIMARY KEY (name),
	CONSTRAINT schedule_entries_name_check CHECK (
		char_length(name) BETWEEN 1 AND 100 AND name = btrim(name, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))),
	CONSTRAINT schedule_entries_cron_check CHECK (char_length(cron) BETWEEN 1 AND 1000),
	CONSTRAINT schedule_entries_arguments_check CHECK (
		jsonb_typeof(arguments) = 'object' AND octet_length(CAST(arguments AS text)) <= 100000)
);
COMMENT ON TABLE researcharr.schedule_entries IS 'entries of the schedule that users set or changed; schedule_list() shows the built-in ones too';
COMMENT ON COLUMN researcharr.schedule_entries.name IS '1 to 100 characters, no white space at its ends';
COMMENT ON COLUMN researcharr.schedule_entries.cron IS 'when it is due: a cron expression';
COMMENT ON COLUMN researcharr.schedule_entries.command IS 'what is done: a command of schedule_set()';
COMMENT ON COLUMN researcharr.schedule_entries.arguments IS 'the command''s arguments, at most 100000 bytes as text';
COMMENT ON COLUMN researcharr.schedule_entries.zone IS 'the time zone whose clock cron is about';
COMMENT ON COLUMN researcharr.schedule_entries.catch_up IS 'whether a due time that was missed is caught up, once';
COMMENT ON COLUMN researcharr.schedule_entries.paused IS 'while true, it is never due';
COMMENT ON COLUMN researcharr.schedule_entries.owner IS 'the role that set it, as which enqueue and sql run';
COMMENT ON COLUMN researcharr.schedule_entries.owner_id IS 'the OID of that role; a later role of the same name is another one';
COMMENT ON COLUMN researcharr.schedule_entries.system_identifier IS 'the cluster in which owner_id holds; in another one, where a dump was restored, the name alone counts';
COMMENT ON COLUMN researcharr.schedule_entries.updated_at IS 'when it was set or changed';

CREATE TABLE researcharr.schedule_state (
	name          text NOT NULL,
	handled_until timestamptz NOT NULL,
	CONSTRAINT schedule_state_pkey PRIMARY KEY (name)
) WITH (fillfactor = 50);
COMMENT ON TABLE researcharr.schedule_state IS 'up to when the due times of each entry are handled; no dump takes it along';
COMMENT ON COLUMN researcharr.schedule_state.name IS 'an entry of the schedule';
COMMENT ON COLUMN researcharr.schedule_state.handled_until IS 'due times up to this one are in schedule_log, or were skipped';

CREATE TABLE researcharr.schedule_log (
	id          uuid NOT NULL DEFAULT researcharr.uuid_v7(),
	entry       text NOT NULL,
	command     text NOT NULL,
	owner       text NOT NULL,
	reason      text NOT NULL,
	due_at      timestamptz,
	status      text NOT NULL DEFAULT 'requested',
	launches    int NOT NULL DEFAULT 0,
	launched_at timestamptz,
	pid         int,
	server_id   timestamptz,
	started_at  timestamptz,
	finished_at timestamptz,
	result      text,
	error       text,
	CONSTRAINT schedule_log_pkey PRIMARY KEY (id),
	CONSTRAINT schedule_log_reason_check CHECK (reason IN ('schedule', 'catch-up', 'manual')),
	CONSTRAINT schedule_log_status_check CHECK (
		status IN ('requested', 'running', 'succeeded', 'failed', 'interrupted', 'skipped', 'cancelled')),
	CONSTRAINT schedule_log_finished_at_check CHECK (
		(finished_at IS NULL) = (status IN ('requested', 'running')))
);
COMMENT ON TABLE researcharr.schedule_log IS 'runs of the schedule''s entries; schedule_runs shows them';
COMMENT ON COLUMN researcharr.schedule_log.id IS 'the run';
COMMENT ON COLUMN researcharr.schedule_log.entry IS 'the entry''s name';
COMMENT ON COLUMN researcharr.schedule_log.command IS 'the entry''s command at that time';
COMMENT ON COLUMN researcharr.schedule_log.owner IS 'the entry''s owner at that time';
COMMENT ON COLUMN researcharr.schedule_log.reason IS 'schedule, catch-up for a due time that was missed, or manual for schedule_run()';
COMMENT ON COLUMN researcharr.schedule_log.due_at IS 'the due time that it is for; NULL for schedule_run()';
COMMENT ON COLUMN researcharr.schedule_log.status IS 'requested, running, succeeded, failed, interrupted, skipped or cancelled';
COMMENT ON COLUMN researcharr.schedule_log.launches IS 'how often a process was asked for';
COMMENT ON COLUMN researcharr.schedule_log.launched_at IS 'when one was asked for last';
COMMENT ON COLUMN researcharr.schedule_log.pid IS 'the process that runs it, or ran it';
COMMENT ON COLUMN researcharr.schedule_log.server_id IS 'when that process''s server was started';
COMMENT ON COLUMN researcharr.schedule_log.started_at IS 'when it began';
COMMENT ON COLUMN researcharr.schedule_log.finished_at IS 'when it ended; NULL before';
COMMENT ON COLUMN researcharr.schedule_log.result IS 'what the command says that it did';
COMMENT ON COLUMN researcharr.schedule_log.error IS 'what went wrong';

-- An entry has at most one run that goes on, and one that waits.

CREATE UNIQUE INDEX schedule_log_open_idx ON researcharr.schedule_log (entry, status) WHERE finished_at IS NULL;
COMMENT ON INDEX researcharr.schedule_log_open_idx IS 'runs of an entry never overlap';
CREATE INDEX schedule_log_entry_idx ON researcharr.schedule_log (entry, id);
COMMENT ON INDEX researcharr.schedule_log_entry_idx IS 'the last runs of an entry';

CREATE VIEW researcharr.schedule_runs AS
	SELECT l.id, l.entry AS name, l.command, l.owner, l.reason, l.due_at, l.status, l.started_at, l.finished_at,
		l.finished_at - l.started_at AS duration, l.result, l.error
	FROM researcharr.schedule_log l;
COMMENT ON VIEW researcharr.schedule_runs IS 'the last runs of each entry of the schedule';

-- What a restore would run or repeat is not dumped.

SELECT pg_extension_config_dump('researcharr.schedule_entries', '');
SELECT pg_extension_config_dump('researcharr.schedule_state', 'WHERE false');
SELECT pg_extension_config_dump('researcharr.schedule_log', 'WHERE finished_at IS NOT NULL');

CREATE FUNCTION researcharr.schedule_guard() RETURNS trigger
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'researcharr_schedule_guard';
COMMENT ON FUNCTION researcharr.schedule_guard() IS
	'trigger: turns DML on tables of the schedule away, but for the table''s owner and superusers; wakes the background worker';
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.schedule_entries
	FOR EACH ROW EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard ON researcharr.schedule_entries IS 'only functions of the schedule change rows';
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.schedule_entries
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.schedule_entries IS 'the same for TRUNCATE';
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.schedule_state
	FOR EACH ROW EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard ON researcharr.schedule_state IS 'only functions of the schedule change rows';
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.schedule_state
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.schedule_state IS 'the same for TRUNCATE';
CREATE TRIGGER researcharr_guard BEFORE INSERT OR UPDATE OR DELETE ON researcharr.schedule_log
	FOR EACH ROW EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard ON researcharr.schedule_log IS 'only functions of the schedule change rows';
CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON researcharr.schedule_log
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.schedule_guard();
COMMENT ON TRIGGER researcharr_guard_truncate ON researcharr.schedule_log IS 'the same for TRUNCATE';

CREATE FUNCTION researcharr.schedule_next(cron text, zone text DEFAULT 'UTC', after timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_next';
COMMENT ON FUNCTION researcharr.schedule_next(text, text, timestamptz)
IS 'when a cron expression fires first after a time (NULL: now), by the clock of the time zone; NULL for never';

CREATE FUNCTION researcharr.schedule_set(name text, cron text, command text, arguments jsonb DEFAULT '{}',
	zone text DEFAULT 'UTC', catch_up boolean DEFAULT true)
RETURNS timestamptz LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_set';
COMMENT ON FUNCTION researcharr.schedule_set(text, text, text, jsonb, text, boolean)
IS 'makes or replaces an entry of the schedule, as the current user''s; returns when it is due first';

CREATE FUNCTION researcharr.schedule_list(OUT name text, OUT cron text, OUT zone text, OUT command text,
	OUT arguments jsonb, OUT catch_up boolean, OUT owner text, OUT built_in boolean, OUT status text, OUT problem text,
	OUT next_due timestamptz)
RETURNS SETOF record LANGUAGE C ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_schedule_list';
COMMENT ON FUNCTION researcharr.schedule_list()
IS 'the entries of the schedule, built-in ones included; arguments only of one''s own entries, and for admins';

CREATE FUNCTION researcharr.schedule_drop(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_drop';
COMMENT ON FUNCTION researcharr.schedule_drop(text)
IS 'removes an entry of the schedule, or makes a built-in one as it was; false if there was nothing to remove';

CREATE FUNCTION researcharr.schedule_pause(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_pause';
COMMENT ON FUNCTION researcharr.schedule_pause(text)
IS 'lets an entry of the schedule never be due until schedule_resume; false if it was paused already';

CREATE FUNCTION researcharr.schedule_resume(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_resume';
COMMENT ON FUNCTION researcharr.schedule_resume(text)
IS 'ends schedule_pause; what was due meanwhile is not caught up; false if the entry was not paused';

CREATE FUNCTION researcharr.schedule_run(name text)
RETURNS uuid LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_schedule_run';
COMMENT ON FUNCTION researcharr.schedule_run(text)
IS 'has an entry of the schedule run once, as soon as the transaction has committed; returns the id in schedule_runs';
