/*
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
 *   are.  Each is on its way, "woken" for that type, until it has looked.
 * - When it has taken all that it may, and more is due for it, and nobody else
 *   is on the way, it wakes the next.  When it got less than it asked for,
 *   nothing was left.  When it dies before it has looked, it wakes the next.
 *   A woken sleeper that is stopped (by a signal, say) does none of that.  So
 *   every sleeper checks each CHECK_INTERVAL whether a sleeper that was woken for
 *   one of its types is late.  A late one no longer counts as woken, and the
 *   sleeper that found it looks itself.
 * - What falls due by itself is one sleeper's to see to, the type's timer: it
 *   sleeps no longer than until the agenda has something to look at.  It is the
 *   one that has slept longest, and is woken last.  If something becomes due
 *   earlier than it would wake, it is told; when it leaves, it names another.
 *   Every sleeper also checks each CHECK_INTERVAL whether the timers of its types
 *   make progress, and takes the place of one that does not.
 *
 * With nobody asleep for a type all this costs whoever makes a job of it
 * available the reading of one counter.
 *
 * When a job is due is by the system's clock, which may be set; what the list
 * remembers is by the monotonic one.  Only `until` is not, since everybody who
 * makes a job available compares the job's time with it: where the clock was
 * set ahead since, what falls due is found by the timer's next look, for which
 * researcharr.agenda_refresh is the longest time.
 *
 * Lock: rarr_waits->lock, over everything that is not atomic.  It is acquired in
 * transaction callbacks, so nothing under it may fail.  It is the last in the
 * order of locks: no other lock is acquired under it.  It may be acquired under
 * prepared->lock (prepared.c), but under none of the agenda's locks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "job/agenda/verify.h"
#include "job/wait/shmem.h"
#include "job/wait/wait_list.h"

/* how many latches wait to be set until the lock is released */
#define BATCH		32

/* how often sleepers look whether timers, and those that were woken, get on */
#define CHECK_INTERVAL	(10 * USECS_PER_SEC)

/* how late a timer may be, and how long it may take one that was woken to look */
#define WAKER_LATE	(5 * USECS_PER_SEC)
#define WAKEUP_LATE	(5 * USECS_PER_SEC)

/* Backends to wake, once the lock is released. */
typedef struct Wakeups
{
	int			n;
	PGPROC	   *procs[BATCH];
} Wakeups;

static int	mine = RARR_NONE;		/* this backend's waiter */

/* The rest down to the next headline needs the lock. */

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
	LWLockRelease(&rarr_waits->lock);
	send_wakeups(wakeups);
}

static void
add_wakeup(Wakeups *wakeups, const RarrWaiter *waiter)
{
	if (wakeups->n == BATCH)
		send_wakeups(wakeups);	/* rare enough to do it under the lock */
	wakeups->procs[wakeups->n++] = waiter->proc;
}

/* Take a sleeper out of the list. */
static void
unlink_sleeper(int i)
{
	RarrWaiter *waiter = rarr_waiter(i);

	rarr_waiter_unlink(&rarr_waits->asleep, waiter);
	for_each_type(type, waiter)
		pg_atomic_fetch_sub_u32(&rarr_waits->types[type].asleep, 1);
	pg_atomic_write_u32(&waiter->state, WAITER_AWAKE);
}

/* Wake a sleeper for a type, or RARR_NONE. */
static void
wake(int i, int type, Wakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(i);

	add_wakeup(wakeups, waiter);
	unlink_sleeper(i);
	if (type == RARR_NONE)
		return;
	waiter->woken_for = type;
	waiter->woken_at = rarr_monotonic_now();
	rarr_waiter_link(&rarr_waits->woken, i);
	pg_atomic_fetch_add_u32(&rarr_waits->types[type].woken, 1);
}

/* Wake up to n of the sleepers that may have a type's jobs. */
static void
wake_for_type(int type, int64 n, Wakeups *wakeups)
{
	int			next;

	for (int i = rarr_waits->asleep.first; i != RARR_NONE && n > 0 &&
		 pg_atomic_read_u32(&rarr_waits->types[type].asleep) > 0; i = next)
	{
		next = rarr_waiter(i)->next;
		if (rarr_waiter_wants(rarr_waiter(i), type))
		{
			wake(i, type, wakeups);
			n--;
		}
	}
}

/* The waiter has looked, or never will: it is no longer on the way. */
static void
end_wakeup(RarrWaiter *waiter)
{
	if (waiter->woken_for == RARR_NONE)
		return;
	pg_atomic_fetch_sub_u32(&rarr_waits->types[waiter->woken_for].woken, 1);
	rarr_waiter_unlink(&rarr_waits->woken, waiter);
	waiter->woken_for = RARR_NONE;
}

