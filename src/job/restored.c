/*
 * restored.c
 *		Jobs that a backup brings back.
 *
 * A restore replaces all jobs without a statement.  Workers may hold jobs that
 * it brings back, with attempts that were given out before or after the backup
 * was made.  So each restored job gets an attempt that nobody was ever given
 * (ops/restore_fence.c finds it), and nobody holds one: a job that was running
 * is queued.  What a worker says of its job is then RA001.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "job/agenda/pending.h"
#include "job/change.h"
#include "job/core/job_row.h"
#include "job/limits/slot.h"
#include "job/restored.h"

/* Raise 55000 if a column of the extension's was altered. */
void
rarr_jobs_check_restore(Relation jobs)
{
	rarr_check_columns(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, true);
}

static bool
has_status(TupleTableSlot *job, RarrJobStatus status)
{
	return !rarr_job_is_null(job, JOB_STATUS) &&
		   strcmp(TextDatumGetCString(rarr_job_value(job, JOB_STATUS)), rarr_job_status_name(status)) == 0;
}

/*
 * Change the values of a job that is about to be restored, so that no worker
 * holds it: it gets the attempt, or a higher one if it had that already.  A
 * failed job of an old version gets a message, as any failed job has one.
 * Raises 22003 if there is no higher one.
 */
void
rarr_job_fence(TupleTableSlot *job, int attempt)
{
	if (!rarr_job_is_null(job, JOB_ATTEMPT) && rarr_job_int(job, JOB_ATTEMPT) > attempt - RARR_FENCE_MARGIN &&
		pg_add_s32_overflow(rarr_job_int(job, JOB_ATTEMPT), RARR_FENCE_MARGIN, &attempt))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a job of the backup has no attempt left: it has %d", rarr_job_int(job, JOB_ATTEMPT))));
	rarr_job_set(job, JOB_ATTEMPT, Int32GetDatum(attempt));
	if (has_status(job, JOB_RUNNING))
	{
		rarr_job_set(job, JOB_STATUS, CStringGetTextDatum(rarr_job_status_name(JOB_QUEUED)));
		rarr_job_set_null(job, JOB_LEASE_EXPIRES_AT);
	}
	else if (has_status(job, JOB_FAILED) && rarr_job_is_null(job, JOB_ERROR_MESSAGE))
		rarr_job_set(job, JOB_ERROR_MESSAGE, CStringGetTextDatum("failed without a message"));
}

/* All jobs are replaced, if the transaction commits. */
void
rarr_jobs_replaced(void)
{
	rarr_change_record_replacement();
}

/* All sessions reload the policies after the commit, and this one at once. */
void
rarr_job_types_replaced(Relation job_types)
{
	rarr_limits_policy_changed(GetTopTransactionId());
	CacheInvalidateRelcache(job_types);
	rarr_agenda_pending_policies();
}
