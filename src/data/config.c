/*
 * config.c
 *		Check that a setting's value is valid for its type.
 *
 * A value is stored as text, and config_get_int() and the like must never fail
 * on a value that the table accepted.  The rules are therefore implemented
 * here instead of using the server's input functions: these accept different
 * integers in different versions, and before PostgreSQL 16 none can report
 * invalid input without raising an error.
 */
#include "postgres.h"

#include "common/int.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/text.h"
#include "data/config.h"

/* A jsonb has at most 256 MB, and up to four times its text's length. */
#define JSON_MAX_BYTES (16 * 1024 * 1024)

/* numeric's largest power of ten, and its most digits after the point */
#define NUMERIC_MAX_POWER 131071
#define NUMERIC_MAX_SCALE 16383

/* Is the text an optional sign and digits, and fits into 64 bits? */
static bool
is_int64(const char *text, int length)
{
	const char *end = text + length;
	bool negative = length > 0 && *text == '-';
	int64 value = 0;

	if (length > 0 && (*text == '-' || *text == '+'))
		text++;
	if (text == end)
		return false;

	/* count downwards: the smallest value has no positive counterpart */
	for (; text < end; text++)
	{
		if (*text < '0' || *text > '9' ||
			pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, *text - '0', &value))
			return false;
	}
	return negative || value != PG_INT64_MIN;
}

/*
 * Can numeric hold this well-formed JSON number?  All digits after the point
 * count, and so does the position of the first nonzero digit.
 */
static bool
is_numeric(const char *text, const char *end)
{
	int64 place = -1; /* power of ten before the point */
	int64 scale = 0;  /* digits after the point */
	int64 zeros = 0;  /* ... before the first nonzero digit */
	int64 exponent = 0;
	bool nonzero = false;
	bool point = false;

	if (*text == '-')
		text++;
	for (; text < end && *text != 'e' && *text != 'E'; text++)
	{
		if (*text == '.')
		{
			point = true;
			continue;
		}
		if (point)
			scale++;
		else
			place++;
		nonzero = nonzero || *text != '0';
		if (!nonzero)
			zeros++;
	}
	if (text < end)
	{
		bool negative = text[1] == '-';

		for (text += 1 + (text[1] == '-' || text[1] == '+'); text < end; text++)
		{
			exponent = exponent * 10 + (*text - '0');
			if (exponent >= INT_MAX / 2)
				return false;
		}
		exponent = negative ? -exponent : exponent;
	}
	return scale - exponent <= NUMERIC_MAX_SCALE &&
		   (!nonzero || place + exponent - zeros <= NUMERIC_MAX_POWER);
}

/*
 * Is the text JSON that jsonb accepts, without \u0000 and with every number in
 * numeric's range?  The parser finds the former if it de-escapes strings; the
 * latter takes a second pass over the tokens.
 */
static bool
is_json(char *text, int length)
{
	JsonLexContext *lex;

	if (length > JSON_MAX_BYTES)
		return false;
	lex = rarr_json_lexer(text, length, GetDatabaseEncoding());
	if (pg_parse_json(lex, &nullSemAction) != JSON_SUCCESS)
		return false;

	lex = rarr_json_lexer(text, length, GetDatabaseEncoding());
	while (json_lex(lex) == JSON_SUCCESS && lex->token_type != JSON_TOKEN_END)
	{
		if (lex->token_type == JSON_TOKEN_NUMBER &&
			!is_numeric(lex->token_start, lex->token_terminator))
			return false;
	}
	return true;
}

/* Is the value valid for its type?  Returns true if the type is unknown. */
bool
rarr_setting_is_valid(const text *value, const char *type)
{
	char *string = VARDATA_ANY(value);
	int length = VARSIZE_ANY_EXHDR(value);

	if (strcmp(type, "int") == 0)
		return is_int64(string, length);
	if (strcmp(type, "bool") == 0)
		return rarr_equals("true", string, length) || rarr_equals("false", string, length);
	if (strcmp(type, "json") == 0)
		return is_json(string, length);
	return true;
}

/*
 * config_value_is_valid(value text, value_type text) returns boolean
 *
 * For use in a CHECK constraint: returns true if either is NULL, and for an
 * unknown type, which another constraint rejects.
 */
PG_FUNCTION_INFO_V1(researcharr_config_value_is_valid);
Datum
researcharr_config_value_is_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
				   rarr_setting_is_valid(PG_GETARG_TEXT_PP(0),
										 text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
