/*
 * claim_guard.c
 *		Claims from a table that has rules of users': a job that they refuse is
 *		passed over, and the claim goes on to the other jobs.
 *
 * A claim changes rows, so that a user's trigger, CHECK or unique index can
 * raise an error about one of them.  If that ended the call, one job would
 * keep all workers from every job behind it.  So such a claim runs in a
 * subtransaction, and where it fails it runs again without the job that it was
 * at.  An error that comes when the jobs are changed already, from an AFTER
 * trigger, does not name its job; then jobs are changed one by one, each in a
 * subtransaction, those included of which the claim only records that they
 * lapsed or failed.
 *
 * A table without rules of users', as nearly all are, needs no subtransaction.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "job/claim_guard.h"

/* how many jobs a backend remembers to have told the log of */
#define MAX_LOGGED	64

/* One try of a claim. */
typedef struct Try
{
	RarrClaim  *claim;
	List	   *types;
	int			max_jobs;
	Tuplestorestate *rows;
} Try;

static bool
claim_rows(void *arg)
{
	Try		   *this = arg;

	(void) rarr_claim_try(this->claim, this->types, this->max_jobs, this->rows);
	return true;
}

/*
 * Is the error about one of the jobs, so that the claim can go on without it?
 * Not if so many were passed over that the rules refuse all jobs, it seems.
 */
static bool
is_about_job(const ErrorData *error, void *arg)
{
	const RarrClaimGuard *guard = ((Try *) arg)->claim->guard;

	return (guard->claiming || guard->changed) && guard->nbad < RARR_MAX_BAD_JOBS &&
		(rarr_error_is_about_data(error) || error->sqlerrcode == ERRCODE_DATA_CORRUPTED);
}

/* Tell the server's log of a job that is passed over, once in a session. */
static void
log_once(const pg_uuid_t *id, const ErrorData *error)
{
	static pg_uuid_t logged[MAX_LOGGED];
	static int	nlogged = 0;

	for (int i = 0; i < Min(nlogged, MAX_LOGGED); i++)
		if (memcmp(&logged[i], id, UUID_LEN) == 0)
			return;
	logged[nlogged % MAX_LOGGED] = *id;
	nlogged = nlogged == 2 * MAX_LOGGED - 1 ? MAX_LOGGED : nlogged + 1;
	ereport(LOG,
			(errmsg("researcharr: job %s cannot be claimed, and is passed over: %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))), error->message),
			 errhint("A trigger, a constraint or an index of a user's on processing_jobs refuses the claim; job_cancel ends the job.")));
}

/* A try failed, and nothing of it is left: pass over the job, if it is known. */
static void
pass_over(RarrClaimGuard *guard, const ErrorData *error)
{
	if (!guard->claiming && !guard->one_by_one)
	{
		guard->one_by_one = true;
		return;
	}
	log_once(&guard->current, error);
	guard->bad[guard->nbad++] = guard->current;
}

/* Append the rows to the result; how many there are. */
static int64
append_rows(Tuplestorestate *result, Tuplestorestate *rows)
{
	/* tuples go from one to the other as they are, without a look inside */
	TupleTableSlot *slot = MakeSingleTupleTableSlot(CreateTemplateTupleDesc(0), &TTSOpsMinimalTuple);
	int64		n = 0;

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		tuplestore_puttupleslot(result, slot);
		n++;
	}
	ExecDropSingleTupleTableSlot(slot);
	return n;
}

static void
claim_guarded(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	RarrClaimGuard *guard = palloc0(sizeof(RarrClaimGuard));
	int64		nclaimed;

	do
	{
		Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
		RarrClaim	this = *claim;
		Try			try = {&this, types, guard->one_by_one ? 1 : max_jobs, rows};
		ErrorData  *error;

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
			pass_over(guard, error);
		tuplestore_end(rows);
	} while (nclaimed < 0 || (guard->one_by_one && guard->changed && max_jobs > 0 && !claim->full));
	claim->guard = NULL;
}

/*
 * Claim up to max_jobs due jobs of these types, as rows of processing_jobs, in
 * the order of the claim.  claim: zeroed, but for what is wanted and `now`.
 *
 * A job about which a rule of a user's raises an error is passed over, and the
 * server's log is told of it.  The error is raised if there are more than
 * RARR_MAX_BAD_JOBS of them.
 * 42804 if rows of processing_jobs are not what is expected any more.
 */
void
rarr_claim_jobs(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	if (!rarr_claim_try(claim, types, max_jobs, result))
		claim_guarded(claim, types, max_jobs, result);
}
