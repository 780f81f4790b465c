/*
 * schedule_enqueue.h
 *		The command "enqueue" of the schedule.
 */
#ifndef RARR_OPS_SCHEDULE_ENQUEUE_H
#define RARR_OPS_SCHEDULE_ENQUEUE_H

#include "ops/schedule_command.h"

extern const RarrScheduleCommand rarr_schedule_enqueue;

#endif /* RARR_OPS_SCHEDULE_ENQUEUE_H */