/* Make a waiter the timer of a type, or nobody; it has yet to find out when to wake. */
static void
set_waker(int type, int i)
{
	rarr_waits->types[type].waker = i;
	rarr_waits->types[type].waker_late_at = rarr_monotonic_now() + WAKER_LATE;
	pg_atomic_write_u64(&rarr_waits->types[type].wake_at, (uint64) DT_NOEND);
}

/* Have the timer of a type find out anew when to wake; one that is stopped will not. */
static void
notify_waker(int type, Wakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	info->waker_late_at = Min(info->waker_late_at, rarr_monotonic_now() + WAKER_LATE);
	add_wakeup(wakeups, rarr_waiter(info->waker));
}

/* Make the one that sleeps longest the timer of a type, or nobody. */
static void
name_waker(int type, Wakeups *wakeups)
{
	int			i = rarr_waits->asleep.last;

	while (i != RARR_NONE && !rarr_waiter_wants(rarr_waiter(i), type))
		i = rarr_waiter(i)->previous;
	set_waker(type, i);
	if (i != RARR_NONE)
		add_wakeup(wakeups, rarr_waiter(i));
}

/*
 * May there be something of a type that this backend, which had its last look
 * then, left to others?  Leases that ended, only if it did not look at all: it
 * would have taken a step of the walk that finds them.
 */
static bool
is_anything_left(int type, TimestampTz now, int64 looked)
{
	RarrAgendaSlot *slot = rarr_agenda_slot(type);

	return (TimestampTz) pg_atomic_read_u64(&slot->next_due) <= now ||
		(looked == RARR_NEVER_LOOKED && (TimestampTz) pg_atomic_read_u64(&slot->next_lapse) <= now);
}

/*
 * This backend, which looked then, takes no job of the type any more: if
 * something is due that it may have left, and nobody is on the way to it,
 * somebody is woken.
 */
static void
pass_wakeup_on(int type, TimestampTz now, int64 looked, Wakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	if (info->waker == mine)
		name_waker(type, wakeups);
	if (pg_atomic_read_u32(&info->asleep) > 0 && pg_atomic_read_u32(&info->woken) == 0 &&
		is_anything_left(type, now, looked))
		wake_for_type(type, 1, wakeups);
}

/*
 * This backend takes no part any more: its timers and wake-ups go to others.
 */
static void
leave(TimestampTz now, int64 looked, Wakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);

	if (pg_atomic_read_u32(&waiter->state) == WAITER_ASLEEP)
		unlink_sleeper(mine);
	end_wakeup(waiter);
	for_each_type(type, waiter)
	{
		rarr_waits->types[type].looked = Max(rarr_waits->types[type].looked, looked);
		pass_wakeup_on(type, now, looked, wakeups);
	}
	waiter->next = rarr_waits->free;
	rarr_waits->free = mine;
	mine = RARR_NONE;
}

/*
 * For whoever makes jobs available, or gives the type another slot: so many
 * jobs can be handed out from this time on, as the agenda knows by now.  Wakes
 * as many sleepers, or lets the type's timer know.  Cannot fail.
 */
static void
notify_sleepers(const RarrAgendaRef *ref, TimestampTz at, int64 jobs)
{
	int			type = rarr_agenda_index(ref);
	RarrWaitType *info = &rarr_waits->types[type];
	Wakeups		wakeups = {0};
	bool		due;

	pg_memory_barrier();		/* the agenda was lowered first, then this look */
	if (pg_atomic_read_u32(&info->asleep) == 0)
		return;
	due = at <= GetCurrentTimestamp();
	if (!due && at >= (TimestampTz) pg_atomic_read_u64(&info->wake_at))
		return;
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	if (due)
		wake_for_type(type, jobs, &wakeups);
	else if (info->waker != RARR_NONE)
		notify_waker(type, &wakeups);
	unlock(&wakeups);
}

/*
 * Wake all sleepers of this database: the agenda was forgotten, or the policies
 * of job types changed.
 */
static void
wake_database(void)
{
	Wakeups		wakeups = {0};
	int			next;

	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	for (int i = rarr_waits->asleep.first; i != RARR_NONE; i = next)
	{
		next = rarr_waiter(i)->next;
		if (rarr_waiter(i)->database == MyDatabaseId)
			wake(i, RARR_NONE, &wakeups);
	}
	unlock(&wakeups);
}

/* For the sleeper itself. */

/* This backend's waiter, or NULL if there is none and none is free. */
static RarrWaiter *
take_waiter(void)
{
	RarrWaiter *waiter;

	if (mine != RARR_NONE || rarr_waits->free == RARR_NONE)
		return mine != RARR_NONE ? rarr_waiter(mine) : NULL;
	mine = rarr_waits->free;
	waiter = rarr_waiter(mine);
	rarr_waits->free = waiter->next;
	waiter->proc = MyProc;
	waiter->database = MyDatabaseId;
	waiter->woken_for = RARR_NONE;
	memset(waiter->types, 0, rarr_waits->nwords * sizeof(uint64));
	return waiter;
}

