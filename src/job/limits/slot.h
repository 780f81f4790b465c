/*
 * slot.h
 *		The types with limits, in shared memory: which slot is whose, what is
 *		known of it, and the buckets of rates.
 */
#ifndef RARR_JOB_LIMITS_SLOT_H
#define RARR_JOB_LIMITS_SLOT_H

#include "access/transam.h"
#include "datatype/timestamp.h"

#include "job/agenda/agenda.h"
#include "job/core/job_type.h"

struct RarrLimit;

/* A backend's handle on a type with limits; stale once the slot was given away. */
typedef struct RarrLimitRef
{
	int			slot;			/* -1: it has none */
	uint64		generation;
	RarrAgendaKey *key;
} RarrLimitRef;

/* What a type's limits say at a moment. */
typedef struct RarrLimitState
{
	bool		counted;		/* all running jobs are known, and there is room */
	bool		recount;		/* they are to be read once more */
	uint64		invalidations;		/* how often that was invalidations */
	int			running;			/* how many, with those about to be */
	int			pending;		/* of claims that have not ended */
	bool		recheck;		/* some of them may have left */

	/* by the system's clock */
	TimestampTz sweep_at;		/* when to look after them, at the limit or in doubt */
	TimestampTz lapse;			/* no lease of theirs ends before */
	TimestampTz token_at;		/* when a job may start by the rate */
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

/* for running_set.c alone; under the lock */
extern struct RarrLimit *rarr_limit_of(const RarrLimitRef *ref);
extern void rarr_limit_mark_incomplete(struct RarrLimit *limit);
extern bool rarr_limit_take_token(struct RarrLimit *limit, const RarrJobType *type);

#endif							/* RARR_JOB_LIMITS_SLOT_H */
