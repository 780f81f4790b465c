/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Rows that wait until there are many, and are then inserted at once.
 *
 * Rows go into a table page by page, with the table access method's call for
 * many rows: one WAL record a page.  Then they go into one index after the
 * other (index_entries.c).
 *
 * For tables without row triggers that have to fire, but for those that check
 * constraints after the row is in: a foreign key, a deferrable unique index.
 * Whoever inserts a row or two is better served by row_change.c.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/index_entries.h"
#include "base/rows.h"

/* how many rows wait, and how many bytes of them, before they go in */
#define MAX_ROWS	1000
#define MAX_BYTES	(512 * 1024)

/* so few are not worth the sorting */
#define FEW_ROWS	16

struct RarrRows
{
	MemoryContext cxt;			/* of all that is allocated */
	RarrTable  *table;
	ResultRelInfo *rri;
	TupleTableSlot **slots;		/* the first is the table's own */
	int			nslots;			/* made so far */
	int			nrows;			/* waiting */
	Size		nbytes;			/* of those */
};

/*
 * Begins to insert rows into an open table, whose indexes must stay open until
 * rarr_rows_end(); change: which of the table's kinds of change it is.  What is
 * allocated goes with rarr_rows_end(), or with the memory context that is
 * current now when an error ends the work.
 */
RarrRows *
rarr_rows_begin(RarrTable *table, int change)
{
	RarrRows   *rows = palloc0(sizeof(RarrRows));

	Assert(!table->has_triggers || table->def->below_triggers);
	rows->cxt = CurrentMemoryContext;
	rows->table = table;
	rows->rri = table->changes[change];
	rarr_table_open_indexes(table);
	return rows;
}

/*
 * The slot of the next row, empty: to be filled with values, which need to
 * last until rarr_rows_add().
 */
TupleTableSlot *
rarr_rows_next(RarrRows *rows)
{
	RarrTable  *table = rows->table;

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
 * Put the rows, which are in the table, into its indexes one by one, and queue
 * the checks of constraints that come later.
 */
static void
insert_one_by_one(RarrRows *rows)
{
	EState	   *estate = rows->table->estate;

	for (int i = 0; i < rows->nrows; i++)
	{
		List	   *recheck;

		CHECK_FOR_INTERRUPTS();
		recheck = rarr_insert_index_tuples(rows->rri, rows->slots[i], estate, false, NULL, NIL);
		if (rows->table->has_triggers)
			ExecARInsertTriggers(estate, rows->rri, rows->slots[i], recheck, NULL);
		list_free(recheck);
		ResetPerTupleExprContext(estate);
	}
}

/* Put the rows, which are in the table, into its indexes. */
static void
insert_into_indexes(RarrRows *rows)
{
	RarrTable  *table = rows->table;
	EState	   *estate = table->estate;
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

/* Put the waiting rows into the table and its indexes. */
static void
flush(RarrRows *rows)
{
	RarrTable  *table = rows->table;
	MemoryContext old;

	if (rows->nrows == 0)
		return;

	/* the access method leaks */
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
 * The slot that rarr_rows_next() gave is filled: take the row in.  The slot's
 * values are copied.  23502 and 23514 where the table has constraints that they
 * break.
 */
void
rarr_rows_add(RarrRows *rows)
{
	RarrTable  *table = rows->table;
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

/* Inserts what still waits, and ends the work; the table stays open. */
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
