/*
 * slot.h
 *		Slots of types with limits in shared memory, and their token buckets.
 */
#ifndef RARR_JOB_LIMITS_SLOT_H
#define RARR_JOB_LIMITS_SLOT_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "base/shmem.h"
#include "base/slot_registry.h"
#include "job/agenda/agenda.h"
#include "job/limits/rate.h"

/* A backend's handle on the slot of a type with limits. */
typedef struct RarrLimitRef
{
	int slot;          /* its number; -1 if there is none */
	uint64 generation; /* stale if the slot has another one */
	RarrAgendaKey *key;
} RarrLimitRef;

/* The state of a type's limits at a moment. */
typedef struct RarrLimitState
{
	bool counted;         /* the set is complete and there is room */
	bool recount;         /* the table must be read again */
	uint64 invalidations; /* of the set */
	int running;          /* number of jobs in the set */
	int open;             /* number of those with an open claim */
	bool recheck;         /* some may no longer be running */

	/* by the system clock */
	TimestampTz sweep_at; /* when the set may be swept */
	TimestampTz token_at; /* when the rate allows a job to start */
} RarrLimitState;

extern const RarrShmemPart rarr_limits_part;
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

/* The rest is for slot.c and running_set.c alone. */

/* the end of a chain of entries */
#define RARR_NO_ENTRY (-1)

/* chains of entries by job id; a power of two */
#define RARR_LIMIT_BUCKETS 4096

/* An entry of a running set. */
typedef struct RarrLimitEntry
{
	int next;      /* in its bucket, or in the free list */
	int limit;     /* number of its type's slot; -1 if free */
	uint64 serial; /* differs for each use of the entry */
	bool open;     /* its claim is open */
	bool bound;    /* it names a job, and is in a bucket */
	bool ended;    /* the attempt has ended, although open */
	bool counted;  /* populate found a job that it names, while open */
	bool unswept;  /* a recheck passed over it, because it was open */
	int32 attempt;
	pg_uuid_t id;
} RarrLimitEntry;

/*
 * The slot of a type with limits.  Times are by rarr_monotonic_now(), except
 * those of leases.
 */
typedef struct RarrLimit
{
	RarrSlot head;

	/* the running set */
	uint64 counted_for;      /* policy version for which it is complete; 0
							  * for none */
	uint64 invalidations;    /* how often that was set to 0 */
	int running;             /* number of entries */
	int open;                /* number of entries with an open claim */
	int64 recount_at;        /* when the table must be read again */
	int64 used_at;           /* time of the last dequeue */
	TimestampTz lapse;       /* no lease in the set ends before */
	TimestampTz added_lapse; /* the same of those added since last_sweep */
	int64 next_sweep;        /* no sweep may begin before */
	int64 last_sweep;        /* start of the last sweep */
	bool recheck;            /* a job of the set may no longer be running */

	/* the token bucket */
	RarrBucket bucket;          /* refilled by committed rates only */
	RarrBucket uncommitted;     /* refilled by an uncommitted rate */
	uint64 uncommitted_version; /* policy version of that rate; 0: none */
	int64 full_at;              /* the buckets are full again by then */
} RarrLimit;

/* What the slots have in common. */
typedef struct RarrLimits
{
	int max_entries;
	int free;                        /* first free entry */
	uint64 serials;                  /* the last serial that was used */
	TransactionId first_xid;         /* first xid that changed a policy since the
									  * server's start, */
	int64 since;                     /* and when, by rarr_monotonic_now() */
	int64 denied_at;                 /* when a type last got no slot; 0: never */
	bool full;                       /* a job found no free entry, */
	bool warned;                     /* and a warning was issued */
	int buckets[RARR_LIMIT_BUCKETS]; /* first entry of each chain */
} RarrLimits;

extern RarrLimits *rarr_limits;           /* NULL: the library is not preloaded */
extern RarrSlotRegistry rarr_limit_slots; /* its lock protects all of this */
extern RarrLimitEntry *rarr_limit_entries;

static inline RarrLimit *
rarr_limit_at(int slot)
{
	return (RarrLimit *) rarr_limit_slots.slots + slot;
}

extern RarrLimit *rarr_limit_lock(const RarrLimitRef *ref);

/* These need the lock. */
extern RarrLimit *rarr_limit_of(const RarrLimitRef *ref);
extern void rarr_limit_mark_incomplete(RarrLimit *limit);
extern bool rarr_limit_take_token(RarrLimit *limit, const RarrJobType *type);
extern void rarr_limit_return_token(RarrLimit *limit);

#endif /* RARR_JOB_LIMITS_SLOT_H */
