-- The cache: what its functions do.  With the library preloaded memory serves,
-- else the table: the results are the same.
SET search_path = researcharr, public;

-- set and get: bytes, text, JSON
SELECT cache_get('none') IS NULL AS bytes, cache_get_text('none') IS NULL AS text, cache_get_jsonb('none') IS NULL AS json;
SELECT cache_set('bytes', '\x00ff00');
SELECT cache_set_text('text', 'Zoë'), cache_set_jsonb('json', '{"a": [1, null]}');
SELECT cache_get('bytes'), cache_get_text('text'), cache_get_jsonb('json') -> 'a' AS json;
SELECT cache_get('text'), cache_get_text('json'), cache_get_jsonb('text');
SELECT cache_get_text('bytes');
SELECT cache_set('empty', ''), cache_set_text('null', 'null');
SELECT cache_get('empty'), cache_get_text('empty') = '' AS empty, cache_exists('empty'), cache_get_jsonb('null');
SELECT cache_set_text('text', 'again');
SELECT cache_get_text('text');

-- keys are told apart byte by byte
SELECT cache_set_text('Key', 'upper'), cache_set_text('key', 'lower'), cache_set_text('key ', 'space'), cache_set_text('k%y', 'percent');
SELECT cache_get_text('Key'), cache_get_text('key'), cache_get_text('key '), cache_get_text('k%y'), cache_get_text('kéy');
SELECT cache_set_text(repeat('é', 1024), 'long');
SELECT cache_get_text(repeat('é', 1024)), cache_get_text(repeat('é', 1023));

-- values of all sizes, from a block to many
DO $$
DECLARE
	size int;
BEGIN
	FOREACH size IN ARRAY ARRAY[0, 1, 100, 140, 141, 142, 143, 144, 145, 200, 250, 251, 252, 253, 395, 396, 397, 400, 1000, 5000, 100000] LOOP
		PERFORM cache_set_text('size:' || size, repeat('x', size));
	END LOOP;
END $$;
SELECT size FROM unnest(ARRAY[0, 1, 100, 140, 141, 142, 143, 144, 145, 200, 250, 251, 252, 253, 395, 396, 397, 400, 1000, 5000, 100000]) AS size
WHERE cache_get_text('size:' || size) IS DISTINCT FROM repeat('x', size);
SELECT cache_clear('size:%');

-- many at once
SELECT cache_set_many('{m1,m2,m3}', ARRAY['a', 'b', 'c']::bytea[], '1 hour');
SELECT key, convert_from(value, 'UTF8') FROM cache_get_many('{m3,m4,m1,m3}');
SELECT count(*) FROM cache_get_many('{}');
SELECT cache_set_many('{}', '{}');

-- delete, exists, touch
SELECT cache_exists('m1'), cache_delete('m1'), cache_exists('m1'), cache_delete('m1');
SELECT cache_touch('m2', '1 hour'), cache_touch('m1'), cache_get_text('m2');

-- numbers
SELECT cache_incr('n'), cache_incr('n'), cache_incr('n', 10), cache_incr('n', -20);
SELECT cache_incr('n', NULL), cache_get_text('n');
SELECT cache_set_text('n', '-9223372036854775808');
SELECT cache_incr('n', 9223372036854775807);
SELECT cache_set_text('n', '9223372036854775807');
SELECT cache_incr('n');
SELECT cache_set_text('n', '12x');
SELECT cache_incr('n');
SELECT cache_set_text('n', '');
SELECT cache_incr('n');
SELECT cache_delete('n');

-- patterns are LIKE's
SELECT cache_set_many('{a:1,a:2,a_1,A:1,b:1,a\\b}', array_fill(bytea 'x', '{6}'));
SELECT cache_clear('a\_%') AS underscore, cache_clear('a:_') AS two, cache_clear('a\\%') AS backslash, cache_clear('') AS none;
SELECT key FROM cache_get_many('{a:1,a:2,a_1,A:1,b:1,a\\b}') ORDER BY key COLLATE "C";

-- tags
SELECT cache_set_text('t1', '1', tags => '{x,y}'), cache_set_text('t2', '2', tags => '{y}'), cache_set_text('t3', '3', tags => '{}'),
	cache_set_text('t4', '4');
