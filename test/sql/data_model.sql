-- The data model by plain DML: what gets in, what does not, what goes with what.
BEGIN;
SET LOCAL search_path = researcharr, pg_catalog;

-- what becomes of a statement: ok and its row count, or the SQLSTATE with the
-- constraint or else the message
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	constr text;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN 'ok ' || n;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS constr = CONSTRAINT_NAME;
	RETURN SQLSTATE || ' ' || COALESCE(NULLIF(constr, ''), SQLERRM);
END$$;

-- media, each value by itself
SELECT what, pg_temp.try(format('INSERT INTO researcharr.media (title, type) VALUES (%L, %L)', title, type))
FROM (VALUES
	('a movie', 'The Land Girls', 'movie'),
	('500 characters', repeat('é', 500), 'movie'),
	('quotes', 'Robert''); DROP TABLE researcharr.media; --', 'movie'),
	('blanks within', 'a  b', 'movie'),
	('501 characters', repeat('é', 501), 'movie'),
	('empty', '', 'movie'),
	('blank', '   ', 'movie'),
	('blank at its front', ' a', 'movie'),
	('tab at its end', E'a\t', 'movie'),
	('newline at its end', E'a\n', 'movie'),
	('form feed', E'\fa', 'movie'),
	('vertical tab', E'a\x0b', 'movie'),
	('no title', NULL, 'movie'),
	('no type', 'a', NULL),
	('unknown type', 'a', 'film'),
	('type in capitals', 'a', 'Movie')) v (what, title, type);

SELECT what, pg_temp.try(format('INSERT INTO researcharr.media (title, type, external_id, status, metadata) '
	|| 'VALUES (''x'', ''movie'', %L, %s, %s)', external_id, status, metadata))
FROM (VALUES
	('external id', '1', 'DEFAULT', 'DEFAULT'),
	('the same again', '1', 'DEFAULT', 'DEFAULT'),
	('none', NULL, 'DEFAULT', 'DEFAULT'),
	('none again', NULL, 'DEFAULT', 'DEFAULT'),
	('empty', '', 'DEFAULT', 'DEFAULT'),
	('100 characters', repeat('1', 100), 'DEFAULT', 'DEFAULT'),
	('101 characters', repeat('1', 101), 'DEFAULT', 'DEFAULT'),
	('status', NULL, '''failed''', 'DEFAULT'),
	('unknown status', NULL, '''done''', 'DEFAULT'),
	('no status', NULL, 'NULL', 'DEFAULT'),
	('metadata', NULL, 'DEFAULT', '''{"a": [1, null]}'''),
	('no metadata', NULL, 'DEFAULT', 'NULL'),
	('array', NULL, 'DEFAULT', '''[]'''),
	('string', NULL, 'DEFAULT', '''"{}"'''),
	('null', NULL, 'DEFAULT', '''null'''),
	('1 MB', NULL, 'DEFAULT', 'jsonb_build_object(''a'', repeat(''x'', 1048576 - 9))'),
	('1 MB and 1 byte', NULL, 'DEFAULT', 'jsonb_build_object(''a'', repeat(''x'', 1048576 - 8))'),
	('10 MB', NULL, 'DEFAULT', 'jsonb_build_object(''a'', repeat(''x'', 10 * 1048576))')) v (what, external_id, status, metadata);
SELECT pg_temp.try('INSERT INTO researcharr.media (title, type, external_id) VALUES (''x'', ''series'', ''1'')') AS "same id, other type";

-- invalid UTF-8 and NUL
SELECT pg_temp.try(format('INSERT INTO researcharr.media (title, type) VALUES (%s, ''movie'')', title))
FROM (VALUES ($$convert_from('\xff', 'UTF8')$$), ($$E'a\000b'$$), ($$chr(0)$$), ($$'"\u0000"'::jsonb ->> 0$$)) v (title);

-- metadata: small values are passed unread, others counted without being made text
SELECT count(*), count(*) FILTER (WHERE metadata_is_valid(j)) AS valid,
	count(*) FILTER (WHERE metadata_is_valid(j) <> (octet_length(j::text) <= 1048576)) AS wrong
