/*
 * json.c
 *		Members of jsonb objects, read with their types.
 *
 *		What arrives as JSON was written by somebody else's program.  So nothing
 *		here raises an error: a reader returns what is wrong with the value, to
 *		be put behind the member's name ("must be a whole number, not \"soon\""),
 *		and its caller decides whether that is an error or one of several.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "base/json.h"

/* bytes of a value that a message shows */
#define SHOWN_BYTES		64

/* Finds a member of an object; false where it is absent or null. */
bool
rarr_json_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL &&
		value->type != jbvNull;
}

/* Is the value, as an iterator or rarr_json_member() gave it, an object? */
bool
rarr_json_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

bool
rarr_json_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

/* The string in double quotes, cut short where it is long. */
char *
rarr_quote_clipped(const char *string, int length)
{
	int			shown = length > SHOWN_BYTES ? pg_mbcliplen(string, length, SHOWN_BYTES) : length;

	return psprintf("\"%.*s%s\"", shown, string, shown < length ? "..." : "");
}

static char *
number_text(const JsonbValue *value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(value->val.numeric)));
}

/* What a message says about a value: itself, or its kind where it is large. */
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
				char	   *number = number_text(value);

				return psprintf("%.*s%s", SHOWN_BYTES, number,
								strlen(number) > SHOWN_BYTES ? "..." : "");
			}
		default:
			return rarr_json_is_object(value) ? "an object" : "an array";
	}
}

/*
 * Reads a string; it is not copied, and has no NUL at its end.  Returns NULL,
 * or what is wrong.
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
 * Reads a whole number of 64 bits, written without a fraction.  Returns NULL,
 * or what is wrong.
 */
char *
rarr_json_int(const JsonbValue *value, int64 *number)
{
	if (value->type == jbvNumeric)
	{
		char	   *text = number_text(value);
		char	   *end;

		errno = 0;
		*number = strtoll(text, &end, 10);
		if (errno == 0 && end > text && *end == '\0')
			return NULL;
	}
	return psprintf("must be a whole number, not %s", rarr_json_describe(value));
}

/* Puts a member at the end of the object that is being built. */
void
rarr_json_put(JsonbParseState **state, const char *name, JsonbValue *value)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, value);
}

/* rarr_json_put() of a string, which must live as long as the state */
void
rarr_json_put_text(JsonbParseState **state, const char *name, const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	rarr_json_put(state, name, &value);
}

/* rarr_json_put() of a number */
void
rarr_json_put_int(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	rarr_json_put(state, name, &value);
}

/*
 * A date, timestamp or timestamptz as ISO 8601, palloc'd; the last in UTC,
 * whatever the session's time zone: what is on record must not depend on it.
 */
char *
rarr_json_time(Datum time, Oid type)
{
	static const int utc = 0;

	return JsonEncodeDateTime(palloc(MAXDATELEN + 1), time, type, &utc);
}

/* {}, in the current memory context. */
Jsonb *
rarr_jsonb_empty_object(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The beginning of a whole value as text, for a message. */
char *
rarr_jsonb_excerpt(Jsonb *jsonb)
{
	char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	int			length = strlen(text);

	if (length <= SHOWN_BYTES)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, SHOWN_BYTES), text);
}
