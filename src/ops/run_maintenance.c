/*
 * run_maintenance.c
 *		run_maintenance(): one round of all maintenance tasks, by hand.
 *
 * Each task runs in transactions of its own, as in the background worker, so
 * that a task that fails does not undo what others did.  A task runs within a
 * subtransaction, because SPI has begun the transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/own_table.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "ops/task_run.h"
#include "ops/worker.h"

/* A run of a task, and the memory for it. */
typedef struct HandRun
{
	const RarrTask *task;
	RarrTaskRun run;
} HandRun;

/* Raise 25001 if the call may not end the caller's transaction. */
static void
check_context(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("run_maintenance cannot run inside a transaction block or a function"),
				 errdetail("It commits after each task."),
				 errhint("Turn autocommit on and CALL it by itself.")));
}

static bool
run_body(void *arg)
{
	HandRun *hand = arg;

	if (!rarr_task_run(hand->task, &hand->run, true))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("extension \"%s\" is not installed in this database", RARR_EXTENSION)));
	return true;
}

/* A task's errors are reported later; the caller's cancel is not one. */
static bool
is_of_task(const ErrorData *error, void *arg)
{
	return error->sqlerrcode != ERRCODE_QUERY_CANCELED || rarr_task_timed_out();
}

/* Report what failed, and go on. */
static void
warn(const RarrTask *task, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("maintenance task \"%s\" failed: %s", task->name,
					rarr_task_timed_out() ? psprintf("canceled after %d ms", task->time_limit) : error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* Start what the task asked for.  Returns false if something is not started. */
static bool
start_processes(const HandRun *hand)
{
	ListCell *lc;

	foreach (lc, hand->run.processes)
		if (!rarr_worker_start_process(lfirst(lc)))
		{
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("maintenance task \"%s\" could not start a process", hand->task->name),
					 errhint("Increase max_worker_processes or researcharr.max_workers, or try again later.")));
			return false;
		}
	return true;
}

/*
 * Run a task until it has nothing more to do at once.  cxt lives longer than
 * the transactions, and is reset.  Returns false after an error.
 */
static bool
run_until_done(const RarrTask *task, MemoryContext cxt)
{
	HandRun hand = {.task = task};
	ErrorData *error = NULL;

	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(cxt);
		MemoryContextSwitchTo(cxt);
		hand.run = (RarrTaskRun){.now = GetCurrentTimestamp(), .by_hand = true, .cxt = cxt, .next = DT_NOEND};
		(void) rarr_subtransaction(run_body, is_of_task, &hand, &error);
		rarr_task_clean_up();
		if (error != NULL)
			warn(task, error);
		SPI_commit();
		XactIsoLevel = XACT_READ_COMMITTED;
		if (error == NULL && !start_processes(&hand))
			return false;
	} while (error == NULL && hand.run.next == DT_NOBEGIN);
	return error == NULL;
}

PG_FUNCTION_INFO_V1(researcharr_run_maintenance);

/*
 * run_maintenance(): a procedure
 *
 * Runs each maintenance task once, or more often while it has more to do, and
 * commits after each.  A task that fails is reported as a warning; the others
 * run, and at the end an error says how many have failed.
 * Errors: 25001 inside a transaction block or a function; 25006 a read-only
 * transaction; 55000 tasks have failed.
 */
Datum
researcharr_run_maintenance(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "researcharr maintenance", ALLOCSET_DEFAULT_SIZES);
	int failed = 0;

	check_context(fcinfo);
	rarr_prevent_read_only("run_maintenance()");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	for (int i = 0; i < rarr_task_count(); i++)
		failed += !run_until_done(rarr_task_get(i), cxt);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
	if (failed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%d of %d maintenance tasks failed", failed, rarr_task_count()),
				 errdetail("What the others did is committed. The warnings say what failed.")));
	PG_RETURN_VOID();
}
