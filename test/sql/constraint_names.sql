-- A user's trigger runs into a constraint of a user's table that has the name of one
-- of ours: the error is his, and is not taken for ours.
SET search_path = researcharr;
SET client_min_messages = warning;
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA regress_names;
CREATE TABLE regress_names.processing_jobs (n int);
CREATE UNIQUE INDEX processing_jobs_unique_key_idx ON regress_names.processing_jobs (n);
INSERT INTO regress_names.processing_jobs VALUES (1);
CREATE TABLE regress_names.job_types (n int CONSTRAINT job_types_weight_check CHECK (n > 1));
CREATE TABLE regress_names.configuration (n int CONSTRAINT configuration_value_check CHECK (n > 1));
CREATE FUNCTION regress_names.write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO regress_names.%I VALUES (1)', TG_TABLE_NAME);
	RETURN NEW;
END $$;

-- the names are those of our own
SELECT c.relname FROM pg_class c WHERE c.relname = 'processing_jobs_unique_key_idx' AND relnamespace = 'researcharr'::regnamespace;
SELECT conname FROM pg_constraint WHERE conname IN ('job_types_weight_check', 'configuration_value_check')
	AND connamespace = 'researcharr'::regnamespace ORDER BY conname;

INSERT INTO media (title, type) VALUES ('film', 'movie') RETURNING id AS film \gset
SELECT job_enqueue(:'film', 'search', unique_key => 'named') AS job \gset
SELECT job_cancel(:'job');
CREATE TRIGGER write BEFORE UPDATE ON processing_jobs FOR EACH ROW EXECUTE FUNCTION regress_names.write();
SELECT retried FROM job_retry_many(ARRAY[:'job']::uuid[]);
SELECT job_retry_all('{"unique_key": "named"}');
DROP TRIGGER write ON processing_jobs;

CREATE TRIGGER write BEFORE INSERT ON job_types FOR EACH ROW EXECUTE FUNCTION regress_names.write();
SELECT name FROM job_type_register('typed', weight => 2);
DROP TRIGGER write ON job_types;
SELECT name FROM job_type_register('typed', weight => 0);

SELECT id AS setting FROM config_set('a', 'b') \gset
CREATE TRIGGER write BEFORE UPDATE ON configuration FOR EACH ROW EXECUTE FUNCTION regress_names.write();
SELECT key FROM config_update(:'setting', '{"value": "c"}');
DROP TRIGGER write ON configuration;
SELECT key FROM config_update(:'setting', '{"value": "c", "value_type": "int"}');

DROP SCHEMA regress_names CASCADE;
DELETE FROM configuration WHERE id = :'setting';
DELETE FROM media WHERE id = :'film';
