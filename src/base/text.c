/*-------------------------------------------------------------------------
 *
 * text.c
 *		Strings made fit to be stored: valid in the database's encoding, and no
 *		longer than a limit.
 *
 * Text that reaches a function as an argument went through an input function,
 * which checked its encoding.  Settings and role names did not: the server
 * checks no startup option, and a role may have been named in a database of
 * another encoding.  One such byte in a table makes a dump of it that cannot be
 * restored.
 *
 * A log must never refuse a row because a value is long: the statement that the
 * row is about would fail.  So a long text loses its end, and says so.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/text.h"

/* room for the mark at the end of a clipped text, with a number */
#define MARK_MAX_BYTES		64

/*
 * The string itself if it is valid in the database's encoding; else a palloc'd
 * copy that has \xHH for each byte that is not.
 */
const char *
rarr_valid_text(const char *string)
{
	int			encoding = GetDatabaseEncoding();
	int			length = strlen(string);
	StringInfoData copy;

	if (pg_verifymbstr(string, length, true))
		return string;
	initStringInfo(&copy);
	while (length > 0)
	{
		int			n = pg_encoding_verifymbchar(encoding, string, length);

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
 * The name of a role as valid text, palloc'd.  A role that was dropped while a
 * session works under it has the name that pg_get_userbyid() gives it.
 */
const char *
rarr_role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name ? rarr_valid_text(name) : psprintf("unknown (OID=%u)", role);
}

/* The first bytes of a text of `total` bytes, and a mark: max_bytes in all. */
static char *
clip(const char *string, int length, Size total, int max_bytes)
{
	length = pg_mbcliplen(string, length, max_bytes - MARK_MAX_BYTES);
	return psprintf("%.*s [truncated from %zu bytes]", length, string, total);
}

/*
 * The string itself if it has at most max_bytes; else a palloc'd copy of its
 * beginning with a mark at the end, not longer than max_bytes.
 */
const char *
rarr_clip_text(const char *string, int max_bytes)
{
	Size		length = strlen(string);

	return length <= max_bytes ? string : clip(string, max_bytes, length, max_bytes);
}

/*
 * rarr_clip_text of a value of type text, as a palloc'd string.  Of a long value
 * that is stored out of line no more is read than is returned.
 */
char *
rarr_clip_datum(Datum value, int max_bytes)
{
	Size		total = toast_raw_datum_size(value) - VARHDRSZ;
	struct varlena *slice;

	if (total <= max_bytes)
		return TextDatumGetCString(value);
	slice = PG_DETOAST_DATUM_SLICE(value, 0, max_bytes);
	return clip(VARDATA_ANY(slice), VARSIZE_ANY_EXHDR(slice), total, max_bytes);
}
