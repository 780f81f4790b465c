/*
 * query.c
 *		Build statements, run them, and collect their rows.
 *
 * A statement's text consists of the names of our own and pg_catalog's objects,
 * the OIDs of others (by_oid.h), and parameters.  Rows go directly from the
 * executor to the function's result, without an intermediate copy.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "base/result.h"
#include "data/query.h"

/* Receives rows: into a tuplestore, or the first ones into a list. */
typedef struct RowReceiver
{
	DestReceiver pub;
	MemoryContext cxt;
	TupleDesc desc;         /* the rows' type */
	Tuplestorestate *store; /* or NULL */
	TupleDesc store_desc;   /* row type of store: may lack the last columns */
	List *rows;             /* of HeapTuple */
	int wanted;             /* maximum length of rows */
} RowReceiver;

/* Begin a statement, in the current memory context. */
void
rarr_query_init(RarrQuery *query)
{
	initStringInfo(&query->sql);
	query->by_group = false;
	query->nparams = 0;
	query->room = 8;
	query->types = palloc(query->room * sizeof(Oid));
	query->values = palloc(query->room * sizeof(Datum));
	query->nulls = palloc(query->room * sizeof(bool));
}

/* Append SQL text, which must not come from a caller. */
void
rarr_query_add(RarrQuery *query, const char *text)
{
	appendStringInfoString(&query->sql, text);
}

/* Add a parameter value; "$n" is written to the text elsewhere. */
static void
add_value(RarrQuery *query, Oid type, Datum value, bool isnull)
{
	if (query->nparams == query->room)
	{
		query->room *= 2;
		query->types = repalloc(query->types, query->room * sizeof(Oid));
		query->values = repalloc(query->values, query->room * sizeof(Datum));
		query->nulls = repalloc(query->nulls, query->room * sizeof(bool));
	}
	query->types[query->nparams] = type;
	query->values[query->nparams] = value;
	query->nulls[query->nparams++] = isnull;
}

/* Append "$n" to the text, and add a parameter value for it. */
void
rarr_query_param(RarrQuery *query, Oid type, Datum value, bool isnull)
{
	add_value(query, type, value, isnull);
	appendStringInfo(&query->sql, "$%d", query->nparams);
}

/* Append SQL text, and "$n" with a value, not NULL, for it. */
void
rarr_query_add_param(RarrQuery *query, const char *text, Oid type, Datum value)
{
	rarr_query_add(query, text);
	rarr_query_param(query, type, value, false);
}

/* Append LIMIT or OFFSET.  Raises 22023, with name, if it is negative. */
void
rarr_query_add_bound(RarrQuery *query, const char *keyword, const char *name, int64 number)
{
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative: " INT64_FORMAT, name, number),
				 errhint("Give a number from 0, or null for none.")));
	rarr_query_add_param(query, keyword, INT8OID, Int64GetDatum(number));
}

/* Begin a query of the rows of the entity that the user may read, as t. */
void
rarr_query_select(RarrQuery *query, const RarrEntity *entity)
{
	rarr_query_init(query);
	appendStringInfo(&query->sql, "SELECT %s FROM researcharr.%s AS t",
					 rarr_entity_list(entity), rarr_entity_source(entity));
}

/* Return the expression by which the query's conditions read a column. */
const char *
rarr_query_expression(const RarrQuery *query, const RarrEntity *entity, const RarrEntityColumn *column)
{
	return query->by_group && column->of_group ? psprintf("g.%s", column->quoted) :
												 rarr_entity_expression(entity, column);
}

/* Add a value, not NULL, for a parameter that the text mentions itself. */
void
rarr_query_bind(RarrQuery *query, Oid type, Datum value)
{
	add_value(query, type, value, false);
}

/*
 * An error context callback that keeps the running statement, which may
 * contain the secret, out of the server log.
 */
static void
hide_statement(void *arg)
{
	errhidestmt(true);
}

/*
 * Run a statement.  Requires an SPI connection.  Rows go to dest or, if that
 * is NULL, to SPI_tuptable.
 */
static void
execute(RarrEntity *entity, RarrQuery *query, int flags, DestReceiver *dest)
{
	SPIExecuteOptions options = {0};
	ParamListInfo params = makeParamList(query->nparams);
	RarrPlan *plan = rarr_plan_get(&entity->plans, query->sql.data, query->types, query->nparams, flags);
	ErrorContextCallback hide = {error_context_stack, hide_statement, NULL};
	int result;

	for (int i = 0; i < query->nparams; i++)
	{
		params->params[i].value = query->values[i];
		params->params[i].isnull = query->nulls[i];
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = query->types[i];
	}
	options.params = params;
	options.read_only = (flags & RARR_READ) != 0;
	options.dest = dest;
	if (entity->def->masked != NULL && !options.read_only)
		error_context_stack = &hide;
	result = rarr_plan_run(plan, &options);
	error_context_stack = hide.previous;
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", query->sql.data, SPI_result_code_string(result));
}

/*
 * Run a statement without a result. flags are RARR_READ, RARR_GENERIC and
 * RARR_CUSTOM.  Returns the number of rows processed.
 */
uint64
rarr_query_run(RarrEntity *entity, RarrQuery *query, int flags)
{
	uint64 changed;

	SPI_connect();
	execute(entity, query, flags, NULL);
	changed = SPI_processed;
	SPI_finish();
	return changed;
}

