/*
 * wakeup.c
 *		Wake sleepers: their list in shared memory, and designated wakers.
 *
 * A RarrWaitList with a RarrWaitType for each slot of the agenda is followed
 * by the waiters, one for each session that can sleep.
 *
 * All functions but rarr_waiter() need rarr_waits->lock, and cannot fail.
 * wait_list.c decides who is woken.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/latch.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "base/guc.h"
#include "job/wait/wakeup.h"

#define SET_WORDS ((rarr_agenda_types + 63) / 64)

RarrWaitList *rarr_waits = NULL;
static char *waiters = NULL;

static int
max_waiters(void)
{
	return rarr_max_waiters < 0 ? MaxBackends : rarr_max_waiters;
}

static Size
waiter_size(void)
{
	return MAXALIGN(offsetof(RarrWaiter, types) + SET_WORDS * sizeof(uint64));
}

static Size
list_size(void)
{
	return MAXALIGN(add_size(offsetof(RarrWaitList, types), mul_size(rarr_agenda_types, sizeof(RarrWaitType))));
}

static Size
whole_size(void)
{
	return add_size(list_size(), mul_size(max_waiters(), waiter_size()));
}

/* Return the waiter with this number. */
RarrWaiter *
rarr_waiter(int i)
{
	return (RarrWaiter *) (waiters + i * waiter_size());
}

/* Does the waiter want this type? */
bool
rarr_waiter_wants(const RarrWaiter *waiter, int type)
{
	return (waiter->types[type / 64] & (UINT64CONST(1) << (type % 64))) != 0;
}

/* Return the first wanted type, from the given one on, or RARR_NONE. */
int
rarr_waiter_next_type(const RarrWaiter *waiter, int type)
{
	while (type < rarr_waits->nwords * 64)
	{
		uint64 rest = waiter->types[type / 64] >> (type % 64);

		if (rest != 0)
			return type + pg_rightmost_one_pos64(rest);
		type = (type / 64 + 1) * 64;
	}
	return RARR_NONE;
}

/* Add a waiter to a list, at its beginning. */
void
rarr_waiter_link(RarrWaiterList *list, int i)
{
	RarrWaiter *waiter = rarr_waiter(i);

	waiter->previous = RARR_NONE;
	waiter->next = list->first;
	*(list->first == RARR_NONE ? &list->last : &rarr_waiter(list->first)->previous) = i;
	list->first = i;
}

/* Remove a waiter from a list. */
static void
unlink_waiter(RarrWaiterList *list, const RarrWaiter *waiter)
{
	*(waiter->previous == RARR_NONE ? &list->first : &rarr_waiter(waiter->previous)->next) = waiter->next;
	*(waiter->next == RARR_NONE ? &list->last : &rarr_waiter(waiter->next)->previous) = waiter->previous;
}

static void
attach_list(void *memory, bool first)
{
	rarr_waits = memory;
	waiters = (char *) memory + list_size();
	if (first)
	{
		memset(memory, 0, whole_size());
		rarr_waits->tranche = LWLockNewTrancheId();
		LWLockInitialize(&rarr_waits->lock, rarr_waits->tranche);
		rarr_waits->nwords = SET_WORDS;
		rarr_waits->asleep.first = rarr_waits->asleep.last = RARR_NONE;
		rarr_waits->woken.first = rarr_waits->woken.last = RARR_NONE;
		rarr_waits->free = max_waiters() > 0 ? 0 : RARR_NONE;
		for (int i = 0; i < max_waiters(); i++)
		{
			pg_atomic_init_u32(&rarr_waiter(i)->state, WAITER_AWAKE);
			rarr_waiter(i)->next = i + 1 < max_waiters() ? i + 1 : RARR_NONE;
		}
		for (int i = 0; i < rarr_agenda_types; i++)
		{
			pg_atomic_init_u32(&rarr_waits->types[i].asleep, 0);
			pg_atomic_init_u32(&rarr_waits->types[i].woken, 0);
			pg_atomic_init_u64(&rarr_waits->types[i].wake_at, (uint64) DT_NOEND);
			rarr_waits->types[i].waker = RARR_NONE;
		}
	}
	LWLockRegisterTranche(rarr_waits->tranche, "researcharr_waiters");
}

const RarrShmemPart rarr_waits_part = {"researcharr waiters", whole_size, attach_list};

static void
send_wakeups(RarrWakeups *wakeups)
{
	for (int i = 0; i < wakeups->n; i++)
		SetLatch(&wakeups->procs[i]->procLatch);
	wakeups->n = 0;
}

/* Release the lock, and then set the latches. */
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
		send_wakeups(wakeups); /* under the lock, but rare */
	wakeups->procs[wakeups->n++] = waiter->proc;
}

/* Remove a sleeper from the list. */
void
rarr_sleeper_unlink(int i)
{
	RarrWaiter *waiter = rarr_waiter(i);

	unlink_waiter(&rarr_waits->asleep, waiter);
	for_each_type(type, waiter)
		pg_atomic_fetch_sub_u32(&rarr_waits->types[type].asleep, 1);
	pg_atomic_write_u32(&waiter->state, WAITER_AWAKE);
}

/* Wake a sleeper for a type; RARR_NONE if for all its types. */
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

/* Wake up to n of the sleepers that want a type. */
void
rarr_wake_for_type(int type, int64 n, RarrWakeups *wakeups)
{
	int next;

	for (int i = rarr_waits->asleep.first; i != RARR_NONE && n > 0 &&
										   pg_atomic_read_u32(&rarr_waits->types[type].asleep) > 0;
		 i = next)
	{
		next = rarr_waiter(i)->next;
		if (rarr_waiter_wants(rarr_waiter(i), type))
		{
			rarr_wake(i, type, wakeups);
			n--;
		}
	}
}

/* The waiter has looked, or never will: it no longer counts as woken. */
void
rarr_wakeup_end(RarrWaiter *waiter)
{
	if (waiter->woken_for == RARR_NONE)
		return;
	pg_atomic_fetch_sub_u32(&rarr_waits->types[waiter->woken_for].woken, 1);
	unlink_waiter(&rarr_waits->woken, waiter);
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

/* Make the sleeper that has slept longest the designated waker of a type. */
void
rarr_waker_name(int type, RarrWakeups *wakeups)
{
	int i = rarr_waits->asleep.last;

	while (i != RARR_NONE && !rarr_waiter_wants(rarr_waiter(i), type))
		i = rarr_waiter(i)->previous;
	rarr_waker_set(type, i);
	if (i != RARR_NONE)
		add_wakeup(wakeups, rarr_waiter(i));
}