/* The slots as a set of types, in memory of this backend's own. */
static const uint64 *
make_set(const RarrAgendaRef *refs, int n)
{
	static uint64 *set = NULL;

	if (set == NULL)
		set = MemoryContextAlloc(TopMemoryContext, rarr_waits->nwords * sizeof(uint64));
	memset(set, 0, rarr_waits->nwords * sizeof(uint64));
	for (int i = 0; i < n; i++)
	{
		int			type = rarr_agenda_index(&refs[i]);

		set[type / 64] |= UINT64CONST(1) << (type % 64);
	}
	return set;
}

/*
 * Be a sleeper for these types, and no others.  A slot that is not among them
 * any more may be another type's by now, and its wake-up meant for that type's
 * sleepers: this backend did not look for them.
 */
static void
set_types(const uint64 *set, TimestampTz now, Wakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);

	for_each_type(type, waiter)
		if ((set[type / 64] & (UINT64CONST(1) << (type % 64))) == 0)
			pass_wakeup_on(type, now, RARR_NEVER_LOOKED, wakeups);
	memcpy(waiter->types, set, rarr_waits->nwords * sizeof(uint64));
}

/*
 * Enter the list, or go back to it after having looked in vain, at `looked`:
 * from now on this backend is woken.  False if there is no room.  The caller
 * then looks at the agenda once more before it sleeps.
 */
bool
rarr_wait_enter(const RarrAgendaRef *refs, int n, int64 looked)
{
	Wakeups		wakeups = {0};
	TimestampTz now;
	const uint64 *set;
	RarrWaiter *waiter;

	if (rarr_waits == NULL)
		return false;
	now = GetCurrentTimestamp();
	set = make_set(refs, n);
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	waiter = take_waiter();
	if (waiter == NULL)
	{
		LWLockRelease(&rarr_waits->lock);
		return false;
	}
	if (pg_atomic_read_u32(&waiter->state) == WAITER_ASLEEP)
		unlink_sleeper(mine);
	end_wakeup(waiter);
	set_types(set, now, &wakeups);

	rarr_waiter_link(&rarr_waits->asleep, mine);
	pg_atomic_write_u32(&waiter->state, WAITER_ASLEEP);
	for_each_type(type, waiter)
	{
		RarrWaitType *info = &rarr_waits->types[type];

		pg_atomic_fetch_add_u32(&info->asleep, 1);
		info->looked = Max(info->looked, looked);
		if (info->waker == RARR_NONE)
			set_waker(type, mine);
	}
	unlock(&wakeups);
	pg_memory_barrier();
	return true;
}

/* Has somebody woken this backend? */
bool
rarr_wait_is_awake(void)
{
	return pg_atomic_read_u32(&rarr_waiter(mine)->state) == WAITER_AWAKE;
}

/* The time by both clocks. */
typedef struct Now
{
	TimestampTz system;
	int64		mono;
} Now;

/* What the system's clock says at a moment that the monotonic one gives. */
static TimestampTz
to_system(const Now *now, int64 mono)
{
	return now->system + (mono - now->mono);
}

/*
 * This backend could not have what is due of a type, and goes back to sleep:
 * its timer, which may not know that anything is due, has to look again then.
 */
static void
retry_by_waker(int type, const Now *now, int64 retry, Wakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	if (info->waker == RARR_NONE || to_system(now, retry) >= (TimestampTz) pg_atomic_read_u64(&info->wake_at) ||
		(TimestampTz) pg_atomic_read_u64(&rarr_agenda_slot(type)->next_due) > to_system(now, info->looked))
		return;
	info->retry = retry;
	notify_waker(type, wakeups);
}

/* When the timer of a type, which is this backend, has to look at the agenda. */
static TimestampTz
waker_deadline(int type, const Now *now, int64 poll, int64 yield_at)
{
	RarrWaitType *info = &rarr_waits->types[type];
	int64		retry = info->looked + poll;
	TimestampTz wake_at;

	pg_atomic_write_u64(&info->wake_at, (uint64) DT_NOEND);
	pg_memory_barrier();		/* whoever lowers a place from here on sees it */
	if (yield_at > info->looked)
		retry = Min(retry, yield_at);
	if (info->retry > info->looked)
		retry = Min(retry, info->retry);
	wake_at = rarr_agenda_next_check(type, to_system(now, info->looked), to_system(now, retry),
								   now->system, now->mono);
	pg_atomic_write_u64(&info->wake_at, (uint64) wake_at);
	info->waker_late_at = wake_at == DT_NOEND ? PG_INT64_MAX :
		now->mono + Max(wake_at - now->system, 0) + WAKER_LATE;
	return wake_at;
}

