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
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
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

/* how many sets a backend keeps of one definition: more than one of partitions */
#define MAX_KEPT	4

/* the sets that this backend keeps, one for each table */
static RarrTable *kept_tables = NULL;
static bool callbacks_registered = false;

/* how many relcache invalidations this backend was told of, of any relation */
static uint64 invalidations = 0;

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
 * Open a table or view of our schema.  42P01 if there is none, also where it was
 * dropped while this waited for the lock.
 */
Relation
rarr_relation_open(const char *name, LOCKMODE lockmode)
{
	for (;;)
	{
		Oid			relid = rarr_relation_oid(name);
		Relation	rel = try_relation_open(relid, lockmode);

		CHECK_FOR_INTERRUPTS();
		if (rel == NULL)
			continue;

		/* with the lock came the news of what DDL did before */
		if (rarr_relation_oid(name) == relid)
			return rel;
		relation_close(rel, lockmode);
	}
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
	invalidations++;
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
free_table(RarrTable *table)
{
	unlink_table(table);
	MemoryContextDelete(table->cxt);
}

/*
 * Free the sets that nobody uses, and nobody will: their tables changed or are
 * gone.  Of partitions, of which there are ever new ones, those that were made
 * last stay.
 */
static void
free_stale_tables(const RarrTableDef *def)
{
	RarrTable  *next;
	int			n = 0;

	for (RarrTable *t = kept_tables; t != NULL; t = next)
	{
		next = t->next;
		if (t->used_in == InvalidSubTransactionId &&
			(!t->valid || (t->def == def && ++n >= MAX_KEPT)))
			free_table(t);
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

/*
 * The columns that an UPDATE changes: those that it names, and the generated
 * ones that are computed from them.
 */
static Bitmapset *
changed_columns(Relation rel, const RarrChange *change)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	Bitmapset  *named = NULL;
	Bitmapset  *changed;

	if (change->command != CMD_UPDATE)
		return NULL;
	for (const AttrNumber *c = change->columns; *c != 0; c++)
		named = bms_add_member(named, *c - FirstLowInvalidHeapAttributeNumber);
	changed = bms_copy(named);
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		AttrDefault *def = &constr->defval[i];
		Bitmapset  *columns = NULL;

		if (!TupleDescAttr(RelationGetDescr(rel), def->adnum - 1)->attgenerated)
			continue;
		pull_varattnos(stringToNode(def->adbin), 1, &columns);
		if (bms_overlap(columns, named) ||
			bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns))
			changed = bms_add_member(changed, def->adnum - FirstLowInvalidHeapAttributeNumber);
	}
	return changed;
}

/*
 * The row lock that an UPDATE of these columns needs, as ExecUpdateLockMode()
 * chooses it: a weaker one would have to wait once more, for who refers to the
 * row's key, when the row is written.
 */
static LockTupleMode
choose_lock_mode(Relation rel, const Bitmapset *changed)
{
	Bitmapset  *key = changed == NULL ? NULL : RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_KEY);

	return bms_overlap(key, changed) ? LockTupleExclusive : LockTupleNoKeyExclusive;
}

/*
 * Compile the CHECK constraints that a change can break: those that look at a
 * column that it changes.  The executor passes over the others.
 */
static void
choose_constraints(RarrTable *table, int change)
{
	TupleConstr *constr = RelationGetDescr(table->rel)->constr;
	ExprState **exprs;

	if (constr == NULL || constr->num_check == 0 || table->has_triggers ||
		table->def->changes[change].command != CMD_UPDATE)
		return;
	exprs = palloc0(constr->num_check * sizeof(ExprState *));
	for (int i = 0; i < constr->num_check; i++)
	{
		Node	   *check = stringToNode(constr->check[i].ccbin);
		Bitmapset  *columns = NULL;

		pull_varattnos(check, 1, &columns);
		if (rarr_check_is_enforced(&constr->check[i]) &&
			(bms_overlap(columns, table->changed[change]) ||
			 bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns)))
			exprs[i] = ExecPrepareExpr((Expr *) rarr_expand_generated(check, table->rel),
									   table->estate);
	}
	rarr_set_constraint_exprs(table->changes[change], exprs);
}

