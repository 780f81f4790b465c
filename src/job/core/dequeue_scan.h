/*
 * dequeue_scan.h
 *		Scans of the take index, the order in which jobs are handed out.
 */
#ifndef RARR_JOB_CORE_DEQUEUE_SCAN_H
#define RARR_JOB_CORE_DEQUEUE_SCAN_H

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

#include "job/core/queue_pos.h"


/* A scan of the unfinished jobs of one type. */
typedef struct RarrTakeScan
{
	Relation	jobs;
	Relation	index;
	Datum		type;			/* text */
	IndexScanDesc scan;			/* NULL while none is open */
	Snapshot	visible;		/* if set, what the scan finds must be visible to
								 * this snapshot, too */
	ScanKeyData keys[4];
	ScanKeyData pos[2];			/* members of the row in the third key */
	pg_uuid_t	pos_id;			/* what the second of them points to */
} RarrTakeScan;

extern void rarr_take_scan_init(RarrTakeScan *scan, Relation jobs, Relation index, const char *type);
extern void rarr_take_scan_below(RarrTakeScan *scan, Snapshot snapshot, int below);
extern void rarr_take_scan_group(RarrTakeScan *scan, Snapshot snapshot, int priority,
								 const RarrQueuePos *pos, TimestampTz until);
extern void rarr_take_scan_end(RarrTakeScan *scan);
extern bool rarr_take_scan_next_job(RarrTakeScan *scan, TupleTableSlot *slot);
extern bool rarr_take_scan_next_entry(RarrTakeScan *scan, RarrQueuePos *pos);
extern bool rarr_job_is_being_changed(TupleTableSlot *slot);

#endif							/* RARR_JOB_CORE_DEQUEUE_SCAN_H */
