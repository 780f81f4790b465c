/*
 * backup_directory.h
 *		Names and directories of backups.
 */
#ifndef RARR_OPS_BACKUP_DIRECTORY_H
#define RARR_OPS_BACKUP_DIRECTORY_H

#include "nodes/pg_list.h"

/* the longest name of a backup, in bytes */
#define RARR_BACKUP_NAME_MAX 100

/* what the names of unfinished and of dropped backups' directories begin with */
#define RARR_BACKUP_UNFINISHED ".new-"
#define RARR_BACKUP_DROPPED    ".old-"

extern bool rarr_backup_name_is_valid(const char *name);
extern void rarr_backup_check_name(const char *name);
extern char *rarr_backup_folder(bool create);
extern bool rarr_backup_directory_exists(const char *path, char **problem);
extern List *rarr_backup_directories(const char *folder, bool finished);
extern void rarr_backup_make_directory(const char *path);
extern void rarr_backup_remove_directory(const char *path);
extern void rarr_backup_sweep(const char *folder);

#endif /* RARR_OPS_BACKUP_DIRECTORY_H */