/* What the executor wants to know of the indexes; they are open now. */
static void
describe_indexes(RarrTable *table, ResultRelInfo *rri)
{
	rri->ri_NumIndices = table->nindexes;
	rri->ri_IndexRelationDescs = table->indexes;
	rri->ri_IndexRelationInfo = palloc(table->nindexes * sizeof(IndexInfo *));
	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo  *info = BuildIndexInfo(table->indexes[i]);

		/* for those that can decide on conflicts; see own_index.c */
		if (info->ii_Unique && table->indexes[i]->rd_rel->relam == BTREE_AM_OID)
			BuildSpeculativeIndexInfo(table->indexes[i], info);
		rri->ri_IndexRelationInfo[i] = info;
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
		table->changed[i] = changed_columns(table->rel, &def->changes[i]);
		table->lock_modes[i] = choose_lock_mode(table->rel, table->changed[i]);
	}
	rarr_init_range_table(table->estate, table->rel, updated);

	for (int i = 0; i < def->nchanges; i++)
	{
		ResultRelInfo *rri = makeNode(ResultRelInfo);

		InitResultRelInfo(rri, table->rel, i + 1, NULL, 0);
		table->changes[i] = rri;
		table->estate->es_opened_result_relations =
			lappend(table->estate->es_opened_result_relations, rri);
		if (def->below_triggers ? rarr_choose_constraint_triggers(rri->ri_TrigDesc) :
			rarr_choose_triggers(rri->ri_TrigDesc, &def->changes[i], table->changed[i]))
			table->has_triggers = true;
		describe_indexes(table, rri);
	}
	for (int i = 0; i < def->nchanges; i++)
		choose_constraints(table, i);
}

/*
 * The row lock that is strong enough for any of these changes, given as bits: 1
 * << the number of the change.
 */
LockTupleMode
rarr_table_lock_mode(const RarrTable *table, int changes)
{
	LockTupleMode mode = LockTupleNoKeyExclusive;

	for (int i = 0; i < table->def->nchanges; i++)
		if (changes & (1 << i))
			mode = Max(mode, table->lock_modes[i]);
	return mode;
}

/*
 * What an INSERT puts into the columns that users added, and we do not name.  Not
 * of partitions: rows that go to them by their log get its defaults.
 */
static void
make_defaults(RarrTable *table)
{
	if (table->def->below_triggers)
		return;
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

/*
 * Open an index, by its position in the table's list, unless it is open.
 */
Relation
rarr_table_open_index(RarrTable *table, int i)
{
	if (table->indexes[i] == NULL)
		table->indexes[i] = index_open(table->indexids[i], RowExclusiveLock);
	return table->indexes[i];
}

/*
 * Open all indexes; for whoever inserts into them.
 */
void
rarr_table_open_indexes(RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
		(void) rarr_table_open_index(table, i);
}

static void
close_relations(RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		if (table->indexes[i] == NULL)
			continue;
		for (int j = 0; j < table->def->nchanges; j++)
			rarr_index_insert_cleanup(table->indexes[i], table->changes[j]->ri_IndexRelationInfo[i]);
		index_close(table->indexes[i], NoLock);
		table->indexes[i] = NULL;
	}
	table_close(table->rel, NoLock);
	table->rel = NULL;
}

/* Can anything that users added to the table refuse a change of a row? */
static bool
has_user_rules(const RarrTable *table)
{
	const TupleConstr *constr = table->desc->constr;

	return table->has_triggers || table->nindexes > table->def->nindexes ||
		(constr != NULL && (constr->num_check > table->def->nchecks || constr->has_generated_stored));
}

