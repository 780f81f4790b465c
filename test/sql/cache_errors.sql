-- The cache: bad input is refused, by an error that names it, and changes
-- nothing.
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
SET search_path = researcharr, public;
\set e 'SELECT * FROM pg_temp.error('
SELECT cache_set_text('k', 'kept');

-- NULL
:e 'SELECT cache_get(NULL)');
:e 'SELECT cache_set(NULL, ''x'')');
:e 'SELECT cache_set(''k'', NULL)');
:e 'SELECT cache_set_jsonb(''k'', NULL)');
:e 'SELECT cache_delete(NULL)');
:e 'SELECT cache_exists(NULL)');
:e 'SELECT cache_touch(NULL)');
:e 'SELECT cache_incr(NULL)');
:e 'SELECT cache_invalidate(NULL)');
:e 'SELECT cache_get_many(NULL)');
:e 'SELECT cache_get_many(''{a,NULL}'')');
:e 'SELECT cache_set_many(''{a,b}'', ''{a,NULL}'')');
:e 'SELECT cache_set_text(''k'', ''v'', tags => ''{a,NULL}'')');

-- keys
:e 'SELECT cache_get('''')');
:e 'SELECT cache_set_text('''', ''x'')');
:e 'SELECT cache_set_text(repeat(''x'', 1025), ''x'')');
:e 'SELECT cache_get(repeat(''é'', 10240))');
:e 'SELECT cache_get_many(ARRAY[''a'', ''''])');
:e 'SELECT cache_incr('''')');

-- time to live
:e 'SELECT cache_set_text(''k'', ''v'', ''-1 s'')');
:e 'SELECT cache_touch(''k'', ''-1 us'')');
:e 'SELECT cache_set_text(''k'', ''v'', ''36501 days'')');
:e 'SELECT cache_incr(''k'', 1, ''-1 s'')');

-- strategies and tags
:e 'SELECT cache_get(''k'', ''redis'')');
:e 'SELECT cache_set_text(''k'', ''v'', strategy => '''')');
:e 'SELECT cache_set_text(''k'', ''v'', tags => ''{""}'')');
:e 'SELECT cache_set_text(''k'', ''v'', tags => ARRAY[repeat(''t'', 256)])');
:e 'SELECT cache_set_text(''k'', ''v'', tags => array_fill(''t''::text, ''{101}''))');
:e 'SELECT cache_set_text(''k'', ''v'', tags => ''{{a},{b}}'')');
:e 'SELECT cache_invalidate('''')');

-- arrays
:e 'SELECT cache_set_many(''{a,b}'', ''{a}'')');
:e 'SELECT cache_set_many(''{{a},{b}}'', ''{a,b}'')');

-- patterns
:e 'SELECT cache_clear(''k\'')');
:e 'SELECT cache_clear(repeat(''%'', 1025))');

-- values that are too large
:e 'SELECT cache_set_text(''k'', repeat(''x'', 1024 * 1024 + 1))');
:e 'SELECT cache_set(''k'', convert_to(repeat(''x'', 2000000), ''UTF8''))');
:e 'SELECT cache_set_many(''{k}'', ARRAY[convert_to(repeat(''x'', 2000000), ''UTF8'')])');
SET researcharr.cache_max_value = '2MB';
SELECT cache_set_text('large', repeat('x', 1024 * 1024 + 1));
SELECT length(cache_get_text('large'));
RESET researcharr.cache_max_value;
SELECT cache_delete('large');

-- settings
SET researcharr.cache_strategy = 'redis';
SET researcharr.cache_max_value = 0;
SET researcharr.cache_default_ttl = -1;

-- nothing has changed
SELECT cache_get_text('k');

-- who may do what
CREATE ROLE regress_rarr_cached;
GRANT USAGE ON SCHEMA researcharr TO regress_rarr_cached;
SET ROLE regress_rarr_cached;
SELECT cache_get('k');
RESET ROLE;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO regress_rarr_cached;
SET ROLE regress_rarr_cached;
SELECT cache_get_text('k');
SELECT cache_set_text('k', 'theirs', strategy => 'write_through');
SELECT cache_get_text('k'), cache_delete('k'), cache_clear('no%'), cache_invalidate('no');
SELECT count(*) FROM cache_entries;
SELECT cache_stats_reset();
RESET ROLE;
SELECT cache_stats_reset();
DROP OWNED BY regress_rarr_cached;
DROP ROLE regress_rarr_cached;
SELECT cache_clear();
