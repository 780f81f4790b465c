-- Arguments at the edges: far offsets, huge limits, ten thousand ids, orders by
-- many columns, patterns and searches that match nearly everything or nothing.
-- They give the same rows whatever the planner believes the tables hold.
SET search_path = researcharr;
SET client_min_messages = warning;
\getenv tests PG_ABS_SRCDIR
\set file :tests '/include/error.sql'
\i :file
-- ids and titles that follow from a number: one in three "The ...", one in ten with an emoji
INSERT INTO media (id, title, type, external_id, status, created_at)
SELECT ('01930000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
       concat_ws(' ', CASE WHEN n % 3 = 0 THEN 'The' END, (ARRAY['Harbour', 'Lantern', 'Meadow', 'Orchard'])[1 + n % 4],
                 CASE WHEN n % 10 = 0 THEN U&'\+01F600' END, 'of', 'Year', n % 50),
       'movie', 'extreme ' || n, CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END, '2025-01-01'::timestamptz + n % 7 * interval '1 day'
  FROM generate_series(1, 400) n;
INSERT INTO movies (media_id, year, runtime_minutes)
SELECT id, 1900 + right(id::text, 3)::int % 9, 90 + right(id::text, 3)::int % 4 FROM media WHERE external_id LIKE 'extreme %';
INSERT INTO processing_jobs (id, media_id, job_type, priority)
SELECT ('01930000-0000-7000-8001-' || right(id::text, 12))::uuid, id, 'search', right(id::text, 3)::int % 5 FROM media WHERE external_id LIKE 'extreme %';
INSERT INTO queue_items (id, media_id, service, priority)
SELECT ('01930000-0000-7000-8002-' || right(id::text, 12))::uuid, id, 'radarr', right(id::text, 3)::int % 5 FROM media WHERE external_id LIKE 'extreme %';

CREATE TEMP TABLE ids AS
SELECT jsonb_agg(('01930000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid) AS ids FROM generate_series(200, 10199) n;

-- each call, with the number of its rows and a digest of them in their order
CREATE FUNCTION pg_temp.calls() RETURNS TABLE (call text, rows bigint, digest text) LANGUAGE plpgsql AS $$
BEGIN
    FOR call IN SELECT unnest(ARRAY[
        'SELECT id FROM media_get_all(''{}'', 50, 1000000)',
        'SELECT id FROM media_get_all(''{}'', 50, 1000000, ''title'')',
        'SELECT id FROM movie_get_all(''{}'', 50, 1000000, ''created_at desc'')',
        'SELECT id FROM job_get_all(''{}'', 50, 1000000, ''id'')',
        'SELECT id FROM queue_item_get_all(''{}'', 50, 1000000, ''priority'')',
        'SELECT id FROM history_get_all(''{}'', 50, 1000000, ''id'')',
        'SELECT id FROM audit_get_all(''{}'', 50, 1000000, ''id'')',
        'SELECT id FROM media_get_all(''{}'', 50, 9223372036854775807)',
        'SELECT id FROM movie_get_all(''{}'', 50, 9223372036854775807, ''year'')',
        'SELECT id FROM media_get_all(''{"external_id": {"like": "extreme %"}}'', 9223372036854775807, 0, ''id'')',
        'SELECT id FROM media_get_all(''{"external_id": {"like": "extreme %"}}'', 9223372036854775807, 390, ''title desc'')',
        'SELECT id FROM movie_get_all(''{"external_id": {"like": "extreme %"}}'', 9223372036854775807, NULL, ''year'')',
        'SELECT id FROM movie_get_all(''{"external_id": {"like": "extreme %"}}'', 9223372036854775807, 9223372036854775807, ''year'')',
        'SELECT id FROM movie_get_all(''{"external_id": {"like": "extreme %"}}'', 0, NULL, ''title'')',
        'SELECT id FROM job_get_pending(9223372036854775807) WHERE id::text LIKE ''01930000-0000-7000-8001-%''',
        'SELECT id FROM media_get_all((SELECT jsonb_build_object(''id'', jsonb_build_object(''in'', ids)) FROM pg_temp.ids), NULL, NULL, ''id'')',
        'SELECT id FROM media_get_all((SELECT jsonb_build_object(''id'', jsonb_build_object(''in'', ids)) FROM pg_temp.ids), 50, 100, ''title'')',
        'SELECT id FROM movie_get_all((SELECT jsonb_build_object(''id'', jsonb_build_object(''in'', ids)) FROM pg_temp.ids), 50, NULL, ''title'')',
        'SELECT id FROM job_get_all((SELECT jsonb_build_object(''media_id'', jsonb_build_object(''in'', ids)) FROM pg_temp.ids), 50, NULL, ''id'')',
        'SELECT movie_count((SELECT jsonb_build_object(''id'', jsonb_build_object(''in'', ids)) FROM pg_temp.ids))',
        'SELECT id FROM movie_get_all(''{"external_id": {"like": "extreme %"}}'', 50, 20, ''status, year desc, runtime_minutes, created_at desc, title, id'')',
        'SELECT id FROM media_get_all(''{"external_id": {"like": "extreme %"}}'', 50, 20, ''status desc, created_at, title desc, updated_at, external_id, id'')',
        'SELECT id FROM media_get_all(''{"external_id": {"like": "extreme %"}, "title": {"ilike": "%e%"}}'', 50, NULL, ''id'')',
        'SELECT id FROM movie_get_all(''{"external_id": {"like": "extreme %"}, "title": {"ilike": "%q%"}}'', 50)',
        'SELECT id FROM media_get_all(jsonb_build_object(''title'', jsonb_build_object(''ilike'', repeat(''e'', 500))), 50)',
        'SELECT id FROM media_get_all(jsonb_build_object(''title'', jsonb_build_object(''ilike'', repeat(''%a'', 250))), 50)',
        'SELECT id FROM media_get_all(jsonb_build_object(''title'', jsonb_build_object(''contains'', repeat(''h'', 500))), 50)',
        'SELECT id FROM media_search(''h'') WHERE external_id LIKE ''extreme %''',
        'SELECT id FROM media_search(''the of'') WHERE external_id LIKE ''extreme %''',
        'SELECT id FROM media_search(''the'') WHERE external_id LIKE ''extreme %''',
        'SELECT id FROM media_search(U&''\+01F600'') WHERE external_id LIKE ''extreme %''',
        'SELECT id FROM media_search(U&''lantern \+01F600'') WHERE external_id LIKE ''extreme %''',
        'SELECT id FROM media_search('' '') WHERE external_id LIKE ''extreme %'''])
    LOOP
        EXECUTE format('SELECT count(*), md5(string_agg(q::text, '','')) FROM (%s) q', call) INTO rows, digest;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE TEMP TABLE answers AS SELECT 'as created' AS believes, a.* FROM pg_temp.calls() a;
ANALYZE media, movies, processing_jobs, queue_items;
INSERT INTO answers SELECT 'analyzed', a.* FROM pg_temp.calls() a;
SET plan_cache_mode = force_generic_plan;
INSERT INTO answers SELECT 'generic plans', a.* FROM pg_temp.calls() a;
RESET plan_cache_mode;
SET enable_seqscan = off;
SET enable_sort = off;
INSERT INTO answers SELECT 'no scans in sequence, no sorts', a.* FROM pg_temp.calls() a;
RESET enable_seqscan;
RESET enable_sort;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
INSERT INTO answers SELECT 'no indexes', a.* FROM pg_temp.calls() a;
RESET enable_indexscan;
RESET enable_indexonlyscan;
RESET enable_bitmapscan;
-- a hundred million rows
UPDATE pg_class SET reltuples = 1e8, relpages = greatest(1, relpages)
 WHERE oid IN ('media'::regclass, 'movies'::regclass, 'processing_jobs'::regclass, 'queue_items'::regclass);
-- (what a search reads is bounded by estimates, and so is what it finds)
INSERT INTO answers SELECT 'huge tables', a.* FROM pg_temp.calls() a WHERE a.call NOT LIKE '%media_search(%';
ANALYZE media, movies, processing_jobs, queue_items;
SELECT call, min(rows) AS rows, count(DISTINCT (rows, digest)) AS answers, count(*) AS plans FROM answers GROUP BY call ORDER BY call COLLATE "C";
SELECT call, believes, rows, digest FROM answers a
 WHERE digest IS DISTINCT FROM (SELECT digest FROM answers b WHERE b.call = a.call AND believes = 'analyzed') ORDER BY 1, 2;

-- refused
SELECT * FROM pg_temp.error('SELECT media_search(repeat(''x'', 1000))');
SELECT * FROM pg_temp.error('SELECT media_get_all(''{}'', -1)');
SELECT * FROM pg_temp.error('SELECT movie_get_all(''{}'', 1, -9223372036854775808)');
SELECT * FROM pg_temp.error('SELECT media_get_all(''{}'', 9223372036854775808)');
SELECT * FROM pg_temp.error('SELECT media_get_all(''{}'', 1, 0, ''title,,id'')');

DELETE FROM media WHERE external_id LIKE 'extreme %';
