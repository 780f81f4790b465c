/*
 * job.h
 *		What the rest of the library uses of the job queue.
 */
#ifndef RARR_JOB_JOB_H
#define RARR_JOB_JOB_H

extern void rarr_agenda_init(void);

#endif							/* RARR_JOB_JOB_H */
