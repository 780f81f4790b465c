/*
 * trigger.c
 *		Trigger: write the history of jobs that DML and TRUNCATE change.
 *
 * The triggers are statement-level and have transition tables, so one pass
 * over the changed rows suffices.  Cascades of foreign keys fire them, too.
 * The functions of the queue change jobs below the level of statements.  They
 * fire none of these triggers and write the history themselves (job_log.c).
 *
 * The action is derived from the job's status before and after the statement.
 * An enqueue and a claim add no row, because the job's row has what they did.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/column.h"
#include "base/text.h"
#include "job/history/history.h"

/* numbers of the columns that the history is derived from */
typedef struct JobColumns
{
	AttrNumber	id;
	AttrNumber	media_id;
	AttrNumber	status;
	AttrNumber	retry_count;
	AttrNumber	attempt;
	AttrNumber	worker;
	AttrNumber	started_at;
	AttrNumber	error_message;
} JobColumns;

/* state of one call of the trigger function */
typedef struct Recorder
{
	JobColumns	columns;
	TimestampTz now;
	RarrHistory *history;		/* NULL until there is a row to write */
	MemoryContext context;		/* owns the history */
	MemoryContext row_context;	/* reset after each job */
} Recorder;

static void
begin(Recorder *recorder, Relation rel)
{
	JobColumns *columns = &recorder->columns;

	columns->id = rarr_require_column(rel, "id", UUIDOID);
	columns->media_id = rarr_require_column(rel, "media_id", UUIDOID);
	columns->status = rarr_require_column(rel, "status", TEXTOID);
	columns->retry_count = rarr_require_column(rel, "retry_count", INT4OID);
	columns->attempt = rarr_require_column(rel, "attempt", INT4OID);
	columns->worker = rarr_require_column(rel, "worker", TEXTOID);
	columns->started_at = rarr_require_column(rel, "started_at", TIMESTAMPTZOID);
	columns->error_message = rarr_require_column(rel, "error_message", TEXTOID);
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

/* A text column, truncated to max_bytes, or NULL. */
static char *
get_text(TupleTableSlot *job, AttrNumber attnum, int max_bytes)
{
	bool		isnull;
	Datum		value = slot_getattr(job, attnum, &isnull);

	return isnull ? NULL : rarr_clip_datum(value, max_bytes);
}

static int
get_int(TupleTableSlot *job, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(job, attnum, &isnull);

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
describe_old(const JobColumns *columns, TupleTableSlot *job, RarrHistoryEntry *entry)
{
	bool		isnull;

	if (slot_attisnull(job, columns->id) || slot_attisnull(job, columns->media_id) ||
		slot_attisnull(job, columns->status))
		return false;
	entry->job_id = *DatumGetUUIDP(slot_getattr(job, columns->id, &isnull));
	entry->media_id = *DatumGetUUIDP(slot_getattr(job, columns->media_id, &isnull));
	entry->from = get_text(job, columns->status, RARR_HISTORY_WORKER_BYTES);
	entry->attempt = get_int(job, columns->attempt);
	if (is_running(entry->from))
	{
		Datum		started_at = slot_getattr(job, columns->started_at, &isnull);

		entry->claimed_at = isnull ? 0 : DatumGetTimestampTz(started_at);
		entry->worker = get_text(job, columns->worker, RARR_HISTORY_WORKER_BYTES);
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
			retried ? RARR_HISTORY_RETRIED : RARR_HISTORY_RELEASED;
	else if (strcmp(to, "failed") == 0)
		*action = RARR_HISTORY_FAILED;
	else if (strcmp(to, "cancelled") == 0)
		*action = RARR_HISTORY_CANCELLED;
	else
		*action = is_running(from) ? RARR_HISTORY_COMPLETED : RARR_HISTORY_MARKED_COMPLETED;
	return true;
}

static void
record_update(Recorder *recorder, TupleTableSlot *old_job, TupleTableSlot *new_job)
{
	const JobColumns *columns = &recorder->columns;
	MemoryContext old = MemoryContextSwitchTo(recorder->row_context);
	RarrHistoryEntry entry = {0};

	entry.to = get_text(new_job, columns->status, RARR_HISTORY_WORKER_BYTES);
	entry.ended_at = recorder->now;
	entry.by_operator = true;
	if (describe_old(columns, old_job, &entry) && entry.to != NULL &&
		find_action(&entry, get_int(new_job, columns->attempt),
					get_int(new_job, columns->retry_count) > get_int(old_job, columns->retry_count),
					&entry.action))
	{
		if (entry.action == RARR_HISTORY_FAILED || entry.action == RARR_HISTORY_RETRIED ||
			entry.action == RARR_HISTORY_LAPSED)
			entry.error = get_text(new_job, columns->error_message, RARR_HISTORY_ERROR_BYTES);
		add(recorder, &entry);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(recorder->row_context);
}

static void
record_delete(Recorder *recorder, TupleTableSlot *job)
{
	MemoryContext old = MemoryContextSwitchTo(recorder->row_context);
	RarrHistoryEntry entry = {0};

	entry.action = RARR_HISTORY_DELETED;
	entry.ended_at = recorder->now;
	entry.by_operator = true;
	if (describe_old(&recorder->columns, job, &entry))
		add(recorder, &entry);
	MemoryContextSwitchTo(old);
	MemoryContextReset(recorder->row_context);
}

/*
 * Both transition tables have the rows in the order in which they were
 * changed.
 */
static void
record_updates(Recorder *recorder, TriggerData *trigdata)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	TupleTableSlot *old_job = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *new_job = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(trigdata->tg_oldtable);
	tuplestore_rescan(trigdata->tg_newtable);
	while (tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, old_job) &&
		   tuplestore_gettupleslot(trigdata->tg_newtable, true, false, new_job))
	{
		CHECK_FOR_INTERRUPTS();
		record_update(recorder, old_job, new_job);
	}
	ExecDropSingleTupleTableSlot(old_job);
	ExecDropSingleTupleTableSlot(new_job);
}

static void
record_deletes(Recorder *recorder, TriggerData *trigdata)
{
	TupleTableSlot *job = MakeSingleTupleTableSlot(RelationGetDescr(trigdata->tg_relation),
												   &TTSOpsMinimalTuple);

	tuplestore_rescan(trigdata->tg_oldtable);
	while (tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, job))
	{
		CHECK_FOR_INTERRUPTS();
		record_delete(recorder, job);
	}
	ExecDropSingleTupleTableSlot(job);
}

/*
 * Record all jobs as deleted, before a TRUNCATE: it has no transition tables.
 * TRUNCATE has already locked the table, so the latest snapshot shows every
 * job.  The transaction's own snapshot may be older.
 */
static void
record_truncate(Recorder *recorder, Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *job = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, job))
	{
		CHECK_FOR_INTERRUPTS();
		record_delete(recorder, job);
	}
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
	Recorder	recorder;

	rarr_require_trigger(fcinfo, "processing_jobs_history");
	begin(&recorder, trigdata->tg_relation);
	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		wrong_trigger(trigdata);
	else if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		record_truncate(&recorder, trigdata->tg_relation);
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) &&
			 trigdata->tg_oldtable && trigdata->tg_newtable)
		record_updates(&recorder, trigdata);
	else if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && trigdata->tg_oldtable)
		record_deletes(&recorder, trigdata);
	else
		wrong_trigger(trigdata);
	end(&recorder);
	PG_RETURN_POINTER(NULL);
}
