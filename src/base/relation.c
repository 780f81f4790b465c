/*-------------------------------------------------------------------------
 *
 * relation.c
 *		Our own tables, opened for changing single rows from C.
 *
 * The functions of the queue change a row or a few at a time, far too little
 * to pay a planner for.  They call the executor's entry points for one tuple
 * (execReplication.c), which keep indexes, constraints and row triggers right,
 * and need a ResultRelInfo and an EState for it.  Making those costs as much
 * as the change itself, so that each backend keeps one set per table, in a
 * memory context of its own.  What makes that safe:
 *
 * - The tuple descriptor is our own copy, and the pointers to the relation and
 *	 its indexes are set anew at each open.  A relcache callback marks the set
 *	 stale; that is looked at again once everything is locked.
 * - A set that is in use when its transaction or subtransaction aborts is
 *	 dropped without a look at its slots, which still believe in pins that are
 *	 gone by then.
 * - Calls can nest, through triggers.  The second one gets a set of its own
 *	 that ends with the call, and so does a call that has to fire users' row
 *	 triggers, or to put rows into an index of theirs of a kind that keeps
 *	 something from row to row (both leave state behind in the set).
 *
 * Row triggers of our own are not fired (row_trigger.c says which are).
 * Privileges and row security are not looked at: whoever may call the function
 * may do what it does.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/relation.h"
#include "base/row_trigger.h"

/* the sets that this backend keeps, one for each table */
static RarrTable *kept_tables = NULL;
static bool callbacks_registered = false;

/*
 * The OID of a table, view or index of our schema.
 */
Oid
rarr_relation_oid(const char *name)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", RARR_SCHEMA, name),
				 errhint("Create the extension in this database, or create it anew if a part of it was dropped.")));
	return relid;
}

/*
 * The executor's entry points do not ask whether writing is allowed at all;
 * every function that writes starts with this.
 */
void
rarr_prevent_read_only(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
}

static void
relation_changed(Datum arg, Oid relid)
{
	for (RarrTable *t = kept_tables; t != NULL; t = t->next)
	{
		bool		ours = !OidIsValid(relid) || relid == t->relid;

		for (int i = 0; i < t->nindexes && !ours; i++)
			ours = relid == t->indexids[i];
		if (ours)
			t->valid = false;
	}
}

/*
 * A function or a domain changed: the expressions of constraints and defaults
 * may be made with it.
 */
static void
expressions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_changed(arg, InvalidOid);
}

static void
unlink_table(RarrTable *table)
{
	RarrTable **link = &kept_tables;

	while (*link != table)
		link = &(*link)->next;
	*link = table->next;
}

/* An abort: drop what was in use, untouched. */
static void
drop_used_in(SubTransactionId subxact)
{
	RarrTable  *next;

	for (RarrTable *t = kept_tables; t != NULL; t = next)
	{
		next = t->next;
		if (t->used_in == InvalidSubTransactionId ||
			(subxact != InvalidSubTransactionId && t->used_in != subxact))
			continue;
		unlink_table(t);
		MemoryContextDelete(t->cxt);
	}
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		drop_used_in(InvalidSubTransactionId);
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_used_in(mine);
}

static void
register_callbacks(void)
{
	if (callbacks_registered)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, expressions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, expressions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CONSTROID, expressions_changed, (Datum) 0);
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
	callbacks_registered = true;
}

/* Does the table still have the columns that the code knows by number? */
static void
check_columns(const RarrTableDef *def, TupleDesc desc)
{
	for (int i = 0; i < def->ncolumns; i++)
	{
		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped ||
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), def->columns[i]) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column %d of table \"%s.%s\" is not \"%s\"",
							i + 1, RARR_SCHEMA, def->name, def->columns[i]),
					 errhint("The extension's own columns must stay as they are; users may add columns behind them.")));
	}
}

