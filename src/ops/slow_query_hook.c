/*
 * slow_query_hook.c
 *		Executor hooks that find slow statements that use the extension.
 *
 * A statement that a client sent is the outermost one that the executor runs.
 * What runs within it, in functions and triggers, counts for it.  Its time is
 * that of ExecutorRun() and ExecutorFinish(), so that a cursor that waits for
 * its client costs nothing.  What is known of it is in the memory of its
 * executor state, and leaves the list when that memory goes, by an error too.
 *
 * Nearly all statements are fast: for these there are two looks at the clock.
 * Whether a statement uses the extension is asked at the end of a slow one.
 * Its plan lists the relations and functions that it depends on.  That of a
 * nested one is gone by then, so it is asked at once; a small cache by OID
 * answers.
 *
 * Catalogs are read only where the statement itself can read them, and what
 * that can raise is what the statement could raise anyway.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/schema.h"
#include "ops/slow_query.h"
#include "ops/slow_query_hook.h"

/* A statement that a client sent, and that the executor has begun to run. */
typedef struct Statement
{
	QueryDesc *desc;
	struct Statement *next;
	MemoryContextCallback forget;
	Oid role;      /* that was current when it began to run */
	bool uses_us;  /* a nested statement does */
	int64 started; /* the current run, by rarr_monotonic_now() */
	int64 spent;   /* by runs that ended, in microseconds */
	uint64 rows;
	int64 hits; /* blocks, as in RarrSlowQuery; within a run, less than 0 */
	int64 reads;
	int64 dirtied;
	int64 temp;
} Statement;

/* What is known of a relation's OID, or of a function's hash value. */
typedef struct Known
{
	uint32 key; /* 0: nothing */
	bool is_ours;
} Known;

#define KNOWN 256 /* a power of two */

static Known relations[KNOWN];
static Known functions[KNOWN];
static bool has_callbacks = false;

static Statement *statements = NULL; /* open ones, the newest first */
static Statement *running = NULL;    /* the outermost one, or NULL */
static Statement spare;              /* saves an allocation; free if desc is NULL */

static ExecutorRun_hook_type prev_run = NULL;
static ExecutorFinish_hook_type prev_finish = NULL;
static ExecutorEnd_hook_type prev_end = NULL;

static void
forget_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid))
		memset(relations, 0, sizeof(relations));
	else if (relations[relid % KNOWN].key == relid)
		relations[relid % KNOWN].key = 0;
}

static void
forget_functions(Datum arg, int cacheid, uint32 hash)
{
	memset(functions, 0, sizeof(functions));
}

/* Is the relation in our schema? */
static bool
is_our_relation(Oid relid)
{
	Known *known = &relations[relid % KNOWN];

	if (known->key != relid)
	{
		Oid schema = get_namespace_oid(RARR_SCHEMA, true);

		known->is_ours = OidIsValid(schema) && get_rel_namespace(relid) == schema;
		known->key = relid;
	}
	return known->is_ours;
}

/* Is a function with this hash value of its OID a member of the extension? */
static bool
find_function(uint32 hash)
{
	Oid extension = get_extension_oid(RARR_SCHEMA, true);
	bool found = false;
	Relation rel;
	SysScanDesc scan;
	ScanKeyData key[2];
	HeapTuple tuple;

	if (!OidIsValid(extension))
		return false;
	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, DependReferenceIndexId, true, NULL, 2, key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend member = (Form_pg_depend) GETSTRUCT(tuple);

		found = member->classid == ProcedureRelationId && member->deptype == DEPENDENCY_EXTENSION &&
				GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(member->objid)) == hash;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static bool
is_our_function(uint32 hash)
{
	Known *known = &functions[hash % KNOWN];

	if (known->key != hash)
	{
		known->is_ours = find_function(hash);
		known->key = hash;
	}
	return known->is_ours;
}

/* Does the statement read or change a relation of ours, or call a function? */
static bool
uses_us(const PlannedStmt *plan)
{
	ListCell *lc;

	if (!has_callbacks)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, forget_functions, (Datum) 0);
		has_callbacks = true;
	}
	foreach (lc, plan->relationOids)
		if (is_our_relation(lfirst_oid(lc)))
			return true;
	foreach (lc, plan->invalItems)
	{
		const PlanInvalItem *item = lfirst(lc);

		if (item->cacheId == PROCOID && is_our_function(item->hashValue))
			return true;
	}
	return false;
}

/* Called when the memory of a statement goes. */
static void
forget_statement(void *arg)
{
	Statement **link = &statements;

	if (running == arg)
		running = NULL;
	while (*link != NULL && *link != arg)
		link = &(*link)->next;
	if (*link != NULL)
		*link = (*link)->next;
	if (arg == &spare)
		spare.desc = NULL;
}

static Statement *
find_statement(const QueryDesc *desc)
{
	Statement *statement = statements;

	while (statement != NULL && statement->desc != desc)
		statement = statement->next;
	return statement;
}

static Statement *
add_statement(QueryDesc *desc)
{
	Statement *statement = &spare;

	if (statement->desc != NULL)
		statement = MemoryContextAlloc(desc->estate->es_query_cxt, sizeof(Statement));
	memset(statement, 0, sizeof(Statement));
	statement->desc = desc;
	statement->role = GetUserId();
	statement->forget.func = forget_statement;
	statement->forget.arg = statement;
	MemoryContextRegisterResetCallback(desc->estate->es_query_cxt, &statement->forget);
	statement->next = statements;
	statements = statement;
	return statement;
}

