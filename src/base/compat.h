/*
 * compat.h
 *		Wrappers for server interfaces that differ among versions.
 *
 * This is the only file that may test PG_VERSION_NUM.  Each difference gets a
 * name here, and the rest of the code uses that name.
 */
#ifndef RARR_BASE_COMPAT_H
#define RARR_BASE_COMPAT_H

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "commands/copy.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteHandler.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Since 16, postgres.h does not include this. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "researcharr needs PostgreSQL 15 or later"
#endif

/* Since 18, the "does not return" marker precedes the declaration. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Since 18, the server generates version 7 UUIDs itself. */
#if PG_VERSION_NUM >= 180000
#include "utils/fmgrprotos.h"
#define RARR_SERVER_UUID_V7() DirectFunctionCall1(uuidv7, (Datum) 0)
#endif

/* Since 17, intervals can be infinite. */
static inline bool
rarr_interval_is_infinite(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return INTERVAL_NOT_FINITE(interval);
#else
	return false;
#endif
}

/* May the role execute the function? */
static inline bool
rarr_function_aclcheck(Oid function, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, roleid, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, roleid, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* Is the role the relation's owner, a member of the owner, or a superuser? */
static inline bool
rarr_is_owner(Oid relid, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, roleid);
#else
	return pg_class_ownercheck(relid, roleid);
#endif
}

/* The same for a database. */
static inline bool
rarr_is_database_owner(Oid database, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, roleid);
#else
	return pg_database_ownercheck(database, roleid);
#endif
}

/* May the role SET ROLE to the other role?  A superuser may SET ROLE to any. */
static inline bool
rarr_can_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/* Create a JSON lexer that de-escapes strings, and so finds every error. */
static inline JsonLexContext *
rarr_json_lexer(char *json, int length, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, encoding, true);
#else
	return makeJsonLexContextCstringLen(json, length, encoding, true);
#endif
}

/* Is the operator a comparison of a btree operator family, or the negator of one? */
static inline bool
rarr_is_comparison(Oid opno)
{
#if PG_VERSION_NUM >= 180000
	ListCell *lc;

	foreach (lc, get_op_index_interpretation(opno))
		if (((OpIndexInterpretation *) lfirst(lc))->cmptype != COMPARE_INVALID)
			return true;
	return false;
#else
	return get_op_btree_interpretation(opno) != NIL;
#endif
}

/* Since 17, the length of a transaction can be limited. */
static inline void
rarr_disable_transaction_timeout(void)
{
#if PG_VERSION_NUM >= 170000
	SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
#endif
}

/* Since 18, index_beginscan() has an argument for instrumentation. */
static inline IndexScanDesc
rarr_index_beginscan(Relation rel, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(rel, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(rel, index, snapshot, nkeys, 0);
#endif
}

/*
 * Initialize a range table with one entry for rel per set of updated columns.
 * Up to 15 the updated columns are in the entry itself, since 16 in its
 * permission info.
 */
static inline void
rarr_init_range_table(EState *estate, Relation rel, List *updated)
{
	List *entries = NIL;
	ListCell *lc;
#if PG_VERSION_NUM >= 160000
	List *permissions = NIL;
#endif

	foreach (lc, updated)
	{
		RangeTblEntry *rte = makeNode(RangeTblEntry);

		rte->rtekind = RTE_RELATION;
		rte->relid = RelationGetRelid(rel);
		rte->relkind = rel->rd_rel->relkind;
		rte->rellockmode = RowExclusiveLock;
		entries = lappend(entries, rte);
#if PG_VERSION_NUM >= 160000
		addRTEPermissionInfo(&permissions, rte)->updatedCols = lfirst(lc);
#else
		rte->updatedCols = lfirst(lc);
#endif
	}
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, entries, permissions,
					   bms_add_range(NULL, 1, list_length(entries)));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, entries, permissions);
#else
	ExecInitRangeTable(estate, entries);
#endif
}

/*
 * Replace the set of updated columns of an entry, counted from 0, by a copy in
 * the current memory context.
 */
static inline void
rarr_set_updated_columns(EState *estate, int entry, const Bitmapset *columns)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *holder = list_nth(estate->es_rteperminfos, entry);
#else
	RangeTblEntry *holder = list_nth(estate->es_range_table, entry);
#endif

	bms_free(holder->updatedCols);
	holder->updatedCols = bms_copy(columns);
}

/*
 * Check the tables of a plan for the privileges of a role instead of the current
 * user's.  Tables for which a view or a rule already names a role keep it.  The
 * fields are in the range table up to 15, and in the permission info since 16.
 * The plan's lists are copied first.
 */
