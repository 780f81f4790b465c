/*
 * row_change.c
 *		Insert and update single rows of an open table.
 *
 * This calls the executor's entry points for single tuples, with the state
 * that relation.c caches for them.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/index_entries.h"
#include "base/row_change.h"
#include "base/schema.h"

static void
before_change(RarrTable *table)
{
	if (table->has_triggers)
		rarr_table_open_indexes(table);
	table->estate->es_snapshot = GetActiveSnapshot();
	table->estate->es_output_cid = GetCurrentCommandId(true);
}

/* Insert the new index entries of a non-HOT update, now or deferred. */
static void
update_index_entries(RarrTable *table, int change, TupleTableSlot *slot, RarrUpdateIndexes update_indexes)
{
	ResultRelInfo *rri = table->changes[change];

	rarr_table_open_indexes_for(table, slot);
	if (!table->def->changes[change].is_last || !rarr_updates_all_indexes(update_indexes) ||
		!rarr_has_plain_indexes(table, rri))
		list_free(rarr_update_index_tuples(rri, slot, table->estate, update_indexes));
	else if (table->deferred != NULL)
		rarr_index_entries_add(table->deferred, slot, true);
	else
		rarr_index_entries_insert_one(table, rri, slot);
}

/*
 * Update a row that no trigger fires for; false if it was changed meanwhile.
 * Like ExecSimpleRelationUpdate(), except that indexes are opened only if the
 * update is not HOT.  Returns false, with nothing changed, if oldslot does not
 * hold the latest version any more.
 */
static bool
update_without_triggers(RarrTable *table, int change,
						TupleTableSlot *oldslot, TupleTableSlot *newslot, bool wait)
{
	ResultRelInfo *rri = table->changes[change];
	TupleConstr *constr = RelationGetDescr(table->rel)->constr;
	RarrUpdateIndexes update_indexes;
	TM_FailureData failure;
	LockTupleMode lockmode;

	CheckCmdReplicaIdentity(table->rel, CMD_UPDATE);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(rri, table->estate, newslot, CMD_UPDATE);
	if (constr != NULL)
		ExecConstraints(rri, newslot, table->estate);
	if (table->rel->rd_rel->relispartition)
		ExecPartitionCheck(rri, newslot, table->estate, true);
	if (table_tuple_update(table->rel, &oldslot->tts_tid, newslot, table->estate->es_output_cid,
						   table->estate->es_snapshot, InvalidSnapshot, wait,
						   &failure, &lockmode, &update_indexes) != TM_Ok)
		return false;
	if (rarr_updates_indexes(update_indexes))
		update_index_entries(table, change, newslot, update_indexes);
	return true;
}

/*
 * Report that a user's trigger suppressed the write of a row (09000).  Callers
 * use this if they are about to report the row as written.
 */
void
rarr_table_refused(const RarrTable *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("a trigger of table \"%s.%s\" suppressed the write of a row",
					RARR_SCHEMA, table->def->name),
			 errhint("A BEFORE ROW trigger returned NULL; let it return the row, or raise an error of its own.")));
}

/*
 * Insert a row. change is the index of the kind of change in the table's
 * definition.  Raises 09000 if a user's trigger suppresses the row, and the
 * errors of violated constraints.
 */
void
rarr_table_insert(RarrTable *table, int change, TupleTableSlot *slot)
{
	before_change(table);
	rarr_table_open_indexes_for(table, slot);
	ItemPointerSetInvalid(&slot->tts_tid);
	ExecSimpleRelationInsert(table->changes[change], table->estate, slot);
	ResetPerTupleExprContext(table->estate);
	if (!ItemPointerIsValid(&slot->tts_tid))
		rarr_table_refused(table);
}

/*
 * Insert a row unless the unique index arbiter has an equal one.
 *
 * Like INSERT ... ON CONFLICT DO NOTHING (nodeModifyTable.c), it waits for any
 * transaction that is inserting or deleting an equal row.  Returns false if
 * there is one, and sets *conflict to its TID.  Raises 09000 if a user's
 * trigger suppresses the row.
 */
