/*
 * reference.c
 *		Resolve references to earlier results in a unit of work.
 *
 * A string that is exactly "$n.field" is replaced by a field of the n-th
 * result, counted from 0.  A field's name begins with a letter or an
 * underscore, so "$9.99" is an ordinary string.  In a string that begins with
 * "$$", the first "$" is removed.  All other strings are left alone.
 */
#include "postgres.h"

#include "base/json.h"
#include "data/reference.h"

/* Raise 22023 for an invalid reference. length is in bytes. */
void
rarr_bad_reference(const char *reference, int length, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s %s", rarr_quote_clipped(reference, length), problem),
			 errhint("A string of the form $n.field stands for a field of the n-th result, from 0. One that begins with $$ stands for itself with one $ less.")));
}

/* Can a field's name begin with this byte, perhaps of a non-ASCII letter? */
static bool
begins_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

/*
 * Is the string exactly "$n.field"?  If so, set *n and *field.  A number
 * beyond any array index is set to one that no result has.
 */
static bool
is_reference(const char *string, int length, int *n, const char **field)
{
	int i = 1;
	int64 number = 0;

	if (length < 4 || string[0] != '$')
		return false;
	for (; i < length && string[i] >= '0' && string[i] <= '9'; i++)
		number = Min(number * 10 + (string[i] - '0'), PG_INT32_MAX);
	if (i == 1 || i + 1 >= length || string[i] != '.' || !begins_name(string[i + 1]))
		return false;
	*field = string + i + 1;
	*n = number;
	for (i++; i < length; i++)
	{
		if (string[i] == '.' || string[i] == '$' || (unsigned char) string[i] <= ' ')
			return false;
	}
	return true;
}

/* Replace a string by the value that it refers to. */
static void
resolve_string(JsonbValue *value, RarrFindResult find, void *arg)
{
	const char *string = value->val.string.val;
	int length = value->val.string.len;
	const char *field;
	int n;
	Jsonb *result;

	if (length >= 2 && string[0] == '$' && string[1] == '$')
	{
		value->val.string.val++;
		value->val.string.len--;
		return;
	}
	if (!is_reference(string, length, &n, &field))
		return;
	result = find(arg, n, string, length);
	if (!JB_ROOT_IS_OBJECT(result))
		rarr_bad_reference(string, length, "refers to an operation that returned no row");
	if (getKeyJsonValueFromContainer(&result->root, field, string + length - field, value) == NULL)
		rarr_bad_reference(string, length, "refers to a field that the result does not have");
}

static bool
has_reference(JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if ((token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvString &&
			value.val.string.len > 1 && value.val.string.val[0] == '$')
			return true;
	}
	return false;
}

/*
 * Replace every reference in the value, at any depth. find(arg, ...) returns
 * the results.  Raises 22023 for a reference to a result or field that does
 * not exist.
 */
void
rarr_resolve_references(JsonbValue *value, RarrFindResult find, void *arg)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue part;
	JsonbValue *result = NULL;

	if (value->type == jbvString)
	{
		resolve_string(value, find, arg);
		return; /* results are data: they are not resolved again */
	}
	if (value->type != jbvBinary || !has_reference(value->val.binary.data))
		return;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &part, false)) != WJB_DONE)
	{
		if ((token == WJB_VALUE || token == WJB_ELEM) && part.type == jbvString)
			resolve_string(&part, find, arg);
		result = pushJsonbValue(&state, token,
								token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM ?
									&part :
									NULL);
	}
	rarr_jsonb_as_value(JsonbValueToJsonb(result), value);
}
