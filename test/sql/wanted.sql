-- What the instances lack, and jobs that search for it.
\set VERBOSITY terse
\pset null -

SET client_min_messages = warning;
TRUNCATE researcharr.media, researcharr.instances CASCADE;
RESET client_min_messages;

CREATE FUNCTION pg_temp.item(name text, VARIADIC changes text[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	media uuid;
BEGIN
	INSERT INTO researcharr.media (title, type) VALUES (name, coalesce((SELECT nullif(split_part(c, '=', 2), '')
		FROM unnest(changes) AS c WHERE c LIKE 'kind=%'), 'movie')) RETURNING id INTO media;
	INSERT INTO researcharr.tracked_items (instance_id, kind, service_id, media_id, monitored, available_from, sort_title)
	SELECT i.id, m.type, (SELECT count(*) + 1 FROM researcharr.tracked_items), m.id, true, '-infinity', m.title
	FROM researcharr.instances i, researcharr.media m WHERE i.name = 'one' AND m.id = media;
	IF changes <> '{}' THEN
		EXECUTE format('UPDATE researcharr.tracked_items SET %s WHERE media_id = %L',
			(SELECT string_agg(c, ', ') FROM unnest(changes) AS c WHERE c NOT LIKE 'kind=%'), media);
	END IF;
END $$;
CREATE FUNCTION pg_temp.titles(VARIADIC arguments text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(m.title, '', '' ORDER BY w.ordinality) FROM researcharr.wanted_get_all(%s) WITH ORDINALITY AS w
		JOIN researcharr.media m ON m.id = w.media_id', array_to_string(arguments, ', ')) INTO result;
	RETURN result;
END $$;
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT;
	RETURN state || ' ' || sqlerrm || ' HINT: ' || hint;
END $$;

SELECT name, active FROM researcharr.instance_create('{"name": "one", "service": "radarr"}');
SELECT name, active FROM researcharr.instance_create('{"name": "two", "service": "sonarr", "active": false}');

-- missing
SELECT pg_temp.item('never', 'added_at = ''2020-01-02''');
SELECT pg_temp.item('long ago', 'last_search_at = ''2020-01-01''', 'added_at = ''2020-01-03''');
SELECT pg_temp.item('lately', 'last_search_at = now()', 'next_search_at = now()');
SELECT pg_temp.item('episode', 'kind=episode', 'available_from = now()');
-- not missing
SELECT pg_temp.item('unmonitored', 'monitored = false');
SELECT pg_temp.item('has a file', 'has_file = true');
SELECT pg_temp.item('its file will do', 'has_file = true', 'quality_cutoff_met = true');
SELECT pg_temp.item('not available', 'available_from = now() + interval ''1 hour''');
SELECT pg_temp.item('never available', 'available_from = ''infinity''');
SELECT pg_temp.item('not due', 'next_search_at = now() + interval ''1 hour''');
SELECT pg_temp.item('a series', 'kind=series', 'has_file = false');
-- below the cutoff
SELECT pg_temp.item('bad', 'has_file = true', 'quality_cutoff_met = false', 'custom_format_score = 10');
SELECT pg_temp.item('worse', 'has_file = true', 'quality_cutoff_met = false', 'custom_format_score = -10');
SELECT pg_temp.item('no score', 'has_file = true', 'quality_cutoff_met = false', 'last_search_at = now()');
-- another instance's item of the same media
INSERT INTO researcharr.tracked_items (instance_id, kind, service_id, media_id, monitored, available_from)
SELECT i.id, 'movie', 1, m.id, true, '-infinity' FROM researcharr.instances i, researcharr.media m
WHERE i.name = 'two' AND m.title = 'never';

SELECT pg_temp.titles('''one''');
SELECT pg_temp.titles('''one''', '''missing''', 'order_by => ''oldest_search''', '"limit" => 2');
SELECT pg_temp.titles('''one''', '"limit" => 2', '"offset" => 1');
SELECT pg_temp.titles('''one''', '"offset" => 2');
SELECT pg_temp.titles('''one''', 'order_by => ''newest_added''');
SELECT pg_temp.titles('''one''', 'order_by => ''alphabetical''');
SELECT pg_temp.titles('''one''', 'order_by => ''custom_format_score''');
SELECT pg_temp.titles('''one''', 'kind => ''cutoff''');
SELECT pg_temp.titles('''one''', 'kind => ''cutoff''', 'order_by => ''custom_format_score''');
SELECT pg_temp.titles('''two''');

-- at random: all of them, each once, and a few
SELECT count(*), count(DISTINCT id) FROM researcharr.wanted_get_all('one', order_by => 'random');
SELECT count(*), count(DISTINCT id) FROM researcharr.wanted_get_all('one', order_by => 'random', "limit" => 100);
SELECT count(*), count(DISTINCT id) FROM researcharr.wanted_get_all('one', order_by => 'random', "limit" => 3);
SELECT count(*), count(DISTINCT id) FROM researcharr.wanted_get_all('one', order_by => 'random', "limit" => 3, "offset" => 2);
SELECT count(DISTINCT first) > 1 AS differs FROM generate_series(1, 50) AS n,
	LATERAL (SELECT id AS first FROM researcharr.wanted_get_all('one', order_by => 'random', "limit" => n * 0 + 1)) AS w;

-- bad arguments
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(NULL)');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''three'')');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', ''all'')');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', job_type => ''unheard'')');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', order_by => ''title'')');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', "limit" => -1)');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', "offset" => -1)');
SELECT pg_temp.try('SELECT researcharr.wanted_get_all(''one'', "limit" => -1, order_by => ''random'')');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(NULL)');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(''three'')');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(''one'', "limit" => 0)');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(''one'', "limit" => 10001)');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(''one'', priority => 101)');
SELECT pg_temp.try('SELECT researcharr.wanted_enqueue(''one'', job_type => ''unheard'')');
SELECT count(*) FROM researcharr.processing_jobs;

