/*-------------------------------------------------------------------------
 *
 * lapse.c
 *		What becomes of a job whose attempt lapsed: its lease ended, or the session
 *		that it was bound to.
 *
 * A lapse is a failed attempt of which nobody reports.  It uses up a retry, and a
 * job without one left has failed.  A job that lapses for the first time is
 * available at once, because workers die for reasons of their own.  A job that
 * has used up retries already may be what kills its workers: it waits by its
 * type's backoff, as after job_fail(), so that it neither comes back before all
 * other jobs nor uses up its retries within seconds.
 *
 * The next dequeue that comes to a job whose lease ended records the lapse
 * (claim.c); a session that ends does so for its own jobs (session_end.c).
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "job/core/job_row.h"
#include "job/lapse.h"

/*
 * What the job, whose attributes are all deformed, is in for if its attempt
 * lapses.
 */
RarrLapse
rarr_lapse_of(TupleTableSlot *job)
{
	int32		retries;

	if (rarr_job_status(job) != JOB_RUNNING)
		return RARR_NOT_RUNNING;
	retries = DatumGetInt32(rarr_job_value(job, JOB_RETRY_COUNT));
	if (retries >= DatumGetInt32(rarr_job_value(job, JOB_MAX_RETRIES)))
		return RARR_LAPSE_LAST;
	return retries > 0 ? RARR_LAPSE_AGAIN : RARR_LAPSE_FIRST;
}

/*
 * How long, in microseconds, the job waits after a lapse that leaves it a retry.
 */
int64
rarr_lapse_delay(TupleTableSlot *job, const RarrJobType *type)
{
	int32		retries = DatumGetInt32(rarr_job_value(job, JOB_RETRY_COUNT));

	return retries > 0 ? rarr_job_type_retry_delay(type, retries) : 0;
}

/*
 * The next version of a job whose attempt lapsed: the failed attempt.
 */
void
rarr_lapse_set(TupleTableSlot *newslot, RarrLapse lapse, const char *error)
{
	rarr_job_set(newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum(error));
	if (lapse != RARR_LAPSE_LAST)
		rarr_job_set(newslot, JOB_RETRY_COUNT,
					 Int32GetDatum(DatumGetInt32(rarr_job_value(newslot, JOB_RETRY_COUNT)) + 1));
}

/*
 * The attempt of the job in jobs->oldslot lapsed, and nobody gets the job right
 * now: begin its next version, in jobs->newslot, queued from available_at on, or
 * failed.  Returns which kind of change that is.
 */
int
rarr_lapse_end(RarrTable *jobs, RarrLapse lapse, TimestampTz now, TimestampTz available_at,
			   const char *error)
{
	rarr_job_begin_change(jobs, now);
	rarr_lapse_set(jobs->newslot, lapse, error);
	if (lapse == RARR_LAPSE_LAST)
	{
		rarr_job_set_status(jobs->newslot, JOB_FAILED, now);
		return JOB_CHANGE_FINISH;
	}
	rarr_job_set_status(jobs->newslot, JOB_QUEUED, now);
	rarr_job_set(jobs->newslot, JOB_AVAILABLE_AT, TimestampTzGetDatum(available_at));
	return JOB_CHANGE_REQUEUE;
}
