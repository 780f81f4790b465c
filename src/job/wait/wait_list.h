/*
 * wait_list.h
 *		The list of sessions that sleep until there is a job.
 */
#ifndef RARR_JOB_WAIT_WAIT_LIST_H
#define RARR_JOB_WAIT_WAIT_LIST_H

#include "job/agenda/agenda.h"

extern void rarr_wait_list_init(void);

/* time of the last look of a session that has not looked for jobs */
#define RARR_NEVER_LOOKED 0

extern bool rarr_wait_enter(const RarrAgendaRef *refs, int n, int64 looked);
extern int64 rarr_wait_time_left(int64 looked, int64 yield_at);
extern bool rarr_wait_is_awake(void);
extern bool rarr_wait_is_for(const RarrAgendaRef *refs, int n);
extern void rarr_wait_wake_self(void);
extern bool rarr_wait_should_peek(const RarrAgendaRef *refs, int n);
extern void rarr_wait_leave(int64 looked);

#endif /* RARR_JOB_WAIT_WAIT_LIST_H */