bool
rarr_table_insert_unless(RarrTable *table, int change, TupleTableSlot *slot,
						 Oid arbiter, ItemPointer conflict)
{
	ResultRelInfo *rri = table->changes[change];
	List *arbiters = list_make1_oid(arbiter);
	bool collided = true;

	before_change(table);
	rarr_table_open_indexes_for(table, slot);
	if (table->has_triggers && !ExecBRInsertTriggers(table->estate, rri, slot))
		rarr_table_refused(table);
	if (table->desc->constr != NULL && table->desc->constr->has_generated_stored)
		ExecComputeStoredGenerated(rri, table->estate, slot, CMD_INSERT);
	ExecConstraints(rri, slot, table->estate);
	while (collided)
	{
		uint32 token;
		List *recheck;

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
 * Check that a conflicting row is visible to the transaction.
 *
 * The caller is about to act on a row that rarr_table_insert_unless() found.
 * Under REPEATABLE READ and SERIALIZABLE, the active snapshot must see the
 * row, or this transaction must have written it.  Raises 40001 otherwise, as
 * INSERT ... ON CONFLICT DO NOTHING does (ExecCheckTupleVisible() in
 * nodeModifyTable.c).
 */
void
rarr_row_require_visible(const RarrTable *table, TupleTableSlot *slot)
{
	bool isnull;

	if (!IsolationUsesXactSnapshot() ||
		table_tuple_satisfies_snapshot(table->rel, slot, GetActiveSnapshot()) ||
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull))))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update"),
			 errhint("Run the transaction again.")));
}

/*
 * Compile the default of a column.  The first INSERT that needs it does so,
 * because compilation can raise an error.
 */
static ExprState *
find_default(RarrTable *table, int i)
{
	Form_pg_attribute column = TupleDescAttr(table->desc, i);
	MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);
	Node *expr = NULL;

	if (table->defaults == NULL)
	{
		table->default_known = palloc0(table->desc->natts * sizeof(bool));
		table->defaults = palloc0(table->desc->natts * sizeof(ExprState *));
	}
	if (!table->default_known[i])
	{
		if (!column->attisdropped && !column->attgenerated)
			expr = build_column_default(table->rel, i + 1);
		if (expr != NULL)
			table->defaults[i] = ExecPrepareExpr((Expr *) expr, table->estate);
		table->default_known[i] = true;
	}
	MemoryContextSwitchTo(old);
	return table->defaults[i];
}

/*
 * Set columns to their defaults, as an INSERT does.  given has an element for
 * each column, true if the slot has a value for it.  If it is NULL, these are
 * the columns that the definition names.  The values are allocated in the
 * current memory context.
 */
void
rarr_table_fill_defaults(RarrTable *table, TupleTableSlot *slot, const bool *given)
{
	for (int i = given == NULL ? table->def->ncolumns : 0; i < table->desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(table->desc, i);
		ExprState *expr = given != NULL && given[i] ? NULL : find_default(table, i);

		if (expr == NULL)
			continue;
		slot->tts_values[i] = ExecEvalExprSwitchContext(expr, GetPerTupleExprContext(table->estate),
														&slot->tts_isnull[i]);
		if (!slot->tts_isnull[i])
			slot->tts_values[i] = datumCopy(slot->tts_values[i], column->attbyval, column->attlen);
	}
}

/*
 * Set the columns that the next updates of this kind change.  Indexes of other
 * columns are told that their entries are unchanged, so that they can delete
 * entries of old versions before they split a page.  For tables with like_dml.
 */
void
rarr_table_set_updated(RarrTable *table, int change, const Bitmapset *columns)
{
	ResultRelInfo *rri = table->changes[change];
	MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);

	rarr_set_updated_columns(table->estate, change, columns);
	for (int i = 0; i < table->nindexes; i++)
		rri->ri_IndexRelationInfo[i]->ii_CheckedUnchanged = false;
	MemoryContextSwitchTo(old);
}

/*
 * Update a row that the caller has locked. oldslot holds the latest version,
 * newslot the new values, which users' triggers may change.  Returns false if
 * a trigger suppressed the update.
 */