static inline void
rarr_check_plan_as(PlannedStmt *stmt, Oid role)
{
	ListCell *lc;

#if PG_VERSION_NUM >= 160000
	stmt->permInfos = copyObject(stmt->permInfos);
	foreach (lc, stmt->permInfos)
	{
		RTEPermissionInfo *entry = lfirst_node(RTEPermissionInfo, lc);
#else
	stmt->rtable = copyObject(stmt->rtable);
	foreach (lc, stmt->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, lc);
#endif

		if (!OidIsValid(entry->checkAsUser))
			entry->checkAsUser = role;
	}
}

/* Since 18, AFTER triggers fire as the role that was current when they were queued. */
static inline bool
rarr_after_triggers_keep_role(void)
{
	return PG_VERSION_NUM >= 180000;
}

/* Run a query to its end.  Up to 17, ExecutorRun() is told that it runs only once. */
static inline void
rarr_executor_run(QueryDesc *desc)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(desc, ForwardScanDirection, 0);
#else
	ExecutorRun(desc, ForwardScanDirection, 0, true);
#endif
}

/* The parameters and arguments of ExecutorRun(), which lost the last one in 18. */
#if PG_VERSION_NUM >= 180000
#define RARR_EXECUTOR_RUN_PARAMS QueryDesc *desc, ScanDirection direction, uint64 count
#define RARR_EXECUTOR_RUN_ARGS   desc, direction, count
#else
#define RARR_EXECUTOR_RUN_PARAMS QueryDesc *desc, ScanDirection direction, uint64 count, bool execute_once
#define RARR_EXECUTOR_RUN_ARGS   desc, direction, count, execute_once
#endif

/* Run a portal to its end, as a client's statement.  Up to 17, PortalRun() is told that it runs only once. */
static inline void
rarr_portal_run(Portal portal, DestReceiver *receiver, QueryCompletion *done)
{
#if PG_VERSION_NUM >= 180000
	(void) PortalRun(portal, FETCH_ALL, true, receiver, receiver, done);
#else
	(void) PortalRun(portal, FETCH_ALL, true, true, receiver, receiver, done);
#endif
}

/* Set the compiled CHECK constraints, or NULLs.  18 renamed the field. */
static inline void
rarr_set_constraint_exprs(ResultRelInfo *rri, ExprState **exprs)
{
#if PG_VERSION_NUM >= 180000
	rri->ri_CheckConstraintExprs = exprs;
#else
	rri->ri_ConstraintExprs = exprs;
#endif
}

/* Is the column free of NULLs?  Since 18, NOT NULL can be NOT VALID. */
static inline bool
rarr_is_not_null(TupleDesc desc, int i)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID;
#else
	return TupleDescAttr(desc, i)->attnotnull;
#endif
}

/* Has the table generated columns?  Since 18, they can be virtual. */
static inline bool
rarr_has_generated_columns(const TupleConstr *constr)
{
#if PG_VERSION_NUM >= 180000
	return constr->has_generated_stored || constr->has_generated_virtual;
#else
	return constr->has_generated_stored;
#endif
}

/* Since 18, CHECK constraints can be NOT ENFORCED. */
static inline bool
rarr_check_is_enforced(const ConstrCheck *check)
{
#if PG_VERSION_NUM >= 180000
	return check->ccenforced;
#else
	return true;
#endif
}

/* The same for foreign keys, as a condition on rows of pg_constraint. */
#if PG_VERSION_NUM >= 180000
#define RARR_KEY_IS_ENFORCED "conenforced"
#else
#define RARR_KEY_IS_ENFORCED "true"
#endif

/* Since 18, an expression can reference virtual generated columns. */
static inline Node *
rarr_expand_generated(Node *expr, Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return expand_generated_columns_in_expr(expr, rel, 1);
#else
	return expr;
#endif
}

/* Since 16, a relation's file number has a type of its own. */
#if PG_VERSION_NUM >= 160000
typedef RelFileNumber RarrFileNumber;
#define rarr_file_number(rel) ((rel)->rd_locator.relNumber)
#else
typedef Oid RarrFileNumber;
#define rarr_file_number(rel) ((rel)->rd_node.relNode)
#endif

/* Did this transaction truncate or rewrite the relation? */
static inline bool
rarr_has_new_file(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_firstRelfilelocatorSubid != InvalidSubTransactionId;
#else
	return rel->rd_firstRelfilenodeSubid != InvalidSubTransactionId;
#endif
}

