/*
 * history.h
 *		What happened to jobs, put on record in processing_history.
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
	RARR_HISTORY_DELETED
} RarrHistoryAction;

/* a row keeps no more bytes of a worker's name and of an error */
#define RARR_HISTORY_WORKER_BYTES	(4 * RARR_WORKER_MAX_CHARS)
#define RARR_HISTORY_ERROR_BYTES	RARR_ERROR_MAX_BYTES

/*
 * One change of a job's status, or the end of one of its attempts.
 *
 * An attempt ended where the job was running: then claimed_at is the job's
 * started_at.  Else it is 0, and neither it nor ended_at is among the row's
 * details: as many rows of a job have claimed_at as attempts of it ended.
 */
typedef struct RarrHistoryEntry
{
	pg_uuid_t	job_id;
	pg_uuid_t	media_id;
	RarrHistoryAction action;
	const char *from;			/* the job's status before */
	const char *to;				/* after; NULL where it was deleted */
	int			attempt;		/* the one that ended, or the job's last */
	const char *worker;			/* whose it was; NULL where unknown */
	TimestampTz claimed_at;		/* 0 where no attempt ended */
	TimestampTz ended_at;		/* when this happened, always set */
	const char *error;			/* NULL for none */
	bool		by_operator;	/* not by the worker or the queue itself: the row
								 * says by whom */
} RarrHistoryEntry;

/* rows on their way into processing_history */
typedef struct RarrHistory RarrHistory;

extern RarrHistory *rarr_history_begin(void);
extern void rarr_history_add(RarrHistory *history, const RarrHistoryEntry *entry);
extern void rarr_history_end(RarrHistory *history);
extern void rarr_history_write(const RarrHistoryEntry *entries, int n);
extern bool rarr_history_write_at_exit(const RarrHistoryEntry *entries, int n);

#endif							/* RARR_JOB_HISTORY_HISTORY_H */
