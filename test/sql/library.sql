-- library: instances and tracked items, as entities.

SET search_path = pg_catalog;
DELETE FROM researcharr.instances;

-- an instance
SELECT name, service, base_url, active, settings, last_synced_at
FROM researcharr.instance_create('{"name": "radarr 4k", "service": "radarr", "base_url": "http://localhost:7878/radarr"}');
SELECT * FROM researcharr.instance_validate('{"name": " x", "service": "lidarr", "base_url": "http://user:secret@host/", "settings": {"removed_media": "burn"}}');
SELECT * FROM researcharr.instance_validate('{"name": "x", "service": "sonarr", "base_url": "ftp://host/", "settings": {"removed_media": null}}');
SELECT * FROM researcharr.instance_validate('{"name": "x", "service": "sonarr", "base_url": "https://host?apikey=secret"}');
SELECT * FROM researcharr.instance_validate('{"name": "x", "service": "sonarr", "base_url": "https://[::1]:8989", "settings": {"removed_media": "delete", "api_key": "sonarr.api_key"}}');
SELECT id AS instance FROM researcharr.instances \gset

-- the table's constraints agree
\set VERBOSITY terse
INSERT INTO researcharr.instances (name, service, base_url) VALUES ('x', 'sonarr', 'http://user:secret@host/');
INSERT INTO researcharr.instances (name, service, base_url) VALUES ('x', 'sonarr', 'http://');
INSERT INTO researcharr.instances (name, service, settings) VALUES ('x', 'sonarr', '{"removed_media": "burn"}');
INSERT INTO researcharr.instances (name, service, settings) VALUES ('x', 'sonarr', '{"removed_media": null}');
INSERT INTO researcharr.instances (name, service) VALUES ('radarr 4k', 'sonarr');
\set VERBOSITY default

-- a synchronization alone is no change of the instance
SELECT updated_at AS before FROM researcharr.instances \gset
UPDATE researcharr.instances SET last_synced_at = clock_timestamp();
SELECT updated_at = :'before' AS same FROM researcharr.instances;
UPDATE researcharr.instances SET last_synced_at = clock_timestamp(), active = false;
SELECT updated_at > created_at AS advanced FROM researcharr.instances;
SELECT active FROM researcharr.instance_update(:'instance', '{"active": true}');

-- a tracked item
SELECT id AS movie FROM researcharr.movie_create('{"title": "Dune", "year": 2021}') \gset
SELECT kind, service_id, monitored, has_file, available_from, added_at AT TIME ZONE 'UTC' AS added_at, payload
FROM researcharr.tracked_item_create(jsonb_build_object('instance_id', :'instance', 'media_id', :'movie',
	'kind', 'movie', 'service_id', 7.0, 'added_at', '2020-01-01T00:00:00Z', 'available_from', '-infinity'));
SELECT id AS item FROM researcharr.tracked_items \gset
SELECT * FROM researcharr.tracked_item_validate('{}');
SELECT * FROM researcharr.tracked_item_validate(jsonb_build_object('instance_id', :'instance', 'media_id', :'movie',
	'service_id', 0, 'kind', 'show', 'payload', '[]'::jsonb, 'search_count', -1));
SELECT monitored, updated_at > created_at AS advanced FROM researcharr.tracked_item_update(:'item', '{"monitored": true}');
SELECT service_id FROM researcharr.tracked_item_get_all('{"monitored": true, "kind": "movie"}');
SELECT researcharr.tracked_item_count(), researcharr.tracked_item_exists(:'item');
\set VERBOSITY terse
SELECT researcharr.tracked_item_create(jsonb_build_object('instance_id', :'instance', 'media_id', :'movie', 'kind', 'movie', 'service_id', 7));
SELECT researcharr.tracked_item_create(jsonb_build_object('instance_id', :'instance', 'media_id', :'movie', 'kind', 'series', 'service_id', 8));
\set VERBOSITY default

-- on record
SELECT entity_type, action, changes - '{id,created_at,instance_id,media_id}'::text[] AS changes
FROM researcharr.audit_log WHERE entity_type IN ('instance', 'tracked_item') AND entity_id IN (:'instance', :'item') ORDER BY id;

-- locked and written in any order by one call
SELECT jsonb_array_length(researcharr.unit_of_work(jsonb_build_array(
	jsonb_build_object('op', 'update', 'entity', 'tracked_item', 'id', :'item', 'values', '{"has_file": true}'::jsonb),
	jsonb_build_object('op', 'update', 'entity', 'media', 'id', :'movie', 'values', '{"status": "completed"}'::jsonb),
	jsonb_build_object('op', 'update', 'entity', 'instance', 'id', :'instance', 'values', '{"settings": {"a": 1}}'::jsonb)))) AS results;

-- media take their tracked items along, and so do instances
SELECT researcharr.media_delete(:'movie');
SELECT researcharr.tracked_item_count();
SELECT id AS movie FROM researcharr.movie_create('{"title": "Dune", "year": 2021}') \gset
INSERT INTO researcharr.tracked_items (instance_id, kind, service_id, media_id) VALUES (:'instance', 'movie', 9, :'movie');
SELECT researcharr.instance_delete(:'instance');
SELECT researcharr.tracked_item_count(), researcharr.media_exists(:'movie');
SELECT researcharr.media_delete(:'movie');
