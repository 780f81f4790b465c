/*
 * query.c
 *		Statements that are put together from names and parameters, and where
 *		their rows go.
 *
 *		What a statement says is its shape: names of our own and pg_catalog's
 *		objects, OIDs of others (by_oid.h), and parameters.  So its text is the key
 *		by which an entity keeps its plan, from call to call, and the plan cache
 *		sees to it that the plan follows DDL.  An entity keeps so many plans, and
 *		lets go of the one unused for longest.
 *
 *		Statements run by SPI, as the user who calls: his privileges, and row
 *		security, are the executor's affair.  Their rows go straight from the
 *		executor to the function's result, with no copy between.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/result.h"
#include "data/by_oid.h"
#include "data/query.h"
#include "data/secret.h"

#define MAX_PLANS	64			/* that an entity keeps */

struct RarrPlan
{
	uint32		hash;			/* of the text */
	char	   *sql;
	int			flags;
	SPIPlanPtr	plan;
	int			busy;			/* how many calls are executing it */
	RarrParamTypes *types;		/* of its parameters */
	struct RarrPlan *next;		/* used less recently */
};

/* Where the rows of a statement go: a tuplestore, or the first ones into memory. */
typedef struct RowReceiver
{
	DestReceiver pub;
	MemoryContext cxt;
	TupleDesc	desc;			/* the rows' shape */
	Tuplestorestate *store;		/* or NULL */
	TupleDesc	store_desc;		/* their shape in there: without the last columns, perhaps */
	List	   *rows;			/* of HeapTuple */
	int			wanted;			/* how many of them at most */
} RowReceiver;

/* Begins a statement, in the current memory context. */
void
rarr_query_init(RarrQuery *query)
{
	initStringInfo(&query->sql);
	query->nparams = 0;
	query->room = 8;
	query->types = palloc(query->room * sizeof(Oid));
	query->values = palloc(query->room * sizeof(Datum));
	query->nulls = palloc(query->room * sizeof(bool));
}

void
rarr_query_add(RarrQuery *query, const char *text)
{
	appendStringInfoString(&query->sql, text);
}

/* Adds a parameter's value; the text has the "$n" already, or gets it later. */
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

/* Adds a parameter to the text, "$n", and its value. */
void
rarr_query_param(RarrQuery *query, Oid type, Datum value, bool isnull)
{
	add_value(query, type, value, isnull);
	appendStringInfo(&query->sql, "$%d", query->nparams);
}

/* Adds the value of a parameter that the text names itself; it is not NULL. */
void
rarr_query_bind(RarrQuery *query, Oid type, Datum value)
{
	add_value(query, type, value, false);
}

/* The kept plan for this text, moved to the front; or NULL. */
static RarrPlan *
find_plan(RarrEntity *entity, const char *sql, uint32 hash, int flags)
{
	RarrPlan  **link = &entity->plans;

	for (RarrPlan *plan = *link; plan != NULL; link = &plan->next, plan = *link)
	{
		if (plan->hash != hash || plan->flags != flags || strcmp(plan->sql, sql) != 0)
			continue;
		*link = plan->next;
		plan->next = entity->plans;
		return entity->plans = plan;
	}
	return NULL;
}

/* Frees the plan that was unused for longest; false where all are in use. */
static bool
forget_oldest_plan(RarrEntity *entity)
{
	RarrPlan  **oldest = NULL;
	RarrPlan   *plan;

	for (RarrPlan **link = &entity->plans; *link != NULL; link = &(*link)->next)
	{
		if ((*link)->busy == 0)
			oldest = link;
	}
	if (oldest == NULL)
		return false;
	plan = *oldest;
	*oldest = plan->next;
	entity->nplans--;
	SPI_freeplan(plan->plan);
	pfree(plan->types);
	pfree(plan->sql);
	pfree(plan);
	return true;
}

