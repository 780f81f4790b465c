/*
 * claim.h
 *		Handing out jobs.
 */
#ifndef RARR_JOB_CLAIM_H
#define RARR_JOB_CLAIM_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/relation.h"
#include "job/history/job_log.h"

/* how many jobs one call passes over */
#define RARR_MAX_BAD_JOBS	100

/* What a claim knows of jobs that it has to pass over. */
typedef struct RarrClaimGuard
{
	pg_uuid_t	bad[RARR_MAX_BAD_JOBS];
	int			nbad;
	pg_uuid_t	current;		/* the job that the claim came to last */
	bool		claiming;		/* it is being taken */
	bool		changed;		/* it, or one before it, was changed */
	bool		one_by_one;		/* each job is changed on its own */
} RarrClaimGuard;

/* A claim: what is wanted, and what came of it. */
typedef struct RarrClaim
{
	RarrTable  *jobs;
	Oid			relid;			/* of processing_jobs, once the claim is over */
	TupleDesc	expected;		/* the row type that the result's rows must have; NULL:
								 * the table's own */
	TimestampTz now;
	int64		lease;			/* 0: the type's own */
	Datum		worker;
	bool		has_worker;
	int			recorded;
	RarrJobLog	log;
	RarrClaimGuard *guard;		/* see claim_guard.c; NULL: none */

	bool		peek;			/* find out what is due behind the last job */
	int64		room;			/* bytes that more jobs may have; 0: any number */
	bool		full;			/* there was no more room */
} RarrClaim;

extern bool rarr_claim_is_idle(List *types, TimestampTz now);
extern bool rarr_claim_try(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result);
extern bool rarr_claim_hit_record_limit(const RarrClaim *claim);

#endif							/* RARR_JOB_CLAIM_H */