/*
 * Stop counting late waiters, which were woken for a type of this sleeper's, as
 * being on the way.  If something of the type may be left, wake this sleeper
 * instead: this backend is known to run, the next one in the list is not.
 */
static void
replace_late(const Now *now, Wakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);
	int			previous;

	for (int i = rarr_waits->woken.last; i != RARR_NONE; i = previous)
	{
		RarrWaiter *late = rarr_waiter(i);
		int			type = late->woken_for;

		if (now->mono - late->woken_at <= WAKEUP_LATE)
			break;				/* the others were woken later */
		previous = late->previous;
		if (!rarr_waiter_wants(waiter, type))
			continue;
		end_wakeup(late);
		if (!rarr_wait_is_awake() && pg_atomic_read_u32(&rarr_waits->types[type].woken) == 0 &&
			is_anything_left(type, now->system, RARR_NEVER_LOOKED))
			wake(mine, type, wakeups);
	}
}

/*
 * In how many microseconds this backend, which looked then, has to look at the
 * agenda again, or to ask that again; 0 if it is awake.  It has to look for the
 * types whose timer it is.  What was due at the last look, and could not be
 * claimed then, is looked at again researcharr.poll_interval after it, or at
 * yield_at, when limits may let it through: by this backend or by the timer.
 * yield_at is by the same clock as `looked`; PG_INT64_MAX means never.
 */
int64
rarr_wait_time_left(int64 looked, int64 yield_at)
{
	int64		poll = (int64) rarr_poll_interval * 1000;
	TimestampTz deadline;
	RarrWaiter *waiter = rarr_waiter(mine);
	Wakeups		wakeups = {0};
	Now			now;

	/* in this order: what fell due in between was not seen */
	now.system = GetCurrentTimestamp();
	now.mono = rarr_monotonic_now();
	deadline = now.system + CHECK_INTERVAL;
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	if (!rarr_wait_is_awake())
		replace_late(&now, &wakeups);
	if (rarr_wait_is_awake())
		deadline = now.system;
	for_each_type(type, waiter)
	{
		RarrWaitType *info = &rarr_waits->types[type];

		info->looked = Max(info->looked, looked);
		if (info->waker != mine && now.mono > info->waker_late_at)
			set_waker(type, mine);
		if (info->waker == mine)
			deadline = Min(deadline, waker_deadline(type, &now, poll, yield_at));
		else
			retry_by_waker(type, &now, Min(looked + poll, yield_at), &wakeups);
	}
	unlock(&wakeups);
	return Max(deadline - now.system, 0);
}

/*
 * Is this backend a sleeper for just these types?  The answer stays good.
 */
bool
rarr_wait_is_for(const RarrAgendaRef *refs, int n)
{
	return memcmp(rarr_waiter(mine)->types, make_set(refs, n), rarr_waits->nwords * sizeof(uint64)) == 0;
}

/* This backend wakes by itself, to look at the agenda. */
void
rarr_wait_wake_self(void)
{
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	if (!rarr_wait_is_awake())
		unlink_sleeper(mine);
	LWLockRelease(&rarr_waits->lock);
}

/*
 * Does anybody sleep who may have what this backend leaves?  Then it looks one
 * job further than it takes, so that the agenda knows whether anything is due.
 */
bool
rarr_wait_should_peek(const RarrAgendaRef *refs, int n)
{
	for (int i = 0; i < n; i++)
		if (pg_atomic_read_u32(&rarr_waits->types[rarr_agenda_index(&refs[i])].asleep) > 0)
			return true;
	return false;
}

/*
 * This backend has what it wanted, or wants nothing any more.  Cannot fail.
 */
void
rarr_wait_leave(int64 looked)
{
	Wakeups		wakeups = {0};

	if (mine == RARR_NONE)
		return;
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	leave(GetCurrentTimestamp(), looked, &wakeups);
	unlock(&wakeups);
}

/* rarr_agenda_wake_hook */
static void
wake_sleepers(const RarrAgendaRef *ref, TimestampTz at, int64 jobs)
{
	if (ref != NULL)
		notify_sleepers(ref, at, jobs);
	else
		wake_database();
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		rarr_wait_leave(RARR_NEVER_LOOKED);
}

/*
 * Declare the shared memory, listen to the agenda and take the callback; while
 * the library is preloaded.
 */
void
rarr_wait_list_init(void)
{
	rarr_waits_init();
	rarr_agenda_wake_hook = wake_sleepers;
	RegisterXactCallback(at_xact_end, NULL);
}
