/*
 * worker.c
 *		The processes that run maintenance tasks.
 *
 * A worker runs the tasks of its database that are due, each in a transaction
 * of its own, and ends when no task is due for a while.  So nothing is
 * connected to an idle database.  A task that takes long has a process for
 * itself, and so has what a task starts (RarrProcess).
 *
 * A visitor looks whether its database has the extension, and is that
 * database's first worker if so.
 *
 * A process makes itself known in shared memory before it connects, so that a
 * session that needs the database without others can end it (make_way.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "ops/task_run.h"
#include "ops/worker.h"

/* a worker that has nothing to do for so long ends, in microseconds */
#define LINGER (2 * USECS_PER_SEC)

/* after a failed run, a task is tried again after at least and at most this */
#define FIRST_RETRY (10 * USECS_PER_SEC)
#define LAST_RETRY  USECS_PER_HOUR

#define WORKER_NAME "researcharr worker"

static RarrWorkerOrder order;
static MemoryContext worker_cxt;
static volatile sig_atomic_t idle = false;

StaticAssertDecl(sizeof(RarrWorkerOrder) <= BGW_EXTRALEN, "an order fits into bgw_extra");

/*
 * Have the server start a process.  name: what lists of processes show.
 * notify: the process to be told when it starts and ends, or 0.  handle: may be
 * NULL.  Returns false if max_worker_processes are there.
 */
bool
rarr_worker_register(const RarrWorkerOrder *what, const char *name, pid_t notify,
					 BackgroundWorkerHandle **handle)
{
	BackgroundWorker bgw = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = notify,
	};

	snprintf(bgw.bgw_name, BGW_MAXLEN, "%s", name);
	snprintf(bgw.bgw_type, BGW_MAXLEN, WORKER_NAME);
	snprintf(bgw.bgw_library_name, sizeof(bgw.bgw_library_name), "researcharr");
	snprintf(bgw.bgw_function_name, BGW_MAXLEN, "rarr_worker_main");
	memcpy(bgw.bgw_extra, what, sizeof(RarrWorkerOrder));
	return RegisterDynamicBackgroundWorker(&bgw, handle);
}

/*
 * Start what a task asked for, in this database.  Returns false if there is no
 * room, or if a session keeps workers away from the database.
 */
bool
rarr_worker_start_process(const RarrProcessRequest *request)
{
	RarrWorkerOrder what = {
		.database = MyDatabaseId, .role = request->role, .worker = -1, .kind = RARR_WORKER_PROCESS, .task = -1};

	strlcpy(what.process, request->process->name, sizeof(what.process));
	memcpy(what.arg, request->arg, sizeof(what.arg));
	if (rarr_workers != NULL)
	{
		LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
		if (rarr_worker_count(true) < rarr_max_workers - 1)
			what.worker = rarr_worker_add(RARR_WORKER_PROCESS, MyDatabaseId,
										  rarr_worker_find_database(MyDatabaseId), -1, what.process);
		if (what.worker >= 0)
			what.serial = rarr_workers->workers[what.worker].serial;
		LWLockRelease(&rarr_workers->lock);
		if (what.worker < 0)
			return false;
	}
	if (rarr_worker_register(&what, what.process, 0, NULL))
		return true;
	if (what.worker >= 0)
	{
		LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
		rarr_worker_free(what.worker);
		LWLockRelease(&rarr_workers->lock);
	}
	return false;
}

/*
 * SIGTERM: end at once.  A process that waits for its next task does so without
 * an entry in the server's log.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	if (idle)
		SignalHandlerForShutdownRequest(postgres_signal_arg);
	else
		die(postgres_signal_arg);
}

/* Note that a run did not end by itself. */
static void
abandon_run(RarrWorker *self)
{
	RarrTaskState *task;

	if (self->entry < 0 || self->task < 0)
		return;
	task = &rarr_worker_entry(self->entry)->tasks[self->task];
	if (!task->running)
		return;
	task->running = false;
	task->duration = GetCurrentTimestamp() - task->last_start;
	strlcpy(task->error, "terminated", sizeof(task->error));
	pg_atomic_write_u64(&task->next_due, (uint64) DT_NOBEGIN);
	task->not_before = GetCurrentTimestamp() + USECS_PER_SEC;
}

