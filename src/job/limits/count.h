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
typedef struct RarrRunningJobs
{
	RarrRunningJob *jobs;
	int			n;
	RarrJobPos *lapsed;			/* those whose lease ended, in the order of claims */
	int			nlapsed;
	TimestampTz lapse;			/* the first end of a lease */
} RarrRunningJobs;

extern void rarr_running_read(Relation jobs, Relation dequeue_index, const char *type, TimestampTz now,
							  RarrRunningJobs *running);
extern int	rarr_running_check(Relation jobs, Relation id_index, const char *type, RarrRunningJob *set, int n,
							  TimestampTz now, RarrRunningJobs *running);

#endif							/* RARR_JOB_LIMITS_COUNT_H */
