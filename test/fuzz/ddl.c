/*-------------------------------------------------------------------------
 *
 * ddl.c
 *		What owners and users define while others work.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

static const char *const tables[] = {
	"processing_jobs", "processing_jobs", "media", "movies", "series", "episodes", "queue_items", "configuration",
	"webui_users", "job_types", "processing_history", "audit_log"};
static const char *const columns[] = {"fuzz_a", "fuzz_b", "fuzz_c"};
static const char *const types[] = {
	"text", "int", "jsonb", "uuid", "int[]", "bigint", "numeric", "timestamptz", "interval", "bytea", "boolean", "xid8", "regclass",
	"fuzz.pair", "fuzz.small", "name", "json", "point"};

/* What users add to a table. */
static void
put_column_change(char *sql, size_t size)
{
	const char *table = pick(tables);
	const char *column = pick(columns);

	switch (chance(4))
	{
		case 0:
			snprintf(sql, size, "ALTER TABLE researcharr.%s ADD COLUMN IF NOT EXISTS %s %s", table, column, pick(types));
			break;
		case 1:
			snprintf(sql, size, "ALTER TABLE researcharr.%s ADD COLUMN IF NOT EXISTS %s float DEFAULT random()", table, column);
			break;
		case 2:
			snprintf(sql, size, "ALTER TABLE researcharr.%s DROP COLUMN IF EXISTS %s CASCADE", table, column);
			break;
		default:
			snprintf(sql, size, "ALTER TABLE researcharr.%s ALTER COLUMN %s TYPE %s USING NULL", table, column, pick(types));
	}
}

static void
put_index_change(char *sql, size_t size)
{
	static const char *const ours[] = {"processing_jobs_take_idx", "processing_jobs_pkey", "media_pkey", "configuration_key_key"};
	const char *table = pick(tables);

	switch (chance(7))
	{
		case 0:
			snprintf(sql, size, "CREATE INDEX IF NOT EXISTS fuzz_i_%s ON researcharr.%s (%s)", table, table, pick(columns));
			break;
		case 1:
			snprintf(sql, size, "CREATE UNIQUE INDEX IF NOT EXISTS fuzz_j_jobs ON researcharr.processing_jobs (id, status, fuzz_a)");
			break;
		case 2:
			snprintf(sql, size, "DROP INDEX IF EXISTS researcharr.fuzz_i_%s", table);
			break;
		case 3:
			snprintf(sql, size, "DROP INDEX IF EXISTS researcharr.fuzz_j_jobs");
			break;
		case 4:
			snprintf(sql, size, "REINDEX INDEX CONCURRENTLY researcharr.%s", pick(ours));
			break;
		case 5:
			snprintf(sql, size, "REINDEX TABLE %sresearcharr.%s", chance(2) ? "CONCURRENTLY " : "", table);
			break;
		default:
			snprintf(sql, size, "CREATE INDEX CONCURRENTLY IF NOT EXISTS fuzz_i_%s ON researcharr.%s (%s)", table, table, pick(columns));
	}
}

/* Triggers of users; their functions are in setup.sql. */
static void
put_trigger_change(char *sql, size_t size)
{
	static const char *const functions[] = {"pass", "raise", "call", "touch", "skip"};
	static const char *const events[] = {"INSERT", "UPDATE", "INSERT OR UPDATE", "INSERT OR UPDATE OR DELETE", "DELETE"};
	const char *table = pick(tables);
	const char *function = pick(functions);

	if (chance(2))
		snprintf(sql, size, "DROP TRIGGER IF EXISTS fuzz_%s ON researcharr.%s", function, table);
	else if (strcmp(function, "skip") == 0 || strcmp(function, "touch") == 0)
		snprintf(sql, size, "CREATE TRIGGER fuzz_%s BEFORE INSERT OR UPDATE ON researcharr.%s FOR EACH ROW EXECUTE FUNCTION fuzz.%s()",
				 function, table, function);
	else
		snprintf(sql, size, "CREATE TRIGGER fuzz_%s %s %s ON researcharr.%s FOR EACH %s EXECUTE FUNCTION fuzz.%s()", function,
				 chance(2) ? "BEFORE" : "AFTER", pick(events), table, chance(2) ? "ROW" : "STATEMENT", function);
}

