/*
 * backup_manifest.h
 *		The manifest of a backup: what it consists of.
 */
#ifndef RARR_OPS_BACKUP_MANIFEST_H
#define RARR_OPS_BACKUP_MANIFEST_H

#include "nodes/pg_list.h"

#include "ops/backup_file.h"

#define RARR_MANIFEST_FILE "manifest.json"

/* A file with rows of a table. */
typedef struct RarrBackupFile
{
	char *file;     /* its name in the backup's directory */
	char *table;    /* the extension's table, without the schema */
	char *relation; /* that, or the partition */
	bool is_log;    /* is the table replaced only if it is named? */
	List *columns;  /* names, in the order in which the file has them */
	int64 rows;
	int64 bytes;
	char sha256[RARR_SHA256_TEXT];
} RarrBackupFile;

typedef struct RarrManifest
{
	char *name;       /* the backup's */
	char *version;    /* of the extension */
	char *encoding;   /* of the files */
	char *created_at; /* as text, in UTC */
	char *lsn;
	List *files; /* of RarrBackupFile */
	int64 rows;  /* of all files */
	int64 bytes;
	char sha256[RARR_SHA256_TEXT]; /* of the manifest */
} RarrManifest;

extern void rarr_manifest_write(RarrManifest *manifest, const char *directory);
extern char *rarr_manifest_read(const char *directory, RarrManifest **manifest);

#endif /* RARR_OPS_BACKUP_MANIFEST_H */
