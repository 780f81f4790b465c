/*
 * result.h
 *		Return rows of our tables from SQL functions.
 */
#ifndef RARR_BASE_RESULT_H
#define RARR_BASE_RESULT_H

#include "executor/tuptable.h"
#include "funcapi.h"

extern void rarr_check_row_type(TupleDesc expected, TupleDesc actual);
extern ReturnSetInfo *rarr_result_begin(FunctionCallInfo fcinfo, TupleDesc actual);
extern void rarr_result_put_tuple(ReturnSetInfo *rsinfo, TupleDesc actual, HeapTuple row);
extern Datum rarr_result_row(FunctionCallInfo fcinfo, TupleDesc actual, HeapTuple row);
extern void rarr_result_put(Tuplestorestate *store, TupleDesc expected, TupleTableSlot *slot);

#endif /* RARR_BASE_RESULT_H */
