/*
 * value.c
 *		JSON values as values of a column.
 *
 *		A value must have the JSON type that the column's type looks like: a
 *		string is no number here, so that a client's mistake is found and not
 *		guessed at.  What has no JSON type of its own (ids, times, dates, and the
 *		types of users' columns) is a string, and read by the type's input
 *		function.  That one says no by an error; for the types that the
 *		extension's tables have, whose functions only look at the string, the error
 *		can be caught and dropped right here, others are called in a
 *		subtransaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/json.h"
#include "data/value.h"

static bool
complain(const RarrEntityColumn *column, RarrViolation *violation, const char *code, char *message)
{
	violation->field = column->name;
	violation->code = code;
	violation->message = message;
	return false;
}

static bool
is_whole_number(const JsonbValue *value)
{
	return value->type == jbvNumeric &&
		strchr(DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric))), '.') == NULL;
}

/* A number beyond 64 bits. */
static bool
out_of_range(const RarrEntityColumn *column, int64 limit, const JsonbValue *value, RarrViolation *violation)
{
	bool		ruled = column->rule != NULL && column->rule->kind == RARR_RULE_INT;

	return complain(column, violation, "out_of_range",
					psprintf("must be from " INT64_FORMAT " to " INT64_FORMAT ", not %s",
							 ruled ? column->rule->min : -limit - 1,
							 ruled ? column->rule->max : limit, rarr_json_describe(value)));
}

static bool
read_int(const RarrEntityColumn *column, const JsonbValue *value, Datum *result, RarrViolation *violation)
{
	int64		number;
	char	   *problem = rarr_json_int(value, &number);
	int64		limit = column->type == INT2OID ? PG_INT16_MAX :
		column->type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;

	if (problem != NULL && is_whole_number(value))
		return out_of_range(column, limit, value, violation);
	if (problem != NULL)
		return complain(column, violation, "wrong_type", problem);
	if (number > limit || number < -limit - 1)
	{
		if (column->rule != NULL && !rarr_check_int(column->rule, number, violation))
			return false;
		return complain(column, violation, "out_of_range",
						psprintf("must be from " INT64_FORMAT " to " INT64_FORMAT ", not " INT64_FORMAT,
								 -limit - 1, limit, number));
	}
	*result = column->type == INT2OID ? Int16GetDatum((int16) number) :
		column->type == INT4OID ? Int32GetDatum((int32) number) : Int64GetDatum(number);
	return true;
}

static bool
read_text(const RarrEntityColumn *column, const JsonbValue *value, Datum *result, RarrViolation *violation)
{
	const char *text;
	int			length;
	char	   *problem = rarr_json_text(value, &text, &length);

	if (problem != NULL)
		return complain(column, violation, "wrong_type", problem);
	*result = PointerGetDatum(cstring_to_text_with_len(text, length));
	return true;
}

static bool
read_jsonb(const JsonbValue *value, Datum *result)
{
	JsonbValue	copy = *value;

	*result = JsonbPGetDatum(JsonbValueToJsonb(&copy));
	return true;
}

/* May an error of the type's input function be caught without further ado? */
static bool
has_plain_input(Oid type)
{
	return type == UUIDOID || type == TIMESTAMPTZOID || type == DATEOID;
}

/* What the type is called in a message. */
static const char *
describe_type(const RarrEntityColumn *column)
{
	switch (column->type)
	{
		case UUIDOID:
			return "a UUID";
		case TIMESTAMPTZOID:
			return "a time";
		case DATEOID:
			return "a date";
		default:
			return psprintf("a value of type %s",
							format_type_with_typemod(column->type, column->typmod));
	}
}

/* Does the error say that the value is none of its type's? */
static bool
is_about_value(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:	/* a domain's CHECK ... */
		case MAKE_SQLSTATE('P', '0', '0', '0', '0'):	/* ... and a function in it */
			return true;
	}
	return error->sqlerrcode == ERRCODE_SYNTAX_ERROR;	/* jsonpath, tsquery */
}

/* The string, read by the type's input function; false where that fails. */
static bool
call_input(const RarrEntityColumn *column, char *string, Datum *result)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool subtransaction = !has_plain_input(column->type);
	volatile bool read = false;
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(column->type, &input, &ioparam);
	if (subtransaction)
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(cxt);
	}
	PG_TRY();
	{
		*result = OidInputFunctionCall(input, string, ioparam, column->typmod);
		read = true;
		if (subtransaction)
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (!is_about_value(error))
			PG_RE_THROW();
		FlushErrorState();
		if (subtransaction)
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return read;
}

static bool
read_string(const RarrEntityColumn *column, const JsonbValue *value, Datum *result,
			RarrViolation *violation)
{
	char	   *string;

	if (value->type == jbvNumeric && !has_plain_input(column->type))
		string = DatumGetCString(DirectFunctionCall1(numeric_out,
													 NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString)
		string = pnstrdup(value->val.string.val, value->val.string.len);
	else
		return complain(column, violation, "wrong_type",
						psprintf("must be %s, not %s", describe_type(column),
								 rarr_json_describe(value)));
	if (call_input(column, string, result))
		return true;
	return complain(column, violation, "wrong_form",
					psprintf("must be %s, not %s", describe_type(column),
							 rarr_quote_clipped(string, strlen(string))));
}

/*
 * Reads a value, other than null, for the column.  False where the column's
 * type has no such value: then the violation says how.  Rules are not looked at.
 */
bool
rarr_value_read(const RarrEntityColumn *column, const JsonbValue *value, Datum *result,
				RarrViolation *violation)
{
	switch (column->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return read_int(column, value, result, violation);
		case TEXTOID:
			return read_text(column, value, result, violation);
		case JSONBOID:
			return read_jsonb(value, result);
		case BOOLOID:
			if (value->type != jbvBool)
				return complain(column, violation, "wrong_type",
								psprintf("must be true or false, not %s", rarr_json_describe(value)));
			*result = BoolGetDatum(value->val.boolean);
			return true;
		default:
			return read_string(column, value, result, violation);
	}
}
