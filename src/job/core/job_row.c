/*
 * job_row.c
 *		Rows of processing_jobs: their columns, and the kinds of changes.
 *
 * A claim and a heartbeat change no column that is in an index or in an
 * index's predicate, so that they are HOT updates.  The other changes set
 * completed_at or available_at, which are.  A claim that records the first
 * lapse of a job sets error_message too, and is not HOT.
 *
 * Functions that take a slot expect its attributes to be deformed, unless they
 * say otherwise.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/duration.h"
#include "base/json.h"
#include "base/row_change.h"
#include "base/text.h"
#include "job/core/job_row.h"

static const RarrColumn job_columns[] = {
	{"id", UUIDOID, true},
	{"media_id", UUIDOID, true},
	{"job_type", TEXTOID, true},
	{"status", TEXTOID, true},
	{"priority", INT4OID, true},
	{"retry_count", INT4OID, true},
	{"max_retries", INT4OID, true},
	{"error_message", TEXTOID},
	{"started_at", TIMESTAMPTZOID},
	{"completed_at", TIMESTAMPTZOID},
	{"metadata", JSONBOID},
	{"created_at", TIMESTAMPTZOID},
	{"updated_at", TIMESTAMPTZOID, true},
	{"attempt", INT4OID, true},
	{"available_at", TIMESTAMPTZOID, true},
	{"lease_expires_at", TIMESTAMPTZOID},
	{"worker", TEXTOID},
	{"result", JSONBOID},
	{"unique_key", TEXTOID},
};

const char *const rarr_job_lease_error = "lease expired";
const char *const rarr_job_session_error = "the worker's session ended";

/* the indexes that C code uses; see RarrIndexDef */
const RarrIndexDef rarr_job_dequeue_index = {
	"processing_jobs_take_idx", {JOB_JOB_TYPE, -JOB_PRIORITY, JOB_AVAILABLE_AT, JOB_ID}, .null_column = JOB_COMPLETED_AT};
const RarrIndexDef rarr_job_id_index = {"processing_jobs_pkey", {JOB_ID}};
const RarrIndexDef rarr_job_unique_index = {
	"processing_jobs_unique_key_idx", {JOB_JOB_TYPE, JOB_UNIQUE_KEY}, .null_column = JOB_COMPLETED_AT, .not_null_columns = {JOB_UNIQUE_KEY}, .unique = true};

/* ... and those that queries use */
static const RarrIndexDef media_id_index = {"processing_jobs_media_id_idx", {JOB_MEDIA_ID}};
static const RarrIndexDef failed_index = {
	"processing_jobs_failed_idx", {JOB_COMPLETED_AT, JOB_ID}, .not_null_columns = {JOB_COMPLETED_AT, JOB_ERROR_MESSAGE}};

/*
 * Indexes and CHECK constraints that are ours.  With any others a claim is
 * guarded (claim_guard.c), which costs more.
 */
static const RarrIndexDef *const job_indexes[] = {
	&rarr_job_dequeue_index, &rarr_job_id_index, &rarr_job_unique_index, &media_id_index, &failed_index, NULL};
static const char *const job_checks[] = {
	"processing_jobs_job_type_check", "processing_jobs_status_check", "processing_jobs_priority_check",
	"processing_jobs_retry_count_check", "processing_jobs_max_retries_check", "processing_jobs_metadata_check",
	"processing_jobs_attempt_check", "processing_jobs_available_at_check", "processing_jobs_lease_expires_at_check",
	"processing_jobs_completed_at_check", "processing_jobs_unique_key_check", "processing_jobs_error_message_check", NULL};

/*
 * The columns that each kind of change sets; 0 ends a list.  enqueue.c checks
 * the foreign key to media itself (media_ref.c).
 */
static const RarrChange job_changes[] = {
	[JOB_CHANGE_ENQUEUE] = {CMD_INSERT, {JOB_MEDIA_ID}, "media"},
	[JOB_CHANGE_CLAIM] = {CMD_UPDATE, {JOB_STATUS, JOB_RETRY_COUNT, JOB_ERROR_MESSAGE, JOB_STARTED_AT, JOB_UPDATED_AT, JOB_ATTEMPT, JOB_LEASE_EXPIRES_AT, JOB_WORKER}},
	[JOB_CHANGE_HEARTBEAT] = {CMD_UPDATE, {JOB_UPDATED_AT, JOB_LEASE_EXPIRES_AT}},
	[JOB_CHANGE_FINISH] = {CMD_UPDATE, {JOB_STATUS, JOB_ERROR_MESSAGE, JOB_COMPLETED_AT, JOB_UPDATED_AT, JOB_LEASE_EXPIRES_AT, JOB_RESULT}, .is_last = true},
	[JOB_CHANGE_REQUEUE] = {CMD_UPDATE, {JOB_STATUS, JOB_RETRY_COUNT, JOB_ERROR_MESSAGE, JOB_COMPLETED_AT, JOB_UPDATED_AT, JOB_AVAILABLE_AT, JOB_LEASE_EXPIRES_AT}},
};

