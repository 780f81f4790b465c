/*
 * rescue.c
 *		A maintenance task: record lapses that no dequeue has recorded.
 *
 * A dequeue that reads a job whose lease has ended claims it, or records the
 * lapse.  If nobody dequeues a job's type, because its workers are gone or the
 * type is paused or at a limit, this task does: the job becomes queued again,
 * or failed.  It waits for researcharr.rescue_delay after the end of the lease,
 * because until then a slow worker can still complete its job.
 *
 * The agenda knows when the first lease of a type ends and where its running
 * jobs are (agenda/running.c).  The task visits them in steps of some hundred
 * index entries, each in a transaction of its own, with pauses.  For a type
 * without a slot in the agenda, or without preload, it visits all unfinished
 * jobs.
 *
 * A step first collects the jobs, and then records their lapses in a
 * subtransaction.  If that fails, each job gets a subtransaction of its own, so
 * that a job that users' rules refuse does not stop the others.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "base/foreign_code.h"
#include "base/guc.h"
#include "base/own_index.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "base/task.h"
#include "job/agenda/running.h"
#include "job/call.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/job.h"
#include "job/lapse.h"

/* the most index entries that a step visits, and lapses that it records */
#define STEP_ENTRIES 500
#define STEP_LAPSES  100

/* the pause after a step, as a multiple of its length */
#define PAUSE 9

/* a lapse that could not be recorded is tried again after this */
#define RETRY (60 * USECS_PER_SEC)

/* types without a slot are looked at so often, in microseconds */
#define SLOTLESS_PAUSE (10 * USECS_PER_MINUTE)

/* One step through the jobs of a type. */
typedef struct Step
{
	RarrPassStep pass;
	TimestampTz now;
	int left; /* number of index entries that it may still visit */
	RarrDequeueScan scan;
	TupleTableSlot *slot;
	RarrRunning running; /* jobs found in the current group, for a survey */
	int n;               /* jobs whose lapse is to be recorded */
	pg_uuid_t jobs[STEP_LAPSES];
} Step;

/*
 * The pass over the types that have no slot: where its next step begins.  With
 * a priority of -1, that is behind all jobs of the type.
 */
static struct
{
	char type[RARR_TYPE_NAME_MAX + 1];
	int priority;
	RarrQueuePos pos;
} slotless = {"", -1, {0}};

/* Leave a running job for a later pass, which begins when its lease ends. */
static void
leave_job(Step *step, TimestampTz lease)
{
	step->pass.left = Min(step->pass.left, lease);
}

/* Look at the row in the step's slot, which is at this position. */
static void
check_row(Step *step, const RarrQueuePos *pos)
{
	RarrRunning job = {true, *pos, *pos, DT_NOEND};

	slot_getallattrs(step->slot);
	if (rarr_job_is_null(step->slot, JOB_STATUS) || !rarr_job_has_status(step->slot) ||
		rarr_job_status(step->slot) != JOB_RUNNING || rarr_job_is_null(step->slot, JOB_LEASE_EXPIRES_AT))
		return;
	/* who is changing the row tells the agenda of it */
	if (rarr_job_is_being_changed(step->slot))
		return;
	job.lease = rarr_job_time(step->slot, JOB_LEASE_EXPIRES_AT);
	rarr_running_add(&step->running, &job);
	if (job.lease <= step->now - (int64) rarr_rescue_delay * USECS_PER_SEC)
		step->jobs[step->n++] = *rarr_job_id(step->slot);
	else
		leave_job(step, job.lease);
}

/*
 * Scan a group from a position to end, exclusive.  Returns false, with the
 * position set to where to go on, if the step has visited enough.
 */
static bool
scan_group(Step *step, int priority, RarrQueuePos *pos, const RarrQueuePos *end)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	RarrQueuePos at;
	bool done = true;

	rarr_dequeue_scan_group(&step->scan, snapshot, priority, pos, DT_NOEND);
	while (done && rarr_dequeue_scan_next_entry(&step->scan, &at) && rarr_queue_pos_compare(&at, end) < 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (step->left-- <= 0 || step->n == STEP_LAPSES)
		{
			*pos = at;
			done = false;
		}
		else if (index_fetch_heap(step->scan.scan, step->slot))
			check_row(step, &at);
	}
	ExecClearTuple(step->slot);
	rarr_dequeue_scan_end(&step->scan);
	UnregisterSnapshot(snapshot);
	return done;
}

