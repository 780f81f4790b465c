/*
 * job_row.h
 *		Rows of processing_jobs: their columns, and the kinds of changes.
 */
#ifndef RARR_JOB_CORE_JOB_ROW_H
#define RARR_JOB_CORE_JOB_ROW_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/relation.h"
#include "job/core/queue_pos.h"

/* column numbers */
enum
{
	JOB_ID = 1,
	JOB_MEDIA_ID,
	JOB_JOB_TYPE,
	JOB_STATUS,
	JOB_PRIORITY,
	JOB_RETRY_COUNT,
	JOB_MAX_RETRIES,
	JOB_ERROR_MESSAGE,
	JOB_STARTED_AT,
	JOB_COMPLETED_AT,
	JOB_METADATA,
	JOB_CREATED_AT,
	JOB_UPDATED_AT,
	JOB_ATTEMPT,
	JOB_AVAILABLE_AT,
	JOB_LEASE_EXPIRES_AT,
	JOB_WORKER,
	JOB_RESULT,
	JOB_UNIQUE_KEY,
	JOB_NCOLUMNS = JOB_UNIQUE_KEY
};

/* kinds of changes; see job_changes in job_row.c */
enum
{
	JOB_CHANGE_ENQUEUE,
	JOB_CHANGE_CLAIM,
	JOB_CHANGE_HEARTBEAT,
	JOB_CHANGE_FINISH,
	JOB_CHANGE_REQUEUE
};

/* values of the column status; see status_names in job_row.c */
typedef enum RarrJobStatus
{
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELLED
} RarrJobStatus;

extern const RarrIndexDef rarr_job_dequeue_index;
extern const RarrIndexDef rarr_job_id_index;
extern const RarrIndexDef rarr_job_unique_index;
extern const RarrTableDef rarr_job_table;

extern const char *rarr_job_status_name(RarrJobStatus status);
extern RarrJobStatus rarr_job_status(TupleTableSlot *slot);
extern bool rarr_job_has_status(TupleTableSlot *slot);
extern void rarr_job_set_status(TupleTableSlot *slot, RarrJobStatus status, TimestampTz now);
/* what error_message says after a lapse */
extern const char *const rarr_job_lease_error;
extern const char *const rarr_job_session_error;

extern bool rarr_job_is_lapse_error(const char *error, int length);
extern TimestampTz rarr_job_due_at(TupleTableSlot *slot);
extern bool rarr_job_is_same(TupleTableSlot *a, TupleTableSlot *b);
extern RarrQueuePos rarr_job_queue_pos(TupleTableSlot *slot);
extern RarrRunning rarr_job_running(TupleTableSlot *slot);
extern void rarr_job_begin_change(RarrTable *jobs, TimestampTz now);

/* The value of a column (JOB_...), as a Datum and as its type. */
static inline Datum
rarr_job_value(TupleTableSlot *slot, int column)
{
	return slot->tts_values[column - 1];
}

static inline int32
rarr_job_int(TupleTableSlot *slot, int column)
{
	return DatumGetInt32(rarr_job_value(slot, column));
}

static inline TimestampTz
rarr_job_time(TupleTableSlot *slot, int column)
{
	return DatumGetTimestampTz(rarr_job_value(slot, column));
}

static inline bool
rarr_job_is_null(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1];
}

/* The job's id, which points into the slot. */
static inline pg_uuid_t *
rarr_job_id(TupleTableSlot *slot)
{
	return DatumGetUUIDP(rarr_job_value(slot, JOB_ID));
}

/* Set a column of a new version. */
static inline void
rarr_job_set(TupleTableSlot *slot, int column, Datum value)
{
	slot->tts_values[column - 1] = value;
	slot->tts_isnull[column - 1] = false;
}

static inline void
rarr_job_set_null(TupleTableSlot *slot, int column)
{
	slot->tts_values[column - 1] = (Datum) 0;
	slot->tts_isnull[column - 1] = true;
}

#endif /* RARR_JOB_CORE_JOB_ROW_H */
