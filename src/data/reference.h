/*
 * reference.h
 *		Strings of a unit of work that stand for what an operation returned.
 */
#ifndef RARR_DATA_REFERENCE_H
#define RARR_DATA_REFERENCE_H

#include "utils/jsonb.h"

#include "base/compat.h"

/*
 * Returns the n-th result, from 0, for the string that refers to it; for one
 * that is not there it raises an error.
 */
typedef Jsonb *(*RarrFindResult) (void *arg, int n, const char *reference, int length);

pg_noreturn extern void rarr_bad_reference(const char *reference, int length, const char *problem);
extern void rarr_resolve_references(JsonbValue *value, RarrFindResult find, void *arg);

#endif							/* RARR_DATA_REFERENCE_H */
