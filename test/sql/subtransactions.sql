-- Internal subtransactions: whatever error ends one, it is rolled back before
-- the error goes on, and the session's own transaction stays as it was.
SET search_path = researcharr;

-- Raises the error that the setting names, also by a real cancel.
CREATE SCHEMA probe;
CREATE FUNCTION probe.fail() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    CASE current_setting('probe.code')
        WHEN 'none' THEN NULL;
        WHEN 'cancel' THEN
            PERFORM pg_cancel_backend(pg_backend_pid());
            PERFORM pg_sleep(600);
        WHEN 'sleep' THEN
            PERFORM pg_sleep(600);
        ELSE
            RAISE EXCEPTION 'injected' USING ERRCODE = current_setting('probe.code');
    END CASE;
    RETURN true;
END $$;
CREATE FUNCTION probe.fail_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM probe.fail();
    RETURN NEW;
END $$;
CREATE TABLE probe.kept (place text, code text, what text);
CREATE TABLE probe.result (place text, code text, outcome text, in_transaction boolean);
SET probe.code = 'none';
CREATE DOMAIN probe.checked AS text CHECK (probe.fail());
ALTER TABLE configuration ADD COLUMN checked probe.checked;
CREATE TRIGGER probe BEFORE INSERT ON configuration FOR EACH ROW EXECUTE FUNCTION probe.fail_trigger();
CREATE TRIGGER probe BEFORE INSERT ON media FOR EACH ROW WHEN (NEW.title = 'bad') EXECUTE FUNCTION probe.fail_trigger();
CREATE TRIGGER probe BEFORE INSERT ON movies FOR EACH ROW WHEN (NEW.year = 2000) EXECUTE FUNCTION probe.fail_trigger();

