/*-------------------------------------------------------------------------
 *
 * row_change.c
 *		Changing single rows of an open table: the executor's entry points for
 *		one tuple, with the state that relation.c keeps for them.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
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

/* An update was not HOT: its row's new index entries, now or when all are gathered. */
static void
update_index_entries(RarrTable *table, int change, TupleTableSlot *slot, RarrUpdateIndexes update_indexes)
{
	ResultRelInfo *rri = table->changes[change];

	rarr_table_open_indexes(table);
	if (!table->def->changes[change].is_last || !rarr_updates_all_indexes(update_indexes) ||
		!rarr_has_plain_indexes(table, rri))
		list_free(rarr_update_index_tuples(rri, slot, table->estate, update_indexes));
	else if (table->gathered != NULL)
		rarr_index_entries_add(table->gathered, slot, true);
	else
		rarr_index_entries_insert_one(table, rri, slot);
}

/*
 * ExecSimpleRelationUpdate() without triggers: indexes are opened only where
 * the change is not HOT.  False, with nothing changed, if the version in
 * oldslot is not the latest one any more.
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
	if (table_tuple_update(table->rel, &oldslot->tts_tid, newslot, table->estate->es_output_cid,
						   table->estate->es_snapshot, InvalidSnapshot, wait,
						   &failure, &lockmode, &update_indexes) != TM_Ok)
		return false;
	if (rarr_updates_indexes(update_indexes))
		update_index_entries(table, change, newslot, update_indexes);
	return true;
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
	rarr_table_open_indexes(table);
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
	rarr_table_open_indexes(table);
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
 * A row that rarr_table_insert_unless() ran into is about to decide what the
 * caller does.  Under REPEATABLE READ and SERIALIZABLE it may only if the active
 * snapshot shows it, or if this transaction wrote it: else 40001, as INSERT ... ON
 * CONFLICT DO NOTHING raises it (ExecCheckTupleVisible() in nodeModifyTable.c).
 */
void
rarr_row_require_visible(const RarrTable *table, TupleTableSlot *slot)
{
	bool		isnull;

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
	if (table->has_triggers)
		ExecSimpleRelationUpdate(table->changes[change], table->estate, &table->epqstate,
								 oldslot, newslot);
	else if (!update_without_triggers(table, change, oldslot, newslot, true))
		elog(ERROR, "a locked row was changed by somebody else");
	ResetPerTupleExprContext(table->estate);
	return ItemPointerIsValid(&newslot->tts_tid);
}

/*
 * Change a row that the caller has seen, in oldslot, but not locked, and that
 * no trigger of a user's waits for.  False, with nothing changed, if the version
 * in oldslot is not the latest one any more; or, where whoever has it is not
 * to be waited for, if somebody has it.
 *
 * heap_update() can be told not to wait, and its assertions allow nobody to tell
 * it so.  With them it waits, if somebody came between the caller's look at the
 * row, rarr_row_state(), and the update.
 */
bool
rarr_table_update_unlocked(RarrTable *table, int change,
						   TupleTableSlot *oldslot, TupleTableSlot *newslot, bool wait)
{
	bool		updated;

	Assert(!table->has_triggers);
#ifdef USE_ASSERT_CHECKING
	wait = true;
#endif
	before_change(table);
	updated = update_without_triggers(table, change, oldslot, newslot, wait);
	ResetPerTupleExprContext(table->estate);
	return updated;
}

/*
 * What an update of the row version in the slot, which is on a page, would find:
 * TM_Ok if it is the latest one, and nobody has it.
 */
TM_Result
rarr_row_state(TupleTableSlot *slot)
{
	BufferHeapTupleTableSlot *bslot = (BufferHeapTupleTableSlot *) slot;
	TM_Result	result;

	Assert(TTS_IS_BUFFERTUPLE(slot) && BufferIsValid(bslot->buffer));
	LockBuffer(bslot->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesUpdate(bslot->base.tuple, GetCurrentCommandId(false), bslot->buffer);
	LockBuffer(bslot->buffer, BUFFER_LOCK_UNLOCK);
	return result;
}

/*
 * Many rows will be changed, all in this way, which must be one that is_last:
 * gather their index entries, until rarr_table_insert_gathered(), which must
 * come before the table is closed.  Not where users' triggers could look for
 * the rows in between, by an index that does not have them yet; a volatile
 * function in a CHECK constraint, which should look at nothing but its row, can
 * see them missing.
 */
void
rarr_table_gather(RarrTable *table, int change)
{
	Assert(table->def->changes[change].is_last);
	if (table->has_triggers)
		return;
	rarr_table_open_indexes(table);
	if (rarr_has_plain_indexes(table, table->changes[change]))
		table->gathered = rarr_index_entries_begin(table, table->changes[change]);
}

/*
 * Put what was gathered into the indexes.
 */
void
rarr_table_insert_gathered(RarrTable *table)
{
	if (table->gathered == NULL)
		return;
	rarr_index_entries_insert(table->gathered);
	rarr_index_entries_end(table->gathered);
	table->gathered = NULL;
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
