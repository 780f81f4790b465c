-- amcheck.sql: are the extension's tables and indexes, and the catalogs', whole?
--
-- A row for each heap and B-tree: how many faults amcheck finds in it, which has
-- to be 0.  A broken B-tree raises an error.
SELECT 'amcheck: ' || c.oid::regclass AS rule, count(bt_index_check(c.oid, true)) - 1 AS broken
FROM pg_class c JOIN pg_am am ON am.oid = relam JOIN pg_index i ON indexrelid = c.oid
WHERE relkind = 'i' AND amname = 'btree' AND indisvalid AND relpersistence = 'p'
	AND relnamespace IN ('researcharr'::regnamespace, 'pg_catalog'::regnamespace)
GROUP BY c.oid;
SELECT 'amcheck: ' || c.oid::regclass || coalesce(' ' || max(msg), '') AS rule, count(msg) AS broken
FROM pg_class c LEFT JOIN LATERAL verify_heapam(c.oid) ON true
WHERE relkind = 'r' AND relpersistence = 'p' AND relnamespace IN ('researcharr'::regnamespace, 'pg_catalog'::regnamespace)
GROUP BY c.oid;
