/*
 * guard.c
 *		The guard trigger of processing_jobs: what plain DML may do.
 *
 * Users may enqueue and change jobs by INSERT, COPY and UPDATE.  The system
 * columns (status, attempt, lease, ...) belong to the functions of the queue,
 * which do not fire this trigger: a user who could write them could take a job
 * from its worker.  Only the owner of the table may write them by DML.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/duration.h"
#include "base/metadata.h"
#include "base/restore.h"
#include "job/change.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/core/worker_input.h"

/* the system columns, which an UPDATE may not change ... */
static const int system_columns[] = {
	JOB_ID, JOB_MEDIA_ID, JOB_JOB_TYPE, JOB_STATUS, JOB_RETRY_COUNT, JOB_ERROR_MESSAGE,
	JOB_STARTED_AT, JOB_COMPLETED_AT, JOB_CREATED_AT, JOB_ATTEMPT, JOB_LEASE_EXPIRES_AT,
	JOB_WORKER, JOB_RESULT};

/* ... and those that must be NULL in an INSERT */
static const int empty_on_insert[] = {
	JOB_ERROR_MESSAGE, JOB_STARTED_AT, JOB_COMPLETED_AT, JOB_LEASE_EXPIRES_AT, JOB_WORKER, JOB_RESULT};

/* Raise 42501 unless the user owns the table. */
static void
refuse_system_column(Relation rel, int column)
{
	const char *name = NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname);

	if (rarr_is_owner(RelationGetRelid(rel), GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("column \"%s\" of a job can be changed only by the functions of the queue", name),
			 errdetail("A role that does not own the table may set media_id, job_type and created_at of new jobs, and priority, available_at, max_retries, metadata and unique_key of all jobs."),
			 errhint("Call job_enqueue, job_dequeue, job_complete, job_fail, job_cancel or another function of the queue."),
			 errtablecol(rel, column)));
}

/* Raise RA002 if the job has an unknown type. */
static void
check_job_type(HeapTuple tuple, TupleDesc desc)
{
	bool isnull;
	Datum value = heap_getattr(tuple, JOB_JOB_TYPE, desc, &isnull);

	if (!isnull) /* NULL violates NOT NULL */
		(void) rarr_job_type_get(DatumGetTextPP(value));
}

static void
check_insert(Relation rel, HeapTuple tuple)
{
	TupleDesc desc = RelationGetDescr(rel);
	bool isnull;
	Datum status;

	check_job_type(tuple, desc);
	for (int i = 0; i < lengthof(empty_on_insert); i++)
		if (!heap_attisnull(tuple, empty_on_insert[i], desc))
			refuse_system_column(rel, empty_on_insert[i]);

	status = heap_getattr(tuple, JOB_STATUS, desc, &isnull);
	if (!isnull && strcmp(TextDatumGetCString(status), rarr_job_status_name(JOB_QUEUED)) != 0)
		refuse_system_column(rel, JOB_STATUS);
	if (DatumGetInt32(heap_getattr(tuple, JOB_ATTEMPT, desc, &isnull)) != 0)
		refuse_system_column(rel, JOB_ATTEMPT);
	if (DatumGetInt32(heap_getattr(tuple, JOB_RETRY_COUNT, desc, &isnull)) != 0)
		refuse_system_column(rel, JOB_RETRY_COUNT);
}

static bool
column_differs(HeapTuple a, HeapTuple b, TupleDesc desc, int column)
{
	Form_pg_attribute att = TupleDescAttr(desc, column - 1);
	bool anull;
	bool bnull;
	Datum avalue = heap_getattr(a, column, desc, &anull);
	Datum bvalue = heap_getattr(b, column, desc, &bnull);

	if (anull || bnull)
		return anull != bnull;
	return !datum_image_eq(avalue, bvalue, att->attbyval, att->attlen);
}

static void
check_update(TriggerData *trigger)
{
	Relation rel = trigger->tg_relation;
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < lengthof(system_columns); i++)
	{
		int column = system_columns[i];

		if (!bms_is_member(column - FirstLowInvalidHeapAttributeNumber, trigger->tg_updatedcols) ||
			!column_differs(trigger->tg_trigtuple, trigger->tg_newtuple, desc, column))
			continue;
		refuse_system_column(rel, column);
		if (column == JOB_JOB_TYPE)
			check_job_type(trigger->tg_newtuple, desc);
	}
}

/* Raise 23514 for a column with a value above its limit. */
static void
refuse_size(Relation rel, int column, const char *limit)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of a job is longer than %s",
					NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname), limit),
			 errhint("Store large values elsewhere, and a reference to them here."),
			 errtablecol(rel, column)));
}

/* Does the statement set this column to a new value that is not NULL? */
static bool
is_written(TriggerData *trigger, HeapTuple tuple, int column)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);

	return !heap_attisnull(tuple, column, desc) &&
		   (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
			column_differs(trigger->tg_trigtuple, tuple, desc, column));
}