/* Scan the next groups.  Returns true if all are done. */
static bool
scan_groups(Step *step)
{
	RarrPassStep *pass = &step->pass;

	for (; pass->priority >= 0; pass->priority--, pass->pos = rarr_first_queue_pos)
	{
		RarrQueuePos first = rarr_first_queue_pos;
		RarrQueuePos end = rarr_last_queue_pos;
		bool done;

		if (pass->ref.slot != NULL && !rarr_agenda_pass_range(pass, pass->priority, &first, &end))
			continue;
		if (rarr_queue_pos_compare(&pass->pos, &first) < 0)
			pass->pos = first;
		step->running.any = false;
		done = scan_group(step, pass->priority, &pass->pos, &end);
		if (pass->ref.slot != NULL && pass->survey && step->running.any)
			rarr_agenda_add_running(&pass->ref, pass->priority, &step->running);
		if (!done)
			return false;
	}
	return true;
}

/* Record the lapse of one job, if it is still to be recorded. */
static void
record_lapse(Step *step, RarrJobCall *call, const pg_uuid_t *id)
{
	TupleTableSlot *slot = call->jobs->oldslot;
	RarrLapse lapse;
	int64 delay = 0;

	if (!rarr_job_call_lock(call, UUIDPGetDatum(id)))
	{
		leave_job(step, step->now + RETRY - (int64) rarr_rescue_delay * USECS_PER_SEC);
		return;
	}
	if (rarr_job_status(slot) != JOB_RUNNING || rarr_job_is_null(slot, JOB_LEASE_EXPIRES_AT) ||
		rarr_job_time(slot, JOB_LEASE_EXPIRES_AT) > call->now - (int64) rarr_rescue_delay * USECS_PER_SEC)
		return;
	lapse = rarr_lapse_of(slot);
	if (lapse == RARR_LAPSE_AGAIN)
		delay = rarr_lapse_delay(slot, rarr_job_type_of(slot));
	if (!rarr_lapse_record(call->jobs, &call->log, lapse, delay, call->now))
		leave_job(step, step->now + RETRY - (int64) rarr_rescue_delay * USECS_PER_SEC);
}

/* Some of a step's jobs. */
typedef struct Batch
{
	Step *step;
	const pg_uuid_t *jobs;
	int n;
} Batch;

/* The body of a subtransaction: record the lapses of a batch. */
static bool
record_batch(void *arg)
{
	Batch *batch = arg;
	RarrJobCall call;

	rarr_job_call_begin(&call, "the maintenance task lease_rescue");
	call.wait = LockWaitSkip;
	for (int i = 0; i < batch->n; i++)
		record_lapse(batch->step, &call, &batch->jobs[i]);
	rarr_job_call_end(&call);
	return true;
}

static bool
is_about_jobs(const ErrorData *error, void *arg)
{
	return rarr_error_is_about_data(error);
}

/* Record the lapses of the step's jobs. */
static void
record_lapses(Step *step)
{
	Batch all = {step, step->jobs, step->n};
	ErrorData *error;

	if (step->n == 0 || rarr_subtransaction(record_batch, is_about_jobs, &all, &error))
		return;
	for (int i = 0; i < step->n; i++)
	{
		Batch one = {step, &step->jobs[i], 1};

		if (rarr_subtransaction(record_batch, is_about_jobs, &one, &error))
			continue;
		leave_job(step, step->now + RETRY - (int64) rarr_rescue_delay * USECS_PER_SEC);
		ereport(LOG,
				(errmsg("researcharr: the lapsed lease of job %s cannot be recorded: %s",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&step->jobs[i]))),
						error->message)));
	}
}

/* Take a step, whose pass is set.  Returns true if the pass is done. */
static bool
take_step(Step *step, Relation jobs, Relation index, const RarrJobType *type)
{
	bool done;

	rarr_dequeue_scan_init(&step->scan, jobs, index, type->name);
	step->slot = MakeSingleTupleTableSlot(RelationGetDescr(jobs), table_slot_callbacks(jobs));
	done = scan_groups(step);
	ExecDropSingleTupleTableSlot(step->slot);
	record_lapses(step);
	return done;
}

