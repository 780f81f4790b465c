/*
 * verify.c
 *		Verifier scans: find claimable jobs before the lower bounds.
 *
 * README.md describes the two scans of each type, their rounds, steps and
 * turns.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "job/agenda/verify.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_row.h"

/* the most index entries that one step visits */
#define STEP_ENTRIES 500

/* the pause after a step, as a multiple of the step's duration */
#define LAPSES_PAUSE     1
#define EVERYTHING_PAUSE 50
#define LONGEST_PAUSE    (10 * USECS_PER_SEC)

/* a step without progress for so long loses its turn */
#define TURN_TIMEOUT (5 * USECS_PER_SEC)

/* a step reports progress every so many entries */
#define ALIVE_ENTRIES 16

/* One step of a scan. */
typedef struct Step
{
	RarrAgendaRef ref;
	RarrVerifierKind kind;
	TimestampTz now;
	int64 began;      /* by rarr_monotonic_now() */
	uint64 turn;      /* number of its turn */
	bool lost;        /* another backend has the turn, or the slot
					   * was reassigned */
	int left;         /* number of entries that it may still visit */
	int priority;     /* current group, */
	RarrQueuePos pos; /* and position in it */
	RarrDequeueScan scan;
	TupleTableSlot *slot;
} Step;

/* What a step found in one group. */
typedef struct ScanResult
{
	bool available;             /* there is a claimable job */
	RarrQueuePos available_pos; /* position of the first one */
	RarrRunning running;        /* jobs that are running or being changed, with
								 * those leases that have not ended */
} ScanResult;

/* this backend's turn, while it takes a step */
static RarrAgendaRef turn_ref = {NULL, 0};
static uint64 turn_number;

/*
 * Is a step of this scan due?  Needs no lock.  Reads the setting at each call,
 * so that a change takes effect at once.
 */
static bool
is_due(RarrAgendaSlot *slot, RarrVerifierKind kind, TimestampTz now, int64 mono)
{
	RarrVerifierSchedule *schedule = &slot->schedules[kind];
	int64 since;

	if (kind == RARR_VERIFY_LAPSES && (TimestampTz) pg_atomic_read_u64(&slot->next_lapse) > now)
		return false;
	since = mono - (int64) pg_atomic_read_u64(&schedule->last_step);
	if (since < (int64) pg_atomic_read_u64(&schedule->pause))
		return false;
	return kind == RARR_VERIFY_LAPSES || pg_atomic_read_u64(&schedule->resting) == 0 ||
		   since >= (int64) rarr_agenda_refresh * 1000;
}

/*
 * Is a step of one of the type's verifier scans due?  now: by the system clock;
 * mono: by rarr_monotonic_now().  Needs no lock and raises no error.
 */
bool
rarr_agenda_verify_is_due(const RarrAgendaRef *ref, TimestampTz now, int64 mono)
{
	for (int i = 0; i < RARR_VERIFIER_SCANS; i++)
		if (is_due(ref->slot, i, now, mono))
			return true;
	return false;
}

/*
 * When the next step of this scan is due, as in is_due(), by the system clock.
 */
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
 * Return the time at which a session must next look for jobs of a slot's type:
 * a job falls due, or a step of a verifier scan is due.  What was due at the
 * time `looked` could not be claimed, so it counts as due at `retry`.  These
 * times are by the system clock; mono is now by rarr_monotonic_now().  Needs no
 * lock and raises no error.
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

/* Give up this backend's turn, if it has one.  Cannot fail. */
static void
release_turn(void)
{
	if (turn_ref.slot == NULL)
		return;
	if (rarr_agenda_lock(&turn_ref, LW_EXCLUSIVE))
	{
		if (turn_ref.slot->turn == turn_number)
			turn_ref.slot->turn = 0;
		LWLockRelease(&turn_ref.slot->lock);
	}
	turn_ref.slot = NULL;
}

/* Take the turn, unless another backend uses it.  Needs the slot's lock. */
static bool
take_turn(Step *step, RarrAgendaSlot *slot)
{
	int64 idle = step->began - (int64) pg_atomic_read_u64(&slot->turn_alive);

	if (slot->turn != 0 && idle < TURN_TIMEOUT)
		return false;
	step->turn = slot->turn = ++slot->turns;
	pg_atomic_write_u64(&slot->turn_alive, (uint64) step->began);
	return true;
}

/* Lock the slot, if the step still has its turn. */
static bool
lock_turn(Step *step)
{
	if (!rarr_agenda_lock(&step->ref, LW_EXCLUSIVE))
		step->lost = true;
	else if (step->ref.slot->turn != step->turn)
	{
		LWLockRelease(&step->ref.slot->lock);
		step->lost = true;
	}
	return !step->lost;
}

