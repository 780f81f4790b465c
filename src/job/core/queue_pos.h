/*
 * queue_pos.h
 *		Places in a group of the take index.
 */
#ifndef RARR_JOB_CORE_QUEUE_POS_H
#define RARR_JOB_CORE_QUEUE_POS_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define RARR_PRIORITIES		101		/* 0 to 100 */

/* A place in a group of the take index: the jobs of one type and priority. */
typedef struct RarrQueuePos
{
	TimestampTz at;				/* available_at */
	pg_uuid_t	id;
} RarrQueuePos;

/* Where a job is, in the order in which jobs are handed out. */
typedef struct RarrJobPos
{
	int			priority;
	RarrQueuePos pos;
} RarrJobPos;

extern const RarrQueuePos rarr_first_queue_pos;
extern const RarrQueuePos rarr_last_queue_pos;

extern int	rarr_queue_pos_compare(const RarrQueuePos *a, const RarrQueuePos *b);
extern RarrQueuePos rarr_queue_pos_after(const RarrQueuePos *pos);

#endif							/* RARR_JOB_CORE_QUEUE_POS_H */
