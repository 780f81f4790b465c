/*
 * cascade_statement.c
 *		Run statements with which a cascade finds, locks and deletes rows by id.
 *
 * A role that may delete a series need not be allowed to delete media, or to
 * lock jobs.  So these statements have the privileges of the owner of their
 * table, as those of the server's own cascades have.  But a DELETE, which fires
 * triggers, runs as the current user.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/schema.h"
#include "base/uuid.h"
#include "data/cascade_statement.h"

/* maximum ids per statement, so that the array does not become too large */
#define MAX_IDS (1024 * 1024)

/* Make an empty list, which grows in the current memory context. */
void
rarr_ids_init(RarrIds *ids)
{
	memset(ids, 0, sizeof(RarrIds));
	ids->cxt = CurrentMemoryContext;
}

/* Add an id. */
void
rarr_ids_add(RarrIds *ids, Datum id)
{
	if (ids->count == ids->room)
	{
		ids->room = Max(16, ids->room * 2);
		ids->values = ids->values == NULL ?
						  MemoryContextAlloc(ids->cxt, ids->room * sizeof(pg_uuid_t)) :
						  repalloc_huge(ids->values, ids->room * sizeof(pg_uuid_t));
	}
	ids->values[ids->count++] = *DatumGetUUIDP(id);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(((const pg_uuid_t *) a)->data, ((const pg_uuid_t *) b)->data, UUID_LEN);
}

static void
prepare(RarrStatement *statement)
{
	Oid type = UUIDARRAYOID;
	bool has_ids = strstr(statement->sql, "$1") != NULL;
	SPIPlanPtr made;

	/* kept for any number of ids: a generic plan uses the index */
	made = SPI_prepare_cursor(statement->sql, has_ids ? 1 : 0, &type, CURSOR_OPT_GENERIC_PLAN);
	if (made == NULL || SPI_keepplan(made) != 0)
		elog(ERROR, "could not plan \"%s\"", statement->sql);
	statement->plan = made;
}

/*
 * In a transaction with a single snapshot, a row that the snapshot does not show
 * is found nevertheless; deleting it raises 40001.
 */
static Snapshot
latest_snapshot(void)
{
	if (!IsolationUsesXactSnapshot())
		return InvalidSnapshot;
	CommandCounterIncrement();
	return GetLatestSnapshot();
}

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
	QueryDesc *desc;

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
 * the role.  Only the privileges that the statement itself needs are checked for
 * the role, as the server does for the tables of a view.  With
 * SetUserIdAndSecContext(), the triggers that the statement fires would get the
 * role's rights: BEFORE triggers in all versions, and since PostgreSQL 18 AFTER
 * triggers, which fire as the role that was current when they were queued.  Rules may have rewritten it to several statements; a NOTIFY among
 * them needs no privileges.  snapshot and crosscheck are those of
 * SPI_execute_snapshot().
 */
static void
execute_checked_as(CachedPlan *plan, const char *sql, ParamListInfo params,
				   Snapshot snapshot, Snapshot crosscheck, Oid role)
{
	ErrorContextCallback callback = {.callback = name_statement, .arg = (void *) sql, .previous = error_context_stack};
	ListCell *lc;

	error_context_stack = &callback;
	PushCopiedSnapshot(snapshot != InvalidSnapshot ? snapshot : GetTransactionSnapshot());
	foreach (lc, plan->stmt_list)
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

/* Delete as the current user, with the privileges of the owner. */
static void
execute_delete(RarrStatement *statement, CachedPlan *plan, Datum array, Oid owner)
{
	ParamListInfo params = makeParamList(1);
	Snapshot snapshot = latest_snapshot();
	Snapshot crosscheck = snapshot == InvalidSnapshot ? InvalidSnapshot : GetTransactionSnapshot();
	bool deletes = false;
	ListCell *lc;

	/* a rule may have replaced the DELETE */
	foreach (lc, plan->stmt_list)
	{
		PlannedStmt *stmt = lfirst_node(PlannedStmt, lc);

		deletes |= stmt->canSetTag && stmt->commandType == CMD_DELETE;
	}
	if (!deletes)
		elog(ERROR, "could not execute \"%s\"", statement->sql);
	params->params[0] = (ParamExternData){
		.value = array, .pflags = PARAM_FLAG_CONST, .ptype = UUIDARRAYOID};
	execute_checked_as(plan, statement->sql, params, snapshot, crosscheck, owner);
}

/*
 * Run a statement with an array of ids.  Requires an SPI connection.  The
 * statement runs as the owner of its table; if it deletes, it is planned as the
 * owner and runs as the current user.
 */
void
rarr_statement_run_array(RarrStatement *statement, Datum array)
{
	Relation rel = table_open(rarr_relation_oid(statement->table), RowShareLock);
	Oid owner = rel->rd_rel->relowner;
	CachedPlan *plan = NULL;
	Oid user;
	int context;

	table_close(rel, NoLock);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (statement->plan == NULL)
		prepare(statement);
	if (statement->result == SPI_OK_DELETE)
		plan = SPI_plan_get_cached_plan(statement->plan);
	else if (SPI_execute_snapshot(statement->plan, &array, NULL, latest_snapshot(), InvalidSnapshot,
								  false, false, 0) != statement->result)
		elog(ERROR, "could not execute \"%s\"", statement->sql);
	SetUserIdAndSecContext(user, context);
	if (plan != NULL)
	{
		execute_delete(statement, plan, array, owner);
		ReleaseCachedPlan(plan, CurrentResourceOwner);
	}
}

/* Add the ids that the last statement returned. */
void
rarr_statement_add_found(RarrIds *ids)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		rarr_ids_add(ids, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
}

/*
 * Sort the ids and run a statement for them, up to MAX_IDS at a time.  Adds the
 * ids that it returns to found, unless that is NULL.
 */
void
rarr_statement_run(RarrStatement *statement, RarrIds *ids, RarrIds *found)
{
	qsort(ids->values, ids->count, sizeof(pg_uuid_t), compare_ids);
	for (int i = 0; i < ids->count; i += MAX_IDS)
	{
		Datum array = rarr_uuid_array(&ids->values[i], Min(ids->count - i, MAX_IDS));

		CHECK_FOR_INTERRUPTS();
		rarr_statement_run_array(statement, array);
		if (found != NULL)
			rarr_statement_add_found(found);
		if (statement->result == SPI_OK_SELECT)
			SPI_freetuptable(SPI_tuptable);
		pfree(DatumGetPointer(array));
	}
}
