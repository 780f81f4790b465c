/*
 * diff.c
 *		Compute the difference of two rows as jsonb.
 *
 * Two values differ if their detoasted bytes differ.  1.0 and 1.00 are therefore
 * different, because a reader sees different values and a revert must restore
 * the original.  A toasted value that an update did not change keeps its toast
 * pointer and is not fetched, nor are two values of different lengths.
 *
 * The size of a row's record is limited: it must fit into a jsonb, and an
 * append-only log must not collect what nobody will read.  A long text is
 * truncated.  For a larger value of another type, only its size is recorded.
 * In both cases the column's member says so: "truncated": true.
 *
 * Of two JSON objects, only the members that differ are recorded, and the column's
 * member says so: "partial": true.  Volatile members (base/volatile.c) are left
 * out, and a column in which nothing else differs is not recorded.
 *
 * This file reads no tables.  It allocates in the current memory context, which the
 * caller resets after each row.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "base/json.h"
#include "base/volatile.h"
#include "audit/diff.h"

#define MASK "***"

/* limit for all values of a row together, in bytes of their JSON */
#define MAX_ROW_BYTES (16 * 1024 * 1024)

static RarrDiffKind
kind_of_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return RARR_DIFF_BOOL;
		case INT2OID:
			return RARR_DIFF_INT2;
		case INT4OID:
			return RARR_DIFF_INT4;
		case INT8OID:
			return RARR_DIFF_INT8;
		case TEXTOID:
		case VARCHAROID:
			return RARR_DIFF_TEXT;
		case UUIDOID:
			return RARR_DIFF_UUID;
		case JSONBOID:
			return RARR_DIFF_JSONB;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return RARR_DIFF_TIME;
		default:
			return RARR_DIFF_OTHER;
	}
}

/*
 * Initialize the description of a column, unmasked. att and the current memory
 * context must live as long as the description.  Domains are resolved to their
 * base type.
 */
void
rarr_diff_init_column(RarrDiffColumn *column, Form_pg_attribute att)
{
	column->attnum = att->attnum;
	column->type = getBaseType(att->atttypid);
	column->typlen = att->attlen;
	column->typbyval = att->attbyval;
	column->kind = kind_of_type(column->type);
	column->name = NameStr(att->attname);
	column->masked = false;
	column->masked_if = 0;
	column->where_volatile = RARR_VOLATILE_NOWHERE;
	if (column->kind == RARR_DIFF_OTHER)
		rarr_to_json_init(&column->to_json, column->type);
}

static void
string_value(JsonbValue *value, const char *text)
{
	rarr_json_set_string(value, text, strlen(text));
}

/* Return the size of a value in bytes, without fetching out-of-line data. */
static Size
value_size(const RarrDiffColumn *column, Datum datum)
{
	return column->typlen == -1 ? toast_raw_datum_size(datum) - VARHDRSZ : 0;
}

/* Record a value's size in place of a value that is too large. */
static void
size_value(JsonbValue *value, Size size)
{
	string_value(value, psprintf("(%zu bytes)", size));
}

/* Make a JSON string of a text; false if it was cut to max_bytes. */
static bool
text_value(JsonbValue *value, Datum datum, Size size, Size max_bytes)
{
	text *string;

	if (size <= max_bytes)
	{
		string = DatumGetTextPP(datum);
		rarr_json_set_string(value, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
		return true;
	}
	string = DatumGetTextPSlice(datum, 0, max_bytes);
	rarr_json_set_string(value, VARDATA_ANY(string),
						 pg_mbcliplen(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), max_bytes));
	return false;
}

/* Record a jsonb, or its size, and return false, if it exceeds max_bytes. */
static bool
bounded_jsonb_value(JsonbValue *value, Jsonb *jsonb, Size max_bytes)
{
	if (VARSIZE(jsonb) > max_bytes)
	{
		size_value(value, VARSIZE(jsonb) - VARHDRSZ);
		return false;
	}
	rarr_jsonb_as_value(jsonb, value);
	return true;
}

/*
 * Convert a column's value, which must not be NULL, to JSON.  The result may
 * point into datum.  Returns false if the value exceeds max_bytes; the result
 * is then truncated or only the value's size.
 */
