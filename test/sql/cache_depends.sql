-- cache_depends: changes of a table's rows drop keys.
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
SET search_path = researcharr, public;
CREATE TABLE regress_rarr_t (id int PRIMARY KEY, name text, "odd {" int);
INSERT INTO regress_rarr_t VALUES (1, 'one'), (2, 'two'), (3, NULL);
CREATE FUNCTION pg_temp.fill() RETURNS void LANGUAGE sql AS $$
	SELECT researcharr.cache_set_many(ARRAY['t:1', 't:2', 't:3', 't:9', 'name {one}', 'name {}', 'all', 'other'], array_fill(bytea 'x', '{8}'))
$$;
CREATE FUNCTION pg_temp.left() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(key, ', ' ORDER BY key COLLATE "C")
	FROM researcharr.cache_get_many(ARRAY['t:1', 't:2', 't:3', 't:9', 'name {one}', 'name {}', 'all', 'other'])
$$;
SELECT pg_temp.fill();
SELECT cache_depends('regress_rarr_t', 't:{id}'), cache_depends('regress_rarr_t', 't:{id}');
SELECT cache_depends('regress_rarr_t', 'name {{{name}}}'), cache_depends('regress_rarr_t', 'all');
-- what was there may have been stale
SELECT pg_temp.left();

SELECT pg_temp.fill();
INSERT INTO regress_rarr_t VALUES (4, 'four');
SELECT pg_temp.left();
SELECT pg_temp.fill();
UPDATE regress_rarr_t SET id = 9, name = NULL WHERE id = 1;
SELECT pg_temp.left();
SELECT pg_temp.fill();
DELETE FROM regress_rarr_t WHERE id = 3;
SELECT pg_temp.left();
SELECT pg_temp.fill();
UPDATE regress_rarr_t SET name = name WHERE false;
SELECT pg_temp.left();
TRUNCATE regress_rarr_t;
SELECT pg_temp.left();

-- in a transaction, and after its rollback
INSERT INTO regress_rarr_t VALUES (1, 'one');
SELECT pg_temp.fill();
BEGIN;
SELECT cache_set_text('t:1', 'own');
UPDATE regress_rarr_t SET name = 'uno';
SELECT cache_get_text('t:1'), cache_get_text('t:2');
SELECT cache_set_text('t:1', 'uno');
SAVEPOINT a;
DELETE FROM regress_rarr_t;
SELECT cache_get_text('t:1');
ROLLBACK TO a;
SELECT cache_get_text('t:1');
ROLLBACK;
SELECT cache_get_text('t:1'), pg_temp.left();

-- many rows
INSERT INTO regress_rarr_t SELECT n, 'many' FROM generate_series(100, 20100) n;
SELECT cache_set_text('t:20000', 'x');
UPDATE regress_rarr_t SET name = 'more';
SELECT cache_get_text('t:20000'), cache_get_text('other');
BEGIN;
UPDATE regress_rarr_t SET name = 'most';
SELECT cache_set_text('t:20000', 'own'), cache_set_text('t:20001', 'own');
UPDATE regress_rarr_t SET name = 'last' WHERE id = 20000;
SELECT cache_get_text('t:20000'), cache_get_text('t:20001');
COMMIT;
SELECT cache_get_text('t:20000'), cache_get_text('t:20001');

-- also for replicas
SELECT pg_temp.fill();
SET session_replication_role = replica;
UPDATE regress_rarr_t SET name = 'replica' WHERE id = 1;
RESET session_replication_role;
SELECT pg_temp.left();

-- a partitioned table
CREATE TABLE regress_rarr_p (id int, v int) PARTITION BY LIST (v);
SELECT cache_depends('regress_rarr_p', 'p:{id}');
CREATE TABLE regress_rarr_p1 PARTITION OF regress_rarr_p FOR VALUES IN (1);
INSERT INTO regress_rarr_p1 VALUES (1, 1);
SELECT cache_set_text('p:1', 'x');
UPDATE regress_rarr_p1 SET id = 2;
SELECT cache_get_text('p:1');

-- a column that is gone
ALTER TABLE regress_rarr_t DROP COLUMN name;
SELECT * FROM pg_temp.error('DELETE FROM regress_rarr_t WHERE id = 1');
SELECT cache_independent('regress_rarr_t'), cache_independent('regress_rarr_t');
SELECT pg_temp.fill();
DELETE FROM regress_rarr_t;
SELECT pg_temp.left();

-- bad input
SELECT * FROM pg_temp.error($$SELECT cache_depends(NULL, 'a')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', NULL)$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', '')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', repeat('x', 1025))$$) WHERE sqlstate <> '22023';
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', '{none}')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', '{id')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', 'id}')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('regress_rarr_t', '{}')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends('movie_rows', 'a')$$);
SELECT * FROM pg_temp.error($$SELECT cache_depends(0, 'a')$$);
SELECT * FROM pg_temp.error($$SELECT cache_independent(NULL)$$);
SELECT * FROM pg_temp.error($$SELECT cache_table_changed()$$);
CREATE TRIGGER wrong BEFORE INSERT ON regress_rarr_t FOR EACH ROW EXECUTE FUNCTION cache_table_changed('a');
SELECT * FROM pg_temp.error('INSERT INTO regress_rarr_t VALUES (1)');
DROP TABLE regress_rarr_t, regress_rarr_p;
SELECT cache_clear() > 0 AS cleared;
