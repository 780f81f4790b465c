/*
 * saved_plan.c
 *		Execute a plan of SPI with another role's privileges, as the current user.
 *
 * A statement that is executed after SetUserIdAndSecContext() gives that role's
 * rights to the triggers that it fires.  These are the BEFORE triggers in all
 * versions.  Since PostgreSQL 18 they are also the AFTER triggers, which fire as
 * the role that was current when they were queued.  Here only the privileges
 * that the statement itself needs are checked for the other role, as the server
 * does for the tables of a view.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/saved_plan.h"

static void
name_statement(void *sql)
{
	errcontext("SQL statement \"%s\"", (const char *) sql);
}

/* Execute a statement.  Triggers that it queues fire with those of the outer statement. */
static void
execute(const PlannedStmt *stmt, const char *sql, ParamListInfo params, Snapshot crosscheck, Oid role)
{
	PlannedStmt checked = *stmt;
	QueryDesc  *desc;

	rarr_check_plan_as(&checked, role);
	desc = CreateQueryDesc(&checked, sql, GetActiveSnapshot(), crosscheck, None_Receiver, params,
						   NULL, 0);
	ExecutorStart(desc, EXEC_FLAG_SKIP_TRIGGERS);
	rarr_executor_run(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

/*
 * Execute a plan without a result as the current user, with the privileges of
 * the role.  Rules may have rewritten it to several statements; a NOTIFY among
 * them needs no privileges.  snapshot and crosscheck are those of
 * SPI_execute_snapshot().
 */
void
rarr_execute_checked_as(CachedPlan *plan, const char *sql, ParamListInfo params,
						Snapshot snapshot, Snapshot crosscheck, Oid role)
{
	ErrorContextCallback callback = {.callback = name_statement, .arg = (void *) sql,
	.previous = error_context_stack};
	ListCell   *lc;

	error_context_stack = &callback;
	PushCopiedSnapshot(snapshot != InvalidSnapshot ? snapshot : GetTransactionSnapshot());
	foreach(lc, plan->stmt_list)
	{
		PlannedStmt *stmt = lfirst_node(PlannedStmt, lc);

		CommandCounterIncrement();
		UpdateActiveSnapshotCommandId();
		if (stmt->commandType == CMD_UTILITY)
			ProcessUtility(stmt, sql, true, PROCESS_UTILITY_QUERY, params, NULL, None_Receiver, NULL);
		else
			execute(stmt, sql, params, crosscheck, role);
	}
	PopActiveSnapshot();
	error_context_stack = callback.previous;
}
