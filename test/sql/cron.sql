-- Cron expressions: when they fire, compared with another implementation and,
-- where the clock is set forward or back, by hand; and expressions that are none.
SET search_path = researcharr;
SET timezone = 'UTC';
\getenv tests PG_ABS_SRCDIR
\i :tests/include/error.sql

-- The cases of test/data/cron.py
CREATE TEMP TABLE cases (cron text, zone text, after timestamptz, next timestamptz);
\set file :tests '/data/cron.csv'
COPY cases FROM :'file' (FORMAT csv, HEADER true);
SELECT count(*) > 3000 AS enough FROM cases;
SELECT cron, zone, after, next AS wanted, schedule_next(cron, zone, after) AS got
FROM cases WHERE schedule_next(cron, zone, after) IS DISTINCT FROM next ORDER BY 1, 2, 3 LIMIT 20;
-- nothing fires in between, and what fires is after the time given
SELECT count(*) AS wrong FROM cases
WHERE schedule_next(cron, zone, next - interval '1 us') IS DISTINCT FROM next
	OR schedule_next(cron, zone, next) <= next;

-- The first n times after a local time, in local time
CREATE FUNCTION pg_temp.fires(cron text, zone text, after timestamp, n int = 4) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	t timestamptz := after AT TIME ZONE zone;
	result text[];
BEGIN
	PERFORM set_config('timezone', zone, true);
	PERFORM set_config('datestyle', 'ISO', true);
	FOR i IN 1..n LOOP
		t := researcharr.schedule_next(cron, zone, t);
		EXIT WHEN t IS NULL;
		result := result || t::text;
	END LOOP;
	RETURN result;
END $$;

-- 2024-03-31 02:00 to 03:00 is not on clocks in Berlin; 2024-10-27 02:00 to 03:00 is there twice.
-- A time that does not exist: at the moment of the change, once, also for several such times
SELECT pg_temp.fires('30 2 * * *', 'Europe/Berlin', '2024-03-30 00:00', 3) AS daily;
SELECT pg_temp.fires('0,30 2,3 * * *', 'Europe/Berlin', '2024-03-31 00:00', 3) AS several;
SELECT pg_temp.fires('15 30 2 * * *', 'Europe/Berlin', '2024-03-31 00:00', 2) AS seconds;
SELECT pg_temp.fires('30 2 31 3 *', 'Europe/Berlin', '2024-01-01 00:00', 2) AS yearly;
-- what repeats follows the clock
SELECT pg_temp.fires('*/30 * * * *', 'Europe/Berlin', '2024-03-31 01:00') AS half_hours;
SELECT pg_temp.fires('30 * * * *', 'Europe/Berlin', '2024-03-31 01:00', 3) AS hourly;
SELECT pg_temp.fires('0 */2 * * *', 'Europe/Berlin', '2024-03-30 23:00', 3) AS two_hours;
SELECT pg_temp.fires('*/20 2 * * *', 'Europe/Berlin', '2024-03-31 00:00', 2) AS within_the_hour;
-- A time that exists twice: the first time only
SELECT pg_temp.fires('30 2 * * *', 'Europe/Berlin', '2024-10-26 00:00', 3) AS daily;
SELECT pg_temp.fires('0,30 2,3 * * *', 'Europe/Berlin', '2024-10-27 00:00') AS several;
SELECT pg_temp.fires('59 59 2 * * *', 'Europe/Berlin', '2024-10-27 00:00', 2) AS last_second;
SELECT schedule_next('30 2 * * *', 'Europe/Berlin', '2024-10-27 00:30:00+00') AS after_the_first,
	schedule_next('30 2 * * *', 'Europe/Berlin', '2024-10-27 01:00:00+00') AS in_between,
	schedule_next('0 3 * * *', 'Europe/Berlin', '2024-10-27 01:30:00+00') AS hour_after;
SELECT pg_temp.fires('*/30 * * * *', 'Europe/Berlin', '2024-10-27 01:30', 6) AS half_hours;
SELECT pg_temp.fires('30 * * * *', 'Europe/Berlin', '2024-10-27 01:00', 4) AS hourly;
SELECT pg_temp.fires('*/30 2 * * *', 'Europe/Berlin', '2024-10-27 00:00', 5) AS within_the_hour;
-- half an hour, on Lord Howe Island
SELECT pg_temp.fires('15 2 * * *', 'Australia/Lord_Howe', '2024-10-05 03:00', 2) AS forward;
SELECT pg_temp.fires('45 1 * * *', 'Australia/Lord_Howe', '2024-04-06 03:00', 2) AS back;
-- midnight does not exist: Sao Paulo changed then
SELECT pg_temp.fires('@daily', 'America/Sao_Paulo', '2017-10-14 00:00', 2) AS midnight;
-- Samoa had no 30 December 2011: a change of a day is a correction
SELECT pg_temp.fires('30 2 * * *', 'Pacific/Apia', '2011-12-28 12:00', 2) AS date_line;
-- a time that is never on the clock: the second Sunday of March, in the hour that New York skips
SELECT schedule_next('*/5 2 8-14 3 */7', 'America/New_York', '2024-01-01') AS never;
-- a change of the offset in the time after the last known one, and a zone by its rule
SELECT pg_temp.fires('30 2 * * *', 'Europe/Berlin', '2399-03-27 00:00', 3) AS far;
SELECT schedule_next('0 12 * * *', 'CET-1CEST', '2024-07-01') AS posix;

