-- backup: backups of the extension's data in files of the server, and restoring them.

CREATE TABLE researcharr.backups (
	name              text NOT NULL,
	created_at        timestamptz NOT NULL,
	extension_version text NOT NULL,
	lsn               pg_lsn NOT NULL,
	files             int NOT NULL,
	"rows"            bigint NOT NULL,
	bytes             bigint NOT NULL,
	manifest_sha256   text NOT NULL,
	verified_at       timestamptz,
	verify_error      text,
	archived_at       timestamptz,
	archive_error     text,
	archive_tried_at  timestamptz,
	archive_failures  int NOT NULL DEFAULT 0,
	CONSTRAINT backups_pkey PRIMARY KEY (name),
	CONSTRAINT backups_name_check CHECK (name ~ '^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$'),
	CONSTRAINT backups_manifest_sha256_check CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE researcharr.backups IS 'the backups in this database''s folder of researcharr.backup_directory; no dump and no backup takes it along';
COMMENT ON COLUMN researcharr.backups.name IS 'the backup, and its directory';
COMMENT ON COLUMN researcharr.backups.created_at IS 'when its snapshot was taken';
COMMENT ON COLUMN researcharr.backups.extension_version IS 'the version of the extension that it is of';
COMMENT ON COLUMN researcharr.backups.lsn IS 'where the WAL ended when its snapshot was taken';
COMMENT ON COLUMN researcharr.backups.files IS 'how many files it has, without the manifest';
COMMENT ON COLUMN researcharr.backups."rows" IS 'how many rows it has';
COMMENT ON COLUMN researcharr.backups.bytes IS 'the size of its files';
COMMENT ON COLUMN researcharr.backups.manifest_sha256 IS 'the SHA-256 of its manifest, which has those of its files';
COMMENT ON COLUMN researcharr.backups.verified_at IS 'when all of it was last read and found to be right; NULL for never';
COMMENT ON COLUMN researcharr.backups.verify_error IS 'what was wrong when it was last read; NULL for nothing';
COMMENT ON COLUMN researcharr.backups.archived_at IS 'when researcharr.backup_archive_command succeeded for it';
COMMENT ON COLUMN researcharr.backups.archive_error IS 'why that command failed last; NULL after it succeeded';
COMMENT ON COLUMN researcharr.backups.archive_tried_at IS 'when that command was last run for it';
COMMENT ON COLUMN researcharr.backups.archive_failures IS 'how often that command has failed for it';

CREATE TABLE researcharr.restore_fence (
	only_row boolean NOT NULL DEFAULT true,
	attempt  int NOT NULL,
	CONSTRAINT restore_fence_pkey PRIMARY KEY (only_row),
	CONSTRAINT restore_fence_only_row_check CHECK (only_row)
);
COMMENT ON TABLE researcharr.restore_fence IS 'one row after the first backup_restore() of jobs; no backup takes it along';
COMMENT ON COLUMN researcharr.restore_fence.only_row IS 'true';
COMMENT ON COLUMN researcharr.restore_fence.attempt IS 'the attempt that jobs got when they were last restored: no worker was given this one before';

-- The files belong to this server, and to this database.

SELECT pg_catalog.pg_extension_config_dump('researcharr.backups', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('researcharr.restore_fence', '');

CREATE FUNCTION researcharr.backup_create(name text DEFAULT NULL, OUT name text, OUT manifest_sha256 text)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_backup_create';
COMMENT ON FUNCTION researcharr.backup_create(text)
IS 'writes all data of the extension, as of one moment, to a new directory of the server; NULL names it by the time';

CREATE FUNCTION researcharr.backup_verify(name text, manifest_sha256 text DEFAULT NULL, OUT verified boolean, OUT problem text)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_backup_verify';
COMMENT ON FUNCTION researcharr.backup_verify(text, text)
IS 'reads all of a backup, and compares it with its manifest, and that with what backup_create returned; records the result';

CREATE FUNCTION researcharr.backup_restore(name text, tables text[] DEFAULT NULL, safety boolean DEFAULT true,
	OUT safety_backup text, OUT restored_tables int, OUT restored_rows bigint)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_backup_restore';
COMMENT ON FUNCTION researcharr.backup_restore(text, text[], boolean)
IS 'verifies a backup, backs up what is there, and replaces it in this transaction; the logs only if they are named';

CREATE FUNCTION researcharr.backup_list(OUT name text, OUT status text, OUT created_at timestamptz,
	OUT extension_version text, OUT "rows" bigint, OUT bytes bigint, OUT manifest_sha256 text, OUT verified_at timestamptz,
	OUT verify_error text, OUT archived_at timestamptz, OUT archive_error text)
RETURNS SETOF record LANGUAGE C ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_backup_list';
COMMENT ON FUNCTION researcharr.backup_list()
IS 'the backups of this database, rows of backups without files and files without rows included, oldest first';

CREATE FUNCTION researcharr.backup_cleanup(keep_last int DEFAULT 10)
RETURNS bigint LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_backup_cleanup';
COMMENT ON FUNCTION researcharr.backup_cleanup(int)
IS 'drops all backups but the last ones, of which those that are known to be damaged do not count; how many it dropped';

CREATE FUNCTION researcharr.backup_drop(name text)
RETURNS boolean LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_backup_drop';
COMMENT ON FUNCTION researcharr.backup_drop(text)
IS 'removes a backup when the transaction commits; false if there is none';
