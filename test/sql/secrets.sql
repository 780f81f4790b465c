-- Secret settings, and users' hashes: who may write them without reading them
-- does not learn them.  The log is looked at by test/t/034_secrets_in_log.pl.
BEGIN;
SET LOCAL search_path = researcharr;
CREATE ROLE regress_manager;
GRANT USAGE ON SCHEMA researcharr TO regress_manager;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_manager;
GRANT SELECT ON configuration_masked, webui_users_masked, audit_log TO regress_manager;
GRANT INSERT, UPDATE, DELETE ON configuration, webui_users TO regress_manager;
GRANT SELECT (id, key, value_type, description, secret) ON configuration TO regress_manager;
GRANT SELECT (id, username) ON webui_users TO regress_manager;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'ok: ' || (SELECT string_agg(key || '=' || value || ' ' || value_type || CASE WHEN secret THEN ' secret' ELSE '' END, ', ' ORDER BY key)
		FROM researcharr.configuration_masked WHERE key LIKE 'api.%');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws('|', SQLSTATE, message, regexp_replace(detail, '^(Failing row contains ).*', '\1...'));
END$$;
SELECT count(*) FROM config_set('api.key', 'hunter2', 'string', 'the key', true) a, config_set('api.pin', '12345', 'int', NULL, true) b;
SELECT count(*) FROM webui_user_create('{"username": "admin", "password_hash": "hunter2"}');
SELECT id AS key_id FROM configuration WHERE key = 'api.key' \gset

-- unmasking, and asking what the hidden value reads as
SET LOCAL ROLE regress_manager;
SAVEPOINT start;
SELECT n, pg_temp.try(statement) FROM unnest(ARRAY[
	$$UPDATE researcharr.configuration SET secret = false WHERE key LIKE 'api.%'$$,
	$$UPDATE researcharr.configuration SET secret = false, value = 'hunter2' WHERE key = 'api.key'$$,
	$$UPDATE researcharr.configuration SET value_type = 'int' WHERE key = 'api.key'$$,
	$$UPDATE researcharr.configuration SET value_type = 'json' WHERE key = 'api.pin'$$,
	$$UPDATE researcharr.configuration SET value_type = 'string', secret = true WHERE key = 'api.key'$$,
	$$MERGE INTO researcharr.configuration c USING (SELECT 1) s ON c.key = 'api.key'
	WHEN MATCHED AND c.description IS NULL THEN UPDATE SET value = 'x' WHEN MATCHED THEN UPDATE SET secret = false$$,
	$$INSERT INTO researcharr.configuration (key, value) VALUES ('api.key', 'x') ON CONFLICT (key) DO UPDATE SET secret = false$$,
	format('SELECT * FROM researcharr.config_update(%L, ''{"secret": false}'')', :'key_id'),
	format('SELECT * FROM researcharr.config_update(%L, ''{"value_type": "int"}'')', :'key_id'),
	format('SELECT * FROM researcharr.config_update(%L, ''{"value_type": "json"}'')', :'key_id'),
	format('SELECT researcharr.unit_of_work(''[{"op": "update", "entity": "config", "id": "%s", "values": {"value_type": "int"}}]'')', :'key_id')]) WITH ORDINALITY AS s (statement, n);
SELECT count(*) FROM researcharr.config_get_all('{"value": "hunter2"}');
SELECT researcharr.webui_user_count('{"password_hash": {"is_null": false}}'), researcharr.config_count('{"value": {"like": "h%"}}');

-- with a new value
SELECT n, pg_temp.try(statement) FROM unnest(ARRAY[
	format('SELECT * FROM researcharr.config_update(%L, ''{"secret": false, "value": "new"}'')', :'key_id'),
	$$SELECT researcharr.config_set('api.pin', 'new', 'string', NULL, false)$$,
	$$UPDATE researcharr.configuration SET secret = true WHERE key LIKE 'api.%'$$,
	$$UPDATE researcharr.configuration SET value = 'newer', description = 'x' WHERE key LIKE 'api.%'$$,
	$$DELETE FROM researcharr.configuration WHERE key = 'api.pin'$$]) WITH ORDINALITY AS s (statement, n);
