/*-------------------------------------------------------------------------
 *
 * wait_list.c
 *		Who sleeps until there is a job, in shared memory.
 *
 * A sleeper enters the list with the set of agenda slots, one for each job
 * type, whose jobs it would take; only then it has its last look at the
 * agenda.  Whoever lowers a place of the agenda does so first, and then looks
 * whether anybody sleeps.  So at least one of the two sees the other.
 *
 * What holds, for each type for which anybody sleeps: if a job of it is due
 * and can be had, then somebody is on the way to it.
 *
 * - A commit that makes n jobs available wakes n sleepers, or as many as there
 *	 are.  Each is on its way, "woken" for that type, until it has looked.
 * - When it has taken all that it may, and more is due for it, and nobody else
 *	 is on the way, it wakes the next.  When it got less than it asked for,
 *	 nothing was left.  When it dies before it has looked, it wakes the next.
 * - What falls due by itself is one sleeper's to see to, the type's timer: it
 *	 sleeps no longer than until the agenda has something to look at.  It is the
 *	 one that has slept longest, and is woken last.  If something becomes due
 *	 earlier than it would wake, it is told; when it leaves, it names another.
 *
 * With nobody asleep for a type all this costs whoever makes a job of it
 * available the reading of one counter.
 *
 * Lock: list->lock, over everything that is not atomic.  Taken in transactions'
 * callbacks, so that nothing under it can fail; no other lock is taken under
 * it, and it is taken under none of the agenda's.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "job/agenda_walk.h"
#include "job/wait_list.h"

#define NONE		(-1)

/* how many latches wait to be set until the lock is released */
#define BATCH		32

#define SET_WORDS	((rarr_agenda_types + 63) / 64)

typedef enum WaiterState
{
	WAITER_ASLEEP,				/* in the list */
	WAITER_AWAKE				/* on its way to look */
} WaiterState;

typedef struct Waiter
{
	pg_atomic_uint32 state;
	PGPROC	   *proc;
	Oid			database;
	int			token;			/* the type that it was woken for, or NONE */
	int			previous;		/* in the list */
	int			next;			/* there, or in that of free ones */
	uint64		types[FLEXIBLE_ARRAY_MEMBER];	/* a bit for each agenda slot */
} Waiter;

typedef struct WaitType
{
	pg_atomic_uint32 asleep;	/* sleepers that may have its jobs */
	pg_atomic_uint32 woken;		/* those on the way to them */
	int			timer;			/* a waiter, or NONE */
	pg_atomic_uint64 until;		/* when that one will wake, DT_NOEND while it
								 * has yet to find out */
	TimestampTz looked;			/* what was due until then was seen to; */
	TimestampTz retry;			/* who could not have it then said when to
								 * look again */
} WaitType;

typedef struct WaitList
{
	LWLock		lock;
	int			tranche;
	int			nwords;			/* of a set of types */
	int			first;			/* of the sleepers: the last to enter */
	int			last;
	int			free;
	WaitType	types[FLEXIBLE_ARRAY_MEMBER];	/* then the waiters */
} WaitList;

/* Backends to wake, once the lock is released. */
typedef struct Wakeups
{
	int			n;
	PGPROC	   *procs[BATCH];
} Wakeups;

static WaitList *list = NULL;
static char *waiters = NULL;
static int	mine = NONE;		/* this backend's waiter */

static int
max_waiters(void)
{
	return rarr_max_waiters < 0 ? MaxBackends : rarr_max_waiters;
}

static Size
waiter_size(void)
{
	return MAXALIGN(offsetof(Waiter, types) + SET_WORDS * sizeof(uint64));
}

static Size
list_size(void)
{
	return MAXALIGN(add_size(offsetof(WaitList, types), mul_size(rarr_agenda_types, sizeof(WaitType))));
}

static Size
whole_size(void)
{
	return add_size(list_size(), mul_size(max_waiters(), waiter_size()));
}

#define get_waiter(i)	((Waiter *) (waiters + (i) * waiter_size()))

static void
attach_list(void *memory, bool first)
{
	list = memory;
	waiters = (char *) memory + list_size();
	if (first)
	{
		memset(memory, 0, whole_size());
		list->tranche = LWLockNewTrancheId();
		LWLockInitialize(&list->lock, list->tranche);
		list->nwords = SET_WORDS;
		list->first = list->last = NONE;
		list->free = max_waiters() > 0 ? 0 : NONE;
		for (int i = 0; i < max_waiters(); i++)
		{
			pg_atomic_init_u32(&get_waiter(i)->state, WAITER_AWAKE);
			get_waiter(i)->next = i + 1 < max_waiters() ? i + 1 : NONE;
		}
		for (int i = 0; i < rarr_agenda_types; i++)
		{
			pg_atomic_init_u32(&list->types[i].asleep, 0);
			pg_atomic_init_u32(&list->types[i].woken, 0);
			pg_atomic_init_u64(&list->types[i].until, (uint64) DT_NOEND);
			list->types[i].timer = NONE;
			list->types[i].looked = list->types[i].retry = DT_NOBEGIN;
		}
	}
	LWLockRegisterTranche(list->tranche, "researcharr_waiters");
}

