-- setup.sql: what the storm's workers work with, and where their books go.
CREATE EXTENSION researcharr CASCADE;
CREATE EXTENSION amcheck;
CREATE SCHEMA storm;
CREATE TABLE storm.done (job uuid, attempt int);
CREATE TABLE storm.said (transaction text, verb text, what text, job uuid, attempt int);
INSERT INTO researcharr.media (id, title, type)
VALUES ('01900000-0000-7000-8000-000000000001', 'The Tempest', 'movie');
SELECT researcharr.job_type_register(name, max_retries => 10, backoff_base => '50 ms', backoff_cap => '500 ms')
FROM unnest('{search,download}'::text[]) name;
SELECT researcharr.job_type_register('narrow', max_retries => 10, backoff_base => '50 ms', max_running => 5, weight => 3),
	researcharr.job_type_register('rated', max_retries => 10, backoff_base => '50 ms', rate_limit => 100, rate_interval => '1 s');
