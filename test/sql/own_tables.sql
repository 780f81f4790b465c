-- The trigger functions serve the extension's own tables only: whoever may
-- execute one could else put on record what never happened.
CREATE ROLE regress_rarr_forger;
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_forger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_rarr_forger;
SET ROLE regress_rarr_forger;

-- one that looks like the extension's table, and has its name
CREATE TABLE pg_temp.media (id uuid, title text, type text, updated_at timestamptz);
CREATE TRIGGER forge AFTER INSERT ON pg_temp.media REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
	EXECUTE FUNCTION researcharr.audit_record('media', 'key', 'id');
INSERT INTO pg_temp.media VALUES (NULL, 'forged');
DROP TRIGGER forge ON pg_temp.media;

-- each of the trigger functions
DO $$
DECLARE
	function regprocedure;
BEGIN
	FOR function IN
		SELECT oid FROM pg_proc
		WHERE pronamespace = 'researcharr'::regnamespace AND prorettype = 'trigger'::regtype ORDER BY proname
	LOOP
		EXECUTE format('CREATE TRIGGER forge BEFORE INSERT ON pg_temp.media FOR EACH ROW EXECUTE FUNCTION %s', function);
		BEGIN
			INSERT INTO pg_temp.media VALUES (NULL, 'forged');
			RAISE WARNING '% serves any table', function;
		EXCEPTION WHEN trigger_protocol_violated THEN
			NULL;
		END;
		DROP TRIGGER forge ON pg_temp.media;
	END LOOP;
END
$$;

-- a partition of an own table
CREATE TABLE pg_temp.log (id uuid) PARTITION BY RANGE (id);
CREATE TABLE pg_temp.log_default PARTITION OF pg_temp.log DEFAULT;
CREATE TRIGGER forge BEFORE INSERT ON pg_temp.log FOR EACH ROW EXECUTE FUNCTION researcharr.log_guard();
INSERT INTO pg_temp.log VALUES (NULL);

-- a table that its owner makes one of the extension's
RESET ROLE;
ALTER EXTENSION researcharr ADD TABLE pg_temp.media;
CREATE TRIGGER advance BEFORE UPDATE ON pg_temp.media FOR EACH ROW EXECUTE FUNCTION researcharr.updated_at_advance();
INSERT INTO pg_temp.media VALUES (NULL, 'own');
UPDATE pg_temp.media SET title = 'still own';
SELECT title, updated_at IS NOT NULL AS advanced FROM pg_temp.media;
ALTER EXTENSION researcharr DROP TABLE pg_temp.media;

-- users' partitions of a log, at any level, are the extension's
BEGIN;
CREATE TABLE researcharr.audit_log_sub PARTITION OF researcharr.audit_log
	FOR VALUES FROM (MINVALUE) TO ('00000000-0000-0000-0000-00000000ffff') PARTITION BY RANGE (id);
CREATE TABLE researcharr.audit_log_sub_default PARTITION OF researcharr.audit_log_sub DEFAULT;
INSERT INTO researcharr.audit_log (id, entity_type, action, changes, "timestamp", database_user, transaction_id)
VALUES ('00000000-0000-0000-0000-000000000001', 'media', 'create', '{}', now(), 'me', '3');
GRANT INSERT ON researcharr.audit_log_sub_default TO regress_rarr_forger;
SET LOCAL ROLE regress_rarr_forger;
\set VERBOSITY terse
INSERT INTO researcharr.audit_log_sub_default (id, entity_type, action, changes, "timestamp", database_user, transaction_id)
VALUES ('00000000-0000-0000-0000-000000000002', 'media', 'create', '{}', now(), 'me', '3');
ROLLBACK;
DROP TABLE pg_temp.media, pg_temp.log;
DROP OWNED BY regress_rarr_forger;
DROP ROLE regress_rarr_forger;
