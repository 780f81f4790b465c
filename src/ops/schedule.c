/*
 * schedule.c
 *		The schedule: the task that starts what is due.
 *
 * An entry (schedule_entries, or built in) says when it is due and what is done
 * then.  The task finds the due times that came since it last looked, requests
 * a run for the last one of each entry (schedule_log.c), and starts processes
 * for requested runs (schedule_process.c).  It keeps nothing in memory.
 *
 * A due time is late if it is requested or started more than a minute after it.
 * If it is late, or is not the first one since the task last looked, times
 * were missed: the server was down, or the run before took long.  One run
 * catches all of them up, or they are skipped.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/guc.h"
#include "base/task.h"
#include "ops/cron_next.h"
#include "ops/schedule.h"
#include "ops/schedule_enqueue.h"
#include "ops/schedule_log.h"
#include "ops/schedule_process.h"
#include "ops/schedule_sql.h"
#include "ops/schedule_wake.h"

/* a due time is late after this, in microseconds */
#define LATE (60 * USECS_PER_SEC)

/* a process that has not begun its run after this, in microseconds, is asked for again */
#define LAUNCH_INTERVAL (15 * USECS_PER_SEC)
#define MAX_LAUNCHES    4

/* how often the task looks for the end of runs, in milliseconds; processes wake it as well */
#define LOOK_INTERVAL 10000

static const char *const missed = "it was missed, and the entry does not catch up";

/* Return the last due time up to now, if the first after this time is due. */
static TimestampTz
last_due(const RarrScheduleEntry *entry, TimestampTz first, TimestampTz now)
{
	TimestampTz low = first - 1; /* something is due after this, and up to now */
	TimestampTz high = now;      /* nothing is */
	TimestampTz due = first;

	while (high - low > 1)
	{
		TimestampTz middle = low + (high - low) / 2;
		TimestampTz next;

		if (rarr_cron_next(&entry->when, entry->tz, middle, &next) && next <= now)
		{
			due = next;
			low = next;
		}
		else
			high = middle;
	}
	return due;
}

/* Request a run for the entry's due times, from the first one. */
static void
handle_due(const RarrScheduleEntry *entry, TimestampTz first, TimestampTz now)
{
	TimestampTz due = last_due(entry, first, now);
	bool late = now - due > LATE;

	/* Somebody who sets the entry now has handled them. */
	if (!rarr_schedule_advance_state(entry->name, due))
		return;
	if (late && !entry->catch_up)
		rarr_schedule_log_skip(entry, due, missed);
	else
		(void) rarr_schedule_log_request(entry, late || due != first ? "catch-up" : "schedule", &due);
	rarr_schedule_log_prune(entry->name, rarr_schedule_keep_runs);
}

/* Look whether an entry is due, and when it will be. */
static void
look_at_entry(RarrTaskRun *run, RarrScheduleEntry *entry, TimestampTz now)
{
	TimestampTz since = entry->has_state ? entry->handled_until : now;
	TimestampTz next;

	if (entry->is_stale)
		rarr_schedule_adopt(entry);
	if (entry->problem != NULL || entry->paused || rarr_schedule_command_idle(entry->def) != NULL)
		return;
	if (!entry->has_state)
		(void) rarr_schedule_advance_state(entry->name, now);
	if (!rarr_cron_next(&entry->when, entry->tz, since, &next))
		return;
	if (next <= now)
	{
		handle_due(entry, next, now);
		if (!rarr_cron_next(&entry->when, entry->tz, now, &next))
			return;
	}
	rarr_task_at(run, next);
}

/* Return why a requested run cannot start at all, or NULL. */
static const char *
request_problem(const RarrScheduleEntry *entry)
{
	const char *problem = entry->problem;

	if (problem == NULL)
		problem = rarr_schedule_command_idle(entry->def);
	if (problem == NULL)
		problem = rarr_schedule_owner_problem(entry);
	return problem;
}

/*
 * Start a requested run, unless it has to wait or cannot start.  *running is
 * the number of runs that go on or are being started.
 */
