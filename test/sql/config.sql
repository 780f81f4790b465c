-- The application's settings: typed, checked when written, secrets masked.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
\pset null -
SELECT uuid_v7() AS start \gset
SELECT key, value, value_type, description, secret FROM config_set('radarr.url', 'http://radarr:7878');
SELECT key, value, value_type, description, secret FROM config_set('search.per_hour', '20', 'int', 'searches per hour');
SELECT key, value, value_type FROM config_set('search.enabled', 'true', 'bool');
SELECT key, value, value_type FROM config_set('search.limits', '{"a": [1, 2.50]}', 'json');
SELECT key, value, secret FROM config_set('radarr.api_key', 'deadbeef', secret => true);

SELECT config_get('radarr.url'), config_get_int('search.per_hour'), config_get_bool('search.enabled'), config_get_json('search.limits');
SELECT config_get('nope'), config_get_int('nope'), config_get_bool('nope'), config_get_json('nope');
SELECT config_get('search.per_hour'), config_get('search.limits'), config_get('radarr.api_key');
SELECT * FROM pg_temp.error_detail('SELECT config_get_int(''radarr.url'')');
SELECT * FROM pg_temp.error_detail('SELECT config_get_bool(''search.per_hour'')');
SELECT * FROM pg_temp.error_detail('SELECT config_get_json(''search.enabled'')');
SELECT key, value FROM config_list();
SELECT key, value FROM config_list('search.');
SELECT key FROM config_list('%');

-- what is NULL stays
SELECT value, description, secret FROM config_set('search.per_hour', '-5', 'int');
SELECT value, value_type, secret FROM config_set('radarr.api_key', '12', 'int');
SELECT value, value_type, secret FROM config_set('radarr.api_key', 'cafe', secret => false);
SELECT count(*) FROM config_get_all('{"key": "radarr.api_key"}');
SELECT secret FROM config_set('radarr.api_key', 'cafe', secret => true);

-- the edges of the types
SELECT t, v, e.sqlstate FROM (VALUES ('int', '9223372036854775807'), ('int', '-9223372036854775808'), ('int', '9223372036854775808'), ('int', ''), ('int', '1.0'),
    ('int', ' 1'), ('bool', 'true'), ('bool', 'TRUE'), ('bool', '1'), ('json', 'null'), ('json', ''), ('json', '"\u0000"'), ('json', '1e999999'),
    ('string', ''), ('float', '1')) x (t, v), pg_temp.error_detail(format('SELECT researcharr.config_set(''edge'', %L, %L)', v, t)) e;
SELECT * FROM pg_temp.error_detail('SELECT config_set('' k '', ''x'', ''float'')');
SELECT * FROM pg_temp.error_detail('SELECT config_set('''', ''x'', ''int'')');
SELECT * FROM pg_temp.error_detail('SELECT config_set(''k'', NULL)');
SELECT * FROM pg_temp.error_detail('SELECT config_get(NULL)');

-- as an entity: a value and its type can change one at a time, and must agree
SELECT id FROM config_get_all('{"key": "search.per_hour"}') \gset
SELECT value, value_type FROM config_update(:'id', '{"value": "30"}');
SELECT * FROM pg_temp.error_detail(format('SELECT config_update(%L, ''{"value": "many"}'')', :'id'));
SELECT * FROM pg_temp.error_detail(format('SELECT config_update(%L, ''{"value_type": "bool"}'')', :'id'));
SELECT * FROM pg_temp.error_detail(format('SELECT config_update(%L, ''{"value_type": "bool", "value": "5"}'')', :'id'));
SELECT value, value_type FROM config_update(:'id', '{"value_type": "string", "value": "many"}');

-- Secrets: for admins only.  Others need no more than the masked views.
SELECT webui_user_create('{"username": "anna", "password_hash": "h1", "api_key_hash": "h2"}') IS NOT NULL AS made;
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA researcharr TO regress_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_reader;
SET ROLE regress_reader;
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT config_get(''radarr.api_key'')');
RESET ROLE;
GRANT SELECT ON configuration_masked, webui_users_masked TO regress_reader;
SET ROLE regress_reader;
SELECT sqlstate, message FROM pg_temp.error_detail('TABLE configuration');
SELECT config_get('radarr.api_key'), config_get('radarr.url'), config_get_bool('search.enabled');
SELECT key, value FROM config_list('radarr');
SELECT key, value FROM config_get_all('{"secret": true}');
-- nor can one feel one's way by filters and orders
SELECT count(*) FROM config_get_all('{"value": "cafe"}');
SELECT config_count('{"value": {"like": "c%"}}'), config_count('{"value": "***"}');
SELECT username, password_hash, api_key_hash FROM webui_user_get_all();
SELECT webui_user_count('{"password_hash": {"is_null": false}}'), webui_user_count('{"password_hash": {"gte": "h"}}');
SELECT username, password_hash FROM webui_user_get_all(order_by => 'password_hash');
RESET ROLE;
UPDATE configuration SET value = '7', value_type = 'int' WHERE key = 'radarr.api_key';
SET ROLE regress_reader;
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT config_get_int(''radarr.api_key'')');
SELECT sqlstate, message FROM pg_temp.error_detail('SELECT config_set(''radarr.url'', ''x'')');
RESET ROLE;
GRANT INSERT, UPDATE, DELETE, SELECT (id, key, description, secret, updated_at) ON configuration TO regress_reader;
GRANT INSERT, UPDATE (password_hash), DELETE, SELECT (id) ON webui_users TO regress_reader;
SET ROLE regress_reader;
SELECT key, value, secret FROM config_set('radarr.api_key', 'new');
SELECT key, value, secret FROM config_set('mine', 'open');
SELECT value FROM config_create('{"key": "hidden", "value": "v", "secret": true}');
SELECT username, password_hash FROM webui_user_create('{"username": "bob", "password_hash": "h3"}');
SELECT id AS bob FROM webui_user_get_all('{"username": "bob"}') \gset
SELECT username, password_hash FROM webui_user_update(:'bob', '{"password_hash": "h4"}');
SELECT config_delete(id) FROM config_get_all('{"key": "hidden"}');
SELECT value FROM config_update(:'id', '{"value": "few"}');
SELECT sqlstate, message FROM pg_temp.error_detail($$SELECT researcharr.config_update(id, '{"secret": false}') FROM researcharr.config_get_all('{"key": "radarr.api_key"}')$$);
RESET ROLE;
SELECT value FROM configuration WHERE key = 'radarr.api_key';
SELECT username, password_hash FROM webui_user_get_by_id(:'bob');

-- in the audit log no secret is to be read
SELECT DISTINCT changes->'value' AS value FROM audit_log a WHERE id > :'start' AND entity_type = 'config' AND changes::text ~ 'deadbeef|cafe|"v"|h4';
SELECT DISTINCT changes->'password_hash' AS hash FROM audit_log WHERE id > :'start' AND entity_type = 'webui_user' AND changes ? 'password_hash' ORDER BY 1;

REVOKE ALL ON configuration, webui_users, configuration_masked, webui_users_masked FROM regress_reader;
REVOKE SELECT (id, key, description, secret, updated_at) ON configuration FROM regress_reader;
REVOKE UPDATE (password_hash), SELECT (id) ON webui_users FROM regress_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA researcharr FROM regress_reader;
REVOKE ALL ON SCHEMA researcharr FROM regress_reader;
DROP ROLE regress_reader;
DELETE FROM configuration;
DELETE FROM webui_users;