/* One ResultRelInfo for each kind of change: indexes learn which columns change. */
static void
make_changes(RarrTable *table)
{
	const RarrTableDef *def = table->def;
	List	   *updated = NIL;

	for (int i = 0; i < def->nchanges; i++)
	{
		Bitmapset  *columns = NULL;

		if (def->changes[i].command == CMD_UPDATE)
			for (const AttrNumber *c = def->changes[i].columns; *c != 0; c++)
				columns = bms_add_member(columns, *c - FirstLowInvalidHeapAttributeNumber);
		updated = lappend(updated, columns);
	}
	rarr_init_range_table(table->estate, table->rel, updated);

	for (int i = 0; i < def->nchanges; i++)
	{
		ResultRelInfo *rri = makeNode(ResultRelInfo);

		InitResultRelInfo(rri, table->rel, i + 1, NULL, 0);
		table->changes[i] = rri;
		table->estate->es_opened_result_relations =
			lappend(table->estate->es_opened_result_relations, rri);
		if (rarr_choose_triggers(table->rel, rri->ri_TrigDesc, &def->changes[i]))
			table->has_triggers = true;

		rri->ri_NumIndices = table->nindexes;
		rri->ri_IndexRelationDescs = table->indexes;
		rri->ri_IndexRelationInfo = palloc(table->nindexes * sizeof(IndexInfo *));
		for (int j = 0; j < table->nindexes; j++)
		{
			IndexInfo  *info = BuildIndexInfo(table->indexes[j]);

			if (info->ii_Unique)
				BuildSpeculativeIndexInfo(table->indexes[j], info);
			rri->ri_IndexRelationInfo[j] = info;
		}
	}
}

/* What an INSERT puts into the columns that users added, and we do not name. */
static void
make_defaults(RarrTable *table)
{
	table->defaults = palloc0(table->desc->natts * sizeof(ExprState *));
	for (int i = table->def->ncolumns; i < table->desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(table->desc, i);
		Node	   *expr = NULL;

		if (!column->attisdropped && !column->attgenerated)
			expr = build_column_default(table->rel, i + 1);
		if (expr != NULL)
			table->defaults[i] = ExecPrepareExpr((Expr *) expr, table->estate);
	}
}

static void
open_indexes(RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
		table->indexes[i] = index_open(table->indexids[i], RowExclusiveLock);
}

static void
close_relations(RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		for (int j = 0; j < table->def->nchanges; j++)
			rarr_index_insert_cleanup(table->indexes[i], table->changes[j]->ri_IndexRelationInfo[i]);
		index_close(table->indexes[i], NoLock);
	}
	table_close(table->rel, NoLock);
	table->rel = NULL;
}

/* Make the state for a table from nothing, in a memory context below `parent`. */
static RarrTable *
make_table(const RarrTableDef *def, MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "researcharr table", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RarrTable  *table = palloc0(sizeof(RarrTable));
	List	   *indexes;

	table->cxt = cxt;
	table->def = def;
	table->relid = rarr_relation_oid(def->name);
	table->rel = table_open(table->relid, RowExclusiveLock);
	check_columns(def, RelationGetDescr(table->rel));
	table->desc = CreateTupleDescCopyConstr(RelationGetDescr(table->rel));

	indexes = RelationGetIndexList(table->rel);
	table->indexids = palloc(list_length(indexes) * sizeof(Oid));
	table->indexes = palloc(list_length(indexes) * sizeof(Relation));
	for (int i = 0; i < list_length(indexes); i++)
		table->indexids[table->nindexes++] = list_nth_oid(indexes, i);
	open_indexes(table);

	table->estate = CreateExecutorState();
	MemoryContextSwitchTo(table->estate->es_query_cxt);
	make_changes(table);
	make_defaults(table);
	rarr_epq_init(&table->epqstate, table->estate);
	table->oldslot = MakeSingleTupleTableSlot(table->desc, table_slot_callbacks(table->rel));
	table->newslot = MakeSingleTupleTableSlot(table->desc, &TTSOpsVirtual);
	MemoryContextSwitchTo(old);
	return table;
}

