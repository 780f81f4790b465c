/*
 * task.c
 *		Tasks of maintenance: what the background worker does.
 *
 * A part of the extension that has something to do now and then registers a
 * task.  The background worker (ops/worker) runs the tasks of each database
 * when they are due, and run_maintenance() runs all of them once.  Both know
 * no more of a task than what this file has.
 *
 * A task that has nothing to do says when it has, or is woken: whoever makes
 * something due earlier calls rarr_task_wake() or rarr_task_wake_at_commit().
 * Each task runs once after the server's start, and so need not remember when
 * it is due.
 *
 * What takes long has own_process set, or starts processes: see RarrProcess.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/task.h"

#define MAX_PROCESSES 16

void (*rarr_task_wake_hook)(int task, TimestampTz at) = NULL;
void (*rarr_task_installed_hook)(void) = NULL;
void (*rarr_task_progress_hook)(const char *text) = NULL;

static const RarrTask *tasks[RARR_MAX_TASKS];
static int ntasks = 0;
static const RarrProcess *processes[MAX_PROCESSES];
static int nprocesses = 0;

/* when tasks are due that the current transaction wakes; DT_NOEND: it does not */
static TimestampTz wake_at[RARR_MAX_TASKS];
static bool any_to_wake = false;
static bool all_to_wake = false; /* soon */
static bool installed = false;   /* by the current transaction: the extension */

/* the delay after which all tasks run, which bounds how often that can be */
#define SOON USECS_PER_SEC

/* At the transaction's end: wake what it asked for.  Cannot fail. */
static void
at_xact_end(XactEvent event, void *arg)
{
	TimestampTz soon = DT_NOEND;

	if (!any_to_wake || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	if (all_to_wake)
		soon = GetCurrentTimestamp() + SOON;
	any_to_wake = all_to_wake = false;
	if (installed && event == XACT_EVENT_COMMIT && rarr_task_installed_hook != NULL)
		rarr_task_installed_hook();
	installed = false;
	for (int i = 0; i < ntasks; i++)
	{
		TimestampTz at = Min(wake_at[i], soon);

		/* COMMIT PREPARED wakes all tasks (ops/make_way.c) */
		if (at != DT_NOEND && event == XACT_EVENT_COMMIT)
			rarr_task_wake(tasks[i], at);
		wake_at[i] = DT_NOEND;
	}
}

/*
 * Register a task.  Called when the library is loaded.  Tasks that are due
 * together run in the order of their registration.
 */
void
rarr_task_register(const RarrTask *task)
{
	if (ntasks == RARR_MAX_TASKS)
		elog(ERROR, "too many tasks");
	if (ntasks == 0)
		RegisterXactCallback(at_xact_end, NULL);
	wake_at[ntasks] = DT_NOEND;
	tasks[ntasks++] = task;
}

/* Register what a process can do.  Called when the library is loaded. */
void
rarr_process_register(const RarrProcess *process)
{
	if (nprocesses == MAX_PROCESSES)
		elog(ERROR, "too many kinds of processes");
	processes[nprocesses++] = process;
}

/* There is more to do: run the task again, after other tasks that are due. */
void
rarr_task_again(RarrTaskRun *run)
{
	run->next = DT_NOBEGIN;
}

/*
 * The next run is due this many milliseconds from now, or before that, if one
 * of these functions says so.
 */
void
rarr_task_after(RarrTaskRun *run, int64 msec)
{
	rarr_task_at(run, GetCurrentTimestamp() + msec * 1000);
}

/* The same for a time. */
void
rarr_task_at(RarrTaskRun *run, TimestampTz at)
{
	run->next = Min(run->next, at);
}

/*
 * Start a process after the run's transaction has committed.  role: that it
 * logs in as; InvalidOid for the bootstrap superuser, if it changes to another
 * role by itself.  arg: len bytes, at most RARR_PROCESS_ARG_MAX, that its main
 * function gets.
 *
 * If the process cannot be started, the run counts as failed, and the task
 * runs again after a while.  So what the process does must be recorded as begun
 * by the process, and not by the run.
 */
void
rarr_task_start_process(RarrTaskRun *run, const RarrProcess *process, Oid role,
						const void *arg, Size len)
{
	MemoryContext old = MemoryContextSwitchTo(run->cxt);
	RarrProcessRequest *request = palloc0(sizeof(RarrProcessRequest));

	if (len > RARR_PROCESS_ARG_MAX)
		elog(ERROR, "argument of a process is too long: %zu bytes", len);
	request->process = process;
	request->role = role;
	if (len > 0)
		memcpy(request->arg, arg, len);
	run->processes = lappend(run->processes, request);
	MemoryContextSwitchTo(old);
}

/*
 * Say how far the task or the process is that runs in this session, for
 * worker_status().  The text is cut to some hundred bytes.  Does nothing in
 * other sessions.
 */
void
rarr_task_progress(const char *text)
{
	if (rarr_task_progress_hook != NULL)
		rarr_task_progress_hook(text);
}

/*
 * A task of this database is due at this time, unless it is due earlier;
 * DT_NOBEGIN for at once.  Cannot fail, and may be called in callbacks of
 * transactions.  Does nothing if the library is not preloaded.
 */
void
rarr_task_wake(const RarrTask *task, TimestampTz at)
{
	if (rarr_task_wake_hook == NULL)
		return;
	for (int i = 0; i < ntasks; i++)
		if (tasks[i] == task)
			rarr_task_wake_hook(i, at);
}

/*
 * The same when the current transaction commits, so that the task sees what it
 * wrote.  Cannot fail.
 */
void
rarr_task_wake_at_commit(const RarrTask *task, TimestampTz at)
{
	for (int i = 0; i < ntasks; i++)
		if (tasks[i] == task)
			wake_at[i] = Min(wake_at[i], at);
	any_to_wake = true;
}

/*
 * The current transaction may install, update or drop the extension, or commit a
 * prepared one, which can have woken any task: have the background worker look at
 * the database when it commits.  with: at once, because the transaction installs
 * or updates it; otherwise a second later, because any role can cause that at any
 * rate.  Cannot fail.
 */
void
rarr_task_wake_all_at_commit(bool with)
{
	any_to_wake = all_to_wake = true;
	installed = installed || with;
}

/* How many tasks there are. */
int
rarr_task_count(void)
{
	return ntasks;
}

/* The task with this number, from 0 on, in the order of registration. */
const RarrTask *
rarr_task_get(int i)
{
	return tasks[i];
}

/* The kind of process of this name, or NULL. */
const RarrProcess *
rarr_process_find(const char *name)
{
	for (int i = 0; i < nprocesses; i++)
		if (strcmp(processes[i]->name, name) == 0)
			return processes[i];
	return NULL;
}

/*
 * Begin a transaction of a process, with an active snapshot.  The settings that
 * the role or the database has for transactions do not apply to it.
 */
void
rarr_process_begin(void)
{
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	XactDeferrable = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* End it. */
void
rarr_process_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}
