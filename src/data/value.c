/*
 * value.c
 *		JSON values as values of a column.
 *
 *		A value must have the JSON type that the column's type looks like: a
 *		string is no number here, so that a client's mistake is found and not
 *		guessed at.  What has no JSON type of its own (ids, times, dates, and most
 *		types of users' columns) is a string, and read by the type's input
 *		function.  An array is an array, as results give it, or a string.
 *
 *		An input function says no by an error.  Those of the types that the
 *		extension's tables have only look at the string, so that the error can be
 *		caught and dropped right here; others are called in a subtransaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/subtransaction.h"
#include "data/array_literal.h"
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

/* Is it a type, or an array of one, whose values are names of objects? */
static bool
names_objects(Oid type)
{
	Oid			element = get_base_element_type(type);

	switch (OidIsValid(element) ? element : getBaseType(type))
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case ACLITEMOID:
			return true;
		default:
			return false;
	}
}

/* A call of a type's input function. */
typedef struct InputCall
{
	const RarrEntityColumn *column;
	Oid			input;
	Oid			ioparam;
	char	   *string;
	Datum		result;
} InputCall;

static bool
call_input(void *arg)
{
	InputCall  *call = arg;

	call->result = OidInputFunctionCall(call->input, call->string, call->ioparam,
										call->column->typmod);
	return true;
}

/* Does the error say that the value is none of its type's? */
static bool
is_about_value(const ErrorData *error, void *arg)
{
	const InputCall *call = arg;

	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:	/* a domain's CHECK ... */
		case MAKE_SQLSTATE('P', '0', '0', '0', '0'):	/* ... and a function in it */
			return true;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INVALID_SCHEMA_NAME:
			if (names_objects(call->column->type))
				return error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE;
	}
	return error->sqlerrcode == ERRCODE_SYNTAX_ERROR || /* jsonpath, tsquery */
		error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;	/* too long for a tsvector */
}

/*
 * The string, read by the input function of a type that has_plain_input(); false
 * where that fails.  It is safe to go on after the error: these functions take
 * no lock, pin or other resource, and run nobody's code.
 */
static bool
read_plain(InputCall *call)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool read = false;

	PG_TRY();
	{
		read = call_input(call);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (!is_about_value(error, call))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return read;
}

/* Reads the value that a string, in the form of the type's input function, has. */
static bool
read_input(const RarrEntityColumn *column, char *string, Datum *result, RarrViolation *violation)
{
	InputCall	call = {.column = column,.string = string};
	ErrorData  *error;

	getTypeInputInfo(column->type, &call.input, &call.ioparam);
	if (has_plain_input(column->type) ? read_plain(&call) :
		rarr_subtransaction(call_input, is_about_value, &call, &error))
	{
		*result = call.result;
		return true;
	}
	return complain(column, violation, "wrong_form",
					psprintf("must be %s, not %s", describe_type(column),
							 rarr_quote_clipped(string, strlen(string))));
}

static char *
json_to_text(const JsonbValue *value)
{
	JsonbValue	copy = *value;
	Jsonb	   *jsonb = JsonbValueToJsonb(&copy);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/*
 * Reads a value of any other type.  Results give booleans, JSON and arrays as
 * what they are also where they are of a domain, or of type json.
 */
static bool
read_other(const RarrEntityColumn *column, const JsonbValue *value, Datum *result,
		   RarrViolation *violation)
{
	Oid			base = getBaseType(column->type);
	char	   *problem;
	char	   *literal;

	if (value->type == jbvString)
		return read_input(column, pnstrdup(value->val.string.val, value->val.string.len), result,
						  violation);
	if (base == JSONOID || base == JSONBOID || (base == BOOLOID && value->type == jbvBool) ||
		(value->type == jbvNumeric && !has_plain_input(column->type)))
		return read_input(column, json_to_text(value), result, violation);
	if (OidIsValid(get_element_type(base)) && rarr_json_is_array(value))
	{
		literal = rarr_array_literal(get_element_type(base), value, &problem);
		if (literal == NULL)
			return complain(column, violation, "wrong_type", problem);
		return read_input(column, literal, result, violation);
	}
	return complain(column, violation, "wrong_type",
					psprintf("must be %s, not %s", describe_type(column),
							 rarr_json_describe(value)));
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
			return read_other(column, value, result, violation);
	}
}
