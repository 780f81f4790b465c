/*
 * tid_cache.h
 *		Where the jobs are that this backend claimed.
 */
#ifndef RARR_JOB_CORE_TID_CACHE_H
#define RARR_JOB_CORE_TID_CACHE_H

#include "utils/uuid.h"

#include "base/relation.h"

extern void rarr_job_hint_set(RarrTable *jobs);
extern bool rarr_job_hint_fetch(RarrTable *jobs, const pg_uuid_t *id);

#endif							/* RARR_JOB_CORE_TID_CACHE_H */
