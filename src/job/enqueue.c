/*
 * enqueue.c
 *		Enqueue jobs: job_enqueue(), and the jobs that enqueue_many.c reads.
 *
 * All values are checked before anything is written.  A job with a unique key
 * is inserted speculatively, like INSERT ... ON CONFLICT DO NOTHING.  To avoid
 * deadlocks, each call first locks its media, in order of id, and then inserts
 * its keys, in order of type and key.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/metadata.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "base/rows.h"
#include "base/schema.h"
#include "base/uuid.h"
#include "job/change.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/core/media_ref.h"
#include "job/core/unique_key.h"
#include "job/enqueue.h"

#define MAX_UNIQUE_KEY 255 /* characters */

static void
check_range(const char *name, int value, int least, int most)
{
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("%s is out of range: %d", name, value),
				 errhint("Give a number from %d to %d.", least, most)));
}

static void
check_metadata(Jsonb *metadata)
{
	if (!JB_ROOT_IS_OBJECT(metadata))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("metadata is not a JSON object: %s", rarr_jsonb_excerpt(metadata)),
				 errhint("Give an object, such as {\"quality\": \"720p\"}.")));
	if (!rarr_metadata_is_valid(JsonbPGetDatum(metadata)))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("metadata is larger than %d bytes as text", RARR_METADATA_MAX_BYTES),
				 errhint("Store large values elsewhere, and a reference to them here.")));
}

static void
check_unique_key(text *key)
{
	int length = pg_mbstrlen_with_len(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));

	if (length < 1 || length > MAX_UNIQUE_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("unique_key has %d characters", length),
				 errhint("Give a key of 1 to %d characters, or null for none.", MAX_UNIQUE_KEY)));
}

/*
 * Check a job's values, and set missing ones to those of its type's policy.
 * *no_metadata: the value for jobs without metadata, or NULL until the first
 * one needs it.  Raises RA002 for an unknown type, 55000 if the type's policy
 * is unusable, and RA003 for an invalid value.
 */
static void
complete_new_job(RarrNewJob *job, TimestampTz now, Jsonb **no_metadata)
{
	const RarrJobType *type = rarr_job_type_get(job->job_type);

	if (!job->has_priority)
		job->priority = type->priority;
	if (!job->has_max_retries)
		job->max_retries = type->max_retries;
	if (!job->has_available_at)
		job->available_at = now;
	check_range("priority", job->priority, 0, 100);
	check_range("max_retries", job->max_retries, 0, 10);
	if (TIMESTAMP_NOT_FINITE(job->available_at))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("available_at is not finite: %s", timestamptz_to_str(job->available_at)),
				 errhint("Give a time, or null for now; job_type_pause keeps the jobs of a type from being claimed.")));
	if (job->metadata != NULL)
		check_metadata(job->metadata);
	else
	{
		if (*no_metadata == NULL)
			*no_metadata = rarr_jsonb_empty_object();
		job->metadata = *no_metadata;
	}
	if (job->unique_key != NULL)
		check_unique_key(job->unique_key);
}

/* Error context callback: the position of the job in its array. */
static void
position_callback(void *arg)
{
	errcontext("job %d of the array, counted from 0", *(int *) arg);
}

/* Call complete_new_job() for each job; is_array: add positions to errors. */
static void
complete_new_jobs(RarrNewJob *jobs, int n, bool is_array, TimestampTz now)
{
	int position;
	Jsonb *no_metadata = NULL;
	ErrorContextCallback callback = {error_context_stack, position_callback, &position};

	if (is_array)
		error_context_stack = &callback;
	for (position = 0; position < n; position++)
		complete_new_job(&jobs[position], now, &no_metadata);
	error_context_stack = callback.previous;
}

/* Store the row of a new job with this id in the empty slot. */
static void
make_row(RarrTable *jobs, TupleTableSlot *slot, const pg_uuid_t *id, const RarrNewJob *job,
		 TimestampTz now)
{
	memset(slot->tts_values, 0, slot->tts_tupleDescriptor->natts * sizeof(Datum));
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	rarr_job_set(slot, JOB_ID, UUIDPGetDatum(id));
	rarr_job_set(slot, JOB_MEDIA_ID, UUIDPGetDatum(&job->media_id));
	rarr_job_set(slot, JOB_JOB_TYPE, PointerGetDatum(job->job_type));
	rarr_job_set_status(slot, JOB_QUEUED, now);
	rarr_job_set(slot, JOB_PRIORITY, Int32GetDatum(job->priority));
	rarr_job_set(slot, JOB_RETRY_COUNT, Int32GetDatum(0));
	rarr_job_set(slot, JOB_MAX_RETRIES, Int32GetDatum(job->max_retries));
	rarr_job_set(slot, JOB_METADATA, JsonbPGetDatum(job->metadata));
	rarr_job_set(slot, JOB_CREATED_AT, TimestampTzGetDatum(now));
	rarr_job_set(slot, JOB_UPDATED_AT, TimestampTzGetDatum(now));
	rarr_job_set(slot, JOB_ATTEMPT, Int32GetDatum(0));
	rarr_job_set(slot, JOB_AVAILABLE_AT, TimestampTzGetDatum(job->available_at));
	if (job->unique_key != NULL)
		rarr_job_set(slot, JOB_UNIQUE_KEY, PointerGetDatum(job->unique_key));
	ExecStoreVirtualTuple(slot);
	rarr_table_fill_defaults(jobs, slot, NULL);
}