-- an instance that is not active gets no jobs
SELECT count(*) FROM researcharr.wanted_enqueue('two');

-- jobs
SELECT count(*) FROM researcharr.wanted_enqueue('one', "limit" => 2, priority => 7);
SELECT m.title, j.job_type, j.priority, j.unique_key = 'tracked_item:' || t.id AS key,
	j.metadata = jsonb_build_object('tracked_item_id', t.id, 'instance', 'one', 'kind', t.kind, 'service_id', t.service_id, 'wanted', 'missing') AS metadata
FROM researcharr.processing_jobs j JOIN researcharr.media m ON m.id = j.media_id
	JOIN researcharr.tracked_items t ON t.id = (j.metadata ->> 'tracked_item_id')::uuid ORDER BY j.id;
SELECT pg_temp.titles('''one''');
SELECT pg_temp.titles('''two''') AS other_instance, pg_temp.titles('''one''', 'job_type => ''download''') AS other_type;
-- a job counts also after its item has come to stand for another media row
BEGIN;
UPDATE researcharr.tracked_items SET media_id = (SELECT id FROM researcharr.media WHERE title = 'unmonitored')
WHERE media_id = (SELECT id FROM researcharr.media WHERE title = 'never');
SELECT pg_temp.titles('''one''');
ROLLBACK;
SELECT count(*) FROM researcharr.wanted_enqueue('one', "limit" => 100);
SELECT count(*) FROM researcharr.wanted_enqueue('one', "limit" => 100);
SELECT count(*) FROM researcharr.wanted_enqueue('one', 'cutoff', order_by => 'random');

-- how they end: completed, failed for good, failed with a retry left
CREATE FUNCTION pg_temp.items() RETURNS TABLE (title text, search_count int, failed_search_count int, searched boolean, due text, updated boolean)
LANGUAGE sql AS $$
	SELECT m.title, t.search_count, t.failed_search_count, t.last_search_at > now() - interval '1 hour',
		(SELECT 'up to ' || max(h) FROM unnest(ARRAY[interval '1 hour', '8 hours', '24 hours']) AS h
			WHERE t.next_search_at - t.last_search_at > h * 0.89), t.updated_at >= t.last_search_at
	FROM researcharr.tracked_items t JOIN researcharr.media m ON m.id = t.media_id
	WHERE t.search_count > 0 ORDER BY m.title
