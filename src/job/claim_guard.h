/*
 * claim_guard.h
 *		Claims from a table with users' rules.
 */
#ifndef RARR_CLAIM_GUARD_H
#define RARR_CLAIM_GUARD_H

#include "job/claim.h"

extern void rarr_claim_jobs(RarrClaim *claim, List *types, int max_jobs, Tuplestorestate *result);

#endif							/* RARR_CLAIM_GUARD_H */
