/*
 * finish.h
 *		What is done with one job that is locked.
 */
#ifndef RARR_JOB_FINISH_H
#define RARR_JOB_FINISH_H

#include "job/call.h"

/* What a worker says of an attempt that failed. */
typedef struct RarrFailure
{
	Datum		message;		/* text, not too long */
	const char *error;			/* the same */
	int64		delay;			/* before the next attempt; -1: the type's backoff */
	bool		retry;			/* if a retry is left */
} RarrFailure;

extern bool rarr_job_is_unfinished(RarrTable *jobs);
extern bool rarr_job_is_retryable(RarrTable *jobs);
extern RarrJobStatus rarr_job_fail(RarrWork *work, const RarrFailure *failure);
extern TimestampTz rarr_job_renew(RarrWork *work, int64 lease);
extern void rarr_job_release(RarrWork *work, int64 delay);
extern void rarr_job_end(RarrWork *work, RarrHistoryAction action, RarrJobStatus status);
extern void rarr_job_begin_retry(RarrWork *work);
extern void rarr_job_end_retry(RarrWork *work);

#endif							/* RARR_JOB_FINISH_H */
