/*
 * verify.c
 *		Looking for what the agenda missed, and for leases that ended.
 *
 * Before its place a group has jobs that are running, jobs that are finished,
 * and whatever slipped past: a row that somebody wrote without our triggers,
 * say.  Two walks over a type's groups look there.  One goes to where jobs can
 * be running once the first lease may have ended; the other everywhere, once
 * in researcharr.agenda_refresh.  Where a walk finds a job that can be handed
 * out it lowers the group's place, and the claims do the rest; it never raises
 * one.
 *
 * Dead entries make a walk long.  So it goes in steps of a bounded number of
 * entries, which the backends that dequeue take in turn, one at a time for
 * each type; and after a step there is a pause that depends on what it cost,
 * 50 times that for the walk over everything, but never more than
 * LONGEST_PAUSE: what a stalled disk or a stopped machine cost says nothing of
 * the next step.
 *
 * A backend that is stopped in the middle of a step, or hangs there, loses its
 * turn to the next one after TURN_TIMEOUT.  The turn has a number, and
 * whatever a step writes into the slot it writes under the slot's lock, and
 * only while the turn is still its own: one that wakes up after having lost it
 * changes nothing.  The new one begins where the last step that was completed
 * ended, as after a step that failed.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "job/agenda/verify.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_row.h"

/* index entries that one step looks at */
#define STEP_ENTRIES	500

/* how many times its own cost a step is followed by a pause */
#define LAPSES_PAUSE	1
#define EVERYTHING_PAUSE 50
#define LONGEST_PAUSE	(10 * USECS_PER_SEC)

/* after how long without progress a step's turn goes to another backend */
#define TURN_TIMEOUT	(5 * USECS_PER_SEC)

/* after how many entries a step says that it makes progress */
#define ALIVE_ENTRIES	16

/* One step of a walk. */
typedef struct Step
{
	RarrAgendaRef ref;
	RarrVerifierKind kind;
	TimestampTz now;
	int64		began;			/* by rarr_monotonic_now() */
	uint64		turn;
	bool		lost;			/* the turn is another backend's, or the slot */
	int			left;			/* entries that it may still look at */
	int			priority;		/* where it is */
	RarrPlace	place;
	RarrTakeScan scan;
	TupleTableSlot *slot;
} Step;

/* What a step saw of one group. */
typedef struct ScanResult
{
	bool		available;		/* a job can be handed out */
	RarrPlace	available_place;
	bool		running;		/* a job is running, or may soon be */
	RarrPlace	running_first;
	RarrPlace	running_last;
	TimestampTz lease;			/* the least lease that has not ended */
} ScanResult;

/* the slot of which this backend is taking a step */
static RarrAgendaRef turn_ref = {NULL, 0};
static uint64 turn_number;

/*
 * Is a step of this walk due?  Without a lock.  The setting is looked at anew
 * each time.
 */
static bool
is_due(RarrAgendaSlot *slot, RarrVerifierKind kind, TimestampTz now, int64 mono)
{
	RarrVerifierSchedule *schedule = &slot->schedules[kind];
	int64		since;

	if (kind == RARR_VERIFY_LAPSES && (TimestampTz) pg_atomic_read_u64(&slot->next_lapse) > now)
		return false;
	since = mono - (int64) pg_atomic_read_u64(&schedule->last_step);
	if (since < (int64) pg_atomic_read_u64(&schedule->pause))
		return false;
	return kind == RARR_VERIFY_LAPSES || pg_atomic_read_u64(&schedule->resting) == 0 ||
		since >= (int64) rarr_agenda_refresh * 1000;
}

/*
 * Is a step of a walk over this type's groups due?  Without a lock.
 */
bool
rarr_agenda_verify_is_due(const RarrAgendaRef *ref, TimestampTz now, int64 mono)
{
	for (int i = 0; i < RARR_VERIFIER_SCANS; i++)
		if (is_due(ref->slot, i, now, mono))
			return true;
	return false;
}

