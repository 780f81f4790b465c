/*
 * schedule_process.h
 *		The process that runs an entry of the schedule.
 */
#ifndef RARR_OPS_SCHEDULE_PROCESS_H
#define RARR_OPS_SCHEDULE_PROCESS_H

#include "base/task.h"

extern const RarrProcess rarr_schedule_process;

#endif /* RARR_OPS_SCHEDULE_PROCESS_H */