static void
start_request(RarrTaskRun *run, const RarrScheduleRequest *request, const RarrScheduleEntry *entry, TimestampTz now,
			  int *running)
{
	TimestampTz waited = now - request->launched_at;
	const char *problem;

	if (entry == NULL)
	{
		rarr_schedule_log_finish(&request->id, "cancelled", NULL, "the entry was dropped");
		return;
	}
	problem = request_problem(entry);
	if (problem == NULL && request->launches >= MAX_LAUNCHES && waited >= LAUNCH_INTERVAL)
		problem = psprintf("no process could log in as role \"%s\" and begin it; the server's log says why",
						   entry->owner);
	if (problem != NULL)
	{
		rarr_schedule_log_finish(&request->id, "failed", NULL, problem);
		return;
	}
	if (request->is_due && !entry->catch_up && request->launches == 0 && now - request->due_at > LATE)
	{
		rarr_schedule_log_finish(&request->id, "skipped", NULL, missed);
		return;
	}
	if (request->launches > 0)
		(*running)++;
	if (request->is_busy || (request->launches > 0 && waited >= 0 && waited < LAUNCH_INTERVAL) ||
		(request->launches == 0 && *running >= Min(rarr_schedule_max_runs, rarr_max_workers - 1)))
		return;
	if (request->launches == 0)
		(*running)++;
	rarr_schedule_log_launched(&request->id);
	rarr_task_start_process(run, &rarr_schedule_process, entry->def->admin_only ? InvalidOid : entry->role,
							&request->id, sizeof(request->id));
}

static RarrScheduleEntry *
find_entry(List *entries, const char *name)
{
	ListCell *lc;

	foreach (lc, entries)
	{
		RarrScheduleEntry *entry = lfirst(lc);

		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

/* The task. */
static void
run_schedule(RarrTaskRun *run)
{
	TimestampTz now = GetCurrentTimestamp();
	List *entries = rarr_schedule_read(NULL);
	List *requests;
	ListCell *lc;
	int running;

	rarr_schedule_log_settle();
	foreach (lc, entries)
	{
		CHECK_FOR_INTERRUPTS();
		rarr_schedule_check_entry(lfirst(lc));
		look_at_entry(run, lfirst(lc), now);
	}
	requests = rarr_schedule_log_requests(&running);
	if (requests != NIL || running > 0)
		rarr_task_after(run, LOOK_INTERVAL);
	foreach (lc, requests)
	{
		RarrScheduleRequest *request = lfirst(lc);

		start_request(run, request, find_entry(entries, request->entry), now, &running);
	}
}

static const RarrTask schedule_task = {
	.name = "schedule",
	.activity = "starting what is due by the schedule",
	.time_limit = 30000,
	.lock_timeout = 5000,
	.run = run_schedule,
};

/* Called when the library is loaded. */
void
rarr_schedule_init(void)
{
	rarr_schedule_command_register(&rarr_schedule_enqueue);
	rarr_schedule_command_register(&rarr_schedule_sql);
	rarr_process_register(&rarr_schedule_process);
	rarr_task_register(&schedule_task);
	rarr_schedule_wake_init(&schedule_task);
}

/*
 * schedule_guard(): BEFORE trigger on the schedule's tables, for rows and for
 * TRUNCATE
 *
 * The task looks anew after the transaction.  Raises 42501 unless the current
 * user is the table's owner or a superuser: whoever could write a row could
 * have SQL run as somebody else.  Functions of the schedule change rows without
 * triggers.
 */
PG_FUNCTION_INFO_V1(researcharr_schedule_guard);
Datum
researcharr_schedule_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation rel;

	rarr_require_trigger(fcinfo, "schedule_guard");
	rel = trigdata->tg_relation;
	if (!rarr_is_owner(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" is changed by functions of the schedule only", RelationGetRelationName(rel)),
				 errhint("Call schedule_set(), schedule_drop(), schedule_pause() or schedule_resume().")));
	rarr_schedule_wake_at_commit();
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		PG_RETURN_POINTER(trigdata->tg_newtuple);
	PG_RETURN_POINTER(trigdata->tg_trigtuple);
}
