/*
 * history.h
 *		Write rows of processing_history.
 */
#ifndef RARR_JOB_HISTORY_HISTORY_H
#define RARR_JOB_HISTORY_HISTORY_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "job/core/worker_input.h"

typedef enum RarrHistoryAction
{
	RARR_HISTORY_COMPLETED,
	RARR_HISTORY_RETRIED,
	RARR_HISTORY_FAILED,
	RARR_HISTORY_LAPSED,
	RARR_HISTORY_RELEASED,
	RARR_HISTORY_CANCELLED,
	RARR_HISTORY_REQUEUED,
	RARR_HISTORY_MARKED_COMPLETED,
	RARR_HISTORY_DELETED,
	RARR_HISTORY_ADOPTED /* from the log of the old application */
} RarrHistoryAction;

/* the most bytes of a worker's name and of an error that a row holds */
#define RARR_HISTORY_WORKER_BYTES (4 * RARR_WORKER_MAX_CHARS)
#define RARR_HISTORY_ERROR_BYTES  RARR_ERROR_MAX_BYTES

/*
 * A change of a job's status, or the end of one of its attempts.
 *
 * If the job was running, this is the end of an attempt, and claimed_at is the
 * job's started_at.  Otherwise claimed_at is 0, and the row's details have
 * neither claimed_at nor ended_at.  So the number of a job's rows with
 * claimed_at is the number of its attempts that ended.
 */
typedef struct RarrHistoryEntry
{
	pg_uuid_t job_id;
	pg_uuid_t media_id;
	RarrHistoryAction action;
	const char *from;       /* the job's status before */
	const char *to;         /* its status after, or NULL if it was deleted */
	int attempt;            /* the attempt that ended, or the job's last one */
	const char *worker;     /* the attempt's worker, or NULL if unknown */
	TimestampTz claimed_at; /* 0 if no attempt ended */
	TimestampTz ended_at;   /* the time of the change; always set */
	const char *error;      /* NULL if there is none */
	const char *note;       /* likewise */
	bool by_operator;       /* record the session's roles: the change was not
							 * made by the job's worker or the queue */
} RarrHistoryEntry;

/* the state of adding rows; see rarr_history_begin() */
typedef struct RarrHistory RarrHistory;

extern RarrHistory *rarr_history_begin(void);
extern void rarr_history_add(RarrHistory *history, const RarrHistoryEntry *entry);
extern void rarr_history_end(RarrHistory *history);
extern void rarr_history_write(const RarrHistoryEntry *entries, int n);
extern bool rarr_history_write_at_exit(const RarrHistoryEntry *entries, int n);

#endif /* RARR_JOB_HISTORY_HISTORY_H */
