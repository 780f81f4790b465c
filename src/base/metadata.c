/*
 * metadata.c
 *		How large a metadata value is as text, and whether that is allowed.
 *
 *		The CHECKs of every table with a metadata column call this for each row
 *		that is written, so it looks at no more of the value than it needs: the
 *		size of the binary form settles the smallest and the largest values, and
 *		for those between the length of the text is counted, not built, and only
 *		up to the limit.  (A few bytes of jsonb can be a number of 147,455 digits:
 *		text that is built first and measured then could be of any size.)
 */
#include "postgres.h"

#include "access/detoast.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/metadata.h"

/*
 * A number takes 16 bytes in a jsonb, its entry included, where it needs the
 * long form, and makes at most 147,457 bytes of text; the 80 bytes of an object
 * have room for four.  The rest of those 80 bytes makes 6 bytes of text each.
 */
#define ALWAYS_FITS_SIZE	80

/*
 * Binary form is at most four times as long as the text: "[0,0]" takes 12 bytes
 * for each number and three of text; everything else has a lower ratio.
 */
#define NEVER_FITS_SIZE		(4 * RARR_METADATA_MAX_BYTES + 64)

/* Bytes of a string in JSON text, quotes and escapes included. */
static int64
string_length(const char *string, int length)
{
	int64		result = length + 2;

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
				char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
																	   NumericGetDatum(value->val.numeric)));
				int64		result = strlen(text);

				pfree(text);
				return result;
			}
		case jbvBool:
			return value->val.boolean ? 4 : 5;
		default:
			return 4;			/* null */
	}
}

/*
 * Bytes of the value's text form, as jsonb_out() would make it; counting stops
 * somewhere above `limit`.
 */
int64
rarr_jsonb_text_length(const JsonbContainer *container, int64 limit)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, container));
	JsonbIteratorToken token;
	JsonbValue	value;
	int64		result = 0;

	while (result <= limit &&
		   (token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		/* brackets, and a separator of two bytes between any two members */
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

/* Has this jsonb at most RARR_METADATA_MAX_BYTES as text and, if asked, is it an object? */
static bool
fits(Datum value, bool only_object)
{
	Size		size = toast_raw_datum_size(value);
	Jsonb	   *jsonb;
	bool		result;

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

/* Is this an object of at most RARR_METADATA_MAX_BYTES as text? */
bool
rarr_metadata_is_valid(Datum metadata)
{
	return fits(metadata, true);
}

/* Has this jsonb, of any kind, at most RARR_METADATA_MAX_BYTES as text? */
bool
rarr_jsonb_fits(Datum value)
{
	return fits(value, false);
}

/*
 * metadata_is_valid(metadata jsonb) returns boolean
 *		For CHECKs: true for NULL, as there.
 */
PG_FUNCTION_INFO_V1(researcharr_metadata_is_valid);
Datum
researcharr_metadata_is_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_ARGISNULL(0) || rarr_metadata_is_valid(PG_GETARG_DATUM(0)));
}
