/*-------------------------------------------------------------------------
 *
 * enqueue_arrays.c
 *		job_enqueue_arrays: jobs as arrays, one for each of their columns.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/schema.h"
#include "job/enqueue.h"

/* The arguments, in their order */
enum
{
	ARG_MEDIA_IDS, ARG_JOB_TYPES, ARG_PRIORITIES, ARG_AVAILABLE_AT, ARG_MAX_RETRIES, ARG_METADATA,
	ARG_UNIQUE_KEYS, NARGS
};

static const struct
{
	const char *name;
	Oid			type;
	int16		length;
	bool		byval;
	char		align;
	bool		required;
}			arguments[NARGS] = {
	[ARG_MEDIA_IDS] = {"media_ids", UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, true},
	[ARG_JOB_TYPES] = {"job_types", TEXTOID, -1, false, TYPALIGN_INT, true},
	[ARG_PRIORITIES] = {"priorities", INT4OID, sizeof(int32), true, TYPALIGN_INT, false},
	[ARG_AVAILABLE_AT] = {"available_at", TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, false},
	[ARG_MAX_RETRIES] = {"max_retries", INT4OID, sizeof(int32), true, TYPALIGN_INT, false},
	[ARG_METADATA] = {"metadata", JSONBOID, -1, false, TYPALIGN_INT, false},
	[ARG_UNIQUE_KEYS] = {"unique_keys", TEXTOID, -1, false, TYPALIGN_INT, false},
};

/* An argument's elements: one for each job, or one for all, or none at all. */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
} Elements;

static void
read_argument(FunctionCallInfo fcinfo, int i, int njobs, Elements *elements)
{
	const char *name = arguments[i].name;

	elements->n = 0;
	if (arguments[i].required)
		RARR_REQUIRE_ARG(i, name);
	else if (PG_ARGISNULL(i))
		return;
	elements->values = rarr_array_argument(fcinfo, i, name, arguments[i].type, arguments[i].length,
										   arguments[i].byval, arguments[i].align, !arguments[i].required,
										   &elements->nulls, &elements->n);
	if (i != ARG_MEDIA_IDS && elements->n != njobs && elements->n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d elements, media_ids has %d", name, elements->n, njobs),
				 errhint("Give one for each media, or one for all.")));
}

/* Has job i a value there? */
static bool
get(const Elements *elements, int i, Datum *value)
{
	if (elements->n == 1)
		i = 0;
	if (elements->n == 0 || elements->nulls[i])
		return false;
	*value = elements->values[i];
	return true;
}

static void
read_job(const Elements *elements, int i, RarrNewJob *job)
{
	Datum		value = (Datum) 0;

	job->media_id = *DatumGetUUIDP(elements[ARG_MEDIA_IDS].values[i]);
	(void) get(&elements[ARG_JOB_TYPES], i, &value);
	job->job_type = DatumGetTextPP(value);
	job->has_priority = get(&elements[ARG_PRIORITIES], i, &value);
	if (job->has_priority)
		job->priority = DatumGetInt32(value);
	job->has_available_at = get(&elements[ARG_AVAILABLE_AT], i, &value);
	if (job->has_available_at)
		job->available_at = DatumGetTimestampTz(value);
	job->has_max_retries = get(&elements[ARG_MAX_RETRIES], i, &value);
	if (job->has_max_retries)
		job->max_retries = DatumGetInt32(value);
	if (get(&elements[ARG_METADATA], i, &value))
		job->metadata = DatumGetJsonbP(value);
	if (get(&elements[ARG_UNIQUE_KEYS], i, &value))
		job->unique_key = DatumGetTextPP(value);
}

PG_FUNCTION_INFO_V1(researcharr_job_enqueue_arrays);

/*
 * job_enqueue_arrays(media_ids uuid[], job_types text[], priorities int[],
 *		available_at timestamptz[], max_retries int[], metadata jsonb[],
 *		unique_keys text[]) -> the jobs' ids, in the order of media_ids
 *
 * One-dimensional arrays, each with an element for each of media_ids, or with
 * one that holds for all.  NULL, for an array or in it, is what it is for
 * job_enqueue.  All are enqueued, or none.
 * Errors: 22004 NULL for media_ids or job_types, or in them; 22023 an array of
 * another length, or of more dimensions; RA002, RA003 and 23503 as job_enqueue
 * has them.
 */
Datum
researcharr_job_enqueue_arrays(PG_FUNCTION_ARGS)
{
	Elements	elements[NARGS];
	RarrNewJob *jobs;
	int			n;

	rarr_prevent_read_only("job_enqueue_arrays()");
	read_argument(fcinfo, ARG_MEDIA_IDS, 0, &elements[ARG_MEDIA_IDS]);
	n = elements[ARG_MEDIA_IDS].n;
	for (int i = ARG_MEDIA_IDS + 1; i < NARGS; i++)
		read_argument(fcinfo, i, n, &elements[i]);
	jobs = palloc0(n * sizeof(RarrNewJob));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		read_job(elements, i, &jobs[i]);
	}
	rarr_jobs_enqueue_set(fcinfo, jobs, n);
	return (Datum) 0;
}
