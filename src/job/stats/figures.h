/*
 * figures.h
 *		What happened to jobs since the server's start: how many events, how
 *		long jobs waited, and how long they ran.
 */
#ifndef RARR_JOB_STATS_FIGURES_H
#define RARR_JOB_STATS_FIGURES_H

#include "executor/tuptable.h"
#include "port/atomics.h"

#include "base/shmem.h"

typedef enum RarrJobEvent
{
	RARR_EVENT_ENQUEUED,
	RARR_EVENT_CLAIMED,
	RARR_EVENT_COMPLETED,
	RARR_EVENT_RETRIED, /* failed, with a retry left */
	RARR_EVENT_FAILED,  /* for good, also by a lapse */
	RARR_EVENT_LAPSED,
	RARR_EVENT_RELEASED,
	RARR_EVENT_CANCELLED,
	RARR_JOB_EVENTS
} RarrJobEvent;

/* classes of the histograms; the last one has no upper bound */
#define RARR_JOB_BUCKETS 13

/* The upper bounds of the others, in microseconds. */
extern const int64 rarr_job_bucket_bounds[RARR_JOB_BUCKETS - 1];

typedef enum RarrJobHistogram
{
	RARR_JOB_WAITS, /* from when a job is due until it is claimed */
	RARR_JOB_RUNS,  /* from there until the attempt ends */
	RARR_JOB_HISTOGRAMS
} RarrJobHistogram;

/* Numbers. */
typedef struct RarrJobSums
{
	uint64 events[RARR_JOB_EVENTS];
	uint64 buckets[RARR_JOB_HISTOGRAMS][RARR_JOB_BUCKETS];
	uint64 usec[RARR_JOB_HISTOGRAMS];
} RarrJobSums;

/* The same in shared memory. */
typedef struct RarrJobFigures
{
	pg_atomic_uint64 events[RARR_JOB_EVENTS];
	pg_atomic_uint64 buckets[RARR_JOB_HISTOGRAMS][RARR_JOB_BUCKETS];
	pg_atomic_uint64 usec[RARR_JOB_HISTOGRAMS];
} RarrJobFigures;

/* What a transaction adds. */
typedef struct RarrJobTally
{
	uint32 events[RARR_JOB_EVENTS];
	uint32 buckets[RARR_JOB_HISTOGRAMS][RARR_JOB_BUCKETS];
	uint64 usec[RARR_JOB_HISTOGRAMS];
} RarrJobTally;

extern const RarrShmemPart rarr_figures_part;

extern const char *rarr_job_event_name(RarrJobEvent event);
extern void rarr_tally_change(RarrJobTally *tally, TupleTableSlot *old, TupleTableSlot *new);
extern void rarr_tally_merge(RarrJobTally *tally, const RarrJobTally *more);
extern void rarr_figures_init(RarrJobFigures *figures);
extern void rarr_figures_clear(RarrJobFigures *figures);
extern void rarr_figures_add(RarrJobFigures *figures, const RarrJobTally *tally);
extern void rarr_figures_read(const RarrJobFigures *figures, RarrJobSums *sums);

/* of the session's database */
extern void rarr_figures_prepare(void);
extern void rarr_figures_add_total(const RarrJobTally *tally);
extern bool rarr_figures_total(RarrJobSums *sums);
extern void rarr_figures_forget_database(Oid database);

#endif /* RARR_JOB_STATS_FIGURES_H */
