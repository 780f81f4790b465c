/*-------------------------------------------------------------------------
 *
 * enqueue_many.c
 *		job_enqueue_many: jobs as an array of JSON objects.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/schema.h"
#include "job/enqueue.h"

#define SHOWN_BYTES		200		/* of another error's message, at most */

/* One member of one object of the array. */
typedef struct Member
{
	int			index;			/* of the object, from 0 */
	const char *name;
	const JsonbValue *value;
} Member;

/* RA003 where a reader of base/json.c found something wrong with the value. */
static void
check_member(const Member *member, const char *complaint)
{
	if (complaint == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("\"%s\" of job %d %s", member->name, member->index, complaint),
			 errdetail("Jobs are counted from 0."),
			 errhint("Give such a value, or leave it out.")));
}

static text *
member_text(const Member *member)
{
	const char *string = NULL;
	int			length = 0;

	check_member(member, rarr_json_text(member->value, &string, &length));
	return cstring_to_text_with_len(string, length);
}

static int
member_int(const Member *member)
{
	int64		number = 0;

	check_member(member, rarr_json_int(member->value, &number));
	if (number != (int32) number)
		check_member(member, psprintf("is out of range: " INT64_FORMAT, number));
	return (int32) number;
}

/*
 * The value of a string, read by a type's input function.  What that one says
 * of a string that it cannot read becomes RA003's detail.
 */
static Datum
member_input(const Member *member, PGFunction input, bool has_typmod, const char *expected)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile Datum result = (Datum) 0;
	char	   *string = text_to_cstring(member_text(member));

	PG_TRY();
	{
		result = has_typmod ?
			DirectFunctionCall3(input, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)) :
			DirectFunctionCall1(input, CStringGetDatum(string));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("\"%s\" of job %d is not %s: %s", member->name, member->index, expected,
						rarr_quote_clipped(string, strlen(string))),
				 errdetail("%.*s", pg_mbcliplen(error->message, strlen(error->message), SHOWN_BYTES),
						   error->message),
				 errhint("Give %s, or leave it out.", expected)));
	}
	PG_END_TRY();
	return result;
}

/* Read one member of an object into the job; null leaves it out. */
static void
read_member(const Member *member, RarrNewJob *job, bool *has_media)
{
	const char *name = member->name;

	if (member->value->type == jbvNull)
		return;
	if (strcmp(name, "media_id") == 0)
	{
		job->media_id = *DatumGetUUIDP(member_input(member, uuid_in, false, "a UUID"));
		*has_media = true;
	}
	else if (strcmp(name, "job_type") == 0)
		job->job_type = member_text(member);
	else if (strcmp(name, "priority") == 0)
	{
		job->priority = member_int(member);
		job->has_priority = true;
	}
	else if (strcmp(name, "available_at") == 0)
	{
		job->available_at = DatumGetTimestampTz(member_input(member, timestamptz_in, true, "a time"));
		job->has_available_at = true;
	}
	else if (strcmp(name, "max_retries") == 0)
	{
		job->max_retries = member_int(member);
		job->has_max_retries = true;
	}
	else if (strcmp(name, "metadata") == 0)
	{
		JsonbValue	copy = *member->value;

		job->metadata = JsonbValueToJsonb(&copy);
	}
	else if (strcmp(name, "unique_key") == 0)
		job->unique_key = member_text(member);
	else
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("job %d has an unknown key: %s", member->index,
						rarr_quote_clipped(name, strlen(name))),
				 errdetail("Jobs are counted from 0."),
				 errhint("Known keys are media_id, job_type, priority, available_at, max_retries, metadata and unique_key.")));
}

static void
read_job(JsonbContainer *object, int index, RarrNewJob *job)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		has_media = false;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			Member		member = {index, name, &value};

			read_member(&member, job, &has_media);
		}
	}
	if (!has_media || job->job_type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("job %d has no %s", index, has_media ? "job_type" : "media_id"),
				 errdetail("Jobs are counted from 0."),
				 errhint("Every job needs a media_id and a job_type.")));
}

/* The jobs of the array; sets n to how many there are. */
static RarrNewJob *
read_jobs(Jsonb *array, int *n)
{
	RarrNewJob *jobs;
	int			count;

	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("jobs is not an array: %s", rarr_jsonb_excerpt(array)),
				 errhint("Give an array of objects, such as [{\"media_id\": \"...\", \"job_type\": \"search\"}].")));
	count = JB_ROOT_COUNT(array);
	jobs = palloc0(count * sizeof(RarrNewJob));
	for (int i = 0; i < count; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&array->root, i);

		CHECK_FOR_INTERRUPTS();
		if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_RARR_VALIDATION),
					 errmsg("job %d is not an object: %s", i, rarr_jsonb_excerpt(JsonbValueToJsonb(element))),
					 errdetail("Jobs are counted from 0."),
					 errhint("Give an array of objects.")));
		read_job(element->val.binary.data, i, &jobs[i]);
	}
	*n = count;
	return jobs;
}

/*
 * Enqueue the jobs of an array, and return their ids, in its order, as the
 * running function's result.
 */
void
rarr_jobs_enqueue_set(FunctionCallInfo fcinfo, RarrNewJob *jobs, int n)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t  *ids = palloc(n * sizeof(pg_uuid_t));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (n > 0)
		rarr_jobs_enqueue(jobs, n, true, ids);
	for (int i = 0; i < n; i++)
	{
		Datum		id = UUIDPGetDatum(&ids[i]);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
}

PG_FUNCTION_INFO_V1(researcharr_job_enqueue_many);

/*
 * job_enqueue_many(jobs jsonb) -> the jobs' ids, in the array's order
 *
 * Objects have job_enqueue's argument names as keys; null is as good as
 * leaving a key out.  All are enqueued, or none.
 * Errors: 22004 for NULL; RA002, RA003 and 23503 as job_enqueue has them, and
 * RA003 for whatever else is not as it has to be.
 */
Datum
researcharr_job_enqueue_many(PG_FUNCTION_ARGS)
{
	RarrNewJob *jobs;
	int			n;

	RARR_REQUIRE_ARG(0, "jobs");
	rarr_prevent_read_only("job_enqueue_many()");
	jobs = read_jobs(PG_GETARG_JSONB_P(0), &n);
	rarr_jobs_enqueue_set(fcinfo, jobs, n);
	return (Datum) 0;
}
