/*
 * wakeup.c
 *		Wake sleepers, and name designated wakers.
 *
 * All functions need rarr_waits->lock, and cannot fail.  wait_list.c decides
 * who is woken.
 */
#include "postgres.h"

#include "storage/latch.h"

#include "base/clock.h"
#include "job/wait/shmem.h"
#include "job/wait/wakeup.h"

static void
send_wakeups(RarrWakeups *wakeups)
{
	for (int i = 0; i < wakeups->n; i++)
		SetLatch(&wakeups->procs[i]->procLatch);
	wakeups->n = 0;
}

/*
 * Release the lock, and then set the latches.
 */
void
rarr_waits_unlock(RarrWakeups *wakeups)
{
	LWLockRelease(&rarr_waits->lock);
	send_wakeups(wakeups);
}

static void
add_wakeup(RarrWakeups *wakeups, const RarrWaiter *waiter)
{
	if (wakeups->n == RARR_WAKEUPS)
		send_wakeups(wakeups);	/* under the lock, but rare */
	wakeups->procs[wakeups->n++] = waiter->proc;
}

/*
 * Remove a sleeper from the list.
 */
void
rarr_sleeper_unlink(int i)
{
	RarrWaiter *waiter = rarr_waiter(i);

	rarr_waiter_unlink(&rarr_waits->asleep, waiter);
	for_each_type(type, waiter)
		pg_atomic_fetch_sub_u32(&rarr_waits->types[type].asleep, 1);
	pg_atomic_write_u32(&waiter->state, WAITER_AWAKE);
}

/*
 * Wake a sleeper for a type; RARR_NONE if for all its types.
 */
void
rarr_wake(int i, int type, RarrWakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(i);

	add_wakeup(wakeups, waiter);
	rarr_sleeper_unlink(i);
	if (type == RARR_NONE)
		return;
	waiter->woken_for = type;
	waiter->woken_at = rarr_monotonic_now();
	rarr_waiter_link(&rarr_waits->woken, i);
	pg_atomic_fetch_add_u32(&rarr_waits->types[type].woken, 1);
}

/*
 * Wake up to n of the sleepers that want a type.
 */
void
rarr_wake_for_type(int type, int64 n, RarrWakeups *wakeups)
{
	int			next;

	for (int i = rarr_waits->asleep.first; i != RARR_NONE && n > 0 &&
		 pg_atomic_read_u32(&rarr_waits->types[type].asleep) > 0; i = next)
	{
		next = rarr_waiter(i)->next;
		if (rarr_waiter_wants(rarr_waiter(i), type))
		{
			rarr_wake(i, type, wakeups);
			n--;
		}
	}
}

/*
 * The waiter has looked, or never will: it no longer counts as woken.
 */
void
rarr_wakeup_end(RarrWaiter *waiter)
{
	if (waiter->woken_for == RARR_NONE)
		return;
	pg_atomic_fetch_sub_u32(&rarr_waits->types[waiter->woken_for].woken, 1);
	rarr_waiter_unlink(&rarr_waits->woken, waiter);
	waiter->woken_for = RARR_NONE;
}

/*
 * Make a waiter the designated waker of a type; RARR_NONE for nobody.  It has
 * yet to compute when to wake.
 */
void
rarr_waker_set(int type, int i)
{
	rarr_waits->types[type].waker = i;
	rarr_waits->types[type].waker_late_at = rarr_monotonic_now() + RARR_WAKER_LATE;
	pg_atomic_write_u64(&rarr_waits->types[type].wake_at, (uint64) DT_NOEND);
}

/*
 * Have the designated waker of a type compute anew when to wake.  If it is
 * stopped, it does not, and is late soon.
 */
void
rarr_waker_notify(int type, RarrWakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	info->waker_late_at = Min(info->waker_late_at, rarr_monotonic_now() + RARR_WAKER_LATE);
	add_wakeup(wakeups, rarr_waiter(info->waker));
}

/*
 * Make the sleeper that has slept longest the designated waker of a type.
 */
void
rarr_waker_name(int type, RarrWakeups *wakeups)
{
	int			i = rarr_waits->asleep.last;

	while (i != RARR_NONE && !rarr_waiter_wants(rarr_waiter(i), type))
		i = rarr_waiter(i)->previous;
	rarr_waker_set(type, i);
	if (i != RARR_NONE)
		add_wakeup(wakeups, rarr_waiter(i));
}
