/*
 * value.c
 *		Convert JSON values to column values.
 *
 * A value must have the JSON type that corresponds to the column's type.  In
 * particular, a string is not accepted as a number, so that a client's mistake
 * is reported and not guessed at.  Types without a JSON counterpart (ids,
 * times, dates, and most types of users' columns) are strings, which the
 * type's input function reads.  An array is a JSON array, as in results, or a
 * string.
 *
 * An input function reports invalid input by raising an error.  The input
 * functions of the types in the extension's tables only look at the string, so
 * their errors can be caught and dropped right here.  Others are called in a
 * subtransaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/json.h"
#include "base/subtransaction.h"
#include "data/array_literal.h"
#include "data/value.h"

static bool
is_whole_number(const JsonbValue *value)
{
	return value->type == jbvNumeric && strchr(rarr_json_to_text(value), '.') == NULL;
}

/* Fill in a violation for a number out of range. */
static bool
out_of_range(const RarrEntityColumn *column, int64 limit, const JsonbValue *value, RarrViolation *violation)
{
	bool ruled = column->rule != NULL && column->rule->kind == RARR_RULE_INT;

	return rarr_violates(violation, column->name, "out_of_range",
						 psprintf("must be from " INT64_FORMAT " to " INT64_FORMAT ", not %s",
								  ruled ? column->rule->min : -limit - 1,
								  ruled ? column->rule->max : limit, rarr_json_describe(value)));
}

static bool
read_int(const RarrEntityColumn *column, const JsonbValue *value, Datum *result, RarrViolation *violation)
{
	int64 number;
	char *problem = rarr_json_int(value, &number);
	int64 limit = column->type == INT2OID ? PG_INT16_MAX :
				  column->type == INT4OID ? PG_INT32_MAX :
											PG_INT64_MAX;

	if (problem != NULL && is_whole_number(value))
		return out_of_range(column, limit, value, violation);
	if (problem != NULL)
		return rarr_violates(violation, column->name, "wrong_type", problem);
	if (number > limit || number < -limit - 1)
	{
		if (column->rule != NULL && !rarr_check_int(column->rule, number, violation))
			return false;
		return rarr_violates(violation, column->name, "out_of_range",
							 psprintf("must be from " INT64_FORMAT " to " INT64_FORMAT ", not " INT64_FORMAT,
									  -limit - 1, limit, number));
	}
	*result = column->type == INT2OID ? Int16GetDatum((int16) number) :
			  column->type == INT4OID ? Int32GetDatum((int32) number) :
										Int64GetDatum(number);
	return true;
}

static bool
read_text(const RarrEntityColumn *column, const JsonbValue *value, Datum *result, RarrViolation *violation)
{
	const char *text;
	int length;
	char *problem = rarr_json_text(value, &text, &length);

	if (problem != NULL)
		return rarr_violates(violation, column->name, "wrong_type", problem);
	*result = PointerGetDatum(cstring_to_text_with_len(text, length));
	return true;
}

static bool
read_jsonb(const JsonbValue *value, Datum *result)
{
	JsonbValue copy = *value;

	*result = JsonbPGetDatum(JsonbValueToJsonb(&copy));
	return true;
}

/* Can errors of the input function be caught without a subtransaction? */
static bool
has_plain_input(Oid type)
{
	return type == UUIDOID || type == TIMESTAMPTZOID || type == DATEOID;
}

/* Return the name of the column's type for a message. */
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

/* Are the type's values, or its elements, names of database objects? */
static bool
names_objects(Oid type)
{
	Oid element = get_base_element_type(type);

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

/* A call of an input function. */
typedef struct InputCall
{
	const RarrEntityColumn *column;
	Oid input;
	Oid ioparam;
	char *string;
	Datum result;
} InputCall;

static bool
call_input(void *arg)
{
	InputCall *call = arg;

	call->result = OidInputFunctionCall(call->input, call->string, call->ioparam,
										call->column->typmod);
	return true;
}

/* Does the error mean that the string is not a valid value of the type? */
static bool
is_about_value(const ErrorData *error, void *arg)
{
	const InputCall *call = arg;

	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION: /* a domain's CHECK ... */
		case MAKE_SQLSTATE('P', '0', '0', '0', '0'): /* ... a function in it */
			return true;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INVALID_SCHEMA_NAME:
			if (names_objects(call->column->type))
				return error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE;
	}
	return error->sqlerrcode == ERRCODE_SYNTAX_ERROR ||         /* jsonpath, tsquery */
		   error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED; /* tsvector */
}

/*
 * Call the input function of a type that has_plain_input().  Returns false if
 * it raises an error.  It is safe to continue after the error, because these
 * functions take no lock, pin or other resource, and run no users' code.
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
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (!is_about_value(error, call))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return read;
}

/* Read a string with the column type's input function. */
static bool
read_input(const RarrEntityColumn *column, char *string, Datum *result, RarrViolation *violation)
{
	InputCall call = {.column = column, .string = string};
	ErrorData *error;

	getTypeInputInfo(column->type, &call.input, &call.ioparam);
	if (has_plain_input(column->type) ? read_plain(&call) :
										rarr_subtransaction(call_input, is_about_value, &call, &error))
	{
		*result = call.result;
		return true;
	}
	return rarr_violates(violation, column->name, "wrong_form",
						 psprintf("must be %s, not %s", describe_type(column),
								  rarr_quote_clipped(string, strlen(string))));
}

/*
 * Read a value of any other type.  Booleans, JSON and arrays have the JSON
 * type that results give them, also for domains and for json.
 */
static bool
read_other(const RarrEntityColumn *column, const JsonbValue *value, Datum *result,
		   RarrViolation *violation)
{
	Oid base = getBaseType(column->type);
	char *problem;
	char *literal;

	if (value->type == jbvString)
		return read_input(column, pnstrdup(value->val.string.val, value->val.string.len), result,
						  violation);
	if (base == JSONOID || base == JSONBOID || (base == BOOLOID && value->type == jbvBool) ||
		(value->type == jbvNumeric && !has_plain_input(column->type)))
		return read_input(column, rarr_json_to_text(value), result, violation);
	if (OidIsValid(get_element_type(base)) && rarr_json_is_array(value))
	{
		literal = rarr_array_literal(get_element_type(base), value, &problem);
		if (literal == NULL)
			return rarr_violates(violation, column->name, "wrong_type", problem);
		return read_input(column, literal, result, violation);
	}
	return rarr_violates(violation, column->name, "wrong_type",
						 psprintf("must be %s, not %s", describe_type(column),
								  rarr_json_describe(value)));
}

/*
 * Convert a JSON value, other than null, to a value of the column's type.
 * Returns false and fills in *violation if the value is not valid for the
 * type.  Does not check the column's rule.  The result is allocated in the
 * current memory context.
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
				return rarr_violates(violation, column->name, "wrong_type",
									 psprintf("must be true or false, not %s", rarr_json_describe(value)));
			*result = BoolGetDatum(value->val.boolean);
			return true;
		default:
			return read_other(column, value, result, violation);
	}
}
