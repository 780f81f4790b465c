/*
 * job.h
 *		What the rest of the library uses of the job queue.
 */
#ifndef RARR_JOB_JOB_H
#define RARR_JOB_JOB_H

#include "job/enqueue.h"

extern void rarr_agenda_init(void);
extern void rarr_limits_init(void);
extern void rarr_counters_init(void);

/* finish_many.c, retry_many.c */
extern int	rarr_jobs_cancel(Datum *ids, int n, const char *function);
extern int	rarr_jobs_retry(Datum *ids, int n, const char *function);

/* Is there a job type of this name? */
extern bool rarr_job_type_is_known(const char *name, int len);

#endif							/* RARR_JOB_JOB_H */