/* When the next step of this walk is due, as is_due() has it, by the system's clock. */
static TimestampTz
next_step(RarrAgendaSlot *slot, RarrVerifierKind kind, TimestampTz now, int64 mono)
{
	RarrVerifierSchedule *schedule = &slot->schedules[kind];
	TimestampTz last = now - (mono - (int64) pg_atomic_read_u64(&schedule->last_step));
	TimestampTz next = last + (int64) pg_atomic_read_u64(&schedule->pause);

	if (kind == RARR_VERIFY_LAPSES)
		return Max(next, (TimestampTz) pg_atomic_read_u64(&slot->next_lapse));
	if (pg_atomic_read_u64(&schedule->resting) != 0)
		next = Max(next, last + (int64) rarr_agenda_refresh * 1000);
	return next;
}

/*
 * When the agenda has something to look at next, for a slot's type: a job that
 * falls due, or a step of a walk.  What was due at `looked`, when somebody had
 * a look, was not to be had then: it is put off until `retry`.  Without a lock.
 */
TimestampTz
rarr_agenda_next_check(int index, TimestampTz looked, TimestampTz retry, TimestampTz now, int64 mono)
{
	RarrAgendaSlot *slot = rarr_agenda_slot(index);
	TimestampTz next = (TimestampTz) pg_atomic_read_u64(&slot->next_due);

	if (next <= looked)
		next = retry;
	for (int i = 0; i < RARR_VERIFIER_SCANS; i++)
	{
		TimestampTz step = next_step(slot, i, now, mono);

		next = Min(next, step > looked ? step : retry);
	}
	return next;
}

/* The step that this backend was taking is over, well or not.  Cannot fail. */
static void
release_turn(void)
{
	if (turn_ref.slot == NULL)
		return;
	if (rarr_agenda_lock(&turn_ref, LW_EXCLUSIVE))
	{
		if (turn_ref.slot->turn == turn_number)
			turn_ref.slot->turn = 0;
		rarr_agenda_unlock(&turn_ref);
	}
	turn_ref.slot = NULL;
}

/*
 * Under the slot's lock: take the turn, if it is nobody's, or of somebody who
 * does not get on.
 */
static bool
take_turn(Step *step, RarrAgendaSlot *slot)
{
	int64		idle = step->began - (int64) pg_atomic_read_u64(&slot->turn_alive);

	if (slot->turn != 0 && idle < TURN_TIMEOUT)
		return false;
	step->turn = slot->turn = ++slot->turns;
	pg_atomic_write_u64(&slot->turn_alive, (uint64) step->began);
	return true;
}

/* Lock the slot, if the turn is still the step's. */
static bool
lock_turn(Step *step)
{
	if (!rarr_agenda_lock(&step->ref, LW_EXCLUSIVE))
		step->lost = true;
	else if (step->ref.slot->turn != step->turn)
	{
		rarr_agenda_unlock(&step->ref);
		step->lost = true;
	}
	return !step->lost;
}

/* The step gets on; one that has lost its turn delays others' by that at most. */
static void
say_alive(const Step *step)
{
	pg_atomic_write_u64(&step->ref.slot->turn_alive, (uint64) rarr_monotonic_now());
}

