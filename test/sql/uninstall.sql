-- The extension can be dropped, and leaves nothing but its schema.
DROP EXTENSION researcharr;
SELECT count(*) FROM pg_depend
 WHERE refclassid = 'pg_namespace'::regclass
   AND refobjid = 'researcharr'::regnamespace;