/*
 * Check that the rows' columns have the types of the entity's row type.
 * Raises 42804 if not: this transaction itself changed one after it read the
 * entity.
 */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	TupleDesc wanted = ((RowReceiver *) self)->desc;
	int next = 0;

	for (int i = 0; i < wanted->natts; i++)
	{
		if (TupleDescAttr(wanted, i)->attisdropped)
			continue;
		if (next >= desc->natts ||
			TupleDescAttr(desc, next++)->atttypid != TupleDescAttr(wanted, i)->atttypid)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" was altered while the function ran",
							NameStr(TupleDescAttr(wanted, i)->attname)),
					 errhint("Run the statement again.")));
	}
}

static void
receiver_nothing(DestReceiver *self)
{
}

/*
 * Receive a row.  Its columns are those of the entity, without the dropped
 * columns of the row type.
 */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	TupleDesc desc = receiver->desc;
	Datum *values = slot->tts_values;
	bool *nulls = slot->tts_isnull;
	MemoryContext old;

	slot_getallattrs(slot);
	old = MemoryContextSwitchTo(receiver->cxt);
	if (slot->tts_tupleDescriptor->natts != desc->natts)
	{
		int next = 0;

		values = palloc0(desc->natts * sizeof(Datum));
		nulls = palloc(desc->natts * sizeof(bool));
		for (int i = 0; i < desc->natts; i++)
		{
			nulls[i] = TupleDescAttr(desc, i)->attisdropped || slot->tts_isnull[next];
			if (!TupleDescAttr(desc, i)->attisdropped)
				values[i] = slot->tts_values[next++];
		}
	}
	if (receiver->store != NULL)
		tuplestore_putvalues(receiver->store, receiver->store_desc, values, nulls);
	else if (list_length(receiver->rows) < receiver->wanted)
		receiver->rows = lappend(receiver->rows, heap_form_tuple(desc, values, nulls));
	if (values != slot->tts_values)
	{
		pfree(values);
		pfree(nulls);
	}
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Run a statement that returns rows of the entity.  They go to the running
 * function's result, or up to wanted of them into a list.
 */
static List *
fetch(RarrEntity *entity, RarrQuery *query, int flags, ReturnSetInfo *rsinfo, int wanted)
{
	RowReceiver receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receiver_startup,
			.rShutdown = receiver_nothing,
			.rDestroy = receiver_nothing,
			.mydest = DestTuplestore},
		.cxt = CurrentMemoryContext,
		.desc = entity->desc,
		.wanted = wanted};

	if (rsinfo != NULL)
	{
		receiver.store = rsinfo->setResult;
		receiver.store_desc = rsinfo->setDesc;
	}
	SPI_connect();
	execute(entity, query, flags, &receiver.pub);
	SPI_finish();
	return receiver.rows;
}

/*
 * Run a statement that returns rows of the entity.  Returns the first row, in
 * the current memory context, or NULL.
 */
HeapTuple
rarr_query_row(RarrEntity *entity, RarrQuery *query, int flags)
{
	List *rows = fetch(entity, query, flags, NULL, 1);

	return rows == NIL ? NULL : linitial(rows);
}

/*
 * Run a statement that returns rows of the entity.  Returns all rows as a list
 * of HeapTuple, in the current memory context.
 */
List *
rarr_query_list(RarrEntity *entity, RarrQuery *query, int flags)
{
	return fetch(entity, query, flags, NULL, PG_INT32_MAX);
}

/*
 * Run a statement that returns rows of the entity, and return them as the
 * running function's result.
 */
void
rarr_query_rows(RarrEntity *entity, RarrQuery *query, int flags, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rsinfo == NULL || rsinfo->returnMode != SFRM_Materialize)
		rsinfo = rarr_result_begin(fcinfo, entity->desc);
	(void) fetch(entity, query, flags, rsinfo, 0);
}

/*
 * Run a statement that returns a single column.  Returns false if there is no
 * row.  Otherwise sets *value and *isnull to the first row's value, in the
 * current memory context.
 */
bool
rarr_query_value(RarrEntity *entity, RarrQuery *query, int flags, Datum *value, bool *isnull)
{
	MemoryContext cxt = CurrentMemoryContext;
	bool found;

	SPI_connect();
	execute(entity, query, flags, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		Form_pg_attribute att = TupleDescAttr(SPI_tuptable->tupdesc, 0);
		MemoryContext old;

		*value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
		old = MemoryContextSwitchTo(cxt);
		if (!*isnull)
			*value = datumCopy(*value, att->attbyval, att->attlen);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return found;
}

/* Convert a row of the entity to a JSON object. */
Jsonb *
rarr_row_to_jsonb(RarrEntity *entity, HeapTuple row)
{
	if (!OidIsValid(entity->to_jsonb.fn_oid))
	{
		MemoryContext old = MemoryContextSwitchTo(entity->cxt);
		Const *argument = makeNullConst(entity->desc->tdtypeid, -1, InvalidOid);

		fmgr_info_cxt(F_TO_JSONB, &entity->to_jsonb, entity->cxt);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
												 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
						   &entity->to_jsonb);
		MemoryContextSwitchTo(old);
	}
	return DatumGetJsonbP(FunctionCall1(&entity->to_jsonb, HeapTupleGetDatum(row)));
}