/* Take the turn, if it is to be had and a step is due, and see where the walk was. */
static bool
begin_step(Step *step, RarrAgendaKey *key)
{
	RarrAgendaSlot *slot;
	RarrVerifierScan *scan;
	const RarrAgendaRef *ref = rarr_agenda_ref(key, false);

	if (ref == NULL || !is_due(ref->slot, step->kind, step->now, step->began) ||
		!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return false;
	slot = ref->slot;
	if (!is_due(slot, step->kind, step->now, step->began) || !take_turn(step, slot))
	{
		rarr_agenda_unlock(ref);
		return false;
	}
	step->ref = *ref;
	step->left = STEP_ENTRIES;
	scan = &slot->scans[step->kind];
	if (!scan->under_way)
	{
		scan->under_way = true;
		scan->priority = RARR_PRIORITIES - 1;
		scan->place = rarr_first_place;
		scan->lapse = DT_NOEND;
		scan->added_lapse = DT_NOEND;
	}
	/* what a step left of a group that no step of the round has ended in */
	if (rarr_place_compare(&scan->place, &rarr_first_place) == 0)
		scan->group = -1;
	step->priority = scan->priority;
	step->place = scan->place;
	turn_ref = *ref;
	turn_number = step->turn;
	rarr_agenda_unlock(ref);
	return true;
}

/* Look at the row that the scan is at; its group's place is `bound`. */
static void
check_row(Step *step, const RarrPlace *place, const RarrPlace *bound, ScanResult *result)
{
	RarrJobStatus status;
	bool		changing;

	slot_getallattrs(step->slot);
	status = rarr_job_status(step->slot);
	changing = rarr_job_is_being_changed(step->slot);
	if (status != JOB_QUEUED && status != JOB_RUNNING)
		return;

	/* Whoever is changing it has a note of what comes, and of what comes back. */
	if (status == JOB_RUNNING || changing)
	{
		if (!result->running)
			result->running_first = *place;
		result->running_last = *place;
		result->running = true;
	}
	if (changing)
		return;
	if (status == JOB_RUNNING)
	{
		TimestampTz lease = DatumGetTimestampTz(rarr_job_value(step->slot, JOB_LEASE_EXPIRES_AT));

		if (lease > step->now)
		{
			result->lease = Min(result->lease, lease);
			return;
		}
	}
	else if (rarr_place_compare(place, bound) >= 0)
		return;
	if (!result->available)
		result->available_place = *place;
	result->available = true;
}

/*
 * Walk the step's group from its place up to `end`; true if the group is done,
 * false if the step is.
 */
static bool
scan_group(Step *step, const RarrPlace *end, const RarrPlace *bound, ScanResult *result)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	RarrPlace	place;
	bool		done = true;

	rarr_take_scan_group(&step->scan, snapshot, step->priority, &step->place, DT_NOEND);
	while (rarr_take_scan_next_entry(&step->scan, &place) && rarr_place_compare(&place, end) < 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (step->left % ALIVE_ENTRIES == 0)
			say_alive(step);
		if (step->left-- == 0)
		{
			done = false;
			step->place = place;
			break;
		}
		if (index_fetch_heap(step->scan.scan, step->slot))
			check_row(step, &place, bound, result);
	}
	if (done)
		step->place = *end;
	ExecClearTuple(step->slot);
	rarr_take_scan_end(&step->scan);
	UnregisterSnapshot(snapshot);
	return done;
}

/*
 * Keep what the walk saw of the jobs that are running: from `from` to the
 * step's place there are none but those in result, and those that were noted
 * meanwhile.  Those that were passed in earlier steps stay.
 */
static void
narrow_running(Step *step, const RarrPlace *from, bool done, const ScanResult *result)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	RarrPlace	first = result->running ? result->running_first : step->place;
	int			p = step->priority;

	scan->lapse = Min(scan->lapse, result->lease);
	if (scan->group != p)
		return;					/* the agenda forgot everything meanwhile */
	if (rarr_place_compare(&scan->added_first, &first) < 0)
		first = scan->added_first;
	if (rarr_place_compare(&slot->running_first[p], from) >= 0 &&
		rarr_place_compare(&slot->running_first[p], &first) < 0)
		slot->running_first[p] = first;
	if (result->running)
		scan->seen_last = result->running_last;
	if (!done)
		return;
	slot->running_last[p] = scan->seen_last;
	if (rarr_place_compare(&scan->added_last, &scan->seen_last) > 0)
		slot->running_last[p] = scan->added_last;
	scan->group = -1;
}

/*
 * Tell the agenda what the walk of a group saw.  A lapsed job behind the
 * group's place is told of, too: nobody who has not seen it may raise the place
 * past it.  What can be handed out is told of even if the turn was lost.
 */
static void
report(Step *step, const RarrPlace *from, const RarrPlace *bound, bool done, const ScanResult *result)
{
	if (lock_turn(step))
	{
		if (step->kind == RARR_VERIFY_LAPSES)
			narrow_running(step, from, done, result);
		if (result->available && rarr_place_compare(&result->available_place, bound) < 0)
			step->ref.slot->found[step->priority]++;
		rarr_agenda_unlock(&step->ref);
	}
	if (result->available)
		rarr_agenda_lower_bound(&step->ref, step->priority, &result->available_place, 1);
}

