-- Many jobs as arrays: an element for each, or one for all.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = researcharr, public;
SELECT id AS a FROM media_create('{"title": "Arrays A", "type": "movie"}') \gset
SELECT id AS b FROM media_create('{"title": "Arrays B", "type": "movie"}') \gset
SELECT count(*) FROM job_type_register('arrays', priority => 42, max_retries => 7) \g /dev/null

-- In the order of media_ids, each as if alone; NULL in an array is as good as no array.
CREATE TEMP TABLE made AS
SELECT e.* FROM job_enqueue_arrays(
	ARRAY[:'a', :'b', :'a']::uuid[], '{verify,arrays,search}', '{1,NULL,100}',
	ARRAY['2100-01-01 00:00+00', NULL, '2100-01-01 00:00+00']::timestamptz[], '{0,NULL,10}',
	ARRAY['{"n": 1}', NULL, '{"n": [3]}']::jsonb[], '{k,NULL,k}')
	WITH ORDINALITY AS e (id, n);
SELECT n, media_id = :'a' AS a, job_type, priority, max_retries, metadata, unique_key,
	available_at = '2100-01-01 00:00+00' AS in_2100, status
FROM made JOIN processing_jobs USING (id) ORDER BY n;
TRUNCATE made;
DELETE FROM processing_jobs;

-- One for all; and what is left out.
INSERT INTO made SELECT e.* FROM job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{arrays}', '{9}',
	metadata => '{"{\"all\": true}"}') WITH ORDINALITY AS e (id, n);
INSERT INTO made SELECT e.id, 3 FROM job_enqueue_arrays(ARRAY[:'b']::uuid[], '{arrays}') AS e (id);
SELECT n, media_id = :'a' AS a, job_type, priority, max_retries, metadata, unique_key
FROM made JOIN processing_jobs USING (id) ORDER BY n;

-- A key for all is one job; one that is there gives that job's id.
SELECT count(*) AS answers, count(DISTINCT id) AS jobs
FROM job_enqueue_arrays(ARRAY[:'a', :'b', :'a']::uuid[], '{search}', unique_keys => '{the key}') AS id;
SELECT id = job_enqueue(:'a', 'search', unique_key => 'the key') AS the_same
FROM job_enqueue_arrays(ARRAY[:'b']::uuid[], '{search}', unique_keys => '{the key}') AS id;
DELETE FROM processing_jobs;

-- None at all; other lower bounds; values that were stored compressed, and out of line.
SELECT count(*) FROM job_enqueue_arrays('{}', '{}');
SELECT count(*) FROM job_enqueue_arrays('{}', '{search}', '{5}');
SELECT count(*) FROM job_enqueue_arrays(('[5:6]={' || :'a' || ',' || :'b' || '}')::uuid[], '[0:1]={search,verify}');
CREATE TEMP TABLE stored AS
SELECT array_agg(:'a'::uuid) AS media, array_agg('search'::text) AS types,
	array_agg(jsonb_build_object('n', g, 'long', repeat('long ', 500), 'mixed', md5(g::text))) AS metadata
FROM generate_series(1, 2000) g;
SELECT count(*) FROM stored, job_enqueue_arrays(media, types, metadata => stored.metadata);
SELECT count(*), bool_and(md5(metadata->>'n') = metadata->>'mixed') FROM processing_jobs WHERE metadata <> '{}';
DELETE FROM processing_jobs;

-- What is wrong, and where; nothing is enqueued.
SELECT job_enqueue_arrays(NULL, '{search}');
SELECT job_enqueue_arrays(ARRAY[:'a']::uuid[], NULL);
SELECT job_enqueue_arrays(ARRAY[:'a', NULL]::uuid[], '{search}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search,NULL}');
\set VERBOSITY default
SELECT job_enqueue_arrays(ARRAY[:'a', :'b', :'a']::uuid[], '{search,verify}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', '{}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', '{{1,2}}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', '{1,101}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search,serch}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', available_at => '{infinity}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', max_retries => '{11}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', metadata => '{"[]"}');
SELECT job_enqueue_arrays(ARRAY[:'a', :'b']::uuid[], '{search}', unique_keys => '{""}');
SELECT job_enqueue_arrays(ARRAY[:'a', '00000000-0000-7000-8000-000000000000']::uuid[], '{search}');
SELECT count(*) FROM processing_jobs;
DELETE FROM job_types WHERE name = 'arrays';
DELETE FROM media;
