/*
 * trigger.c
 *		Trigger: write the history of jobs that DML and TRUNCATE change.
 *
 * The triggers are statement-level and have transition tables, so one pass
 * over the changed rows suffices.  Cascades of foreign keys fire them, too.
 * README.md lists the actions that follow from a job's status before and after.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/expiring.h"
#include "base/args.h"
#include "base/column.h"
#include "base/text.h"
#include "job/core/job_row.h"
#include "job/history/history.h"

/* the columns that the history is derived from */
static const int needed[] = {
	JOB_ID, JOB_MEDIA_ID, JOB_STATUS, JOB_RETRY_COUNT, JOB_ERROR_MESSAGE, JOB_STARTED_AT, JOB_ATTEMPT,
	JOB_WORKER};

/* state of one call of the trigger function */
typedef struct Recorder
{
	AttrNumber columns[JOB_NCOLUMNS + 1]; /* where the needed ones are */
	TimestampTz now;
	RarrHistory *history;      /* NULL until there is a row to write */
	MemoryContext context;     /* owns the history */
	MemoryContext row_context; /* reset after each job */
} Recorder;

static void
begin(Recorder *recorder, Relation rel)
{
	for (int i = 0; i < lengthof(needed); i++)
	{
		const RarrColumn *column = &rarr_job_table.columns[needed[i] - 1];

		recorder->columns[needed[i]] = rarr_require_column(rel, column->name, column->type);
	}
	recorder->now = GetCurrentTimestamp();
	recorder->history = NULL;
	recorder->context = CurrentMemoryContext;
	recorder->row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr changed job",
												  ALLOCSET_DEFAULT_SIZES);
}

static void
end(Recorder *recorder)
{
	if (recorder->history)
		rarr_history_end(recorder->history);
	MemoryContextDelete(recorder->row_context);
}

static void
add(Recorder *recorder, const RarrHistoryEntry *entry)
{
	if (recorder->history == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(recorder->context);

		recorder->history = rarr_history_begin();
		MemoryContextSwitchTo(old);
	}
	rarr_history_add(recorder->history, entry);
}

static Datum
get(const Recorder *recorder, TupleTableSlot *job, int column, bool *isnull)
{
	return slot_getattr(job, recorder->columns[column], isnull);
}

/* A text column, truncated to max_bytes, or NULL. */
static char *
get_text(const Recorder *recorder, TupleTableSlot *job, int column, int max_bytes)
{
	bool isnull;
	Datum value = get(recorder, job, column, &isnull);

	return isnull ? NULL : rarr_clip_datum(value, max_bytes);
}

