/*
 * job_log.c
 *		What a function of the queue did to jobs, gathered and put on record in
 *		one go.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/text.h"
#include "job/history/job_log.h"

/* how many entries a call with many jobs collects before it writes them */
#define MANY_ENTRIES	1000

/* Whose word ends an attempt or changes a status: an operator's? */
static bool
is_operators(RarrHistoryAction action)
{
	return action == RARR_HISTORY_RELEASED || action == RARR_HISTORY_CANCELLED ||
		action == RARR_HISTORY_REQUEUED || action == RARR_HISTORY_MARKED_COMPLETED;
}

/*
 * Note a change of the job whose version before it is in oldslot.  Where that
 * one was running, its worker's attempt ended.  error may be NULL; it is not copied.
 */
void
rarr_job_log_add(RarrJobLog *log, TupleTableSlot *oldslot, RarrHistoryAction action,
				 RarrJobStatus to, TimestampTz now, const char *error)
{
	RarrJobStatus from = rarr_job_status(oldslot);
	RarrHistoryEntry *entry;

	if (log->entries == NULL)
	{
		log->room = 4;
		log->entries = palloc(log->room * sizeof(RarrHistoryEntry));
	}
	else if (log->n == log->room)
	{
		log->room *= 2;
		log->entries = repalloc(log->entries, log->room * sizeof(RarrHistoryEntry));
	}
	entry = &log->entries[log->n++];

	entry->job_id = *rarr_job_id(oldslot);
	entry->media_id = *DatumGetUUIDP(rarr_job_value(oldslot, JOB_MEDIA_ID));
	entry->action = action;
	entry->from = rarr_job_status_name(from);
	entry->to = rarr_job_status_name(to);
	entry->attempt = DatumGetInt32(rarr_job_value(oldslot, JOB_ATTEMPT));
	entry->worker = from == JOB_RUNNING && !rarr_job_is_null(oldslot, JOB_WORKER) ?
		rarr_clip_datum(rarr_job_value(oldslot, JOB_WORKER), RARR_HISTORY_WORKER_BYTES) : NULL;
	entry->claimed_at = from == JOB_RUNNING && !rarr_job_is_null(oldslot, JOB_STARTED_AT) ?
		DatumGetTimestampTz(rarr_job_value(oldslot, JOB_STARTED_AT)) : 0;
	entry->ended_at = now;
	entry->error = error;
	entry->by_operator = is_operators(action);
}

/*
 * Write what was noted, and forget it.
 */
void
rarr_job_log_write(RarrJobLog *log)
{
	if (log->n > 0)
		rarr_history_write(log->entries, log->n);
	log->n = 0;
}

/*
 * Write the entries if there are many.  Calls with any number of jobs do this
 * between two jobs, so that the entries of all need not fit into memory.
 */
void
rarr_job_log_write_if_many(RarrJobLog *log)
{
	if (log->n >= MANY_ENTRIES)
		rarr_job_log_write(log);
}

/*
 * rarr_job_log_write for a session that ends; false if the transaction must not
 * commit.
 */
bool
rarr_job_log_write_at_exit(RarrJobLog *log)
{
	bool		done = log->n == 0 || rarr_history_write_at_exit(log->entries, log->n);

	log->n = 0;
	return done;
}
