/*
 * counts.h
 *		The number of jobs of a type, by status.
 */
#ifndef RARR_JOB_STATS_COUNTS_H
#define RARR_JOB_STATS_COUNTS_H

#include "job/core/job_row.h"

#define RARR_STATUSES	(JOB_CANCELLED + 1)

/* The numbers of one type. */
typedef struct RarrCounts
{
	const char *type;
	int64		jobs[RARR_STATUSES];
	TimestampTz oldest[RARR_STATUSES];	/* earliest created_at; DT_NOEND if not
										 * known */
} RarrCounts;

#endif							/* RARR_JOB_STATS_COUNTS_H */
