/*
 * claim_guard.c
 *		Claims from a table with users' rules.
 *
 * A user's trigger, CHECK or unique index can raise an error when a claim
 * updates a job, and this job would keep all workers from the jobs behind it.
 * So such a claim runs in a subtransaction, and if it fails at a job, it runs
 * again and skips that job.
 *
 * AFTER triggers run when all jobs have been updated, so that the job of their
 * error is not known.  After such an error the claim changes one job for each
 * subtransaction, including jobs for which it only records a lapse or failure.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/subtransaction.h"
#include "job/claim.h"

/* how many jobs a backend remembers to have logged */
#define MAX_LOGGED 64

/* An attempt of a guarded claim. */
typedef struct Try
{
	RarrClaim *claim;
	List *types;
	int max_jobs;
	Tuplestorestate *rows;
} Try;

/* The body of the subtransaction. */
static bool
claim_rows(void *arg)
{
	Try *this = arg;

	(void) rarr_claim_try(this->claim, this->types, this->max_jobs, this->rows);
	return true;
}

/*
 * Is the error about one of the jobs, so that the claim can skip it?  If
 * RARR_MAX_BAD_JOBS jobs were skipped, the rules seem to refuse all jobs.
 */
static bool
is_about_job(const ErrorData *error, void *arg)
{
	const RarrClaimGuard *guard = ((Try *) arg)->claim->guard;

	return (guard->claiming || guard->changed) && guard->nbad < RARR_MAX_BAD_JOBS &&
		   (rarr_error_is_about_data(error) || error->sqlerrcode == ERRCODE_DATA_CORRUPTED);
}

/* Report a skipped job to the server's log, once in a session. */
static void
log_once(const pg_uuid_t *id, const ErrorData *error)
{
	static pg_uuid_t logged[MAX_LOGGED];
	static int nlogged = 0;

	for (int i = 0; i < Min(nlogged, MAX_LOGGED); i++)
		if (memcmp(&logged[i], id, UUID_LEN) == 0)
			return;
	logged[nlogged % MAX_LOGGED] = *id;
	nlogged = nlogged == 2 * MAX_LOGGED - 1 ? MAX_LOGGED : nlogged + 1;
	ereport(LOG,
			(errmsg("researcharr: skipped job %s, which cannot be claimed: %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))), error->message),
			 errhint("A trigger, constraint or index that a user added to processing_jobs refuses the claim. Change that rule, or call job_cancel to end the job.")));
}

/* A claim failed and was rolled back: skip its job, if that is known. */
static void
skip_job(RarrClaimGuard *guard, const ErrorData *error)
{
	if (!guard->claiming && !guard->one_by_one)
	{
		guard->one_by_one = true;
		return;
	}
	log_once(&guard->current, error);
	guard->bad[guard->nbad++] = guard->current;
}

/* Append the rows to the result, and return their number. */
static int64
append_rows(Tuplestorestate *result, Tuplestorestate *rows)
{
	/* tuples are not deformed, so that the slot needs no columns */
	TupleTableSlot *slot = MakeSingleTupleTableSlot(CreateTemplateTupleDesc(0), &TTSOpsMinimalTuple);
	int64 n = 0;

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		tuplestore_puttupleslot(result, slot);
		n++;
	}
	ExecDropSingleTupleTableSlot(slot);
	return n;
}

/* Claim jobs in subtransactions. */
static void
claim_guarded(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	RarrClaimGuard *guard = palloc0(sizeof(RarrClaimGuard));
	int64 nclaimed;

	do
	{
		Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
		RarrClaim this = *claim;
		Try try = {&this, types, guard->one_by_one ? 1 : max_jobs, rows};
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		this.guard = guard;
		guard->claiming = guard->changed = false;
		nclaimed = -1;
		if (rarr_subtransaction(claim_rows, is_about_job, &try, &error))
		{
			*claim = this;
			nclaimed = append_rows(result, rows);
			max_jobs -= nclaimed;
		}
		else
			skip_job(guard, error);
		tuplestore_end(rows);
	} while (nclaimed < 0 || (guard->one_by_one && guard->changed && max_jobs > 0 && !claim->full));
	claim->guard = NULL;
}

/*
 * Claim up to max_jobs due jobs of these types, as rarr_claim_try() does, with
 * a guard if necessary.
 *
 * A job whose claim a user's rule refuses with an error is skipped, and
 * reported to the server's log.  If there are more than RARR_MAX_BAD_JOBS such
 * jobs, the error is raised.  Raises 42804 if the row type of processing_jobs
 * is not the expected one.
 */
void
rarr_claim_jobs(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	if (!rarr_claim_try(claim, types, max_jobs, result))
		claim_guarded(claim, types, max_jobs, result);
}
