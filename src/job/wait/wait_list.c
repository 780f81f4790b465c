/*
 * wait_list.c
 *		The list of sessions that sleep until there is a job.
 *
 * README.md explains the protocol and its invariant: if a type has sleepers and
 * a claimable job, at least one woken sleeper has not yet looked.
 *
 * rarr_waits->lock protects everything that is not atomic.  It is acquired in
 * transaction callbacks, so nothing under it may fail.  It is the last in the
 * lock order: no other lock is acquired under it.  It may be acquired under
 * prepared->lock (prepared.c), but under none of the agenda's locks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "job/agenda/verify.h"
#include "job/wait/wait_list.h"
#include "job/wait/wakeup.h"

/* how often a sleeper checks designated wakers and woken sleepers */
#define CHECK_INTERVAL (10 * USECS_PER_SEC)

/* a woken sleeper that has not looked is late then */
#define WAKEUP_LATE (5 * USECS_PER_SEC)

static int mine = RARR_NONE; /* number of this backend's waiter */

/* The current time by both clocks. */
typedef struct Now
{
	TimestampTz system;
	int64 mono;
} Now;

/* Convert a time of the monotonic clock to the system clock, as of now. */
static TimestampTz
to_system(const Now *now, int64 mono)
{
	return now->system + (mono - now->mono);
}

/* The following functions need the lock, down to notify_sleepers(). */

/*
 * Can there be a claimable job of a type that this backend leaves to others?
 * looked is the time of its last look.  If it looked, it took the due step of
 * the scan for lapses, so leases that have ended count only if it did not
 * look.
 */
static bool
is_anything_left(int type, TimestampTz now, int64 looked)
{
	RarrAgendaSlot *slot = rarr_agenda_slot(type);

	return (TimestampTz) pg_atomic_read_u64(&slot->next_due) <= now ||
		   (looked == RARR_NEVER_LOOKED && (TimestampTz) pg_atomic_read_u64(&slot->next_lapse) <= now);
}

/*
 * This backend claims no more jobs of the type.  If it was the designated
 * waker, name another one.  If it may leave a claimable job, and no other
 * woken sleeper has yet to look, wake one.
 */
static void
pass_wakeup_on(int type, TimestampTz now, int64 looked, RarrWakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	if (info->waker == mine)
		rarr_waker_name(type, wakeups);
	if (pg_atomic_read_u32(&info->asleep) > 0 && pg_atomic_read_u32(&info->woken) == 0 &&
		is_anything_left(type, now, looked))
		rarr_wake_for_type(type, 1, wakeups);
}

/* Remove this backend from the list, and pass on what it had to do. */
static void
leave(TimestampTz now, int64 looked, RarrWakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);

	if (pg_atomic_read_u32(&waiter->state) == WAITER_ASLEEP)
		rarr_sleeper_unlink(mine);
	rarr_wakeup_end(waiter);
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
 * A job of the type falls due before its designated waker would wake.  The
 * waker computes the time anew.  It cannot if the agenda still has what its last
 * look could not claim, because a bound is a time before the next job.  Then it
 * looks, so that the bound advances.
 */
static void
notify_waker(int type, RarrWakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];
	Now now = {GetCurrentTimestamp(), rarr_monotonic_now()};

	if (pg_atomic_read_u32(&rarr_waiter(info->waker)->state) == WAITER_ASLEEP &&
		(TimestampTz) pg_atomic_read_u64(&rarr_agenda_slot(type)->next_due) <= to_system(&now, info->looked))
		rarr_wake(info->waker, type, wakeups);
	else
		rarr_waker_notify(type, wakeups);
}

/*
 * Up to `jobs` jobs of a type are claimable from the time `at` on, or the type
 * got another slot.  The agenda knows this already.  Wakes as many sleepers,
 * or notifies the designated waker if they are not yet due.  Zero jobs are those
 * to which a claim has advanced the bound.  Cannot fail.
 */
static void
notify_sleepers(const RarrAgendaRef *ref, TimestampTz at, int64 jobs)
{
	int type = rarr_agenda_index(ref);
	RarrWaitType *info = &rarr_waits->types[type];
	RarrWakeups wakeups = {0};
	bool due;

	/* pairs with the one in rarr_wait_enter(): the bound is lowered by now */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&info->asleep) == 0)
		return;
	due = at <= GetCurrentTimestamp();
	if (due && jobs == 0)
		return;
	if (!due && at >= (TimestampTz) pg_atomic_read_u64(&info->wake_at))
		return;
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	if (due)
		rarr_wake_for_type(type, jobs, &wakeups);
	else if (info->waker != RARR_NONE)
		notify_waker(type, &wakeups);
	rarr_waits_unlock(&wakeups);
}

