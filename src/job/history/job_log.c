/*
 * job_log.c
 *		Collect the history of the jobs that a function changes.
 *
 * A function of the queue adds an entry for each job, and writes all of them
 * at its end: one bulk insert costs less than many single ones.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/text.h"
#include "job/history/job_log.h"

/* how many entries a call with many jobs collects before it writes them */
#define MANY_ENTRIES 1000

/*
 * Is this an action of an operator, and not of a worker or the queue itself?
 */
static bool
is_operators(RarrHistoryAction action)
{
	return action == RARR_HISTORY_RELEASED || action == RARR_HISTORY_CANCELLED ||
		   action == RARR_HISTORY_REQUEUED || action == RARR_HISTORY_MARKED_COMPLETED;
}

/*
 * Add the search that ends with the job, if it is one for a tracked item.  A claim
 * must not wait for the item's row: what it ends are lapsed jobs, and jobs that it
 * cannot read.
 */
static void
add_search(RarrJobLog *log, TupleTableSlot *oldslot, RarrHistoryAction action, RarrJobStatus from,
		   RarrJobStatus to, TimestampTz now)
{
	RarrSearch search = {.ended_at = now, .failed = to == JOB_FAILED};

	if ((to != JOB_COMPLETED && to != JOB_FAILED) || !rarr_search_of_job(oldslot, &search.item_id))
		return;
	search.may_wait = to == JOB_COMPLETED || (from == JOB_RUNNING && action == RARR_HISTORY_FAILED);
	if (log->searches == NULL)
	{
		log->search_room = 4;
		log->searches = palloc(log->search_room * sizeof(RarrSearch));
	}
	else if (log->nsearches == log->search_room)
	{
		log->search_room *= 2;
		log->searches = repalloc_huge(log->searches, log->search_room * sizeof(RarrSearch));
	}
	log->searches[log->nsearches++] = search;
}

/*
 * Add an entry for a change of a job, in the current memory context.  oldslot:
 * the version before the change, deformed; to: the new status; now: the time
 * of the change; error: may be NULL, is not copied and must stay valid until
 * the log is written.  If the job was running, the entry records the end of its
 * worker's attempt.  Raises no errors but those of allocation.
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
	entry->attempt = rarr_job_int(oldslot, JOB_ATTEMPT);
	entry->worker = from == JOB_RUNNING && !rarr_job_is_null(oldslot, JOB_WORKER) ?
						rarr_clip_datum(rarr_job_value(oldslot, JOB_WORKER), RARR_HISTORY_WORKER_BYTES) :
						NULL;
	entry->claimed_at = from == JOB_RUNNING && !rarr_job_is_null(oldslot, JOB_STARTED_AT) ?
							rarr_job_time(oldslot, JOB_STARTED_AT) :
							0;
	entry->ended_at = now;
	entry->error = error;
	entry->note = NULL;
	entry->by_operator = is_operators(action);
	add_search(log, oldslot, action, from, to, now);
}

static void
write_entries(RarrJobLog *log)
{
	if (log->n > 0)
		rarr_history_write(log->entries, log->n);
	log->n = 0;
}

/*
 * Write the entries and the searches, and empty the log.  Requires an active
 * snapshot.  Errors: of rarr_history_write() and rarr_searches_write().
 */
void
rarr_job_log_write(RarrJobLog *log)
{
	if (log->nsearches > 0)
		rarr_searches_write(log->searches, log->nsearches);
	log->nsearches = 0;
	write_entries(log);
}

/*
 * Write the entries if there are many.  A call with any number of jobs does this
 * between two jobs, which bounds the array of entries.  The searches stay: rows of
 * tracked items are locked after all jobs.
 */
void
rarr_job_log_write_if_many(RarrJobLog *log)
{
	if (log->n >= MANY_ENTRIES)
		write_entries(log);
}

/*
 * Like rarr_job_log_write(), for session exit: raises no error, and leaves tracked
 * items as they are, because nothing may wait for their rows.  Returns false if an
 * entry could not be written.  The caller must then roll the transaction back.
 */
bool
rarr_job_log_write_at_exit(RarrJobLog *log)
{
	bool done = log->n == 0 || rarr_history_write_at_exit(log->entries, log->n);

	log->n = 0;
	return done;
}
