/*
 * statements.h
 *		The statements that write items.
 */
#ifndef RARR_DATA_IMPORT_STATEMENTS_H
#define RARR_DATA_IMPORT_STATEMENTS_H

#include "data/import/state.h"

/* the array parameters of every statement: these, then the kind's fields */
enum
{
	PARAM_ID,
	PARAM_EXTERNAL_ID,
	PARAM_TITLE,
	PARAM_EXTRA,
	PARAM_FIELDS
};
#define MAX_PARAMS	(PARAM_FIELDS + IMPORT_MAX_FIELDS)

/* the statements for a kind of object */
typedef struct ImportPlans
{
	const ImportKind *kind;
	Oid			types[MAX_PARAMS];	/* of the elements */
	SPIPlanPtr	match;
	SPIPlanPtr	insert;
	SPIPlanPtr	update;
	SPIPlanPtr	update_id;		/* also sets the external id */
	SPIPlanPtr	park;			/* NULL if no row can change its place */
	SPIPlanPtr	put;
} ImportPlans;

extern ImportPlans *rarr_import_prepare(const ImportKind *kind);

#endif							/* RARR_DATA_IMPORT_STATEMENTS_H */
