/*
 * value.h
 *		Convert JSON values to column values.
 */
#ifndef RARR_DATA_VALUE_H
#define RARR_DATA_VALUE_H

#include "utils/jsonb.h"

#include "data/entity.h"

extern bool rarr_value_read(const RarrEntityColumn *column, const JsonbValue *value, Datum *result,
							RarrViolation *violation);

#endif /* RARR_DATA_VALUE_H */