/*
 * Enter the step's group, or go on in it: from where, up to where, and what
 * the group's place is.  False if there is nothing to walk.
 */
static bool
enter_group(Step *step, RarrPlace *end, RarrPlace *bound)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	int			p = step->priority;

	if (!lock_turn(step))
		return false;
	bound->at = slot->bound_at[p];
	bound->id = slot->bound_id[p];
	*end = *bound;
	if (step->kind == RARR_VERIFY_LAPSES)
	{
		if (scan->group != p)
		{
			scan->group = p;
			scan->seen_last = scan->added_last = rarr_first_place;
			step->place = slot->running_first[p];
		}
		scan->added_first = rarr_last_place;
		*end = rarr_place_after(&slot->running_last[p]);
		if (rarr_place_compare(&step->place, end) >= 0)
			scan->group = -1;
	}
	rarr_agenda_unlock(&step->ref);
	return rarr_place_compare(&step->place, end) < 0;
}

/* Walk what the step may of the group that it is at; true if the group is done. */
static bool
step_through_group(Step *step)
{
	ScanResult		result = {.lease = DT_NOEND};
	RarrPlace	from;
	RarrPlace	end;
	RarrPlace	bound;
	bool		done;

	if (!enter_group(step, &end, &bound))
		return true;
	from = step->place;
	done = scan_group(step, &end, &bound, &result);
	report(step, &from, &bound, done, &result);
	return done;
}

/* The step is over: let the next one know where to go on, and when. */
static void
end_step(Step *step, bool round_done)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	RarrVerifierSchedule *schedule = &slot->schedules[step->kind];
	bool		lapses = step->kind == RARR_VERIFY_LAPSES;
	int64		pause = (rarr_monotonic_now() - step->began) * (lapses ? LAPSES_PAUSE : EVERYTHING_PAUSE);

	if (!lock_turn(step))
		return;
	scan->under_way = !round_done;
	scan->priority = step->priority;
	scan->place = step->place;
	if (round_done && lapses)
		pg_atomic_write_u64(&slot->next_lapse, (uint64) Min(scan->lapse, scan->added_lapse));
	if (round_done)
		scan->last_round = step->now;
	pg_atomic_write_u64(&schedule->last_step, (uint64) step->began);
	pg_atomic_write_u64(&schedule->pause, (uint64) Min(pause, LONGEST_PAUSE));
	pg_atomic_write_u64(&schedule->resting, round_done ? 1 : 0);
	rarr_agenda_unlock(&step->ref);
}

static void
take_step(RarrAgendaKey *key, Relation jobs, Relation index, RarrVerifierKind kind, TimestampTz now)
{
	Step		step = {.kind = kind, .now = now, .began = rarr_monotonic_now()};
	bool		done = true;

	if (!begin_step(&step, key))
		return;
	rarr_take_scan_init(&step.scan, jobs, index, key->name);
	step.slot = MakeSingleTupleTableSlot(RelationGetDescr(jobs), table_slot_callbacks(jobs));
	while (done && step.priority >= 0 && !step.lost)
	{
		done = step_through_group(&step);
		if (done)
		{
			step.priority--;
			step.place = rarr_first_place;
		}
	}
	ExecDropSingleTupleTableSlot(step.slot);
	end_step(&step, done);
	release_turn();
}

/*
 * Take a step of each walk over the type's groups, if one is due and nobody
 * else is taking one.  Needs an active snapshot.  Whatever the isolation level,
 * it looks at what is there now: a fleet of workers under REPEATABLE READ has
 * nobody else to notice that a lease ended.
 */
void
rarr_agenda_verify(RarrAgendaKey *key, Relation jobs, Relation index, TimestampTz now)
{
	for (int i = 0; i < RARR_VERIFIER_SCANS; i++)
		take_step(key, jobs, index, i, now);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		release_turn();
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		release_turn();
}

/*
 * Take the callbacks; while the library is preloaded.
 */
void
rarr_agenda_verify_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
