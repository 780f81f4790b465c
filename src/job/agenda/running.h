/*
 * running.h
 *		Passes over the running jobs of a type.
 */
#ifndef RARR_JOB_AGENDA_RUNNING_H
#define RARR_JOB_AGENDA_RUNNING_H

#include "job/agenda/agenda.h"

/* A step of a pass: what it has to visit, and what it found. */
typedef struct RarrPassStep
{
	RarrAgendaRef ref;
	bool survey;      /* visit all jobs, not only the ranges of running ones */
	int priority;     /* where to begin and, after the step, to go on: group, */
	RarrQueuePos pos; /* and position in it */
	TimestampTz left; /* the earliest end of a lease that is left as it is */
} RarrPassStep;

extern TimestampTz rarr_agenda_first_lease(const RarrAgendaRef *ref);
extern bool rarr_agenda_pass_begin(const RarrAgendaRef *ref, RarrPassStep *step);
extern bool rarr_agenda_pass_range(const RarrPassStep *step, int priority, RarrQueuePos *first, RarrQueuePos *end);
extern void rarr_agenda_pass_end(const RarrPassStep *step, bool done);

#endif /* RARR_JOB_AGENDA_RUNNING_H */
