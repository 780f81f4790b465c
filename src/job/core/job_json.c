/*
 * job_json.c
 *		Jobs as jsonb objects, the same as to_jsonb() makes of their rows.
 *
 * Objects are built value by value.  That takes half the time of JSON text, and
 * avoids the parser, whose limit on the depth of nested values can depend on
 * the session's max_stack_depth: one job that exceeded it would keep all others
 * from being claimed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "base/json.h"
#include "base/relation.h"
#include "job/core/job_json.h"

/* Set a member to a string, which must live until the result is built. */
static void
set_string(JsonbValue *value, char *string)
{
	rarr_json_set_string(value, string, strlen(string));
}

/* Call to_jsonb() for a value of any type, for columns that users added. */
static Jsonb *
to_jsonb_of(Form_pg_attribute column, Datum datum)
{
	Node *argument = (Node *) makeNullConst(column->atttypid, column->atttypmod, column->attcollation);
	FmgrInfo function;

	fmgr_info(F_TO_JSONB, &function);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &function);
	return DatumGetJsonbP(FunctionCall1(&function, datum));
}

/*
 * Set a member to a column's value, copied because the slot is reused.  The
 * copy must live until the result is built.
 */
static void
set_value(JsonbValue *value, Form_pg_attribute column, Datum datum)
{
	switch (column->atttypid)
	{
		case TEXTOID:
			set_string(value, TextDatumGetCString(datum));
			break;
		case UUIDOID:
			set_string(value, DatumGetCString(DirectFunctionCall1(uuid_out, datum)));
			break;
		case TIMESTAMPTZOID:
			set_string(value, JsonEncodeDateTime(palloc(MAXDATELEN + 1), datum, TIMESTAMPTZOID, NULL));
			break;
		case INT4OID:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric(DatumGetInt32(datum));
			break;
		case JSONBOID:
			rarr_jsonb_as_value(DatumGetJsonbPCopy(datum), value);
			break;
		default:
			rarr_jsonb_as_value(to_jsonb_of(column, datum), value);
			break;
	}
}

static void
push_job(JsonbParseState **state, TupleTableSlot *slot)
{
	TupleDesc desc = slot->tts_tupleDescriptor;

	slot_getallattrs(slot);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		JsonbValue value;

		if (column->attisdropped)
			continue;
		if (slot->tts_isnull[i])
			value.type = jbvNull;
		else
			set_value(&value, column, slot->tts_values[i]);
		rarr_json_put(state, NameStr(column->attname), &value);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Return rows of processing_jobs as a jsonb array of objects, in the order of
 * the tuplestore, allocated in `cxt`.  relid: processing_jobs; the caller has
 * held a lock on it since before it formed the rows, so that the row type is
 * still the same.  Needs an active snapshot.
 */
Datum
rarr_jobs_as_jsonb(Tuplestorestate *jobs, Oid relid, MemoryContext cxt)
{
	TupleDesc desc = lookup_rowtype_tupdesc(get_rel_type_id(relid), -1);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	JsonbParseState *state = NULL;
	JsonbValue *array;
	MemoryContext old;
	Jsonb *result;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while (tuplestore_gettupleslot(jobs, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		push_job(&state, slot);
	}
	array = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	old = MemoryContextSwitchTo(cxt);
	result = JsonbValueToJsonb(array);
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
	ReleaseTupleDesc(desc);
	return JsonbPGetDatum(result);
}