/* Make the state for a table from nothing, in a memory context below `parent`. */
static RarrTable *
make_table(const RarrTableDef *def, Oid relid, MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "researcharr table", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RarrTable  *table = palloc0(sizeof(RarrTable));
	List	   *indexes;

	table->cxt = cxt;
	table->def = def;
	table->rel = OidIsValid(relid) ? table_open(relid, RowExclusiveLock) :
		rarr_relation_open(def->name, RowExclusiveLock);
	table->relid = RelationGetRelid(table->rel);
	table->made_at = invalidations;
	rarr_check_columns(table->rel, def->columns, def->ncolumns, false);
	table->desc = CreateTupleDescCopyConstr(RelationGetDescr(table->rel));

	indexes = RelationGetIndexList(table->rel);
	table->indexids = palloc(list_length(indexes) * sizeof(Oid));
	table->indexes = palloc0(list_length(indexes) * sizeof(Relation));
	for (int i = 0; i < list_length(indexes); i++)
		table->indexids[table->nindexes++] = list_nth_oid(indexes, i);
	rarr_table_open_indexes(table);
	table->index_valid = palloc(list_length(indexes) * sizeof(bool));
	for (int i = 0; i < table->nindexes; i++)
		table->index_valid[i] = table->indexes[i]->rd_index->indisvalid;

	table->estate = CreateExecutorState();
	MemoryContextSwitchTo(table->estate->es_query_cxt);
	make_changes(table);
	make_defaults(table);
	table->has_user_rules = has_user_rules(table);
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

/*
 * Open a kept set again; false if it turns out to be stale.  The lock on the
 * table keeps the set of its indexes as it is, so that those can wait until
 * one is needed: a claim, which is HOT nearly always, needs only one.
 */
static bool
reopen(RarrTable *table)
{
	if (!table->valid)
		return false;
	LockRelationOid(table->relid, RowExclusiveLock);
	if (!table->valid)
		return false;
	table->rel = table_open(table->relid, NoLock);
	memset(table->indexes, 0, table->nindexes * sizeof(Relation));
	for (int i = 0; i < table->def->nchanges; i++)
		table->changes[i]->ri_RelationDesc = table->rel;
	return true;
}

/*
 * Keep a set for the calls to come.  It is good for this one, as the table was
 * locked first; but what changed while it was made, an index that is being
 * built CONCURRENTLY for one, would be missing in the next transaction.
 */
static void
keep(RarrTable *table)
{
	MemoryContextSetParent(table->cxt, TopMemoryContext);
	table->kept = true;
	table->valid = table->made_at == invalidations;
	table->next = kept_tables;
	kept_tables = table;
}

/*
 * Open a table of ours for changing rows; closed by rarr_table_close, or by an
 * abort.  Takes RowExclusiveLock on it, and on its indexes as they are needed,
 * and keeps it to the end of the transaction.
 */
RarrTable *
rarr_table_open(const RarrTableDef *def)
{
	return rarr_table_open_relation(def, InvalidOid);
}

/*
 * rarr_table_open of a relation that the definition does not name: a partition.
 */
RarrTable *
rarr_table_open_relation(const RarrTableDef *def, Oid relid)
{
	RarrTable  *table = kept_tables;

	register_callbacks();
	while (table != NULL &&
		   (table->def != def || (OidIsValid(relid) && table->relid != relid)))
		table = table->next;

	if (table != NULL && table->used_in == InvalidSubTransactionId && !reopen(table))
	{
		free_table(table);
		table = NULL;
	}
	if (table == NULL || table->used_in != InvalidSubTransactionId)
	{
		bool		nested = table != NULL;

		free_stale_tables(def);
		table = make_table(def, relid, CurrentMemoryContext);
		if (!nested && may_be_kept(table))
			keep(table);
	}
	table->used_in = GetCurrentSubTransactionId();
	table->nblocks = 0;
	table->gathered = NULL;
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
	Assert(table->gathered == NULL);
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