static const RarrShmemPart list_part = {"researcharr waiters", whole_size, attach_list};

/*
 * Declare the list's shared memory; while the library is preloaded.
 */
void
rarr_wait_list_init(void)
{
	rarr_shmem_add(&list_part);
}

/* The rest down to the next headline needs the lock. */

static bool
wants(const Waiter *waiter, int type)
{
	return (waiter->types[type / 64] & (UINT64CONST(1) << (type % 64))) != 0;
}

/* The waiter's next type from `type` on, or NONE: for loops over its types. */
static int
next_type(const Waiter *waiter, int type)
{
	while (type < list->nwords * 64)
	{
		uint64		rest = waiter->types[type / 64] >> (type % 64);

		if (rest != 0)
			return type + pg_rightmost_one_pos64(rest);
		type = (type / 64 + 1) * 64;
	}
	return NONE;
}

#define for_each_type(type, waiter) \
	for (int type = next_type(waiter, 0); type != NONE; type = next_type(waiter, type + 1))

static void
send_wakeups(Wakeups *wakeups)
{
	for (int i = 0; i < wakeups->n; i++)
		SetLatch(&wakeups->procs[i]->procLatch);
	wakeups->n = 0;
}

static void
unlock(Wakeups *wakeups)
{
	LWLockRelease(&list->lock);
	send_wakeups(wakeups);
}

static void
note_wakeup(Wakeups *wakeups, const Waiter *waiter)
{
	if (wakeups->n == BATCH)
		send_wakeups(wakeups);	/* rare enough to do it under the lock */
	wakeups->procs[wakeups->n++] = waiter->proc;
}

/* Take a sleeper out of the list. */
static void
unlink_sleeper(int i)
{
	Waiter	   *waiter = get_waiter(i);

	*(waiter->previous == NONE ? &list->first : &get_waiter(waiter->previous)->next) = waiter->next;
	*(waiter->next == NONE ? &list->last : &get_waiter(waiter->next)->previous) = waiter->previous;
	for_each_type(type, waiter)
		pg_atomic_fetch_sub_u32(&list->types[type].asleep, 1);
	pg_atomic_write_u32(&waiter->state, WAITER_AWAKE);
}

/* Wake a sleeper for a type, or NONE. */
static void
wake(int i, int type, Wakeups *wakeups)
{
	Waiter	   *waiter = get_waiter(i);

	waiter->token = type;
	if (type != NONE)
		pg_atomic_fetch_add_u32(&list->types[type].woken, 1);
	note_wakeup(wakeups, waiter);
	unlink_sleeper(i);
}

/* Wake up to n of the sleepers that may have a type's jobs. */
static void
wake_for_type(int type, int64 n, Wakeups *wakeups)
{
	int			next;

	for (int i = list->first; i != NONE && n > 0 &&
		 pg_atomic_read_u32(&list->types[type].asleep) > 0; i = next)
	{
		next = get_waiter(i)->next;
		if (wants(get_waiter(i), type))
		{
			wake(i, type, wakeups);
			n--;
		}
	}
}

/* The waiter has looked, or never will: it is no longer on the way. */
static void
release_token(Waiter *waiter)
{
	if (waiter->token != NONE)
		pg_atomic_fetch_sub_u32(&list->types[waiter->token].woken, 1);
	waiter->token = NONE;
}

/* Make the one that sleeps longest the timer of a type, or nobody. */
static void
pass_timer_on(int type, Wakeups *wakeups)
{
	int			i = list->last;

	while (i != NONE && !wants(get_waiter(i), type))
		i = get_waiter(i)->previous;
	list->types[type].timer = i;
	pg_atomic_write_u64(&list->types[type].until, (uint64) DT_NOEND);
	if (i != NONE)
		note_wakeup(wakeups, get_waiter(i));
}

/*
 * May there be something of a type that this backend, which had its last look
 * then, left to others?  Leases that ended, only if it did not look at all: it
 * would have taken a step of the walk that finds them.
 */
static bool
is_anything_left(int type, TimestampTz now, TimestampTz looked)
{
	RarrAgendaType *slot = rarr_agenda_slot(type);

	return (TimestampTz) pg_atomic_read_u64(&slot->next_due) <= now ||
		(looked == DT_NOBEGIN && (TimestampTz) pg_atomic_read_u64(&slot->next_lapse) <= now);
}

