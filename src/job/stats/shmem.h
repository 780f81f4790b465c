/*
 * shmem.h
 *		Counters of jobs in shared memory; for slot.c and counters.c
 *		alone.
 */
#ifndef RARR_JOB_STATS_SHMEM_H
#define RARR_JOB_STATS_SHMEM_H

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "job/core/job_type.h"
#include "job/stats/counts.h"

#define NSTRIPES		16

/* a cache line of a type's counters */
typedef struct Stripe
{
	pg_atomic_uint64 jobs[8];
} Stripe;

typedef struct CountedType
{
	pg_atomic_uint64 incarnation;	/* 0: free */
	Oid			table;			/* processing_jobs */
	Oid			database;
	int64		base[RARR_STATUSES];
	TimestampTz oldest[RARR_STATUSES];
	RarrCounts	found;			/* by the count that is under way, */
	int64		start[RARR_STATUSES];	/* and what the counters had when it began */
	Stripe		stripes[NSTRIPES];
	char		name[RARR_TYPE_NAME_MAX + 1];
} CountedType;

typedef struct CountedTable
{
	Oid			table;			/* InvalidOid: free */
	Oid			database;
	bool		incomplete;		/* a type of it has no room, */
	bool		missing;		/* as the count under way sees it */
	bool		counted;
	int			counting;		/* pid of the backend that counts, or 0 */
	TimestampTz counted_at;		/* when the last count began, */
	int64		began;			/* the same by rarr_monotonic_now(), */
	int64		cost;			/* and how many microseconds it took */
} CountedTable;

typedef struct Counters
{
	LWLock		lock;			/* over all but the stripes */
	int			tranche;
	uint64		incarnations;
	pg_atomic_uint64 reclaims;	/* how often room was made */
	int			max;			/* types, and tables, each of which has one at least */
	int			ntables;		/* that were ever used */
	int			ntypes;
	CountedType types[FLEXIBLE_ARRAY_MEMBER];
} Counters;

extern Counters *rarr_counters; /* NULL: the library is not preloaded */
extern CountedTable *rarr_counted_tables;

#endif							/* RARR_JOB_STATS_SHMEM_H */
