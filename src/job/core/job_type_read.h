/*
 * job_type_read.h
 *		Read the policies of job types from the table job_types, and add the
 *		built-in ones.
 */
#ifndef RARR_JOB_CORE_JOB_TYPE_READ_H
#define RARR_JOB_CORE_JOB_TYPE_READ_H

#include "utils/relcache.h"

#include "job/core/job_type.h"

extern const RarrJobType rarr_builtin_policy;

extern List *rarr_job_types_read(Relation rel);
extern void rarr_job_type_complain(int elevel, const RarrJobType *type);

#endif							/* RARR_JOB_CORE_JOB_TYPE_READ_H */
