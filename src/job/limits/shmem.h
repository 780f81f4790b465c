/*
 * shmem.h
 *		What is in shared memory of types with limits; for slot.c and
 *		running_set.c alone.
 */
#ifndef RARR_JOB_LIMITS_SHMEM_H
#define RARR_JOB_LIMITS_SHMEM_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "base/slot_registry.h"
#include "job/limits/rate.h"

#define RARR_NO_ENTRY		(-1)
#define RARR_LIMIT_BUCKETS	4096	/* a power of two */

/* A job that counts as running. */
typedef struct RarrLimitEntry
{
	int			next;			/* in its bucket, or in the free list */
	int			limit;			/* slot of its type; -1 while it is free */
	uint64		serial;			/* of the reservation */
	bool		pending;		/* its claim has not ended */
	bool		bound;			/* it names a job, and is in a bucket */
	bool		over;			/* the attempt has ended, though pending */
	int32		attempt;
	pg_uuid_t	id;
} RarrLimitEntry;

/* A type with limits.  Times by rarr_monotonic_now(), but for those of leases. */
typedef struct RarrLimit
{
	RarrSlot	head;
	uint64		counted_for;	/* version of the policy, 0: none */
	uint64		forgotten;		/* how often that was set to 0 */
	int			held;
	int			pending;
	int64		settle_at;
	int64		used_at;
	TimestampTz lapse;			/* no lease in the set ends before */
	TimestampTz noted;			/* the same of those noted since last_sweep */
	int64		next_sweep;		/* not before */
	int64		last_sweep;		/* when it began */
	bool		doubtful;		/* a job may have left that is still held */
	RarrBucket	bucket;			/* refilled by committed rates only */
	RarrBucket	uncommitted;	/* refilled by the rate of this policy, which */
	uint64		uncommitted_version;	/* was not committed; 0: none */
	int64		full_at;		/* the buckets are full again by then */
} RarrLimit;

typedef struct RarrLimits
{
	int			max_entries;
	int			free;			/* first free entry */
	uint64		serials;
	TransactionId first_xid;	/* policies made since the server's start have one from it on */
	int64		since;			/* when that was noted, by rarr_monotonic_now() */
	int64		denied_at;		/* when a type last got no slot; 0: never */
	bool		full;			/* a job once found no free entry, */
	bool		warned;			/* and that was said */
	int			buckets[RARR_LIMIT_BUCKETS];
} RarrLimits;

extern RarrLimits *rarr_limits; /* NULL: the library is not preloaded */
extern RarrSlotRegistry rarr_limit_slots;	/* its lock protects all of this */
extern RarrLimitEntry *rarr_limit_entries;

static inline RarrLimit *
rarr_limit_at(int slot)
{
	return (RarrLimit *) rarr_limit_slots.slots + slot;
}

#endif							/* RARR_JOB_LIMITS_SHMEM_H */
