-- The schedule: setting, listing, pausing and dropping entries, who may do what,
-- and what is refused.  Nothing runs here: test/t/080_schedule.pl and its kin.
SET search_path = researcharr;
SET timezone = 'UTC';
\getenv tests PG_ABS_SRCDIR
\i :tests/include/error.sql
INSERT INTO media (title, type) VALUES ('film', 'movie');
CREATE VIEW list AS SELECT name, cron, zone, command, arguments, catch_up, owner = session_user::text AS mine, built_in, status, problem,
	next_due > clock_timestamp() AS soon FROM researcharr.schedule_list();
CREATE FUNCTION fails(call text) RETURNS TABLE (sqlstate text, message text, detail text) LANGUAGE sql
	AS $$ SELECT * FROM pg_temp.error_detail('SELECT researcharr.' || call) $$;

-- known from the start; the table holds only what users set
SELECT * FROM list ORDER BY name;
SELECT count(*) FROM schedule_entries;

-- setting, and setting anew
SELECT schedule_set('cleanup', '0 4 * * *', 'sql', '{"sql": "DELETE FROM t; VACUUM t"}') = schedule_next('0 4 * * *') AS next;
SELECT schedule_set('weekly search', '30 2 * * mon', 'enqueue', '{"filters": {"title": "film"}, "job_type": "search"}', 'europe/berlin', false)
	= schedule_next('30 2 * * mon', 'Europe/Berlin') AS next;
SELECT * FROM list WHERE NOT built_in ORDER BY name;
SELECT schedule_set('cleanup', '@hourly', 'sql', '{"sql": "SELECT 1"}', NULL, NULL) IS NOT NULL AS again;
SELECT * FROM list WHERE name = 'cleanup';
-- media by id; NULL for the arguments
SELECT schedule_set('one', '* * * * *', 'enqueue', jsonb_build_object('media_id', id, 'job_type', 'search', 'priority', 5,
	'max_retries', 2, 'metadata', '{}'::jsonb)) IS NOT NULL AS one FROM media;
SELECT schedule_set('look', '* * * * *', 'health_check', NULL) IS NOT NULL AS look;
SELECT name, status, problem, soon FROM list WHERE name IN ('one', 'look') ORDER BY name;
-- built-in ones: changed, and as they were
SELECT schedule_set('backup', '0 5 * * *', 'backup') IS NOT NULL AS changed;
SELECT * FROM list WHERE name = 'backup';
SELECT schedule_drop('backup'), schedule_drop('backup') AS nothing;
SELECT * FROM list WHERE name = 'backup';

-- pausing and resuming
SELECT schedule_pause('cleanup'), schedule_pause('cleanup') AS again;
SELECT name, status, soon FROM list WHERE name = 'cleanup';
SELECT schedule_resume('cleanup'), schedule_resume('cleanup') AS again;
SELECT schedule_resume('health_check') AS not_paused, schedule_pause('health_check'), schedule_pause('health_check') AS again;
SELECT name, built_in, status FROM list WHERE name = 'health_check';
SELECT schedule_resume('health_check'), schedule_drop('health_check');
SELECT built_in, status FROM list WHERE name = 'health_check';
-- set anew, it is not paused
SELECT schedule_pause('cleanup'), schedule_set('cleanup', '@hourly', 'sql', '{"sql": "SELECT 1"}') IS NOT NULL AS set;
SELECT status FROM list WHERE name = 'cleanup';

-- running: one run that waits is enough
SELECT schedule_run('cleanup') AS run \gset
SELECT schedule_run('cleanup') = :'run' AS same;
SELECT name, command, reason, due_at, status, started_at, finished_at, duration, result, error FROM schedule_runs;
SELECT schedule_drop('cleanup');
SELECT status, error FROM schedule_runs WHERE id = :'run';
-- an idle one
SELECT * FROM fails($$schedule_run('backup')$$);

