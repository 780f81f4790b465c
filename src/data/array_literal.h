/*
 * array_literal.h
 *		Convert JSON arrays to array literals.
 */
#ifndef RARR_DATA_ARRAY_LITERAL_H
#define RARR_DATA_ARRAY_LITERAL_H

#include "utils/jsonb.h"

extern char *rarr_array_literal(Oid element, const JsonbValue *array, char **problem);

#endif /* RARR_DATA_ARRAY_LITERAL_H */
