/*
 * diff.h
 *		Compute the difference of two rows as jsonb.
 */
#ifndef RARR_AUDIT_DIFF_H
#define RARR_AUDIT_DIFF_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "base/volatile.h"
#include "audit/to_json.h"

/*
 * Limits in bytes: longer text is truncated, and a larger value of another
 * type is not recorded.  A jsonb of this size has room for any valid metadata
 * (metadata.c).
 */
#define RARR_DIFF_MAX_TEXT (1024 * 1024)
#define RARR_DIFF_MAX_JSON (4 * RARR_DIFF_MAX_TEXT + 64)

/* how the values of a type are converted to JSON */
typedef enum RarrDiffKind
{
	RARR_DIFF_BOOL,
	RARR_DIFF_INT2,
	RARR_DIFF_INT4,
	RARR_DIFF_INT8,
	RARR_DIFF_TEXT,
	RARR_DIFF_UUID,
	RARR_DIFF_JSONB,
	RARR_DIFF_TIME, /* date, timestamp, timestamptz: in UTC */
	RARR_DIFF_OTHER /* by to_jsonb() (to_json.c) */
} RarrDiffKind;

/* a column to compare */
typedef struct RarrDiffColumn
{
	AttrNumber attnum;
	Oid type; /* base type of a domain */
	int16 typlen;
	bool typbyval;
	RarrDiffKind kind;
	const char *name;
	bool masked;          /* values are shown as *** */
	AttrNumber masked_if; /* ... if not 0: only if this column is true */
	bool assigned;        /* did the statement assign it? */
	RarrVolatile where_volatile;
	RarrToJson to_json; /* for RARR_DIFF_OTHER */
} RarrDiffColumn;

extern void rarr_diff_init_column(RarrDiffColumn *column, Form_pg_attribute att);
extern bool rarr_diff_value(const RarrDiffColumn *column, Datum datum, Size max_bytes, JsonbValue *value);
extern Datum rarr_diff_rows(const RarrDiffColumn *columns, int ncolumns,
							TupleTableSlot *old_row, TupleTableSlot *new_row);

#endif /* RARR_AUDIT_DIFF_H */
