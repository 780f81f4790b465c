/*
 * schedule_wake.c
 *		Wake the task of the schedule.
 *
 * Who wakes the task is below it: the functions that change entries, and the
 * processes that the task starts.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "ops/schedule_wake.h"

static const RarrTask *schedule_task = NULL;

/* Called when the library is loaded. */
void
rarr_schedule_wake_init(const RarrTask *task)
{
	schedule_task = task;
}

/* The task is to run at once.  Cannot fail. */
void
rarr_schedule_wake(void)
{
	rarr_task_wake(schedule_task, DT_NOBEGIN);
}

/* The task is to run when the transaction has committed.  Cannot fail. */
void
rarr_schedule_wake_at_commit(void)
{
	rarr_task_wake_at_commit(schedule_task, DT_NOBEGIN);
}
