/*
 * relation.c
 *		Open our tables for changes of single rows.
 *
 * The functions of the job queue change too few rows to pay for a planner.  They
 * call the executor's entry points for single tuples (execReplication.c), with a
 * RarrTable that each backend caches; README.md tells how.  A cached entry is
 * safe for these reasons:
 *
 * - The tuple descriptor is our own copy, and the pointers to the relation and
 *   its indexes are set anew at each open.
 *
 * - An abort drops an entry in use without touching its slots, which still refer
 *   to buffer pins that the abort has released.
 *
 * - A call that nests through a trigger gets an entry of its own, which is freed
 *   at its end.  So does one that fires users' row triggers, or that inserts into
 *   a user's index whose access method keeps state: both leave state behind.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/relation.h"
#include "base/row_trigger.h"
#include "base/schema.h"

/* cached entries per definition; partitions have more than one */
#define MAX_CACHED 4

/* this backend's cached entries, one per table */
static RarrTable *cached_tables = NULL;
static bool callbacks_registered = false;

/* relcache invalidations received, of any relation */
static uint64 invalidations = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	invalidations++;
	for (RarrTable *t = cached_tables; t != NULL; t = t->next)
	{
		bool ours = !OidIsValid(relid) || relid == t->relid;

		for (int i = 0; i < t->nindexes && !ours; i++)
			ours = relid == t->indexids[i];
		if (ours)
			t->valid = false;
	}
}

/* A function or domain changed, which constraints and defaults may use. */
static void
expressions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_changed(arg, InvalidOid);
}

static void
free_table(RarrTable *table)
{
	RarrTable **link = &cached_tables;

	while (*link != table)
		link = &(*link)->next;
	*link = table->next;
	MemoryContextDelete(table->cxt);
}

/* At an abort, drop the entries in use without touching them. */
static void
drop_used_in(SubTransactionId subxact)
{
	RarrTable *next;

	for (RarrTable *t = cached_tables; t != NULL; t = next)
	{
		next = t->next;
		if (t->used_in == InvalidSubTransactionId ||
			(subxact != InvalidSubTransactionId && t->used_in != subxact))
			continue;
		free_table(t);
	}
}

/*
 * Free invalid entries that are not in use.  Also free all but the last
 * MAX_CACHED entries of a definition: there is always a new partition.
 */
static void
free_stale_tables(const RarrTableDef *def)
{
	RarrTable *next;
	int n = 0;

	for (RarrTable *t = cached_tables; t != NULL; t = next)
	{
		next = t->next;
		if (t->used_in == InvalidSubTransactionId &&
			(!t->valid || (t->def == def && ++n >= MAX_CACHED)))
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

	/* ... and, in tables with like_dml, what functions the user may execute */
	CacheRegisterSyscacheCallback(AUTHOID, expressions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, expressions_changed, (Datum) 0);
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
	callbacks_registered = true;
}

/*
 * Compute the columns that an UPDATE changes: those that it sets, and the
 * generated columns that depend on them.
 */
static Bitmapset *
changed_columns(Relation rel, const Bitmapset *named)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	Bitmapset *changed = bms_copy(named);

	if (named == NULL)
		return NULL;
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		AttrDefault *def = &constr->defval[i];
		Bitmapset *columns = NULL;

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
 * Choose the row lock that an UPDATE of these columns needs, like
 * ExecUpdateLockMode().  With a weaker one the update itself would wait again,
 * for transactions that reference the row's key.
 */
static LockTupleMode
choose_lock_mode(Relation rel, const Bitmapset *changed)
{
	Bitmapset *key = changed == NULL ? NULL : RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_KEY);

	return bms_overlap(key, changed) ? LockTupleExclusive : LockTupleNoKeyExclusive;
}

/*
 * Compile the CHECK constraints that a change can violate, which are those
 * that reference a changed column.  The executor skips the others.
 */
