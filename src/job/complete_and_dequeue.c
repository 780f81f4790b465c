/*
 * complete_and_dequeue.c
 *		Complete a job and claim the next one in one call:
 *		job_complete_and_dequeue.
 *
 * The call does what job_complete() and job_dequeue() do one after the other,
 * with the table opened once and the history written once.  The job is completed
 * first, because that can wait for another transaction: a claim holds the locks
 * of types, and must not wait.  The claim takes its own snapshot afterwards, since
 * the agenda must be read before it (agenda/README.md).
 *
 * Both happen in the same subtransaction, so nobody can see one without the
 * other.  The room under max_running that the completed job frees is there for
 * the claim; limits/README.md says why that is exact.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/schema.h"
#include "job/call.h"
#include "job/claim.h"
#include "job/core/job_type.h"
#include "job/core/worker_input.h"

/* The positions of the arguments */
enum
{
	ARG_ID,
	ARG_ATTEMPT,
	ARG_RESULT,
	ARG_JOB_TYPES,
	ARG_MAX_JOBS /* then lease and worker */
};

/*
 * The job is completed: claim jobs, and end the call.  Users' rules need a claim
 * in subtransactions, which opens the table itself.
 */
static void
claim_next(RarrJobCall *call, RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result)
{
	bool claimed = rarr_claim_within(call, claim, types, max_jobs, result);

	rarr_job_call_end(call);
	if (!claimed)
		rarr_claim_jobs(claim, types, max_jobs, result);
}

PG_FUNCTION_INFO_V1(researcharr_job_complete_and_dequeue);

/*
 * job_complete_and_dequeue(id uuid, attempt int, result jsonb, job_types text[],
 *		max_jobs int, lease interval, worker text)
 *		-> rows of processing_jobs, in the order of the claim
 *
 * The first three arguments are those of job_complete(), the others those of
 * job_dequeue().
 * Errors: 22004 NULL for id or attempt; RA001 not running under this attempt;
 * RA002 unknown type; RA003 a result of more than 1 MB as text or a worker's name
 * of more than 255 characters; 09000 a user's trigger suppresses the update; 22023
 * an argument out of range; 25006 a read-only transaction.
 */
Datum
researcharr_job_complete_and_dequeue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrClaim claim = {0};
	RarrJobCall call;
	int max_jobs;
	List *types;

	rarr_prevent_read_only("job_complete_and_dequeue()");
	RARR_REQUIRE_ARG(ARG_ID, "id");
	RARR_REQUIRE_ARG(ARG_ATTEMPT, "attempt");
	if (!PG_ARGISNULL(ARG_RESULT))
		rarr_check_result(PG_GETARG_DATUM(ARG_RESULT));
	rarr_claim_args(&claim, fcinfo, ARG_MAX_JOBS, &max_jobs);

	rarr_job_call_begin(&call, "job_complete_and_dequeue()");
	if (!rarr_job_complete(&call, PG_GETARG_DATUM(ARG_ID), PG_GETARG_INT32(ARG_ATTEMPT),
						   PG_GETARG_DATUM(ARG_RESULT), !PG_ARGISNULL(ARG_RESULT)))
		rarr_lease_lost(&call, PG_GETARG_DATUM(ARG_ID), PG_GETARG_INT32(ARG_ATTEMPT));

	types = rarr_job_types_requested(PG_ARGISNULL(ARG_JOB_TYPES) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_JOB_TYPES));
	claim.now = GetCurrentTimestamp();
	if (rsinfo != NULL && rarr_claim_is_idle(types, claim.now))
	{
		rarr_job_call_end(&call);
		rsinfo->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	claim.expected = rsinfo->setDesc;
	claim_next(&call, &claim, types, max_jobs, rsinfo->setResult);
	return (Datum) 0;
}