/*
 * Report progress.  A step that has lost its turn does so, too.  This can only
 * delay the next change of turns.
 */
static void
report_progress(const Step *step)
{
	pg_atomic_write_u64(&step->ref.slot->turn_alive, (uint64) rarr_monotonic_now());
}

/*
 * Begin a step, if one is due and the turn can be taken.  The step continues
 * where the scan's last completed step ended.
 */
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
		LWLockRelease(&ref->slot->lock);
		return false;
	}
	step->ref = *ref;
	step->left = STEP_ENTRIES;
	scan = &slot->scans[step->kind];
	if (!scan->under_way)
	{
		scan->under_way = true;
		scan->priority = RARR_PRIORITIES - 1;
		scan->pos = rarr_first_queue_pos;
		scan->lapse = DT_NOEND;
		scan->added_lapse = DT_NOEND;
	}
	/*
	 * No step of this round has ended within a group.  If the scan is in a
	 * group, a step that failed has left it there.
	 */
	if (rarr_queue_pos_compare(&scan->pos, &rarr_first_queue_pos) == 0)
		scan->group = -1;
	step->priority = scan->priority;
	step->pos = scan->pos;
	turn_ref = *ref;
	turn_number = step->turn;
	LWLockRelease(&ref->slot->lock);
	return true;
}

/*
 * Record what the row in the step's slot means for the agenda.  pos is the
 * row's queue position, and bound the lower bound of its group.
 */
static void
check_row(Step *step, const RarrQueuePos *pos, const RarrQueuePos *bound, ScanResult *result)
{
	RarrRunning job = {true, *pos, *pos, DT_NOEND};
	RarrJobStatus status;
	bool changing;
	bool available;

	slot_getallattrs(step->slot);
	status = rarr_job_status(step->slot);
	changing = rarr_job_is_being_changed(step->slot);
	if (status != JOB_QUEUED && status != JOB_RUNNING)
		return;

	/*
	 * The transaction that is changing the row has queued pending entries for
	 * commit and for abort.
	 */
	if (changing)
		available = false;
	else if (status == JOB_QUEUED)
		available = rarr_queue_pos_compare(pos, bound) < 0;
	else
	{
		TimestampTz lease = rarr_job_time(step->slot, JOB_LEASE_EXPIRES_AT);

		available = lease <= step->now;
		if (!available)
			job.lease = lease;
	}
	if (changing || status == JOB_RUNNING)
		rarr_running_add(&result->running, &job);
	if (!available)
		return;
	if (!result->available)
		result->available_pos = *pos;
	result->available = true;
}

/*
 * Scan the step's group from the step's position up to end, which is
 * exclusive.  Returns true if the group is done, false if the step may visit
 * no more entries.
 */
static bool
scan_group(Step *step, const RarrQueuePos *end, const RarrQueuePos *bound, ScanResult *result)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	RarrQueuePos pos;
	bool done = true;

	rarr_dequeue_scan_group(&step->scan, snapshot, step->priority, &step->pos, DT_NOEND);
	while (rarr_dequeue_scan_next_entry(&step->scan, &pos) && rarr_queue_pos_compare(&pos, end) < 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (step->left % ALIVE_ENTRIES == 0)
			report_progress(step);
		if (step->left-- == 0)
		{
			done = false;
			step->pos = pos;
			break;
		}
		if (index_fetch_heap(step->scan.scan, step->slot))
			check_row(step, &pos, bound, result);
	}
	if (done)
		step->pos = *end;
	ExecClearTuple(step->slot);
	rarr_dequeue_scan_end(&step->scan);
	UnregisterSnapshot(snapshot);
	return done;
}

/*
 * Narrow the range of the group's running jobs.  Between from and the step's
 * position only the jobs in result are running, and those that were added
 * during the step.  The start of the range moves there if it was in this part.
 * The end of the range is known when the group is done.
 */
static void
narrow_running(Step *step, const RarrQueuePos *from, bool done, const ScanResult *result)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	RarrQueuePos first = result->running.any ? result->running.first : step->pos;
	int p = step->priority;

	if (result->running.any)
		scan->lapse = Min(scan->lapse, result->running.lease);
	if (scan->group != p)
		return; /* the agenda was reset meanwhile */
	if (rarr_queue_pos_compare(&scan->added_first, &first) < 0)
		first = scan->added_first;
	if (rarr_queue_pos_compare(&slot->running_first[p], from) >= 0 &&
		rarr_queue_pos_compare(&slot->running_first[p], &first) < 0)
		slot->running_first[p] = first;
	if (result->running.any)
		scan->seen_last = result->running.last;
	if (!done)
		return;
	slot->running_last[p] = scan->seen_last;
	if (rarr_queue_pos_compare(&scan->added_last, &scan->seen_last) > 0)
		slot->running_last[p] = scan->added_last;
	scan->group = -1;
}

