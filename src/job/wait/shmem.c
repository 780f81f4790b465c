/*
 * shmem.c
 *		Layout of the list of sleepers in shared memory.
 *
 * A RarrWaitList with a RarrWaitType for each slot of the agenda is followed
 * by the waiters, one for each session that can sleep.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "job/wait/shmem.h"

#define SET_WORDS	((rarr_agenda_types + 63) / 64)

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

/*
 * Return the waiter with this number.
 */
RarrWaiter *
rarr_waiter(int i)
{
	return (RarrWaiter *) (waiters + i * waiter_size());
}

/*
 * Does the waiter want this type?
 */
bool
rarr_waiter_wants(const RarrWaiter *waiter, int type)
{
	return (waiter->types[type / 64] & (UINT64CONST(1) << (type % 64))) != 0;
}

/*
 * Return the first type that the waiter wants, from the given one on, or
 * RARR_NONE.
 */
int
rarr_waiter_next_type(const RarrWaiter *waiter, int type)
{
	while (type < rarr_waits->nwords * 64)
	{
		uint64		rest = waiter->types[type / 64] >> (type % 64);

		if (rest != 0)
			return type + pg_rightmost_one_pos64(rest);
		type = (type / 64 + 1) * 64;
	}
	return RARR_NONE;
}

/*
 * Add a waiter to a list, at its beginning.
 */
void
rarr_waiter_link(RarrWaiterList *list, int i)
{
	RarrWaiter *waiter = rarr_waiter(i);

	waiter->previous = RARR_NONE;
	waiter->next = list->first;
	*(list->first == RARR_NONE ? &list->last : &rarr_waiter(list->first)->previous) = i;
	list->first = i;
}

/*
 * Remove a waiter from a list.
 */
void
rarr_waiter_unlink(RarrWaiterList *list, const RarrWaiter *waiter)
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

static const RarrShmemPart list_part = {"researcharr waiters", whole_size, attach_list};

/*
 * Request the list's shared memory.  Called while the library is preloaded.
 */
void
rarr_waits_init(void)
{
	rarr_shmem_add(&list_part);
}
