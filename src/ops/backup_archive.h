/*
 * backup_archive.h
 *		Run researcharr.backup_archive_command for finished backups.
 */
#ifndef RARR_OPS_BACKUP_ARCHIVE_H
#define RARR_OPS_BACKUP_ARCHIVE_H

extern void rarr_backup_archive_init(void);
extern void rarr_backup_archive_wake(void);

#endif /* RARR_OPS_BACKUP_ARCHIVE_H */
