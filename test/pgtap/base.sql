-- base: the extension, its schema, and ids.
BEGIN;
SELECT plan(8);

SELECT has_extension('researcharr');
SELECT has_extension('pg_trgm', 'what it requires is there');
SELECT schema_owner_is('researcharr', current_user, 'the schema is the installer''s');
SELECT schema_privs_are('researcharr', 'public', '{}'::text[],
    'PUBLIC has nothing in the schema');
SELECT has_function('researcharr', 'uuid_v7', '{}'::name[]);
SELECT function_returns('researcharr', 'uuid_v7', '{}'::name[], 'uuid');
SELECT volatility_is('researcharr', 'uuid_v7', '{}'::name[], 'volatile');
SELECT function_lang_is('researcharr', 'uuid_v7', '{}'::name[], 'c');

SELECT * FROM finish();
ROLLBACK;
