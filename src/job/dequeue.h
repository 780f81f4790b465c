/*
 * dequeue.h
 *		Arguments that job_dequeue() and job_dequeue_wait() share.
 */
#ifndef RARR_JOB_DEQUEUE_H
#define RARR_JOB_DEQUEUE_H

#include "job/claim.h"

extern void rarr_claim_args(RarrClaim *claim, FunctionCallInfo fcinfo, int first, int *max_jobs);

#endif							/* RARR_JOB_DEQUEUE_H */
