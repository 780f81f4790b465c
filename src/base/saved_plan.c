/*-------------------------------------------------------------------------
 *
 * saved_plan.c
 *		Executing a plan of SPI with another role's privileges, but as nobody else.
 *
 * Whoever executes a statement after SetUserIdAndSecContext() gives that role's
 * rights to the triggers that it fires: to BEFORE triggers in all versions, and
 * from PostgreSQL 18 on to AFTER triggers too, which fire as the role that was
 * current when they were queued.  Here only the privileges that the statement
 * itself needs are checked for the other role, the way the server does it for
 * the tables of a view.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
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

/* Triggers that it queues fire with those of the statement around it. */
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
 * Executes a plan without a result as the current user, with the privileges of
 * the role.  Rules have made one or more statements of it; one that notifies needs
 * no privileges.  snapshot: as in SPI_execute_snapshot().
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