$$;
UPDATE researcharr.processing_jobs SET max_retries = 0 WHERE media_id <> (SELECT id FROM researcharr.media WHERE title = 'lately');
CREATE TEMP TABLE claimed AS
SELECT d.id, d.attempt, m.title FROM researcharr.job_dequeue('{search}', 100) d JOIN researcharr.media m ON m.id = d.media_id;
SELECT researcharr.job_complete(id, attempt) FROM claimed WHERE title = 'never';
SELECT (researcharr.job_fail(id, attempt, 'no result')).status FROM claimed WHERE title = 'long ago';
SELECT (researcharr.job_fail(id, attempt, 'no result')).status FROM claimed WHERE title = 'lately';
SELECT researcharr.job_cancel(id) FROM claimed WHERE title = 'episode';
SELECT * FROM pg_temp.items();
SELECT pg_temp.titles('''one''');

-- many in one call
SELECT count(*) FROM (SELECT researcharr.job_fail_many(array_agg(id), array_agg(attempt), array_agg('no'::text))
	FROM claimed WHERE title IN ('bad', 'worse')) AS f;
SELECT * FROM pg_temp.items();

-- further failures double the time, up to that after a success; which begins anew
UPDATE researcharr.tracked_items SET next_search_at = NULL, failed_search_count = 3 WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'bad');
UPDATE researcharr.tracked_items SET next_search_at = NULL, failed_search_count = 30 WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'worse');
SELECT count(*) FROM researcharr.wanted_enqueue('one', 'cutoff');
UPDATE researcharr.processing_jobs SET max_retries = 0;
TRUNCATE claimed;
INSERT INTO claimed
SELECT d.id, d.attempt, m.title FROM researcharr.job_dequeue('{search}', 100) d JOIN researcharr.media m ON m.id = d.media_id;
SELECT count(*) FROM (SELECT researcharr.job_fail_many(array_agg(id), array_agg(attempt), array_agg('no'::text))
	FROM claimed WHERE title IN ('bad', 'worse')) AS f;
SELECT * FROM pg_temp.items();
UPDATE researcharr.tracked_items SET next_search_at = NULL WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'bad');
SELECT researcharr.job_mark_as_completed(id) FROM researcharr.wanted_enqueue('one', 'cutoff') AS id;
SELECT * FROM pg_temp.items();

-- other ways to the end: many at once, with the next job, a lapse that is a failure for good, and two jobs of one item
BEGIN;
CREATE FUNCTION pg_temp.claim(n int) RETURNS TABLE (id uuid, attempt int) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE researcharr.tracked_items SET next_search_at = NULL, search_count = 0, failed_search_count = 5 WHERE NOT quality_cutoff_met;
	DELETE FROM researcharr.processing_jobs;
	PERFORM researcharr.wanted_enqueue('one', 'cutoff', "limit" => n, order_by => 'custom_format_score');
	UPDATE researcharr.processing_jobs SET max_retries = 0;
	RETURN QUERY SELECT d.id, d.attempt FROM researcharr.job_dequeue('{search}', n) d;
