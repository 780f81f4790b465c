-- cache_fetch: the rows of a query, with its arguments, read-only.  Without
-- preload the query runs each time: the results are the same.
SET search_path = researcharr, public;
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'Film', 'movie');

SELECT cache_fetch('f', 'SELECT title, type FROM media WHERE id = $1', arguments => '["01900000-0000-7000-8000-000000000001"]');
SELECT cache_fetch('f2', 'SELECT $1 AS a, $2::int + 1 AS b, $3 AS c, $4::jsonb AS d', arguments => '["x", 4, null, {"y": [1]}]');
SELECT cache_fetch('f3', 'SELECT 1 WHERE false'), cache_fetch('f4', 'VALUES (1, true), (2, NULL)');
SELECT cache_fetch('f5', 'SELECT n FROM generate_series(1, 250) n') -> 249;
SELECT cache_fetch('f6', 'SELECT date ''2026-11-30'' AS d, numeric ''1.50'' AS n, ''{1,2}''::int[] AS a', '0');
SHOW transaction_read_only;

-- what is refused
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
SELECT * FROM pg_temp.error($$SELECT cache_fetch(NULL, 'SELECT 1')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', NULL)$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('', 'SELECT 1')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT 1', '-1 s')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'DELETE FROM researcharr.media')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'WITH x AS (DELETE FROM researcharr.media RETURNING 1) SELECT * FROM x')$$);
SELECT sqlstate FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT researcharr.media_delete(id) FROM researcharr.media')$$);
SELECT sqlstate FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT researcharr.cache_set_text(''a'', ''b'')')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT 1; SELECT 2')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', '')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELEC')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT 1/0')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT * FROM generate_series(1, 1000000)')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT researcharr.cache_fetch(''e'', ''SELECT 1'')')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT $1::int', arguments => '{}')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT $1::int', arguments => '1')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT $2::int', arguments => '[1]')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT $1::int', arguments => '["x"]')$$);
SELECT * FROM pg_temp.error($$SELECT cache_fetch('e', 'SELECT $1::int')$$);
-- a fetch within another
SELECT cache_fetch('outer', 'SELECT researcharr.cache_fetch(''inner'', ''SELECT 1 AS n'') AS inner');
SELECT count(*) FROM media;

-- in a transaction with changes of its own
BEGIN;
UPDATE media SET title = 'Changed';
SELECT cache_fetch('own', 'SELECT title FROM media');
ROLLBACK;
SELECT cache_fetch('own', 'SELECT title FROM media');

-- cached rows: what the transaction and others see
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT title FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
INSERT INTO movies (media_id, year) VALUES ('01900000-0000-7000-8000-000000000001', 1999);
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
UPDATE movies SET year = 2000;
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
BEGIN;
UPDATE media SET title = 'Other';
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
ROLLBACK;
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
ALTER TABLE media ADD COLUMN added int DEFAULT 7;
SELECT title, added FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
ALTER TABLE media DROP COLUMN added;
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
-- updates that are written without a statement
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
BEGIN;
SELECT year FROM movie_update('01900000-0000-7000-8000-000000000001', '{"year": 2001}');
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
COMMIT;
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
BEGIN;
SELECT title FROM media_update('01900000-0000-7000-8000-000000000001', '{"title": "Renamed"}');
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
COMMIT;
SELECT title FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT title, year FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
BEGIN;
SELECT title FROM movie_update('01900000-0000-7000-8000-000000000001', '{"title": "Undone"}');
SELECT title FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
ROLLBACK;
SELECT title FROM movie_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT title FROM movie_create('{"id": "01900000-0000-7000-8000-0000000000c1", "title": "Created"}');
SELECT title FROM movie_get_by_id_cached('01900000-0000-7000-8000-0000000000c1');
SELECT title FROM movie_update('01900000-0000-7000-8000-0000000000c1', '{"title": "Created again"}');
SELECT title FROM movie_get_by_id_cached('01900000-0000-7000-8000-0000000000c1');
SELECT media_delete('01900000-0000-7000-8000-0000000000c1');
-- keys that depend on a table whose rows are written without a statement
SELECT cache_depends('media', 'own:{id}'), cache_depends('processing_jobs', 'own:{id}');
SELECT cache_set_text('own:01900000-0000-7000-8000-000000000001', 'old');
SELECT title FROM media_update('01900000-0000-7000-8000-000000000001', '{"title": "Fight Club"}');
SELECT cache_get_text('own:01900000-0000-7000-8000-000000000001');
SELECT job_enqueue('01900000-0000-7000-8000-000000000001', 'download') AS job \gset
SELECT cache_set_text('own:' || :'job', 'old');
SELECT status FROM job_dequeue('{download}');
SELECT cache_get_text('own:' || :'job');
SELECT cache_set_text('own:' || :'job', 'old');
UPDATE processing_jobs SET status = 'cancelled', lease_expires_at = NULL, completed_at = clock_timestamp() WHERE id = :'job';
SELECT cache_get_text('own:' || :'job');
DELETE FROM processing_jobs;
SELECT cache_independent('media'), cache_independent('processing_jobs');
SELECT job_enqueue('01900000-0000-7000-8000-000000000001', 'search') AS job \gset
SELECT status FROM job_get_by_id_cached(:'job');
SELECT status FROM job_dequeue();
SELECT status FROM job_get_by_id_cached(:'job');
UPDATE processing_jobs SET status = 'cancelled', lease_expires_at = NULL, completed_at = clock_timestamp();
SELECT status FROM job_get_by_id_cached(:'job');
SELECT media_get_by_id_cached(NULL);
DELETE FROM media;
SELECT count(*) FROM media_get_by_id_cached('01900000-0000-7000-8000-000000000001');
SELECT count(*) FROM job_get_by_id_cached(:'job');
SELECT cache_clear() >= 0 AS cleared;
