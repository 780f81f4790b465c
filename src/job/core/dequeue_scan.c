/*
 * dequeue_scan.c
 *		Scans of the dequeue index, processing_jobs_take_idx (README.md).
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "job/core/dequeue_scan.h"

/* columns of the dequeue index */
#define DEQUEUE_JOB_TYPE     1
#define DEQUEUE_PRIORITY     2
#define DEQUEUE_AVAILABLE_AT 3
#define DEQUEUE_ID           4

/* a page with so many free bytes is not pruned */
#define ENOUGH_ROOM (BLCKSZ / 5)

/*
 * Prepare for scans of the jobs of one type.  jobs and index: processing_jobs
 * and its dequeue index, which stay open while the scan is used.
 */
void
rarr_dequeue_scan_init(RarrDequeueScan *scan, Relation jobs, Relation index, const char *type)
{
	scan->jobs = jobs;
	scan->index = index;
	scan->type = CStringGetTextDatum(type);
	scan->scan = NULL;
}

/*
 * Begin a scan with the first n keys.  The key of the type is made here, the
 * caller has made the others.
 *
 * Under REPEATABLE READ and SERIALIZABLE the scan reads the latest versions
 * (SnapshotSelf), and rarr_dequeue_scan_next_job() skips those that the
 * snapshot does not see.  So jobs that changed after the snapshot are skipped.
 * A scan with SnapshotSelf also takes no predicate locks, so that workers that
 * scan the same jobs do not conflict under SERIALIZABLE.
 */
static void
begin(RarrDequeueScan *scan, Snapshot snapshot, int n)
{
	rarr_dequeue_scan_end(scan);
	ScanKeyEntryInitialize(&scan->keys[0], 0, DEQUEUE_JOB_TYPE, BTEqualStrategyNumber, InvalidOid,
						   scan->index->rd_indcollation[DEQUEUE_JOB_TYPE - 1], F_TEXTEQ, scan->type);
	scan->visible = IsolationUsesXactSnapshot() ? snapshot : NULL;
	scan->scan = rarr_index_beginscan(scan->jobs, scan->index,
									  scan->visible != NULL ? SnapshotSelf : snapshot, n);
	scan->scan->xs_want_itup = true;
	index_rescan(scan->scan, scan->keys, n, NULL, 0);
}

/*
 * Begin a scan of all groups with a priority less than `below`, highest first.
 */
void
rarr_dequeue_scan_below(RarrDequeueScan *scan, Snapshot snapshot, int below)
{
	ScanKeyInit(&scan->keys[1], DEQUEUE_PRIORITY, BTLessStrategyNumber, F_INT4LT, Int32GetDatum(below));
	begin(scan, snapshot, 2);
}

/*
 * Begin a scan of one group, from a queue position to the last job with this
 * available_at (DT_NOEND: to the group's end).  (available_at, id) >= pos is a
 * row comparison, built as nodeIndexscan.c does.
 *
 * The B-tree code reads the keys again for each page, so that their arguments
 * must live as long as the scan.  Hence the copy of pos->id.
 */
void
rarr_dequeue_scan_group(RarrDequeueScan *scan, Snapshot snapshot, int priority,
						const RarrQueuePos *pos, TimestampTz until)
{
	int n = 2;

	ScanKeyInit(&scan->keys[1], DEQUEUE_PRIORITY, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(priority));
	if (rarr_queue_pos_compare(pos, &rarr_first_queue_pos) > 0)
	{
		ScanKeyData *row = &scan->keys[n++];

		scan->pos_id = pos->id;
		ScanKeyEntryInitialize(&scan->pos[0], SK_ROW_MEMBER, DEQUEUE_AVAILABLE_AT, BTGreaterEqualStrategyNumber,
							   InvalidOid, InvalidOid, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(pos->at));
		ScanKeyEntryInitialize(&scan->pos[1], SK_ROW_MEMBER | SK_ROW_END, DEQUEUE_ID, BTGreaterEqualStrategyNumber,
							   InvalidOid, InvalidOid, F_UUID_CMP, UUIDPGetDatum(&scan->pos_id));
		memset(row, 0, sizeof(ScanKeyData));
		row->sk_flags = SK_ROW_HEADER;
		row->sk_attno = DEQUEUE_AVAILABLE_AT;
		row->sk_strategy = BTGreaterEqualStrategyNumber;
		row->sk_argument = PointerGetDatum(scan->pos);
	}
	if (until != DT_NOEND)
		ScanKeyInit(&scan->keys[n++], DEQUEUE_AVAILABLE_AT, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
					TimestampTzGetDatum(until));
	begin(scan, snapshot, n);
}

