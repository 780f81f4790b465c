-- Ids: RFC 9562's version 7, made by the clock, in order within a session.

-- version and variant
SELECT count(*), count(*) FILTER (WHERE id::text ~
    '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')
  FROM (SELECT researcharr.uuid_v7() AS id FROM generate_series(1, 10000)) AS s;

-- the time in it is the clock's, to the millisecond
CREATE FUNCTION pg_temp.ms_of(id uuid) RETURNS bigint LANGUAGE sql AS
$$ SELECT ('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint $$;
CREATE TEMP TABLE stamped AS
SELECT clock_timestamp() AS before, NULL::uuid AS id, NULL::timestamptz AS after;
UPDATE stamped SET id = researcharr.uuid_v7();
UPDATE stamped SET after = clock_timestamp();
SELECT pg_temp.ms_of(id) BETWEEN floor(extract(epoch FROM before) * 1000)
                             AND floor(extract(epoch FROM after) * 1000)
       AS by_the_clock
  FROM stamped;

-- strictly increasing, hence all different, across blocks of random bytes
CREATE TEMP TABLE ids AS
SELECT n, researcharr.uuid_v7() AS id FROM generate_series(1, 100000) AS n;
SELECT count(*) AS out_of_order
  FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before FROM ids) AS s
 WHERE id <= before;

-- the last 62 bits are random: each of them is set about half the time
SELECT bool_and(ones BETWEEN 4700 AND 5300) AS fair, count(*) AS bits
  FROM (SELECT bit, sum(get_bit(tail, bit)) AS ones
          FROM (SELECT ('x' || right(replace(id::text, '-', ''), 16))::bit(64)
                       AS tail
                  FROM ids WHERE n <= 10000) AS t,
               generate_series(2, 63) AS bit
         GROUP BY bit) AS s;

-- it may run in parallel workers, and is for nobody who was not told
SELECT proparallel, provolatile FROM pg_proc
 WHERE oid = 'researcharr.uuid_v7()'::regprocedure;
CREATE ROLE regress_stranger;
SET ROLE regress_stranger;
SELECT researcharr.uuid_v7();
RESET ROLE;
DROP ROLE regress_stranger;