/*
 * Apply what the step found in a group.
 *
 * A claimable job lowers the bound even if the turn was lost.  A lapsed job
 * beyond the bound does so, too: the bound stays, but lower_count grows, so
 * that a claim whose snapshot is older cannot advance the bound past the job.
 */
static void
report(Step *step, const RarrQueuePos *from, const RarrQueuePos *bound, bool done, const ScanResult *result)
{
	if (lock_turn(step))
	{
		if (step->kind == RARR_VERIFY_LAPSES)
			narrow_running(step, from, done, result);
		if (result->available && rarr_queue_pos_compare(&result->available_pos, bound) < 0)
			step->ref.slot->found[step->priority]++;
		LWLockRelease(&step->ref.slot->lock);
	}
	if (result->available)
		rarr_agenda_lower_bound(&step->ref, step->priority, &result->available_pos, 1);
}

/*
 * Enter the step's group, or continue in it: set the step's position, the
 * exclusive end of the scan, and the group's lower bound.  Returns false if
 * there is nothing to scan, or if the turn was lost.
 */
static bool
enter_group(Step *step, RarrQueuePos *end, RarrQueuePos *bound)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	int p = step->priority;

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
			scan->seen_last = scan->added_last = rarr_first_queue_pos;
			step->pos = slot->running_first[p];
		}
		scan->added_first = rarr_last_queue_pos;
		*end = rarr_queue_pos_after(&slot->running_last[p]);
		if (rarr_queue_pos_compare(&step->pos, end) >= 0)
			scan->group = -1;
	}
	LWLockRelease(&step->ref.slot->lock);
	return rarr_queue_pos_compare(&step->pos, end) < 0;
}

/* Scan as much of the step's group as it may.  True if the group is done. */
static bool
step_through_group(Step *step)
{
	ScanResult result = {0};
	RarrQueuePos from;
	RarrQueuePos end;
	RarrQueuePos bound;
	bool done;

	if (!enter_group(step, &end, &bound))
		return true;
	from = step->pos;
	done = scan_group(step, &end, &bound, &result);
	report(step, &from, &bound, done, &result);
	return done;
}

/* Store where the next step begins, and when. */
static void
end_step(Step *step, bool round_done)
{
	RarrAgendaSlot *slot = step->ref.slot;
	RarrVerifierScan *scan = &slot->scans[step->kind];
	RarrVerifierSchedule *schedule = &slot->schedules[step->kind];
	bool lapses = step->kind == RARR_VERIFY_LAPSES;
	int64 pause = (rarr_monotonic_now() - step->began) * (lapses ? LAPSES_PAUSE : EVERYTHING_PAUSE);

	if (!lock_turn(step))
		return;
	scan->under_way = !round_done;
	scan->priority = step->priority;
	scan->pos = step->pos;
	if (round_done && lapses)
		pg_atomic_write_u64(&slot->next_lapse, (uint64) Min(scan->lapse, scan->added_lapse));
	if (round_done)
		scan->last_round = step->now;
	pg_atomic_write_u64(&schedule->last_step, (uint64) step->began);
	pg_atomic_write_u64(&schedule->pause, (uint64) Min(pause, LONGEST_PAUSE));
	pg_atomic_write_u64(&schedule->resting, round_done ? 1 : 0);
	LWLockRelease(&step->ref.slot->lock);
}

/* Take a step of one scan, if one is due and the turn can be taken. */
static void
take_step(RarrAgendaKey *key, Relation jobs, Relation index, RarrVerifierKind kind, TimestampTz now)
{
	Step step = {.kind = kind, .now = now, .began = rarr_monotonic_now()};
	bool done = true;

	if (!begin_step(&step, key))
		return;
	rarr_dequeue_scan_init(&step.scan, jobs, index, key->head.name);
	step.slot = MakeSingleTupleTableSlot(RelationGetDescr(jobs), table_slot_callbacks(jobs));
	while (done && step.priority >= 0 && !step.lost)
	{
		done = step_through_group(&step);
		if (done)
		{
			step.priority--;
			step.pos = rarr_first_queue_pos;
		}
	}
	ExecDropSingleTupleTableSlot(step.slot);
	end_step(&step, done);
	release_turn();
}

/*
 * Take a step of each of a type's verifier scans, if one is due and no other
 * backend is taking one.  jobs and index: processing_jobs and its dequeue
 * index; now: by the system clock.
 *
 * Needs an active snapshot, but uses the latest one at any isolation level: if
 * all workers use REPEATABLE READ, nobody else notices the end of a lease.
 * Raises no errors but those of an index scan.
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

/* Register the callbacks.  Called while the library is preloaded. */
void
rarr_agenda_verify_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