END $$;
SELECT count(*) FROM (SELECT researcharr.job_complete_many(array_agg(id), array_agg(attempt)) FROM pg_temp.claim(2)) AS c;
SELECT * FROM pg_temp.items() WHERE title IN ('bad', 'worse', 'no score');
SELECT count(*) FROM pg_temp.claim(1) c, researcharr.job_complete_and_dequeue(c.id, c.attempt, job_types => '{search}');
SELECT * FROM pg_temp.items() WHERE title IN ('bad', 'worse', 'no score');
SELECT count(*) FROM pg_temp.claim(1);
UPDATE researcharr.processing_jobs SET lease_expires_at = now() - interval '1 second';
SELECT count(*) FROM researcharr.job_dequeue('{search}');
SELECT status, error_message FROM researcharr.processing_jobs;
SELECT * FROM pg_temp.items() WHERE title IN ('bad', 'worse', 'no score');
SELECT id AS first, attempt AS first_attempt FROM pg_temp.claim(1) \gset
UPDATE researcharr.tracked_items SET next_search_at = NULL;
SELECT count(*) FROM researcharr.wanted_enqueue('one', 'cutoff', 'download', 1, 'custom_format_score');
UPDATE researcharr.processing_jobs SET max_retries = 0;
SELECT id AS second, attempt AS second_attempt FROM researcharr.job_dequeue('{download}') \gset
SELECT count(*), count(DISTINCT metadata ->> 'tracked_item_id') AS items FROM researcharr.processing_jobs;
SELECT count(*) FROM (SELECT researcharr.job_fail_many(ARRAY[:'first', :'second']::uuid[], ARRAY[:first_attempt, :second_attempt], '{no,no}')) AS f;
SELECT * FROM pg_temp.items() WHERE title IN ('bad', 'worse', 'no score');
ROLLBACK;

-- what an attempt does not end, and what is undone
UPDATE researcharr.tracked_items SET next_search_at = NULL WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'bad');
SELECT count(*) FROM researcharr.wanted_enqueue('one', 'cutoff');
BEGIN;
SELECT count(*) FROM (SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}')) AS d;
SELECT search_count FROM pg_temp.items() WHERE title = 'bad';
ROLLBACK;
SELECT search_count FROM pg_temp.items() WHERE title = 'bad';

-- an item that is gone, a user's trigger, and keys that only look like one
SELECT d.id, d.attempt FROM researcharr.job_dequeue('{search}') d \gset
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON researcharr.tracked_items FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
BEGIN;
SELECT researcharr.job_complete(:'id', :attempt);
SELECT search_count FROM pg_temp.items() WHERE title = 'bad';
ROLLBACK;
DROP TRIGGER refuse ON researcharr.tracked_items;
DELETE FROM researcharr.tracked_items WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'bad');
SELECT researcharr.job_complete(:'id', :attempt);
SELECT researcharr.job_enqueue(m.id, 'search', unique_key => k.key) IS NULL AS none FROM researcharr.media m,
	unnest(ARRAY['tracked_item:', 'tracked_item:00000000-0000-7000-8000-00000000000', 'tracked_item:00000000-0000-7000-8000-00000000000g',
	'tracked_item:000000000000-7000-8000-0000-00000000', 'tracked_item:00000000-0000-7000-8000-000000000000']) AS k (key)
WHERE m.title = 'a series';
SELECT count(*) FROM (SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}', 100)) AS d;

-- a worker needs no privilege on the table
UPDATE researcharr.tracked_items SET next_search_at = NULL WHERE media_id IN (SELECT id FROM researcharr.media WHERE title = 'worse');
SELECT count(*) FROM researcharr.wanted_enqueue('one', 'cutoff');
CREATE ROLE wanted_worker;
GRANT USAGE ON SCHEMA researcharr TO wanted_worker;
GRANT EXECUTE ON FUNCTION researcharr.job_dequeue, researcharr.job_complete, researcharr.wanted_get_all, researcharr.wanted_enqueue,
	researcharr.metadata_is_valid TO wanted_worker;
SET ROLE wanted_worker;
SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}', 100);
SELECT researcharr.wanted_enqueue('one');
RESET ROLE;
GRANT SELECT ON researcharr.instances, researcharr.tracked_items, researcharr.processing_jobs TO wanted_worker;
SET ROLE wanted_worker;
SELECT count(*) FROM researcharr.wanted_enqueue('one');
RESET ROLE;
SELECT search_count, failed_search_count FROM pg_temp.items() WHERE title = 'worse';
DROP OWNED BY wanted_worker;
DROP ROLE wanted_worker;

BEGIN TRANSACTION READ ONLY;
SELECT researcharr.wanted_enqueue('one');
ROLLBACK;
DELETE FROM researcharr.media;
DELETE FROM researcharr.instances;
