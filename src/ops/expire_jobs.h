/*
 * expire_jobs.h
 *		Delete finished jobs that are older than a rule of retention allows.
 */
#ifndef RARR_OPS_EXPIRE_JOBS_H
#define RARR_OPS_EXPIRE_JOBS_H

#include "base/task.h"
#include "ops/retention_rules.h"

extern bool rarr_expire_jobs(RarrTaskRun *run, const RarrRetention *retention);

#endif /* RARR_OPS_EXPIRE_JOBS_H */
