/*
 * session_jobs.h
 *		Jobs whose leases end with this session.
 */
#ifndef RARR_JOB_CORE_SESSION_JOBS_H
#define RARR_JOB_CORE_SESSION_JOBS_H

#include "utils/uuid.h"

typedef struct RarrBoundJob
{
	pg_uuid_t	id;
	int32		attempt;
} RarrBoundJob;

extern void rarr_bound_add(const pg_uuid_t *id, int32 attempt);
extern void rarr_bound_done(const pg_uuid_t *id);
extern bool rarr_bound_any(void);
extern RarrBoundJob *rarr_bound_list(int *n);

#endif							/* RARR_JOB_CORE_SESSION_JOBS_H */