FROM (
	SELECT jsonb_build_object('a', repeat('x', n)) FROM generate_series(1048560, 1048575) n
	UNION ALL SELECT jsonb_build_object('a', (SELECT jsonb_agg(0) FROM generate_series(1, n)))
		FROM unnest('{349520,349522,349523,349524,349525,360000}'::int[]) n
	UNION ALL SELECT ('{"a":[' || repeat('1e131071,', n) || '1]}')::jsonb FROM generate_series(1, 10) n
	UNION ALL SELECT jsonb_build_object('a', repeat(E'\x01"\\\b\n\t\r\fé', n))
		FROM unnest('{10,40000,43000,44000,45000,48000,52428,52429,52430}'::int[]) n
	UNION ALL SELECT jsonb_build_object('a', jsonb_build_array('{}'::jsonb, '[]',
			'{"b":null,"c":[true,false,[[]]]}', '-1.50', to_jsonb(repeat(E'\x7f', n))))
		FROM generate_series(1048500, 1048530) n
) v (j);
SELECT metadata_is_valid(NULL) AS "null", metadata_is_valid('{}'), metadata_is_valid('1') AS scalar,
	metadata_is_valid(('{"a":' || repeat('[', 1000) || '1e100000' || repeat(']', 1000) || '}')::jsonb) AS deep;

-- subtypes: only of a media row of their type, once, in range
INSERT INTO media (id, title, type) VALUES
	('00000000-0000-7000-8000-000000000001', 'm1', 'movie'),
	('00000000-0000-7000-8000-000000000002', 's1', 'series'),
	('00000000-0000-7000-8000-000000000003', 'e1', 'episode'),
	('00000000-0000-7000-8000-000000000004', 'e2', 'episode'),
	('00000000-0000-7000-8000-000000000005', 's2', 'series');
SELECT what, pg_temp.try('INSERT INTO researcharr.' || statement)
FROM (VALUES
	('series of a movie', 'series (media_id) VALUES (''00000000-0000-7000-8000-000000000001'')'),
	('movie of nobody', 'movies (media_id) VALUES (''00000000-0000-7000-8000-00000000000f'')'),
	('movie of none', 'movies (media_id) VALUES (NULL)'),
	('movie that says it is a series', 'movies (media_id, type) VALUES (''00000000-0000-7000-8000-000000000002'', ''series'')'),
	('movie', 'movies (media_id) VALUES (''00000000-0000-7000-8000-000000000001'')'),
	('movie again', 'movies (media_id) VALUES (''00000000-0000-7000-8000-000000000001'')'),
	('series', 'series (media_id) VALUES (''00000000-0000-7000-8000-000000000002'')'),
	('movie of a series', 'movies (media_id) VALUES (''00000000-0000-7000-8000-000000000002'')'),
	('episode of a movie', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000003'', ''00000000-0000-7000-8000-000000000001'', 1, 1)'),
	('episode of no series row', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000003'', ''00000000-0000-7000-8000-000000000005'', 1, 1)'),
	('episode of none', 'episodes (media_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000003'', 1, 1)'),
	('special', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000003'', ''00000000-0000-7000-8000-000000000002'', 0, 0)'),
	('same place', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000004'', ''00000000-0000-7000-8000-000000000002'', 0, 0)'),
	('season -1', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000004'', ''00000000-0000-7000-8000-000000000002'', -1, 0)'),
	('episode -1', 'episodes (media_id, series_id, season_number, episode_number) VALUES (''00000000-0000-7000-8000-000000000004'', ''00000000-0000-7000-8000-000000000002'', 0, -1)'),
	('infinite air date', 'episodes (media_id, series_id, season_number, episode_number, air_date) VALUES (''00000000-0000-7000-8000-000000000004'', ''00000000-0000-7000-8000-000000000002'', 1, 1, ''infinity'')')) v (what, statement);
