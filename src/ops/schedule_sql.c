/*
 * schedule_sql.c
 *		The command "sql" of the schedule: run statements of a user's.
 *
 * The process is logged in as the entry's owner, so that the statements can do
 * what the owner can do in a session, and no more.  They run as a client's
 * simple query does: several are one transaction, unless they end it
 * themselves; a procedure may commit, and VACUUM is possible.  What needs a
 * client, COPY from or to one, is not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/json.h"
#include "ops/schedule_sql.h"

#define COMMAND "sql"

static const char *const members[] = {"sql", NULL};

/* Return the statements among the arguments.  Raises 22023 if there are none. */
static char *
get_sql(Jsonb *arguments)
{
	static const char *const hint = "Give {\"sql\": \"...\"}, with at least one statement.";
	JsonbValue value;
	const char *string;
	int length;
	char *problem;

	if (!rarr_json_member(&arguments->root, "sql", &value))
		rarr_schedule_bad_argument(COMMAND, "lack a member \"sql\"", hint);
	problem = rarr_json_text(&value, &string, &length);
	if (problem != NULL)
		rarr_schedule_bad_argument(COMMAND, psprintf("are wrong: \"sql\" %s", problem), hint);
	return pnstrdup(string, length);
}

/*
 * Parse the statements.  Raises 22023 if there are none, 42601 for a syntax
 * error, and 0A000 for a COPY from or to the client.
 */
static List *
parse(const char *sql)
{
	List *statements = pg_parse_query(sql);
	ListCell *lc;

	if (statements == NIL)
		rarr_schedule_bad_argument(COMMAND, "have no statement in \"sql\"",
								   "Give {\"sql\": \"...\"}, with at least one statement.");
	foreach (lc, statements)
	{
		const CopyStmt *copy = (const CopyStmt *) lfirst_node(RawStmt, lc)->stmt;

		if (IsA(copy, CopyStmt) && copy->filename == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("command \"%s\" cannot COPY from or to a client", COMMAND),
					 errhint("There is no client; COPY from or to a file, or use INSERT.")));
	}
	return statements;
}

/*
 * Raise an error unless the arguments are right: 22023, and those of parse().
 * More cannot be known before the statements run.
 */
static void
check_sql(Jsonb *arguments)
{
	rarr_schedule_check_members(COMMAND, arguments, members);
	(void) parse(get_sql(arguments));
}

/* Execute the planned form of one statement.  *done is what it did. */
static void
execute_plans(const char *sql, CommandTag tag, List *plans, QueryCompletion *done)
{
	Portal portal = CreatePortal("", true, true);
	DestReceiver *receiver = CreateDestReceiver(DestNone);

	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, tag, plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	rarr_portal_run(portal, receiver, done);
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
}

static void
start_command(bool *started)
{
	if (!*started)
		StartTransactionCommand();
	*started = true;
}

static void
finish_command(bool *started)
{
	if (*started)
		CommitTransactionCommand();
	*started = false;
}

/*
 * Execute one statement in a transaction command.  cxt: memory that a COMMIT
 * leaves alone.
 */
static void
execute_statement(const char *sql, RawStmt *statement, MemoryContext cxt, QueryCompletion *done)
{
	MemoryContext old;
	bool has_snapshot = analyze_requires_snapshot(statement);
	List *queries;
	List *plans;

	CHECK_FOR_INTERRUPTS();
	SetCurrentStatementStartTimestamp();
	if (has_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	old = MemoryContextSwitchTo(cxt);
	queries = pg_analyze_and_rewrite_fixedparams(statement, sql, NULL, 0, NULL);
	plans = pg_plan_queries(queries, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	if (has_snapshot)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	execute_plans(sql, CreateCommandTag(statement->stmt), plans, done);
}

/* Execute the statements.  Returns what the last one did, in the caller's memory. */
static char *
execute(const char *sql)
{
	MemoryContext cxt = CurrentMemoryContext;
	bool started = false;
	bool together;
	List *statements;
	ListCell *lc;
	QueryCompletion done;

	InitializeQueryCompletion(&done);
	start_command(&started);
	MemoryContextSwitchTo(cxt);
	statements = parse(sql);
	together = list_length(statements) > 1;
	foreach (lc, statements)
	{
		RawStmt *statement = lfirst_node(RawStmt, lc);

		start_command(&started);
		if (together)
			BeginImplicitTransactionBlock();
		execute_statement(sql, statement, cxt, &done);
		if (lnext(statements, lc) == NULL)
		{
			if (together)
				EndImplicitTransactionBlock();
			finish_command(&started);
		}
		else if (IsA(statement->stmt, TransactionStmt))
			finish_command(&started);
		else
			CommandCounterIncrement();
	}
	finish_command(&started);
	MemoryContextSwitchTo(cxt);
	if (IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("the statements left a transaction open, which is rolled back"),
				 errhint("Leave BEGIN out, or end the transaction with COMMIT.")));
	return command_tag_display_rowcount(done.commandTag) ?
			   psprintf("%s " UINT64_FORMAT, GetCommandTagName(done.commandTag), done.nprocessed) :
			   pstrdup(GetCommandTagName(done.commandTag));
}

static char *
run_sql(const RarrScheduledRun *run)
{
	char *sql = get_sql(run->arguments);

	debug_query_string = sql;
	pgstat_report_activity(STATE_RUNNING, sql);
	return execute(sql);
}

const RarrScheduleCommand rarr_schedule_sql = {
	.name = COMMAND,
	.check = check_sql,
	.run = run_sql,
};
