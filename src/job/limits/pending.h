/*
 * pending.h
 *		Pending entries of the limits: claims, and attempts that end.
 */
#ifndef RARR_JOB_LIMITS_PENDING_H
#define RARR_JOB_LIMITS_PENDING_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "job/limits/running_set.h"

extern void rarr_limits_init(void);

/* claims; index is what rarr_limits_pending_prepare() returned */
extern int rarr_limits_pending_freed(const RarrLimitRef *ref);
extern int rarr_limits_pending_prepare(const RarrLimitRef *ref);
extern void rarr_limits_pending_drop(int index);
extern void rarr_limits_pending_claim(int index, const RarrRunningJob *job, bool token, bool uncounted);
extern void rarr_limits_pending_bind(int index, const pg_uuid_t *id, int32 attempt, TimestampTz lease);
extern void rarr_limits_pending_undo(int index);
extern void rarr_limits_pending_late(const RarrLimitRef *ref);

/* other changes of jobs */
extern void rarr_limits_pending_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new);
extern void rarr_limits_pending_dml(Relation jobs, TupleTableSlot *old, TupleTableSlot *new);
extern void rarr_limits_pending_truncate(void);
extern void rarr_limits_prepared_ended(void);

#endif /* RARR_JOB_LIMITS_PENDING_H */
