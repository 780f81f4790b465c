/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs among the server versions that are supported.
 *
 * This is the only file that may look at PG_VERSION_NUM.  Each difference
 * gets a name here, and the rest of the code uses the name.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_COMPAT_H
#define RARR_BASE_COMPAT_H

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteHandler.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "researcharr needs PostgreSQL 15 or later"
#endif

/* "Does not return": since 18 it stands in front of a declaration. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 18 and later make version 7 UUIDs themselves. */
#if PG_VERSION_NUM >= 180000
#include "utils/fmgrprotos.h"
#define RARR_SERVER_UUID_V7() DirectFunctionCall1(uuidv7, (Datum) 0)
#endif

/* 17 and later have infinite intervals. */
static inline bool
rarr_interval_is_infinite(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return INTERVAL_NOT_FINITE(interval);
#else
	return false;
#endif
}

/* Whether a role may execute a function. */
static inline bool
rarr_function_aclcheck(Oid function, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, roleid, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, roleid, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* Whether a role is a relation's owner, a member of it, or a superuser. */
static inline bool
rarr_is_owner(Oid relid, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, roleid);
#else
	return pg_class_ownercheck(relid, roleid);
#endif
}

/* Whether a role may SET ROLE to another one; a superuser may to any. */
static inline bool
rarr_can_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/* A lexer of JSON text that undoes escapes, so that it finds every error. */
static inline JsonLexContext *
rarr_json_lexer(char *json, int length, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, encoding, true);
#else
	return makeJsonLexContextCstringLen(json, length, encoding, true);
#endif
}

/* index_beginscan() has an argument for instrumentation from 18 on. */
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
 * A range table of as many entries for one relation as there are sets of
 * updated columns.  What is updated stands in the entry itself up to 15, in
 * its permission info from 16 on.
 */
static inline void
rarr_init_range_table(EState *estate, Relation rel, List *updated)
{
	List	   *entries = NIL;
	ListCell   *lc;
#if PG_VERSION_NUM >= 160000
	List	   *permissions = NIL;
#endif

	foreach(lc, updated)
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
 * Lets the tables of a plan be checked for the privileges of a role, not for the
 * current user's, but for those where a view or a rule has named one already.  It
 * stands where the updated columns stand.  The plan's lists are copied first.
 */
static inline void
rarr_check_plan_as(PlannedStmt *stmt, Oid role)
{
	ListCell   *lc;

#if PG_VERSION_NUM >= 160000
	stmt->permInfos = copyObject(stmt->permInfos);
	foreach(lc, stmt->permInfos)
	{
		RTEPermissionInfo *entry = lfirst_node(RTEPermissionInfo, lc);
#else
	stmt->rtable = copyObject(stmt->rtable);
	foreach(lc, stmt->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, lc);
#endif

		if (!OidIsValid(entry->checkAsUser))
			entry->checkAsUser = role;
	}
}

/* From 18 on, AFTER triggers fire as the role that was current when they were queued. */
static inline bool
rarr_after_triggers_keep_role(void)
{
	return PG_VERSION_NUM >= 180000;
}

/* Runs a query to its end; up to 17, ExecutorRun() was told that it would not be run again. */
static inline void
rarr_executor_run(QueryDesc *desc)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(desc, ForwardScanDirection, 0);
#else
	ExecutorRun(desc, ForwardScanDirection, 0, true);
#endif
}

/* The compiled CHECK constraints have another name from 18 on; NULL is passed over. */
static inline void
rarr_set_constraint_exprs(ResultRelInfo *rri, ExprState **exprs)
{
#if PG_VERSION_NUM >= 180000
	rri->ri_CheckConstraintExprs = exprs;
#else
	rri->ri_ConstraintExprs = exprs;
#endif
}

/* Is a column free of NULLs?  From 18 on, NOT NULL can be NOT VALID. */
static inline bool
rarr_is_not_null(TupleDesc desc, int i)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID;
#else
	return TupleDescAttr(desc, i)->attnotnull;
#endif
}

/* Has a table generated columns?  From 18 on, they can be virtual. */
static inline bool
rarr_has_generated_columns(const TupleConstr *constr)
{
#if PG_VERSION_NUM >= 180000
	return constr->has_generated_stored || constr->has_generated_virtual;
#else
	return constr->has_generated_stored;
#endif
}

/* CHECK constraints can be NOT ENFORCED from 18 on. */
static inline bool
rarr_check_is_enforced(const ConstrCheck *check)
{
#if PG_VERSION_NUM >= 180000
	return check->ccenforced;
#else
	return true;
#endif
}

/* From 18 on, an expression can name columns that are generated when they are read. */
static inline Node *
rarr_expand_generated(Node *expr, Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return expand_generated_columns_in_expr(expr, rel, 1);
#else
	return expr;
#endif
}

/* The number of a relation's file got a type of its own in 16. */
#if PG_VERSION_NUM >= 160000
typedef RelFileNumber RarrFileNumber;
#define rarr_file_number(rel) ((rel)->rd_locator.relNumber)
#else
typedef Oid RarrFileNumber;
#define rarr_file_number(rel) ((rel)->rd_node.relNode)
#endif

/* Did this transaction give the relation a new file: by TRUNCATE, or a rewrite? */
static inline bool
rarr_has_new_file(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_firstRelfilelocatorSubid != InvalidSubTransactionId;
#else
	return rel->rd_firstRelfilenodeSubid != InvalidSubTransactionId;
#endif
}

/* An update says in more words which indexes need new entries from 16 on. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes RarrUpdateIndexes;
#define rarr_updates_indexes(update) ((update) != TU_None)
#define rarr_updates_all_indexes(update) ((update) == TU_All)
#else
typedef bool RarrUpdateIndexes;
#define rarr_updates_indexes(update) (update)
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

/* EvalPlanQualInit() also takes the result relations from 16 on. */
static inline void
rarr_epq_init(EPQState *epqstate, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1, NIL);
#else
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1);
#endif
}

/* ExecCheckIndexConstraints() also takes the tuple's place from 18 on. */
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

/* ExecInsertIndexTuples() can keep to summarizing indexes from 16 on. */
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

/* Whether an index's column is in descending order is told in other words from 18 on. */
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
 * From 17 on an index may keep pins and memory from row to row; the pins until
 * it is told that no more rows come, the memory as long as its IndexInfo is.
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
 * A lock that is not waited for, and not an error where shared memory is full:
 * LOCKACQUIRE_NOT_AVAIL then.  18 can also log that it is not to be had.
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

/*
 * What is used of libpq/libpq.h, the same in all versions.  That header needs
 * those of GSSAPI wherever the server has it, and building an extension should
 * not.
 */
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
extern bool pq_check_connection(void);

#define FeBeWaitSetSocketPos	0
#define FeBeWaitSetNEvents		3

/* Waits of extensions have names from 17 on. */
static inline uint32
rarr_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

#endif							/* RARR_BASE_COMPAT_H */
