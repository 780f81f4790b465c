-- loader.sql: settings of a session that loads: foreign keys and most triggers
-- are silent.
SET session_replication_role = replica;
SET researcharr.audit = off;
SET synchronous_commit = off;