/* before_shmem_exit callback */
static void
detach(int code, Datum arg)
{
	RarrWorker *self = &rarr_workers->workers[order.worker];

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	if (self->serial == order.serial)
	{
		abandon_run(self);
		self->latch = NULL;
		self->pid = 0;
		self->ended = true;
		if (!self->has_launcher)
			rarr_worker_free(order.worker);
		rarr_worker_wake_launcher();
	}
	LWLockRelease(&rarr_workers->lock);
}

/* Make this process known.  Returns false if it must not connect. */
static bool
attach(void)
{
	RarrWorker *self;
	bool welcome;

	if (order.worker < 0)
		return true;
	self = &rarr_workers->workers[order.worker];
	before_shmem_exit(detach, (Datum) 0);
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	welcome = self->serial == order.serial && !rarr_worker_is_kept_away(order.database);
	if (welcome)
	{
		self->pid = MyProcPid;
		self->latch = MyLatch;
	}
	LWLockRelease(&rarr_workers->lock);
	return welcome;
}

/*
 * Settings that the owner of a database may have set for it, and that a worker
 * must not depend on at the start of a transaction.
 */
static void
override_settings(void)
{
	static const char *const off[] = {"default_transaction_deferrable", "default_transaction_read_only",
									  "zero_damaged_pages"};
	static const char *const zero[] = {"idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"};

	for (int i = 0; i < lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_SUSET, PGC_S_OVERRIDE);
	for (int i = 0; i < lengthof(zero); i++)
		SetConfigOption(zero[i], "0", PGC_SUSET, PGC_S_OVERRIDE);
	rarr_disable_transaction_timeout();
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
}

/* Show in pg_stat_activity what this process does; NULL: nothing. */
static void
show(const char *name, const char *activity)
{
	debug_query_string = activity;
	pgstat_report_appname(name);
	if (activity != NULL)
		SetCurrentStatementStartTimestamp();
	pgstat_report_activity(activity != NULL ? STATE_RUNNING : STATE_IDLE, activity);
}

/* Error context callback: which task failed. */
static void
add_context(void *arg)
{
	errcontext("maintenance task \"%s\"", ((const RarrTask *) arg)->name);
}

/* Roll back what a failed run did.  Returns the error's text, for the status. */
static char *
recover(const RarrTask *task)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(worker_cxt);
	error = CopyErrorData();
	if (rarr_task_timed_out() && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		error->message = psprintf("canceled after %d ms", task->time_limit);
		ereport(LOG, (errmsg("maintenance task \"%s\" is %s", task->name, error->message)));
	}
	else
		EmitErrorReport();
	FlushErrorState();
	rarr_task_clean_up();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(worker_cxt);
	RESUME_INTERRUPTS();
	return psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
}

/*
 * Run a task in a transaction.  Returns NULL, or the text of the error.  Sets
 * *gone if the extension is not there any more.
 */
static char *
try_task(const RarrTask *task, RarrTaskRun *run, bool *gone)
{
	char *volatile error = NULL;
	ErrorContextCallback context = {error_context_stack, add_context, unconstify(RarrTask *, task)};

	*gone = false;
	show(task->name, task->activity);
	PG_TRY();
	{
		error_context_stack = &context;
		StartTransactionCommand();
		*gone = !rarr_task_run(task, run, false);
		CommitTransactionCommand();
		error_context_stack = context.previous;
	}
	PG_CATCH();
	{
		error = recover(task);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker_cxt);
	pgstat_report_stat(true);
	show(WORKER_NAME, NULL);
	return error;
}

/* Start what the task asked for.  Returns NULL, or what stands in the way. */
static char *
start_processes(RarrTaskRun *run)
{
	ListCell *lc;

	foreach (lc, run->processes)
		if (!rarr_worker_start_process(lfirst(lc)))
			return "no process can be started at the moment";
	return NULL;
}