/*
 * Wake all sleepers of this database, because the agenda was reset or policies
 * of job types changed.  Cannot fail.
 */
static void
wake_database(void)
{
	RarrWakeups wakeups = {0};
	int next;

	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	for (int i = rarr_waits->asleep.first; i != RARR_NONE; i = next)
	{
		next = rarr_waiter(i)->next;
		if (rarr_waiter(i)->database == MyDatabaseId)
			rarr_wake(i, RARR_NONE, &wakeups);
	}
	rarr_waits_unlock(&wakeups);
}

/* The following functions are for the sleeper itself. */

/*
 * This backend's waiter, taken from the free ones if it has none.  NULL if
 * none is free.  Needs the lock.
 */
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

/* The slots as a set of types.  Valid until the next call. */
static const uint64 *
make_set(const RarrAgendaRef *refs, int n)
{
	static uint64 *set = NULL;

	if (set == NULL)
		set = MemoryContextAlloc(TopMemoryContext, rarr_waits->nwords * sizeof(uint64));
	memset(set, 0, rarr_waits->nwords * sizeof(uint64));
	for (int i = 0; i < n; i++)
	{
		int type = rarr_agenda_index(&refs[i]);

		set[type / 64] |= UINT64CONST(1) << (type % 64);
	}
	return set;
}

/*
 * Want these types, and no others.  Needs the lock.
 *
 * A slot that is no longer wanted may have been given to another type.  A
 * wake-up for it was meant for the sleepers of that type.  This backend did
 * not look for them, so it passes the wake-up on.
 */
static void
set_types(const uint64 *set, TimestampTz now, RarrWakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);

	for_each_type(type, waiter) if ((set[type / 64] & (UINT64CONST(1) << (type % 64))) == 0)
		pass_wakeup_on(type, now, RARR_NEVER_LOOKED, wakeups);
	memcpy(waiter->types, set, rarr_waits->nwords * sizeof(uint64));
}

/*
 * Enter the list, or enter it again after a look without success.  refs: the n
 * slots of the types that the caller wants; looked: the time of its last look,
 * by rarr_monotonic_now(), or RARR_NEVER_LOOKED.  The caller looks at the agenda
 * once more before it sleeps.  Returns false if there is no list or no room in
 * it.  Raises no errors but those of allocation.
 */
bool
rarr_wait_enter(const RarrAgendaRef *refs, int n, int64 looked)
{
	RarrWakeups wakeups = {0};
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
		rarr_sleeper_unlink(mine);
	rarr_wakeup_end(waiter);
	set_types(set, now, &wakeups);

	rarr_waiter_link(&rarr_waits->asleep, mine);
	pg_atomic_write_u32(&waiter->state, WAITER_ASLEEP);
	for_each_type(type, waiter)
	{
		RarrWaitType *info = &rarr_waits->types[type];

		pg_atomic_fetch_add_u32(&info->asleep, 1);
		info->looked = Max(info->looked, looked);
		if (info->waker == RARR_NONE)
			rarr_waker_set(type, mine);
	}
	rarr_waits_unlock(&wakeups);
	pg_memory_barrier();
	return true;
}

/*
 * Is this backend awake, woken by a notifier or by itself?  It must have
 * entered the list.  Needs no lock.
 */
bool
rarr_wait_is_awake(void)
{
	return pg_atomic_read_u32(&rarr_waiter(mine)->state) == WAITER_AWAKE;
}

/*
 * This backend found a due job of the type that it could not claim, and goes
 * back to sleep.  Have the designated waker look at the time retry, because it
 * may not know of the job.
 */
static void
retry_by_waker(int type, const Now *now, int64 retry, RarrWakeups *wakeups)
{
	RarrWaitType *info = &rarr_waits->types[type];

	if (info->waker == RARR_NONE || to_system(now, retry) >= (TimestampTz) pg_atomic_read_u64(&info->wake_at) ||
		(TimestampTz) pg_atomic_read_u64(&rarr_agenda_slot(type)->next_due) > to_system(now, info->looked))
		return;
	info->retry = retry;
	rarr_waker_notify(type, wakeups);
}

/*
 * When must this backend, the designated waker of a type, look at the agenda?
 */
