/*
 * wakeup.h
 *		The list of sleepers in shared memory, wake-ups and designated wakers;
 *		for this folder and job.c alone.
 */
#ifndef RARR_JOB_WAIT_WAKEUP_H
#define RARR_JOB_WAIT_WAKEUP_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "base/shmem.h"

/* number of no waiter, or of no type */
#define RARR_NONE (-1)

typedef enum RarrWaiterState
{
	WAITER_ASLEEP, /* in the list of sleepers */
	WAITER_AWAKE   /* looking, or about to look */
} RarrWaiterState;

/* A session that is in the list, or was woken. */
typedef struct RarrWaiter
{
	pg_atomic_uint32 state;
	PGPROC *proc;
	Oid database;
	int woken_for;                       /* type that it was woken for, or RARR_NONE */
	int64 woken_at;                      /* when, by rarr_monotonic_now() */
	int previous;                        /* in the list of sleepers, or of woken ones */
	int next;                            /* in the same list, or in the free list */
	uint64 types[FLEXIBLE_ARRAY_MEMBER]; /* the types that it wants: a
										  * bit for each agenda slot */
} RarrWaiter;

/* What the list knows of a type, by the number of its agenda slot. */
typedef struct RarrWaitType
{
	pg_atomic_uint32 asleep;  /* number of sleepers that want it */
	pg_atomic_uint32 woken;   /* number of woken ones that have not looked */
	int waker;                /* the designated waker, or RARR_NONE */
	pg_atomic_uint64 wake_at; /* when it will wake, by the system clock;
							   * DT_NOEND while it has yet to compute it */

	/* by rarr_monotonic_now() */
	int64 waker_late_at; /* the designated waker is late then */
	int64 looked;        /* time of the latest look of any sleeper */
	int64 retry;         /* when to look again for a job that was due
						  * then and could not be claimed */
} RarrWaitType;

/* A list of waiters.  The first is the one that was added last. */
typedef struct RarrWaiterList
{
	int first;
	int last;
} RarrWaiterList;

typedef struct RarrWaitList
{
	LWLock lock;
	int tranche;
	int nwords; /* number of words of a set of types */
	RarrWaiterList asleep;
	RarrWaiterList woken;                      /* woken for a type, and have not looked */
	int free;                                  /* first free waiter */
	RarrWaitType types[FLEXIBLE_ARRAY_MEMBER]; /* followed by the waiters */
} RarrWaitList;

/* the most latches that are set after the lock is released */
#define RARR_WAKEUPS 32

/* a designated waker is late then */
#define RARR_WAKER_LATE (5 * USECS_PER_SEC)

/* Backends whose latches are set after the lock is released. */
typedef struct RarrWakeups
{
	int n;
	PGPROC *procs[RARR_WAKEUPS];
} RarrWakeups;

extern const RarrShmemPart rarr_waits_part;
extern RarrWaitList *rarr_waits; /* NULL: the library is not preloaded */

extern RarrWaiter *rarr_waiter(int i);

/* These need the lock. */
extern bool rarr_waiter_wants(const RarrWaiter *waiter, int type);
extern int rarr_waiter_next_type(const RarrWaiter *waiter, int type);
extern void rarr_waiter_link(RarrWaiterList *list, int i);
extern void rarr_waits_unlock(RarrWakeups *wakeups);
extern void rarr_sleeper_unlink(int i);
extern void rarr_wake(int i, int type, RarrWakeups *wakeups);
extern void rarr_wake_for_type(int type, int64 n, RarrWakeups *wakeups);
extern void rarr_wakeup_end(RarrWaiter *waiter);
extern void rarr_waker_set(int type, int i);
extern void rarr_waker_notify(int type, RarrWakeups *wakeups);
extern void rarr_waker_name(int type, RarrWakeups *wakeups);

#define for_each_type(type, waiter) \
	for (int type = rarr_waiter_next_type(waiter, 0); type != RARR_NONE; \
		 type = rarr_waiter_next_type(waiter, type + 1))

#endif /* RARR_JOB_WAIT_WAKEUP_H */
