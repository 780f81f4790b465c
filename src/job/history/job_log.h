/*
 * job_log.h
 *		What a function of the queue did to jobs, gathered and put on record in
 *		one go.
 */
#ifndef RARR_JOB_HISTORY_JOB_LOG_H
#define RARR_JOB_HISTORY_JOB_LOG_H

#include "executor/tuptable.h"

#include "job/core/job_row.h"
#include "job/history/history.h"

typedef struct RarrJobLog
{
	RarrHistoryEntry *entries;
	int			n;
	int			room;
} RarrJobLog;

extern void rarr_job_log_add(RarrJobLog *log, TupleTableSlot *oldslot, RarrHistoryAction action,
							 RarrJobStatus to, TimestampTz now, const char *error);
extern void rarr_job_log_write(RarrJobLog *log);
extern void rarr_job_log_write_if_many(RarrJobLog *log);
extern bool rarr_job_log_write_at_exit(RarrJobLog *log);

#endif							/* RARR_JOB_HISTORY_JOB_LOG_H */
