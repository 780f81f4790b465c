/*
 * index_entries.c
 *		Insert the index entries of many rows, one index after the other.
 *
 * Entries of many rows are buffered, sorted in the order of each index, and
 * inserted index by index.  Neighboring entries then find the pages that they
 * need in the processor's caches.  The executor inserts row by row into all
 * indexes, and each insertion evicts the pages of the other indexes.
 *
 * index_insert() is told that each entry is new, even for an UPDATE that left
 * the indexed columns unchanged.  With the "unchanged" hint, a B-tree tries
 * bottom-up deletion before it splits a page, which reads table pages in
 * search of dead versions.  That pays off for rows that are updated
 * repeatedly.  For a row's last update it seldom does: it saves at most half
 * of the index until the next VACUUM.  If the entries of a page point to rows
 * all over the table, as those of media do, it took a sixth of the total cost
 * of dequeueing and completing a job.
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

/* limits of the buffer: number of rows, and bytes */
#define MAX_ROWS  1000
#define MAX_BYTES (4 * 1024 * 1024)

/* An index entry to be inserted. */
typedef struct Entry
{
	ItemPointerData tid;
	Datum *values;
	bool *isnull;
} Entry;

/* The buffered entries of one index. */
typedef struct EntryBuffer
{
	Entry *entries;
	int n;
	int room;
} EntryBuffer;

struct RarrIndexEntries
{
	RarrTable *table;
	ResultRelInfo *rri;
	MemoryContext cxt;    /* owns the buffered entries */
	EntryBuffer *buffers; /* one per index of the table */
	int nrows;            /* number of rows with buffered entries */
};

/* The sort order of an index. */
typedef struct Order
{
	int nkeys;
	SortSupport keys;
} Order;

/*
 * Are all open indexes of an open table free of exclusion and deferrable
 * constraints?  Only such indexes can be filled by the functions of this file.
 */
bool
rarr_has_plain_indexes(const RarrTable *table, const ResultRelInfo *rri)
{
	for (int i = 0; i < table->nindexes; i++)
		if (table->indexes[i] != NULL &&
			(rri->ri_IndexRelationInfo[i]->ii_ExclusionOps != NULL ||
			 !table->indexes[i]->rd_index->indimmediate))
			return false;
	return true;
}

/* Does the i-th index need an entry for the row in the slot? */
static bool
needs_entry(RarrTable *table, int i, IndexInfo *info, TupleTableSlot *slot)
{
	const RarrNullTests *tests = &table->index_tests[i];
	EState *estate = table->estate;
	ExprContext *econtext = GetPerTupleExprContext(estate);

	if (!info->ii_ReadyForInserts || !rarr_null_tests_pass(tests, slot))
		return false;
	econtext->ecxt_scantuple = slot;
	if (tests->complete)
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
 * Insert the index entries of one row.  The row is already in the table.  The
 * indexes that need an entry must be open, and plain (rarr_has_plain_indexes()).
 * Raises 23505 on a duplicate key.
 */
void
rarr_index_entries_insert_one(RarrTable *table, ResultRelInfo *rri, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));

	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo *info = rri->ri_IndexRelationInfo[i];
		Datum values[INDEX_MAX_KEYS];
		bool isnull[INDEX_MAX_KEYS];

		if (!needs_entry(table, i, info, slot))
			continue;
		FormIndexDatum(info, slot, table->estate, values, isnull);
		insert_entry(table, table->indexes[i], info, values, isnull, &slot->tts_tid);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Begin to buffer entries for the indexes of a table.  The indexes must be
 * open and plain, and must stay open until rarr_index_entries_end().  That
 * function frees the returned state; on error it is freed with the memory
 * context that is current now.
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
	entries->buffers = palloc0(table->nindexes * sizeof(EntryBuffer));
	return entries;
}

/* Allocate an entry for an index with natts columns. */
static Entry *
add_entry(EntryBuffer *buffer, int natts)
{
	Entry *entry;

	if (buffer->entries == NULL)
	{
		buffer->room = 64;
		buffer->entries = palloc(buffer->room * sizeof(Entry));
	}
	else if (buffer->n == buffer->room)
	{
		buffer->room *= 2;
		buffer->entries = repalloc_huge(buffer->entries, buffer->room * sizeof(Entry));
	}
	entry = &buffer->entries[buffer->n++];
	entry->values = palloc(natts * (sizeof(Datum) + sizeof(bool)));
	entry->isnull = (bool *) (entry->values + natts);
	return entry;
}

/*
 * Copy an entry's values.  The values have the types of the table's columns
 * and of the index expressions.  The types stored in the index can differ, for
 * example a hash, extracted keys or a bounding box.
 */
static void
copy_values(IndexInfo *info, TupleDesc desc, Entry *entry)
{
	ListCell *expression = list_head(info->ii_Expressions);

	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		AttrNumber column = info->ii_IndexAttrNumbers[i];
		int16 length;
		bool byval;

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
 * Buffer the entries of the row in the slot, which is already in the table.
 *
 * If copy is false, the values are not copied: the slot and the per-tuple
 * memory of the table's executor state must then stay valid until the entries
 * are inserted.  Inserts the buffered entries if the buffer is full, and may
 * then raise 23505.
 */
void
rarr_index_entries_add(RarrIndexEntries *entries, TupleTableSlot *slot, bool copy)
{
	RarrTable *table = entries->table;
	MemoryContext old = MemoryContextSwitchTo(entries->cxt);

	for (int i = 0; i < table->nindexes; i++)
	{
		IndexInfo *info = entries->rri->ri_IndexRelationInfo[i];
		int natts = info->ii_NumIndexAttrs;
		Entry *entry;

		if (!needs_entry(table, i, info, slot))
			continue;
		entry = add_entry(&entries->buffers[i], natts);
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
		int result = ApplySortComparator(x->values[i], x->isnull[i],
										 y->values[i], y->isnull[i], &order->keys[i]);

		if (result != 0)
			return result;
	}
	return 0;
}

/* Sort the entries in the order of the index, if it has one. */
static void
sort_entries(Relation index, EntryBuffer *buffer)
{
	Order order;

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
	qsort_arg(buffer->entries, buffer->n, sizeof(Entry), compare_entries, &order);
}

/* Insert the buffered entries.  Raises 23505 on a duplicate key. */
void
rarr_index_entries_insert(RarrIndexEntries *entries)
{
	RarrTable *table = entries->table;
	MemoryContext old = MemoryContextSwitchTo(entries->cxt);

	for (int i = 0; i < table->nindexes; i++)
	{
		EntryBuffer *buffer = &entries->buffers[i];

		if (buffer->n > 1)
			sort_entries(table->indexes[i], buffer);
		for (Entry *entry = buffer->entries; entry < buffer->entries + buffer->n; entry++)
		{
			CHECK_FOR_INTERRUPTS();
			insert_entry(table, table->indexes[i], entries->rri->ri_IndexRelationInfo[i],
						 entry->values, entry->isnull, &entry->tid);
		}
	}
	memset(entries->buffers, 0, table->nindexes * sizeof(EntryBuffer));
	entries->nrows = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(entries->cxt);
}

/* Free the state.  The buffer must be empty. */
void
rarr_index_entries_end(RarrIndexEntries *entries)
{
	MemoryContextDelete(entries->cxt);
	pfree(entries->buffers);
	pfree(entries);
}
