/*
 * claim.h
 *		Claim jobs.
 */
#ifndef RARR_JOB_CLAIM_H
#define RARR_JOB_CLAIM_H

#include "nodes/pg_list.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/relation.h"
#include "job/call.h"
#include "job/history/job_log.h"

/* how many jobs a call skips because users' rules refuse their claim */
#define RARR_MAX_BAD_JOBS 100

/* The state of a guarded claim; see claim_guard.c. */
typedef struct RarrClaimGuard
{
	pg_uuid_t bad[RARR_MAX_BAD_JOBS]; /* jobs to skip */
	int nbad;
	pg_uuid_t current; /* the last job that the claim tried */
	bool claiming;     /* the claim is still at that job */
	bool changed;      /* the claim has changed a job */
	bool one_by_one;   /* change one job for each subtransaction */
} RarrClaimGuard;

/* A claim: what the caller asks for, and its state. */
typedef struct RarrClaim
{
	RarrTable *jobs;
	Oid relid;          /* of processing_jobs, set by the claim */
	TupleDesc expected; /* the row type that the caller expects; NULL:
						 * the table's */
	TimestampTz now;
	int64 lease; /* in microseconds; 0: the type's */
	Datum worker;
	bool has_worker;
	int recorded;          /* lapses and failures recorded so far */
	RarrJobLog log;        /* rows of the history to write at the end */
	RarrClaimGuard *guard; /* NULL: not a guarded claim */

	bool peek;  /* advance the bounds to the next job, behind
				 * the last claimed one */
	int64 room; /* bytes left for more jobs; 0: no limit */
	bool full;  /* no room was left */
} RarrClaim;

extern bool rarr_claim_is_idle(List *types, TimestampTz now);
extern bool rarr_claim_try(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result);
extern bool rarr_claim_within(RarrJobCall *call, RarrClaim *claim, List *types, int max_jobs,
							  Tuplestorestate *result);
extern bool rarr_claim_hit_record_limit(const RarrClaim *claim);

/* claim_guard.c */
extern void rarr_claim_jobs(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result);

/* dequeue.c */
extern void rarr_claim_args(RarrClaim *claim, FunctionCallInfo fcinfo, int first, int *max_jobs);

#endif /* RARR_JOB_CLAIM_H */
