/*
 * unit_of_work.c
 *		unit_of_work: run an array of operations on entities, all or nothing.
 *
 * This does the work of a transaction for a client that has none, behind a
 * statement pooler or an HTTP gateway.  Operations run in order.  Each sees
 * the effects of the previous ones and can refer to their results
 * (reference.c).
 *
 * Consecutive creates of the same entity with the same fields are buffered,
 * until another operation follows or their result is needed, and then inserted
 * together in a subtransaction.  If that fails because of one of the rows,
 * they are inserted one by one, to find out which one.
 *
 * Statements check the caller's privileges on tables.  A job is enqueued
 * without a statement; for that the caller needs EXECUTE on a function that
 * does the same.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "data/reference.h"
#include "data/row_locks.h"
#include "data/value.h"
#include "data/write.h"

#define MAX_BATCH 500 /* maximum number of buffered creates */

typedef enum Op
{
	OP_CREATE,
	OP_UPDATE,
	OP_DELETE,
	OP_GET
} Op;

static const char *const op_names[] = {
	[OP_CREATE] = "create",
	[OP_UPDATE] = "update",
	[OP_DELETE] = "delete",
	[OP_GET] = "get_by_id"};

/* A parsed operation. */
typedef struct Operation
{
	Op op;
	RarrEntity *entity;
	const JsonbValue *id; /* these may be NULL */
	const JsonbValue *values;
	const JsonbValue *expected;
} Operation;

/* The running unit of work. */
typedef struct Work
{
	int current;    /* index of the operation */
	int last;       /* ... of the last one, if several run together */
	const char *op; /* its op and entity, if known */
	const char *entity;
	Jsonb **results; /* of the operations that were run */
	int nresults;
	MemoryContext cxt;        /* owns the results */
	MemoryContext scratch[2]; /* for operations, in turns */
	RarrEntity *batch_entity; /* of the buffered creates */
	RarrValues batch[MAX_BATCH];
	int nbatch;   /* number of buffered creates; nresults +
				   * nbatch operations have been read */
	bool written; /* were any written since scratch was switched? */
} Work;

/* Creates that are inserted together. */
typedef struct Batch
{
	const Work *work;
	HeapTuple *rows; /* the result */
} Batch;

/*
 * Nesting depth of batches, each of which is written by a trigger of the one
 * before.  Only the outermost batch is retried row by row.  If each were, a
 * trigger that calls unit_of_work for its own table would double the cost with
 * each level.
 */
static int open_batches = 0;

static void run_batch(Work *work);

/* Raise 22023: an operation is malformed. */
static void
bad_operation(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg_internal("%s", problem),
			 errhint("An operation is an object with op (create, update, delete or get_by_id), entity, and id, values and expected_updated_at as the operation needs them.")));
}

/* Get the n-th result, for the string that refers to it. */
static Jsonb *
find_result(void *arg, int n, const char *reference, int length)
{
	Work *work = arg;

	if (n >= work->current)
		rarr_bad_reference(reference, length, "refers to a result that is not there yet");
	if (n >= work->nresults)
		run_batch(work);
	return work->results[n];
}

/* Read a member of an operation that must be a string, as a C string. */
static char *
read_word(const JsonbValue *value, const char *name)
{
	const char *string;
	int length;
	char *problem = rarr_json_text(value, &string, &length);

	if (problem != NULL)
		bad_operation(psprintf("%s %s", name, problem));
	return pnstrdup(string, length);
}

static void
read_op(Work *work, Operation *operation, const JsonbValue *value)
{
	char *word = read_word(value, "op");

	for (int i = 0; i < lengthof(op_names); i++)
	{
		if (strcmp(op_names[i], word) == 0)
		{
			operation->op = i;
			work->op = op_names[i];
			return;
		}
	}
	bad_operation(psprintf("op must be create, update, delete or get_by_id, not %s",
						   rarr_quote_clipped(word, strlen(word))));
}

static void
read_entity(Work *work, Operation *operation, const JsonbValue *value)
{
	char *word = read_word(value, "entity");

	operation->entity = rarr_entity_by_name(word, strlen(word));
	if (operation->entity == NULL)
		bad_operation(psprintf("there is no entity %s", rarr_quote_clipped(word, strlen(word))));
	work->entity = operation->entity->def->name;
}

