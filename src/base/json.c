/*
 * json.c
 *		Read typed members of jsonb objects, and build jsonb objects.
 *
 * JSON input comes from other programs.  The readers therefore raise no error.
 * They return a description of what is wrong with a value, such as "must be a
 * whole number, not \"soon\"", for the caller to put after the member's name.
 * The caller decides whether to raise it or to collect it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "base/json.h"

/* longest excerpt of a value in a message, in bytes */
#define SHOWN_BYTES 64

/* Find a member of an object.  Returns false if it is absent or null. */
bool
rarr_json_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL &&
		   value->type != jbvNull;
}

/* Is the value, of an iterator or rarr_json_member(), an object? */
bool
rarr_json_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* Is the value, of an iterator or rarr_json_member(), an array? */
bool
rarr_json_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

/* Put a string in double quotes, truncated to SHOWN_BYTES. */
char *
rarr_quote_clipped(const char *string, int length)
{
	int shown = length > SHOWN_BYTES ? pg_mbcliplen(string, length, SHOWN_BYTES) : length;

	return psprintf("\"%.*s%s\"", shown, string, shown < length ? "..." : "");
}

static char *
number_text(const JsonbValue *value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(value->val.numeric)));
}

/* Describe a value for a message: itself, or its kind if it is large. */
char *
rarr_json_describe(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		case jbvString:
			return rarr_quote_clipped(value->val.string.val, value->val.string.len);
		case jbvNumeric:
		{
			char *number = number_text(value);

			return psprintf("%.*s%s", SHOWN_BYTES, number,
							strlen(number) > SHOWN_BYTES ? "..." : "");
		}
		default:
			return rarr_json_is_object(value) ? "an object" : "an array";
	}
}

/*
 * Read a string.  Returns NULL, or a description of what is wrong. *string is
 * not copied and not null-terminated; *length is in bytes.
 */
char *
rarr_json_text(const JsonbValue *value, const char **string, int *length)
{
	if (value->type != jbvString)
		return psprintf("must be a string, not %s", rarr_json_describe(value));
	*string = value->val.string.val;
	*length = value->val.string.len;
	return NULL;
}

/*
 * Read an integer of 64 bits.  Its fraction, if it is written with one, must be
 * zero.  Returns NULL, or a description of what is wrong.
 */
char *
rarr_json_int(const JsonbValue *value, int64 *number)
{
	if (value->type == jbvNumeric)
	{
		char *text = number_text(value);
		char *end;

		errno = 0;
		*number = strtoll(text, &end, 10);
		if (end > text && *end == '.')
			end += 1 + strspn(end + 1, "0");
		if (errno == 0 && end > text && *end == '\0')
			return NULL;
	}
	return psprintf("must be a whole number, not %s", rarr_json_describe(value));
}

/* Get the next element of an array.  Returns false at the end. */
bool
rarr_json_next_element(JsonbIterator **it, JsonbValue *element)
{
	JsonbIteratorToken token;

	do
		token = JsonbIteratorNext(it, element, true);
	while (token != WJB_ELEM && token != WJB_DONE);
	return token == WJB_ELEM;
}

/* Get the next member of an object.  Returns false at the end. */
bool
rarr_json_next_member(JsonbIterator **it, JsonbValue *name, JsonbValue *value)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(it, value, true)) != WJB_VALUE && token != WJB_DONE)
	{
		if (token == WJB_KEY)
			*name = *value;
	}
	return token == WJB_VALUE;
}

/* Make a value of a whole jsonb, as an iterator would. */
void
rarr_jsonb_as_value(Jsonb *jsonb, JsonbValue *value)
{
	if (JsonbExtractScalar(&jsonb->root, value))
		return;
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

/* Return the text form of a value. */
char *
rarr_json_to_text(const JsonbValue *value)
{
	JsonbValue copy = *value;
	Jsonb *jsonb = JsonbValueToJsonb(&copy);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Make a value of a string, which is not copied. length is in bytes. */
void
rarr_json_set_string(JsonbValue *value, const char *string, int length)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = length;
}

/* Append a member to the object under construction. */
void
rarr_json_put(JsonbParseState **state, const char *name, JsonbValue *value)
{
	JsonbValue key;

	rarr_json_set_string(&key, name, strlen(name));
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, value);
}

/* Like rarr_json_put(), for a string, which must live as long as the state. */
void
rarr_json_put_text(JsonbParseState **state, const char *name, const char *string)
{
	JsonbValue value;

	rarr_json_set_string(&value, string, strlen(string));
	rarr_json_put(state, name, &value);
}

/* Like rarr_json_put(), for an integer. */
void
rarr_json_put_int(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	rarr_json_put(state, name, &value);
}

/*
 * Format a date, timestamp or timestamptz as ISO 8601.  A timestamptz is
 * always formatted in UTC, so that stored text does not depend on the
 * session's time zone.  The result is palloc'd.
 */
char *
rarr_json_time(Datum time, Oid type)
{
	static const int utc = 0;

	return JsonEncodeDateTime(palloc(MAXDATELEN + 1), time, type, &utc);
}

/* Return {}, allocated in the current memory context. */
Jsonb *
rarr_jsonb_empty_object(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Return the beginning of a jsonb's text form, for a message. */
char *
rarr_jsonb_excerpt(Jsonb *jsonb)
{
	char *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	int length = strlen(text);

	if (length <= SHOWN_BYTES)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, SHOWN_BYTES), text);
}