static TimestampTz
waker_deadline(int type, const Now *now, int64 poll, int64 yield_at)
{
	RarrWaitType *info = &rarr_waits->types[type];
	int64 retry = info->looked + poll;
	TimestampTz wake_at;

	pg_atomic_write_u64(&info->wake_at, (uint64) DT_NOEND);
	/* a notifier that lowers a bound from here on sees DT_NOEND */
	pg_memory_barrier();
	if (yield_at > info->looked)
		retry = Min(retry, yield_at);
	if (info->retry > info->looked)
		retry = Min(retry, info->retry);
	wake_at = rarr_agenda_next_check(type, to_system(now, info->looked), to_system(now, retry),
									 now->system, now->mono);
	pg_atomic_write_u64(&info->wake_at, (uint64) wake_at);
	info->waker_late_at = wake_at == DT_NOEND ? PG_INT64_MAX :
												now->mono + Max(wake_at - now->system, 0) + RARR_WAKER_LATE;
	return wake_at;
}

/*
 * Late sleepers that were woken for a type of this sleeper no longer count as
 * woken.  If a job of the type may be left, wake this sleeper instead.  It is
 * known to run; the next one in the list may be stopped, too.
 */
static void
replace_late(const Now *now, RarrWakeups *wakeups)
{
	RarrWaiter *waiter = rarr_waiter(mine);
	int previous;

	for (int i = rarr_waits->woken.last; i != RARR_NONE; i = previous)
	{
		RarrWaiter *late = rarr_waiter(i);
		int type = late->woken_for;

		if (now->mono - late->woken_at <= WAKEUP_LATE)
			break; /* the others were woken later */
		previous = late->previous;
		if (!rarr_waiter_wants(waiter, type))
			continue;
		rarr_wakeup_end(late);
		if (!rarr_wait_is_awake() && pg_atomic_read_u32(&rarr_waits->types[type].woken) == 0 &&
			is_anything_left(type, now->system, RARR_NEVER_LOOKED))
			rarr_wake(mine, type, wakeups);
	}
}

/*
 * Return for how many microseconds this backend may sleep: 0 if it is awake.
 * looked: the time of its last look; yield_at: when limits allow a job that it
 * could not claim, PG_INT64_MAX for never; both by rarr_monotonic_now().  A job
 * that was due at the last look is looked at again at yield_at, or
 * researcharr.poll_interval after the look, by this backend or the designated
 * waker.  Cannot fail.
 */
int64
rarr_wait_time_left(int64 looked, int64 yield_at)
{
	int64 poll = (int64) rarr_poll_interval * 1000;
	TimestampTz deadline;
	RarrWaiter *waiter = rarr_waiter(mine);
	RarrWakeups wakeups = {0};
	Now now;

	/*
	 * In this order, so that times converted by to_system() are never too
	 * late.  A job that fell due in between must not count as seen.
	 */
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
			rarr_waker_set(type, mine);
		if (info->waker == mine)
			deadline = Min(deadline, waker_deadline(type, &now, poll, yield_at));
		else
			retry_by_waker(type, &now, Min(looked + poll, yield_at), &wakeups);
	}
	rarr_waits_unlock(&wakeups);
	return Max(deadline - now.system, 0);
}

/*
 * Does this backend want exactly these n types?  Needs no lock: only the
 * backend itself changes that.
 */
bool
rarr_wait_is_for(const RarrAgendaRef *refs, int n)
{
	return memcmp(rarr_waiter(mine)->types, make_set(refs, n), rarr_waits->nwords * sizeof(uint64)) == 0;
}

/* This backend wakes by itself, to look: unlink it.  Cannot fail. */
void
rarr_wait_wake_self(void)
{
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	if (!rarr_wait_is_awake())
		rarr_sleeper_unlink(mine);
	LWLockRelease(&rarr_waits->lock);
}

/*
 * Does anybody sleep for one of these n types?  Then a claim looks one job
 * further than it takes, so that the agenda knows whether more is due.  Needs
 * no lock.
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
 * Leave the list.  looked is the time of the last look, by
 * rarr_monotonic_now(), or RARR_NEVER_LOOKED if the backend was woken and did
 * not look.  Does nothing if this backend is not in the list.  Cannot fail.
 */
void
rarr_wait_leave(int64 looked)
{
	RarrWakeups wakeups = {0};

	if (mine == RARR_NONE)
		return;
	LWLockAcquire(&rarr_waits->lock, LW_EXCLUSIVE);
	leave(GetCurrentTimestamp(), looked, &wakeups);
	rarr_waits_unlock(&wakeups);
}

/* The function that rarr_agenda_wake points to. */
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

/* Set the agenda's hook, and register the callback, at preload. */
void
rarr_wait_list_init(void)
{
	rarr_agenda_wake = wake_sleepers;
	RegisterXactCallback(at_xact_end, NULL);
}
