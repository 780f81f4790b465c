/*
 * violations.h
 *		Convert JSON objects to column values, and report all violations.
 */
#ifndef RARR_DATA_VIOLATIONS_H
#define RARR_DATA_VIOLATIONS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "data/entity.h"

/* The values of an entity's columns, in column order. */
typedef struct RarrValues
{
	bool *given;
	bool *nulls;
	Datum *values;
} RarrValues;

extern List *rarr_values_read(const RarrEntity *entity, const JsonbValue *object, bool update,
							  RarrValues *values);
extern List *rarr_check_job_type(const RarrEntity *entity, const RarrValues *values,
								 List *violations);
extern void rarr_raise_violations(const RarrEntity *entity, List *violations);
extern List *rarr_add_violation(List *violations, const char *field, const char *code, char *message);
extern void rarr_require_text(const RarrRule *rule, const char *name, const text *value,
							  const char *hint);

#endif /* RARR_DATA_VIOLATIONS_H */
