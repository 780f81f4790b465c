/*
 * shmem.h
 *		Counters of jobs in shared memory; for slot.c and counters.c
 *		alone.
 */
#ifndef RARR_JOB_STATS_SHMEM_H
#define RARR_JOB_STATS_SHMEM_H

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "base/slot_registry.h"
#include "job/stats/counts.h"

#define NSTRIPES		16

/* a cache line of a type's counters */
typedef struct Stripe
{
	pg_atomic_uint64 jobs[8];
} Stripe;

typedef struct CountedType
{
	RarrSlot	head;
	int64		base[RARR_STATUSES];
	TimestampTz oldest[RARR_STATUSES];
	RarrCounts	found;			/* by the count that is under way, */
	int64		start[RARR_STATUSES];	/* and what the counters had when it began */
	Stripe		stripes[NSTRIPES];
} CountedType;

typedef struct CountedTable
{
	RarrSlot	head;			/* its name is empty */
	bool		incomplete;		/* a type of it has no room, */
	bool		missing;		/* as the count under way sees it */
	bool		counted;
	int			counting;		/* pid of the backend that counts, or 0 */
	TimestampTz counted_at;		/* when the last count began, */
	int64		began;			/* the same by rarr_monotonic_now(), */
	int64		cost;			/* and how many microseconds it took */
} CountedTable;

/* A type, as this backend knows it. */
typedef struct RarrCountedKey
{
	RarrSlotKey head;
	CountedType *counters;		/* NULL: there was no room */
	uint64		generation;
	uint64		looked_at;		/* after so many changes of the registry */
} RarrCountedKey;

/* The types' lock protects all but the stripes. */
extern RarrSlotRegistry rarr_counted_types;
extern RarrSlotRegistry rarr_counted_tables;

static inline CountedType *
rarr_counted_type_at(int i)
{
	return (CountedType *) rarr_counted_types.slots + i;
}

static inline CountedTable *
rarr_counted_table_at(int i)
{
	return (CountedTable *) rarr_counted_tables.slots + i;
}

#endif							/* RARR_JOB_STATS_SHMEM_H */