/*
 * Apply the limits of worker_input.c to the new row, and return it.  Only
 * values that the statement writes are checked: older ones may exceed a limit.
 */
static HeapTuple
apply_limits(TriggerData *trigger, HeapTuple tuple)
{
	Relation rel = trigger->tg_relation;
	TupleDesc desc = RelationGetDescr(rel);
	int column = JOB_ERROR_MESSAGE;
	bool isnull;
	Datum error;

	if (is_written(trigger, tuple, JOB_WORKER) &&
		!rarr_worker_name_fits(heap_getattr(tuple, JOB_WORKER, desc, &isnull)))
		refuse_size(rel, JOB_WORKER, "255 characters");
	if (is_written(trigger, tuple, JOB_RESULT) &&
		!rarr_jsonb_fits(heap_getattr(tuple, JOB_RESULT, desc, &isnull)))
		refuse_size(rel, JOB_RESULT, "1 MB as text");
	if (!is_written(trigger, tuple, JOB_ERROR_MESSAGE))
		return tuple;
	error = heap_getattr(tuple, JOB_ERROR_MESSAGE, desc, &isnull);
	if (rarr_error_text_fits(error))
		return tuple;
	error = rarr_error_text_truncate(error);
	return heap_modify_tuple_by_cols(tuple, desc, 1, &column, &error, &isnull);
}

/*
 * Return the new row.  If it is a failed job without a message, it gets one:
 * the index of failed jobs has those with a message, also old rows of a dump.
 */
static HeapTuple
explain_failure(Relation rel, HeapTuple tuple)
{
	static const char *const message = "failed without a message";
	TupleDesc desc = RelationGetDescr(rel);
	int column = JOB_ERROR_MESSAGE;
	bool isnull;
	Datum status = heap_getattr(tuple, JOB_STATUS, desc, &isnull);
	Datum error;

	if (isnull || !heap_attisnull(tuple, column, desc) ||
		strcmp(TextDatumGetCString(status), rarr_job_status_name(JOB_FAILED)) != 0)
		return tuple;
	error = CStringGetTextDatum(message);
	return heap_modify_tuple_by_cols(tuple, desc, 1, &column, &error, &isnull);
}

/* Return the new row with an updated_at that is later than the old row's. */
static HeapTuple
advance_updated_at(TriggerData *trigger, HeapTuple tuple)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	int column = JOB_UPDATED_AT;
	bool isnull;
	TimestampTz before;
	Datum after;

	before = DatumGetTimestampTz(heap_getattr(trigger->tg_trigtuple, column, desc, &isnull));
	after = TimestampTzGetDatum(rarr_clock_after(before));
	return heap_modify_tuple_by_cols(tuple, desc, 1, &column, &after, &isnull);
}

/* Raise 39P01 for a trigger of another kind, which has no old or new row. */
static void
check_trigger(const TriggerData *trigger)
{
	if (TRIGGER_FIRED_BEFORE(trigger->tg_event) &&
		(TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" is neither a BEFORE ROW trigger nor a BEFORE TRUNCATE trigger",
					trigger->tg_trigger->tgname),
			 errhint("Only triggers that the extension made call this function.")));
}

PG_FUNCTION_INFO_V1(researcharr_processing_jobs_guard);

/*
 * Trigger before each row of an INSERT, COPY, UPDATE or DELETE, and before a
 * TRUNCATE.  Rows of a dump that is being restored are not checked, and rows
 * that logical replication applies stay as they come.
 *
 * Errors: RA002 unknown job type; 23514 a value above a limit of
 * worker_input.c; 42501 a system column; 55000 a column that the extension
 * created has been altered.
 */
Datum
researcharr_processing_jobs_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple tuple;

	rarr_require_trigger(fcinfo, "processing_jobs_guard");
	tuple = trigger->tg_trigtuple;
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		check_trigger(trigger);

		/* once for each statement, since it locks the table against DDL */
		rarr_check_columns(trigger->tg_relation, rarr_job_table.columns, rarr_job_table.ncolumns, true);
		fcinfo->flinfo->fn_extra = unconstify(RarrTableDef *, &rarr_job_table);
	}
	if (IsLogicalWorker())
	{
		rarr_change_record_dml(trigger);
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : tuple);
	}
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		check_update(trigger);
		tuple = explain_failure(trigger->tg_relation, apply_limits(trigger, trigger->tg_newtuple));
	}
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		if (!rarr_is_restoring(trigger->tg_relation))
		{
			check_insert(trigger->tg_relation, tuple);
			tuple = apply_limits(trigger, tuple);
		}
		tuple = explain_failure(trigger->tg_relation, tuple);
	}
	rarr_change_record_dml(trigger);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		tuple = advance_updated_at(trigger, tuple);
	return PointerGetDatum(tuple);
}
