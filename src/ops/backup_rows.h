/*
 * backup_rows.h
 *		Rows of the table backups.
 */
#ifndef RARR_OPS_BACKUP_ROWS_H
#define RARR_OPS_BACKUP_ROWS_H

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "ops/backup_manifest.h"

/* columns of a row, in the order of backup_list(), without its status */
enum
{
	RARR_BACKUP_CREATED_AT,
	RARR_BACKUP_VERSION,
	RARR_BACKUP_ROWS,
	RARR_BACKUP_BYTES,
	RARR_BACKUP_MANIFEST,
	RARR_BACKUP_VERIFIED_AT,
	RARR_BACKUP_VERIFY_ERROR,
	RARR_BACKUP_ARCHIVED_AT,
	RARR_BACKUP_ARCHIVE_ERROR,
	RARR_BACKUP_COLUMNS
};

typedef struct RarrBackupRow
{
	char *name;
	bool is_damaged; /* something was wrong when it was read last */
	Datum values[RARR_BACKUP_COLUMNS];
	bool nulls[RARR_BACKUP_COLUMNS];
} RarrBackupRow;

extern List *rarr_backup_rows(void);
extern char *rarr_backup_row_manifest(const char *name);
extern void rarr_backup_row_add(const RarrManifest *manifest);
extern void rarr_backup_row_verified(const char *name, const char *problem);
extern bool rarr_backup_row_delete(const char *name);

#endif /* RARR_OPS_BACKUP_ROWS_H */
