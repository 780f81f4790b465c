/*
 * limits.h
 *		How many jobs of a type may run, and how often one may start.
 */
#ifndef RARR_JOB_LIMITS_LIMITS_H
#define RARR_JOB_LIMITS_LIMITS_H

#include "base/relation.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"
#include "job/limits/rate.h"
#include "job/limits/running_set.h"

/* What one call of a dequeue knows of a type with limits. */
typedef struct RarrLimitUse
{
	const RarrJobType *type;
	RarrLimitRef ref;
	bool		counts;			/* it had a max_running when it was opened */
	bool		closed;			/* it yields nothing */
	bool		only_lapsed;	/* it yields these alone */
	RarrJobPos *lapsed;
	int			nlapsed;

	/* where shared memory does not have all that are running */
	bool		by_lock;		/* the type's lock is held, */
	int			left;			/* and so many more may start */

	RarrRate	rate;			/* where shared memory has no bucket */

	/* the job that is about to be claimed */
	bool		running;		/* it is running already */
	RarrRunningJob job;
	bool		token;
	int			entry;			/* of this reservation, or -1 */
} RarrLimitUse;

extern RarrLimitUse *rarr_limits_open(RarrTable *jobs, const RarrJobType *type, TimestampTz now);
extern void rarr_limits_close(RarrTable *jobs, RarrLimitUse *use);
extern bool rarr_limits_reserve(RarrLimitUse *use, TupleTableSlot *job);
extern bool rarr_limits_bind(RarrLimitUse *use, TupleTableSlot *job, TimestampTz lease_end);
extern void rarr_limits_confirm_reservation(RarrLimitUse *use);
extern void rarr_limits_cancel_reservation(RarrLimitUse *use);
extern void rarr_limits_check_late(Oid table, const RarrJobType *type, const RarrLimitUse *use);

/*
 * The earliest time at which the limits let a job of the type start, or a
 * lapsed one be handed on: DT_NOBEGIN for now, DT_NOEND for not before another
 * session does something.  Whoever waits for a job waits for the later of this
 * and what the agenda says, and is woken by rarr_agenda_notify().
 */
extern TimestampTz rarr_limits_yield_at(Oid table, const RarrJobType *type, TimestampTz now);

#endif							/* RARR_JOB_LIMITS_LIMITS_H */
