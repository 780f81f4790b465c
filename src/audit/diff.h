/*-------------------------------------------------------------------------
 *
 * diff.h
 *		What two rows differ in, as jsonb.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_AUDIT_DIFF_H
#define RARR_AUDIT_DIFF_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "audit/to_json.h"

/* a text that is longer loses its end; as of other values, none is kept that is
 * larger than any metadata of a legal size */
#define RARR_DIFF_MAX_TEXT	(1024 * 1024)
#define RARR_DIFF_MAX_JSON	(4 * RARR_DIFF_MAX_TEXT + 64)

/* how a type's values become JSON */
typedef enum RarrDiffKind
{
	RARR_DIFF_BOOL,
	RARR_DIFF_INT2,
	RARR_DIFF_INT4,
	RARR_DIFF_INT8,
	RARR_DIFF_TEXT,
	RARR_DIFF_UUID,
	RARR_DIFF_JSONB,
	RARR_DIFF_TIME,				/* date, timestamp, timestamptz: as UTC */
	RARR_DIFF_OTHER				/* by to_jsonb(), under the session's settings (to_json.c) */
} RarrDiffKind;

/* a column that is compared */
typedef struct RarrDiffColumn
{
	AttrNumber	attnum;
	Oid			type;			/* a domain's base type */
	int16		typlen;
	bool		typbyval;
	RarrDiffKind kind;
	const char *name;
	bool		masked;			/* values are shown as *** ... */
	AttrNumber	masked_if;		/* ... if not 0: where this column is true */
	bool		assigned;		/* did the statement assign it? */
	RarrToJson	to_json;		/* RARR_DIFF_OTHER only */
} RarrDiffColumn;

extern void rarr_diff_init_column(RarrDiffColumn *column, Form_pg_attribute att);
extern bool rarr_diff_value(const RarrDiffColumn *column, Datum datum, Size max_bytes, JsonbValue *value);
extern Datum rarr_diff_rows(const RarrDiffColumn *columns, int ncolumns,
							TupleTableSlot *old_row, TupleTableSlot *new_row);

#endif							/* RARR_AUDIT_DIFF_H */