/* How long a task waits after so many failures in a row. */
static int64
retry_delay(int failures)
{
	return failures > 9 ? LAST_RETRY : Min(FIRST_RETRY << (failures - 1), LAST_RETRY);
}

/* Record how a run ended.  error: NULL for success. */
static void
end_run(RarrTaskState *state, const RarrTaskRun *run, int64 duration, const char *error, bool no_room)
{
	RarrWorker *self = &rarr_workers->workers[order.worker];
	TimestampTz woken;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	self->task = -1;
	self->progress[0] = '\0';
	if (self->entry < 0)
	{
		/* the state can be another database's by now */
		LWLockRelease(&rarr_workers->lock);
		return;
	}
	state->running = false;
	state->duration = duration;
	state->runs++;
	state->no_room = no_room;
	strlcpy(state->error, error != NULL ? error : "", sizeof(state->error));
	state->failures = error != NULL ? state->failures + 1 : 0;
	state->not_before = error != NULL ? GetCurrentTimestamp() + retry_delay(state->failures) : DT_NOBEGIN;
	woken = (TimestampTz) pg_atomic_read_u64(&state->next_due);
	pg_atomic_write_u64(&state->next_due, (uint64) (error != NULL ? DT_NOBEGIN : Min(woken, run->next)));
	LWLockRelease(&rarr_workers->lock);
}

/*
 * The extension is not there any more: free the database's entry.  Not if the
 * task was woken since it looked, because the extension may be there again.
 */
static void
forget(int entry, RarrTaskState *state)
{
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	if (rarr_workers->workers[order.worker].entry >= 0 &&
		(TimestampTz) pg_atomic_read_u64(&state->next_due) == DT_NOEND)
		rarr_worker_forget_database(entry);
	LWLockRelease(&rarr_workers->lock);
}

/*
 * Run a task that begin_run() or next_task() has chosen.  Returns false if the
 * extension is not there any more.
 */
static bool
run_task(int entry, int i)
{
	const RarrTask *task = rarr_task_get(i);
	RarrTaskState *state = &rarr_worker_entry(entry)->tasks[i];
	RarrTaskRun run = {
		.now = state->last_start, .failures = state->failures, .cxt = worker_cxt, .next = DT_NOEND};
	int64 began = rarr_monotonic_now();
	char *error;
	bool no_room = false;
	bool gone;

	error = try_task(task, &run, &gone);
	if (error == NULL && run.processes != NIL)
	{
		error = start_processes(&run);
		no_room = error != NULL;
	}
	end_run(state, &run, rarr_monotonic_now() - began, error, no_room);
	MemoryContextReset(worker_cxt);
	if (gone)
		forget(entry, state);
	return !gone;
}

/* A run of the task begins.  Needs the lock. */
static void
begin_run(RarrTaskState *state, int task, TimestampTz now)
{
	state->running = true;
	state->last_start = now;
	pg_atomic_write_u64(&state->next_due, (uint64) DT_NOEND);
	rarr_workers->workers[order.worker].task = task;
}

/*
 * Choose the next short task that is due, after the last one, and begin its
 * run.  If none is due, return -1 and set *wait to the time until one is, in
 * microseconds; or to -1 if this process is to end, which is then so recorded
 * that whoever makes a task due earlier wakes the launcher.
 */
static int
next_task(int entry, int last, int64 *wait)
{
	RarrDatabaseState *database = rarr_worker_entry(entry);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = DT_NOEND;
	int n = rarr_task_count();
	int chosen = -1;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	if (rarr_workers->workers[order.worker].entry < 0 || ShutdownRequestPending || !rarr_worker_on)
		next = DT_NOEND;
	else
		for (int i = 1; i <= n && chosen < 0; i++)
		{
			int t = (last + i) % n;

			if (rarr_task_get(t)->own_process)
				continue;
			next = Min(next, rarr_task_due(&database->tasks[t], now));
			if (rarr_task_due(&database->tasks[t], now) <= now)
				chosen = t;
		}
	*wait = next == DT_NOEND || next - now > LINGER ? -1 : Max(next - now, 0);
	if (chosen >= 0)
		begin_run(&database->tasks[chosen], chosen, now);
	else if (*wait < 0)
		rarr_workers->workers[order.worker].latch = NULL;
	LWLockRelease(&rarr_workers->lock);
	return chosen;
}

