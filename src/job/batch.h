/*
 * batch.h
 *		The jobs of a call that names many: arguments, order, and result.
 */
#ifndef RARR_BATCH_H
#define RARR_BATCH_H

#include "fmgr.h"

/* Positions are those of the argument arrays, from 0. */
typedef struct RarrBatch
{
	int n;
	Datum *ids;
	Datum *attempts; /* NULL for an operator's call */
	int *order;      /* positions in order of id */
	Datum *values;   /* the result's second column, by position */
	bool *nulls;     /* initially all true */
} RarrBatch;

extern void rarr_batch_read(RarrBatch *batch, FunctionCallInfo fcinfo, bool has_attempts);
extern void rarr_batch_init(RarrBatch *batch, Datum *ids, int n);
extern Datum *rarr_batch_array(const RarrBatch *batch, FunctionCallInfo fcinfo, int arg, const char *name,
							   Oid type, bool nulls_allowed, bool **nulls);
extern int rarr_batch_attempt(const RarrBatch *batch, int position);
extern void rarr_batch_set(RarrBatch *batch, int position, Datum value);
extern void rarr_batch_return(const RarrBatch *batch, FunctionCallInfo fcinfo);

#endif /* RARR_BATCH_H */
