/*
 * claim_guard.h
 *		Claims beside jobs that cannot be claimed.
 */
#ifndef RARR_CLAIM_GUARD_H
#define RARR_CLAIM_GUARD_H

#include "job/claim.h"

extern void rarr_claim_jobs(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result);

#endif							/* RARR_CLAIM_GUARD_H */
