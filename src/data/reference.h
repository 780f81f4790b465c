/*
 * reference.h
 *		Resolve references to earlier results in a unit of work.
 */
#ifndef RARR_DATA_REFERENCE_H
#define RARR_DATA_REFERENCE_H

#include "utils/jsonb.h"

#include "base/compat.h"

/*
 * Return the n-th result, counted from 0. reference is the string that refers
 * to it, for messages.  Raises an error if there is no such result.
 */
typedef Jsonb *(*RarrFindResult)(void *arg, int n, const char *reference, int length);

pg_noreturn extern void rarr_bad_reference(const char *reference, int length, const char *problem);
extern void rarr_resolve_references(JsonbValue *value, RarrFindResult find, void *arg);

#endif /* RARR_DATA_REFERENCE_H */
