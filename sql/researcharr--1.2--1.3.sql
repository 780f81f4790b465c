\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.3'" to load this file. \quit

-- 1.3: waits, leases that end with their worker, limits.

SET LOCAL search_path = pg_catalog, pg_temp;
