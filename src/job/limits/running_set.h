/*
 * running_set.h
 *		Which jobs of types with limits are running, in shared memory.
 */
#ifndef RARR_JOB_LIMITS_RUNNING_SET_H
#define RARR_JOB_LIMITS_RUNNING_SET_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "job/limits/slot.h"

/* A job that counts as running. */
typedef struct RarrHeldJob
{
	pg_uuid_t	id;
	int32		attempt;
	int			entry;
	uint64		serial;
} RarrHeldJob;

typedef enum RarrReservation
{
	RARR_RESERVED,
	RARR_AT_LIMIT,
	RARR_NOT_COUNTED
} RarrReservation;

extern bool rarr_held_adopt(const RarrLimitRef *ref, const RarrJobType *type, const RarrHeldJob *jobs,
							int n, uint64 forgotten, int64 settle_at);

extern RarrReservation rarr_held_reserve(const RarrLimitRef *ref, const RarrJobType *type, bool running,
										 RarrHeldJob *job, bool *token);
extern void rarr_held_bind(const RarrHeldJob *job);
extern void rarr_held_return(const RarrLimitRef *ref, const RarrHeldJob *job, bool token);
extern void rarr_held_keep(const RarrHeldJob *job);
extern void rarr_held_drop(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);
extern void rarr_held_move(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);

extern bool rarr_held_begin_sweep(const RarrLimitRef *ref, int64 start, RarrHeldJob *jobs, int *n);
extern void rarr_held_end_sweep(const RarrLimitRef *ref, const RarrHeldJob *gone, int n,
								TimestampTz lapse, int64 start, int64 next);
extern void rarr_held_reclaim(void);
extern void rarr_held_forget_database(Oid database);

#endif							/* RARR_JOB_LIMITS_RUNNING_SET_H */