SELECT assignment, pg_temp.try('UPDATE researcharr.movies SET ' || assignment)
FROM unnest('{year = 1869,year = 1870,year = 2100,year = 2101,year = NULL,imdb_id = ''tt1234567'',
	imdb_id = ''tt1234567890'',imdb_id = ''tt123456'',imdb_id = ''tt12345678901'',imdb_id = ''TT1234567'',
	imdb_id = ''tt12345 7'',imdb_id = E''tt1234567\\n'',tmdb_id = 0,tmdb_id = 1,runtime_minutes = 0,runtime_minutes = 1}'::text[]) assignment;
SELECT assignment, pg_temp.try('UPDATE researcharr.series SET ' || assignment)
FROM unnest('{tvdb_id = 0,tvdb_id = 1,seasons = -1,seasons = 0,episodes = -1,episodes = 0}'::text[]) assignment;

-- a media row with a subtype row keeps its type and id
SELECT pg_temp.try('UPDATE researcharr.media SET type = ''series'' WHERE title = ''m1''') AS type,
	pg_temp.try('UPDATE researcharr.media SET id = researcharr.uuid_v7() WHERE title = ''m1''') AS id,
	pg_temp.try('UPDATE researcharr.media SET type = ''movie'' WHERE title = ''e2''') AS "without one";

-- queue items, settings, users
SELECT what, pg_temp.try(format('INSERT INTO researcharr.queue_items (media_id, service, priority, retry_count, metadata) VALUES (%L, %L, %s, %s, %L)',
	media_id, service, priority, retry_count, metadata))
FROM (VALUES
	('ok', '00000000-0000-7000-8000-000000000001', 'sonarr', 100, 0, '{}'),
	('of nobody', '00000000-0000-7000-8000-00000000000f', 'sonarr', 0, 0, '{}'),
	('of none', NULL, 'sonarr', 0, 0, '{}'),
	('service', '00000000-0000-7000-8000-000000000001', 'lidarr', 0, 0, '{}'),
	('priority 101', '00000000-0000-7000-8000-000000000001', 'radarr', 101, 0, '{}'),
	('priority -1', '00000000-0000-7000-8000-000000000001', 'radarr', -1, 0, '{}'),
	('retries', '00000000-0000-7000-8000-000000000001', 'radarr', 0, -1, '{}'),
	('metadata', '00000000-0000-7000-8000-000000000001', 'radarr', 0, 0, '[]')) v (what, media_id, service, priority, retry_count, metadata);
SELECT key, value, value_type, pg_temp.try(format('INSERT INTO researcharr.configuration (key, value, value_type) VALUES (%L, %L, %L)', key, value, value_type))
FROM (VALUES
	('a', '', 'string'), ('a', 'again', 'string'), ('', '1', 'string'), (' b', '1', 'string'), ('b', '1', 'float'), ('b', NULL, 'string'),
	('i1', '1', 'int'), ('i2', '+5', 'int'), ('i3', '-9223372036854775808', 'int'), ('i4', '9223372036854775807', 'int'),
	('i', '9223372036854775808', 'int'), ('i', '-9223372036854775809', 'int'), ('i', ' 1', 'int'), ('i', '1 ', 'int'), ('i', '', 'int'),
	('i', '-', 'int'), ('i', '1_000', 'int'), ('i', '0x1F', 'int'), ('i', '1.0', 'int'), ('i', '1e3', 'int'),
	('b1', 'true', 'bool'), ('b2', 'false', 'bool'), ('b', 'TRUE', 'bool'), ('b', 't', 'bool'), ('b', '', 'bool'),
	('j1', ' {"a": [1, {"b": null}]} ', 'json'), ('j2', '"\u00e9"', 'json'), ('j3', '1e131071', 'json'), ('j', '1e131072', 'json'),
	('j', '1e-16384', 'json'), ('j', '"\u0000"', 'json'), ('j', '"\ud800"', 'json'), ('j', '', 'json'), ('j', '[1,]', 'json'),
	('j', '{"a": 1', 'json'), ('j', 'nul', 'json'), ('j', '01', 'json')) v (key, value, value_type);
