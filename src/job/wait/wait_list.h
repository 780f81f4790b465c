/*
 * wait_list.h
 *		Who sleeps until there is a job, in shared memory.
 */
#ifndef RARR_JOB_WAIT_WAIT_LIST_H
#define RARR_JOB_WAIT_WAIT_LIST_H

#include "datatype/timestamp.h"

#include "job/agenda/agenda.h"

extern void rarr_wait_list_init(void);

/*
 * For a sleeper: see the head of wait_list.c.  looked: when it last looked for
 * jobs, by rarr_monotonic_now(); RARR_NEVER_LOOKED if it did not get to that.
 */
#define RARR_NEVER_LOOKED	0

extern bool rarr_wait_enter(const RarrAgendaRef *refs, int n, int64 looked);
extern int64 rarr_wait_time_left(int64 looked, int64 yield_at);
extern bool rarr_wait_is_awake(void);
extern bool rarr_wait_is_for(const RarrAgendaRef *refs, int n);
extern void rarr_wait_wake_self(void);
extern bool rarr_wait_should_peek(const RarrAgendaRef *refs, int n);
extern void rarr_wait_leave(int64 looked);

#endif							/* RARR_JOB_WAIT_WAIT_LIST_H */