/* End the open scan, if there is one. */
void
rarr_dequeue_scan_end(RarrDequeueScan *scan)
{
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	scan->scan = NULL;
}

/*
 * Pin the heap page of the current index entry, before index_fetch_heap()
 * does.
 *
 * index_fetch_heap() prunes each page that it pins itself, if the page has
 * less free space than the fill factor reserves.  The fill factor of
 * processing_jobs reserves half of a page, so that pages would be pruned at
 * nearly each visit.  It suffices to prune when there is room for only a few
 * more versions.
 */
static void
pin_page(IndexScanDesc desc)
{
	IndexFetchHeapData *fetch = (IndexFetchHeapData *) desc->xs_heapfetch;
	Buffer before = fetch->xs_cbuf;
	Page page;

	fetch->xs_cbuf = ReleaseAndReadBuffer(before, desc->heapRelation,
										  ItemPointerGetBlockNumber(&desc->xs_heaptid));
	if (fetch->xs_cbuf == before)
		return;
	page = BufferGetPage(fetch->xs_cbuf);
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < ENOUGH_ROOM)
		heap_page_prune_opt(desc->heapRelation, fetch->xs_cbuf);
}

/* The same as index_getnext_slot(), but with pin_page(). */
static bool
next_row(IndexScanDesc desc, TupleTableSlot *slot)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!desc->xs_heap_continue)
		{
			if (index_getnext_tid(desc, ForwardScanDirection) == NULL)
				return false;
			pin_page(desc);
		}
		if (index_fetch_heap(desc, slot))
			return true;
	}
}

/*
 * Fetch the next job into the slot, and deform all its attributes.  Returns
 * false at the end of the scan.
 */
bool
rarr_dequeue_scan_next_job(RarrDequeueScan *scan, TupleTableSlot *slot)
{
	while (next_row(scan->scan, slot))
	{
		if (scan->visible != NULL &&
			!table_tuple_satisfies_snapshot(scan->jobs, slot, scan->visible))
			continue;
		slot_getallattrs(slot);
		return true;
	}
	return false;
}

/*
 * Get the queue position of the next index entry, even if its row is visible
 * to nobody.  index_fetch_heap() gets the row.  Returns false at the end of
 * the scan.
 */
bool
rarr_dequeue_scan_next_entry(RarrDequeueScan *scan, RarrQueuePos *pos)
{
	IndexScanDesc desc = scan->scan;
	bool isnull;

	if (index_getnext_tid(desc, ForwardScanDirection) == NULL)
		return false;
	pos->at = DatumGetTimestampTz(index_getattr(desc->xs_itup, DEQUEUE_AVAILABLE_AT, desc->xs_itupdesc, &isnull));
	pos->id = *DatumGetUUIDP(index_getattr(desc->xs_itup, DEQUEUE_ID, desc->xs_itupdesc, &isnull));
	return true;
}

/* The transaction that updated or deleted the version in the slot, if any. */
static TransactionId
changer_of(TupleTableSlot *slot)
{
	Buffer buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	HeapTupleHeader tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_data;
	TransactionId changer = InvalidTransactionId;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0 && !HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask))
		changer = HeapTupleHeaderGetUpdateXid(tuple);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return changer;
}

/*
 * Has another transaction updated or deleted the row version in the slot,
 * which must be a buffer tuple?  That transaction is in progress or has
 * committed.  Returns false if the version is only locked.
 */
bool
rarr_job_is_being_changed(TupleTableSlot *slot)
{
	TransactionId changer = changer_of(slot);

	return TransactionIdIsValid(changer) &&
		   (TransactionIdIsInProgress(changer) || TransactionIdDidCommit(changer));
}

/* Has this transaction updated or deleted the version in the slot? */
bool
rarr_job_is_changed_by_self(TupleTableSlot *slot)
{
	TransactionId changer = changer_of(slot);

	return TransactionIdIsValid(changer) && TransactionIdIsCurrentTransactionId(changer);
}
