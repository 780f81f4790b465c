/*
 * job_type.h
 *		Job types and their policies, cached in each backend.
 */
#ifndef RARR_JOB_CORE_JOB_TYPE_H
#define RARR_JOB_CORE_JOB_TYPE_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

#include "job/core/policy.h"

extern const RarrJobType *rarr_job_type_find(const char *name);
extern bool rarr_job_type_is_known(const text *name);
extern const RarrJobType *rarr_job_type_get(const text *name);
extern const RarrJobType *rarr_job_type_of(TupleTableSlot *job);
extern void rarr_job_types_freeze(void);
extern List *rarr_job_types_all(void);
extern List *rarr_job_types_requested(ArrayType *names);
extern bool rarr_job_type_is_uncommitted(const RarrJobType *type);
extern int64 rarr_job_type_retry_delay(const RarrJobType *type, int retries);

#endif /* RARR_JOB_CORE_JOB_TYPE_H */