/* Bounds of a partition are ids, which begin with the time in milliseconds. */
static void
put_partition_change(char *sql, size_t size)
{
	const char *log = chance(2) ? "audit_log" : "processing_history";
	uint64_t start = ((uint64_t) time(NULL) + 1 + chance(10)) * 1000;
	uint64_t end = start + 1000 + chance(5000);
	int number = chance(8);

	switch (chance(4))
	{
		case 0:
			snprintf(sql, size, "ALTER TABLE researcharr.audit_log DETACH PARTITION researcharr.fuzz_p_audit_log_%d", number);
			break;
		case 1:
			snprintf(sql, size, "DROP TABLE IF EXISTS researcharr.fuzz_p_audit_log_%d", number);
			break;
		default:
			snprintf(sql, size, "CREATE TABLE IF NOT EXISTS researcharr.fuzz_p_%s_%d PARTITION OF researcharr.%s FOR VALUES"
								" FROM ('%08x-%04x-0000-0000-000000000000') TO ('%08x-%04x-0000-0000-000000000000')",
					 log, number, log,
					 (unsigned) (start >> 16), (unsigned) (start & 0xffff), (unsigned) (end >> 16), (unsigned) (end & 0xffff));
	}
}

static void
put_other(char *sql, size_t size)
{
	static const char *const statements[] = {
		"VACUUM researcharr.processing_jobs", "VACUUM FULL researcharr.processing_jobs", "VACUUM FULL researcharr.media", "ANALYZE",
		"CLUSTER researcharr.processing_jobs USING processing_jobs_pkey",
		"GRANT ALL ON ALL FUNCTIONS IN SCHEMA researcharr TO fuzz_app",
		"REVOKE EXECUTE ON FUNCTION researcharr.job_dequeue FROM fuzz_app",
		"REVOKE SELECT ON researcharr.processing_jobs FROM fuzz_app",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA researcharr TO fuzz_app",
		"ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT fuzz_check CHECK (fuzz.holds(priority)) NOT VALID",
		"ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT IF EXISTS fuzz_check",
		"ALTER TABLE researcharr.processing_jobs ADD CONSTRAINT fuzz_unique UNIQUE (id, priority) DEFERRABLE INITIALLY DEFERRED",
		"ALTER TABLE researcharr.processing_jobs DROP CONSTRAINT IF EXISTS fuzz_unique",
		"ALTER TABLE researcharr.audit_log_default ADD CONSTRAINT fuzz_unique UNIQUE (id, action) DEFERRABLE",
		"ALTER TABLE researcharr.audit_log_default DROP CONSTRAINT IF EXISTS fuzz_unique",
		"ALTER TABLE researcharr.processing_jobs ADD COLUMN fuzz_g int GENERATED ALWAYS AS (priority + attempt) STORED",
		"ALTER TABLE researcharr.processing_jobs DROP COLUMN IF EXISTS fuzz_g",
		"ALTER TABLE researcharr.media ENABLE ROW LEVEL SECURITY", "ALTER TABLE researcharr.media DISABLE ROW LEVEL SECURITY",
		"CREATE POLICY fuzz ON researcharr.media USING (title > 'B')", "DROP POLICY IF EXISTS fuzz ON researcharr.media",
		"ALTER ROLE fuzz_app SET researcharr.user_id = 'app'", "ALTER ROLE fuzz_app RESET ALL",
		"ALTER EXTENSION researcharr UPDATE",
		"CREATE STATISTICS IF NOT EXISTS fuzz.st ON status, job_type FROM researcharr.processing_jobs", "DROP STATISTICS IF EXISTS fuzz.st",
		"ALTER TABLE researcharr.processing_jobs SET (fillfactor = 70)",
		"CREATE TRIGGER fuzz_audit AFTER INSERT ON fuzz.sink REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('fuzz')",
		"CREATE TRIGGER fuzz_history AFTER DELETE ON fuzz.sink FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_history()",
		"CREATE TRIGGER fuzz_guard BEFORE INSERT ON fuzz.sink FOR EACH ROW EXECUTE FUNCTION researcharr.processing_jobs_guard()",
		"DROP TRIGGER IF EXISTS fuzz_audit ON fuzz.sink", "DROP TRIGGER IF EXISTS fuzz_history ON fuzz.sink",
		"DROP TRIGGER IF EXISTS fuzz_guard ON fuzz.sink",
		"DELETE FROM researcharr.job_types WHERE name IN ('heavy', 'short')",
		"SELECT researcharr.job_type_register('heavy', weight => 50, lease => '300 ms')",
		"SELECT researcharr.job_type_register('short', lease => '50 ms', max_retries => 1)",
		"DISCARD ALL", "CHECKPOINT"};

	snprintf(sql, size, "%s", pick(statements));
}

