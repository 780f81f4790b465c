/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Rows that wait until there are many, and are then inserted at once.
 *
 * Rows go into a table page by page, with the table access method's call for
 * many rows: one WAL record a page.  Then they go into one index after the
 * other, into each in its own order, so that neighbours find the pages that
 * they need where the last one left them.  The executor, which puts row by row
 * into all indexes, has each time to fetch again what the other indexes' pages
 * drove out of the processor's caches.
 *
 * For tables without row triggers that have to fire.  Whoever inserts a row or
 * two is better served by row_change.c.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"

#include "base/compat.h"
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

/* What goes into an index for one row. */
typedef struct Entry
{
	TupleTableSlot *slot;
	Datum	   *values;
	bool	   *isnull;
} Entry;

/* The order of an index. */
typedef struct Order
{
	int			nkeys;
	SortSupport keys;
} Order;

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

	Assert(!table->has_triggers);
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

static int
compare_entries(const void *a, const void *b, void *arg)
{
	const Entry *x = a;
	const Entry *y = b;
	const Order *order = arg;

	for (int i = 0; i < order->nkeys; i++)
	{
		int			result = ApplySortComparator(x->values[i], x->isnull[i],
												 y->values[i], y->isnull[i], &order->keys[i]);

		if (result != 0)
			return result;
	}
	return 0;
}

/* Bring the entries into the order of the index, if it has one. */
static void
sort_entries(Relation index, Entry *entries, int n)
{
	Order		order;

	if (index->rd_rel->relam != BTREE_AM_OID)
		return;
	order.nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	order.keys = palloc0(order.nkeys * sizeof(SortSupportData));
	for (int i = 0; i < order.nkeys; i++)
	{
		SortSupport key = &order.keys[i];

		key->ssup_cxt = CurrentMemoryContext;
		key->ssup_collation = index->rd_indcollation[i];
		key->ssup_nulls_first = (index->rd_indoption[i] & INDOPTION_NULLS_FIRST) != 0;
		key->ssup_attno = i + 1;
		rarr_prepare_index_order(index, (index->rd_indoption[i] & INDOPTION_DESC) != 0, key);
	}
	qsort_arg(entries, n, sizeof(Entry), compare_entries, &order);
}

/* What the waiting rows put into an index; entries has room for all of them. */
static int
form_entries(RarrRows *rows, IndexInfo *info, Entry *entries)
{
	EState	   *estate = rows->table->estate;
	ExprContext *econtext = GetPerTupleExprContext(estate);
	int			natts = info->ii_NumIndexAttrs;
	Datum	   *values = palloc(rows->nrows * natts * sizeof(Datum));
	bool	   *isnull = palloc(rows->nrows * natts * sizeof(bool));
	int			n = 0;

	if (info->ii_Predicate != NIL && info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
	for (int i = 0; i < rows->nrows; i++)
	{
		econtext->ecxt_scantuple = rows->slots[i];
		if (info->ii_Predicate != NIL && !ExecQual(info->ii_PredicateState, econtext))
			continue;
		entries[n].slot = rows->slots[i];
		entries[n].values = values + n * natts;
		entries[n].isnull = isnull + n * natts;
		FormIndexDatum(info, rows->slots[i], estate, entries[n].values, entries[n].isnull);
		n++;
	}
	return n;
}

/* Put all waiting rows into one index. */
static void
insert_into_index(RarrRows *rows, Relation index, IndexInfo *info)
{
	Entry	   *entries = palloc(rows->nrows * sizeof(Entry));
	int			n;

	if (!info->ii_ReadyForInserts)
		return;
	n = form_entries(rows, info, entries);
	sort_entries(index, entries, n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) index_insert(index, entries[i].values, entries[i].isnull, &entries[i].slot->tts_tid,
							rows->table->rel, info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
							false, info);
	}
}

/* Can all indexes take their entries without what the executor does beside? */
static bool
has_plain_indexes(const RarrRows *rows)
{
	for (int i = 0; i < rows->table->nindexes; i++)
		if (rows->rri->ri_IndexRelationInfo[i]->ii_ExclusionOps != NULL ||
			!rows->table->indexes[i]->rd_index->indimmediate)
			return false;
	return true;
}

/* Put the rows, which are in the table, into its indexes. */
static void
insert_into_indexes(RarrRows *rows)
{
	RarrTable  *table = rows->table;
	EState	   *estate = table->estate;
	MemoryContext old;

	if (table->nindexes == 0)
		return;
	if (rows->nrows < FEW_ROWS || !has_plain_indexes(rows))
	{
		for (int i = 0; i < rows->nrows; i++)
		{
			CHECK_FOR_INTERRUPTS();
			list_free(rarr_insert_index_tuples(rows->rri, rows->slots[i], estate, false, NULL, NIL));
			ResetPerTupleExprContext(estate);
		}
		return;
	}
	for (int i = 0; i < table->nindexes; i++)
	{
		old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
		insert_into_index(rows, table->indexes[i], rows->rri->ri_IndexRelationInfo[i]);
		MemoryContextSwitchTo(old);
		ResetPerTupleExprContext(estate);
	}
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
