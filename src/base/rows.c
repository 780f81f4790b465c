/*
 * rows.c
 *		Insert rows in bulk.
 *
 * Rows are buffered and inserted with table_multi_insert(), which writes one
 * WAL record per page.  Then they are inserted into one index after the other
 * (index_entries.c).
 *
 * The table must have no row triggers to fire, except for those that check
 * constraints afterwards: a foreign key, or a deferrable unique index.  To
 * insert only a row or two, use row_change.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/index_entries.h"
#include "base/rows.h"

/* limits of the buffer: number of rows, and bytes */
#define MAX_ROWS  1000
#define MAX_BYTES (512 * 1024)

/* up to this many rows, sorting the index entries does not pay off */
#define FEW_ROWS 16

struct RarrRows
{
	MemoryContext cxt; /* owns all allocations */
	RarrTable *table;
	ResultRelInfo *rri;
	TupleTableSlot **slots; /* the first one is the table's newslot */
	int nslots;             /* allocated so far */
	int nrows;              /* buffered rows */
	Size nbytes;            /* ... and their size */
};

/*
 * Begin to insert rows into an open table. change is the index of the kind of
 * change in the table's definition.  The table's indexes must stay open until
 * rarr_rows_end().  That function frees the returned state; on error it is
 * freed with the memory context that is current now.
 */
RarrRows *
rarr_rows_begin(RarrTable *table, int change)
{
	RarrRows *rows = palloc0(sizeof(RarrRows));

	Assert(!table->has_triggers || table->def->below_triggers);
	rows->cxt = CurrentMemoryContext;
	rows->table = table;
	rows->rri = table->changes[change];
	rarr_table_open_indexes(table);
	return rows;
}

/*
 * Return the empty slot for the next row.  The caller stores values in it,
 * which must stay valid until rarr_rows_add().
 */
TupleTableSlot *
rarr_rows_next(RarrRows *rows)
{
	RarrTable *table = rows->table;

	if (rows->nrows == rows->nslots)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->cxt);

		if (rows->slots == NULL)
			rows->slots = palloc(MAX_ROWS * sizeof(TupleTableSlot *));
		rows->slots[rows->nslots] = rows->nslots == 0 ? table->newslot :
														MakeSingleTupleTableSlot(table->desc, table_slot_callbacks(table->rel));
		rows->nslots++;
		MemoryContextSwitchTo(old);
	}
	return rows->slots[rows->nrows];
}

/*
 * Insert the index entries of the rows one by one, and queue deferred checks.
 * The rows are already in the table.
 */
static void
insert_one_by_one(RarrRows *rows)
{
	EState *estate = rows->table->estate;

	for (int i = 0; i < rows->nrows; i++)
	{
		List *recheck;

		CHECK_FOR_INTERRUPTS();
		recheck = rarr_insert_index_tuples(rows->rri, rows->slots[i], estate, false, NULL, NIL);
		if (rows->table->has_triggers)
			ExecARInsertTriggers(estate, rows->rri, rows->slots[i], recheck, NULL);
		list_free(recheck);
		ResetPerTupleExprContext(estate);
	}
}

/* Insert the index entries of the rows, which are already in the table. */
static void
insert_into_indexes(RarrRows *rows)
{
	RarrTable *table = rows->table;
	EState *estate = table->estate;
	RarrIndexEntries *entries;

	if (table->nindexes == 0 && !table->has_triggers)
		return;
	if (table->has_triggers || rows->nrows < FEW_ROWS || !rarr_has_plain_indexes(table, rows->rri))
	{
		insert_one_by_one(rows);
		return;
	}
	entries = rarr_index_entries_begin(table, rows->rri);
	for (int i = 0; i < rows->nrows; i++)
		rarr_index_entries_add(entries, rows->slots[i], false);
	rarr_index_entries_insert(entries);
	rarr_index_entries_end(entries);
	ResetPerTupleExprContext(estate);
}

/* Insert the buffered rows into the table and its indexes. */
static void
flush(RarrRows *rows)
{
	RarrTable *table = rows->table;
	MemoryContext old;

	if (rows->nrows == 0)
		return;

	/* table_multi_insert() leaks memory */
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));
	if (rows->nrows == 1)
		table_tuple_insert(table->rel, rows->slots[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(table->rel, rows->slots, rows->nrows, GetCurrentCommandId(true), 0, NULL);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(table->estate);

	insert_into_indexes(rows);
	for (int i = 0; i < rows->nrows; i++)
		ExecClearTuple(rows->slots[i]);
	rows->nrows = 0;
	rows->nbytes = 0;
}

/*
 * Buffer the row in the slot that rarr_rows_next() returned.  The slot's
 * values are copied.  Raises 23502 or 23514 if the row violates a constraint,
 * and 23505 if the buffer is full and a key is a duplicate.
 */
void
rarr_rows_add(RarrRows *rows)
{
	RarrTable *table = rows->table;
	TupleTableSlot *slot = rows->slots[rows->nrows];
	TupleConstr *constr = RelationGetDescr(table->rel)->constr;

	slot->tts_tableOid = RelationGetRelid(table->rel);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(rows->rri, table->estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(rows->rri, slot, table->estate);
	slot_getallattrs(slot);
	rows->nbytes += heap_compute_data_size(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	ExecMaterializeSlot(slot);
	ResetPerTupleExprContext(table->estate);
	rows->nrows++;
	if (rows->nrows == MAX_ROWS || rows->nbytes >= MAX_BYTES)
		flush(rows);
}

/* Insert the buffered rows and free the state.  The table stays open. */
void
rarr_rows_end(RarrRows *rows)
{
	flush(rows);
	for (int i = 1; i < rows->nslots; i++)
		ExecDropSingleTupleTableSlot(rows->slots[i]);
	if (rows->slots != NULL)
		pfree(rows->slots);
	pfree(rows);
}
