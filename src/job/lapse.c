/*
 * lapse.c
 *		Lapses: attempts that end without a report.
 *
 * An attempt lapses when its lease ends, or, with researcharr.bind_leases,
 * when the worker's session ends.  A lapse is a failed attempt: it uses a
 * retry, and a job without a retry left is set to failed.  README.md says when
 * the job is available again.
 *
 * Slots are those of jobs with all attributes deformed.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "job/change.h"
#include "job/core/job_row.h"
#include "job/lapse.h"

/* Does the job have a retry left, if its attempt fails? */
bool
rarr_job_has_retry(TupleTableSlot *job)
{
	return rarr_job_int(job, JOB_RETRY_COUNT) <
		   rarr_job_int(job, JOB_MAX_RETRIES);
}

/* Return what happens to the job if its attempt lapses. */
RarrLapse
rarr_lapse_of(TupleTableSlot *job)
{
	if (rarr_job_status(job) != JOB_RUNNING)
		return RARR_NOT_RUNNING;
	if (!rarr_job_has_retry(job))
		return RARR_LAPSE_LAST;
	return rarr_job_int(job, JOB_RETRY_COUNT) > 0 ? RARR_LAPSE_AGAIN : RARR_LAPSE_FIRST;
}

/*
 * Must the lapse of this job, whose lease has ended, be recorded before
 * anybody can claim it?  If not, a claim records it along with itself.
 */
bool
rarr_lapse_must_be_recorded(TupleTableSlot *slot)
{
	return rarr_lapse_of(slot) >= RARR_LAPSE_AGAIN;
}

/*
 * Return the delay in microseconds until the job is available after a lapse
 * that leaves it a retry: 0 after the first failed attempt, otherwise the
 * backoff of its type.
 */
int64
rarr_lapse_delay(TupleTableSlot *job, const RarrJobType *type)
{
	int32 retries = rarr_job_int(job, JOB_RETRY_COUNT);

	return retries > 0 ? rarr_job_type_retry_delay(type, retries) : 0;
}

/* Set the error and the retries of the new version after a lapse. */
static void
set_lapsed(TupleTableSlot *newslot, RarrLapse lapse, const char *error)
{
	rarr_job_set(newslot, JOB_ERROR_MESSAGE, CStringGetTextDatum(error));
	if (lapse != RARR_LAPSE_LAST)
		rarr_job_set(newslot, JOB_RETRY_COUNT,
					 Int32GetDatum(rarr_job_int(newslot, JOB_RETRY_COUNT) + 1));
}

/*
 * Set the error and the retries of the new version of a job whose lease ended
 * and which is claimed at once.
 */
void
rarr_lapse_set_next(TupleTableSlot *newslot)
{
	set_lapsed(newslot, RARR_LAPSE_FIRST, rarr_job_lease_error);
}

/* Add to the log that the lease of a job ended.  status: the job's new one. */
void
rarr_lapse_log(RarrJobLog *log, TupleTableSlot *job, RarrJobStatus status, TimestampTz now)
{
	rarr_job_log_add(log, job, RARR_HISTORY_LAPSED, status, now, rarr_job_lease_error);
}

/*
 * Make the new version, in jobs->newslot, of the job in jobs->oldslot, whose
 * attempt lapsed and which is not claimed now: queued, available from
 * available_at on, or failed.  Returns the kind of change.
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
 * Record the lapse of the locked job in jobs->oldslot, whose lease has ended:
 * write the new version, and add to the log.  The job is available after the
 * delay, in microseconds; with 0, it keeps its place in the queue.  Returns
 * false if a user's trigger suppresses the update.
 */
bool
rarr_lapse_record(RarrTable *jobs, RarrJobLog *log, RarrLapse lapse, int64 delay, TimestampTz now)
{
	TimestampTz at = delay > 0 ? now + delay : rarr_job_time(jobs->oldslot, JOB_AVAILABLE_AT);
	int change = end_attempt(jobs, lapse, now, at, rarr_job_lease_error);

	if (!rarr_job_make_change(jobs, change))
		return false;
	rarr_lapse_log(log, jobs->oldslot, lapse == RARR_LAPSE_LAST ? JOB_FAILED : JOB_QUEUED, now);
	return true;
}

/*
 * Make the new version, in jobs->newslot, of the job in jobs->oldslot, whose
 * worker's session ends, and add to the log.  Returns the kind of change.
 * Reads no table and raises no error, because the caller has frozen the cache
 * of job types.
 */
int
rarr_lapse_at_session_end(RarrTable *jobs, RarrJobLog *log, TimestampTz now)
{
	TupleTableSlot *slot = jobs->oldslot;
	RarrLapse lapse = rarr_lapse_of(slot);
	TimestampTz at = rarr_job_time(slot, JOB_AVAILABLE_AT);
	int64 delay = 0;

	if (lapse == RARR_LAPSE_AGAIN)
		delay = rarr_lapse_delay(slot, rarr_job_type_of(slot));
	if (delay > 0)
		at = Max(at, now + delay);
	rarr_job_log_add(log, slot, RARR_HISTORY_LAPSED,
					 lapse == RARR_LAPSE_LAST ? JOB_FAILED : JOB_QUEUED, now, rarr_job_session_error);
	return end_attempt(jobs, lapse, now, at, rarr_job_session_error);
}
