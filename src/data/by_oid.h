/*
 * by_oid.h
 *		Operators, functions and types by OID in the text of statements.
 */
#ifndef RARR_DATA_BY_OID_H
#define RARR_DATA_BY_OID_H

#include "executor/spi.h"

/*
 * How a statement's text refers to an object by its OID: as a column reference
 * that begins with one of these names.  In our statements every column is
 * qualified with an alias, so a user's column cannot be mistaken for such a
 * reference.
 *
 *     "%operator OID".LEFT."$n"   LEFT operator $n; LEFT is a column reference
 *     "%any OID".LEFT."$n"        LEFT operator ANY ($n)
 *     "%function OID".LEFT."$n"   function($n, LEFT)
 *     "%null OID TYPMOD"          NULL of this type
 */
#define RARR_BY_OID_OPERATOR "\"%%operator %u\".%s.\"$%d\""
#define RARR_BY_OID_ANY      "\"%%any %u\".%s.\"$%d\""
#define RARR_BY_OID_FUNCTION "\"%%function %u\".%s.\"$%d\""
#define RARR_BY_OID_NULL     "\"%%null %u %d\""

/* the types of a statement's parameters; must live as long as its plan */
typedef struct RarrParamTypes
{
	int n;
	Oid types[FLEXIBLE_ARRAY_MEMBER];
} RarrParamTypes;

extern SPIPlanPtr rarr_prepare_by_oid(const char *sql, RarrParamTypes *types, int cursor_options);

#endif /* RARR_DATA_BY_OID_H */
