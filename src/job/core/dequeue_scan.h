/*
 * dequeue_scan.h
 *		Scans of the dequeue index.
 */
#ifndef RARR_JOB_CORE_DEQUEUE_SCAN_H
#define RARR_JOB_CORE_DEQUEUE_SCAN_H

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

#include "job/core/queue_pos.h"

/* A scan of the unfinished jobs of one type. */
typedef struct RarrDequeueScan
{
	Relation jobs;
	Relation index;
	Datum type;         /* text */
	IndexScanDesc scan; /* NULL: none is open */
	Snapshot visible;   /* rows must be visible to it as well; NULL: no
						 * such snapshot */
	ScanKeyData keys[4];
	ScanKeyData pos[2]; /* members of the row comparison in keys[2] */
	pg_uuid_t pos_id;   /* the argument of pos[1] */
} RarrDequeueScan;

extern void rarr_dequeue_scan_init(RarrDequeueScan *scan, Relation jobs, Relation index, const char *type);
extern void rarr_dequeue_scan_below(RarrDequeueScan *scan, Snapshot snapshot, int below);
extern void rarr_dequeue_scan_group(RarrDequeueScan *scan, Snapshot snapshot, int priority,
									const RarrQueuePos *pos, TimestampTz until);
extern void rarr_dequeue_scan_end(RarrDequeueScan *scan);
extern bool rarr_dequeue_scan_next_job(RarrDequeueScan *scan, TupleTableSlot *slot);
extern bool rarr_dequeue_scan_next_entry(RarrDequeueScan *scan, RarrQueuePos *pos);
extern bool rarr_job_is_being_changed(TupleTableSlot *slot);
extern bool rarr_job_is_changed_by_self(TupleTableSlot *slot);

#endif /* RARR_JOB_CORE_DEQUEUE_SCAN_H */
