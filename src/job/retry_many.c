/*
 * retry_many.c
 *		job_retry_many(): requeue many failed or cancelled jobs.
 *
 * A job is skipped if an unfinished job has its unique key.  The order of the
 * steps keeps two calls from waiting for each other:
 *
 * 1. Check the keys in their order (unique_key.c).  This waits for each
 *    transaction that is finishing a job with such a key, while this call
 *    holds no row lock.  That transaction may in turn wait for a job of this
 *    call that its snapshot shows as running.  A call that begins after this
 *    call's snapshot sees that job as this one does.
 * 2. Lock the jobs in order of id, and requeue those without a key.
 * 3. Requeue the jobs that have a key, in the order of their keys.
 *
 * One deadlock remains possible: a session requeues a job between this call's
 * snapshot and its lock on the job, another one inserts a key between steps 1
 * and 3, and a third one finishes both jobs.
 *
 * If another session inserts a key between the check and the update, the
 * update raises 23505.  So step 3 runs in a subtransaction, and if that fails,
 * once more with a subtransaction for each job.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/own_index.h"
#include "base/subtransaction.h"
#include "job/batch.h"
#include "job/core/unique_key.h"
#include "job/finish.h"
#include "job/job.h"

/* A job with a unique key that can be queued again. */
typedef struct Keyed
{
	int position; /* in the batch */
	text *type;
	text *key;
} Keyed;

/* A call. */
typedef struct Retry
{
	RarrBatch *batch;     /* its values: was the job queued again? */
	const char *function; /* name of the SQL function, for errors */
	bool *taken;          /* at each position: an unfinished job has the key */
	Keyed *keyed;
	int nkeyed;
	const char *unique_index; /* name of the index on unique keys */
} Retry;

/*
 * Find a job that the snapshot shows as failed or cancelled.  Returns false if
 * it is not, or does not exist.
 */
static bool
find_retryable(RarrJobCall *call, Datum id)
{
	if (!rarr_job_call_find(call->jobs, id))
		return false;
	slot_getallattrs(call->jobs->oldslot);
	return rarr_job_is_retryable(call->jobs);
}

/*
 * Lock a failed or cancelled job.  Returns false if it is neither, or does not
 * exist.  Does not wait for a job that the snapshot shows as neither.
 */
static bool
lock_retryable(RarrJobCall *call, Datum id)
{
	return find_retryable(call, id) && rarr_job_call_lock_found(call, id) &&
		   rarr_job_is_retryable(call->jobs);
}

static text *
copy_text(TupleTableSlot *slot, int column)
{
	return DatumGetTextPCopy(rarr_job_value(slot, column));
}

/* Compare jobs by their keys, and jobs with the same key by position. */
static int
compare_keyed(const void *a, const void *b)
{
	const Keyed *one = a;
	const Keyed *other = b;
	int order = rarr_unique_key_compare(one->type, one->key, other->type, other->key);

	return order != 0 ? order : one->position - other->position;
}

/*
 * Add the job in jobs->oldslot, at this position of the batch, to the list.
 * Returns false if it has no unique key.
 */
static bool
add_keyed(Retry *retry, RarrJobCall *call, int position)
{
	TupleTableSlot *slot = call->jobs->oldslot;
	Keyed *keyed = &retry->keyed[retry->nkeyed];

	if (rarr_job_is_null(slot, JOB_UNIQUE_KEY))
		return false;
	keyed->position = position;
	keyed->type = copy_text(slot, JOB_JOB_TYPE);
	keyed->key = copy_text(slot, JOB_UNIQUE_KEY);
	retry->nkeyed++;
	return true;
}

/*
 * Step 1: find out which jobs' keys belong to unfinished jobs, and wait for
 * transactions that are ending one of those.  Leaves the list empty.
 */
static void
wait_for_keys(Retry *retry, RarrJobCall *call)
{
	RarrBatch *batch = retry->batch;

	for (int i = 0; i < batch->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_retryable(call, batch->ids[batch->order[i]]))
			(void) add_keyed(retry, call, batch->order[i]);
	}
	qsort(retry->keyed, retry->nkeyed, sizeof(Keyed), compare_keyed);
	for (int i = 0; i < retry->nkeyed; i++)
	{
		int p = retry->keyed[i].position;

		CHECK_FOR_INTERRUPTS();
		if (!find_retryable(call, batch->ids[p]))
			continue;
		call->now = GetCurrentTimestamp();
		rarr_job_begin_retry(call);
		retry->taken[p] = !rarr_unique_key_is_free(call->jobs, JOB_CHANGE_REQUEUE);
	}
	retry->nkeyed = 0;
}