/* Does the type have unfinished jobs? */
static bool
has_jobs(Relation jobs, Relation index, const RarrJobType *type)
{
	TupleTableSlot *slot = table_slot_create(jobs, NULL);
	RarrDequeueScan scan;
	bool result;

	rarr_dequeue_scan_init(&scan, jobs, index, type->name);
	rarr_dequeue_scan_below(&scan, GetActiveSnapshot(), RARR_PRIORITIES);
	result = rarr_dequeue_scan_next_job(&scan, slot);
	rarr_dequeue_scan_end(&scan);
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

/*
 * Take a step through a type's jobs, if one is due.  Returns when the next one
 * is: DT_NOBEGIN for at once.
 */
static TimestampTz
visit_by_agenda(const RarrAgendaRef *ref, Relation jobs, Relation index, const RarrJobType *type, TimestampTz now)
{
	Step step = {.now = now, .left = STEP_ENTRIES};
	TimestampTz lease = rarr_agenda_first_lease(ref);
	int64 delay = (int64) rarr_rescue_delay * USECS_PER_SEC;
	bool done;

	if (lease == DT_NOEND)
		return DT_NOEND;
	if (lease != DT_NOBEGIN && lease + delay > now)
		return lease + delay;
	if (!rarr_agenda_pass_begin(ref, &step.pass))
		return DT_NOBEGIN;
	done = take_step(&step, jobs, index, type);
	rarr_agenda_pass_end(&step.pass, done);
	if (!done)
		return DT_NOBEGIN;
	lease = rarr_agenda_first_lease(ref);
	return lease == DT_NOEND || lease == DT_NOBEGIN ? lease : lease + delay;
}

/*
 * Take a step through the jobs of the next type without a slot, in the order of
 * names.  Returns DT_NOBEGIN if there is more to do, and DT_NOEND at the end of
 * the pass.
 */
static TimestampTz
visit_slotless(List *types, Relation jobs, Relation index, TimestampTz now)
{
	ListCell *lc;

	foreach (lc, types)
	{
		const RarrJobType *type = lfirst(lc);
		Step step = {.now = now, .left = STEP_ENTRIES};
		int order = strcmp(type->name, slotless.type);

		if (order < 0 || (order == 0 && slotless.priority < 0) || !has_jobs(jobs, index, type))
			continue;
		if (order > 0)
		{
			strlcpy(slotless.type, type->name, sizeof(slotless.type));
			slotless.priority = RARR_PRIORITIES - 1;
			slotless.pos = rarr_first_queue_pos;
		}
		step.pass.priority = slotless.priority;
		step.pass.pos = slotless.pos;
		(void) take_step(&step, jobs, index, type);
		slotless.priority = step.pass.priority;
		slotless.pos = step.pass.pos;
		return DT_NOBEGIN;
	}
	slotless.type[0] = '\0';
	slotless.priority = -1;
	return DT_NOEND;
}

/*
 * Take a step through the jobs of each type for which one is due.  Returns when
 * the next one is: DT_NOBEGIN for at once.
 */
static TimestampTz
visit_types(Relation jobs, Relation index, TimestampTz now)
{
	List *slotless_types = NIL;
	TimestampTz next = now + SLOTLESS_PAUSE;
	ListCell *lc;

	foreach (lc, rarr_job_types_all())
	{
		const RarrJobType *type = lfirst(lc);
		RarrAgendaKey *key = rarr_agenda_type_key(RelationGetRelid(jobs), type);
		const RarrAgendaRef *ref = rarr_agenda_ref(key, false);

		if (ref == NULL && rarr_agenda_is_there() && has_jobs(jobs, index, type))
			ref = rarr_agenda_ref(key, true);
		if (ref != NULL)
			next = Min(next, visit_by_agenda(ref, jobs, index, type, now));
		else
			slotless_types = lappend(slotless_types, unconstify(RarrJobType *, type));
	}
	return Min(next, visit_slotless(slotless_types, jobs, index, now));
}

/* The task's run. */
static void
rescue(RarrTaskRun *run)
{
	int64 began = rarr_monotonic_now();
	Relation jobs = rarr_relation_open(rarr_job_table.name, RowExclusiveLock);
	Relation index;
	TimestampTz next;

	rarr_check_columns(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, false);
	rarr_refuse_foreign_code(jobs);
	index = rarr_index_open(jobs, &rarr_job_dequeue_index, AccessShareLock);
	next = visit_types(jobs, index, run->now);
	index_close(index, NoLock);
	relation_close(jobs, NoLock);
	if (next != DT_NOBEGIN)
		rarr_task_at(run, next);
	else if (run->by_hand)
		rarr_task_again(run);
	else
		rarr_task_after(run, (rarr_monotonic_now() - began) * PAUSE / 1000 + 1);
}

static const RarrTask rescue_task = {
	.name = "lease_rescue",
	.activity = "returning jobs whose leases have ended to the queue",
	.time_limit = 10000,
	.lock_timeout = 1000,
	.run = rescue,
};

/* A lease ends at this time: the task is due after the delay. */
static void
wake_task(TimestampTz lease)
{
	rarr_task_wake(&rescue_task, lease == DT_NOBEGIN ? lease : lease + (int64) rarr_rescue_delay * USECS_PER_SEC);
}

/* Register the task.  Called when the library is loaded. */
void
rarr_job_register_tasks(void)
{
	rarr_agenda_lease_added = wake_task;
	rarr_task_register(&rescue_task);
}
