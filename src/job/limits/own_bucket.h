/*
 * own_bucket.h
 *		Token buckets for rates that the current transaction wrote.
 */
#ifndef RARR_JOB_LIMITS_OWN_BUCKET_H
#define RARR_JOB_LIMITS_OWN_BUCKET_H

#include "job/core/job_type.h"
#include "job/limits/rate.h"

extern void rarr_own_bucket_prepare(uint64 generation, const RarrJobType *type);
extern RarrBucket *rarr_own_bucket(const RarrJobType *type);
extern void rarr_own_bucket_return(uint64 generation);

#endif							/* RARR_JOB_LIMITS_OWN_BUCKET_H */
