/*
 * job.h
 *		The parts of the job queue that the rest of the library uses.
 */
#ifndef RARR_JOB_JOB_H
#define RARR_JOB_JOB_H

#include "job/agenda/due.h"
#include "job/core/job_type.h"
#include "job/enqueue.h"
#include "job/history/history.h"
#include "job/history/search.h"
#include "job/restored.h"
#include "job/stats/type_figures.h"

extern void rarr_job_init(void);

/* rescue.c */
extern void rarr_job_register_tasks(void);

/* finish_many.c, retry_many.c */
extern int rarr_jobs_cancel(Datum *ids, int n, const char *function);
extern int rarr_jobs_cancel_queued(Datum *ids, int n, const char *function);
extern int rarr_jobs_retry(Datum *ids, int n, const char *function);

#endif /* RARR_JOB_JOB_H */
