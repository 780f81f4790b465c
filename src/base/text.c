/*
 * text.c
 *		Sanitize text before it is stored: valid encoding, limited length.
 *
 * Function arguments of type text have passed an input function, which checks
 * their encoding.  Settings and role names have not: the server does not check
 * startup options, and a role may have been created in a database with another
 * encoding.  A single invalid byte in a table makes its dump impossible to
 * restore.
 *
 * A log must not reject a row because a value is too long, since the statement
 * being logged would fail.  Long text is therefore truncated and marked.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/text.h"

/* space for the mark at the end of truncated text, with a number in it */
#define MARK_MAX_BYTES 64

/* Is the text, of length bytes, equal to the string? */
bool
rarr_equals(const char *string, const char *text, int length)
{
	return strlen(string) == length && memcmp(string, text, length) == 0;
}

/*
 * Return the string if it is valid in the database encoding.  Otherwise return
 * a palloc'd copy with \xHH in place of each invalid byte.
 */
const char *
rarr_valid_text(const char *string)
{
	int encoding = GetDatabaseEncoding();
	int length = strlen(string);
	StringInfoData copy;

	if (pg_verifymbstr(string, length, true))
		return string;
	initStringInfo(&copy);
	while (length > 0)
	{
		int n = pg_encoding_verifymbchar(encoding, string, length);

		if (n > 0)
			appendBinaryStringInfo(&copy, string, n);
		else
		{
			n = 1;
			appendStringInfo(&copy, "\\x%02x", (unsigned char) *string);
		}
		string += n;
		length -= n;
	}
	return copy.data;
}

/*
 * Return a role's name as valid text, palloc'd.  For a role dropped during the
 * session, this is what pg_get_userbyid() returns.
 */
const char *
rarr_role_name(Oid role)
{
	char *name = GetUserNameFromId(role, true);

	return name ? rarr_valid_text(name) : psprintf("unknown (OID=%u)", role);
}

/* Truncate a text of total bytes to max_bytes, including the mark. */
static char *
clip(const char *string, int length, Size total, int max_bytes)
{
	length = pg_mbcliplen(string, length, max_bytes - MARK_MAX_BYTES);
	return psprintf("%.*s [truncated from %zu bytes]", length, string, total);
}

/*
 * Return the string if it has at most max_bytes bytes.  Otherwise return a
 * palloc'd, truncated and marked copy of at most max_bytes bytes.
 */
const char *
rarr_clip_text(const char *string, int max_bytes)
{
	Size length = strlen(string);

	return length <= max_bytes ? string : clip(string, max_bytes, length, max_bytes);
}

/*
 * Like rarr_clip_text(), for a value of type text; the result is palloc'd.  Of
 * a long value stored out of line, only the returned part is read.
 */
char *
rarr_clip_datum(Datum value, int max_bytes)
{
	Size total = toast_raw_datum_size(value) - VARHDRSZ;
	struct varlena *slice;

	if (total <= max_bytes)
		return TextDatumGetCString(value);
	slice = PG_DETOAST_DATUM_SLICE(value, 0, max_bytes);
	return clip(VARDATA_ANY(slice), VARSIZE_ANY_EXHDR(slice), total, max_bytes);
}