bool
rarr_diff_value(const RarrDiffColumn *column, Datum datum, Size max_bytes, JsonbValue *value)
{
	Size size = value_size(column, datum);

	value->type = jbvNumeric;
	switch (column->kind)
	{
		case RARR_DIFF_BOOL:
			value->type = jbvBool;
			value->val.boolean = DatumGetBool(datum);
			break;
		case RARR_DIFF_INT2:
			value->val.numeric = int64_to_numeric(DatumGetInt16(datum));
			break;
		case RARR_DIFF_INT4:
			value->val.numeric = int64_to_numeric(DatumGetInt32(datum));
			break;
		case RARR_DIFF_INT8:
			value->val.numeric = int64_to_numeric(DatumGetInt64(datum));
			break;
		case RARR_DIFF_TEXT:
			return text_value(value, datum, size, Min(max_bytes, RARR_DIFF_MAX_TEXT));
		case RARR_DIFF_UUID:
			string_value(value, DatumGetCString(DirectFunctionCall1(uuid_out, datum)));
			break;
		case RARR_DIFF_TIME:
			string_value(value, rarr_json_time(datum, column->type));
			break;
		case RARR_DIFF_JSONB:
		case RARR_DIFF_OTHER:
			if (size > Min(max_bytes, column->kind == RARR_DIFF_JSONB ? RARR_DIFF_MAX_JSON : RARR_DIFF_MAX_TEXT))
			{
				size_value(value, size);
				return false;
			}
			return bounded_jsonb_value(value, column->kind == RARR_DIFF_JSONB ? DatumGetJsonbP(datum) : rarr_to_json(&column->to_json, datum),
									   Min(max_bytes, RARR_DIFF_MAX_JSON));
	}
	return true;
}

static bool
same_value(const RarrDiffColumn *column, Datum a, Datum b)
{
	if (column->typlen == -1 &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(a)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), VARSIZE_EXTERNAL(DatumGetPointer(a))) == 0)
		return true;
	return datum_image_eq(a, b, column->typbyval, column->typlen);
}

static bool
is_true(TupleTableSlot *row, AttrNumber attnum)
{
	return row && !row->tts_isnull[attnum - 1] && DatumGetBool(row->tts_values[attnum - 1]);
}

/* Subtract a value's size from the bytes left for its row. */
static Size
bytes_left(Size left, const JsonbValue *value)
{
	Size used = value->type == jbvString ? value->val.string.len :
				value->type == jbvBinary ? value->val.binary.len :
										   0;

	return left - Min(left, used);
}

/*
 * Push the value of one side, "old" or "new". left is the number of bytes left
 * for the row.  Returns false if the value is truncated or missing.
 */
static bool
push_side(JsonbParseState **state, const char *side, const RarrDiffColumn *column,
		  bool masked, TupleTableSlot *row, Size *left)
{
	JsonbValue value;
	bool whole = true;

	if (row->tts_isnull[column->attnum - 1])
		value.type = jbvNull;
	else if (masked)
		string_value(&value, MASK);
	else
		whole = rarr_diff_value(column, row->tts_values[column->attnum - 1], *left, &value);
	*left = bytes_left(*left, &value);
	rarr_json_put(state, side, &value);
	return whole;
}

/* Begin the changes of a column. */
static void
begin_column(JsonbParseState **state, const RarrDiffColumn *column)
{
	JsonbValue key;

	string_value(&key, column->name);
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
}

