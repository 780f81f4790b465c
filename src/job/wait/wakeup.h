/*
 * wakeup.h
 *		Wake sleepers, and name designated wakers.
 */
#ifndef RARR_JOB_WAIT_WAKEUP_H
#define RARR_JOB_WAIT_WAKEUP_H

#include "storage/proc.h"

#include "job/wait/shmem.h"

/* the most latches that are set after the lock is released */
#define RARR_WAKEUPS	32

/* a designated waker is late then */
#define RARR_WAKER_LATE	(5 * USECS_PER_SEC)

/* Backends whose latches are set after the lock is released. */
typedef struct RarrWakeups
{
	int			n;
	PGPROC	   *procs[RARR_WAKEUPS];
} RarrWakeups;

extern void rarr_waits_unlock(RarrWakeups *wakeups);
extern void rarr_sleeper_unlink(int i);
extern void rarr_wake(int i, int type, RarrWakeups *wakeups);
extern void rarr_wake_for_type(int type, int64 n, RarrWakeups *wakeups);
extern void rarr_wakeup_end(RarrWaiter *waiter);
extern void rarr_waker_set(int type, int i);
extern void rarr_waker_notify(int type, RarrWakeups *wakeups);
extern void rarr_waker_name(int type, RarrWakeups *wakeups);

#endif							/* RARR_JOB_WAIT_WAKEUP_H */
