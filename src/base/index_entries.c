/*-------------------------------------------------------------------------
 *
 * index_entries.c
 *		Index entries of rows that were written to a table.
 *
 * The entries of many rows go into one index after the other, into each in its
 * own order, so that neighbours find the pages that they need where the last
 * one left them.  The executor, which puts row by row into all indexes, has
 * each time to fetch again what the other indexes' pages drove out of the
 * processor's caches.
 *
 * The indexes are not told that an UPDATE left their columns as they were.  A
 * B-tree takes that as a sign of versions that pile up, and before it splits a
 * page, it reads pages of the table for some that nobody can see any more.  That
 * is right where a row is changed again and again.  It is not where the change
 * is a row's last one, as a rule: what there is to gain is half of an index until
 * the next VACUUM, and where the entries of a page point to rows all over the
 * table, as those of media do, the search took a sixth of all that is done to
 * take and complete a job.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"

#include "base/compat.h"
#include "base/index_entries.h"

/* how many rows' entries wait, and in how much memory, before they go in */
#define MAX_ROWS	1000
#define MAX_BYTES	(4 * 1024 * 1024)

/* What goes into an index for one row. */
typedef struct Entry
{
	ItemPointerData tid;
	Datum	   *values;
	bool	   *isnull;
} Entry;

/* What waits to go into one index. */
typedef struct Waiting
{
	Entry	   *entries;
	int			n;
	int			room;
} Waiting;

struct RarrIndexEntries
{
	RarrTable  *table;
	ResultRelInfo *rri;
	MemoryContext cxt;			/* of what waits */
	Waiting    *waiting;		/* for each index of the table */
	int			nrows;			/* whose entries wait */
};

/* The order of an index. */
typedef struct Order
{
	int			nkeys;
	SortSupport keys;
} Order;

/*
 * Can all indexes of a table, which are open, take entries without what the
 * executor does beside: exclusion constraints, and those that are checked later?
 */
bool
rarr_has_plain_indexes(const RarrTable *table, const ResultRelInfo *rri)
{
	for (int i = 0; i < table->nindexes; i++)
		if (rri->ri_IndexRelationInfo[i]->ii_ExclusionOps != NULL ||
			!table->indexes[i]->rd_index->indimmediate)
			return false;
	return true;
}

/* Does the index take an entry for the row in the slot? */
static bool
takes(IndexInfo *info, TupleTableSlot *slot, EState *estate)
{
	ExprContext *econtext = GetPerTupleExprContext(estate);

	if (!info->ii_ReadyForInserts)
		return false;
	econtext->ecxt_scantuple = slot;
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
	return ExecQual(info->ii_PredicateState, econtext);
}

static void
insert_entry(RarrTable *table, Relation index, IndexInfo *info, Datum *values, bool *isnull,
			 ItemPointer tid)
{
	(void) index_insert(index, values, isnull, tid, table->rel,
						info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
}

/*
 * Put the entries of one row, which is in the table, into all indexes, which
 * are open and plain.
 */
void
rarr_index_entries_insert_one(RarrTable *table, ResultRelInfo *rri, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));

	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo  *info = rri->ri_IndexRelationInfo[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		isnull[INDEX_MAX_KEYS];

		if (!takes(info, slot, table->estate))
			continue;
		FormIndexDatum(info, slot, table->estate, values, isnull);
		insert_entry(table, table->indexes[i], info, values, isnull, &slot->tts_tid);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Begins to gather entries for the indexes of a table, which must be open, and
 * stay so until rarr_index_entries_end().  What is allocated goes with that, or
 * with the memory context that is current now when an error ends the work.
 */
RarrIndexEntries *
rarr_index_entries_begin(RarrTable *table, ResultRelInfo *rri)
{
	RarrIndexEntries *entries = palloc(sizeof(RarrIndexEntries));

	Assert(rarr_has_plain_indexes(table, rri));
	entries->table = table;
	entries->rri = rri;
	entries->cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr index entries",
										 ALLOCSET_DEFAULT_SIZES);
	entries->nrows = 0;
	entries->waiting = palloc0(table->nindexes * sizeof(Waiting));
	return entries;
}

