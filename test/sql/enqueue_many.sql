-- Many jobs in one call: rows go in together, index by index (base/rows.c).
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT id AS media FROM researcharr.media_create('{"title": "Enqueue many", "type": "movie"}') \gset

-- n jobs: priorities in turns, a unique key for every tenth, the place in the
-- array in the metadata
CREATE FUNCTION some_jobs(media uuid, n int, extra jsonb DEFAULT '{}')
RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('media_id', media, 'job_type', 'verify', 'priority', g % 3,
			'metadata', jsonb_build_object('n', g, 'k', 'key ' || g)) ||
		CASE WHEN g % 10 = 0 THEN jsonb_build_object('unique_key', 'u' || g) ELSE '{}' END || extra
		ORDER BY g)
	FROM generate_series(1, n) g
$$;

-- Ids come back in the array's order; jobs alike are taken in it, with a
-- unique key or without.
CREATE TEMP TABLE ids AS
	SELECT id, n FROM researcharr.job_enqueue_many(some_jobs(:'media', 2500)) WITH ORDINALITY AS e (id, n);
SELECT count(*) AS jobs, count(*) FILTER (WHERE (j.metadata->>'n')::int = i.n) AS in_order,
	count(j.unique_key) AS keys, count(DISTINCT j.id) AS ids, count(DISTINCT j.available_at) AS times
FROM ids i JOIN researcharr.processing_jobs j USING (id);
SELECT array_agg((metadata->>'n')::int) AS first_taken FROM researcharr.job_dequeue('{verify}', 15);

-- All indexes have all of it.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM (SELECT id FROM researcharr.processing_jobs WHERE media_id = :'media' ORDER BY media_id) j;
SELECT count(*) FROM (SELECT id FROM researcharr.processing_jobs WHERE completed_at IS NULL AND job_type = 'verify'
	ORDER BY job_type, priority DESC, available_at, id) j;
SELECT count(*) FROM ids i WHERE EXISTS (SELECT FROM researcharr.processing_jobs j WHERE j.id = i.id);
RESET enable_seqscan;
RESET enable_bitmapscan;

-- Again: keys that are there give their jobs' ids, in their places.
SELECT count(*) FILTER (WHERE i.id = e.id) AS same, count(*) FILTER (WHERE n % 10 = 0) AS keyed
FROM researcharr.job_enqueue_many(some_jobs(:'media', 30)) WITH ORDINALITY AS e (id, n) LEFT JOIN ids i USING (n);

-- A key twice in one call is one job.
SELECT count(*) AS jobs, count(DISTINCT id) AS ids
FROM researcharr.job_enqueue_many(some_jobs(:'media', 20, '{"unique_key": "twice"}')) e (id);
DELETE FROM researcharr.processing_jobs;

-- Users' indexes of any kind: on an expression, partial, with columns that are
-- not keys, in other orders, of other access methods.
CREATE INDEX many_expression ON researcharr.processing_jobs ((metadata->>'k') DESC NULLS LAST, created_at);
CREATE INDEX many_partial ON researcharr.processing_jobs (created_at) INCLUDE (id) WHERE priority = 2;
CREATE INDEX many_gin ON researcharr.processing_jobs USING gin (metadata);
CREATE INDEX many_brin ON researcharr.processing_jobs USING brin (created_at);
CREATE INDEX many_hash ON researcharr.processing_jobs USING hash (media_id);
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 300));
SET enable_seqscan = off;
SELECT count(*) FROM researcharr.processing_jobs WHERE metadata->>'k' = 'key 77';
SELECT count(*) FROM researcharr.processing_jobs WHERE priority = 2 AND created_at > '2000-01-01';
SELECT count(*) FROM researcharr.processing_jobs WHERE metadata @> '{"n": 299}';
SELECT count(*) FROM researcharr.processing_jobs WHERE media_id = :'media';
RESET enable_seqscan;
DELETE FROM researcharr.processing_jobs;
DROP INDEX researcharr.many_expression, researcharr.many_partial, researcharr.many_gin, researcharr.many_brin,
	researcharr.many_hash;

-- A unique index of a user's: the call fails as a whole, within itself too.
CREATE UNIQUE INDEX many_unique ON researcharr.processing_jobs ((metadata->>'k'));
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 50));
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 60));
DELETE FROM researcharr.processing_jobs;
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 30, '{"metadata": {"k": "same"}}'));
SELECT count(*) FROM researcharr.processing_jobs;
DROP INDEX researcharr.many_unique;

-- Exclusion constraints and deferrable unique ones are kept, too.
ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT many_exclude EXCLUDE USING btree (max_retries WITH =);
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 30));
SELECT count(*) FROM researcharr.processing_jobs;
ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT many_exclude;
ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT many_deferred UNIQUE (created_at, priority) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 30));
COMMIT;
SELECT count(*) FROM researcharr.processing_jobs;
ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT many_deferred;

-- Constraints and columns of users'
ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT many_check CHECK ((metadata->>'n')::int < 40),
	ADD COLUMN many_default text DEFAULT 'by default', ADD COLUMN many_generated int GENERATED ALWAYS AS (priority * 2) STORED;
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 40));
SELECT count(*) FROM researcharr.processing_jobs;
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 39));
SELECT count(*), count(*) FILTER (WHERE many_default = 'by default' AND many_generated = 2 * priority) AS right
FROM researcharr.processing_jobs;
DELETE FROM researcharr.processing_jobs;
ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT many_check, DROP COLUMN many_default, DROP COLUMN many_generated;

-- Large rows
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 40,
	jsonb_build_object('metadata', jsonb_build_object('large', repeat(md5('x'), 3000)))));
SELECT count(*), sum(length(metadata->>'large')) AS characters FROM researcharr.processing_jobs;
DELETE FROM researcharr.processing_jobs;

-- A media that does not exist: nothing is enqueued.
SELECT count(*) FROM researcharr.job_enqueue_many(some_jobs(:'media', 20) || some_jobs('00000000-0000-7000-8000-0000000000ff', 1));
SELECT count(*) FROM researcharr.processing_jobs;

-- Messages show the beginning of what a caller gave, however long it is.
DO $$
DECLARE
	more text;
BEGIN
	FOR i IN 1 .. 2 LOOP
		BEGIN
			PERFORM researcharr.job_enqueue_many(jsonb_build_array(jsonb_build_object(
				CASE i WHEN 1 THEN 'media_id' ELSE repeat('key ', 100000) END, repeat('value ', 100000))));
		EXCEPTION WHEN SQLSTATE 'RA003' THEN
			GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL;
			RAISE INFO '%', regexp_replace(SQLERRM, '(key |value )+', '...', 'g');
			RAISE INFO 'short: %, %', length(SQLERRM) < 500, length(more) < 500;
		END;
	END LOOP;
END $$;

DROP FUNCTION some_jobs;
DELETE FROM researcharr.media WHERE id = :'media';
TRUNCATE researcharr.processing_jobs;
