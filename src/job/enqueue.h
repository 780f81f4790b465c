/*
 * enqueue.h
 *		Enqueue jobs.
 */
#ifndef RARR_JOB_ENQUEUE_H
#define RARR_JOB_ENQUEUE_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A job to enqueue.  Values without their flag come from the type's policy. */
typedef struct RarrNewJob
{
	pg_uuid_t	media_id;
	text	   *job_type;
	bool		has_priority;
	bool		has_available_at;
	bool		has_max_retries;
	int			priority;
	int			max_retries;
	TimestampTz available_at;
	Jsonb	   *metadata;		/* NULL: an empty object */
	text	   *unique_key;		/* NULL: none */
} RarrNewJob;

extern void rarr_jobs_enqueue(RarrNewJob *jobs, int n, bool is_array, pg_uuid_t *ids);

#endif							/* RARR_JOB_ENQUEUE_H */
