/*
 * restored.h
 *		Jobs that a backup brings back.
 */
#ifndef RARR_JOB_RESTORED_H
#define RARR_JOB_RESTORED_H

#include "executor/tuptable.h"
#include "utils/rel.h"

/* how many claims of one job may have left no trace */
#define RARR_FENCE_MARGIN 100000

extern void rarr_jobs_check_restore(Relation jobs);
extern void rarr_job_fence(TupleTableSlot *job, int attempt);
extern void rarr_jobs_replaced(void);
extern void rarr_job_types_replaced(Relation job_types);

#endif /* RARR_JOB_RESTORED_H */