/*
 * Insert the job in jobs->newslot, which has a unique key.  If an unfinished
 * job has this key, set *id to its id instead, and return false.  Raises 40001
 * under REPEATABLE READ and SERIALIZABLE if the snapshot does not show that
 * job.
 */
static bool
insert_unique(RarrTable *jobs, pg_uuid_t *id)
{
	Relation index = rarr_table_index(jobs, &rarr_job_unique_index);
	ItemPointerData conflict;

	while (!rarr_table_insert_unless(jobs, JOB_CHANGE_ENQUEUE, jobs->newslot,
									 RelationGetRelid(index), &conflict))
	{
		bool found;

		CHECK_FOR_INTERRUPTS();
		found = table_tuple_fetch_row_version(jobs->rel, &conflict, SnapshotAny, jobs->oldslot);
		if (found)
		{
			rarr_row_require_visible(jobs, jobs->oldslot);
			slot_getallattrs(jobs->oldslot);
			*id = *rarr_job_id(jobs->oldslot);
		}
		ExecClearTuple(jobs->oldslot);
		if (found)
			return false;
	}
	return true;
}

/*
 * Insert one job with this id.  If its unique key is in use, set *id to the id
 * of the job that has it.
 */
static void
insert_one(RarrTable *jobs, RarrNewJob *job, TimestampTz now, pg_uuid_t *id)
{
	pg_uuid_t own = *id;

	ExecClearTuple(jobs->newslot);
	make_row(jobs, jobs->newslot, &own, job, now);
	if (job->unique_key == NULL)
		rarr_table_insert(jobs, JOB_CHANGE_ENQUEUE, jobs->newslot);
	else
		job->is_added = insert_unique(jobs, id);
	if (!job->is_added)
		return;

	/* after the insert, because users' triggers may change the row */
	slot_getallattrs(jobs->newslot);
	rarr_change_record_insert(jobs, jobs->newslot);
}

/* Insert the jobs that have no unique key in bulk. */
static void
insert_many(RarrTable *table, const RarrNewJob *jobs, int n, TimestampTz now, const pg_uuid_t *ids)
{
	RarrRows *rows = rarr_rows_begin(table, JOB_CHANGE_ENQUEUE);

	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot;

		if (jobs[i].unique_key != NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		slot = rarr_rows_next(rows);
		make_row(table, slot, &ids[i], &jobs[i], now);
		rarr_change_record_insert(table, slot);
		rarr_rows_add(rows);
	}
	rarr_rows_end(rows);
}