-- Each place that runs an internal subtransaction, by a call that gets there.
CREATE TABLE probe.places (place text, call text);
INSERT INTO probe.places VALUES
    ('unit_of_work', $$SELECT unit_of_work('[{"op": "create", "entity": "config", "values": {"key": "a", "value": "1"}},
                                             {"op": "create", "entity": "config", "values": {"key": "b", "value": "1"}}]')::text$$),
    ('import', $$SELECT format('%s good, %s failed', created + unchanged, failed)
                   FROM media_import_radarr('[{"title": "good", "tmdbId": 1}, {"title": "bad", "tmdbId": 2}, {"title": "good", "tmdbId": 3}]')$$),
    ('strict import', $$SELECT created::text FROM media_import_radarr('[{"title": "fine", "tmdbId": 4}, {"title": "bad", "tmdbId": 5}]', true)$$),
    ('both halves of a flat row', $$SELECT title FROM movie_create('{"title": "flat", "year": 2000}')$$),
    ('input function, validate', $$SELECT code || ' of ' || field FROM config_validate('{"key": "c", "value": "1", "checked": "x"}')$$),
    ('input function, create', $$SELECT key FROM config_create('{"key": "c", "value": "1", "checked": "x"}')$$),
    ('input function, filter', $$SELECT count(*)::text FROM config_get_all('{"checked": "x"}')$$);

-- The call within a block that catches its error: the block's row is undone with
-- it, the rows before and after are kept.
CREATE FUNCTION probe.run(place text, code text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
BEGIN
    PERFORM set_config('probe.code', code, false);
    INSERT INTO probe.kept VALUES (place, code, 'before');
    BEGIN
        INSERT INTO probe.kept VALUES (place, code, 'in block');
        EXECUTE (SELECT p.call FROM probe.places p WHERE p.place = run.place) INTO outcome;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        outcome := CASE WHEN SQLSTATE = code OR SQLSTATE || code = '57014cancel' THEN 'thrown on' ELSE 'error ' || SQLSTATE END;
    END;
    INSERT INTO probe.kept VALUES (place, code, 'after');
    INSERT INTO probe.result VALUES (place, code, outcome);
END $$;
-- Each in a transaction of its own, then what became of the transaction.
SELECT format('SELECT probe.run(%L, %L)', place, code),
       format('UPDATE probe.result r SET in_transaction = x.x FROM (SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS x) x WHERE r.place = %L AND r.code = %L', place, code)
  FROM probe.places, unnest('{22012,23514,25006,40001,40P01,42501,42P01,53200,54000,54001,55000,55P03,57014,57P01,58030,P0001,RX001,XX000,cancel}'::text[]) code
 ORDER BY place, code
\set ECHO none
\o /dev/null
\gexec
\o
\set ECHO all
SELECT place, outcome, string_agg(code, ' ' ORDER BY code) AS injected FROM probe.result GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), count(*) FILTER (WHERE in_transaction) AS left_in_transaction FROM probe.result;
SELECT what, (outcome = 'thrown on' OR outcome LIKE 'error%') AS failed, count(*) FROM probe.kept NATURAL JOIN probe.result GROUP BY 1, 2 ORDER BY 1, 2;

-- the same with no block around it: the statements after it run
TRUNCATE probe.kept;
\set VERBOSITY sqlstate
SET probe.code = 'cancel';
SELECT call, $$SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS in_transaction$$ FROM probe.places ORDER BY place
\gexec
SET probe.code = 'sleep';
SET statement_timeout = '200ms';
SELECT call, $$SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS in_transaction$$ FROM probe.places ORDER BY place
\gexec
RESET statement_timeout;

-- and within a savepoint
SET probe.code = '40001';
BEGIN;
INSERT INTO probe.kept VALUES ('savepoint', '40001', 'before');
SAVEPOINT a;
SELECT call, 'ROLLBACK TO a', format('INSERT INTO probe.kept VALUES (%L, NULL, %L)', 'savepoint', place), 'SAVEPOINT a' FROM probe.places ORDER BY place
\gexec
COMMIT;
SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS in_transaction;
SELECT what FROM probe.kept ORDER BY what COLLATE "C";
\set VERBOSITY default

-- A trigger that calls itself through unit_of_work: the error of the innermost
-- call ends all of them, without a new try at each level.
CREATE FUNCTION probe.recursive_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO probe.kept VALUES ('recursion', NEW.value);
    PERFORM nextval('probe.calls');
    IF NEW.value::int >= current_setting('probe.depth')::int THEN
        RAISE EXCEPTION 'deep enough' USING ERRCODE = current_setting('probe.code');
    END IF;
    PERFORM researcharr.unit_of_work(jsonb_build_array(
        jsonb_build_object('op', 'create', 'entity', 'config', 'values', jsonb_build_object('key', NEW.key || 'a', 'value', (NEW.value::int + 1)::text)),
        jsonb_build_object('op', 'create', 'entity', 'config', 'values', jsonb_build_object('key', NEW.key || 'b', 'value', (NEW.value::int + 1)::text))));
    RETURN NEW;
END $$;
CREATE SEQUENCE probe.calls;
ALTER TABLE configuration DROP COLUMN checked;
DROP TRIGGER probe ON configuration;
CREATE TRIGGER probe BEFORE INSERT ON configuration FOR EACH ROW EXECUTE FUNCTION probe.recursive_trigger();
SET probe.depth = 20;
\set VERBOSITY sqlstate
SET probe.code = 'P0001';
SELECT count(*) FROM config_create('{"key": "r", "value": "1"}');
SELECT nextval('probe.calls') - 1 AS calls;
SET probe.code = '54001';
SELECT count(*) FROM config_create('{"key": "r", "value": "1"}');
SELECT nextval('probe.calls') - 1 AS calls;
SET probe.depth = 1000000;
SELECT count(*) FROM config_create('{"key": "r", "value": "1"}');
\set VERBOSITY default

DROP TRIGGER probe ON configuration;
DROP TRIGGER probe ON media;
DROP TRIGGER probe ON movies;
DELETE FROM media;
DELETE FROM configuration;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA probe CASCADE;
