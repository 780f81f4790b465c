-- Operators and types outside pg_catalog: statements name them by OID, so that
-- who owns their schema cannot put others in their place.
\set VERBOSITY terse
CREATE ROLE regress_schema_owner;
CREATE SCHEMA odd AUTHORIZATION regress_schema_owner;
GRANT CREATE ON DATABASE :DBNAME TO regress_schema_owner;
-- a type like int4, with an order, all of it a superuser's
-- the server's notices about a shell type have a position from 18 on
SET client_min_messages = warning;
CREATE TYPE odd.num;
CREATE FUNCTION odd.num_in(cstring) RETURNS odd.num LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION odd.num_out(odd.num) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE odd.num (INPUT = odd.num_in, OUTPUT = odd.num_out, LIKE = int4);
RESET client_min_messages;
CREATE FUNCTION odd.num_lt(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION odd.num_le(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION odd.num_eq(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION odd.num_ne(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4ne';
CREATE FUNCTION odd.num_ge(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION odd.num_gt(odd.num, odd.num) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION odd.num_cmp(odd.num, odd.num) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR odd.< (FUNCTION = odd.num_lt, LEFTARG = odd.num, RIGHTARG = odd.num);
CREATE OPERATOR odd.<= (FUNCTION = odd.num_le, LEFTARG = odd.num, RIGHTARG = odd.num);
CREATE OPERATOR odd.= (FUNCTION = odd.num_eq, LEFTARG = odd.num, RIGHTARG = odd.num, NEGATOR = OPERATOR(odd.<>));
CREATE OPERATOR odd.<> (FUNCTION = odd.num_ne, LEFTARG = odd.num, RIGHTARG = odd.num, NEGATOR = OPERATOR(odd.=));
CREATE OPERATOR odd.>= (FUNCTION = odd.num_ge, LEFTARG = odd.num, RIGHTARG = odd.num);
CREATE OPERATOR odd.> (FUNCTION = odd.num_gt, LEFTARG = odd.num, RIGHTARG = odd.num);
CREATE OPERATOR CLASS odd.num_ops DEFAULT FOR TYPE odd.num USING btree AS
	OPERATOR 1 odd.<, OPERATOR 2 odd.<=, OPERATOR 3 odd.=, OPERATOR 4 odd.>=, OPERATOR 5 odd.>, FUNCTION 1 odd.num_cmp;
CREATE DOMAIN odd.few AS odd.num;
ALTER TABLE researcharr.media ADD COLUMN stars odd.num, ADD COLUMN "a b" odd.few;
CREATE INDEX media_stars ON researcharr.media (stars);
SELECT researcharr.media_create(jsonb_build_object('title', 'Title ' || n, 'type', 'movie', 'stars', n, 'a b', n)) IS NOT NULL AS made
  FROM generate_series(1, 5) n;

CREATE FUNCTION pg_temp.found(filters jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(title, ', ' ORDER BY title) FROM researcharr.media_get_all(filters)
$$;
CREATE TABLE cases (filters) AS VALUES ('{"stars": 2}'::jsonb), ('{"stars": {"ne": 2}}'), ('{"stars": {"gt": 3}}'), ('{"stars": {"gte": 3, "lt": 5}}'),
	('{"stars": {"lte": 2}}'), ('{"stars": {"in": [1, 5, 9]}}'), ('{"stars": {"in": []}}'), ('{"stars": null}'), ('{"a b": {"in": [2, 3]}, "stars": {"ne": 3}}'), ('{"a b": {"gt": 4}}');
SELECT filters, pg_temp.found(filters) FROM cases;
SELECT filters, researcharr.media_count(filters) FROM cases WHERE filters @> '{"stars": 2}';
-- the index on the column serves
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.index_scans() RETURNS bigint LANGUAGE sql AS
	$$SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relid = 'researcharr.media'::regclass$$;
BEGIN;
SELECT pg_temp.index_scans() AS before \gset
SELECT researcharr.media_count('{"stars": 2}'), researcharr.media_count('{"stars": {"in": [2, 3]}}');
SELECT pg_temp.index_scans() > :before AS by_index;
COMMIT;
RESET enable_seqscan;

-- the schema's owner moves it out of the way and makes another, with operators
-- of the same names: none of them may run
SET ROLE regress_schema_owner;
ALTER SCHEMA odd RENAME TO odder;
CREATE SCHEMA odd;
GRANT USAGE ON SCHEMA odd TO PUBLIC;
CREATE FUNCTION odd.trap(odder.num, odder.num) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'runs as %', current_user; END$$;
CREATE FUNCTION odd.trap(odder.few, odder.few) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'runs as %', current_user; END$$;
CREATE OPERATOR odd.= (FUNCTION = odd.trap, LEFTARG = odder.num, RIGHTARG = odder.num);
CREATE OPERATOR odd.<> (FUNCTION = odd.trap, LEFTARG = odder.num, RIGHTARG = odder.num);
CREATE OPERATOR odd.> (FUNCTION = odd.trap, LEFTARG = odder.num, RIGHTARG = odder.num);
CREATE OPERATOR odd.= (FUNCTION = odd.trap, LEFTARG = odder.few, RIGHTARG = odder.few);
CREATE OPERATOR odder.= (FUNCTION = odd.trap, LEFTARG = odder.few, RIGHTARG = odder.few);
CREATE OPERATOR odder.> (FUNCTION = odd.trap, LEFTARG = odder.few, RIGHTARG = odder.few);
RESET ROLE;
SELECT filters, pg_temp.found(filters) FROM cases;
\c -
SELECT researcharr.media_count('{"stars": 2}'), researcharr.media_count('{"a b": {"gt": 4}}'), researcharr.media_count('{"a b": {"in": [2]}}');

-- a column that a masked view does not have is NULL to others, by its type's OID
CREATE ROLE regress_settings_reader;
GRANT USAGE ON SCHEMA researcharr TO regress_settings_reader;
GRANT SELECT ON researcharr.configuration_masked TO regress_settings_reader;
GRANT EXECUTE ON FUNCTION researcharr.config_get_all, researcharr.config_count TO regress_settings_reader;
ALTER TABLE researcharr.configuration ADD COLUMN stars odder.num, ADD COLUMN price numeric(5, 2);
SELECT key, stars, price FROM researcharr.config_create('{"key": "odd", "value": "x", "stars": 7, "price": 1.5}');
SET ROLE regress_settings_reader;
SELECT key, stars, price FROM researcharr.config_get_all('{"key": "odd"}');
SELECT researcharr.config_count('{"stars": 7}'), researcharr.config_count('{"stars": {"is_null": true}}'), researcharr.config_count('{"stars": {"in": [7]}}');
RESET ROLE;
SELECT researcharr.config_count('{"stars": 7}');

ALTER TABLE researcharr.configuration DROP COLUMN stars, DROP COLUMN price;
ALTER TABLE researcharr.media DROP COLUMN stars, DROP COLUMN "a b";
DELETE FROM researcharr.configuration WHERE key = 'odd';
DELETE FROM researcharr.media;
DROP TABLE cases;
SET client_min_messages = warning;
DROP SCHEMA odd, odder CASCADE;
REVOKE ALL ON FUNCTION researcharr.config_get_all, researcharr.config_count FROM regress_settings_reader;
DROP OWNED BY regress_schema_owner, regress_settings_reader;
DROP ROLE regress_schema_owner, regress_settings_reader;
