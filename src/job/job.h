/*
 * job.h
 *		What the rest of the library uses of the job queue.
 */
#ifndef RARR_JOB_JOB_H
#define RARR_JOB_JOB_H

#include "job/enqueue.h"

extern void rarr_agenda_init(void);

/* Is there a job type of this name? */
extern bool rarr_job_type_is_known(const char *name, int len);

#endif							/* RARR_JOB_JOB_H */
