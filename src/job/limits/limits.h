/*
 * limits.h
 *		Enforce max_running and rates of job types in a dequeue.
 */
#ifndef RARR_JOB_LIMITS_LIMITS_H
#define RARR_JOB_LIMITS_LIMITS_H

#include "base/relation.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"
#include "job/limits/rate.h"
#include "job/limits/running_set.h"

/* The state of a type with limits during one call of a dequeue. */
typedef struct RarrLimitUse
{
	const RarrJobType *type;
	RarrLimitRef ref;
	bool counts;      /* it had a max_running when it was opened */
	bool closed;      /* it yields no job */
	bool only_lapsed; /* it yields lapsed jobs only, these: */
	RarrJobPos *lapsed;
	int nlapsed;
	int freed; /* jobs of the set that this transaction has ended */

	/* if the running set is incomplete */
	bool by_lock; /* the type's lock is held */
	int left;     /* number of jobs that may still start */

	RarrRate rate; /* if there is no bucket in shared memory */

	/* the reservation for the job that is about to be claimed */
	bool running; /* the job is running already */
	RarrRunningJob job;
	bool token; /* a token was taken */
	int entry;  /* index of the pending entry, or -1 */
} RarrLimitUse;

extern RarrLimitUse *rarr_limits_open(RarrTable *jobs, const RarrJobType *type, TimestampTz now);
extern void rarr_limits_close(RarrTable *jobs, RarrLimitUse *use);
extern bool rarr_limits_reserve(RarrLimitUse *use, TupleTableSlot *job);
extern bool rarr_limits_bind(RarrLimitUse *use, TupleTableSlot *job, TimestampTz lease_end);
extern void rarr_limits_confirm_reservation(RarrLimitUse *use);
extern void rarr_limits_cancel_reservation(RarrLimitUse *use);
extern void rarr_limits_check_late(Oid table, const RarrJobType *type, const RarrLimitUse *use);

extern TimestampTz rarr_limits_yield_at(Oid table, const RarrJobType *type, TimestampTz now);

#endif /* RARR_JOB_LIMITS_LIMITS_H */