/* Add the buffer usage of this process so far, or subtract it. */
static inline void
add_buffers(Statement *statement, int sign)
{
	statement->hits += sign * pgBufferUsage.shared_blks_hit;
	statement->reads += sign * pgBufferUsage.shared_blks_read;
	statement->dirtied += sign * pgBufferUsage.shared_blks_dirtied;
	statement->temp += sign * pgBufferUsage.temp_blks_written;
}

static inline void
begin_run(Statement *statement)
{
	running = statement;
	add_buffers(statement, -1);
	statement->started = rarr_monotonic_now();
}

static inline void
end_run(Statement *statement)
{
	running = NULL;
	statement->spent += rarr_monotonic_now() - statement->started;
	add_buffers(statement, 1);
}

/*
 * Is the statement to be measured?  A nested one is not, but what it uses counts
 * for the outermost one.
 */
static inline bool
is_measured(const QueryDesc *desc)
{
	if (rarr_slow_query_threshold < 0 || IsParallelWorker())
		return false;
	if (running == NULL)
		return true;
	if (!running->uses_us && IsTransactionState() && uses_us(desc->plannedstmt))
		running->uses_us = true;
	return false;
}

static inline void
next_run(RARR_EXECUTOR_RUN_PARAMS)
{
	if (prev_run)
		prev_run(RARR_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(RARR_EXECUTOR_RUN_ARGS);
}

static inline void
next_finish(QueryDesc *desc)
{
	if (prev_finish)
		prev_finish(desc);
	else
		standard_ExecutorFinish(desc);
}

static pg_noinline void
run_measured(Statement *statement, RARR_EXECUTOR_RUN_PARAMS)
{
	begin_run(statement);
	PG_TRY();
	{
		next_run(RARR_EXECUTOR_RUN_ARGS);
	}
	PG_CATCH();
	{
		running = NULL;
		PG_RE_THROW();
	}
	PG_END_TRY();
	end_run(statement);
	statement->rows += desc->estate->es_processed;
}

/* ExecutorRun_hook */
static void
run(RARR_EXECUTOR_RUN_PARAMS)
{
	Statement *statement;

	if (!is_measured(desc))
	{
		next_run(RARR_EXECUTOR_RUN_ARGS);
		return;
	}
	statement = find_statement(desc);
	run_measured(statement != NULL ? statement : add_statement(desc), RARR_EXECUTOR_RUN_ARGS);
}

static pg_noinline void
finish_measured(Statement *statement, QueryDesc *desc)
{
	begin_run(statement);
	PG_TRY();
	{
		next_finish(desc);
	}
	PG_CATCH();
	{
		running = NULL;
		PG_RE_THROW();
	}
	PG_END_TRY();
	end_run(statement);
}

/*
 * ExecutorFinish_hook: deferred parts of a statement, and its AFTER triggers.  A
 * statement that only reads has neither.
 */
static void
finish(QueryDesc *desc)
{
	Statement *statement = NULL;

	if (running == NULL && (desc->operation != CMD_SELECT || desc->plannedstmt->hasModifyingCTE))
		statement = find_statement(desc);
	if (statement != NULL)
		finish_measured(statement, desc);
	else
		next_finish(desc);
}

/* The statement's own part of a text that may have several. */
static const char *
own_text(const QueryDesc *desc, int *length)
{
	const char *text = desc->sourceText != NULL ? desc->sourceText : "";
	int total = strlen(text);
	int start = desc->plannedstmt->stmt_location;
	int part = desc->plannedstmt->stmt_len;

	if (start < 0 || start > total)
		start = part = 0;
	*length = part > 0 && part <= total - start ? part : total - start;
	while (*length > 0 && strchr(" \t\n\r\f\v;", text[start]) != NULL)
	{
		start++;
		(*length)--;
	}
	while (*length > 0 && strchr(" \t\n\r\f\v;", text[start + *length - 1]) != NULL)
		(*length)--;
	return text + start;
}

/* Keep a slow statement, if it uses the extension. */
static void
keep(const Statement *statement)
{
	const QueryDesc *desc = statement->desc;
	RarrSlowQuery *query;
	const char *text;
	int length;

	if (!IsTransactionState() || !(statement->uses_us || uses_us(desc->plannedstmt)))
		return;
	query = palloc0(sizeof(RarrSlowQuery));
	query->role = statement->role;
	query->at = GetCurrentTimestamp();
	query->duration = statement->spent;
	query->query_id = (uint64) desc->plannedstmt->queryId;
	query->rows = statement->rows;
	query->hits = statement->hits;
	query->reads = statement->reads;
	query->dirtied = statement->dirtied;
	query->temp = statement->temp;
	text = own_text(desc, &length);
	rarr_slow_query_set_text(query, text, length);
	rarr_slow_query_add(query);
	pfree(query);
}

/* ExecutorEnd_hook */
static void
end(QueryDesc *desc)
{
	const Statement *statement = find_statement(desc);

	if (statement != NULL && rarr_slow_query_threshold >= 0 &&
		statement->spent >= (int64) rarr_slow_query_threshold * 1000)
		keep(statement);
	if (prev_end)
		prev_end(desc);
	else
		standard_ExecutorEnd(desc);
}

/* Install the hooks.  Called while the library is preloaded. */
void
rarr_slow_query_hook_init(void)
{
	prev_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	prev_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	prev_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end;
}
