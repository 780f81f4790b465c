/*
 * backup.h
 *		Backups of the extension's data.
 */
#ifndef RARR_OPS_BACKUP_H
#define RARR_OPS_BACKUP_H

#include "ops/backup_manifest.h"

extern void rarr_backup_check_transaction(const char *function, bool may_have_changed);
extern RarrManifest *rarr_backup_make(const char *name, const char *prefix, const char *function);
extern char *rarr_backup_check(const char *name, const char *manifest_sha256);
extern int64 rarr_backup_clean_up(int keep_last);

#endif /* RARR_OPS_BACKUP_H */
