-- The audit of JSON columns: the members that changed, and none of the volatile ones.
\set VERBOSITY terse

CREATE FUNCTION pg_temp.log() RETURNS TABLE (entity_type text, action text, changes jsonb)
LANGUAGE sql AS $$
	SELECT entity_type, action, changes FROM researcharr.audit_log
	WHERE action = 'update' ORDER BY id
$$;
CREATE FUNCTION pg_temp.forget() RETURNS void LANGUAGE sql AS $$ TRUNCATE researcharr.audit_log_default $$;
SET client_min_messages = warning;
TRUNCATE researcharr.media CASCADE;
SELECT pg_temp.forget();
RESET client_min_messages;
CREATE TABLE seen (updated_at timestamptz);
CREATE FUNCTION pg_temp.advanced() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	result boolean;
BEGIN
	SELECT m.updated_at > s.updated_at INTO result FROM researcharr.media m, seen s;
	DELETE FROM seen;
	INSERT INTO seen SELECT updated_at FROM researcharr.media;
	RETURN result;
END $$;

INSERT INTO researcharr.media (id, title, type, metadata) VALUES
	('00000000-0000-7000-8000-000000000001', 'One', 'movie',
	'{"own": {"a": 1, "gone": true, "none": null, "list": [1, 2]}, "popularity": 1, "radarr":
	{"id": 7, "popularity": 1.5, "ratings": {"imdb": {"votes": 10}}, "monitored": true,
	"collection": {"title": "C", "images": [1]}, "seasons": [{"n": 1, "statistics": {"size": 5}}]}}');
INSERT INTO researcharr.movies (media_id, year) SELECT id, 2020 FROM researcharr.media;
INSERT INTO seen SELECT updated_at FROM researcharr.media;
SELECT count(*) FROM researcharr.audit_log WHERE action = 'create' AND changes #> '{metadata,new,own}' IS NOT NULL;

-- a member that is new, one that is gone, one that was null, and one within another
UPDATE researcharr.media SET metadata =
	'{"own": {"a": 2, "none": 0, "list": [1, 3], "added": null}, "popularity": 1, "radarr":
	{"id": 7, "popularity": 1.5, "ratings": {"imdb": {"votes": 10}}, "monitored": false,
	"collection": {"title": "C", "images": [1]}, "seasons": [{"n": 1, "statistics": {"size": 5}}]}}';
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget(), pg_temp.advanced();

-- numbers that are equal, but written differently
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{own,a}', '2.0');
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget(), pg_temp.advanced();

-- an object in the place of a number, and the other way round
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{own,a}', '{"b": 1}');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{own,a}', '{}');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{own,a}', '[{}]');
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget(), pg_temp.advanced();

-- volatile members are stored, and that is all
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{radarr,popularity}', '2.5');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{radarr,ratings,imdb,votes}', '11');
UPDATE researcharr.media SET metadata = metadata #- '{radarr,ratings}';
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{radarr,sizeOnDisk}', 'null');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{radarr,collection,images}', '[2]');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{radarr,seasons,0,statistics,size}', '6');
SELECT count(*) FROM pg_temp.log();
SELECT pg_temp.advanced(), metadata -> 'radarr' AS radarr FROM researcharr.media;

-- the same through the functions, with and without a statement
SELECT updated_at = (SELECT updated_at FROM seen) AS same FROM
	researcharr.media_update('00000000-0000-7000-8000-000000000001',
		(SELECT jsonb_build_object('metadata', jsonb_set(metadata, '{radarr,popularity}', '3')) FROM researcharr.media));
SELECT updated_at = (SELECT updated_at FROM seen) AS same FROM
	researcharr.movie_update('00000000-0000-7000-8000-000000000001',
		(SELECT jsonb_build_object('metadata', jsonb_set(metadata, '{radarr,popularity}', '4')) FROM researcharr.media));
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER users BEFORE UPDATE ON researcharr.media FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
SELECT updated_at = (SELECT updated_at FROM seen) AS same FROM
	researcharr.movie_update('00000000-0000-7000-8000-000000000001',
		(SELECT jsonb_build_object('metadata', jsonb_set(metadata, '{radarr,popularity}', '5')) FROM researcharr.media));