/* Would nothing of one call's work be left in the set after it? */
static bool
may_be_kept(const RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
		if (rarr_index_needs_cleanup(table->indexes[i]))
			return false;
	return !table->has_triggers;
}

/* Open a kept set again; false if it turns out to be stale. */
static bool
reopen(RarrTable *table)
{
	if (!table->valid)
		return false;
	LockRelationOid(table->relid, RowExclusiveLock);
	if (!table->valid)
		return false;
	table->rel = table_open(table->relid, NoLock);
	open_indexes(table);
	if (!table->valid)
	{
		close_relations(table);
		return false;
	}
	for (int i = 0; i < table->def->nchanges; i++)
		table->changes[i]->ri_RelationDesc = table->rel;
	return true;
}

/*
 * Open a table of ours, with its indexes, for changing rows; closed by
 * rarr_table_close, or by an abort.  Takes RowExclusiveLock on all of them and
 * keeps it to the end of the transaction.
 */
RarrTable *
rarr_table_open(const RarrTableDef *def)
{
	RarrTable  *table = kept_tables;

	register_callbacks();
	while (table != NULL && table->def != def)
		table = table->next;

	if (table != NULL && table->used_in == InvalidSubTransactionId && !reopen(table))
	{
		unlink_table(table);
		MemoryContextDelete(table->cxt);
		table = NULL;
	}
	if (table == NULL || table->used_in != InvalidSubTransactionId)
	{
		bool		nested = table != NULL;

		table = make_table(def, CurrentMemoryContext);
		if (!nested && may_be_kept(table))
		{
			MemoryContextSetParent(table->cxt, TopMemoryContext);
			table->kept = true;
			table->valid = true;
			table->next = kept_tables;
			kept_tables = table;
		}
	}
	table->used_in = GetCurrentSubTransactionId();
	table->estate->es_output_cid = GetCurrentCommandId(true);
	if (table->has_triggers)
		AfterTriggerBeginQuery();
	return table;
}

/*
 * Close a table: fire the AFTER triggers that are due and let go of every pin.
 * The row locks and relation locks stay until the transaction ends.
 */
void
rarr_table_close(RarrTable *table)
{
	ExecClearTuple(table->oldslot);
	ExecClearTuple(table->newslot);
	if (table->has_triggers)
		AfterTriggerEndQuery(table->estate);
	if (table->kept)
	{
		table->estate->es_snapshot = InvalidSnapshot;
		close_relations(table);
		table->used_in = InvalidSubTransactionId;
		return;
	}
	ExecResetTupleTable(table->estate->es_tupleTable, false);
	close_relations(table);
	FreeExecutorState(table->estate);
	MemoryContextDelete(table->cxt);
}

/*
 * An index of an open table, by name.  55000 if it is not fit for use.
 */
Relation
rarr_table_index(RarrTable *table, const char *name)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		Relation	index = table->indexes[i];

		if (strcmp(RelationGetRelationName(index), name) != 0)
			continue;
		if (!index->rd_index->indisvalid)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index \"%s.%s\" is not valid", RARR_SCHEMA, name),
					 errhint("Rebuild it: REINDEX INDEX %s.%s.", RARR_SCHEMA, name)));
		return index;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("index \"%s.%s\" does not exist", RARR_SCHEMA, name),
			 errhint("Create it anew as the extension's install script does.")));
}

static void
before_change(RarrTable *table)
{
	table->estate->es_snapshot = GetActiveSnapshot();
	table->estate->es_output_cid = GetCurrentCommandId(true);
}

/*
 * A trigger of a user's kept a row from being written, without an error.  The
 * caller was about to say that it is there: 09000.
 */