static int
get_int(const Recorder *recorder, TupleTableSlot *job, int column)
{
	bool isnull;
	Datum value = get(recorder, job, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static bool
is_running(const char *status)
{
	return strcmp(status, "running") == 0;
}

static bool
is_queued(const char *status)
{
	return strcmp(status, "queued") == 0;
}

/*
 * Fill in what the old row says: the job, its status, and the attempt that
 * ended if it was running.
 *
 * Returns false if a required column is NULL.  Such a row can exist only after
 * the owner dropped a NOT NULL constraint.  It has no history, and the
 * statement that removes it must not fail here.
 */
static bool
describe_old(const Recorder *recorder, TupleTableSlot *job, RarrHistoryEntry *entry)
{
	bool no_id;
	bool no_media;
	bool isnull;
	Datum id = get(recorder, job, JOB_ID, &no_id);
	Datum media_id = get(recorder, job, JOB_MEDIA_ID, &no_media);

	entry->from = get_text(recorder, job, JOB_STATUS, RARR_HISTORY_WORKER_BYTES);
	if (no_id || no_media || entry->from == NULL)
		return false;
	entry->job_id = *DatumGetUUIDP(id);
	entry->media_id = *DatumGetUUIDP(media_id);
	entry->attempt = get_int(recorder, job, JOB_ATTEMPT);
	if (is_running(entry->from))
	{
		Datum started_at = get(recorder, job, JOB_STARTED_AT, &isnull);

		entry->claimed_at = isnull ? 0 : DatumGetTimestampTz(started_at);
		entry->worker = get_text(recorder, job, JOB_WORKER, RARR_HISTORY_WORKER_BYTES);
	}
	return true;
}

/*
 * Find the action of an UPDATE.  attempt is the new row's, and retried says
 * that retry_count grew.  Returns false if the change is not recorded.
 */
static bool
find_action(const RarrHistoryEntry *entry, int attempt, bool retried, RarrHistoryAction *action)
{
	const char *from = entry->from;
	const char *to = entry->to;

	if (strcmp(from, to) == 0)
	{
		*action = RARR_HISTORY_LAPSED;
		return is_running(from) && attempt > entry->attempt;
	}
	if (is_running(to) && is_queued(from))
		return false;
	if (is_queued(to) || is_running(to))
		*action = !is_running(from) ? RARR_HISTORY_REQUEUED :
				  retried           ? RARR_HISTORY_RETRIED :
									  RARR_HISTORY_RELEASED;
	else if (strcmp(to, "failed") == 0)
		*action = RARR_HISTORY_FAILED;
	else if (strcmp(to, "cancelled") == 0)
		*action = RARR_HISTORY_CANCELLED;
	else
		*action = is_running(from) ? RARR_HISTORY_COMPLETED : RARR_HISTORY_MARKED_COMPLETED;
	return true;
}

/*
 * Complete the entry of an UPDATE, whose old row it describes.  Returns false
 * if the change is not recorded.
 */
static bool
describe_update(const Recorder *recorder, TupleTableSlot *old_job, TupleTableSlot *new_job,
				RarrHistoryEntry *entry)
{
	bool retried = get_int(recorder, new_job, JOB_RETRY_COUNT) >
				   get_int(recorder, old_job, JOB_RETRY_COUNT);

	entry->to = get_text(recorder, new_job, JOB_STATUS, RARR_HISTORY_WORKER_BYTES);
	if (entry->to == NULL ||
		!find_action(entry, get_int(recorder, new_job, JOB_ATTEMPT), retried, &entry->action))
		return false;
	if (entry->action == RARR_HISTORY_FAILED || entry->action == RARR_HISTORY_RETRIED ||
		entry->action == RARR_HISTORY_LAPSED)
		entry->error = get_text(recorder, new_job, JOB_ERROR_MESSAGE, RARR_HISTORY_ERROR_BYTES);
	return true;
}

/* Record an UPDATE, or a DELETE if new_job is NULL. */
static void
record(Recorder *recorder, TupleTableSlot *old_job, TupleTableSlot *new_job)
{
	MemoryContext old = MemoryContextSwitchTo(recorder->row_context);
	RarrHistoryEntry entry = {
		.action = RARR_HISTORY_DELETED, .ended_at = recorder->now, .by_operator = true};

	CHECK_FOR_INTERRUPTS();
	if (describe_old(recorder, old_job, &entry) &&
		(new_job == NULL || describe_update(recorder, old_job, new_job, &entry)))
		add(recorder, &entry);
	MemoryContextSwitchTo(old);
	MemoryContextReset(recorder->row_context);
}

/*
 * Record the rows of the transition tables.  Both have the rows in the order in
 * which they were changed; new_rows is NULL for a DELETE.
 */
static void
record_rows(Recorder *recorder, TupleDesc desc, Tuplestorestate *old_rows, Tuplestorestate *new_rows)
{
	TupleTableSlot *old_job = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *new_job = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(old_rows);
	if (new_rows != NULL)
		tuplestore_rescan(new_rows);
	while (tuplestore_gettupleslot(old_rows, true, false, old_job) &&
		   (new_rows == NULL || tuplestore_gettupleslot(new_rows, true, false, new_job)))
		record(recorder, old_job, new_rows != NULL ? new_job : NULL);
	ExecDropSingleTupleTableSlot(old_job);
	ExecDropSingleTupleTableSlot(new_job);
}

/*
 * Record all jobs as deleted, before a TRUNCATE: it has no transition tables.
 * TRUNCATE has already locked the table, so the latest snapshot shows every
 * job.  The transaction's own snapshot may be older.
 */
static void
record_truncate(Recorder *recorder, Relation rel)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *job = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, job))
		record(recorder, job, NULL);
	ExecDropSingleTupleTableSlot(job);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* Raise 39P01: a row-level trigger, or one without transition tables. */
static void
wrong_trigger(const TriggerData *trigdata)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" is not a statement-level trigger with transition tables",
					trigdata->tg_trigger->tgname),
			 errhint("Only triggers that the extension made call this function.")));
}

/*
 * processing_jobs_history(): statement-level trigger of processing_jobs
 *
 * Raises 39P01 if the trigger is defined in another way, 42703 if a column
 * that it reads is missing or has another type, and the errors of
 * rarr_history_begin() and rarr_history_add().
 */
PG_FUNCTION_INFO_V1(researcharr_processing_jobs_history);
Datum
researcharr_processing_jobs_history(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	Recorder recorder;

	rarr_require_trigger(fcinfo, "processing_jobs_history");
	if (rarr_is_expiring(trigdata) || IsLogicalWorker())
		PG_RETURN_POINTER(NULL);
	begin(&recorder, trigdata->tg_relation);
	desc = RelationGetDescr(trigdata->tg_relation);
	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		wrong_trigger(trigdata);
	else if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		record_truncate(&recorder, trigdata->tg_relation);
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) &&
			 trigdata->tg_oldtable && trigdata->tg_newtable)
		record_rows(&recorder, desc, trigdata->tg_oldtable, trigdata->tg_newtable);
	else if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && trigdata->tg_oldtable)
		record_rows(&recorder, desc, trigdata->tg_oldtable, NULL);
	else
		wrong_trigger(trigdata);
	end(&recorder);
	PG_RETURN_POINTER(NULL);
}
