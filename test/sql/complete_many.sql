-- Many jobs completed in one call: their index entries go in together (base/index_entries.c).
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT id AS media FROM researcharr.media_create('{"title": "Complete many", "type": "movie"}') \gset

CREATE FUNCTION enqueue_and_take(media uuid, n int)
RETURNS TABLE (id uuid, attempt int) LANGUAGE sql AS $$
	SELECT count(*) FROM researcharr.job_enqueue_many((
		SELECT jsonb_agg(jsonb_build_object('media_id', media, 'job_type', 'verify', 'unique_key', 'u' || g,
			'metadata', jsonb_build_object('n', g)))
		FROM generate_series(1, n) g));
	SELECT id, attempt FROM researcharr.job_dequeue('{verify}', n);
$$;

-- what each index of ours, and one of a user's, finds of the completed jobs
CREATE FUNCTION found_by_indexes(media uuid)
RETURNS TABLE (by_id bigint, by_media bigint, unfinished bigint, by_worker bigint, done bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
BEGIN
	SELECT count(*) INTO by_id FROM (SELECT j.id FROM researcharr.processing_jobs j ORDER BY j.id) j;
	SELECT count(*) INTO by_media FROM researcharr.processing_jobs j WHERE j.media_id = media AND j.status = 'completed';
	SELECT count(*) INTO unfinished FROM researcharr.processing_jobs j WHERE j.completed_at IS NULL AND j.job_type = 'verify';
	SELECT count(*) INTO by_worker FROM researcharr.processing_jobs j WHERE j.result->>'r' > '';
	SELECT count(*) INTO done FROM researcharr.processing_jobs j WHERE j.completed_at > '2000-01-01';
	RETURN NEXT;
END
$$;

-- More than go in at once, in an order of no index's; the last is not ours.
CREATE INDEX many_expression ON researcharr.processing_jobs ((result->>'r') DESC NULLS LAST, id) INCLUDE (attempt);
CREATE INDEX many_partial ON researcharr.processing_jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX many_brin ON researcharr.processing_jobs USING brin (completed_at);
CREATE TABLE taken AS SELECT * FROM enqueue_and_take(:'media', 2300);
SELECT count(*), count(*) FILTER (WHERE completed) AS completed
FROM (SELECT array_agg(id ORDER BY md5(id::text)) || '00000000-0000-0000-0000-000000000000'::uuid AS ids,
		array_agg(attempt ORDER BY md5(id::text)) || 1 AS attempts,
		array_agg(jsonb_build_object('r', id) ORDER BY md5(id::text)) || '{}'::jsonb AS results FROM taken) t,
	researcharr.job_complete_many(ids, attempts, results) c;
SELECT * FROM found_by_indexes(:'media');
SELECT count(*) AS wrong FROM researcharr.processing_jobs WHERE result->>'r' IS DISTINCT FROM id::text;

-- The same job twice in a call is completed once.
TRUNCATE taken;
INSERT INTO taken SELECT * FROM enqueue_and_take(:'media', 20);
SELECT completed, count(*)
FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM taken) t,
	researcharr.job_complete_many(ids || ids, attempts || attempts) c
GROUP BY 1 ORDER BY 1;
SELECT * FROM found_by_indexes(:'media');

-- A unique index of a user's, at once: nothing is completed, and what was is as it was.
CREATE UNIQUE INDEX one_result ON researcharr.processing_jobs ((result->>'once'));
TRUNCATE taken;
INSERT INTO taken SELECT * FROM enqueue_and_take(:'media', 3);
SELECT count(*)
FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts, array_agg('{"r": "x", "once": "only"}'::jsonb) AS results
		FROM taken) t,
	researcharr.job_complete_many(ids, attempts, results) c;
SELECT status, count(*) FROM researcharr.processing_jobs WHERE id IN (SELECT id FROM taken) GROUP BY 1;
DROP INDEX researcharr.one_result;

-- And one that is checked at the end: the executor puts in the entries, row by row.
ALTER TABLE researcharr.processing_jobs ADD COLUMN place int UNIQUE DEFERRABLE INITIALLY DEFERRED;
SELECT count(*) FILTER (WHERE completed) AS completed
FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM taken) t,
	researcharr.job_complete_many(ids, attempts) c;
SELECT * FROM found_by_indexes(:'media');
ALTER TABLE researcharr.processing_jobs DROP COLUMN place;

DROP INDEX researcharr.many_expression, researcharr.many_partial, researcharr.many_brin;
DELETE FROM researcharr.processing_jobs;

-- Indexes that keep something else than their columns' values: hashes, keys, boxes.
CREATE INDEX many_hash_key ON researcharr.processing_jobs USING hash (unique_key);
CREATE INDEX many_hash_id ON researcharr.processing_jobs USING hash (id);
CREATE INDEX many_gin_path ON researcharr.processing_jobs USING gin (metadata jsonb_path_ops);
CREATE INDEX many_gin_trgm ON researcharr.processing_jobs USING gin ((result->>'r') public.gin_trgm_ops);
CREATE INDEX many_gist_point ON researcharr.processing_jobs USING gist (point((metadata->>'n')::float8, 1));
CREATE INDEX many_gist_range ON researcharr.processing_jobs USING gist (tstzrange(created_at, completed_at));
TRUNCATE taken;
INSERT INTO taken SELECT * FROM enqueue_and_take(:'media', 200);
SELECT count(*) FILTER (WHERE completed) AS completed
FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts,
		array_agg(jsonb_build_object('r', repeat('long ', (attempt * random() * 20)::int) || id)) AS results FROM taken) t,
	researcharr.job_complete_many(ids, attempts, results) c;
SET enable_seqscan = off;
SET enable_indexscan = off;
SELECT count(*) FROM generate_series(1, 200) g, researcharr.processing_jobs WHERE unique_key = 'u' || g;
SELECT count(*) FROM taken t, researcharr.processing_jobs j WHERE j.id = t.id;
SELECT count(*) FROM generate_series(1, 200) g, researcharr.processing_jobs WHERE metadata @> jsonb_build_object('n', g);
SELECT count(*) FROM taken t, researcharr.processing_jobs j WHERE j.result->>'r' LIKE '%' || t.id;
SELECT count(*) FROM researcharr.processing_jobs WHERE point((metadata->>'n')::float8, 1) <@ box '((0,0),(100,2))';
SELECT count(*) FROM researcharr.processing_jobs WHERE tstzrange(created_at, completed_at) && tstzrange('2000-01-01', 'infinity');
RESET enable_seqscan;
RESET enable_indexscan;
DROP INDEX researcharr.many_hash_key, researcharr.many_hash_id, researcharr.many_gin_path, researcharr.many_gin_trgm,
	researcharr.many_gist_point, researcharr.many_gist_range;
DELETE FROM researcharr.processing_jobs;
DROP TABLE taken;
DROP FUNCTION enqueue_and_take, found_by_indexes;