-- who may: a role that may call the functions, and no more
CREATE ROLE regress_schedule LOGIN;
CREATE ROLE regress_schedule_other LOGIN;
CREATE ROLE regress_schedule_nologin;
GRANT USAGE ON SCHEMA researcharr TO regress_schedule, regress_schedule_other, regress_schedule_nologin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_schedule, regress_schedule_other, regress_schedule_nologin;
GRANT SELECT ON list TO regress_schedule, regress_schedule_other;
SET ROLE regress_schedule_nologin;
SELECT * FROM fails($$schedule_set('mine', '@daily', 'sql', '{"sql": "SELECT 1"}')$$);
SET ROLE regress_schedule;
SELECT schedule_set('mine', '@daily', 'sql', '{"sql": "SELECT 1"}') IS NOT NULL AS set;
SELECT name, arguments FROM schedule_list() WHERE NOT built_in ORDER BY name;
SELECT * FROM fails($$schedule_set('look', '@daily', 'sql', '{"sql": "SELECT 1"}')$$);
SELECT * FROM fails($$schedule_set('mine', '@daily', 'health_check')$$);
SELECT * FROM fails($$schedule_set('backup', '@daily', 'sql', '{"sql": "SELECT 1"}')$$);
SELECT * FROM fails($$schedule_pause('health_check')$$);
SELECT * FROM fails($$schedule_pause('one')$$);
SELECT * FROM fails($$schedule_drop('look')$$);
SELECT * FROM fails($$schedule_run('one')$$);
SELECT schedule_pause('mine'), schedule_resume('mine'), schedule_run('mine') IS NOT NULL AS run;
-- the tables are not for it, not even with privileges
SELECT count(*) FROM schedule_entries;
RESET ROLE;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON schedule_entries, schedule_state, schedule_log TO regress_schedule;
SET ROLE regress_schedule;
INSERT INTO schedule_entries (name, cron, command, owner) VALUES ('forged', '* * * * *', 'sql', 'postgres');
UPDATE schedule_entries SET owner = 'postgres';
DELETE FROM schedule_state;
TRUNCATE schedule_log;
SET ROLE regress_schedule_other;
SELECT * FROM fails($$schedule_set('mine', '@daily', 'sql', '{"sql": "SELECT 2"}')$$);
SELECT * FROM fails($$schedule_drop('mine')$$);
RESET ROLE;
-- a member of the owner is the owner; an admin may change it, and has it then
GRANT regress_schedule TO regress_schedule_other;
SET ROLE regress_schedule_other;
SELECT schedule_pause('mine'), schedule_resume('mine');
RESET ROLE;
SELECT schedule_pause('mine'), schedule_resume('mine');
SELECT owner FROM schedule_list() WHERE name = 'mine';
SELECT schedule_set('mine', '@daily', 'sql', '{"sql": "SELECT 3"}') IS NOT NULL AS set;
SELECT mine FROM list WHERE name = 'mine';
-- triggers of somebody with TRIGGER do not fire
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$;
GRANT TRIGGER ON schedule_entries TO regress_schedule;
SET ROLE regress_schedule;
CREATE TRIGGER spy BEFORE INSERT OR UPDATE ON schedule_entries FOR EACH ROW EXECUTE FUNCTION spy();
SELECT schedule_set('theirs', '@daily', 'sql', '{"sql": "SELECT 1"}') IS NOT NULL AS set;
RESET ROLE;
SELECT schedule_drop('theirs');
DROP TRIGGER spy ON schedule_entries;
-- a role that was dropped, and a later one of its name
SET ROLE regress_schedule;
SELECT schedule_set('theirs', '@daily', 'sql', '{"sql": "SELECT 1"}') IS NOT NULL AS set;
RESET ROLE;
DROP OWNED BY regress_schedule;
DROP ROLE regress_schedule;
SELECT owner, status, problem FROM schedule_list() WHERE name = 'theirs';
CREATE ROLE regress_schedule LOGIN;
SELECT owner, status, problem FROM schedule_list() WHERE name = 'theirs';
SELECT * FROM fails($$schedule_run('theirs')$$);
GRANT USAGE ON SCHEMA researcharr TO regress_schedule;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_schedule;
SET ROLE regress_schedule;
SELECT * FROM fails($$schedule_pause('theirs')$$);
RESET ROLE;
SELECT schedule_drop('theirs');
DROP OWNED BY regress_schedule, regress_schedule_other, regress_schedule_nologin;
DROP ROLE regress_schedule, regress_schedule_other, regress_schedule_nologin;

