-- The methods of an application's repositories, each as one call: what
-- docs/clients/repository.md promises.
SET search_path = researcharr;
SET timezone = 'UTC';
BEGIN;
DELETE FROM media;
CREATE TEMP TABLE seen (name text PRIMARY KEY, id uuid);
CREATE FUNCTION pg_temp.id(text) RETURNS uuid LANGUAGE sql AS 'SELECT id FROM pg_temp.seen WHERE name = $1';

-- create: returns the row, with what the server made
INSERT INTO seen SELECT 'alien', id FROM media_create('{"title": "Alien", "type": "movie", "external_id": "348"}');
INSERT INTO seen SELECT 'heat', id FROM media_create('{"title": "Heat", "type": "movie", "status": "completed"}');
INSERT INTO seen SELECT 'lost', id FROM media_create('{"title": "Lost", "type": "series", "external_id": "348"}');
SELECT count(DISTINCT id), bool_and(id IS NOT NULL) FROM seen;

-- get_by_id: the row; no row for an id that there is not
SELECT title, type, status, metadata FROM media_get_by_id(pg_temp.id('alien'));
SELECT count(*) FROM media_get_by_id('00000000-0000-0000-0000-000000000000');

-- get_all: all rows; limit and offset cut them without a gap or an overlap
SELECT title FROM media_get_all() ORDER BY title;
SELECT count(*), count(DISTINCT id) FROM (SELECT * FROM media_get_all('{}', 2, 0)
    UNION ALL SELECT * FROM media_get_all('{}', 2, 2)) AS pages;

-- update: changes what is named and nothing else; no row for an unknown id
SELECT title, status, external_id, updated_at > created_at AS moved
FROM media_update(pg_temp.id('alien'), '{"status": "processing"}');
SELECT count(*) FROM media_update('00000000-0000-0000-0000-000000000000', '{"status": "failed"}');

-- exists, count
SELECT media_exists(pg_temp.id('alien')), media_exists('00000000-0000-0000-0000-000000000000');
SELECT media_count(), media_count('{"type": "movie"}'), media_count('{"status": "failed"}');

-- get_by_external_id: within the type; get_by_status: oldest first; search: by the words
SELECT title FROM media_get_by_external_id('348', 'series');
SELECT count(*) FROM media_get_by_external_id('349', 'series');
SELECT title FROM media_get_by_status('pending');
SELECT title FROM media_get_by_status('failed');
SELECT title FROM media_search('alein');

-- get_pending_jobs: queued ones, by priority; the limit holds; nothing is taken
INSERT INTO seen SELECT 'low', job_enqueue(pg_temp.id('alien'), 'search', 1);
INSERT INTO seen SELECT 'high', job_enqueue(pg_temp.id('heat'), 'search', 9);
INSERT INTO seen SELECT 'broken', job_enqueue(pg_temp.id('heat'), 'verify', 50, max_retries => 0);
SELECT name FROM job_get_pending() WITH ORDINALITY AS j JOIN seen USING (id) ORDER BY ordinality;
SELECT name FROM job_get_pending(1) JOIN seen USING (id);
SELECT DISTINCT status, attempt FROM job_get_pending();

-- get_jobs_by_media: oldest first, whatever their status
SELECT name FROM job_get_by_media(pg_temp.id('heat')) WITH ORDINALITY AS j JOIN seen USING (id) ORDER BY ordinality;

-- get_failed_jobs: those without a retry left
SELECT failed.status
FROM job_dequeue('{verify}') AS taken, LATERAL job_fail(taken.id, taken.attempt, 'no such indexer') AS failed;
SELECT name, error_message FROM job_get_failed() JOIN seen USING (id);

-- mark_as_completed: true once, false for a job that is finished or that there is not
SELECT job_mark_as_completed(pg_temp.id('low')), job_mark_as_completed('00000000-0000-0000-0000-000000000000');
SELECT job_mark_as_completed(pg_temp.id('low'));
SELECT status, completed_at IS NOT NULL AS ended FROM job_get_by_id(pg_temp.id('low'));

-- get_next_items: due items of the service, by priority, each handed out once
INSERT INTO seen SELECT 'first', id FROM queue_item_create(jsonb_build_object('media_id', pg_temp.id('heat'),
    'service', 'radarr', 'priority', 5));
INSERT INTO seen SELECT 'second', id FROM queue_item_create(jsonb_build_object('media_id', pg_temp.id('alien'),
    'service', 'radarr'));
INSERT INTO seen SELECT 'other', id FROM queue_item_create(jsonb_build_object('media_id', pg_temp.id('lost'),
    'service', 'sonarr'));
SELECT name FROM queue_item_get_next('radarr', 1) JOIN seen USING (id);
SELECT name FROM queue_item_get_next('radarr', 5) JOIN seen USING (id);
SELECT count(*) FROM queue_item_get_next('radarr', 5);

-- increment_retry_count: counts, and is due later; false for what there is not
SELECT queue_item_increment_retry_count(pg_temp.id('first')),
    queue_item_increment_retry_count('00000000-0000-0000-0000-000000000000');
SELECT retry_count, next_retry_at > clock_timestamp() AS later, last_processed IS NULL AS never
FROM queue_item_get_by_id(pg_temp.id('first'));

-- update_last_processed: says when, and clears the retries
SELECT queue_item_update_last_processed(pg_temp.id('first')),
    queue_item_update_last_processed('00000000-0000-0000-0000-000000000000');
SELECT retry_count, next_retry_at IS NULL AS at_once, last_processed IS NOT NULL AS ever
FROM queue_item_get_by_id(pg_temp.id('first'));
SELECT name FROM queue_item_get_next('radarr', 5) JOIN seen USING (id);

-- delete: true once, and what belongs to the row goes too
SELECT media_delete(pg_temp.id('heat')), media_delete(pg_temp.id('heat'));
SELECT count(*) FROM job_get_by_media(pg_temp.id('heat'));
SELECT media_exists(pg_temp.id('heat')), queue_item_exists(pg_temp.id('first'));
ROLLBACK;
