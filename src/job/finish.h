/*
 * finish.h
 *		Jobs that a session leaves behind.
 */
#ifndef RARR_JOB_FINISH_H
#define RARR_JOB_FINISH_H

#include "job/bound.h"

extern void rarr_jobs_hand_back(const RarrBoundJob *bound, int n);

#endif							/* RARR_JOB_FINISH_H */
