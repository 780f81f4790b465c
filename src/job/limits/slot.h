/*
 * slot.h
 *		Slots of types with limits in shared memory, and their token buckets.
 */
#ifndef RARR_JOB_LIMITS_SLOT_H
#define RARR_JOB_LIMITS_SLOT_H

#include "datatype/timestamp.h"

#include "job/agenda/agenda.h"
#include "job/core/job_type.h"

struct RarrLimit;

/* A backend's handle on the slot of a type with limits. */
typedef struct RarrLimitRef
{
	int			slot;			/* its number; -1 if there is none */
	uint64		generation;		/* stale if the slot has another one */
	RarrAgendaKey *key;
} RarrLimitRef;

/* The state of a type's limits at a moment. */
typedef struct RarrLimitState
{
	bool		counted;		/* the set is complete and there is room */
	bool		recount;		/* the table must be read again */
	uint64		invalidations;	/* of the set */
	int			running;		/* number of jobs in the set */
	int			open;			/* number of those with an open claim */
	bool		recheck;		/* some may no longer be running */

	/* by the system clock */
	TimestampTz sweep_at;		/* when the set may be swept */
	TimestampTz lapse;			/* no lease in the set ends before */
	TimestampTz token_at;		/* when the rate allows a job to start */
} RarrLimitState;

extern void rarr_limit_slots_init(void);
extern bool rarr_limits_any(void);
extern void rarr_limits_policy_changed(TransactionId xid);
extern RarrLimitRef rarr_limit_find(Oid table, const RarrJobType *type, bool create);
extern bool rarr_limit_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
							RarrLimitState *state);
extern void rarr_limit_add_lease(const RarrLimitRef *ref, TimestampTz lease);
extern void rarr_limit_recheck(const RarrLimitRef *ref);
extern bool rarr_limit_recheck_next(int *i, Oid *table, char *name);
extern void rarr_limit_invalidate(const RarrLimitRef *ref);
extern void rarr_limits_warn_full(void);

/* for running_set.c alone; these need the lock */
extern struct RarrLimit *rarr_limit_of(const RarrLimitRef *ref);
extern void rarr_limit_mark_incomplete(struct RarrLimit *limit);
extern bool rarr_limit_take_token(struct RarrLimit *limit, const RarrJobType *type);
extern void rarr_limit_return_token(struct RarrLimit *limit);

#endif							/* RARR_JOB_LIMITS_SLOT_H */