SELECT config_value_is_valid(NULL, 'int') AS value, config_value_is_valid('x', NULL) AS type;
-- what counts as json is what jsonb takes
SELECT count(*), count(*) FILTER (WHERE pg_temp.try(format('SELECT %L::jsonb', x)) LIKE 'ok%') AS valid,
	array_agg(x) FILTER (WHERE (pg_temp.try(format('SELECT %L::jsonb', x)) LIKE 'ok%') <> config_value_is_valid(x, 'json')) AS wrong
FROM (SELECT sign || digits || exponent
	FROM unnest('{"",-}'::text[]) sign,
		unnest('{0,1,10,9999,10000,0.0,0.1,0.0001,0.00001,12345.678,100000000000,00,1.,.1,0.000000}'::text[]) digits,
		unnest('{"",e0,e131060,e131067,e131068,e131069,e131070,e131071,e131072,e131073,e131075,e131076,E+131072,
			e-16377,e-16378,e-16379,e-16382,e-16383,e-16384,e1073741822,e1073741824,e-1073741822,e-1073741824,
			e99999999999999999999,e-99999999999999999999,e,e+,e0000000000000000000000000000000001}'::text[]) exponent) v (x);
SELECT pg_temp.try('INSERT INTO researcharr.webui_users (username, password_hash) VALUES (''admin'', ''hash'')'),
	pg_temp.try('INSERT INTO researcharr.webui_users (username, password_hash) VALUES (''admin'', ''hash'')'),
	pg_temp.try('INSERT INTO researcharr.webui_users (username, password_hash) VALUES ('' admin'', ''hash'')'),
	pg_temp.try('INSERT INTO researcharr.webui_users (username, password_hash) VALUES (''x'', '''')'),
	pg_temp.try('INSERT INTO researcharr.webui_users (username, password_hash, api_key_hash) VALUES (''x'', ''hash'', '''')');

-- updated_at: strictly increasing within a transaction, whatever is written to it
CREATE TEMP TABLE seen (n serial, at timestamptz);
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		UPDATE researcharr.media SET status = 'processing', updated_at = '2000-01-01' WHERE title = 'm1';
		INSERT INTO seen (at) SELECT updated_at FROM researcharr.media WHERE title = 'm1';
	END LOOP;
END$$;
SELECT count(*), count(DISTINCT at), bool_and(later) AS increasing
FROM (SELECT at, at > lag(at, 1, '-infinity') OVER (ORDER BY n) AS later FROM seen) s;
INSERT INTO media (title, type, updated_at) VALUES ('future', 'movie', '2999-01-01'), ('forever', 'movie', 'infinity');
UPDATE media SET status = 'failed' WHERE title IN ('future', 'forever');
SELECT title, CASE WHEN title = 'future' THEN updated_at = timestamptz '2999-01-01' + interval '1 millisecond'
	ELSE updated_at < clock_timestamp() END AS as_expected
FROM media WHERE title IN ('future', 'forever') ORDER BY 1;
UPDATE configuration SET value = 'b' WHERE key = 'a';
SELECT updated_at > created_at AS advanced FROM configuration WHERE key = 'a';

-- Deleting a series, in any way, deletes its episodes' media too, with what hangs
-- on them; the media row of a series or an episode stays when its row alone goes.
DELETE FROM media;
CREATE FUNCTION pg_temp.refill() RETURNS void LANGUAGE sql AS $$
	DELETE FROM researcharr.media;
	INSERT INTO researcharr.media (title, type) SELECT 's' || n, 'series' FROM generate_series(1, 2) n;
	INSERT INTO researcharr.series (media_id) SELECT id FROM researcharr.media;
	INSERT INTO researcharr.media (title, type) SELECT s.title || 'e' || n, 'episode'
		FROM researcharr.media s, generate_series(1, 3) n;
	INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number)
		SELECT e.id, s.id, 1, right(e.title, 1)::int FROM researcharr.media e, researcharr.media s
		WHERE e.type = 'episode' AND s.type = 'series' AND e.title LIKE s.title || '%';
	INSERT INTO researcharr.queue_items (media_id, service)
		SELECT id, 'sonarr' FROM researcharr.media WHERE type = 'episode';
	INSERT INTO researcharr.media (title, type) VALUES ('bare', 'episode');
