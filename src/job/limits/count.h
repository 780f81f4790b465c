/*
 * count.h
 *		Find the running jobs of a type in the table.
 */
#ifndef RARR_JOB_LIMITS_COUNT_H
#define RARR_JOB_LIMITS_COUNT_H

#include "utils/rel.h"

#include "job/core/queue_pos.h"
#include "job/limits/running_set.h"

/* Running jobs of a type. */
typedef struct RarrRunningJobs
{
	RarrRunningJob *jobs;
	int n;
	int freed;          /* number of those that this transaction has ended */
	RarrJobPos *lapsed; /* those whose lease has ended, in the order in
						 * which they are claimed */
	int nlapsed;
	int room;          /* of that array */
	TimestampTz lapse; /* earliest end of a lease */
} RarrRunningJobs;

extern void rarr_running_read(Relation jobs, Relation dequeue_index, const char *type, TimestampTz now,
							  RarrRunningJobs *running);
extern int rarr_running_check(Relation jobs, Relation id_index, const char *type, RarrRunningJob *set, int n,
							  TimestampTz now, RarrRunningJobs *running);

#endif /* RARR_JOB_LIMITS_COUNT_H */