SELECT count(*) FROM pg_temp.log();

-- a movie's own column tells its readers by updated_at
SELECT updated_at > (SELECT updated_at FROM seen) AS advanced FROM
	researcharr.movie_update('00000000-0000-7000-8000-000000000001',
		(SELECT jsonb_build_object('year', 2021, 'metadata', jsonb_set(metadata, '{radarr,popularity}', '6')) FROM researcharr.media));
DROP TRIGGER users ON researcharr.media;
SELECT pg_temp.advanced();
SELECT updated_at > (SELECT updated_at FROM seen) AS advanced FROM
	researcharr.movie_update('00000000-0000-7000-8000-000000000001',
		(SELECT jsonb_build_object('year', 2022, 'metadata', jsonb_set(metadata, '{radarr,popularity}', '7')) FROM researcharr.media));
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget(), pg_temp.advanced();

-- so does an assignment, and an update that changes nothing
UPDATE researcharr.media SET updated_at = updated_at, metadata = jsonb_set(metadata, '{radarr,popularity}', '8');
SELECT pg_temp.advanced();
UPDATE researcharr.media SET title = title;
SELECT pg_temp.advanced();
SELECT count(*) FROM pg_temp.log();

-- together with others, volatile members stay out of the log; an application's own are not meant
UPDATE researcharr.media SET metadata =
	jsonb_set(jsonb_set(metadata, '{radarr,popularity}', '9'), '{radarr,id}', '8');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{popularity}', '2');
UPDATE researcharr.media SET metadata = jsonb_set(metadata, '{own,popularity}', '3');
UPDATE researcharr.media SET metadata = metadata - 'radarr';
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget(), pg_temp.advanced();

-- other tables: members only, and nothing is volatile
INSERT INTO researcharr.queue_items (media_id, service, metadata)
	SELECT id, 'radarr', '{"radarr": {"popularity": 1, "other": 1}}' FROM researcharr.media;
UPDATE researcharr.queue_items SET metadata = '{"radarr": {"popularity": 2, "other": 1}}';
SELECT * FROM pg_temp.log();
SELECT pg_temp.forget();

-- the setting
UPDATE researcharr.media SET metadata = '{"sonarr": {"images": 1, "a b": 1, "x": 1}}';
SELECT pg_temp.forget(), pg_temp.advanced();
SHOW researcharr.volatile_members;
SET researcharr.volatile_members = x, '"a b"';
SET researcharr.volatile_members = 'x, "a b"';
UPDATE researcharr.media SET metadata = '{"sonarr": {"images": 1, "a b": 2, "x": 2}}';
SELECT pg_temp.advanced(), count(*) FROM pg_temp.log();
UPDATE researcharr.media SET metadata = '{"sonarr": {"images": 2, "a b": 2, "x": 2}}';
SET researcharr.volatile_members = '';
UPDATE researcharr.media SET metadata = '{"sonarr": {"images": 2, "a b": 2, "x": 3}}';
SELECT * FROM pg_temp.log();
SET researcharr.volatile_members = 'a b';
RESET researcharr.volatile_members;
CREATE ROLE volatile_user;
SET ROLE volatile_user;
SET researcharr.volatile_members = 'title';
RESET ROLE;
DROP ROLE volatile_user;
SELECT pg_temp.forget();

-- deep, and wide
UPDATE researcharr.media SET metadata = jsonb_build_object('deep', (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb,
	'wide', (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 20000) AS n));
SELECT pg_temp.forget();
UPDATE researcharr.media SET metadata = jsonb_build_object('deep', (repeat('{"a":', 3000) || '2' || repeat('}', 3000))::jsonb,
	'wide', (SELECT jsonb_object_agg(n, n) FROM generate_series(2, 20001) AS n));
SELECT changes #> '{metadata,old,wide}' AS old, changes #> '{metadata,new,wide}' AS new,
	length(changes #>> '{metadata,new,deep}') AS deep, changes #> '{metadata,partial}' AS partial FROM pg_temp.log();
DELETE FROM researcharr.media;
SELECT pg_temp.forget();
DROP TABLE seen;