$$;
CREATE FUNCTION pg_temp.left_over(how text) RETURNS TABLE (media text, series bigint, episodes bigint, queue_items bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.refill();
	EXECUTE how;
	RETURN QUERY SELECT (SELECT string_agg(title, ' ' ORDER BY title COLLATE "C") FROM researcharr.media),
		(SELECT count(*) FROM researcharr.series), (SELECT count(*) FROM researcharr.episodes),
		(SELECT count(*) FROM researcharr.queue_items);
END$$;
SET LOCAL client_min_messages = warning;
SELECT how, l.*
FROM unnest('{SELECT,
	DELETE FROM researcharr.episodes WHERE episode_number = 2,
	DELETE FROM researcharr.episodes,
	"DELETE FROM researcharr.series WHERE media_id = (SELECT id FROM researcharr.media WHERE title = ''s1'')",
	DELETE FROM researcharr.media WHERE title = ''s1'',
	DELETE FROM researcharr.media WHERE title = ''s1e1'',
	"WITH gone AS (DELETE FROM researcharr.episodes RETURNING *) SELECT count(*) FROM gone",
	TRUNCATE researcharr.episodes,
	TRUNCATE researcharr.series CASCADE,
	TRUNCATE researcharr.media CASCADE,
	"TRUNCATE researcharr.queue_items, researcharr.episodes",
	SET session_replication_role = replica; DELETE FROM researcharr.episodes WHERE episode_number = 2; RESET session_replication_role,
	SET session_replication_role = replica; TRUNCATE researcharr.episodes; RESET session_replication_role}'::text[]) how, pg_temp.left_over(how) l;

-- whoever may delete a series need not be allowed to delete media
CREATE ROLE regress_researcharr_deleter;
GRANT USAGE ON SCHEMA researcharr TO regress_researcharr_deleter;
GRANT DELETE ON series TO regress_researcharr_deleter;
SELECT pg_temp.refill();
SET LOCAL ROLE regress_researcharr_deleter;
DELETE FROM researcharr.series;
SELECT current_user;
RESET ROLE;
SELECT title FROM media ORDER BY 1;

-- trigger functions serve the extension's own triggers only
SELECT pg_temp.try('SELECT researcharr.updated_at_advance()'), pg_temp.try('SELECT researcharr.episode_media_delete()');
SELECT pg_temp.refill();
CREATE TABLE pg_temp.episodes (media_id uuid, updated_at text);
INSERT INTO pg_temp.episodes SELECT id FROM media;
CREATE TRIGGER steal AFTER DELETE ON pg_temp.episodes REFERENCING OLD TABLE AS deleted
	FOR EACH STATEMENT EXECUTE FUNCTION episode_media_delete();
CREATE TRIGGER advance BEFORE UPDATE ON pg_temp.episodes FOR EACH ROW EXECUTE FUNCTION updated_at_advance();
CREATE TRIGGER early BEFORE DELETE ON researcharr.episodes FOR EACH ROW EXECUTE FUNCTION episode_media_delete();
SELECT pg_temp.try(statement) FROM unnest('{DELETE FROM pg_temp.episodes,UPDATE pg_temp.episodes SET media_id = NULL,
	DELETE FROM researcharr.episodes}'::text[]) statement;
ROLLBACK;

-- calling the functions of this part with NULLs
SELECT researcharr.metadata_is_valid(NULL), researcharr.config_value_is_valid(NULL, NULL);
SELECT researcharr.media_import_radarr(NULL, NULL);
SELECT researcharr.media_import_sonarr(NULL, NULL, NULL);
SELECT researcharr.media_import_sonarr('[]', NULL, NULL);
