/*
 * enqueue_many.c
 *		Enqueue many jobs: job_enqueue_many() takes an array of JSON objects,
 *		job_enqueue_arrays() takes one array for each column.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
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

#define SHOWN_BYTES 200 /* of the message of another error */

/*
 * What a job is read from: members of an object, and arrays.  The names of
 * the members are those of the arguments of job_enqueue().
 */
static const struct
{
	const char *member;
	const char *array;
	Oid type;
	bool required;
} fields[RARR_NEW_NARGS] = {
	[RARR_NEW_MEDIA_ID] = {"media_id", "media_ids", UUIDOID, true},
	[RARR_NEW_JOB_TYPE] = {"job_type", "job_types", TEXTOID, true},
	[RARR_NEW_PRIORITY] = {"priority", "priorities", INT4OID},
	[RARR_NEW_AVAILABLE_AT] = {"available_at", "available_at", TIMESTAMPTZOID},
	[RARR_NEW_MAX_RETRIES] = {"max_retries", "max_retries", INT4OID},
	[RARR_NEW_METADATA] = {"metadata", "metadata", JSONBOID},
	[RARR_NEW_UNIQUE_KEY] = {"unique_key", "unique_keys", TEXTOID},
};

/* A member of an object of the array. */
typedef struct Member
{
	int index; /* of the object in the array, from 0 */
	const char *name;
	const JsonbValue *value;
} Member;

/* Raise RA003 with this complaint of base/json.c about the value, if any. */
static void
check_member(const Member *member, const char *complaint)
{
	if (complaint == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("\"%s\" of job %d %s", member->name, member->index, complaint),
			 errdetail("Jobs are counted from 0."),
			 errhint("Give a valid value, or omit it.")));
}

static text *
member_text(const Member *member)
{
	const char *string = NULL;
	int length = 0;

	check_member(member, rarr_json_text(member->value, &string, &length));
	return cstring_to_text_with_len(string, length);
}

static int
member_int(const Member *member)
{
	int64 number = 0;

	check_member(member, rarr_json_int(member->value, &number));
	if (number != (int32) number)
		check_member(member, psprintf("is out of range: " INT64_FORMAT, number));
	return (int32) number;
}

/*
 * Convert a string by a type's input function.  expected: what the string must
 * be.  Raises RA003 for an invalid string, with the message of the input
 * function as DETAIL.
 */
static Datum
member_input(const Member *member, PGFunction input, bool has_typmod, const char *expected)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile Datum result = (Datum) 0;
	char *string = text_to_cstring(member_text(member));

	PG_TRY();
	{
		result = has_typmod ?
					 DirectFunctionCall3(input, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)) :
					 DirectFunctionCall1(input, CStringGetDatum(string));
	}
	PG_CATCH();
	{
		ErrorData *error;

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
				 errhint("Give %s, or omit it.", expected)));
	}
	PG_END_TRY();
	return result;
}

/* The value of a member, as this type. */
static Datum
member_value(const Member *member, Oid type)
{
	JsonbValue copy = *member->value;

	switch (type)
	{
		case UUIDOID:
			return member_input(member, uuid_in, false, "a UUID");
		case TEXTOID:
			return PointerGetDatum(member_text(member));
		case INT4OID:
			return Int32GetDatum(member_int(member));
		case TIMESTAMPTZOID:
			return member_input(member, timestamptz_in, true, "a time");
		default:
			return JsonbPGetDatum(JsonbValueToJsonb(&copy));
	}
}

/* Read a member of an object into args; JSON null is the same as no member. */
static void
read_member(const Member *member, NullableDatum *args)
{
	if (member->value->type == jbvNull)
		return;
	for (int i = 0; i < RARR_NEW_NARGS; i++)
		if (strcmp(member->name, fields[i].member) == 0)
		{
			args[i].value = member_value(member, fields[i].type);
			args[i].isnull = false;
			return;
		}
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("job %d has an unknown key: %s", member->index,
					rarr_quote_clipped(member->name, strlen(member->name))),
			 errdetail("Jobs are counted from 0."),
			 errhint("Known keys are media_id, job_type, priority, available_at, max_retries, metadata and unique_key.")));
}

static void
read_object(JsonbContainer *object, int index, RarrNewJob *job)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue value;
	NullableDatum args[RARR_NEW_NARGS];
	char *name = NULL;

	for (int i = 0; i < RARR_NEW_NARGS; i++)
		args[i] = (NullableDatum){(Datum) 0, true};
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			Member member = {index, name, &value};

			read_member(&member, args);
		}
	}
	for (int i = 0; i < RARR_NEW_NARGS; i++)
		if (fields[i].required && args[i].isnull)
			ereport(ERROR,
					(errcode(ERRCODE_RARR_VALIDATION),
					 errmsg("job %d has no %s", index, fields[i].member),
					 errdetail("Jobs are counted from 0."),
					 errhint("Every job needs a media_id and a job_type.")));
	rarr_new_job_read(job, args);
}

