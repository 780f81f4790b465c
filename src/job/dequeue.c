/*
 * dequeue.c
 *		job_dequeue(), and the arguments that it shares with job_dequeue_wait().
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/timestamp.h"

#include "base/schema.h"
#include "job/claim.h"
#include "job/core/job_type.h"
#include "job/core/worker_input.h"

#define MAX_JOBS 10000

/*
 * Read the consecutive arguments max_jobs, lease and worker of the running
 * function.  first: position of max_jobs.  Sets *max_jobs, and lease and
 * worker of the claim.
 *
 * Raises 22023 if max_jobs or lease is out of range, and RA003 if the worker's
 * name is too long.
 */
void
rarr_claim_args(RarrClaim *claim, FunctionCallInfo fcinfo, int first, int *max_jobs)
{
	*max_jobs = PG_ARGISNULL(first) ? 1 : PG_GETARG_INT32(first);
	if (*max_jobs < 1 || *max_jobs > MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_jobs is out of range: %d", *max_jobs),
				 errhint("Give a number from 1 to %d.", MAX_JOBS)));
	if (!PG_ARGISNULL(first + 1))
		claim->lease = rarr_lease_arg(PG_GETARG_INTERVAL_P(first + 1), "lease", 1);
	claim->has_worker = !PG_ARGISNULL(first + 2);
	if (claim->has_worker)
	{
		rarr_check_worker_name(PG_GETARG_DATUM(first + 2));
		claim->worker = PointerGetDatum(PG_GETARG_TEXT_PP(first + 2));
	}
}

PG_FUNCTION_INFO_V1(researcharr_job_dequeue);

/*
 * job_dequeue(job_types text[], max_jobs int, lease interval, worker text)
 *		-> rows of processing_jobs, in the order of the claim
 *
 * job_types: NULL for all.  max_jobs: 1 to 10000; NULL for 1.  lease: above
 * zero; NULL for each type's.  worker: the caller's name, at most 255
 * characters.
 * Errors: RA002 unknown type; RA003 a longer name; 22023 an argument out of
 * range; 25006 a read-only transaction.
 */
Datum
researcharr_job_dequeue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrClaim claim = {0};
	int max_jobs;
	List *types;

	rarr_prevent_read_only("job_dequeue()");
	rarr_claim_args(&claim, fcinfo, 1, &max_jobs);
	types = rarr_job_types_requested(PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0));
	claim.now = GetCurrentTimestamp();
	if (rsinfo != NULL && rarr_claim_is_idle(types, claim.now))
	{
		/* return an empty set without a tuplestore */
		rsinfo->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	claim.expected = rsinfo->setDesc;
	rarr_claim_jobs(&claim, types, max_jobs, rsinfo->setResult);
	return (Datum) 0;
}