static void
choose_constraints(RarrTable *table, int change)
{
	TupleConstr *constr = RelationGetDescr(table->rel)->constr;
	ExprState **exprs;

	if (constr == NULL || constr->num_check == 0 || table->has_triggers || table->def->like_dml ||
		table->def->changes[change].command != CMD_UPDATE)
		return;
	exprs = palloc0(constr->num_check * sizeof(ExprState *));
	for (int i = 0; i < constr->num_check; i++)
	{
		Node *check = stringToNode(constr->check[i].ccbin);
		Bitmapset *columns = NULL;

		pull_varattnos(check, 1, &columns);
		if (rarr_check_is_enforced(&constr->check[i]) &&
			(bms_overlap(columns, table->changed[change]) ||
			 bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns)))
			exprs[i] = ExecPrepareExpr((Expr *) rarr_expand_generated(check, table->rel),
									   table->estate);
	}
	rarr_set_constraint_exprs(table->changes[change], exprs);
}

/* Provide the executor with the indexes, which are open now. */
static void
describe_indexes(RarrTable *table, ResultRelInfo *rri)
{
	rri->ri_NumIndices = table->nindexes;
	rri->ri_IndexRelationDescs = table->indexes;
	rri->ri_IndexRelationInfo = palloc(table->nindexes * sizeof(IndexInfo *));
	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo *info = BuildIndexInfo(table->indexes[i]);

		/* for arbiter indexes; see own_index.c */
		if (info->ii_Unique && table->indexes[i]->rd_rel->relam == BTREE_AM_OID)
			BuildSpeculativeIndexInfo(table->indexes[i], info);
		rri->ri_IndexRelationInfo[i] = info;
	}
}

