\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.6'" to load this file. \quit

-- 1.6: deadlocks, clocks, races, and what workers missed.

SET LOCAL search_path = pg_catalog, pg_temp;