/*
 * This backend takes no part any more: its timers go to others, and if
 * something is due that it may have left, and nobody is on the way to it,
 * somebody is woken.
 */
static void
leave(TimestampTz now, TimestampTz looked, Wakeups *wakeups)
{
	Waiter	   *waiter = get_waiter(mine);

	if (pg_atomic_read_u32(&waiter->state) == WAITER_ASLEEP)
		unlink_sleeper(mine);
	release_token(waiter);
	for_each_type(type, waiter)
	{
		WaitType   *what = &list->types[type];

		what->looked = Max(what->looked, looked);
		if (what->timer == mine)
			pass_timer_on(type, wakeups);
		if (pg_atomic_read_u32(&what->asleep) > 0 && pg_atomic_read_u32(&what->woken) == 0 &&
			is_anything_left(type, now, looked))
			wake_for_type(type, 1, wakeups);
	}
	waiter->next = list->free;
	list->free = mine;
	mine = NONE;
}

/*
 * For whoever makes jobs available, or gives the type another slot: so many
 * jobs can be handed out from this time on, as the agenda knows by now.  Wakes
 * as many sleepers, or lets the type's timer know.  Cannot fail.
 */
void
rarr_wait_tell(const RarrAgendaRef *ref, TimestampTz at, int64 jobs)
{
	int			type = rarr_agenda_index(ref);
	WaitType   *what = &list->types[type];
	Wakeups		wakeups = {0};
	bool		due;

	pg_memory_barrier();		/* the agenda was lowered first, then this look */
	if (pg_atomic_read_u32(&what->asleep) == 0)
		return;
	due = at <= GetCurrentTimestamp();
	if (!due && at >= (TimestampTz) pg_atomic_read_u64(&what->until))
		return;
	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	if (due)
		wake_for_type(type, jobs, &wakeups);
	else if (what->timer != NONE)
		note_wakeup(&wakeups, get_waiter(what->timer));
	unlock(&wakeups);
}

/*
 * Wake all sleepers of this database: the agenda was forgotten, or the policies
 * of job types changed.
 */
void
rarr_wait_wake_database(void)
{
	Wakeups		wakeups = {0};
	int			next;

	if (list == NULL)
		return;
	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	for (int i = list->first; i != NONE; i = next)
	{
		next = get_waiter(i)->next;
		if (get_waiter(i)->database == MyDatabaseId)
			wake(i, NONE, &wakeups);
	}
	unlock(&wakeups);
}

/* For the sleeper itself. */

/* This backend's waiter, or NULL if there is none and none is free. */
static Waiter *
take_waiter(void)
{
	Waiter	   *waiter;

	if (mine != NONE || list->free == NONE)
		return mine != NONE ? get_waiter(mine) : NULL;
	mine = list->free;
	waiter = get_waiter(mine);
	list->free = waiter->next;
	waiter->proc = MyProc;
	waiter->database = MyDatabaseId;
	waiter->token = NONE;
	memset(waiter->types, 0, list->nwords * sizeof(uint64));
	return waiter;
}

/* The slots as a set of types, in memory of this backend's own. */
static const uint64 *
make_set(const RarrAgendaRef *refs, int n)
{
	static uint64 *set = NULL;

	if (set == NULL)
		set = MemoryContextAlloc(TopMemoryContext, list->nwords * sizeof(uint64));
	memset(set, 0, list->nwords * sizeof(uint64));
	for (int i = 0; i < n; i++)
	{
		int			type = rarr_agenda_index(&refs[i]);

		set[type / 64] |= UINT64CONST(1) << (type % 64);
	}
	return set;
}

/* Be a sleeper for these types, and no others. */
static void
set_types(const uint64 *set, Wakeups *wakeups)
{
	Waiter	   *waiter = get_waiter(mine);

	for_each_type(type, waiter)
		if ((set[type / 64] & (UINT64CONST(1) << (type % 64))) == 0 && list->types[type].timer == mine)
			pass_timer_on(type, wakeups);
	memcpy(waiter->types, set, list->nwords * sizeof(uint64));
}

/*
 * Enter the list, or go back to it after having looked in vain, at `looked`:
 * from now on this backend is woken.  False if there is no room.  The caller
 * then looks at the agenda once more before it sleeps.
 */