-- Which days: either is enough if both are restricted, and both must match if one begins with *
SELECT pg_temp.fires('0 0 13 * fri', 'UTC', '2024-09-01') AS either;
SELECT pg_temp.fires('0 0 */2 * mon', 'UTC', '2024-09-01') AS both;
SELECT pg_temp.fires('0 0 1-7 * */7', 'UTC', '2024-09-02') AS first_sunday;
SELECT pg_temp.fires('0 0 30 2 mon', 'UTC', '2024-01-01', 2) AS mondays_of_february;
SELECT pg_temp.fires('0 0 29 2 *', 'UTC', '1896-03-01', 2) AS leap_years;
SELECT pg_temp.fires('0 0 29 2 */7', 'UTC', '1880-03-01', 2) AS sundays;
-- Sunday is 0 and 7, and a week can end with it
SELECT pg_temp.fires('0 0 * * 7', 'UTC', '2024-09-01', 1) = pg_temp.fires('0 0 * * 0', 'UTC', '2024-09-01', 1) AS same;
SELECT pg_temp.fires('0 0 * * fri-sun', 'UTC', '2024-09-01') AS weekend;
SELECT pg_temp.fires('0 0 * * 5-7', 'UTC', '2024-09-01') = pg_temp.fires('0 0 * * FRI-Sun', 'UTC', '2024-09-01') AS same;
-- names, spaces and tabs
SELECT count(DISTINCT schedule_next(c, 'UTC', '2024-09-01')) AS one
FROM unnest(ARRAY['@yearly', '@ANNUALLY', ' 0 0 1 1 * ', E'0\t0  1 JAN\t*', '0 0 0 1 Jan *', '00 000 01 1 0-7']) c;
SELECT c, schedule_next(c, 'UTC', '2024-09-01 00:00:00.5')
FROM unnest(ARRAY['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly', '* * * * * *']) WITH ORDINALITY AS t (c, n)
ORDER BY n;
-- the ends of what a timestamp can be
SELECT schedule_next('@yearly', 'UTC', '4713-01-02 BC') AS first, schedule_next('@daily', 'UTC', '294276-12-30 12:00') AS last,
	schedule_next('@daily', 'UTC', '294276-12-31 12:00') AS none;
-- the rest of the arguments
SELECT schedule_next('* * * * *', NULL, NULL) BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 min' AS soon;
SELECT schedule_next('0 0 * * *', 'europe/berlin', '2024-07-01') AS any_case;
SELECT * FROM pg_temp.error('SELECT researcharr.schedule_next(NULL)');
SELECT * FROM pg_temp.error($$SELECT researcharr.schedule_next('@daily', 'UTC', 'infinity')$$);
SELECT left(z, 20) AS zone, e.* FROM unnest(ARRAY['Narnia', '', '../UTC', 'Europe/Berlin ', 'CEST', repeat('x', 300)]) z,
	pg_temp.error(format('SELECT researcharr.schedule_next(%L, %L)', '@daily', z)) e;

-- What is no expression
SELECT e.sqlstate, e.message, e.detail FROM unnest(ARRAY[
	'', ' ', '*', '* * * *', '* * * * * * *', '@reboot', '@daily @daily', '@', 'daily',
	'60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *', '* * * 13 *', '* * * * 8', '60 * * * * *',
	'-1 * * * *', '99999999999999999999 * * * *', '1.5 * * * *', '0x1 * * * *', 'jan * * * *', '* * * mon *', '* * * * jan',
	'* * * janu *', '* * * ja *', '* * * * mon,', ',1 * * * *', '1,,2 * * * *', '1- * * * *', '-5 * * * *', '5-1 * * * *',
	'* * * * sat-fri', '*/0 * * * *', '*/60 * * * *', '*/-1 * * * *', '*/ * * * *', '* */24 * * *', '0-10/20 * * * *', '5/10 * * * *',
	'** * * * *', '*5 * * * *', '1-5-7 * * * *', '*/2/3 * * * *', '? * * * *', '* * L * *', '* * 15W * *', '* * * * mon#1', 'H * * * *',
	'0 0 30 2 *', '0 0 31 4,6,9,11 *', '0 0 31 2,4 */2', E'* * * *\n*', '* * * * m' || chr(252), repeat('1,', 500) || '60 * * * *'
]) WITH ORDINALITY AS t (c, n), pg_temp.error_detail(format('SELECT researcharr.schedule_next(%L)', c)) e ORDER BY n;
