/*
 * lapse.h
 *		What becomes of a job whose attempt lapsed.
 */
#ifndef RARR_LAPSE_H
#define RARR_LAPSE_H

#include "executor/tuptable.h"

#include "base/relation.h"
#include "job/core/job_type.h"
#include "job/history/job_log.h"

/* What a running job is in for, if its attempt lapses. */
typedef enum RarrLapse
{
	RARR_NOT_RUNNING,
	RARR_LAPSE_FIRST,			/* it is available at once */
	RARR_LAPSE_AGAIN,			/* it waits by its type's backoff */
	RARR_LAPSE_LAST				/* it has failed */
} RarrLapse;

extern RarrLapse rarr_lapse_of(TupleTableSlot *job);
extern int64 rarr_lapse_delay(TupleTableSlot *job, const RarrJobType *type);
extern void rarr_lapse_set(TupleTableSlot *newslot, RarrLapse lapse, const char *error);
extern int	rarr_lapse_end(RarrTable *jobs, RarrLapse lapse, TimestampTz now, TimestampTz available_at,
						   const char *error);

#endif							/* RARR_LAPSE_H */
