/*
 * batch.c
 *		The jobs of a call that names many: arguments, order, and result.
 *
 * To avoid deadlocks, each call processes its jobs in order of id.  The result
 * has one row for each job, in the order of the arguments.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "job/batch.h"

/* Compare two positions by id, and by position if the ids are equal. */
static int
compare_positions(const void *a, const void *b, void *ids)
{
	int one = *(const int *) a;
	int other = *(const int *) b;
	int order = memcmp(DatumGetUUIDP(((Datum *) ids)[one]), DatumGetUUIDP(((Datum *) ids)[other]), UUID_LEN);

	return order != 0 ? order : one - other;
}

/*
 * Are the ids in order already?  Those that job_dequeue() returns mostly are.
 */
static bool
is_ordered(const Datum *ids, int n)
{
	for (int i = 1; i < n; i++)
		if (memcmp(DatumGetUUIDP(ids[i - 1]), DatumGetUUIDP(ids[i]), UUID_LEN) > 0)
			return false;
	return true;
}

/* Initialize a batch of n jobs with these ids.  The array is not copied. */
void
rarr_batch_init(RarrBatch *batch, Datum *ids, int n)
{
	memset(batch, 0, sizeof(RarrBatch));
	batch->n = n;
	batch->ids = ids;
	batch->order = palloc_extended(n * sizeof(int), MCXT_ALLOC_HUGE);
	batch->values = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	batch->nulls = palloc(n * sizeof(bool));
	memset(batch->nulls, true, n * sizeof(bool));
	for (int i = 0; i < n; i++)
		batch->order[i] = i;
	if (!is_ordered(ids, n))
		qsort_arg(batch->order, n, sizeof(int), compare_positions, ids);
}

/*
 * Return the elements of an array argument of the running function that has
 * one element for each job of the batch.  arg: its position; name: for errors;
 * type: of the elements.  *nulls gets an array of flags.
 *
 * Raises 22023 if the array has another length or more than one dimension, and
 * 22004 for a NULL element if nulls_allowed is false.
 */
Datum *
rarr_batch_array(const RarrBatch *batch, FunctionCallInfo fcinfo, int arg, const char *name,
				 Oid type, bool nulls_allowed, bool **nulls)
{
	Datum *elements;
	int n;

	elements = rarr_array_argument(fcinfo, arg, name, type, nulls_allowed, nulls, &n);
	if (n != batch->n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays have unequal lengths: %d ids, %d %s", batch->n, n, name),
				 errhint("Give an element of \"%s\" for each id.", name)));
	return elements;
}

/*
 * Initialize a batch from the first arguments of the running function: ids
 * uuid[] and, if has_attempts, attempts int[].
 *
 * Raises 22004 if an argument is NULL or contains a NULL, and 22023 for arrays
 * of unequal lengths or with more than one dimension.
 */
void
rarr_batch_read(RarrBatch *batch, FunctionCallInfo fcinfo, bool has_attempts)
{
	Datum *ids;
	bool *nulls;
	int n;

	RARR_REQUIRE_ARG(0, "ids");
	if (has_attempts)
		RARR_REQUIRE_ARG(1, "attempts");
	ids = rarr_array_argument(fcinfo, 0, "ids", UUIDOID, false, &nulls, &n);
	rarr_batch_init(batch, ids, n);
	if (has_attempts)
		batch->attempts = rarr_batch_array(batch, fcinfo, 1, "attempts", INT4OID, false, &nulls);
}

/* Return the attempt at a position. */
int
rarr_batch_attempt(const RarrBatch *batch, int position)
{
	return DatumGetInt32(batch->attempts[position]);
}

/* Set the second column of the result at a position; otherwise it is NULL. */
void
rarr_batch_set(RarrBatch *batch, int position, Datum value)
{
	batch->values[position] = value;
	batch->nulls[position] = false;
}

/* Return (id, value) rows, in the order of the arguments. */
void
rarr_batch_return(const RarrBatch *batch, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < batch->n; i++)
	{
		Datum row[2] = {batch->ids[i], batch->values[i]};
		bool isnull[2] = {false, batch->nulls[i]};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, isnull);
	}
}
