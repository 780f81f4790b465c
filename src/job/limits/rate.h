/*
 * rate.h
 *		Token buckets: their arithmetic, and buckets that are kept in a table.
 */
#ifndef RARR_JOB_LIMITS_RATE_H
#define RARR_JOB_LIMITS_RATE_H

#include "base/relation.h"
#include "job/core/job_type.h"

/* A bucket in the table, during one call of a dequeue. */
typedef struct RarrRate
{
	RarrTable *table; /* NULL if it is not open */
	bool asked;       /* a token was asked for; tokens is valid */
	double tokens;
	TimestampTz now; /* when the row was locked */
	bool changed;    /* the row must be updated */
} RarrRate;

/* A bucket in memory; times by rarr_monotonic_now(). */
typedef struct RarrBucket
{
	bool filled; /* it was used before; if not, tokens is 0, or
				  * less if some were taken */
	double tokens;
	int64 refilled_at;

	/* the rate that it was last refilled by */
	int limit;
	int64 interval;
} RarrBucket;

extern void rarr_bucket_refill(RarrBucket *bucket, int64 now);
extern void rarr_bucket_return(RarrBucket *bucket);
extern bool rarr_rate_take(RarrRate *rate, const RarrJobType *type);
extern void rarr_rate_return(RarrRate *rate);
extern void rarr_rate_close(RarrRate *rate);

#endif /* RARR_JOB_LIMITS_RATE_H */