/* Room for one more entry of an index with natts columns. */
static Entry *
add_entry(Waiting *waiting, int natts)
{
	Entry	   *entry;

	if (waiting->entries == NULL)
	{
		waiting->room = 64;
		waiting->entries = palloc(waiting->room * sizeof(Entry));
	}
	else if (waiting->n == waiting->room)
	{
		waiting->room *= 2;
		waiting->entries = repalloc_huge(waiting->entries, waiting->room * sizeof(Entry));
	}
	entry = &waiting->entries[waiting->n++];
	entry->values = palloc(natts * (sizeof(Datum) + sizeof(bool)));
	entry->isnull = (bool *) (entry->values + natts);
	return entry;
}

/*
 * Copy an entry's values.  They are of the types of the table's columns and of
 * the expressions; what the index keeps of them can be something else: a hash,
 * the keys in them, a box.
 */
static void
copy_values(IndexInfo *info, TupleDesc desc, Entry *entry)
{
	ListCell   *expression = list_head(info->ii_Expressions);

	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		AttrNumber	column = info->ii_IndexAttrNumbers[i];
		int16		length;
		bool		byval;

		if (column != 0)
		{
			length = TupleDescAttr(desc, column - 1)->attlen;
			byval = TupleDescAttr(desc, column - 1)->attbyval;
		}
		else
		{
			get_typlenbyval(exprType(lfirst(expression)), &length, &byval);
			expression = lnext(info->ii_Expressions, expression);
		}
		if (!entry->isnull[i])
			entry->values[i] = datumCopy(entry->values[i], byval, length);
	}
}

/*
 * The row in the slot is in the table: take up its entries.  copy: their values
 * will not last until they are inserted; else the slot and the memory for each
 * row of the table's executor state must stay as they are.
 */
void
rarr_index_entries_add(RarrIndexEntries *entries, TupleTableSlot *slot, bool copy)
{
	RarrTable  *table = entries->table;
	MemoryContext old = MemoryContextSwitchTo(entries->cxt);

	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo  *info = entries->rri->ri_IndexRelationInfo[i];
		int			natts = info->ii_NumIndexAttrs;
		Entry	   *entry;

		if (!takes(info, slot, table->estate))
			continue;
		entry = add_entry(&entries->waiting[i], natts);
		entry->tid = slot->tts_tid;
		FormIndexDatum(info, slot, table->estate, entry->values, entry->isnull);
		if (copy)
			copy_values(info, slot->tts_tupleDescriptor, entry);
	}
	MemoryContextSwitchTo(old);
	if (++entries->nrows == MAX_ROWS || MemoryContextMemAllocated(entries->cxt, false) >= MAX_BYTES)
		rarr_index_entries_insert(entries);
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
sort_entries(Relation index, Waiting *waiting)
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
	qsort_arg(waiting->entries, waiting->n, sizeof(Entry), compare_entries, &order);
}

/*
 * Put all that waits into the indexes.
 */
void
rarr_index_entries_insert(RarrIndexEntries *entries)
{
	RarrTable  *table = entries->table;
	MemoryContext old = MemoryContextSwitchTo(entries->cxt);

	for (int i = 0; i < table->nindexes; i++)
	{
		Waiting    *waiting = &entries->waiting[i];

		if (waiting->n > 1)
			sort_entries(table->indexes[i], waiting);
		for (Entry *entry = waiting->entries; entry < waiting->entries + waiting->n; entry++)
		{
			CHECK_FOR_INTERRUPTS();
			insert_entry(table, table->indexes[i], entries->rri->ri_IndexRelationInfo[i],
						 entry->values, entry->isnull, &entry->tid);
		}
	}
	memset(entries->waiting, 0, table->nindexes * sizeof(Waiting));
	entries->nrows = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(entries->cxt);
}

/*
 * Ends the work; nothing waits any more.
 */
void
rarr_index_entries_end(RarrIndexEntries *entries)
{
	MemoryContextDelete(entries->cxt);
	pfree(entries->waiting);
	pfree(entries);
}