/* Since 16, table_tuple_update() reports which indexes need new entries. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes RarrUpdateIndexes;
#define rarr_updates_indexes(update)     ((update) != TU_None)
#define rarr_updates_all_indexes(update) ((update) == TU_All)
#else
typedef bool RarrUpdateIndexes;
#define rarr_updates_indexes(update)     (update)
#define rarr_updates_all_indexes(update) (update)
#endif

static inline List *
rarr_update_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate,
						 RarrUpdateIndexes update)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL,
								 update == TU_Summarizing);
#else
	return ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL);
#endif
}

/* Since 16, EvalPlanQualInit() also takes the result relations. */
static inline void
rarr_epq_init(EPQState *epqstate, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1, NIL);
#else
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1);
#endif
}

/* Since 18, ExecCheckIndexConstraints() also takes the tuple's TID. */
static inline bool
rarr_check_index_constraints(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate,
							 ItemPointer conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 180000
	ItemPointerData invalid;

	ItemPointerSetInvalid(&invalid);
	return ExecCheckIndexConstraints(rri, slot, estate, conflict, &invalid, arbiters);
#else
	return ExecCheckIndexConstraints(rri, slot, estate, conflict, arbiters);
#endif
}

/* Since 16, there is an argument to insert into summarizing indexes only. */
static inline List *
rarr_insert_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate,
						 bool speculative, bool *conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(rri, slot, estate, false, speculative, conflict, arbiters, false);
#else
	return ExecInsertIndexTuples(rri, slot, estate, false, speculative, conflict, arbiters);
#endif
}

/* In 18, the argument for an index column's sort direction changed. */
static inline void
rarr_prepare_index_order(Relation index, bool descending, SortSupport key)
{
#if PG_VERSION_NUM >= 180000
	PrepareSortSupportFromIndexRel(index, descending, key);
#else
	PrepareSortSupportFromIndexRel(index, descending ? BTGreaterStrategyNumber : BTLessStrategyNumber, key);
#endif
}

/*
 * Can the index keep pins or memory from one insertion to the next?  Since 17
 * an index access method may do so.  It keeps pins until aminsertcleanup is
 * called, and memory as long as the IndexInfo exists.
 */
static inline bool
rarr_index_needs_cleanup(Relation index)
{
#if PG_VERSION_NUM >= 170000
	return index->rd_indam->aminsertcleanup != NULL;
#else
	return false;
#endif
}

static inline void
rarr_index_insert_cleanup(Relation index, IndexInfo *info)
{
#if PG_VERSION_NUM >= 170000
	index_insert_cleanup(index, info);
#endif
}

/*
 * Try to take a lock without waiting.  Returns LOCKACQUIRE_NOT_AVAIL, without
 * an error, also if shared memory is full.  Since 18 there is an argument that
 * logs the failure; it is off.
 */
static inline LockAcquireResult
rarr_lock_acquire_quietly(const LOCKTAG *tag, LOCKMODE mode, LOCALLOCK **local)
{
#if PG_VERSION_NUM >= 180000
	return LockAcquireExtended(tag, mode, false, true, false, local, false);
#else
	return LockAcquireExtended(tag, mode, false, true, false, local);
#endif
}

/* Begin a COPY to a file.  Since 16, there is an argument for a callback instead. */
static inline CopyToState
rarr_begin_copy_to(ParseState *pstate, Relation rel, RawStmt *query, const char *filename, List *columns,
				   List *options)
{
#if PG_VERSION_NUM >= 160000
	return BeginCopyTo(pstate, rel, query, InvalidOid, filename, false, NULL, columns, options);
#else
	return BeginCopyTo(pstate, rel, query, InvalidOid, filename, false, columns, options);
#endif
}

/* Give the relation a new, empty file, and keep the old one until the commit. */
static inline void
rarr_set_new_file(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	RelationSetNewRelfilenumber(rel, rel->rd_rel->relpersistence);
#else
	RelationSetNewRelfilenode(rel, rel->rd_rel->relpersistence);
#endif
}

/* Build the indexes of a relation anew.  Since 17, there is an argument for the statement. */
static inline void
rarr_reindex(Oid relid, int flags)
{
	ReindexParams params = {0};

#if PG_VERSION_NUM >= 170000
	(void) reindex_relation(NULL, relid, flags, &params);
#else
	(void) reindex_relation(relid, flags, &params);
#endif
}

/*
 * The parts of libpq/libpq.h that we use, which are the same in all versions.
 * Where the server is built with GSSAPI that header needs the GSSAPI headers,
 * which building an extension should not require.
 */
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
extern bool pq_check_connection(void);

#define FeBeWaitSetSocketPos 0
#define FeBeWaitSetNEvents   3

/*
 * A part of tsearch/ts_locale.h, which is the same in all versions.  Since 18
 * that header needs the ICU headers.
 */
extern int t_isalpha(const char *ptr);

/* Since 17, extensions can name their wait events. */
static inline uint32
rarr_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

#endif /* RARR_BASE_COMPAT_H */