static void
read_member(Work *work, Operation *operation, const char *name, const JsonbValue *value)
{
	JsonbValue *copy = palloc(sizeof(JsonbValue));

	if (strcmp(name, "op") == 0 || strcmp(name, "entity") == 0)
		return; /* already read */
	*copy = *value;
	rarr_resolve_references(copy, find_result, work);
	if (strcmp(name, "id") == 0)
		operation->id = copy;
	else if (strcmp(name, "values") == 0)
		operation->values = copy;
	else if (strcmp(name, "expected_updated_at") == 0)
		operation->expected = value->type == jbvNull ? NULL : copy;
	else
		bad_operation(psprintf("the operation has an unknown member %s",
							   rarr_quote_clipped(name, strlen(name))));
}

/* Check the members that each operation must and may have. */
static void
check_operation(const Work *work, const Operation *operation)
{
	if (work->op == NULL || work->entity == NULL)
		bad_operation(psprintf("the operation has no %s", work->op == NULL ? "op" : "entity"));
	if ((operation->id != NULL) != (operation->op != OP_CREATE))
		bad_operation(operation->id != NULL ? "create takes no id beside its values" :
											  psprintf("%s needs an id", work->op));
	if ((operation->values != NULL) != (operation->op == OP_CREATE || operation->op == OP_UPDATE))
		bad_operation(psprintf(operation->values != NULL ? "%s takes no values" : "%s needs values",
							   work->op));
	if (operation->expected != NULL && operation->op != OP_UPDATE)
		bad_operation(psprintf("%s takes no expected_updated_at", work->op));
}

static void
read_operation(Work *work, const JsonbValue *object, Operation *operation)
{
	JsonbIterator *it;
	JsonbValue name;
	JsonbValue value;

	if (!rarr_json_is_object(object))
		bad_operation(psprintf("the operation must be an object, not %s", rarr_json_describe(object)));

	/* read op and entity first, so that later errors can mention them */
	if (rarr_json_member(object->val.binary.data, "op", &value))
		read_op(work, operation, &value);
	if (rarr_json_member(object->val.binary.data, "entity", &value))
		read_entity(work, operation, &value);
	it = JsonbIteratorInit(object->val.binary.data);
	while (rarr_json_next_member(&it, &name, &value))
		read_member(work, operation, pnstrdup(name.val.string.val, name.val.string.len), &value);
	check_operation(work, operation);
}

/* Read a member as a value of the given type. */
static Datum
read_typed(const char *name, Oid type, const JsonbValue *value)
{
	RarrEntityColumn column = {.name = unconstify(char *, name), .type = type, .typmod = -1};
	RarrViolation violation;
	Datum result = (Datum) 0;

	if (!rarr_value_read(&column, value, &result, &violation))
		bad_operation(psprintf("%s %s", name, violation.message));
	return result;
}

static Jsonb *
row_result(RarrEntity *entity, HeapTuple row)
{
	JsonbValue none = {.type = jbvNull};

	return row == NULL ? JsonbValueToJsonb(&none) : rarr_row_to_jsonb(entity, row);
}

/* Store the result of an operation. */
static void
add_result(Work *work, Jsonb *result)
{
	Jsonb *copy = MemoryContextAlloc(work->cxt, VARSIZE(result));

	memcpy(copy, result, VARSIZE(result));
	work->results[work->nresults++] = copy;
}

/* Copy the values of the buffered creates, because inserting consumes them. */
static RarrValues *
copy_batch(const Work *work)
{
	RarrValues *copy = palloc(work->nbatch * sizeof(RarrValues));

	for (int i = 0; i < work->nbatch; i++)
	{
		copy[i] = work->batch[i];
		copy[i].given = palloc(work->batch_entity->ncolumns * sizeof(bool));
		memcpy(copy[i].given, work->batch[i].given, work->batch_entity->ncolumns * sizeof(bool));
	}
	return copy;
}

static bool
write_batch(void *arg)
{
	Batch *batch = arg;
	const Work *work = batch->work;

	return rarr_entity_create_many(work->batch_entity, copy_batch(work), work->nbatch, batch->rows);
}

/* Might one of the rows alone reproduce the error? */
static bool
is_about_rows(const ErrorData *error, void *arg)
{
	return open_batches == 1 && rarr_error_is_about_data(error);
}

