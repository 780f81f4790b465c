/*
 * counters.h
 *		Statistics: the number of jobs of each type and status.
 */
#ifndef RARR_JOB_STATS_COUNTERS_H
#define RARR_JOB_STATS_COUNTERS_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "job/stats/slot.h"

extern void rarr_counters_init(void);
extern void rarr_counters_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new);
extern void rarr_counters_truncate(void);

extern RarrCounts *rarr_counters_read(Oid table, int *n);
extern bool rarr_counters_await(Oid table);
extern void rarr_counters_make_room(void);
extern bool rarr_counters_begin_recount(Oid table);
extern void rarr_counters_set(Oid table, const char *type, const RarrCounts *counts);
extern void rarr_counters_end_recount(Oid table, TimestampTz counted_at, int64 began);

#endif /* RARR_JOB_STATS_COUNTERS_H */
