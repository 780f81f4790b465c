/*
 * running_set.h
 *		The set of running jobs of each type with max_running.
 */
#ifndef RARR_JOB_LIMITS_RUNNING_SET_H
#define RARR_JOB_LIMITS_RUNNING_SET_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "job/limits/slot.h"

/* A job of a running set. */
typedef struct RarrRunningJob
{
	pg_uuid_t id;
	int32 attempt;
	int entry;     /* number of its entry */
	uint64 serial; /* of that entry, when it was taken */
} RarrRunningJob;

/* The result of rarr_running_set_reserve(). */
typedef enum RarrReservation
{
	RARR_RESERVED,
	RARR_AT_LIMIT,   /* max_running, or the rate */
	RARR_NOT_COUNTED /* the set is incomplete */
} RarrReservation;

extern bool rarr_running_set_populate(const RarrLimitRef *ref, const RarrJobType *type, const RarrRunningJob *jobs,
									  int n, uint64 invalidations, int64 recount_at);

extern RarrReservation rarr_running_set_reserve(const RarrLimitRef *ref, const RarrJobType *type, int freed, bool running,
												RarrRunningJob *job, bool *token);
extern bool rarr_running_set_has(const RarrLimitRef *ref, const RarrRunningJob *job);
extern void rarr_running_set_bind(const RarrRunningJob *job);
extern void rarr_running_set_cancel(const RarrLimitRef *ref, const RarrRunningJob *job, bool token);
extern bool rarr_running_set_confirm(const RarrRunningJob *job);
extern void rarr_running_set_remove(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);
extern void rarr_running_set_renew(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt);

extern bool rarr_running_set_begin_sweep(const RarrLimitRef *ref, int64 start, RarrRunningJob *jobs, int *n);
extern void rarr_running_set_end_sweep(const RarrLimitRef *ref, const RarrRunningJob *gone, int n,
									   TimestampTz lapse, int64 start, int64 next);
extern void rarr_running_set_reclaim(void);
extern void rarr_running_set_forget_database(Oid database);

#endif /* RARR_JOB_LIMITS_RUNNING_SET_H */
