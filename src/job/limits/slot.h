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
	bool		settling;		/* they are to be read once more */
	uint64		forgotten;		/* how often that was forgotten */
	int			held;			/* how many, with those about to be */
	int			pending;		/* of claims that have not ended */
	bool		doubtful;		/* some of them may have left */

	/* by the system's clock */
	TimestampTz sweep_at;		/* when to look after them, at the limit or in doubt */
	TimestampTz lapse;			/* no lease of theirs ends before */
	TimestampTz token_at;		/* when a job may start by the rate */
} RarrLimitState;

extern void rarr_held_init(void);
extern bool rarr_held_any(void);
extern void rarr_held_policy_changed(TransactionId xid);
extern RarrLimitRef rarr_held_find(Oid table, const RarrJobType *type, bool create);
extern bool rarr_held_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
							RarrLimitState *state);
extern void rarr_held_note_lease(const RarrLimitRef *ref, TimestampTz lease);
extern void rarr_held_doubt(const RarrLimitRef *ref);
extern bool rarr_held_doubt_next(int *i, Oid *table, char *name);
extern void rarr_held_forget(const RarrLimitRef *ref);
extern void rarr_held_warn_full(void);

/* for running_set.c alone; under the lock */
extern struct RarrLimit *rarr_limit_of(const RarrLimitRef *ref);
extern void rarr_limit_forget(struct RarrLimit *limit);
extern bool rarr_limit_take_token(struct RarrLimit *limit, const RarrJobType *type);
extern void rarr_limit_return_token(struct RarrLimit *limit);

#endif							/* RARR_JOB_LIMITS_SLOT_H */