SELECT cache_invalidate('z'), cache_invalidate('x'), cache_invalidate('x');
SELECT key FROM cache_get_many('{t1,t2,t3,t4}');
SELECT cache_touch('t2');
SELECT cache_invalidate('y');
SELECT cache_set_text('t2', '2', tags => '{y}');
SELECT cache_set_text('t2', '2');
SELECT cache_invalidate('y'), cache_get_text('t2');

-- a transaction sees what it does
BEGIN;
SELECT cache_set_text('x', 'one');
SELECT cache_get_text('x'), cache_get_text('t3');
SAVEPOINT a;
SELECT cache_set_text('x', 'two'), cache_delete('t3');
SELECT cache_get_text('x'), cache_get_text('t3');
SAVEPOINT b;
SELECT cache_clear('x'), cache_get_text('x');
SELECT cache_set_text('x', 'three');
RELEASE b;
SELECT cache_get_text('x');
ROLLBACK TO a;
SELECT cache_get_text('x'), cache_get_text('t3');
SAVEPOINT c;
SELECT cache_incr('counted', 5), cache_set_text('t4', 'new', tags => '{v}');
RELEASE c;
SELECT cache_invalidate('v'), cache_get_text('t4'), cache_incr('counted');
COMMIT;
SELECT cache_get_text('x'), cache_get_text('t3'), cache_get_text('t4'), cache_get_text('counted');
BEGIN;
SELECT cache_set_text('x', 'never'), cache_set_text('y', 'never'), cache_clear('t%'), cache_incr('counted');
ROLLBACK;
SELECT cache_get_text('x'), cache_get_text('y'), cache_get_text('t3'), cache_get_text('counted');
DO $$
BEGIN
	PERFORM cache_set_text('kept', 'kept');
	BEGIN
		PERFORM cache_set_text('kept', 'lost'), cache_set_text('lost', 'lost');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
END $$;
SELECT cache_get_text('kept'), cache_get_text('lost');

-- prepared transactions
BEGIN;
SELECT cache_set_text('x', 'prepared'), cache_delete('t3'), cache_set_text('p', repeat('p', 1000));
PREPARE TRANSACTION 'regress_rarr_cache';
COMMIT PREPARED 'regress_rarr_cache';
SELECT cache_get_text('x'), cache_get_text('t3'), length(cache_get_text('p'));
BEGIN;
SELECT cache_set_text('x', 'rolled back'), cache_delete('p'), cache_clear('k%') > 0 AS cleared;
PREPARE TRANSACTION 'regress_rarr_cache';
ROLLBACK PREPARED 'regress_rarr_cache';
SELECT cache_get_text('x'), length(cache_get_text('p')), cache_get_text('key');
BEGIN;
SELECT cache_set_text('new', 'prepared'), cache_clear('k%') > 0 AS cleared;
PREPARE TRANSACTION 'regress_rarr_cache';
COMMIT PREPARED 'regress_rarr_cache';
SELECT cache_get_text('key'), cache_get_text('k%y');

-- time to live
SELECT cache_set_text('short', 'x', '1 us'), cache_set_text('long', 'x', '36500 days'), cache_set_text('forever', 'x', '0');
SELECT pg_sleep(0.001);
SELECT cache_get_text('short'), cache_exists('short'), cache_touch('short'), cache_delete('short'), cache_get_text('long'), cache_get_text('forever');
SET researcharr.cache_default_ttl = 0;
SELECT cache_set_text('default', 'x'), cache_touch('default');
SELECT cache_get_text('default');
RESET researcharr.cache_default_ttl;

-- read-only transactions read
SELECT cache_set_text('x', 'x');
BEGIN READ ONLY;
SELECT cache_get_text('x'), cache_exists('x'), key FROM cache_get_many('{x}');
SELECT cache_set_text('x', 'y');
ROLLBACK;

-- everything
SELECT cache_clear('%') > 3 AS many, cache_clear(), cache_clear('%');
SELECT count(*) FROM cache_entries;
SELECT store, entries FROM cache_stats() WHERE store = 'memory' AND entries > 0;