/* Wait for the time of the next task, or for a signal. */
static void
wait_for_task(int64 usec)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrWorkerWait");
	idle = true;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (usec + 999) / 1000, wait_event);
	idle = false;
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}

static void
reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

/* Run the short tasks of a database that are due. */
static void
run_tasks(int entry)
{
	int task = -1;
	int64 wait;

	for (;;)
	{
		int next;

		CHECK_FOR_INTERRUPTS();
		reload();
		next = next_task(entry, task, &wait);
		if (next < 0 && wait < 0)
			break;
		if (next < 0)
		{
			wait_for_task(wait);
			continue;
		}
		task = next;
		if (!run_task(entry, task) || pg_atomic_read_u32(&rarr_workers->others_wait) > 0)
			break;
	}
}

/* Run the task that this process is for, if it is still due. */
static void
run_long_task(int entry)
{
	RarrTaskState *state = &rarr_worker_entry(entry)->tasks[order.task];
	TimestampTz now = GetCurrentTimestamp();
	bool due;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	due = rarr_workers->workers[order.worker].entry >= 0 && rarr_task_due(state, now) <= now;
	if (due)
		begin_run(state, order.task, now);
	LWLockRelease(&rarr_workers->lock);
	if (due)
		(void) run_task(entry, order.task);
}

/* Does the database have the extension? */
static bool
has_extension(void)
{
	bool found;

	show(WORKER_NAME, "looking for the extension researcharr");
	StartTransactionCommand();
	found = rarr_extension_exists();
	CommitTransactionCommand();
	show(WORKER_NAME, NULL);
	return found;
}

/*
 * Look whether the database has the extension.  Returns the number of its
 * entry, or -1 if there is nothing to do for this process.
 */
static int
visit(void)
{
	int entry;

	if (!has_extension())
		return -1;
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	entry = rarr_worker_add_database(MyDatabaseId);
	if (entry < 0)
		rarr_workers->no_entry = true;
	else if (rarr_worker_entry(entry)->worker >= 0)
		entry = -1;
	else
	{
		rarr_workers->workers[order.worker].entry = entry;
		rarr_worker_entry(entry)->worker = order.worker;
	}
	LWLockRelease(&rarr_workers->lock);
	return entry;
}

/* Do what a task asked a process for. */
static void
run_process(void)
{
	const RarrProcess *process = rarr_process_find(order.process);

	if (process == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("no process \"%s\" in library researcharr", order.process),
				 errhint("The library on disk is another version than the one that the server has loaded; restart the server.")));
	show(process->name, process->activity);
	process->main(order.arg);
}

/* Show in worker_status() how far this process is. */
static void
report_progress(const char *text)
{
	char *progress = rarr_workers->workers[order.worker].progress;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	strlcpy(progress, text, RARR_WORKER_PROGRESS_MAX);
	LWLockRelease(&rarr_workers->lock);
}

/* This process is connected. */
static void
mark_connected(void)
{
	if (order.worker < 0)
		return;
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	rarr_workers->workers[order.worker].connected = true;
	LWLockRelease(&rarr_workers->lock);
	rarr_task_progress_hook = report_progress;
}

/* The main function of all processes but the launcher. */
void
rarr_worker_main(Datum arg)
{
	int entry;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	BackgroundWorkerUnblockSignals();
	if (!attach())
		return;
	BackgroundWorkerInitializeConnectionByOid(order.database, order.role, 0);
	mark_connected();
	worker_cxt = AllocSetContextCreate(TopMemoryContext, WORKER_NAME, ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker_cxt);
	if (!OidIsValid(order.role))
		override_settings();
	if (order.kind == RARR_WORKER_PROCESS)
	{
		run_process();
		return;
	}
	entry = order.kind == RARR_WORKER_VISIT ? visit() : rarr_workers->workers[order.worker].entry;
	if (entry < 0)
		return;
	if (order.kind == RARR_WORKER_LONG)
		run_long_task(entry);
	else
		run_tasks(entry);
}
