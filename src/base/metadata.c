/*
 * metadata.c
 *		Check the size of a metadata value's text form.
 *
 * The CHECK constraints of every table with a metadata column call this for
 * each row written, so it reads no more of the value than it needs.  The size
 * of the binary form decides for the smallest and the largest values.  For the
 * others, the length of the text is computed without building the text, and
 * only up to the limit.  (A few bytes of jsonb can represent a number of
 * 147,455 digits, so text that is built first and measured afterwards could be
 * of any size.)
 */
#include "postgres.h"

#include "access/detoast.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "base/metadata.h"

/*
 * A jsonb of at most this many bytes always fits.  A number that needs the
 * long form takes 16 bytes, its entry included, and at most 147,457 bytes as
 * text.  An object of 80 bytes has room for four of them.  Each of the
 * remaining bytes produces at most 6 bytes of text.
 */
#define ALWAYS_FITS_SIZE 80

/*
 * A larger jsonb never fits.  The binary form is at most four times as long as
 * the text: in "[0,0]", each number takes 12 bytes of jsonb and three bytes of
 * text.  Every other value has a lower ratio.
 */
#define NEVER_FITS_SIZE (4 * RARR_METADATA_MAX_BYTES + 64)

/* Length of a string in JSON text, in bytes, with quotes and escapes. */
static int64
string_length(const char *string, int length)
{
	int64 result = length + 2;

	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (c == '"' || c == '\\')
			result += 1;
		else if (c < ' ')
			result += strchr("\b\f\n\r\t", c) && c != '\0' ? 1 : 5;
	}
	return result;
}

static int64
scalar_length(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return string_length(value->val.string.val, value->val.string.len);
		case jbvNumeric:
		{
			char *text = DatumGetCString(DirectFunctionCall1(numeric_out,
															 NumericGetDatum(value->val.numeric)));
			int64 result = strlen(text);

			pfree(text);
			return result;
		}
		case jbvBool:
			return value->val.boolean ? 4 : 5;
		default:
			return 4; /* null */
	}
}

/*
 * Return the length in bytes of a jsonb's text form, as jsonb_out() builds it.
 * Counting stops soon after limit is exceeded.
 */
int64
rarr_jsonb_text_length(const JsonbContainer *container, int64 limit)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, container));
	JsonbIteratorToken token;
	JsonbValue value;
	int64 result = 0;

	while (result <= limit &&
		   (token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		/* brackets, and a separator of two bytes between members */
		if (token == WJB_BEGIN_OBJECT)
			result += 2 + 2 * Max(value.val.object.nPairs - 1, 0);
		else if (token == WJB_BEGIN_ARRAY && !value.val.array.rawScalar)
			result += 2 + 2 * Max(value.val.array.nElems - 1, 0);
		else if (token == WJB_KEY)
			result += scalar_length(&value) + 2;
		else if (token == WJB_VALUE || token == WJB_ELEM)
			result += scalar_length(&value);
	}
	return result;
}

/* Is it within RARR_METADATA_MAX_BYTES as text and, if asked, an object? */
static bool
fits(Datum value, bool only_object)
{
	Size size = toast_raw_datum_size(value);
	Jsonb *jsonb;
	bool result;

	if (size > NEVER_FITS_SIZE)
		return false;
	if (size <= ALWAYS_FITS_SIZE && !only_object)
		return true;

	jsonb = DatumGetJsonbP(value);
	result = (!only_object || JB_ROOT_IS_OBJECT(jsonb)) &&
			 (size <= ALWAYS_FITS_SIZE ||
			  rarr_jsonb_text_length(&jsonb->root, RARR_METADATA_MAX_BYTES) <= RARR_METADATA_MAX_BYTES);
	if ((Pointer) jsonb != DatumGetPointer(value))
		pfree(jsonb);
	return result;
}

/* Is this an object with at most RARR_METADATA_MAX_BYTES as text? */
bool
rarr_metadata_is_valid(Datum metadata)
{
	return fits(metadata, true);
}

/* Has this jsonb of any kind at most RARR_METADATA_MAX_BYTES as text? */
bool
rarr_jsonb_fits(Datum value)
{
	return fits(value, false);
}

/*
 * metadata_is_valid(metadata jsonb) returns boolean
 *
 * For use in CHECK constraints: returns true for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_metadata_is_valid);
Datum
researcharr_metadata_is_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_ARGISNULL(0) || rarr_metadata_is_valid(PG_GETARG_DATUM(0)));
}
