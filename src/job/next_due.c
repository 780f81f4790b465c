/*
 * next_due.c
 *		job_next_due(): when the next job can be claimed, by the dequeue index.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/own_index.h"
#include "base/schema.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/limits/limits.h"

/* When the type's next job can be claimed: the earliest time of its groups. */
static TimestampTz
type_next_due(RarrDequeueScan *scan, TupleTableSlot *slot, Snapshot snapshot)
{
	TimestampTz least = DT_NOEND;

	rarr_dequeue_scan_below(scan, snapshot, RARR_PRIORITIES);
	while (rarr_dequeue_scan_next_job(scan, slot))
	{
		TimestampTz at = rarr_job_due_at(slot);

		least = Min(least, at);

		/* The jobs behind it in its group are available later. */
		if (rarr_job_time(slot, JOB_AVAILABLE_AT) >= least)
			rarr_dequeue_scan_below(scan, snapshot, rarr_job_int(slot, JOB_PRIORITY));
	}
	rarr_dequeue_scan_end(scan);
	return least;
}

PG_FUNCTION_INFO_V1(researcharr_job_next_due);

/*
 * job_next_due(job_types text[]) -> when the next job can be claimed
 *
 * job_types: NULL for all.  The result is in the past if a job is due, and
 * NULL if there is no unfinished job.  Jobs of paused types do not count.
 * Errors: RA002 unknown type; 22023 an array that is empty or contains a NULL.
 */
Datum
researcharr_job_next_due(PG_FUNCTION_ARGS)
{
	TimestampTz least = DT_NOEND;
	List *types = rarr_job_types_requested(PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0));
	ListCell *lc;
	Relation jobs = rarr_relation_open(rarr_job_table.name, AccessShareLock);
	Relation index;
	TupleTableSlot *slot;

	rarr_check_columns(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, false);
	index = rarr_index_open(jobs, &rarr_job_dequeue_index, AccessShareLock);
	slot = table_slot_create(jobs, NULL);
	foreach (lc, types)
	{
		RarrDequeueScan scan;
		TimestampTz due;

		rarr_dequeue_scan_init(&scan, jobs, index, ((RarrJobType *) lfirst(lc))->name);
		due = type_next_due(&scan, slot, GetActiveSnapshot());
		if (due != DT_NOEND)
			due = Max(due, rarr_limits_yield_at(RelationGetRelid(jobs), lfirst(lc), GetCurrentTimestamp()));
		least = Min(least, due);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	relation_close(jobs, AccessShareLock);
	if (least == DT_NOEND)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(least);
}
