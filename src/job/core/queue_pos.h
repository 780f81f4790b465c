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
typedef struct RarrPlace
{
	TimestampTz at;				/* available_at */
	pg_uuid_t	id;
} RarrPlace;

/* Where a job is, in the order in which jobs are handed out. */
typedef struct RarrJobPlace
{
	int			priority;
	RarrPlace	place;
} RarrJobPlace;

extern const RarrPlace rarr_first_place;
extern const RarrPlace rarr_last_place;

extern int	rarr_place_compare(const RarrPlace *a, const RarrPlace *b);
extern RarrPlace rarr_place_after(const RarrPlace *place);

#endif							/* RARR_JOB_CORE_QUEUE_POS_H */
