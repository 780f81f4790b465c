/*
 * job_log.h
 *		Collect the history of the jobs that a function changes.
 */
#ifndef RARR_JOB_HISTORY_JOB_LOG_H
#define RARR_JOB_HISTORY_JOB_LOG_H

#include "executor/tuptable.h"

#include "job/core/job_row.h"
#include "job/history/history.h"
#include "job/history/search.h"

/* The entries that a function has added so far.  All zero at first. */
typedef struct RarrJobLog
{
	RarrHistoryEntry *entries; /* in the context of the first entry */
	int n;
	int room;             /* of entries */
	RarrSearch *searches; /* those that ended; in the context of the first one */
	int nsearches;
	int search_room;
} RarrJobLog;

extern void rarr_job_log_add(RarrJobLog *log, TupleTableSlot *oldslot, RarrHistoryAction action,
							 RarrJobStatus to, TimestampTz now, const char *error);
extern void rarr_job_log_write(RarrJobLog *log);
extern void rarr_job_log_write_if_many(RarrJobLog *log);
extern bool rarr_job_log_write_at_exit(RarrJobLog *log);

#endif /* RARR_JOB_HISTORY_JOB_LOG_H */
