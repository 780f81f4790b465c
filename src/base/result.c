/*-------------------------------------------------------------------------
 *
 * result.c
 *		A function's result: rows of one of our tables, as the caller expects them.
 *
 * A statement learns a function's row type when it begins.  The function locks
 * the table later, and by then DDL may have added, dropped or retyped a column.
 * The executor reads the function's rows as the statement knows them, so that a
 * row of another shape would be taken for what it is not.
 *
 * A column that was added is behind all others: rows are returned without it.
 * Anything else is an error.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/result.h"

/*
 * Can rows of type `actual` be returned as rows of type `expected`?  42804 if
 * not.
 */
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
 * Begin the running function's result, a set of rows of type `actual`, whose
 * table is locked.  Rows are put with rarr_result_put() into rsinfo->setResult,
 * as rows of rsinfo->setDesc.  42804 as above.
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
 * Put a row, whose attributes are all deformed, without the columns that
 * `expected` does not have.
 */
void
rarr_result_put(Tuplestorestate *store, TupleDesc expected, TupleTableSlot *slot)
{
	tuplestore_putvalues(store, expected, slot->tts_values, slot->tts_isnull);
}

/* The row without the columns that `expected` does not have, as a tuple of `shape`. */
static HeapTuple
cut_row(TupleDesc actual, HeapTuple row, TupleDesc shape)
{
	Datum	   *values = palloc(actual->natts * sizeof(Datum));
	bool	   *nulls = palloc(actual->natts * sizeof(bool));

	heap_deform_tuple(row, actual, values, nulls);
	return heap_form_tuple(shape, values, nulls);
}

/*
 * Put a row of type `actual` into a result that rarr_result_begin() began.
 */
void
rarr_result_put_tuple(ReturnSetInfo *rsinfo, TupleDesc actual, HeapTuple row)
{
	if (rsinfo->setDesc->natts != actual->natts)
		row = cut_row(actual, row, rsinfo->setDesc);
	tuplestore_puttuple(rsinfo->setResult, row);
}

/*
 * A row with fewer columns than its type has.  Where a set is asked for, it goes
 * into one.  Else the function is called in FROM, where a record of the shape that
 * is expected will do.
 */
static Datum
return_cut_row(FunctionCallInfo fcinfo, TupleDesc actual, HeapTuple row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	record;

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
 * End a function that returns one row of type `actual`, or, where row is NULL,
 * none: as a set if it is declared to return one, else as NULL.  The table is
 * locked.  42804 as above.
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