/* The plan for a statement, made and kept where there is none. */
static RarrPlan *
get_plan(RarrEntity *entity, RarrQuery *query, int flags)
{
	const char *sql = query->sql.data;
	uint32		hash = hash_bytes((const unsigned char *) sql, query->sql.len);
	RarrPlan   *plan = find_plan(entity, sql, hash, flags);
	RarrParamTypes *types;
	SPIPlanPtr	made;

	if (plan != NULL)
		return plan;
	types = MemoryContextAlloc(entity->cxt, offsetof(RarrParamTypes, types) +
							   query->nparams * sizeof(Oid));
	types->n = query->nparams;
	memcpy(types->types, query->types, query->nparams * sizeof(Oid));
	PG_TRY();
	{
		made = rarr_prepare_by_oid(sql, types,
								   flags & RARR_GENERIC ? CURSOR_OPT_GENERIC_PLAN :
								   flags & RARR_CUSTOM ? CURSOR_OPT_CUSTOM_PLAN : 0);
	}
	PG_CATCH();
	{
		pfree(types);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (made == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));

	while (entity->nplans >= MAX_PLANS && forget_oldest_plan(entity))
		;
	plan = MemoryContextAllocZero(entity->cxt, sizeof(RarrPlan));
	plan->hash = hash;
	plan->sql = MemoryContextStrdup(entity->cxt, sql);
	plan->flags = flags;
	if (SPI_keepplan(made) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", sql);
	plan->plan = made;
	plan->types = types;
	plan->next = entity->plans;
	entity->plans = plan;
	entity->nplans++;
	return plan;
}

/* Frees the plans of an entity that is about to be freed. */
void
rarr_query_forget_plans(RarrEntity *entity)
{
	for (RarrPlan *plan = entity->plans; plan != NULL; plan = plan->next)
		SPI_freeplan(plan->plan);
	entity->plans = NULL;
	entity->nplans = 0;
}

/* Executes a plan, which is busy meanwhile, also if that ends with an error. */
static pg_noinline int
run_plan(RarrPlan *plan, const SPIExecuteOptions *options)
{
	volatile int result = 0;

	plan->busy++;
	PG_TRY();
	{
		result = SPI_execute_plan_extended(plan->plan, options);
	}
	PG_FINALLY();
	{
		plan->busy--;
	}
	PG_END_TRY();
	return result;
}

/*
 * Runs a statement within an SPI connection.  Rows go to dest, or, where that
 * is NULL, to SPI_tuptable.
 */
static void
execute(RarrEntity *entity, RarrQuery *query, int flags, DestReceiver *dest)
{
	SPIExecuteOptions options = {0};
	ParamListInfo params = makeParamList(query->nparams);
	RarrPlan   *plan = get_plan(entity, query, flags);
	ErrorContextCallback hide = {error_context_stack, rarr_hide_statement, NULL};
	int			result;

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
	result = run_plan(plan, &options);
	error_context_stack = hide.previous;
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", query->sql.data, SPI_result_code_string(result));
}

static void
connect_spi(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* Runs a statement that returns no rows; returns how many it changed. */
uint64
rarr_query_run(RarrEntity *entity, RarrQuery *query, int flags)
{
	uint64		changed;

	connect_spi();
	execute(entity, query, flags, NULL);
	changed = SPI_processed;
	SPI_finish();
	return changed;
}

/*
 * A row's columns must have the types that rows of the entity are made of: 42804
 * where this transaction itself changed one since it read the entity.
 */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	TupleDesc	wanted = ((RowReceiver *) self)->desc;
	int			next = 0;

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
 * Takes a row: the columns of the entity in their order, which leaves out what
 * was dropped from the row type.
 */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	TupleDesc	desc = receiver->desc;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;
	MemoryContext old;

	slot_getallattrs(slot);
	old = MemoryContextSwitchTo(receiver->cxt);
	if (slot->tts_tupleDescriptor->natts != desc->natts)
	{
		int			next = 0;

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

static void
init_receiver(RowReceiver *receiver, RarrEntity *entity, ReturnSetInfo *rsinfo, int wanted)
{
	memset(receiver, 0, sizeof(RowReceiver));
	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_nothing;
	receiver->pub.rDestroy = receiver_nothing;
	receiver->pub.mydest = DestTuplestore;
	receiver->cxt = CurrentMemoryContext;
	receiver->desc = entity->desc;
	if (rsinfo != NULL)
	{
		receiver->store = rsinfo->setResult;
		receiver->store_desc = rsinfo->setDesc;
	}
	receiver->wanted = wanted;
}

/*
 * Runs a statement whose rows have the entity's columns; returns the first of
 * them, in the current memory context, or NULL.
 */
HeapTuple
rarr_query_row(RarrEntity *entity, RarrQuery *query, int flags)
{
	RowReceiver receiver;

	init_receiver(&receiver, entity, NULL, 1);
	connect_spi();
	execute(entity, query, flags, &receiver.pub);
	SPI_finish();
	return receiver.rows == NIL ? NULL : linitial(receiver.rows);
}

/*
 * Runs a statement whose rows have the entity's columns; returns all of them as
 * a list of HeapTuple, in the current memory context.
 */
List *
rarr_query_list(RarrEntity *entity, RarrQuery *query, int flags)
{
	RowReceiver receiver;

	init_receiver(&receiver, entity, NULL, PG_INT32_MAX);
	connect_spi();
	execute(entity, query, flags, &receiver.pub);
	SPI_finish();
	return receiver.rows;
}

/*
 * Runs a statement whose rows have the entity's columns, and makes them the
 * running function's result.
 */
void
rarr_query_rows(RarrEntity *entity, RarrQuery *query, int flags, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RowReceiver receiver;

	if (rsinfo == NULL || rsinfo->returnMode != SFRM_Materialize)
		rsinfo = rarr_result_begin(fcinfo, entity->desc);
	init_receiver(&receiver, entity, rsinfo, 0);
	connect_spi();
	execute(entity, query, flags, &receiver.pub);
	SPI_finish();
}

/*
 * Runs a statement whose rows have one column.  False where there is no row;
 * else the first one's value, in the current memory context.
 */
bool
rarr_query_value(RarrEntity *entity, RarrQuery *query, int flags, Datum *value, bool *isnull)
{
	MemoryContext cxt = CurrentMemoryContext;
	bool		found;

	connect_spi();
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

/* A row of the entity as a JSON object, keyed by the columns' names. */
Jsonb *
rarr_row_to_jsonb(RarrEntity *entity, HeapTuple row)
{
	if (!OidIsValid(entity->to_jsonb.fn_oid))
	{
		MemoryContext old = MemoryContextSwitchTo(entity->cxt);
		Const	   *argument = makeNullConst(entity->desc->tdtypeid, -1, InvalidOid);

		fmgr_info_cxt(F_TO_JSONB, &entity->to_jsonb, entity->cxt);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
												 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
						   &entity->to_jsonb);
		MemoryContextSwitchTo(old);
	}
	return DatumGetJsonbP(FunctionCall1(&entity->to_jsonb, HeapTupleGetDatum(row)));
}
