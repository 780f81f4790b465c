/*
 * job_type_read.h
 *		The policies of job types as the table job_types has them, and those that
 *		are built in.
 */
#ifndef RARR_JOB_TYPE_READ_H
#define RARR_JOB_TYPE_READ_H

#include "utils/relcache.h"

#include "job/job_type.h"

extern const RarrJobType rarr_builtin_policy;

extern List *rarr_job_types_read(Relation rel);
extern void rarr_job_type_complain(int elevel, const RarrJobType *type);

#endif							/* RARR_JOB_TYPE_READ_H */
