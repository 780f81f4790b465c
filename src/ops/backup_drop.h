/*
 * backup_drop.h
 *		Remove backups when the transaction commits.
 */
#ifndef RARR_OPS_BACKUP_DROP_H
#define RARR_OPS_BACKUP_DROP_H

extern void rarr_backup_drop_at_commit(const char *folder, const char *name);
extern bool rarr_backup_is_dropped(const char *folder, const char *name);

#endif /* RARR_OPS_BACKUP_DROP_H */
