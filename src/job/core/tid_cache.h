/*
 * tid_cache.h
 *		The TIDs of jobs that this backend claimed.
 */
#ifndef RARR_JOB_CORE_TID_CACHE_H
#define RARR_JOB_CORE_TID_CACHE_H

#include "utils/uuid.h"

#include "base/relation.h"

extern void rarr_tid_cache_put(RarrTable *jobs);
extern bool rarr_tid_cache_fetch(RarrTable *jobs, const pg_uuid_t *id);

#endif /* RARR_JOB_CORE_TID_CACHE_H */
