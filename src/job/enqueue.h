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
	pg_uuid_t media_id;
	text *job_type;
	bool has_priority;
	bool has_available_at;
	bool has_max_retries;
	int priority;
	int max_retries;
	TimestampTz available_at;
	Jsonb *metadata;  /* NULL: an empty object */
	text *unique_key; /* NULL: none */
	bool is_added;    /* set by rarr_jobs_enqueue(): or is the key in use? */
} RarrNewJob;

/* arguments of job_enqueue(), in order */
enum
{
	RARR_NEW_MEDIA_ID,
	RARR_NEW_JOB_TYPE,
	RARR_NEW_PRIORITY,
	RARR_NEW_AVAILABLE_AT,
	RARR_NEW_MAX_RETRIES,
	RARR_NEW_METADATA,
	RARR_NEW_UNIQUE_KEY,
	RARR_NEW_NARGS
};

extern void rarr_new_job_read(RarrNewJob *job, const NullableDatum *args);
extern void rarr_jobs_enqueue(RarrNewJob *jobs, int n, bool is_array, pg_uuid_t *ids);

#endif /* RARR_JOB_ENQUEUE_H */
