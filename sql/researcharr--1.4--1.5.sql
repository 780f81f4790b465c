\echo Use "ALTER EXTENSION researcharr UPDATE TO '1.5'" to load this file. \quit

-- 1.5: hardening. No crash, no escalation of privileges, no blocked queue.

SET LOCAL search_path = pg_catalog, pg_temp;
