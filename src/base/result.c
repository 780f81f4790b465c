/*
 * result.c
 *		Return rows of our tables from SQL functions.
 *
 * A statement determines the function's row type when it is planned.  The
 * function locks the table later, and DDL may have added, dropped or retyped a
 * column in between.  The executor interprets the returned rows by the type
 * that the statement knows, so a row of another shape would be misread.
 *
 * An added column is the last one; rows are returned without it.  Any other
 * difference is an error.  A table that DROP EXTENSION and CREATE EXTENSION
 * replaced meanwhile can have a column where the old one had a dropped one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/result.h"

/* Raise 42804 unless rows of type actual can be returned as expected. */
void
rarr_check_row_type(TupleDesc expected, TupleDesc actual)
{
	for (int i = 0; i < expected->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(expected, i);
		Form_pg_attribute ours = i < actual->natts ? TupleDescAttr(actual, i) : NULL;

		if (ours != NULL && ours->attisdropped == column->attisdropped &&
			(column->attisdropped || ours->atttypid == column->atttypid))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a column of the function's row type changed while the statement ran"),
				 ours != NULL && column->attisdropped ?
					 errdetail("The table was dropped and created again, and now has a column %d, \"%s\".",
							   i + 1, NameStr(ours->attname)) :
				 ours == NULL || ours->attisdropped ?
					 errdetail("The statement expects column %d, \"%s\", which was dropped.",
							   i + 1, NameStr(column->attname)) :
					 errdetail("The statement expects type %s for column %d, \"%s\", which is now of type %s.",
							   format_type_be(column->atttypid), i + 1, NameStr(column->attname),
							   format_type_be(ours->atttypid)),
				 errhint("Run the statement again.")));
	}
}

/*
 * Begin a set-returning function's result, with rows of type actual.  The
 * table must be locked.  Rows are added with rarr_result_put() to
 * rsinfo->setResult, with row type rsinfo->setDesc.  Raises 42804 if the types
 * do not match.
 */
ReturnSetInfo *
rarr_result_begin(FunctionCallInfo fcinfo, TupleDesc actual)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	rarr_check_row_type(rsinfo->setDesc, actual);
	return rsinfo;
}

/*
 * Add a row to a result, without the columns that expected lacks.  All
 * attributes of the slot must be deformed.
 */
void
rarr_result_put(Tuplestorestate *store, TupleDesc expected, TupleTableSlot *slot)
{
	tuplestore_putvalues(store, expected, slot->tts_values, slot->tts_isnull);
}

/* Form a tuple of the row type shape, without the columns that shape lacks. */
static HeapTuple
cut_row(TupleDesc actual, HeapTuple row, TupleDesc shape)
{
	Datum *values = palloc(actual->natts * sizeof(Datum));
	bool *nulls = palloc(actual->natts * sizeof(bool));

	heap_deform_tuple(row, actual, values, nulls);
	return heap_form_tuple(shape, values, nulls);
}

/* Add a row of type actual to a result begun by rarr_result_begin(). */
void
rarr_result_put_tuple(ReturnSetInfo *rsinfo, TupleDesc actual, HeapTuple row)
{
	if (rsinfo->setDesc->natts != actual->natts)
		row = cut_row(actual, row, rsinfo->setDesc);
	tuplestore_puttuple(rsinfo->setResult, row);
}

/*
 * Return a row with fewer columns than its type has.  If a set is expected,
 * the row goes into a set.  Otherwise the function is called in FROM, where a
 * record of the expected shape suffices.
 */
static Datum
return_cut_row(FunctionCallInfo fcinfo, TupleDesc actual, HeapTuple row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc record;

	if (fcinfo->flinfo->fn_retset)
	{
		rarr_result_put_tuple(rarr_result_begin(fcinfo, actual), actual, row);
		return (Datum) 0;
	}
	record = CreateTupleDescCopy(rsinfo->expectedDesc);
	record->tdtypeid = RECORDOID;
	record->tdtypmod = -1;
	return HeapTupleGetDatum(cut_row(actual, row, BlessTupleDesc(record)));
}

/*
 * Return one row of type actual, or none if row is NULL.  If the function is
 * declared to return a set, no row means an empty set; otherwise it means
 * NULL.  The table must be locked.  Raises 42804 if the types do not match,
 * and 0A000 if the caller cannot accept a set.
 */
Datum
rarr_result_row(FunctionCallInfo fcinfo, TupleDesc actual, HeapTuple row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rsinfo != NULL && !IsA(rsinfo, ReturnSetInfo))
		rsinfo = NULL;
	if (fcinfo->flinfo->fn_retset)
	{
		if (rsinfo == NULL || (rsinfo->allowedModes & SFRM_ValuePerCall) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("set-valued function called in context that cannot accept a set")));
		rsinfo->isDone = row == NULL ? ExprEndResult : ExprSingleResult;
	}
	if (row == NULL)
		PG_RETURN_NULL();
	if (rsinfo != NULL && rsinfo->expectedDesc != NULL)
	{
		rarr_check_row_type(rsinfo->expectedDesc, actual);
		if (rsinfo->expectedDesc->natts != actual->natts)
			return return_cut_row(fcinfo, actual, row);
	}
	return HeapTupleGetDatum(row);
}
