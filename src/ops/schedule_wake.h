/*
 * schedule_wake.h
 *		Wake the task of the schedule.
 */
#ifndef RARR_OPS_SCHEDULE_WAKE_H
#define RARR_OPS_SCHEDULE_WAKE_H

#include "base/task.h"

extern void rarr_schedule_wake_init(const RarrTask *task);
extern void rarr_schedule_wake(void);
extern void rarr_schedule_wake_at_commit(void);

#endif /* RARR_OPS_SCHEDULE_WAKE_H */
