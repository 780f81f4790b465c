-- invariants.sql: what must hold when the fuzzer is done.
--
-- A row for each rule: how often it is broken, which has to be 0.  What users
-- defined in the way of the checks is taken away first.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

DO $$
DECLARE
	statement text;
BEGIN
	FOR statement IN
		SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
		WHERE tgname LIKE 'fuzz%' AND tgparentid = 0
		UNION ALL
		SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
		WHERE conname = 'fuzz_check'
		UNION ALL
		SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
		WHERE NOT indisvalid AND relname ~ '^fuzz|_cc(new|old)'
	LOOP
		EXECUTE statement;
	END LOOP;
END $$;

-- Whatever is due can be had: nothing is lost to the agenda.
DELETE FROM researcharr.job_types;
INSERT INTO researcharr.job_types (name) SELECT DISTINCT job_type FROM researcharr.processing_jobs;
DO $$
DECLARE
	quiet_since timestamptz := clock_timestamp();
	n int;
BEGIN
	LOOP
		WITH mine AS MATERIALIZED (SELECT id, attempt FROM researcharr.job_dequeue(max_jobs => 200))
		SELECT count(*) INTO n FROM mine, LATERAL researcharr.job_complete(mine.id, mine.attempt);
		COMMIT;
		EXIT WHEN n = 0 AND clock_timestamp() > quiet_since + interval '4 s';
		IF n > 0 THEN
			quiet_since := clock_timestamp();
		ELSE
			PERFORM pg_sleep(0.1);
		END IF;
	END LOOP;
END $$;

CREATE FUNCTION fuzz.broken_constraints() RETURNS TABLE (rule text, broken bigint) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM pg_constraint WHERE connamespace = 'researcharr'::regnamespace AND contype = 'c'
	LOOP
		rule := format('%s of %s', c.conname, c.conrelid::regclass);
		EXECUTE format('SELECT count(*) FROM %s WHERE NOT (%s)', c.conrelid::regclass, pg_get_expr(c.conbin, c.conrelid)) INTO broken;
		RETURN NEXT;
	END LOOP;
	FOR c IN
		SELECT con.*, (SELECT string_agg(format('o.%I = r.%I', a.attname, b.attname), ' AND ')
				FROM unnest(conkey, confkey) AS k (own, other)
				JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = own
				JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = other) AS matches,
			(SELECT string_agg(format('o.%I IS NOT NULL', attname), ' AND ') FROM pg_attribute
				WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS present
		FROM pg_constraint con WHERE connamespace = 'researcharr'::regnamespace AND contype = 'f'
	LOOP
		rule := format('%s of %s', c.conname, c.conrelid::regclass);
		EXECUTE format('SELECT count(*) FROM %s o WHERE %s AND NOT EXISTS (SELECT FROM %s r WHERE %s)',
			c.conrelid::regclass, c.present, c.confrelid::regclass, c.matches) INTO broken;
		RETURN NEXT;
	END LOOP;
	FOR c IN SELECT attrelid::regclass AS name, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
		WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p') AND attnotnull AND attnum > 0
	LOOP
		rule := format('%I of %s is not NULL', c.attname, c.name);
		EXECUTE format('SELECT count(*) FROM %s WHERE %I IS NULL', c.name, c.attname) INTO broken;
		RETURN NEXT;
	END LOOP;
END $$;

SELECT rule, broken FROM fuzz.broken_constraints() WHERE broken > 0
UNION ALL
SELECT 'constraints', sum(broken) FROM fuzz.broken_constraints()
UNION ALL
SELECT 'jobs that are due can be had', count(*) FROM researcharr.processing_jobs
WHERE status = 'queued' AND available_at <= clock_timestamp() - interval '1 s'
	OR status = 'running' AND lease_expires_at <= clock_timestamp() - interval '1 s'
UNION ALL
SELECT 'status, lease and end of jobs agree', count(*) FROM researcharr.processing_jobs
WHERE (status = 'running') <> (lease_expires_at IS NOT NULL)
	OR (status IN ('completed', 'failed', 'cancelled')) <> (completed_at IS NOT NULL)
UNION ALL
SELECT 'marks of blocks that were undone', count(*) FROM fuzz.marks
UNION ALL
SELECT 'prepared transactions are left', count(*) FROM pg_prepared_xacts;

\i data/history_agrees.sql

\i data/amcheck.sql

-- Where the extension was dropped and made all the time, it can still be.
\connect second
SET client_min_messages = error;
DROP EXTENSION IF EXISTS researcharr CASCADE;
DROP SCHEMA IF EXISTS researcharr CASCADE;
CREATE EXTENSION researcharr CASCADE;
SELECT 'the second database: the extension can be made anew', 0 AS broken;
