/*
 * change.h
 *		Changes of jobs, and who is notified of them.
 */
#ifndef RARR_JOB_CHANGE_H
#define RARR_JOB_CHANGE_H

#include "commands/trigger.h"

#include "base/relation.h"

extern bool rarr_job_make_change(RarrTable *jobs, int change);
extern bool rarr_job_make_change_unlocked(RarrTable *jobs, int change, bool wait);
extern void rarr_change_record_insert(RarrTable *jobs, TupleTableSlot *slot);
extern void rarr_change_record_dml(const TriggerData *trigger);
extern void rarr_change_record_replacement(void);
extern void rarr_change_prepared_ended(void);
extern void rarr_change_forget_database(Oid database);

#endif /* RARR_JOB_CHANGE_H */