bool
rarr_table_update(RarrTable *table, int change,
				  TupleTableSlot *oldslot, TupleTableSlot *newslot)
{
	before_change(table);
	ItemPointerSetInvalid(&newslot->tts_tid);
	if (table->has_triggers)
		ExecSimpleRelationUpdate(table->changes[change], table->estate, &table->epqstate,
								 oldslot, newslot);
	else if (!update_without_triggers(table, change, oldslot, newslot, true))
		elog(ERROR, "a locked row was changed by somebody else");
	ResetPerTupleExprContext(table->estate);
	return ItemPointerIsValid(&newslot->tts_tid);
}

#ifdef USE_ASSERT_CHECKING
/* Are there row triggers to fire for an update of this kind? */
static bool
fires_on_update(const RarrTable *table, int change)
{
	const TriggerDesc *triggers = table->changes[change]->ri_TrigDesc;

	return triggers != NULL && (triggers->trig_update_before_row || triggers->trig_update_after_row);
}
#endif

/*
 * Update a row that the caller has read, in oldslot, but not locked.
 *
 * There must be no triggers to fire for it.  Returns false, with nothing
 * changed, if oldslot does not hold the latest version any more or, unless
 * wait is true, if another transaction has locked or changed the row.
 *
 * heap_update() can be told not to wait, but one of its assertions forbids
 * that.  In an assertion-enabled build it therefore waits if another session
 * locked the row after the caller called rarr_row_state().
 */
bool
rarr_table_update_unlocked(RarrTable *table, int change,
						   TupleTableSlot *oldslot, TupleTableSlot *newslot, bool wait)
{
	bool updated;

	Assert(!fires_on_update(table, change));
#ifdef USE_ASSERT_CHECKING
	wait = true;
#endif
	before_change(table);
	updated = update_without_triggers(table, change, oldslot, newslot, wait);
	ResetPerTupleExprContext(table->estate);
	return updated;
}

/*
 * Determine what an update of the row version in the slot would find.  Returns
 * TM_Ok if it is the latest version and no other transaction has locked or
 * changed it.  The slot must hold a buffer tuple.
 */
TM_Result
rarr_row_state(TupleTableSlot *slot)
{
	BufferHeapTupleTableSlot *bslot = (BufferHeapTupleTableSlot *) slot;
	TM_Result result;

	Assert(TTS_IS_BUFFERTUPLE(slot) && BufferIsValid(bslot->buffer));
	LockBuffer(bslot->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesUpdate(bslot->base.tuple, GetCurrentCommandId(false), bslot->buffer);
	LockBuffer(bslot->buffer, BUFFER_LOCK_UNLOCK);
	return result;
}

/*
 * Begin to defer the index entries of many updates.
 *
 * All updates must be of the kind change, which must be one with is_last.  The
 * caller ends this with rarr_table_insert_deferred() before it closes the
 * table.  Entries are not deferred if users' triggers could look up the rows
 * by an index that lacks them.  A volatile function in a CHECK constraint,
 * which should look at nothing but its row, can see them missing.
 */
void
rarr_table_defer_entries(RarrTable *table, int change)
{
	Assert(table->def->changes[change].is_last);
	if (table->has_triggers)
		return;
	rarr_table_open_indexes(table);
	if (rarr_has_plain_indexes(table, table->changes[change]))
		table->deferred = rarr_index_entries_begin(table, table->changes[change]);
}

/* Insert the deferred index entries.  Raises 23505 on a duplicate key. */
void
rarr_table_insert_deferred(RarrTable *table)
{
	if (table->deferred == NULL)
		return;
	rarr_index_entries_insert(table->deferred);
	rarr_index_entries_end(table->deferred);
	table->deferred = NULL;
}

/*
 * Copy the values of oldslot to newslot, as a base for the next version.  They
 * are not copied deeply: oldslot must not change while newslot is used.
 */
void
rarr_table_copy_row(TupleTableSlot *newslot, TupleTableSlot *oldslot)
{
	int natts = newslot->tts_tupleDescriptor->natts;

	ExecClearTuple(newslot);
	slot_getallattrs(oldslot);
	memcpy(newslot->tts_values, oldslot->tts_values, natts * sizeof(Datum));
	memcpy(newslot->tts_isnull, oldslot->tts_isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(newslot);
}
