/*
 * backup_tables.c
 *		Which tables a backup has, and in which order they are locked.
 *
 * A backup has what pg_dump has of the extension: the rows of the tables that
 * are registered with pg_extension_config_dump(), under the conditions given
 * there.  So a table of a later version is in backups, too.  Of a log the
 * DEFAULT partition is registered, which stands for the log with all of its
 * partitions.  Not in backups is what is about backups.
 *
 * Tables are locked in the order in which update scripts lock them: media, the
 * subtype tables, the others by name, and at last processing_jobs and the logs.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/schema.h"
#include "ops/backup_tables.h"
#include "ops/schedule_table.h"

/* columns of tables_sql */
enum
{
	COL_NAME = 1,
	COL_OID,
	COL_IS_PARTITIONED,
	COL_CONDITION
};

static const char *const tables_sql =
	"SELECT DISTINCT ON (rank, t.relname) t.relname::text, t.oid, t.relkind = 'p', r.condition,"
	" CASE t.relname WHEN 'media' THEN 1 WHEN 'movies' THEN 2 WHEN 'series' THEN 3 WHEN 'episodes' THEN 4"
	" WHEN 'processing_jobs' THEN 6 WHEN 'processing_history' THEN 7 WHEN 'audit_log' THEN 8 ELSE 5 END AS rank"
	" FROM pg_extension AS e"
	" CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS r (oid, condition)"
	" JOIN pg_class AS c ON c.oid = r.oid"
	" JOIN pg_class AS t ON t.oid = CASE WHEN c.relispartition THEN pg_partition_root(c.oid) ELSE c.oid END"
	" JOIN pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname = 'researcharr'"
	" WHERE e.extname = 'researcharr' AND t.relkind IN ('r', 'p') AND t.relpersistence = 'p'"
	" AND r.condition IS DISTINCT FROM 'WHERE false' AND t.relname NOT IN ('access_grants', 'backups', 'restore_fence')"
	" ORDER BY rank, t.relname";

/* what files of a backup depend on, and the caller or the owner may set */
static const struct
{
	const char *name;
	const char *value;
} settings[] = {
	{"array_nulls", "on"},
	{"bytea_output", "hex"},
	{"DateStyle", "ISO"},
	{"default_toast_compression", "pglz"},
	{"extra_float_digits", "3"},
	{"IntervalStyle", "postgres"},
	{"lc_monetary", "C"},
	{"row_security", "off"},
	{"TimeZone", "UTC"},
	{"xmloption", "content"},
};

/* Return the tables (RarrBackupTable), in the order in which they are locked. */
List *
rarr_backup_tables(void)
{
	RarrScheduleQuery query = {tables_sql};
	RarrScheduleAccess access;
	List *tables = NIL;
	uint64 n;

	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		RarrBackupTable *table = MemoryContextAllocZero(access.cxt, sizeof(RarrBackupTable));
		bool isnull;
		char *condition = rarr_schedule_text(&access, i, COL_CONDITION);
		MemoryContext old;

		table->name = rarr_schedule_text(&access, i, COL_NAME);
		table->relid = DatumGetObjectId(rarr_schedule_datum(&access, i, COL_OID, &isnull));
		table->is_partitioned = DatumGetBool(rarr_schedule_datum(&access, i, COL_IS_PARTITIONED, &isnull));
		table->condition = condition != NULL ? condition : "";
		table->is_log = table->is_partitioned || table->condition[0] != '\0';
		old = MemoryContextSwitchTo(access.cxt);
		tables = lappend(tables, table);
		MemoryContextSwitchTo(old);
	}
	rarr_schedule_end(&access);
	return tables;
}

/*
 * Lock a table, and its partitions if it has any, until the transaction's end.
 * Returns the relations that have its rows, open.  Waits no longer than
 * lock_timeout for each.  Raises 42P01 if the table is gone, and 42809 if a
 * partition is no ordinary table.
 */
List *
rarr_backup_lock_table(const RarrBackupTable *table, LOCKMODE mode)
{
	List *relations = NIL;
	Relation rel = rarr_relation_open(table->name, mode);
	ListCell *lc;

	if (rel->rd_rel->relkind == RELKIND_RELATION)
		return list_make1(rel);
	foreach (lc, find_all_inheritors(RelationGetRelid(rel), mode, NULL))
	{
		Relation part = table_open(lfirst_oid(lc), NoLock);

		if (part->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		{
			table_close(part, NoLock);
			continue;
		}
		if (part->rd_rel->relkind != RELKIND_RELATION)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("partition \"%s\" of \"%s\" is no ordinary table", RelationGetRelationName(part), table->name),
					 errhint("Detach it: only rows in tables of this database can be backed up and restored.")));
		relations = lappend(relations, part);
	}
	table_close(rel, NoLock);
	return relations;
}

/* Return the version of the extension in this database. */
char *
rarr_backup_extension_version(void)
{
	RarrScheduleQuery query = {"SELECT extversion FROM pg_extension WHERE extname = 'researcharr'"};
	RarrScheduleAccess access;
	char *version = NULL;

	rarr_schedule_begin(&access);
	if (rarr_schedule_execute(&query) == 1)
		version = rarr_schedule_text(&access, 0, 1);
	rarr_schedule_end(&access);
	if (version == NULL)
		elog(ERROR, "extension \"%s\" is not installed in this database", RARR_SCHEMA);
	return version;
}

/*
 * Take the lock of backups until the transaction's end: in a database, one
 * session at a time writes, reads, restores or removes them.  Waits no longer
 * than lock_timeout.
 */
void
rarr_backup_lock(void)
{
	Relation rel = rarr_relation_open("backups", ShareUpdateExclusiveLock);

	relation_close(rel, NoLock);
}

/* Make the settings on which a backup's files depend those that they need.  The caller undoes it. */
void
rarr_backup_settings(void)
{
	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}
