/*
 * call.h
 *		One call of a function that changes a job by its id.
 */
#ifndef RARR_JOB_CALL_H
#define RARR_JOB_CALL_H

#include "nodes/lockoptions.h"

#include "job/core/job_row.h"
#include "job/history/job_log.h"

typedef struct RarrWork
{
	RarrTable  *jobs;
	TimestampTz now;
	RarrJobLog	log;
	LockWaitPolicy wait;		/* for jobs that others have */
	LockTupleMode lock_mode;	/* strong enough for what will be changed */
} RarrWork;

extern void rarr_work_begin(RarrWork *work, const char *function);
extern void rarr_work_end(RarrWork *work);
extern bool rarr_work_find(RarrTable *jobs, Datum id);
extern bool rarr_work_lock_found(RarrWork *work, Datum id);
extern bool rarr_work_lock(RarrWork *work, Datum id);
extern void rarr_work_lock_own(RarrWork *work, Datum id, int attempt);
extern bool rarr_work_lock_if_own(RarrWork *work, Datum id, int attempt);
extern void rarr_work_write(RarrWork *work, int change);
extern bool rarr_is_running_under(RarrTable *jobs, int attempt);
pg_noreturn extern void rarr_lease_lost(RarrWork *work, Datum id, int attempt);

#endif							/* RARR_JOB_CALL_H */
