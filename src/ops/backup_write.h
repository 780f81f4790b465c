/*
 * backup_write.h
 *		Write a backup.
 */
#ifndef RARR_OPS_BACKUP_WRITE_H
#define RARR_OPS_BACKUP_WRITE_H

#include "ops/backup_manifest.h"

extern RarrManifest *rarr_backup_write(const char *name, const char *folder);

#endif /* RARR_OPS_BACKUP_WRITE_H */
