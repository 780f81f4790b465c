/*
 * task_run.h
 *		Run a maintenance task.
 */
#ifndef RARR_OPS_TASK_RUN_H
#define RARR_OPS_TASK_RUN_H

#include "utils/elog.h"

#include "base/task.h"

extern bool rarr_extension_exists(void);
extern bool rarr_task_run(const RarrTask *task, RarrTaskRun *run, bool wait);
extern bool rarr_task_timed_out(void);
extern void rarr_task_clean_up(void);

#endif /* RARR_OPS_TASK_RUN_H */
