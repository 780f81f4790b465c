/*
 * dequeue_scan.c
 *		Scans of the take index, the order in which jobs are handed out.
 *
 * processing_jobs_take_idx holds the unfinished jobs of each type by priority,
 * highest first, then by available_at and id.  A group is the jobs of one type
 * and one priority; a place is where in a group a scan enters.
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

/* the columns of the take index, in order */
#define DEQUEUE_JOB_TYPE		1
#define DEQUEUE_PRIORITY		2
#define DEQUEUE_AVAILABLE_AT	3
#define DEQUEUE_ID				4

/* a page with so much free space is not pruned */
#define ENOUGH_ROOM			(BLCKSZ / 5)

/*
 * Prepare for scans of one type's jobs.
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
 * Begin a scan with the first n keys; the key of the type is made here.
 *
 * Where the transaction's snapshot decides, the scan looks at the latest
 * versions, and for rarr_dequeue_scan_next_job() only those that the snapshot sees
 * count.  That leaves out jobs that changed since; and since it is no read of
 * the kind that SERIALIZABLE watches, workers that look at the same jobs are no
 * conflict.
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
 * Begin a scan of all groups with a priority below `below`, highest first.
 */
void
rarr_dequeue_scan_below(RarrDequeueScan *scan, Snapshot snapshot, int below)
{
	ScanKeyInit(&scan->keys[1], DEQUEUE_PRIORITY, BTLessStrategyNumber, F_INT4LT, Int32GetDatum(below));
	begin(scan, snapshot, 2);
}

/*
 * Begin a scan of one group, from a place on, up to an available_at (DT_NOEND:
 * to its end).  (available_at, id) >= place is a row comparison, as
 * nodeIndexscan.c builds it.
 *
 * The index reads its keys again at each page that it moves on to, so that all
 * they point to must live as long as the scan: *place is copied.
 */
void
rarr_dequeue_scan_group(RarrDequeueScan *scan, Snapshot snapshot, int priority,
					 const RarrQueuePos *pos, TimestampTz until)
{
	int			n = 2;

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

/*
 * End the scan that is open, if one is.
 */
void
rarr_dequeue_scan_end(RarrDequeueScan *scan)
{
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	scan->scan = NULL;
}

/*
 * Pin the page of the row that the scan came to, for index_fetch_heap(), which
 * would prune a page that it pins itself whenever it is fuller than the fill
 * factor says: ours leaves half of each page to new versions, and every look at
 * a page with a dead one would clean it up.  Early enough is when there is room
 * for a few more.
 */
static void
pin_page(IndexScanDesc desc)
{
	IndexFetchHeapData *fetch = (IndexFetchHeapData *) desc->xs_heapfetch;
	Buffer		before = fetch->xs_cbuf;
	Page		page;

	fetch->xs_cbuf = ReleaseAndReadBuffer(before, desc->heapRelation,
										  ItemPointerGetBlockNumber(&desc->xs_heaptid));
	if (fetch->xs_cbuf == before)
		return;
	page = BufferGetPage(fetch->xs_cbuf);
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < ENOUGH_ROOM)
		heap_page_prune_opt(desc->heapRelation, fetch->xs_cbuf);
}

/* index_getnext_slot(), with that. */
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
 * Fetch the next unfinished job into the slot, and deform it; false at the end.
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
 * The next index entry's place, whether anybody can see its row or not;
 * index_fetch_heap() gets the row.  False at the end.
 */
bool
rarr_dequeue_scan_next_entry(RarrDequeueScan *scan, RarrQueuePos *pos)
{
	IndexScanDesc desc = scan->scan;
	bool		isnull;

	if (index_getnext_tid(desc, ForwardScanDirection) == NULL)
		return false;
	pos->at = DatumGetTimestampTz(index_getattr(desc->xs_itup, DEQUEUE_AVAILABLE_AT, desc->xs_itupdesc, &isnull));
	pos->id = *DatumGetUUIDP(index_getattr(desc->xs_itup, DEQUEUE_ID, desc->xs_itupdesc, &isnull));
	return true;
}

/*
 * Is another transaction changing or deleting the row version in the slot, or
 * did one since the slot's snapshot?  False where it is only locked.
 */
bool
rarr_job_is_being_changed(TupleTableSlot *slot)
{
	Buffer		buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	HeapTupleHeader tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_data;
	TransactionId changer = InvalidTransactionId;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0 && !HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask))
		changer = HeapTupleHeaderGetUpdateXid(tuple);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return TransactionIdIsValid(changer) &&
		(TransactionIdIsInProgress(changer) || TransactionIdDidCommit(changer));
}