/* Step 2: lock the jobs, requeue those without a key, and list the others. */
static void
retry_plain(Retry *retry, RarrJobCall *call)
{
	RarrBatch *batch = retry->batch;

	for (int i = 0; i < batch->n; i++)
	{
		int p = batch->order[i];

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call->log);
		rarr_batch_set(batch, p, BoolGetDatum(false));
		if (retry->taken[p] || !lock_retryable(call, batch->ids[p]) || add_keyed(retry, call, p))
			continue;
		rarr_job_begin_retry(call);
		rarr_job_end_retry(call);
		rarr_batch_set(batch, p, BoolGetDatum(true));
	}
}

/* Steps 1 and 2, with one snapshot. */
static void
begin_batch(Retry *retry)
{
	int n = retry->batch->n;
	RarrJobCall call;

	retry->keyed = palloc_extended(n * sizeof(Keyed), MCXT_ALLOC_HUGE);
	retry->taken = palloc0(n * sizeof(bool));
	rarr_job_call_begin(&call, retry->function);
	retry->unique_index = pstrdup(RelationGetRelationName(rarr_table_index(call.jobs, &rarr_job_unique_index)));
	wait_for_keys(retry, &call);
	retry_plain(retry, &call);
	rarr_job_call_end(&call);
}

/* Requeue a job unless its key is in use; returns whether it was requeued. */
static bool
retry_keyed(RarrJobCall *call, Datum id)
{
	if (!rarr_job_call_lock(call, id) || !rarr_job_is_retryable(call->jobs))
		return false;
	rarr_job_begin_retry(call);
	if (!rarr_unique_key_is_free(call->jobs, JOB_CHANGE_REQUEUE))
		return false;
	rarr_job_end_retry(call);
	return true;
}

/*
 * The body of a subtransaction: requeue the listed jobs whose keys are free.
 */
static bool
retry_listed(void *arg)
{
	Retry *retry = arg;
	RarrBatch *batch = retry->batch;
	RarrJobCall call;

	rarr_job_call_begin(&call, retry->function);
	for (int i = 0; i < retry->nkeyed; i++)
	{
		int p = retry->keyed[i].position;

		CHECK_FOR_INTERRUPTS();
		rarr_job_log_write_if_many(&call.log);
		rarr_batch_set(batch, p, BoolGetDatum(retry_keyed(&call, batch->ids[p])));
	}
	rarr_job_call_end(&call);
	return true;
}

/* Did another session insert a key between the check and the update? */
static bool
is_key_taken(const ErrorData *error, void *arg)
{
	const Retry *retry = arg;

	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		   rarr_error_names(error, rarr_job_table.name, retry->unique_index);
}

/* Step 3: requeue the listed jobs whose keys are free. */
static void
retry_with_keys(Retry *retry)
{
	ErrorData *error;

	qsort(retry->keyed, retry->nkeyed, sizeof(Keyed), compare_keyed);
	if (rarr_subtransaction(retry_listed, is_key_taken, retry, &error))
		return;
	for (int i = 0; i < retry->nkeyed; i++)
	{
		Retry single = *retry;

		single.keyed = &retry->keyed[i];
		single.nkeyed = 1;
		if (!rarr_subtransaction(retry_listed, is_key_taken, &single, &error))
			rarr_batch_set(retry->batch, single.keyed->position, BoolGetDatum(false));
	}
}

/* Requeue the jobs of a batch; its values are whether each was requeued. */
static void
retry_batch(RarrBatch *batch, const char *function)
{
	Retry retry = {batch, function};

	begin_batch(&retry);
	if (retry.nkeyed > 0)
		retry_with_keys(&retry);
}

PG_FUNCTION_INFO_V1(researcharr_job_retry_many);

/*
 * job_retry_many(ids uuid[]) -> (id, retried) rows, in the order of the array
 *
 * retried is false for a job that is neither failed nor cancelled, does not
 * exist, or has the unique key of an unfinished job.  Of two jobs with the
 * same key, the first one in the array is requeued.
 * Errors: 22004 NULL for ids or in it; 22023 an array with more dimensions;
 * 40001 under REPEATABLE READ and SERIALIZABLE if a job changed after the
 * snapshot, or if the snapshot does not show the job that has a key; 09000 a
 * user's trigger suppresses an update.
 */
Datum
researcharr_job_retry_many(PG_FUNCTION_ARGS)
{
	RarrBatch batch;

	rarr_batch_read(&batch, fcinfo, false);
	retry_batch(&batch, "job_retry_many()");
	rarr_batch_return(&batch, fcinfo);
	return (Datum) 0;
}

/*
 * Requeue those of n jobs that can be, as job_retry_many() does, and return
 * their number.  function: name of the SQL function, with parentheses, for
 * errors.
 * Raises the errors of job_retry_many().
 */
int
rarr_jobs_retry(Datum *ids, int n, const char *function)
{
	RarrBatch batch;
	int retried = 0;

	rarr_batch_init(&batch, ids, n);
	retry_batch(&batch, function);
	for (int i = 0; i < n; i++)
		retried += DatumGetBool(batch.values[i]);
	return retried;
}
