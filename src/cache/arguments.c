/*
 * arguments.c
 *		Arguments of the cache's functions.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/args.h"
#include "base/duration.h"
#include "base/text.h"
#include "cache/arguments.h"

#define KEY_MAX_CHARS 1024
#define TAG_MAX_BYTES 255
#define MAX_TAGS      100

/* how much of a text messages show */
#define SHOWN_BYTES 64

/* A text for messages, cut to a moderate length. */
static const char *
shown(const char *data, int length)
{
	int n = pg_mbcliplen(data, length, SHOWN_BYTES);

	return psprintf("%.*s%s", n, data, n < length ? "..." : "");
}

static const char *
shown_text(const text *value)
{
	return shown(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* A key's text for messages, cut to a moderate length. */
const char *
rarr_cache_key_name(const RarrCacheKey *key)
{
	return shown(key->data, key->length);
}

/* Has the text more than this number of characters? */
static bool
is_longer(const text *value, int max_chars)
{
	int bytes = VARSIZE_ANY_EXHDR(value);

	return bytes > max_chars && (bytes > max_chars * MAX_MULTIBYTE_CHAR_LEN ||
								 pg_mbstrlen_with_len(VARDATA_ANY(value), bytes) > max_chars);
}

/* Can these bytes be a key? */
bool
rarr_cache_is_key(const char *data, int length)
{
	return length > 0 && (length <= KEY_MAX_CHARS || pg_mbstrlen_with_len(data, length) <= KEY_MAX_CHARS);
}

/*
 * Make a key of a text, to which it points.  Raises 22023 unless it has 1 to 1024
 * characters.
 */
void
rarr_cache_key_of_text(const text *value, RarrCacheKey *key)
{
	int bytes = VARSIZE_ANY_EXHDR(value);

	if (bytes == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a key of the cache must not be empty"),
				 errhint("Give a key of 1 to %d characters.", KEY_MAX_CHARS)));
	if (is_longer(value, KEY_MAX_CHARS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a key of the cache is too long: it has %d bytes and begins with \"%s\"", bytes,
						shown_text(value)),
				 errhint("Give a key of 1 to %d characters, or a digest of a longer one.", KEY_MAX_CHARS)));
	rarr_cache_make_key(key, VARDATA_ANY(value), bytes);
}

/* The key that is argument n.  Raises 22004 for NULL, and 22023 as above. */
void
rarr_cache_key_arg(FunctionCallInfo fcinfo, int n, RarrCacheKey *key)
{
	RARR_REQUIRE_ARG(n, "key");
	rarr_cache_key_of_text(PG_GETARG_TEXT_PP(n), key);
}

/* The strategy that is argument n; NULL is the setting.  Raises 22023. */
RarrCacheStrategy
rarr_cache_strategy_arg(FunctionCallInfo fcinfo, int n)
{
	const text *name;

	if (PG_ARGISNULL(n))
		return rarr_cache_strategy;
	name = PG_GETARG_TEXT_PP(n);
	for (const struct config_enum_entry *entry = rarr_cache_strategies; entry->name != NULL; entry++)
		if (rarr_equals(entry->name, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
			return entry->val;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown strategy of the cache: \"%s\"", shown_text(name)),
			 errhint("Use none, read_through, write_through or write_behind.")));
}

/*
 * The time to live that is argument n, in microseconds; 0 is forever, and NULL
 * the setting.  Raises 22023 if it is negative or too long.
 */
int64
rarr_cache_ttl_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return rarr_cache_default_ttl * USECS_PER_SEC;
	return rarr_duration_arg(PG_GETARG_INTERVAL_P(n), "ttl", 0);
}

/* Raise 22023 unless a tag has 1 to 255 bytes. */
void
rarr_cache_check_tag(const text *tag)
{
	int bytes = VARSIZE_ANY_EXHDR(tag);

	if (bytes == 0 || bytes > TAG_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tag has %d bytes: \"%s\"", bytes,
						shown_text(tag)),
				 errhint("Give tags of 1 to %d bytes.", TAG_MAX_BYTES)));
}

/*
 * The tags that are argument n, a text[] or 0.  Raises 22004 for a NULL among
 * them, and 22023 for one of the wrong length, or too many.
 */
Datum
rarr_cache_tags_arg(FunctionCallInfo fcinfo, int n)
{
	Datum *tags;
	int count;

	if (PG_ARGISNULL(n))
		return (Datum) 0;
	tags = rarr_array_argument(fcinfo, n, "tags", TEXTOID, false, NULL, &count);
	if (count > MAX_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d tags", count),
				 errhint("Give up to %d tags.", MAX_TAGS)));
	for (int i = 0; i < count; i++)
		rarr_cache_check_tag(DatumGetTextPP(tags[i]));
	return count == 0 ? (Datum) 0 : PointerGetDatum(PG_GETARG_ARRAYTYPE_P(n));
}

/* Does the pattern end with an escape character that escapes nothing? */
static bool
ends_with_escape(const text *pattern)
{
	const char *at = VARDATA_ANY(pattern);
	const char *end = at + VARSIZE_ANY_EXHDR(pattern);

	while (at < end)
	{
		if (*at == '\\')
		{
			at++;
			if (at == end)
				return true;
		}
		at += pg_mblen(at);
	}
	return false;
}

/* The LIKE pattern that is argument n.  Raises 22025 and 22023. */
text *
rarr_cache_pattern_arg(FunctionCallInfo fcinfo, int n)
{
	text *pattern = PG_GETARG_TEXT_PP(n);

	if (is_longer(pattern, KEY_MAX_CHARS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pattern has %d bytes", (int) VARSIZE_ANY_EXHDR(pattern)),
				 errhint("Give a pattern of up to %d characters.", KEY_MAX_CHARS)));
	if (ends_with_escape(pattern))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ESCAPE_SEQUENCE),
				 errmsg("LIKE pattern must not end with escape character: \"%s\"", shown_text(pattern)),
				 errhint("Write two backslashes for one that stands for itself.")));
	return pattern;
}

static void
too_large(Size bytes, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a value of %zu bytes is too large for the cache: key \"%s\"", bytes, key),
			 errhint("Values may have up to %d kB (researcharr.cache_max_value).", rarr_cache_max_value)));
}

/* Raise 54000 if argument n is too large, before it is read. */
void
rarr_cache_check_size(FunctionCallInfo fcinfo, int n)
{
	Size bytes = toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ;
	RarrCacheKey key;

	if (bytes <= (Size) rarr_cache_max_value * 1024)
		return;
	rarr_cache_key_arg(fcinfo, 0, &key);
	too_large(bytes, rarr_cache_key_name(&key));
}

/* Raise 54000 if a value is too large. */
void
rarr_cache_check_value(const RarrCacheKey *key, const struct varlena *value)
{
	if (VARSIZE_ANY_EXHDR(value) > (Size) rarr_cache_max_value * 1024)
		too_large(VARSIZE_ANY_EXHDR(value), rarr_cache_key_name(key));
}
