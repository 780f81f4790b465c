/*
 * slot.h
 *		Slots of counters in shared memory: the number of jobs of each type and
 *		status.
 */
#ifndef RARR_JOB_STATS_SLOT_H
#define RARR_JOB_STATS_SLOT_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "utils/timestamp.h"

#include "base/shmem.h"
#include "base/slot_registry.h"
#include "job/core/job_row.h"
#include "job/stats/figures.h"

#define RARR_STATUSES (JOB_CANCELLED + 1)

/* The numbers of one type. */
typedef struct RarrCounts
{
	const char *type;
	int64 jobs[RARR_STATUSES];
	TimestampTz oldest[RARR_STATUSES]; /* earliest created_at; DT_NOEND if not
										* known */
} RarrCounts;

/* sets of counters of a type */
#define NSTRIPES 16

/* One set of counters, by status: a cache line. */
typedef struct Stripe
{
	pg_atomic_uint64 jobs[8];
} Stripe;

/* The counters of a type.  A number of jobs is base plus all stripes. */
typedef struct CountedType
{
	RarrSlot head;
	int64 base[RARR_STATUSES];
	TimestampTz oldest[RARR_STATUSES]; /* as the last count found */
	RarrCounts found;                  /* what the current count has found */
	int64 start[RARR_STATUSES];        /* the counters when it began */
	RarrJobFigures figures;            /* what happened since the slot was given */
	Stripe stripes[NSTRIPES];
} CountedType;

/* The counts of a table. */
typedef struct CountedTable
{
	RarrSlot head;          /* its name is empty */
	bool incomplete;        /* a type has no room */
	bool missing;           /* the same during the current count */
	bool counted;           /* the base is valid */
	int counting;           /* pid of the backend that counts, or 0 */
	TimestampTz counted_at; /* start of the last count, */
	int64 began;            /* the same by rarr_monotonic_now(), */
	int64 cost;             /* and its duration in microseconds */
} CountedTable;

/* A backend's key of a type. */
typedef struct RarrCountedKey
{
	RarrSlotKey head;
	CountedType *counters; /* NULL if there was no room */
	uint64 generation;     /* of the slot, when it was found */
	uint64 looked_at;      /* number of changes of the registry then */
} RarrCountedKey;

/* The types' lock protects all but the stripes. */
extern RarrSlotRegistry rarr_counted_types;
extern RarrSlotRegistry rarr_counted_tables;

/* Broadcast when a count of any table ends, in whatever way.  NULL: not preloaded. */
extern ConditionVariable *rarr_counters_done;

extern const RarrShmemPart rarr_counters_part;
extern void rarr_counters_invalidate(void);
extern void rarr_counters_forget_database(Oid database);

/* These need the lock. */
extern CountedTable *rarr_counted_table(Oid table);
extern CountedType *rarr_counted_type(Oid table, const char *name);

/* This one acquires it. */
extern void rarr_counted_forget_gone(void);

#endif /* RARR_JOB_STATS_SLOT_H */
