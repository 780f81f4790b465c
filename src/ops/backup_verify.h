/*
 * backup_verify.h
 *		Read a backup and compare it with its manifest.
 */
#ifndef RARR_OPS_BACKUP_VERIFY_H
#define RARR_OPS_BACKUP_VERIFY_H

#include "ops/backup_manifest.h"

extern char *rarr_backup_read_back(const char *name, const char *folder, const char *const *expected,
								   RarrManifest **manifest);

#endif /* RARR_OPS_BACKUP_VERIFY_H */