/* Return the jobs of a JSON array, and set *n to their number. */
static RarrNewJob *
read_jobs(Jsonb *array, int *n)
{
	RarrNewJob *jobs;
	int count;

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
		read_object(element->val.binary.data, i, &jobs[i]);
	}
	*n = count;
	return jobs;
}

/* Enqueue n jobs, and return the set of their ids in the same order. */
static void
enqueue_set(FunctionCallInfo fcinfo, RarrNewJob *jobs, int n)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t *ids = palloc(n * sizeof(pg_uuid_t));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (n > 0)
		rarr_jobs_enqueue(jobs, n, true, ids);
	for (int i = 0; i < n; i++)
	{
		Datum id = UUIDPGetDatum(&ids[i]);
		bool isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
}

PG_FUNCTION_INFO_V1(researcharr_job_enqueue_many);

/*
 * job_enqueue_many(jobs jsonb) -> the jobs' ids, in the array's order
 *
 * The keys of the objects are the argument names of job_enqueue().  A member
 * that is null is the same as none.  All jobs are enqueued, or none.
 * Errors: 22004 for NULL; RA003 a value that is not an array of such objects;
 * the errors of job_enqueue().
 */
Datum
researcharr_job_enqueue_many(PG_FUNCTION_ARGS)
{
	RarrNewJob *jobs;
	int n;

	RARR_REQUIRE_ARG(0, "jobs");
	rarr_prevent_read_only("job_enqueue_many()");
	jobs = read_jobs(PG_GETARG_JSONB_P(0), &n);
	enqueue_set(fcinfo, jobs, n);
	return (Datum) 0;
}

/* The elements of an argument: one for each job, one for all jobs, or none. */
typedef struct Elements
{
	Datum *values;
	bool *nulls;
	int n;
} Elements;

static void
read_argument(FunctionCallInfo fcinfo, int i, int njobs, Elements *elements)
{
	const char *name = fields[i].array;

	elements->n = 0;
	if (fields[i].required)
		RARR_REQUIRE_ARG(i, name);
	else if (PG_ARGISNULL(i))
		return;
	elements->values = rarr_array_argument(fcinfo, i, name, fields[i].type, !fields[i].required,
										   &elements->nulls, &elements->n);
	if (i != RARR_NEW_MEDIA_ID && elements->n != njobs && elements->n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d elements, media_ids has %d", name, elements->n, njobs),
				 errhint("Give one for each media, or one for all.")));
}

/* The value for job i. */
static NullableDatum
get(const Elements *elements, int i)
{
	NullableDatum value = {(Datum) 0, true};

	if (elements->n == 1)
		i = 0;
	if (elements->n > 0)
	{
		value.value = elements->values[i];
		value.isnull = elements->nulls[i];
	}
	return value;
}

PG_FUNCTION_INFO_V1(researcharr_job_enqueue_arrays);

/*
 * job_enqueue_arrays(media_ids uuid[], job_types text[], priorities int[],
 *		available_at timestamptz[], max_retries int[], metadata jsonb[],
 *		unique_keys text[]) -> the jobs' ids, in the order of media_ids
 *
 * The arrays have one dimension, and one element for each of media_ids, or a
 * single element for all jobs.  A NULL array or element is the same as NULL
 * for job_enqueue().  All jobs are enqueued, or none.
 * Errors: 22004 NULL for media_ids or job_types, or in them; 22023 an array of
 * another length, or with more dimensions; the errors of job_enqueue().
 */
Datum
researcharr_job_enqueue_arrays(PG_FUNCTION_ARGS)
{
	Elements elements[RARR_NEW_NARGS];
	RarrNewJob *jobs;
	int n;

	rarr_prevent_read_only("job_enqueue_arrays()");
	read_argument(fcinfo, RARR_NEW_MEDIA_ID, 0, &elements[RARR_NEW_MEDIA_ID]);
	n = elements[RARR_NEW_MEDIA_ID].n;
	for (int i = RARR_NEW_MEDIA_ID + 1; i < RARR_NEW_NARGS; i++)
		read_argument(fcinfo, i, n, &elements[i]);
	jobs = palloc0(n * sizeof(RarrNewJob));
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[RARR_NEW_NARGS];

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < RARR_NEW_NARGS; j++)
			args[j] = get(&elements[j], i);
		rarr_new_job_read(&jobs[i], args);
	}
	enqueue_set(fcinfo, jobs, n);
	return (Datum) 0;
}
