/*
 * limits_held.h
 *		Which jobs of types with limits are running, in shared memory.
 */
#ifndef RARR_JOB_LIMITS_HELD_H
#define RARR_JOB_LIMITS_HELD_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "job/agenda.h"
#include "job/job_type.h"

/* A backend's handle on a type with limits; stale once the slot was given away. */
typedef struct RarrLimitRef
{
	int			slot;			/* -1: it has none */
	uint64		incarnation;
	RarrAgendaKey *key;
} RarrLimitRef;

/* A job that counts as running. */
typedef struct RarrHeldJob
{
	pg_uuid_t	id;
	int32		attempt;
	int			entry;
	uint64		serial;
} RarrHeldJob;

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

typedef enum RarrReservation
{
	RARR_RESERVED,
	RARR_AT_LIMIT,
	RARR_NOT_COUNTED
} RarrReservation;

extern void rarr_held_init(void);
extern bool rarr_held_any(void);
extern void rarr_own_bucket_prepare(const RarrLimitRef *ref, const RarrJobType *type);
extern void rarr_held_policy_changed(TransactionId xid);
extern RarrLimitRef rarr_held_find(Oid table, const RarrJobType *type, bool create);
extern bool rarr_held_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
							RarrLimitState *state);
extern bool rarr_held_adopt(const RarrLimitRef *ref, const RarrJobType *type, const RarrHeldJob *jobs,
							int n, uint64 forgotten, int64 settle_at);

extern RarrReservation rarr_held_reserve(const RarrLimitRef *ref, const RarrJobType *type, bool running,
										 RarrHeldJob *job, bool *token);
extern void rarr_held_bind(const RarrHeldJob *job);
extern void rarr_held_return(const RarrLimitRef *ref, const RarrHeldJob *job, bool token);
extern void rarr_held_keep(const RarrHeldJob *job);
extern void rarr_held_drop(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);
extern void rarr_held_move(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);
extern void rarr_held_note_lease(const RarrLimitRef *ref, TimestampTz lease);

extern bool rarr_held_begin_sweep(const RarrLimitRef *ref, int64 start, RarrHeldJob *jobs, int *n);
extern void rarr_held_end_sweep(const RarrLimitRef *ref, const RarrHeldJob *gone, int n,
								TimestampTz lapse, int64 start, int64 next);
extern void rarr_held_doubt(const RarrLimitRef *ref);
extern bool rarr_held_doubt_next(int *i, Oid *table, char *name);
extern void rarr_held_forget(const RarrLimitRef *ref);
extern void rarr_held_reclaim(void);
extern void rarr_held_forget_database(Oid database);
extern void rarr_held_warn_full(void);

#endif							/* RARR_JOB_LIMITS_HELD_H */
