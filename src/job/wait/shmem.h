/*
 * shmem.h
 *		The sleepers in shared memory; for shmem.c and wait_list.c alone.
 */
#ifndef RARR_JOB_WAIT_SHMEM_H
#define RARR_JOB_WAIT_SHMEM_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

/* no waiter, or no type */
#define RARR_NONE		(-1)

typedef enum RarrWaiterState
{
	WAITER_ASLEEP,				/* in the list */
	WAITER_AWAKE				/* on its way to look */
} RarrWaiterState;

typedef struct RarrWaiter
{
	pg_atomic_uint32 state;
	PGPROC	   *proc;
	Oid			database;
	int			woken_for;			/* the type that it was woken for, or RARR_NONE */
	int64		woken_at;		/* for that type, by rarr_monotonic_now() */
	int			previous;		/* in the list of sleepers, or in that of tokens */
	int			next;			/* there, or in that of free ones */
	uint64		types[FLEXIBLE_ARRAY_MEMBER];	/* a bit for each agenda slot */
} RarrWaiter;

/*
 * What is known of a slot of the agenda.  See the head of wait_list.c for what
 * the times stand for.
 */
typedef struct RarrWaitType
{
	pg_atomic_uint32 asleep;	/* sleepers that may have its jobs */
	pg_atomic_uint32 woken;		/* those on the way to them */
	int			waker;			/* a waiter, or RARR_NONE */
	pg_atomic_uint64 wake_at;		/* when that one will wake, by the system's
								 * clock; DT_NOEND while it has yet to find
								 * out */

	/* by rarr_monotonic_now() */
	int64		waker_late_at;	/* from then on the timer is taken to be stopped */
	int64		looked;			/* what was due until then was seen to, 0: nothing; */
	int64		retry;			/* who could not have it then said when to
								 * look again */
} RarrWaitType;

/* Waiters that are linked; the first is the last that was added. */
typedef struct RarrWaiterList
{
	int			first;
	int			last;
} RarrWaiterList;

typedef struct RarrWaitList
{
	LWLock		lock;
	int			tranche;
	int			nwords;			/* of a set of types */
	RarrWaiterList asleep;
	RarrWaiterList woken;		/* those that have a woken_for */
	int			free;
	RarrWaitType types[FLEXIBLE_ARRAY_MEMBER];	/* then the waiters */
} RarrWaitList;

extern RarrWaitList *rarr_waits;	/* NULL: the library is not preloaded */

extern void rarr_waits_init(void);
extern RarrWaiter *rarr_waiter(int i);

/* These need the lock. */
extern bool rarr_waiter_wants(const RarrWaiter *waiter, int type);
extern int	rarr_waiter_next_type(const RarrWaiter *waiter, int type);
extern void rarr_waiter_link(RarrWaiterList *list, int i);
extern void rarr_waiter_unlink(RarrWaiterList *list, const RarrWaiter *waiter);

#define for_each_type(type, waiter) \
	for (int type = rarr_waiter_next_type(waiter, 0); type != RARR_NONE; \
		 type = rarr_waiter_next_type(waiter, type + 1))

#endif							/* RARR_JOB_WAIT_SHMEM_H */
