/*
 * lapse.h
 *		Lapses: attempts that end without a report.
 */
#ifndef RARR_LAPSE_H
#define RARR_LAPSE_H

#include "executor/tuptable.h"

#include "base/relation.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/history/job_log.h"

/* What happens to a running job if its attempt lapses. */
typedef enum RarrLapse
{
	RARR_NOT_RUNNING,
	RARR_LAPSE_FIRST, /* it is available at once, */
	RARR_LAPSE_AGAIN, /* after its type's backoff, */
	RARR_LAPSE_LAST   /* or never: it has failed */
} RarrLapse;

extern bool rarr_job_has_retry(TupleTableSlot *job);
extern RarrLapse rarr_lapse_of(TupleTableSlot *job);
extern bool rarr_lapse_must_be_recorded(TupleTableSlot *slot);
extern int64 rarr_lapse_delay(TupleTableSlot *job, const RarrJobType *type);
extern void rarr_lapse_set_next(TupleTableSlot *newslot);
extern void rarr_lapse_log(RarrJobLog *log, TupleTableSlot *job, RarrJobStatus status, TimestampTz now);
extern bool rarr_lapse_record(RarrTable *jobs, RarrJobLog *log, RarrLapse lapse, int64 delay,
							  TimestampTz now);
extern int rarr_lapse_at_session_end(RarrTable *jobs, RarrJobLog *log, TimestampTz now);

#endif /* RARR_LAPSE_H */