bool
rarr_wait_enter(const RarrAgendaRef *refs, int n, TimestampTz looked)
{
	Wakeups		wakeups = {0};
	const uint64 *set;
	Waiter	   *waiter;

	if (list == NULL)
		return false;
	set = make_set(refs, n);
	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	waiter = take_waiter();
	if (waiter == NULL)
	{
		LWLockRelease(&list->lock);
		return false;
	}
	if (pg_atomic_read_u32(&waiter->state) == WAITER_ASLEEP)
		unlink_sleeper(mine);
	release_token(waiter);
	set_types(set, &wakeups);

	waiter->previous = NONE;
	waiter->next = list->first;
	*(list->first == NONE ? &list->last : &get_waiter(list->first)->previous) = mine;
	list->first = mine;
	pg_atomic_write_u32(&waiter->state, WAITER_ASLEEP);
	for_each_type(type, waiter)
	{
		WaitType   *what = &list->types[type];

		pg_atomic_fetch_add_u32(&what->asleep, 1);
		what->looked = Max(what->looked, looked);
		if (what->timer == NONE)
		{
			what->timer = mine;
			pg_atomic_write_u64(&what->until, (uint64) DT_NOEND);
		}
	}
	unlock(&wakeups);
	pg_memory_barrier();
	return true;
}

/*
 * This backend could not have what is due of a type, and goes back to sleep:
 * its timer, which may not know that anything is due, has to look again then.
 */
static void
tell_timer(int type, TimestampTz retry, Wakeups *wakeups)
{
	WaitType   *what = &list->types[type];

	if (what->timer == NONE || retry >= (TimestampTz) pg_atomic_read_u64(&what->until) ||
		(TimestampTz) pg_atomic_read_u64(&rarr_agenda_slot(type)->next_due) > what->looked)
		return;
	what->retry = retry;
	note_wakeup(wakeups, get_waiter(what->timer));
}

/*
 * When this backend has to look at the agenda, for the types whose timer it
 * is; DT_NOEND if it is nobody's.  What was due at the last look, and was not
 * to be had then, is looked at again researcharr.poll_interval after it, or at
 * yield_at, when limits may let it through: by this backend or by the timer.
 */
TimestampTz
rarr_wait_deadline(TimestampTz looked, TimestampTz yield_at)
{
	int64		poll = (int64) rarr_poll_interval * 1000;
	TimestampTz deadline = DT_NOEND;
	Waiter	   *waiter = get_waiter(mine);
	Wakeups		wakeups = {0};

	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	for_each_type(type, waiter)
	{
		WaitType   *what = &list->types[type];
		TimestampTz until;

		what->looked = Max(what->looked, looked);
		if (what->timer != mine)
		{
			tell_timer(type, Min(looked + poll, yield_at), &wakeups);
			continue;
		}
		pg_atomic_write_u64(&what->until, (uint64) DT_NOEND);
		pg_memory_barrier();	/* whoever lowers a place from here on sees it */
		until = what->looked + poll;
		if (yield_at > what->looked)
			until = Min(until, yield_at);
		if (what->retry > what->looked)
			until = Min(until, what->retry);
		until = rarr_agenda_next_look(type, what->looked, until);
		pg_atomic_write_u64(&what->until, (uint64) until);
		deadline = Min(deadline, until);
	}
	unlock(&wakeups);
	return deadline;
}

/* Has somebody woken this backend? */
bool
rarr_wait_is_awake(void)
{
	return pg_atomic_read_u32(&get_waiter(mine)->state) == WAITER_AWAKE;
}

/*
 * Is this backend a sleeper for just these types?  The answer stays good.
 */
bool
rarr_wait_is_for(const RarrAgendaRef *refs, int n)
{
	return memcmp(get_waiter(mine)->types, make_set(refs, n), list->nwords * sizeof(uint64)) == 0;
}

/* This backend wakes by itself, to look at the agenda. */
void
rarr_wait_wake_self(void)
{
	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	if (!rarr_wait_is_awake())
		unlink_sleeper(mine);
	LWLockRelease(&list->lock);
}

/*
 * Does anybody sleep who may have what this backend leaves?  Then it looks one
 * job further than it takes, so that the agenda knows whether anything is due.
 */
bool
rarr_wait_should_peek(const RarrAgendaRef *refs, int n)
{
	for (int i = 0; i < n; i++)
		if (pg_atomic_read_u32(&list->types[rarr_agenda_index(&refs[i])].asleep) > 0)
			return true;
	return false;
}

/*
 * This backend has what it wanted, or wants nothing any more.  It looked at
 * `looked`, DT_NOBEGIN if it did not get to that.  Cannot fail.
 */
void
rarr_wait_leave(TimestampTz looked)
{
	Wakeups		wakeups = {0};

	if (mine == NONE)
		return;
	LWLockAcquire(&list->lock, LW_EXCLUSIVE);
	leave(GetCurrentTimestamp(), looked, &wakeups);
	unlock(&wakeups);
}