const RarrTableDef rarr_job_table = {
	.name = "processing_jobs",
	.ncolumns = JOB_NCOLUMNS,
	.columns = job_columns,
	.checks = job_checks,
	.indexes = job_indexes,
	.nchanges = lengthof(job_changes),
	.changes = job_changes,
};

static const char *const status_names[] = {
	[JOB_QUEUED] = "queued",
	[JOB_RUNNING] = "running",
	[JOB_COMPLETED] = "completed",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled",
};

/* Return the name of a status, as in the table. */
const char *
rarr_job_status_name(RarrJobStatus status)
{
	return status_names[status];
}

/* Return the job's status, or -1 if it has none of status_names. */
static int
find_status(TupleTableSlot *slot)
{
	text *status = DatumGetTextPP(rarr_job_value(slot, JOB_STATUS));

	for (int i = 0; i < lengthof(status_names); i++)
		if (VARSIZE_ANY_EXHDR(status) == strlen(status_names[i]) &&
			memcmp(VARDATA_ANY(status), status_names[i], VARSIZE_ANY_EXHDR(status)) == 0)
			return i;
	return -1;
}

/*
 * Return the job's status.  Raises 55000 if the column has another value,
 * which is possible if the owner dropped the CHECK constraint.
 */
RarrJobStatus
rarr_job_status(TupleTableSlot *slot)
{
	int status = find_status(slot);

	if (status < 0)
	{
		char *name = TextDatumGetCString(rarr_job_value(slot, JOB_STATUS));

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job %s has an unknown status: %s",
						DatumGetCString(DirectFunctionCall1(uuid_out, rarr_job_value(slot, JOB_ID))),
						rarr_quote_clipped(name, strlen(name))),
				 errhint("Give it a status that the CHECK constraint of researcharr.processing_jobs allows, and restore the constraint.")));
	}
	return status;
}

/* Does the job, whose status is not NULL, have a valid one? */
bool
rarr_job_has_status(TupleTableSlot *slot)
{
	return find_status(slot) >= 0;
}

/*
 * Set the status of a new version, and the columns that depend on it:
 * completed_at is set exactly if the job is finished, and only a running job
 * has a lease.  The caller sets the lease of a running job.
 */
void
rarr_job_set_status(TupleTableSlot *slot, RarrJobStatus status, TimestampTz now)
{
	rarr_job_set(slot, JOB_STATUS, CStringGetTextDatum(status_names[status]));
	if (status == JOB_QUEUED || status == JOB_RUNNING)
		rarr_job_set_null(slot, JOB_COMPLETED_AT);
	else
		rarr_job_set(slot, JOB_COMPLETED_AT, TimestampTzGetDatum(now));
	if (status != JOB_RUNNING)
		rarr_job_set_null(slot, JOB_LEASE_EXPIRES_AT);
}

/*
 * Return the time from which on a job can be claimed: available_at for a
 * queued job, and for a running job the later of available_at, which an UPDATE
 * may have changed, and the end of its lease.  DT_NOEND for a finished job.
 */
TimestampTz
rarr_job_due_at(TupleTableSlot *slot)
{
	TimestampTz available = rarr_job_time(slot, JOB_AVAILABLE_AT);

	switch (rarr_job_status(slot))
	{
		case JOB_QUEUED:
			return available;
		case JOB_RUNNING:
			return Max(available, rarr_job_time(slot, JOB_LEASE_EXPIRES_AT));
		default:
			return DT_NOEND;
	}
}

/* Are the two versions of the same job, and of the same type? */
bool
rarr_job_is_same(TupleTableSlot *a, TupleTableSlot *b)
{
	return memcmp(rarr_job_id(a), rarr_job_id(b), UUID_LEN) == 0 &&
		   DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID,
												rarr_job_value(a, JOB_JOB_TYPE),
												rarr_job_value(b, JOB_JOB_TYPE)));
}

/* Return the job's queue position. */
RarrQueuePos
rarr_job_queue_pos(TupleTableSlot *slot)
{
	RarrQueuePos pos = {rarr_job_time(slot, JOB_AVAILABLE_AT), *rarr_job_id(slot)};

	return pos;
}

/* Return a running job's queue position and lease. */
RarrRunning
rarr_job_running(TupleTableSlot *slot)
{
	RarrQueuePos pos = rarr_job_queue_pos(slot);
	RarrRunning running = {true, pos, pos, rarr_job_time(slot, JOB_LEASE_EXPIRES_AT)};

	return running;
}

/*
 * Begin a new version of the job: copy jobs->oldslot to jobs->newslot, and set
 * updated_at to now, or to a later time if the old version has a later one.
 */
void
rarr_job_begin_change(RarrTable *jobs, TimestampTz now)
{
	TimestampTz before = rarr_job_time(jobs->oldslot, JOB_UPDATED_AT);

	rarr_table_copy_row(jobs->newslot, jobs->oldslot);
	rarr_job_set(jobs->newslot, JOB_UPDATED_AT, TimestampTzGetDatum(rarr_time_after(now, before)));
}

/* Is this error message, of length bytes, that of a lapse? */
bool
rarr_job_is_lapse_error(const char *error, int length)
{
	return rarr_equals(rarr_job_lease_error, error, length) || rarr_equals(rarr_job_session_error, error, length);
}
