/*
 * queue_pos.h
 *		Queue positions: the order of jobs within a group.
 */
#ifndef RARR_JOB_CORE_QUEUE_POS_H
#define RARR_JOB_CORE_QUEUE_POS_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define RARR_PRIORITIES 101 /* 0 to 100 */

/*
 * A queue position.  A group is the unfinished jobs of one type and priority;
 * its jobs are claimed in the order of their queue positions.
 */
typedef struct RarrQueuePos
{
	TimestampTz at; /* available_at */
	pg_uuid_t id;
} RarrQueuePos;

/* Running jobs of a group.  If all is zero, there are none. */
typedef struct RarrRunning
{
	bool any;
	RarrQueuePos first; /* position of the first one, */
	RarrQueuePos last;  /* and of the last one */
	TimestampTz lease;  /* earliest end of a lease */
} RarrRunning;

/* Where a job of a type is, in the order in which its jobs are claimed. */
typedef struct RarrJobPos
{
	int priority;
	RarrQueuePos pos;
} RarrJobPos;

/* before and behind all jobs of a group */
extern const RarrQueuePos rarr_first_queue_pos;
extern const RarrQueuePos rarr_last_queue_pos;

extern int rarr_queue_pos_compare(const RarrQueuePos *a, const RarrQueuePos *b);
extern RarrQueuePos rarr_queue_pos_after(const RarrQueuePos *pos);
extern void rarr_running_add(RarrRunning *running, const RarrRunning *more);

#endif /* RARR_JOB_CORE_QUEUE_POS_H */