/*
 * Defines something that one may define in production.
 */
void
define_something(void)
{
	char sql[1000];

	switch (chance(8))
	{
		case 0:
		case 1:
		case 2:
			put_column_change(sql, sizeof(sql));
			break;
		case 3:
			put_index_change(sql, sizeof(sql));
			break;
		case 4:
			put_trigger_change(sql, sizeof(sql));
			break;
		case 5:
			put_partition_change(sql, sizeof(sql));
			break;
		default:
			put_other(sql, sizeof(sql));
	}
	execute(KIND_DDL, sql);
}

/*
 * Breaks what the C code relies on, as the tables' owner can: a constraint, a
 * column, an index, a function.  For transactions that are bound to be undone.
 */
void
abuse_something(void)
{
	static const char *const abuses[] = {
		"SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) AS s, conname AS n FROM pg_constraint"
		" WHERE connamespace = 'researcharr'::regnamespace",
		"SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', attrelid::regclass, attname), attname || attrelid FROM our_columns WHERE attnotnull",
		"SELECT format('ALTER TABLE %s DROP COLUMN %I CASCADE', attrelid::regclass, attname), attname || attrelid FROM our_columns",
		"SELECT format('ALTER TABLE %s RENAME COLUMN %I TO other', attrelid::regclass, attname), attname || attrelid FROM our_columns",
		"SELECT format('ALTER TABLE %s ALTER COLUMN %I TYPE text', attrelid::regclass, attname), attname || attrelid FROM our_columns",
		"SELECT format('UPDATE %s SET %I = NULL', attrelid::regclass, attname), attname || attrelid FROM our_columns WHERE NOT attnotnull",
		"SELECT format('DROP INDEX %s CASCADE', c.oid::regclass), relname FROM our_relations c WHERE relkind IN ('i', 'I')",
		"SELECT format('ALTER INDEX %s RENAME TO other_index', c.oid::regclass), relname FROM our_relations c WHERE relkind IN ('i', 'I')",
		"SELECT format('ALTER TABLE %s RENAME TO other_table', c.oid::regclass), relname FROM our_relations c WHERE relkind IN ('r', 'p', 'v')",
		"SELECT format('ALTER EXTENSION researcharr DROP TABLE %1$s; DROP TABLE %1$s CASCADE', c.oid::regclass), relname FROM our_relations c WHERE relkind IN ('r', 'p')",
		"SELECT format('ALTER TABLE %s DISABLE TRIGGER ALL', c.oid::regclass), relname FROM our_relations c WHERE relkind IN ('r', 'p')",
		"SELECT format('ALTER TABLE %s SET UNLOGGED', c.oid::regclass), relname FROM our_relations c WHERE relkind = 'r'",
		"SELECT format('ALTER EXTENSION researcharr DROP FUNCTION %1$s; DROP FUNCTION %1$s CASCADE', p.oid::regprocedure), proname FROM pg_proc p WHERE pronamespace = 'researcharr'::regnamespace AND prokind = 'f'",
		"SELECT format('ALTER FUNCTION %s RENAME TO other_function', p.oid::regprocedure), proname FROM pg_proc p"
		" WHERE pronamespace = 'researcharr'::regnamespace AND prokind = 'f'"};
	static const char *const others[] = {
		"DROP EXTENSION researcharr CASCADE",
		"DROP EXTENSION pg_trgm CASCADE",
		"SET LOCAL session_replication_role = replica",
		"ALTER TABLE researcharr.processing_history RENAME TO h; "
		"CREATE TABLE researcharr.processing_history (LIKE researcharr.h) PARTITION BY HASH (id); "
		"CREATE TABLE researcharr.h0 PARTITION OF researcharr.processing_history FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
		"ALTER TABLE researcharr.audit_log RENAME TO a; "
		"CREATE TABLE researcharr.audit_log (LIKE researcharr.a) PARTITION BY RANGE (action, id); "
		"CREATE TABLE researcharr.a0 PARTITION OF researcharr.audit_log DEFAULT",
		"DROP INDEX researcharr.processing_jobs_take_idx; "
		"CREATE TABLE researcharr.o (a text, b int, c timestamptz, d uuid); "
		"INSERT INTO researcharr.o SELECT 'search', 1, now(), gen_random_uuid() FROM generate_series(1, 9); "
		"CREATE INDEX processing_jobs_take_idx ON researcharr.o (a, b DESC, c, d)",
		"ALTER TABLE researcharr.processing_jobs ADD PRIMARY KEY (media_id)",
		"DROP SCHEMA researcharr CASCADE",
		"ALTER SCHEMA researcharr RENAME TO other",
		"TRUNCATE researcharr.media CASCADE",
		"DELETE FROM researcharr.audit_log",
		"DELETE FROM researcharr.processing_history",
		"UPDATE researcharr.job_types SET rate_interval = NULL, weight = 0, backoff = 'other'"};
	char sql[4000];

	if (chance(3) == 0)
	{
		execute(KIND_DDL, pick(others));
		return;
	}
	snprintf(sql, sizeof(sql),
			 "DO $fuzz$ DECLARE q text; BEGIN"
			 " WITH our_relations AS (SELECT * FROM pg_class WHERE relnamespace = 'researcharr'::regnamespace),"
			 " our_columns AS (SELECT a.* FROM pg_attribute a JOIN our_relations c ON c.oid = a.attrelid"
			 "  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p'))"
			 " SELECT s INTO q FROM (%s) AS x (s, n) ORDER BY md5(n || '%u') LIMIT 1;"
			 " EXECUTE q; END $fuzz$",
			 pick(abuses), chance(UINT32_MAX));
	execute(KIND_DDL, sql);
}

/*
 * Drops and makes the extension, or updates it: in the second database.
 */
void
reinstall(void)
{
	switch (chance(4))
	{
		case 0:
			execute(KIND_DDL, "DROP EXTENSION IF EXISTS researcharr CASCADE");
			break;
		case 1:
			execute(KIND_DDL, "DO $fuzz$ BEGIN EXECUTE format('CREATE EXTENSION IF NOT EXISTS researcharr VERSION %L CASCADE',"
							  " (SELECT version FROM pg_available_extension_versions WHERE name = 'researcharr' ORDER BY random() LIMIT 1)); END $fuzz$");
			break;
		case 2:
			execute(KIND_DDL, "ALTER EXTENSION researcharr UPDATE");
			break;
		default:
			execute(KIND_DDL, "CREATE EXTENSION IF NOT EXISTS researcharr CASCADE");
	}
}
