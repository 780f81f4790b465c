/*
 * finish.h
 *		Finish, renew, release and requeue one locked job.
 */
#ifndef RARR_JOB_FINISH_H
#define RARR_JOB_FINISH_H

#include "job/call.h"

/* How a worker's attempt failed. */
typedef struct RarrFailure
{
	Datum message;     /* text of RARR_ERROR_MAX_BYTES at most */
	const char *error; /* the same as a C string */
	int64 delay;       /* microseconds before the next attempt; -1: the
						* type's backoff */
	bool retry;        /* false: never retry */
} RarrFailure;

extern bool rarr_job_is_unfinished(RarrTable *jobs);
extern bool rarr_job_is_retryable(RarrTable *jobs);
extern RarrJobStatus rarr_job_fail(RarrJobCall *call, const RarrFailure *failure);
extern TimestampTz rarr_job_renew(RarrJobCall *call, int64 lease);
extern void rarr_job_release(RarrJobCall *call, int64 delay);
extern void rarr_job_end(RarrJobCall *call, RarrHistoryAction action, RarrJobStatus status);
extern void rarr_job_begin_retry(RarrJobCall *call);
extern void rarr_job_end_retry(RarrJobCall *call);

#endif /* RARR_JOB_FINISH_H */