/*
 * Insert the buffered creates together.  Returns false, with nothing inserted,
 * if one of the rows caused an error, or if triggers made it impossible to
 * match rows with creates.
 */
static bool
try_batch(Work *work, HeapTuple *rows)
{
	Batch batch = {work, rows};
	ErrorData *error;
	bool done;

	work->last = work->current + work->nbatch - 1;
	open_batches++;
	done = rarr_subtransaction(write_batch, is_about_rows, &batch, &error);
	open_batches--;
	work->last = work->current;
	return done;
}

/* Insert the buffered creates and store their results. */
static void
run_batch(Work *work)
{
	HeapTuple rows[MAX_BATCH];
	int reading = work->current;
	const char *op = work->op;
	const char *entity = work->entity;
	int n = work->nbatch;
	bool together;

	if (n == 0)
		return;
	work->current = work->last = work->nresults;
	work->op = op_names[OP_CREATE];
	work->entity = work->batch_entity->def->name;
	together = n > 1 && try_batch(work, rows);
	for (int i = 0; i < n; i++)
	{
		work->current = work->last = work->nresults;
		if (!together)
			rows[i] = rarr_entity_create(work->batch_entity, &work->batch[i]);
		add_result(work, row_result(work->batch_entity, rows[i]));
	}
	work->nbatch = 0;
	work->written = true;
	work->current = work->last = reading;
	work->op = op;
	work->entity = entity;
}

/* Can the rows be passed as arrays?  There are no arrays of arrays. */
static bool
fits_batch(const RarrEntity *entity, const RarrValues *values)
{
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (values->given[i] && !OidIsValid(get_array_type(entity->columns[i].type)))
			return false;
	}
	return true;
}

/* May the current user execute our function of this name? */
static bool
may_execute(const char *function)
{
	Oid schema = get_namespace_oid(RARR_SCHEMA, true);
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(function));
	bool may = false;

	for (int i = 0; i < list->n_members && !may; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		may = proc->pronamespace == schema && rarr_function_aclcheck(proc->oid, GetUserId());
	}
	ReleaseSysCacheList(list);
	return may;
}

/*
 * Raise 42501 if the user may not enqueue jobs.  Jobs are written without
 * checking privileges on the table; EXECUTE on a function that enqueues one is
 * required instead.
 */
static void
require_enqueue(void)
{
	if (may_execute("job_create") || may_execute("job_enqueue"))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to create a job"),
			 errhint("EXECUTE on job_create() or job_enqueue() is required.")));
}

/* Buffer a create. */
static void
add_create(Work *work, RarrEntity *entity, const JsonbValue *object)
{
	RarrValues values;

	if (entity->kind == RARR_JOB)
		require_enqueue();
	rarr_entity_read_new(entity, object, &values);
	if (work->nbatch == MAX_BATCH ||
		(work->nbatch > 0 &&
		 (work->batch_entity != entity ||
		  memcmp(work->batch[0].given, values.given, entity->ncolumns * sizeof(bool)) != 0)))
		run_batch(work);
	work->batch_entity = entity;
	work->batch[work->nbatch++] = values;
	if (!fits_batch(entity, &values))
		run_batch(work);
}

/*
 * Run an operation.  Its result is a row as an object, null, or a boolean.  A
 * create's result follows when the buffer is written.
 */
static void
run_operation(Work *work, const Operation *operation)
{
	pg_uuid_t *id = operation->id == NULL ? NULL :
											DatumGetUUIDP(read_typed("id", UUIDOID, operation->id));
	JsonbValue deleted = {.type = jbvBool};
	TimestampTz expected = 0;

	if (operation->op == OP_CREATE)
	{
		add_create(work, operation->entity, operation->values);
		return;
	}
	run_batch(work);
	switch (operation->op)
	{
		case OP_UPDATE:
			if (operation->expected != NULL)
				expected = DatumGetTimestampTz(read_typed("expected_updated_at", TIMESTAMPTZOID,
														  operation->expected));
			add_result(work, row_result(operation->entity,
										rarr_entity_update(operation->entity, id, operation->values,
														   operation->expected ? &expected : NULL)));
			break;
		case OP_DELETE:
			deleted.val.boolean = rarr_entity_delete(operation->entity, id, NULL);
			add_result(work, JsonbValueToJsonb(&deleted));
			break;
		default:
			add_result(work, row_result(operation->entity,
										rarr_entity_get(operation->entity, id, 0)));
	}
}

