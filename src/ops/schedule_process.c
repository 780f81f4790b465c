/*
 * schedule_process.c
 *		The process that runs an entry of the schedule.
 *
 * It is logged in as the entry's owner, or for a command of admins as the
 * bootstrap superuser.  In three transactions or more it records that the run
 * has begun, runs the command, and records how it ended.
 *
 * The first one is flushed and, where there are synchronous standbys, on them
 * before the command starts, whatever the owner set for its own transactions.
 * So no crash and no failover to such a standby can start a run twice.
 *
 * A command whose time is over is canceled.  What catches that and goes on is
 * terminated a little later.  Neither can be prevented by SQL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "base/guc.h"
#include "base/task.h"
#include "ops/schedule_log.h"
#include "ops/schedule_process.h"
#include "ops/schedule_wake.h"

/* how long after its time limit a run is terminated, in milliseconds */
#define TERMINATE_AFTER 5000

static TimeoutId terminate_timeout;

/* before_shmem_exit callback */
static void
wake_schedule(int code, Datum arg)
{
	rarr_schedule_wake();
}

/* Commit a transaction for the schedule's tables, and wait until it is on disk. */
static void
commit(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	ForceSyncCommit();
	rarr_process_commit();
}

/*
 * Is this process logged in as the entry wants it?  Somebody else can have set
 * the entry since the process was asked for.
 */
static bool
is_right_role(const RarrScheduleEntry *entry)
{
	return GetUserId() == (entry->def->admin_only ? BOOTSTRAP_SUPERUSERID : entry->role);
}

/*
 * Begin the run, and commit that.  Returns its command, and *run in the memory
 * context; or NULL if there is nothing to do for this process.
 */
static const RarrScheduleCommand *
claim(const pg_uuid_t *id, MemoryContext cxt, RarrScheduledRun *run)
{
	const RarrScheduleCommand *def = NULL;

	rarr_process_begin();
	MemoryContextSwitchTo(cxt);
	if (rarr_schedule_log_find(id, run))
	{
		List *entries = rarr_schedule_read(run->entry);
		RarrScheduleEntry *entry = entries != NIL ? linitial(entries) : NULL;

		if (entry != NULL)
			rarr_schedule_check_entry(entry);
		if (entry != NULL && entry->problem == NULL && entry->def->run != NULL && is_right_role(entry) &&
			rarr_schedule_log_claim(id))
		{
			run->arguments = entry->arguments;
			def = entry->def;
		}
	}
	commit();
	MemoryContextSwitchTo(cxt);
	return def;
}

/* The second timeout's handler. */
static void
terminate(void)
{
	kill(MyProcPid, SIGTERM);
}

/* From now on the run has its time limit, or the owner's statement_timeout. */
static void
start_time_limit(void)
{
	int limit = rarr_schedule_timeout;

	if (StatementTimeout > 0 && (limit == 0 || StatementTimeout < limit))
		limit = StatementTimeout;
	if (limit == 0)
		return;
	terminate_timeout = RegisterTimeout(USER_TIMEOUT, terminate);
	enable_timeout_after(STATEMENT_TIMEOUT, limit);
	enable_timeout_after(terminate_timeout, limit < INT_MAX - TERMINATE_AFTER ? limit + TERMINATE_AFTER : INT_MAX);
}

/* Error context callback: which run failed. */
static void
add_context(void *arg)
{
	errcontext("scheduled run of entry \"%s\"", ((const RarrScheduledRun *) arg)->entry);
}

/* Roll back what a failed command did.  Returns the error's text. */
static char *
recover(MemoryContext cxt)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	EmitErrorReport();
	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(cxt);
	RESUME_INTERRUPTS();
	return psprintf("%s: %s%s%s", unpack_sql_state(error->sqlerrcode), error->message,
					error->detail != NULL ? "\n" : "", error->detail != NULL ? error->detail : "");
}

/*
 * Run the command.  Returns NULL, or the text of its error.  *result is what it
 * returned.
 */
static char *
run_command(const RarrScheduleCommand *command, const RarrScheduledRun *run, MemoryContext cxt, char **result)
{
	char *volatile error = NULL;
	ErrorContextCallback context = {error_context_stack, add_context, unconstify(RarrScheduledRun *, run)};

	PG_TRY();
	{
		error_context_stack = &context;
		start_time_limit();
		*result = command->run(run);
		disable_all_timeouts(false);
		/* a cancel that came too late */
		QueryCancelPending = false;
		error_context_stack = context.previous;
	}
	PG_CATCH();
	{
		error = recover(cxt);
	}
	PG_END_TRY();
	return error;
}

/* Run the entry whose run has the id that arg points to. */
static void
run_entry(const void *arg)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "researcharr scheduled run", ALLOCSET_DEFAULT_SIZES);
	RarrScheduledRun run;
	const RarrScheduleCommand *command;
	char *result = NULL;
	char *error;
	pg_uuid_t id;

	memcpy(&id, arg, sizeof(id));
	before_shmem_exit(wake_schedule, (Datum) 0);
	command = claim(&id, cxt, &run);
	if (command == NULL)
		return;
	error = run_command(command, &run, cxt, &result);
	pgstat_report_activity(STATE_RUNNING, rarr_schedule_process.activity);

	rarr_process_begin();
	MemoryContextSwitchTo(cxt);
	rarr_schedule_log_finish(&id, error != NULL ? "failed" : "succeeded", result, error);
	rarr_schedule_log_prune(run.entry, rarr_schedule_keep_runs);
	commit();
	pgstat_report_stat(true);
}

const RarrProcess rarr_schedule_process = {
	.name = "researcharr schedule",
	.activity = "running an entry of the schedule",
	.main = run_entry,
};