/* Insert the n jobs at these positions, one by one. */
static void
insert_singly(RarrTable *table, RarrNewJob *jobs, const int *positions, int n, TimestampTz now,
			  pg_uuid_t *ids)
{
	MemoryContext cxt;
	MemoryContext old;

	if (n == 0)
		return;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr new job", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		insert_one(table, &jobs[positions[i]], now, &ids[positions[i]]);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/* Compare two positions by the jobs' types and keys, and then by position. */
static int
compare_keys(const void *a, const void *b, void *jobs)
{
	int one = *(const int *) a;
	int other = *(const int *) b;
	const RarrNewJob *first = (const RarrNewJob *) jobs + one;
	const RarrNewJob *second = (const RarrNewJob *) jobs + other;
	int order = rarr_unique_key_compare(first->job_type, first->unique_key,
										second->job_type, second->unique_key);

	return order != 0 ? order : one - other;
}

/*
 * Set positions to those of the jobs without a unique key, in the order of the
 * array, followed by those of the others, in the order in which their keys are
 * inserted.  Returns the number of jobs without a key.
 */
static int
order_jobs(const RarrNewJob *jobs, int n, int *positions)
{
	int plain = 0;
	int keyed = 0;

	for (int i = 0; i < n; i++)
		if (jobs[i].unique_key == NULL)
			positions[plain++] = i;
	for (int i = 0; i < n && plain < n; i++)
		if (jobs[i].unique_key != NULL)
			positions[plain + keyed++] = i;
	if (keyed > 1)
		qsort_arg(positions + plain, keyed, sizeof(int), compare_keys, unconstify(RarrNewJob *, jobs));
	return plain;
}

/* Lock the media of all jobs, so that they exist until the end. */
static void
check_media(RarrTable *table, const RarrNewJob *jobs, int n)
{
	pg_uuid_t *media = palloc(n * sizeof(pg_uuid_t));

	for (int i = 0; i < n; i++)
		media[i] = jobs[i].media_id;
	rarr_media_ref_check(table->rel, media, n);
	pfree(media);
}

/*
 * Enqueue n jobs, and store their ids in the same order.  A job whose unique
 * key is in use is not inserted; its id is that of the job that has the key.
 * is_array: errors about values have the position of their job.
 *
 * Raises RA002 for an unknown type, 55000 for a type with an unusable policy,
 * RA003 for an invalid value, 23503 for a media that does not exist, and 40001
 * under REPEATABLE READ and SERIALIZABLE for a conflict with a change after
 * the snapshot.
 */
void
rarr_jobs_enqueue(RarrNewJob *jobs, int n, bool is_array, pg_uuid_t *ids)
{
	TimestampTz now = GetCurrentTimestamp();
	RarrTable *table;

	complete_new_jobs(jobs, n, is_array, now);

	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	table = rarr_table_open(&rarr_job_table);
	PushActiveSnapshot(GetTransactionSnapshot());
	check_media(table, jobs, n);

	/* ids grow with the position, so that equal jobs keep this order */
	for (int i = 0; i < n; i++)
	{
		rarr_uuid_v7(&ids[i]);
		jobs[i].is_added = true;
	}
	if (n == 1)
		insert_one(table, jobs, now, ids);
	else
	{
		int *positions = palloc_extended(n * sizeof(int), MCXT_ALLOC_HUGE);
		int plain = order_jobs(jobs, n, positions);

		if (table->has_triggers)
			insert_singly(table, jobs, positions, plain, now, ids);
		else if (plain > 0)
			insert_many(table, jobs, n, now, ids);
		insert_singly(table, jobs, positions + plain, n - plain, now, ids);
	}
	rarr_table_close(table);
	PopActiveSnapshot();
}

/*
 * Read a job, which is all zero, from the arguments of job_enqueue().  The
 * caller has checked that media_id and job_type are not NULL.
 */
void
rarr_new_job_read(RarrNewJob *job, const NullableDatum *args)
{
	job->media_id = *DatumGetUUIDP(args[RARR_NEW_MEDIA_ID].value);
	job->job_type = DatumGetTextPP(args[RARR_NEW_JOB_TYPE].value);
	job->has_priority = !args[RARR_NEW_PRIORITY].isnull;
	job->priority = DatumGetInt32(args[RARR_NEW_PRIORITY].value);
	job->has_available_at = !args[RARR_NEW_AVAILABLE_AT].isnull;
	job->available_at = DatumGetTimestampTz(args[RARR_NEW_AVAILABLE_AT].value);
	job->has_max_retries = !args[RARR_NEW_MAX_RETRIES].isnull;
	job->max_retries = DatumGetInt32(args[RARR_NEW_MAX_RETRIES].value);
	if (!args[RARR_NEW_METADATA].isnull)
		job->metadata = DatumGetJsonbP(args[RARR_NEW_METADATA].value);
	if (!args[RARR_NEW_UNIQUE_KEY].isnull)
		job->unique_key = DatumGetTextPP(args[RARR_NEW_UNIQUE_KEY].value);
}

PG_FUNCTION_INFO_V1(researcharr_job_enqueue);

/*
 * job_enqueue(media_id uuid, job_type text, priority int, available_at
 *		timestamptz, max_retries int, metadata jsonb, unique_key text) -> uuid
 *
 * NULL stands for the type's priority and max_retries, for now, {}, and no
 * key.  Returns the job's id, or that of the unfinished job that has its
 * unique key.
 * Errors: 22004 NULL for media_id or job_type; 23503 no such media; RA002
 * unknown type; RA003 an invalid value; 25006 a read-only transaction.
 */
Datum
researcharr_job_enqueue(PG_FUNCTION_ARGS)
{
	RarrNewJob job = {0};
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	RARR_REQUIRE_ARG(0, "media_id");
	RARR_REQUIRE_ARG(1, "job_type");
	rarr_prevent_read_only("job_enqueue()");
	rarr_new_job_read(&job, fcinfo->args);
	rarr_jobs_enqueue(&job, 1, false, id);
	PG_RETURN_UUID_P(id);
}
