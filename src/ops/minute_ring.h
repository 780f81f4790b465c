/*
 * minute_ring.h
 *		Figures of a database per minute, for the last day.
 */
#ifndef RARR_OPS_MINUTE_RING_H
#define RARR_OPS_MINUTE_RING_H

#include "datatype/timestamp.h"

#include "job/job.h"

/* minutes that are kept */
#define RARR_MINUTES (24 * 60)

/* What happened between two samples, some minute apart. */
typedef struct RarrMinute
{
	TimestampTz from;
	TimestampTz until;
	uint32 events[RARR_JOB_EVENTS];
	int64 transactions; /* of the database; -1: the statistics were reset */
	int64 bytes;        /* size of the database at the end; -1: not known */
} RarrMinute;

/* What a sample needs that is not in shared memory. */
typedef struct RarrSample
{
	TimestampTz at;
	int64 transactions; /* of the database so far; -1: not known */
	int64 bytes;        /* its size; -1: not known */
} RarrSample;

/* What happened in a length of time. */
typedef struct RarrSpan
{
	TimestampTz from; /* DT_NOEND: nothing is known */
	uint64 events[RARR_JOB_EVENTS];
	int64 transactions;
	int64 usec;        /* that transactions are from */
	int64 first_bytes; /* size at its beginning; -1: not known */
	int64 last_bytes;
} RarrSpan;

extern const RarrShmemPart rarr_minutes_part;

extern bool rarr_minutes_are_there(void);
extern bool rarr_minutes_are_due(TimestampTz now);
extern bool rarr_minutes_sample(const RarrSample *sample, RarrMinute *minute);
extern void rarr_minutes_load(const RarrMinute *minutes, int n);
extern bool rarr_minutes_loaded(void);
extern RarrMinute *rarr_minutes_copy(int *n);
extern bool rarr_minutes_span(TimestampTz since, RarrSpan *span);
extern const char *rarr_minutes_problem(void);

#endif /* RARR_OPS_MINUTE_RING_H */