void
rarr_table_refused(const RarrTable *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("a trigger of table \"%s.%s\" kept a row from being written",
					RARR_SCHEMA, table->def->name),
			 errhint("A BEFORE ROW trigger returned NULL; let it return the row, or raise an error of its own.")));
}

/*
 * Insert a row.  09000 if a user's trigger keeps it out.
 */
void
rarr_table_insert(RarrTable *table, int change, TupleTableSlot *slot)
{
	before_change(table);
	ItemPointerSetInvalid(&slot->tts_tid);
	ExecSimpleRelationInsert(table->changes[change], table->estate, slot);
	ResetPerTupleExprContext(table->estate);
	if (!ItemPointerIsValid(&slot->tts_tid))
		rarr_table_refused(table);
}

/*
 * Insert a row, unless the unique index `arbiter` has an equal one: then false,
 * and where that one is.  Waits for whoever is inserting or deleting an equal
 * one.  This is what INSERT ... ON CONFLICT DO NOTHING does (nodeModifyTable.c).
 * 09000 as above.
 */
bool
rarr_table_insert_unless(RarrTable *table, int change, TupleTableSlot *slot,
						 Oid arbiter, ItemPointer conflict)
{
	ResultRelInfo *rri = table->changes[change];
	List	   *arbiters = list_make1_oid(arbiter);
	bool		collided = true;

	before_change(table);
	if (table->has_triggers && !ExecBRInsertTriggers(table->estate, rri, slot))
		rarr_table_refused(table);
	if (table->desc->constr != NULL && table->desc->constr->has_generated_stored)
		ExecComputeStoredGenerated(rri, table->estate, slot, CMD_INSERT);
	ExecConstraints(rri, slot, table->estate);
	while (collided)
	{
		uint32		token;
		List	   *recheck;

		CHECK_FOR_INTERRUPTS();
		if (!rarr_check_index_constraints(rri, slot, table->estate, conflict, arbiters))
			return false;

		collided = false;
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(table->rel, slot, table->estate->es_output_cid, 0, NULL, token);
		recheck = rarr_insert_index_tuples(rri, slot, table->estate, true, &collided, arbiters);
		table_tuple_complete_speculative(table->rel, slot, token, !collided);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!collided)
			ExecARInsertTriggers(table->estate, rri, slot, recheck, NULL);
		list_free(recheck);
	}
	ResetPerTupleExprContext(table->estate);
	return true;
}

/*
 * Give the columns that users added the values that an INSERT would give them.
 */
void
rarr_table_fill_defaults(RarrTable *table, TupleTableSlot *slot)
{
	for (int i = table->def->ncolumns; i < table->desc->natts; i++)
		if (table->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExpr(table->defaults[i],
											   GetPerTupleExprContext(table->estate),
											   &slot->tts_isnull[i]);
}

/*
 * Change a row that the caller has locked, and whose latest version is in
 * oldslot, to what newslot holds, or what users' triggers make of it.  False
 * if one of them kept the row from being changed.
 */
bool
rarr_table_update(RarrTable *table, int change,
				  TupleTableSlot *oldslot, TupleTableSlot *newslot)
{
	before_change(table);
	ItemPointerSetInvalid(&newslot->tts_tid);
	ExecSimpleRelationUpdate(table->changes[change], table->estate, &table->epqstate,
							 oldslot, newslot);
	ResetPerTupleExprContext(table->estate);
	return ItemPointerIsValid(&newslot->tts_tid);
}

/*
 * Begin the next version of a row: the values of oldslot, which must stay as
 * it is while newslot is used.
 */
void
rarr_table_copy_row(TupleTableSlot *newslot, TupleTableSlot *oldslot)
{
	int			natts = newslot->tts_tupleDescriptor->natts;

	ExecClearTuple(newslot);
	slot_getallattrs(oldslot);
	memcpy(newslot->tts_values, oldslot->tts_values, natts * sizeof(Datum));
	memcpy(newslot->tts_isnull, oldslot->tts_isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(newslot);
}
