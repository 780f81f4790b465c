-- The queue in other databases than most: other encodings and collations; and
-- in one session, dropped with its extension and created again.
SELECT current_database() AS home \gset
CREATE DATABASE regress_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_locale TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';

-- LATIN1: a letter is a byte; what the client says in UTF-8 is converted
\c regress_latin1
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('Amélie', 'movie');
SELECT name, octet_length(name) FROM job_type_register('prüfen');
SELECT job_enqueue(id, 'prüfen', metadata => '{"é": "ü"}', unique_key => repeat('ö', 255)) AS j
  FROM media \gset
SELECT job_enqueue(id, 'prufen') FROM media;
SELECT job_enqueue(id, 'prüfen', unique_key => repeat('ö', 256)) FROM media;
SELECT job_enqueue(id, 'search', metadata => '{"a": "中"}') FROM media;
SELECT job_type, metadata, char_length(unique_key) FROM job_dequeue('{prüfen}', worker => 'ärger');
SELECT worker, error_message, status FROM job_fail(:'j', 1, 'schön kaputt', retry => false);
SELECT details->>'worker' AS worker, details->>'error' AS error FROM processing_history;

-- SQL_ASCII: bytes are bytes
\c regress_ascii
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT octet_length(name) FROM job_type_register(E'pr\xfcfen');
SELECT job_enqueue(id, E'pr\xfcfen', unique_key => E'\xff\xfe') AS j FROM media \gset
SELECT job_enqueue(id, E'pr\xfcfen', unique_key => E'\xff\xfe') = :'j' AS same FROM media;
SELECT attempt, octet_length(unique_key) AS bytes FROM job_dequeue(worker => E'\xe4');
SELECT octet_length(error_message) AS bytes FROM job_fail(:'j', 1, E'\xff', '0');
SELECT job_complete(id, attempt) FROM job_dequeue();

-- another locale than the server's: types and keys are told apart by bytes
\c regress_locale
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
SET search_path = researcharr;
INSERT INTO media (title, type) VALUES ('film', 'movie');
SELECT count(job_type_register(name)) FROM unnest('{a,B,ä,Ä,b,A,"a b","a-b"}'::text[]) AS name;
SELECT count(DISTINCT job_enqueue(id, name, unique_key => key))
  FROM media, unnest('{a,B,ä,Ä,b,A,"a b","a-b"}'::text[]) AS name, unnest('{k,K,ḱ}'::text[]) AS key;
SELECT count(*) FROM job_dequeue('{a,Ä}', 100);
SELECT job_type, count(*) FROM job_dequeue(NULL, 100) GROUP BY 1 ORDER BY job_type COLLATE "C";

-- dropped and created again, in the session that used it, also in a transaction
DROP EXTENSION researcharr CASCADE;
SELECT count(*) FROM researcharr.job_dequeue();
CREATE EXTENSION researcharr;
INSERT INTO media (title, type) VALUES ('new film', 'movie');
SELECT job_enqueue(id, 'a') FROM media;
SELECT job_enqueue(id, 'search') IS NOT NULL AS added FROM media;
SELECT job_complete(id, attempt) FROM job_dequeue();
BEGIN;
DROP EXTENSION researcharr CASCADE;
SAVEPOINT s;
CREATE EXTENSION researcharr;
SELECT count(*) FROM job_dequeue();
SELECT name FROM job_type_register('b');
ROLLBACK TO s;
CREATE EXTENSION researcharr;
INSERT INTO media (title, type) VALUES ('newest film', 'movie');
SELECT job_enqueue(id, 'verify') IS NOT NULL AS added FROM media;
SELECT job_type, attempt FROM job_dequeue();
ROLLBACK;
SELECT title, job_type, j.status FROM processing_jobs AS j JOIN media ON media.id = media_id;
SELECT job_enqueue(id, 'b') FROM media;
-- a schema of the same name that is not ours
DROP EXTENSION researcharr;
DROP SCHEMA researcharr;
CREATE SCHEMA researcharr;
SELECT researcharr.job_dequeue();

\c :home
DROP DATABASE regress_latin1;
DROP DATABASE regress_ascii;
DROP DATABASE regress_locale;
