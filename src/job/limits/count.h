/*
 * count.h
 *		Which jobs of a type are running, as the table has it.
 */
#ifndef RARR_JOB_LIMITS_COUNT_H
#define RARR_JOB_LIMITS_COUNT_H

#include "utils/rel.h"

#include "job/core/queue_pos.h"
#include "job/limits/running_set.h"

/* Running jobs of a type, in the current memory context. */
typedef struct RarrRunning
{
	RarrHeldJob *jobs;
	int			n;
	RarrJobPos *lapsed;			/* those whose lease ended, in the order of claims */
	int			nlapsed;
	TimestampTz lapse;			/* the first end of a lease */
} RarrRunning;

extern void rarr_running_read(Relation jobs, Relation dequeue_index, const char *type, TimestampTz now,
							  RarrRunning *running);
extern int	rarr_running_look(Relation jobs, Relation id_index, const char *type, RarrHeldJob *held, int n,
							  TimestampTz now, RarrRunning *running);

#endif							/* RARR_JOB_LIMITS_COUNT_H */
