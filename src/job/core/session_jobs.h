/*
 * session_jobs.h
 *		The session's jobs: those whose leases end with the session.
 */
#ifndef RARR_JOB_CORE_SESSION_JOBS_H
#define RARR_JOB_CORE_SESSION_JOBS_H

#include "utils/uuid.h"

/* A job, and the attempt under which this session claimed it. */
typedef struct RarrSessionJob
{
	pg_uuid_t id;
	int32 attempt;
} RarrSessionJob;

extern void rarr_session_jobs_add(const pg_uuid_t *id, int32 attempt);
extern void rarr_session_jobs_finished(const pg_uuid_t *id);
extern bool rarr_session_jobs_any(void);
extern RarrSessionJob *rarr_session_jobs_list(int *n);

#endif /* RARR_JOB_CORE_SESSION_JOBS_H */
