/*
 * batch.c
 *		The jobs of one call that names many: its arguments, the order in which
 *		it goes through them, and its result.
 *
 * A call waits for jobs that others have locked while it holds its own.  So
 * that two calls cannot deadlock, each goes through its jobs in order of id.
 * The result has a row for each job in the order of the arguments.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "job/batch.h"

/* Order two positions by id; of one id, the first position comes first. */
static int
compare_positions(const void *a, const void *b, void *ids)
{
	int			one = *(const int *) a;
	int			other = *(const int *) b;
	int			order = memcmp(DatumGetUUIDP(((Datum *) ids)[one]), DatumGetUUIDP(((Datum *) ids)[other]), UUID_LEN);

	return order != 0 ? order : one - other;
}

/* Are the ids in order already?  Those of job_dequeue() mostly are. */
static bool
is_ordered(const Datum *ids, int n)
{
	for (int i = 1; i < n; i++)
		if (memcmp(DatumGetUUIDP(ids[i - 1]), DatumGetUUIDP(ids[i]), UUID_LEN) > 0)
			return false;
	return true;
}

/*
 * Prepare to go through jobs with these ids, which stay where they are.
 */
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
 * An array argument with an element for each job; the ids have been read.  22023
 * for one of another length or of more dimensions, 22004 for a NULL where none
 * is allowed.
 */
Datum *
rarr_batch_array(const RarrBatch *batch, FunctionCallInfo fcinfo, int arg, const char *name,
				 Oid type, bool nulls_allowed, bool **nulls)
{
	Datum	   *elements;
	int16		length;
	bool		byval;
	char		align;
	int			n;

	get_typlenbyvalalign(type, &length, &byval, &align);
	elements = rarr_array_argument(fcinfo, arg, name, type, length, byval, align, nulls_allowed, nulls, &n);
	if (n != batch->n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays have unequal lengths: %d ids, %d %s", batch->n, n, name),
				 errhint("Give an element of \"%s\" for each id.", name)));
	return elements;
}

/*
 * Read the first arguments of the running function: ids uuid[] and, for a
 * worker's call, attempts int[].  Errors: 22004 NULL for one of them or in it;
 * 22023 arrays of unequal length or of more than one dimension.
 */
void
rarr_batch_read(RarrBatch *batch, FunctionCallInfo fcinfo, bool has_attempts)
{
	Datum	   *ids;
	bool	   *nulls;
	int			n;

	RARR_REQUIRE_ARG(0, "ids");
	if (has_attempts)
		RARR_REQUIRE_ARG(1, "attempts");
	ids = rarr_array_argument(fcinfo, 0, "ids", UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, false, &nulls, &n);
	rarr_batch_init(batch, ids, n);
	if (has_attempts)
		batch->attempts = rarr_batch_array(batch, fcinfo, 1, "attempts", INT4OID, false, &nulls);
}

int
rarr_batch_attempt(const RarrBatch *batch, int position)
{
	return DatumGetInt32(batch->attempts[position]);
}

/*
 * The result's second column for the job at this position, which is NULL
 * otherwise.
 */
void
rarr_batch_set(RarrBatch *batch, int position, Datum value)
{
	batch->values[position] = value;
	batch->nulls[position] = false;
}

bool
rarr_batch_is_set(const RarrBatch *batch, int position)
{
	return !batch->nulls[position];
}

/*
 * Return the ids and their values, in the order of the arguments, as the running
 * function's result.
 */
void
rarr_batch_return(const RarrBatch *batch, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < batch->n; i++)
	{
		Datum		row[2] = {batch->ids[i], batch->values[i]};
		bool		isnull[2] = {false, batch->nulls[i]};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, isnull);
	}
}
