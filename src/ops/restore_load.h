/*
 * restore_load.h
 *		Replace the rows of a table by those in files of a backup.
 */
#ifndef RARR_OPS_RESTORE_LOAD_H
#define RARR_OPS_RESTORE_LOAD_H

#include "ops/backup_manifest.h"
#include "ops/backup_tables.h"

/* A table that is replaced. */
typedef struct RarrRestoreTable
{
	const RarrBackupTable *table;
	List *relations; /* that have its rows, open and locked */
	List *files;     /* of RarrBackupFile */
} RarrRestoreTable;

extern int64 rarr_restore_table(const RarrRestoreTable *target, const char *directory, const char *encoding, int fence);

#endif /* RARR_OPS_RESTORE_LOAD_H */