/*
 * Add the operation to an error message, and rethrow it.  Errors caused by the
 * operator or the server stay as they are.
 */
static void
rethrow(const Work *work, MemoryContext cxt)
{
	ErrorData *error;

	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	if (error->elevel > ERROR || ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		PG_RE_THROW();
	FlushErrorState();
	error->message = psprintf("operation %d%s%s%s%s%s%s: %s", work->current,
							  work->last > work->current ? psprintf(" to %d", work->last) : "",
							  work->op || work->entity ? " (" : "",
							  work->op ? work->op : "",
							  work->op && work->entity ? " " : "",
							  work->entity ? work->entity : "",
							  work->op || work->entity ? ")" : "", error->message);
	ReThrowError(error);
}

/*
 * Switch to the memory context for the next operation.  What was read for
 * buffered creates must be kept.  Once they are written, at most one create is
 * buffered, the last one read; everything older is in the other context, or is
 * freed at the next switch.
 */
static void
begin_operation(Work *work)
{
	if (work->nbatch == 0 || work->written)
	{
		MemoryContext other = work->scratch[1];

		MemoryContextReset(other);
		work->scratch[1] = work->scratch[0];
		work->scratch[0] = other;
		work->written = false;
	}
	MemoryContextSwitchTo(work->scratch[0]);
	work->op = work->entity = NULL;
	work->current = work->last = work->nresults + work->nbatch;
}

/* Run the operations in order, and store their results in work->results. */
static void
run_operations(Work *work, Jsonb *operations)
{
	MemoryContext old = CurrentMemoryContext;
	JsonbIterator *it = JsonbIteratorInit(&operations->root);
	JsonbValue value;

	for (int i = 0; i < lengthof(work->scratch); i++)
		work->scratch[i] = AllocSetContextCreate(old, "researcharr operations",
												 ALLOCSET_DEFAULT_SIZES);
	while (rarr_json_next_element(&it, &value))
	{
		Operation operation = {0};

		CHECK_FOR_INTERRUPTS();
		begin_operation(work);
		read_operation(work, &value, &operation);
		run_operation(work, &operation);
		MemoryContextSwitchTo(old);
	}
	MemoryContextSwitchTo(work->scratch[0]);
	run_batch(work);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < lengthof(work->scratch); i++)
		MemoryContextDelete(work->scratch[i]);
}

static Jsonb *
list_results(const Work *work)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < work->nresults; i++)
	{
		JsonbValue value;

		rarr_jsonb_as_value(work->results[i], &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * unit_of_work(operations jsonb) returns jsonb
 *
 * Returns an array with the operations' results: for create, update and
 * get_by_id the row as an object, or null if there is none; for delete,
 * whether there was a row.  Raises 22004 for NULL, 22023 for a malformed
 * operation or a reference to nothing, 42501 if the user may not create a job,
 * and otherwise the errors of the operations.  An error's message begins with
 * the operation's index, counted from 0.
 */
PG_FUNCTION_INFO_V1(researcharr_unit_of_work);
Datum
researcharr_unit_of_work(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = CurrentMemoryContext;
	int outer_batches = open_batches;
	Work *work = palloc0(sizeof(Work));
	Jsonb *operations;

	RARR_REQUIRE_ARG(0, "operations");
	operations = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(operations) || JB_ROOT_IS_SCALAR(operations))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("operations is not an array: %s", rarr_jsonb_excerpt(operations)),
				 errhint("Give an array of operations, such as [{\"op\": \"create\", \"entity\": \"movie\", \"values\": {\"title\": \"Dune\"}}].")));
	work->cxt = cxt;
	work->results = palloc((JB_ROOT_COUNT(operations) + 1) * sizeof(Jsonb *));
	rarr_lock_operations(operations);
	PG_TRY();
	{
		run_operations(work, operations);
	}
	PG_CATCH();
	{
		open_batches = outer_batches;
		rethrow(work, cxt);
	}
	PG_END_TRY();
	PG_RETURN_JSONB_P(list_results(work));
}
