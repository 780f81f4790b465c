/*
 * backup_schedule.h
 *		Commands of the schedule for backups.
 */
#ifndef RARR_OPS_BACKUP_SCHEDULE_H
#define RARR_OPS_BACKUP_SCHEDULE_H

extern void rarr_backup_init(void);

#endif /* RARR_OPS_BACKUP_SCHEDULE_H */
