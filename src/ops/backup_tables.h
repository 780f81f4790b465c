/*
 * backup_tables.h
 *		Which tables a backup has.
 */
#ifndef RARR_OPS_BACKUP_TABLES_H
#define RARR_OPS_BACKUP_TABLES_H

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

/* A table, or a log with its partitions. */
typedef struct RarrBackupTable
{
	char *name; /* without the schema, which is the extension's */
	Oid relid;
	bool is_partitioned; /* its rows are in its partitions */
	bool is_log;         /* a restore replaces it only if it is named */
	char *condition;     /* "WHERE ..." or "": which rows a backup has */
} RarrBackupTable;

extern List *rarr_backup_tables(void);
extern List *rarr_backup_lock_table(const RarrBackupTable *table, LOCKMODE mode);
extern char *rarr_backup_extension_version(void);
extern void rarr_backup_lock(void);
extern void rarr_backup_settings(void);

#endif /* RARR_OPS_BACKUP_TABLES_H */
