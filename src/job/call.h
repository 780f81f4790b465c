/*
 * call.h
 *		One call of a function that changes a job by its id.
 */
#ifndef RARR_JOB_CALL_H
#define RARR_JOB_CALL_H

#include "nodes/lockoptions.h"

#include "job/core/job_row.h"
#include "job/history/job_log.h"

typedef struct RarrJobCall
{
	RarrTable  *jobs;
	TimestampTz now;
	RarrJobLog	log;
	LockWaitPolicy wait;		/* for jobs that others have */
	LockTupleMode lock_mode;	/* strong enough for what will be changed */
} RarrJobCall;

extern void rarr_job_call_begin(RarrJobCall *call, const char *function);
extern void rarr_job_call_end(RarrJobCall *call);
extern bool rarr_job_call_find(RarrTable *jobs, Datum id);
extern bool rarr_job_call_lock_found(RarrJobCall *call, Datum id);
extern bool rarr_job_call_lock(RarrJobCall *call, Datum id);
extern void rarr_job_call_lock_own(RarrJobCall *call, Datum id, int attempt);
extern bool rarr_job_call_lock_if_own(RarrJobCall *call, Datum id, int attempt);
extern void rarr_job_call_write(RarrJobCall *call, int change);
extern bool rarr_job_is_running_under(RarrTable *jobs, int attempt);
pg_noreturn extern void rarr_lease_lost(RarrJobCall *call, Datum id, int attempt);

#endif							/* RARR_JOB_CALL_H */