-- what is refused, and changes nothing
SELECT count(*) AS before FROM schedule_entries \gset
SELECT call, f.* FROM unnest(ARRAY[
	$$schedule_set(NULL, '@daily', 'backup')$$, $$schedule_set('x', NULL, 'backup')$$, $$schedule_set('x', '@daily', NULL)$$,
	$$schedule_set('', '@daily', 'backup')$$, $$schedule_set(' x', '@daily', 'backup')$$,
	$$schedule_set(repeat('x', 101), '@daily', 'backup')$$,
	$$schedule_set('x', '0 25 * * *', 'backup')$$, $$schedule_set('x', '0 0 30 2 *', 'backup')$$,
	$$schedule_set('x', '*/5 2 8-14 3 */7', 'backup', zone => 'America/New_York')$$,
	$$schedule_set('x', repeat('0,', 600) || '0 * * * *', 'backup')$$,
	$$schedule_set('x', '@daily', 'backup', zone => 'Narnia')$$,
	$$schedule_set('x', '@daily', '')$$, $$schedule_set('x', '@daily', ' ')$$, $$schedule_set('x', '@daily', 'SELECT 1')$$,
	$$schedule_set('x', '@daily', 'sql', '[]')$$, $$schedule_set('x', '@daily', 'sql')$$,
	$$schedule_set('x', '@daily', 'sql', '{"sql": 1}')$$, $$schedule_set('x', '@daily', 'sql', '{"sql": null}')$$,
	$$schedule_set('x', '@daily', 'sql', '{"sql": " ; -- nothing"}')$$, $$schedule_set('x', '@daily', 'sql', '{"sql": "SELEC 1"}')$$,
	$$schedule_set('x', '@daily', 'sql', '{"sql": "COPY t TO STDOUT"}')$$,
	$$schedule_set('x', '@daily', 'sql', '{"sql": "SELECT 1", "role": "postgres"}')$$,
	$$schedule_set('x', '@daily', 'sql', jsonb_build_object('sql', repeat(' ', 100000) || 'SELECT 1'))$$,
	$$schedule_set('x', '@daily', 'enqueue')$$, $$schedule_set('x', '@daily', 'enqueue', '{"job_type": "search"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"media_id": "no", "job_type": "search"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"media_id": "x", "filters": {}, "job_type": "search"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": [], "job_type": "search"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {"nothing": 1}, "job_type": "search"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}, "job_type": "none"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}, "job_type": "search", "priority": 101}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}, "job_type": "search", "limit": 0}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}, "job_type": "search", "max_retries": "1"}')$$,
	$$schedule_set('x', '@daily', 'enqueue', '{"filters": {}, "job_type": "search", "metadata": 1}')$$,
	$$schedule_pause('x')$$, $$schedule_pause(NULL)$$, $$schedule_resume('x')$$, $$schedule_run('x')$$, $$schedule_run(NULL)$$,
	$$schedule_drop(NULL)$$
]) WITH ORDINALITY AS t (call, n), fails(call) f ORDER BY n;
SELECT schedule_drop('x');
SELECT count(*) - :before AS added FROM schedule_entries;
BEGIN READ ONLY;
SELECT * FROM fails($$schedule_set('x', '@daily', 'backup')$$);
SELECT * FROM fails($$schedule_drop('one')$$);
SELECT * FROM fails($$schedule_run('one')$$);
SELECT count(*) > 3 AS listed FROM schedule_list();
COMMIT;

-- rows that the table's owner wrote are checked when they are read
INSERT INTO schedule_entries (name, cron, command, owner) VALUES ('bad cron', '61 * * * *', 'backup', 'nobody'),
	('bad command', '* * * * *', 'nothing', 'nobody'), ('bad owner', '* * * * *', 'sql', 'nobody');
INSERT INTO schedule_entries (name, cron, command, zone, owner) VALUES ('bad zone', '* * * * *', 'backup', 'Narnia', 'nobody');
SELECT name, status, problem, soon FROM list WHERE name LIKE 'bad %' ORDER BY name;
\set VERBOSITY terse
INSERT INTO schedule_entries (name, cron, command, owner) VALUES ('', '* * * * *', 'backup', 'nobody');
INSERT INTO schedule_entries (name, cron, command, owner, arguments) VALUES ('x', '* * * * *', 'backup', 'nobody', '[]');
DELETE FROM schedule_entries;
DROP VIEW list;
DROP FUNCTION spy, fails;
DELETE FROM schedule_log;
DELETE FROM schedule_state;
DELETE FROM media WHERE title = 'film';