-- what one function may do ends with it, also by an error
SELECT pg_temp.try($$SELECT researcharr.config_set('api.key', NULL, 'string', NULL, false)$$),
	pg_temp.try($$SELECT researcharr.config_set('api.key', 'x', 'int', NULL, false)$$),
	pg_temp.try($$UPDATE researcharr.configuration SET secret = false WHERE key = 'api.key'$$);
ROLLBACK TO start;

-- The audit does not confirm a guess: a secret that is assigned is on record, the same or not
SET LOCAL ROLE regress_manager;
UPDATE researcharr.configuration SET value = 'hunter2' WHERE key = 'api.key';
UPDATE researcharr.configuration SET value = 'hunter3' WHERE key = 'api.key';
UPDATE researcharr.configuration SET description = 'y' WHERE key = 'api.key';
UPDATE researcharr.webui_users SET password_hash = 'hunter2';
SELECT entity_type, changes FROM researcharr.audit_log WHERE action = 'update' AND transaction_id = pg_current_xact_id() ORDER BY id;
ROLLBACK TO start;

-- messages: what a constraint refuses, for the manager and for the owner
SELECT pg_temp.try($$INSERT INTO researcharr.configuration (key, value, value_type, secret) VALUES ('q', 'hunter2', 'int', true)$$);
RESET ROLE;
ALTER TABLE configuration ADD COLUMN rating int NOT NULL DEFAULT 1 CHECK (rating > 0),
	ADD COLUMN twice int GENERATED ALWAYS AS (rating * 2) STORED CHECK (twice < 10);
SELECT n, pg_temp.try(statement) FROM unnest(ARRAY[
	$$INSERT INTO researcharr.configuration (key, value, value_type, secret) VALUES ('q', 'hunter2', 'int', true)$$,
	$$INSERT INTO researcharr.configuration (key, value, secret) VALUES (NULL, 'hunter2', true)$$,
	$$INSERT INTO researcharr.configuration (key, value, secret) VALUES ('q', 'hunter2', NULL)$$,
	$$INSERT INTO researcharr.configuration (key, value, secret, rating) VALUES ('q', 'hunter2', true, 0)$$,
	$$UPDATE researcharr.configuration SET rating = NULL WHERE key = 'api.key'$$,
	$$UPDATE researcharr.configuration SET value_type = 'int', secret = false WHERE key = 'api.key'$$,
	$$INSERT INTO researcharr.configuration (key, value, value_type) VALUES ('q', 'no secret', 'int')$$,
	$$INSERT INTO researcharr.configuration (key, value, secret, rating) VALUES ('api.q', 'hunter2', true, 4)$$,
	$$INSERT INTO researcharr.webui_users (username, password_hash) VALUES (' x', 'hunter2')$$,
	$$INSERT INTO researcharr.webui_users (username, password_hash) VALUES (NULL, 'hunter2')$$,
	$$UPDATE researcharr.webui_users SET username = ''$$,
	$$SELECT researcharr.config_set('q', 'hunter2', 'int', NULL, true)$$,
	$$SELECT researcharr.config_set('q', 'hunter2', 'hunter', NULL, true)$$,
	$$SELECT researcharr.config_create('{"key": "q", "value": "hunter2", "value_type": "int", "secret": true}')$$,
	$$SELECT researcharr.config_create('{"key": "q", "value": 12345}')$$,
	$$SELECT researcharr.webui_user_create('{"username": "q", "password_hash": 12345, "api_key_hash": ["hunter2"]}')$$]) WITH ORDINALITY AS s (statement, n);
SELECT * FROM config_validate('{"key": "q", "value": "hunter2", "value_type": "bool"}');
SELECT * FROM webui_user_validate('{"username": "q", "password_hash": 12345}');

-- the guard serves its own tables only
CREATE TABLE pg_temp.configuration (key text, value text);
CREATE TRIGGER guard BEFORE INSERT ON pg_temp.configuration FOR EACH ROW EXECUTE FUNCTION researcharr.secret_guard();
SELECT pg_temp.try('INSERT INTO pg_temp.configuration VALUES (NULL, NULL)'), pg_temp.try('SELECT researcharr.secret_guard()');
ROLLBACK;
