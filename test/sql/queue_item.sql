-- What waits for Radarr and Sonarr: handing out, processed, failed.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'Dune', 'movie');
INSERT INTO queue_items (media_id, service, priority, last_processed, next_retry_at, metadata)
SELECT '01900000-0000-7000-8000-000000000001', s, p, l, n, jsonb_build_object('name', name) FROM (VALUES
    ('low', 'radarr', 0, NULL::timestamptz, NULL::timestamptz), ('high, processed', 'radarr', 50, now() - interval '1 day', NULL),
    ('high, long ago', 'radarr', 50, now() - interval '9 days', now() - interval '1 second'), ('high, never', 'radarr', 50, NULL, NULL),
    ('highest, not due', 'radarr', 100, NULL, now() + interval '1 hour'), ('sonarr''s', 'sonarr', 10, NULL, NULL)) v (name, s, p, l, n);

SELECT metadata->>'name' AS name, priority, next_retry_at - clock_timestamp() BETWEEN '4 min 50 s' AND '5 min' AS leased FROM queue_item_get_next('radarr', 2);
SELECT metadata->>'name' AS name FROM queue_item_get_next('radarr');
SELECT metadata->>'name' AS name FROM queue_item_get_next('radarr');
SELECT metadata->>'name' AS name FROM queue_item_get_next('sonarr', NULL);

-- the lease is a setting; when it is over, the item is handed out again
SET researcharr.queue_item_lease = '1s';
UPDATE queue_items SET next_retry_at = NULL WHERE metadata->>'name' = 'low';
SELECT next_retry_at - clock_timestamp() BETWEEN '0' AND '1 s' AS leased FROM queue_item_get_next('radarr');
UPDATE queue_items SET next_retry_at = clock_timestamp() - interval '1 ms' WHERE metadata->>'name' = 'low';
SELECT metadata->>'name' AS name FROM queue_item_get_next('radarr');
RESET researcharr.queue_item_lease;

-- processed: at the end of its priority, due at once
SELECT id FROM queue_items WHERE metadata->>'name' = 'low' \gset
SELECT queue_item_increment_retry_count(:'id');
SELECT retry_count, next_retry_at - clock_timestamp() BETWEEN '26 s' AND '30 s' AS after_30_s, last_processed FROM queue_items WHERE id = :'id';
SELECT queue_item_increment_retry_count(:'id');
SELECT retry_count, next_retry_at - clock_timestamp() BETWEEN '53 s' AND '60 s' AS after_60_s FROM queue_items WHERE id = :'id';
SELECT count(queue_item_increment_retry_count(:'id')) FROM generate_series(1, 20);
SELECT retry_count, next_retry_at - clock_timestamp() BETWEEN '53 min' AND '1 h' AS after_an_hour FROM queue_items WHERE id = :'id';
UPDATE queue_items SET retry_count = 2147483647 WHERE id = :'id';
SELECT queue_item_increment_retry_count(:'id');
SELECT queue_item_update_last_processed(:'id');
SELECT retry_count, next_retry_at, clock_timestamp() - last_processed < '1 min' AS just_now FROM queue_items WHERE id = :'id';
SELECT metadata->>'name' AS name FROM queue_item_get_next('radarr');

-- nobody's
SELECT queue_item_update_last_processed('01900000-0000-7000-8000-000000000000'), queue_item_increment_retry_count('01900000-0000-7000-8000-000000000000');
SELECT call, e.* FROM unnest(ARRAY['queue_item_get_next(NULL)', 'queue_item_get_next(''lidarr'')', 'queue_item_get_next(''radarr'', 0)',
    'queue_item_get_next(''radarr'', -1)', 'queue_item_get_next(''radarr'', 10001)', 'queue_item_update_last_processed(NULL)',
    'queue_item_increment_retry_count(NULL)']) WITH ORDINALITY AS u (call, n), pg_temp.error('SELECT researcharr.' || call) e ORDER BY n;
\set VERBOSITY sqlstate
SET researcharr.queue_item_lease = 0;
SET researcharr.queue_item_lease = 'soon';
\set VERBOSITY default

-- an index gives the order, however long the queue
INSERT INTO queue_items (media_id, service, priority, next_retry_at)
SELECT '01900000-0000-7000-8000-000000000001', 'radarr', n % 101, NULL FROM generate_series(1, 20000) n;
ANALYZE queue_items;
SELECT count(*) FROM queue_item_get_next('radarr', 100) WHERE priority = 100;
CREATE FUNCTION pg_temp.scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := coalesce((SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.queue_items'::regclass), 0);
BEGIN
    EXECUTE query;
    RETURN coalesce((SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.queue_items'::regclass), 0) - before;
END $$;
SELECT pg_temp.scans('SELECT researcharr.queue_item_get_next(''radarr'', 10)') AS sequential;
BEGIN READ ONLY;
SELECT queue_item_get_next('radarr');
ROLLBACK;
DELETE FROM media;
