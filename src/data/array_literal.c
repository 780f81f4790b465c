/*
 * array_literal.c
 *		Convert JSON arrays to array literals.
 *
 * Results represent an array column as a JSON array, and a multidimensional
 * one as nested arrays.  This file converts such a value to text for the
 * array's input function, which knows element types, domains, type modifiers
 * and the allowed dimensions.  It is too lenient about the elements' JSON
 * types, so those are checked here: an element must have the JSON type that a
 * column of its type requires.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/json.h"
#include "data/array_literal.h"

/* An array literal under construction. */
typedef struct Literal
{
	StringInfoData text;
	Oid element; /* base type of the elements */
	char delimiter;
	char *problem; /* what is wrong, or NULL */
} Literal;

/* Return what an element's JSON value must be, or NULL if it is that. */
static const char *
check_element(Oid element, const JsonbValue *value)
{
	switch (element)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return value->type == jbvNumeric ? NULL : "a whole number";
		case BOOLOID:
			return value->type == jbvBool ? NULL : "true or false";
		case TEXTOID:
			return value->type == jbvString ? NULL : "a string";
		default:
			return value->type == jbvString || value->type == jbvNumeric ? NULL :
																		   psprintf("a value of type %s", format_type_be(element));
	}
}

/* Append an element in quotes, which the elements of any type may have. */
static void
add_quoted(StringInfo text, const char *string, int length)
{
	appendStringInfoChar(text, '"');
	for (int i = 0; i < length; i++)
	{
		if (string[i] == '"' || string[i] == '\\')
			appendStringInfoChar(text, '\\');
		appendStringInfoChar(text, string[i]);
	}
	appendStringInfoChar(text, '"');
}

static void
add_element(Literal *literal, const JsonbValue *value, int n)
{
	const char *expected;

	if (value->type == jbvNull)
	{
		appendStringInfoString(&literal->text, "NULL");
		return;
	}
	if (literal->element == JSONOID || literal->element == JSONBOID)
	{
		char *json = rarr_json_to_text(value);

		add_quoted(&literal->text, json, strlen(json));
		return;
	}
	expected = check_element(literal->element, value);
	if (expected != NULL)
		literal->problem = psprintf("has element %d, which must be %s, not %s", n, expected,
									rarr_json_describe(value));
	else if (value->type == jbvString)
		add_quoted(&literal->text, value->val.string.val, value->val.string.len);
	else /* a number, true or false */
		appendStringInfoString(&literal->text, rarr_json_to_text(value));
}

static void
add_array(Literal *literal, JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbValue value;
	int n = 0;

	check_stack_depth();
	appendStringInfoChar(&literal->text, '{');
	while (rarr_json_next_element(&it, &value) && literal->problem == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (n++ > 0)
			appendStringInfoChar(&literal->text, literal->delimiter);
		if (rarr_json_is_array(&value) && literal->element != JSONOID &&
			literal->element != JSONBOID)
			add_array(literal, value.val.binary.data);
		else
			add_element(literal, &value, n);
	}
	appendStringInfoChar(&literal->text, '}');
}

/*
 * Convert a JSON array to a literal of an array of the given element type.
 * Returns NULL, and sets *problem to what is wrong, if an element has the
 * wrong JSON type.  In an array of jsonb, a nested array is an element, not a
 * dimension.
 */
char *
rarr_array_literal(Oid element, const JsonbValue *array, char **problem)
{
	Literal literal = {.element = getBaseType(element)};
	int16 length;
	bool by_value;
	char alignment;
	Oid ioparam;
	Oid input;

	get_type_io_data(element, IOFunc_input, &length, &by_value, &alignment, &literal.delimiter,
					 &ioparam, &input);
	initStringInfo(&literal.text);
	add_array(&literal, array->val.binary.data);
	*problem = literal.problem;
	return literal.problem == NULL ? literal.text.data : NULL;
}
