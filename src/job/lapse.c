/*
 * lapse.c
 *		What becomes of a job whose attempt lapsed: its lease ended, or the
 *		session that it was bound to.
 *
 * A lapse is a failed attempt of which nobody reports.  It uses up a retry,
 * and a job without one left has failed.  A job that lapses for the first time
 * is available at once, because workers die for reasons of their own.  A job
 * that has used up retries already may be what kills its workers: it waits by
 * its type's backoff, as after job_fail(), so that it neither comes back
 * before all other jobs nor uses up its retries within seconds.
 *
 * The next dequeue that comes to a job whose lease ended records the lapse
 * (claim.c); a session that ends does so for its own jobs (session_end.c).
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "job/change.h"
#include "job/core/job_row.h"
#include "job/lapse.h"

static const char *const lease_error = "lease expired";
static const char *const session_error = "the worker's session ended";

/*
 * Has the job, whose attributes are all deformed, a retry left, should its attempt
 * fail?
 */
bool
rarr_job_has_retry(TupleTableSlot *job)
{
	return DatumGetInt32(rarr_job_value(job, JOB_RETRY_COUNT)) <
		DatumGetInt32(rarr_job_value(job, JOB_MAX_RETRIES));
}

/*
 * What the job, whose attributes are all deformed, is in for if its attempt
 * lapses.
 */
RarrLapse
rarr_lapse_of(TupleTableSlot *job)
{
	if (rarr_job_status(job) != JOB_RUNNING)
		return RARR_NOT_RUNNING;
	if (!rarr_job_has_retry(job))
		return RARR_LAPSE_LAST;
	return DatumGetInt32(rarr_job_value(job, JOB_RETRY_COUNT)) > 0 ? RARR_LAPSE_AGAIN : RARR_LAPSE_FIRST;
}

/*
 * Is this job, which is due, one whose lapse may have to be recorded before
 * anybody can have it?
 */
bool
rarr_lapse_must_be_recorded(TupleTableSlot *slot)
{
	return rarr_lapse_of(slot) >= RARR_LAPSE_AGAIN;
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

/* The next version of a job whose attempt lapsed: the failed attempt. */
static void
set_lapsed(TupleTableSlot *newslot, RarrLapse lapse, const char *error)
{
	rarr_job_set(newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum(error));
	if (lapse != RARR_LAPSE_LAST)
		rarr_job_set(newslot, JOB_RETRY_COUNT,
					 Int32GetDatum(DatumGetInt32(rarr_job_value(newslot, JOB_RETRY_COUNT)) + 1));
}

/*
 * The lease of a job ended, and the job is handed out at once: the failed attempt
 * in its next version.
 */
void
rarr_lapse_set_next(TupleTableSlot *newslot)
{
	set_lapsed(newslot, RARR_LAPSE_FIRST, lease_error);
}

/*
 * Put on record that the lease of the job in the slot ended; status: its new one.
 */
void
rarr_lapse_log(RarrJobLog *log, TupleTableSlot *job, RarrJobStatus status, TimestampTz now)
{
	rarr_job_log_add(log, job, RARR_HISTORY_LAPSED, status, now, lease_error);
}

/*
 * The attempt of the job in jobs->oldslot lapsed, and nobody gets the job right
 * now: begin its next version, in jobs->newslot, queued from available_at on, or
 * failed.  Returns which kind of change that is.
 */
static int
end_attempt(RarrTable *jobs, RarrLapse lapse, TimestampTz now, TimestampTz available_at,
			const char *error)
{
	rarr_job_begin_change(jobs, now);
	set_lapsed(jobs->newslot, lapse, error);
	if (lapse == RARR_LAPSE_LAST)
	{
		rarr_job_set_status(jobs->newslot, JOB_FAILED, now);
		return JOB_CHANGE_FINISH;
	}
	rarr_job_set_status(jobs->newslot, JOB_QUEUED, now);
	rarr_job_set(jobs->newslot, JOB_AVAILABLE_AT, TimestampTzGetDatum(available_at));
	return JOB_CHANGE_REQUEUE;
}

/*
 * The job in jobs->oldslot lapsed, and nobody gets it now: it has no retry left,
 * or has to wait.  False if a user's trigger keeps it.
 */
bool
rarr_lapse_record(RarrTable *jobs, RarrJobLog *log, RarrLapse lapse, int64 delay, TimestampTz now)
{
	int			change = end_attempt(jobs, lapse, now, now + delay, lease_error);

	if (!rarr_job_make_change(jobs, change))
		return false;
	rarr_lapse_log(log, jobs->oldslot, lapse == RARR_LAPSE_LAST ? JOB_FAILED : JOB_QUEUED, now);
	return true;
}

/*
 * The session of the worker of the job in jobs->oldslot ends: begin its next
 * version, in jobs->newslot, and put it on record.  Returns which kind of change
 * that is.
 */
int
rarr_lapse_at_session_end(RarrTable *jobs, RarrJobLog *log, TimestampTz now)
{
	TupleTableSlot *slot = jobs->oldslot;
	RarrLapse	lapse = rarr_lapse_of(slot);
	TimestampTz at = DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT));
	int64		delay = 0;

	if (lapse == RARR_LAPSE_AGAIN)
	{
		text	   *name = DatumGetTextPP(rarr_job_value(slot, JOB_JOB_TYPE));

		delay = rarr_lapse_delay(slot, rarr_job_type_last_known(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
	}
	if (delay > 0)
		at = Max(at, now + delay);
	rarr_job_log_add(log, slot, RARR_HISTORY_LAPSED,
					 lapse == RARR_LAPSE_LAST ? JOB_FAILED : JOB_QUEUED, now, session_error);
	return end_attempt(jobs, lapse, now, at, session_error);
}
