/*
 * call.h
 *		Calls of functions that change jobs by id.
 */
#ifndef RARR_JOB_CALL_H
#define RARR_JOB_CALL_H

#include "nodes/lockoptions.h"

#include "job/history/job_log.h"

/* The state of a call.  The current job is in jobs->oldslot. */
typedef struct RarrJobCall
{
	RarrTable *jobs;
	TimestampTz now;         /* after the current job was locked */
	RarrJobLog log;          /* rows of the history to write at the end */
	LockWaitPolicy wait;     /* for jobs that other transactions have locked */
	LockTupleMode lock_mode; /* of jobs: strong enough for the changes */
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

/* complete.c */
extern bool rarr_job_complete(RarrJobCall *call, Datum id, int attempt, Datum result, bool has_result);

#endif /* RARR_JOB_CALL_H */