/* End the changes of a column, with a mark if it is not NULL. */
static void
end_column(JsonbParseState **state, const char *mark)
{
	JsonbValue yes = {.type = jbvBool, .val.boolean = true};

	if (mark != NULL)
		rarr_json_put(state, mark, &yes);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Push the changes of a column. */
static void
push_column(JsonbParseState **state, const RarrDiffColumn *column, bool masked,
			TupleTableSlot *old_row, TupleTableSlot *new_row, Size *left)
{
	bool whole = true;

	begin_column(state, column);
	if (new_row)
		whole &= push_side(state, "new", column, masked, new_row, left);
	if (old_row)
		whole &= push_side(state, "old", column, masked, old_row, left);
	end_column(state, whole ? NULL : "truncated");
}

/* Push the members of one side, or their size.  Returns false if they are too large. */
static bool
push_members(JsonbParseState **state, const char *side, Jsonb *members, Size *left)
{
	JsonbValue value;
	bool whole = bounded_jsonb_value(&value, members, Min(*left, RARR_DIFF_MAX_JSON));

	*left = bytes_left(*left, &value);
	rarr_json_put(state, side, &value);
	return whole;
}

/*
 * Return a column's value if it is a JSON object that is not too large to be
 * compared, and NULL otherwise.
 */
static Jsonb *
object_value(const RarrDiffColumn *column, TupleTableSlot *row)
{
	Datum datum;
	Jsonb *jsonb;

	if (row == NULL || row->tts_isnull[column->attnum - 1])
		return NULL;
	datum = row->tts_values[column->attnum - 1];
	if (value_size(column, datum) > RARR_DIFF_MAX_JSON)
		return NULL;
	jsonb = DatumGetJsonbP(datum);
	return JB_ROOT_IS_OBJECT(jsonb) ? jsonb : NULL;
}

/* Push the members of a column that differ. */
static void
push_changes(JsonbParseState **state, const RarrDiffColumn *column, const RarrJsonChanges *changes, Size *left)
{
	bool whole;

	begin_column(state, column);
	whole = push_members(state, "new", changes->new_members, left);
	whole &= push_members(state, "old", changes->old_members, left);
	end_column(state, whole ? "partial" : "truncated");
}

static bool
is_masked(const RarrDiffColumn *column, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	return column->masked &&
		   (column->masked_if == 0 ||
			is_true(old_row, column->masked_if) || is_true(new_row, column->masked_if));
}

/*
 * Has the column nothing to record?  An assigned masked value is always
 * recorded, even if it is unchanged; otherwise the log would confirm a guess.
 */
static bool
is_silent(const RarrDiffColumn *column, bool masked, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	int i = column->attnum - 1;
	bool old_null = old_row == NULL || old_row->tts_isnull[i];
	bool new_null = new_row == NULL || new_row->tts_isnull[i];

	if (old_null || new_null)
		return old_null && new_null;
	if (masked && column->assigned)
		return false;
	return same_value(column, old_row->tts_values[i], new_row->tts_values[i]);
}

/* How a column differs between two rows. */
typedef enum Difference
{
	DIFFERS_NOT,
	DIFFERS_WHOLLY,
	DIFFERS_IN_MEMBERS /* objects: *changes is set */
} Difference;

static Difference
compare_column(const RarrDiffColumn *column, bool masked, TupleTableSlot *old_row, TupleTableSlot *new_row,
			   RarrJsonChanges *changes)
{
	Jsonb *old_object, *new_object;

	if (is_silent(column, masked, old_row, new_row))
		return DIFFERS_NOT;
	if (masked || column->kind != RARR_DIFF_JSONB ||
		(old_object = object_value(column, old_row)) == NULL ||
		(new_object = object_value(column, new_row)) == NULL)
		return DIFFERS_WHOLLY;
	return rarr_json_changes(old_object, new_object, column->where_volatile, changes) ? DIFFERS_IN_MEMBERS : DIFFERS_NOT;
}

/*
 * Return the changes between two rows as jsonb, or 0 if there are none.  The
 * result is {"column": {"old": ..., "new": ...}, ...}. old_row is NULL for an
 * inserted row, and new_row is NULL for a deleted one; the result then has the
 * values that are not NULL as {"column": {"new": ...}}.
 */
Datum
rarr_diff_rows(const RarrDiffColumn *columns, int ncolumns,
			   TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	JsonbParseState *state = NULL;
	Size left = MAX_ROW_BYTES;

	if (old_row)
		slot_getallattrs(old_row);
	if (new_row)
		slot_getallattrs(new_row);
	if (old_row == NULL || new_row == NULL)
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);

	for (int i = 0; i < ncolumns; i++)
	{
		const RarrDiffColumn *column = &columns[i];
		bool masked = is_masked(column, old_row, new_row);
		RarrJsonChanges changes;
		Difference difference = compare_column(column, masked, old_row, new_row, &changes);

		if (difference == DIFFERS_NOT)
			continue;
		if (state == NULL)
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		if (difference == DIFFERS_IN_MEMBERS)
			push_changes(&state, column, &changes, &left);
		else
			push_column(&state, column, masked, old_row, new_row, &left);
	}
	if (state == NULL)
		return (Datum) 0;
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