/* Make a ResultRelInfo per kind of change, with its set of changed columns. */
static void
make_changes(RarrTable *table)
{
	const RarrTableDef *def = table->def;
	List *updated = NIL;

	for (int i = 0; i < def->nchanges; i++)
	{
		Bitmapset *columns = NULL;

		if (def->changes[i].command == CMD_UPDATE)
			for (const AttrNumber *c = def->changes[i].columns; *c != 0; c++)
				columns = bms_add_member(columns, *c - FirstLowInvalidHeapAttributeNumber);
		updated = lappend(updated, columns);
		table->changed[i] = changed_columns(table->rel, columns);
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
 * Return the row lock that suffices for several kinds of change. changes is a
 * bit mask: bit i stands for the i-th kind of change.
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
 * Open an index, given by its position in the table's list.  Takes
 * RowExclusiveLock on the index.  Does nothing if it is already open.
 */
Relation
rarr_table_open_index(RarrTable *table, int i)
{
	if (table->indexes[i] == NULL)
		table->indexes[i] = index_open(table->indexids[i], RowExclusiveLock);
	return table->indexes[i];
}

/* Open all indexes, for insertions. */
void
rarr_table_open_indexes(RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
		(void) rarr_table_open_index(table, i);
}

/*
 * Open the indexes that need an entry for the row in the slot.  Those whose
 * predicate excludes the row can stay closed, and be NULL in table->indexes:
 * to open and lock an index costs more than to look at its predicate.  The
 * executor passes over them, too.
 */
void
rarr_table_open_indexes_for(RarrTable *table, TupleTableSlot *slot)
{
	for (int i = 0; i < table->nindexes; i++)
		if (table->indexes[i] == NULL && rarr_null_tests_pass(&table->index_tests[i], slot))
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

static bool
is_own_check(const RarrTableDef *def, const char *name)
{
	for (const char *const *check = def->checks; check != NULL && *check != NULL; check++)
		if (strcmp(*check, name) == 0)
			return true;
	return false;
}

/* Could anything that users added to the table reject a change? */
static bool
has_user_rules(const RarrTable *table)
{
	const TupleConstr *constr = table->desc->constr;

	if (table->has_triggers || (constr != NULL && constr->has_generated_stored))
		return true;
	for (int i = 0; i < table->nindexes; i++)
		if (!rarr_index_is_known(table->indexes[i], table->def->indexes))
			return true;
	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		if (!is_own_check(table->def, constr->check[i].ccname))
			return true;
	return false;
}

/* Build an entry in a new memory context below parent. */
static RarrTable *
make_table(const RarrTableDef *def, Oid relid, MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "researcharr table", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RarrTable *table = palloc0(sizeof(RarrTable));
	List *indexes;

	table->cxt = cxt;
	table->def = def;
	table->rel = OidIsValid(relid) ? table_open(relid, RowExclusiveLock) :
									 rarr_relation_open(def->name, RowExclusiveLock);
	table->relid = RelationGetRelid(table->rel);
	table->userid = GetUserId();
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
	table->index_tests = palloc(list_length(indexes) * sizeof(RarrNullTests));
	for (int i = 0; i < table->nindexes; i++)
	{
		table->index_valid[i] = table->indexes[i]->rd_index->indisvalid;
		rarr_null_tests_read(&table->index_tests[i], RelationGetIndexPredicate(table->indexes[i]));

		/* generated columns get their values later */
		if (table->desc->constr != NULL && rarr_has_generated_columns(table->desc->constr))
			memset(&table->index_tests[i], 0, sizeof(RarrNullTests));
	}

	table->estate = CreateExecutorState();
	MemoryContextSwitchTo(table->estate->es_query_cxt);
	make_changes(table);
	table->has_user_rules = has_user_rules(table);
	rarr_epq_init(&table->epqstate, table->estate);
	table->oldslot = MakeSingleTupleTableSlot(table->desc, table_slot_callbacks(table->rel));
	table->newslot = MakeSingleTupleTableSlot(table->desc, &TTSOpsVirtual);
	MemoryContextSwitchTo(old);
	return table;
}

/* Would the entry be free of state at the end of a call? */
static bool
is_cacheable(const RarrTable *table)
{
	for (int i = 0; i < table->nindexes; i++)
		if (rarr_index_needs_cleanup(table->indexes[i]))
			return false;
	return !table->has_triggers;
}

/*
 * Reopen a cached entry.  Returns false if it turns out to be invalid.  The
 * table lock keeps the set of indexes stable, so each index is only opened
 * when it is needed: a claim is nearly always a HOT update and needs only one.
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
 * Cache an entry.  The current call may use it in any case, because the table
 * was locked first.  But a change during its construction, such as a
 * concurrent index build, would be missing in the next transaction; the entry
 * is not valid then.
 */
static void
cache_entry(RarrTable *table)
{
	MemoryContextSetParent(table->cxt, TopMemoryContext);
	table->cached = true;
	table->valid = table->made_at == invalidations;
	table->next = cached_tables;
	cached_tables = table;
}

/*
 * Is the entry of this table?  With like_dml, expressions were compiled with
 * the privileges of a user, so it serves only that user.
 */
static bool
serves(const RarrTable *table, const RarrTableDef *def, Oid relid)
{
	return table->def == def && (!OidIsValid(relid) || table->relid == relid) &&
		   (!def->like_dml || table->userid == GetUserId());
}

/*
 * Open one of our tables for changing rows.  Takes RowExclusiveLock on it, and
 * on its indexes when they are needed, until the transaction ends.
 * rarr_table_close(), or an abort, closes it.  Raises 42P01 if the table does
 * not exist, and 55000 if its columns do not match the definition.
 */
RarrTable *
rarr_table_open(const RarrTableDef *def)
{
	return rarr_table_open_relation(def, InvalidOid);
}

/* Like rarr_table_open(), for a partition, which the definition does not name. */
RarrTable *
rarr_table_open_relation(const RarrTableDef *def, Oid relid)
{
	RarrTable *table = cached_tables;

	register_callbacks();
	while (table != NULL && !serves(table, def, relid))
		table = table->next;

	if (table != NULL && table->used_in == InvalidSubTransactionId && !reopen(table))
	{
		free_table(table);
		table = NULL;
	}
	if (table == NULL || table->used_in != InvalidSubTransactionId)
	{
		bool nested = table != NULL;

		free_stale_tables(def);
		table = make_table(def, relid, CurrentMemoryContext);
		if (!nested && is_cacheable(table))
			cache_entry(table);
	}
	table->used_in = GetCurrentSubTransactionId();
	table->nblocks = 0;
	table->deferred = NULL;
	table->estate->es_output_cid = GetCurrentCommandId(true);
	if (table->has_triggers)
		AfterTriggerBeginQuery();
	return table;
}

/*
 * Close a table: fire pending AFTER triggers, and release all buffer pins.
 * Row locks and relation locks are kept until the transaction ends.
 */
void
rarr_table_close(RarrTable *table)
{
	Assert(table->deferred == NULL);
	ExecClearTuple(table->oldslot);
	ExecClearTuple(table->newslot);
	if (table->has_triggers)
		AfterTriggerEndQuery(table->estate);
	if (table->cached)
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
