/*
 * search_text.c
 *		The type search_text: titles as media_search compares them.
 *
 * The input function reduces a title to its words in lower case, without
 * diacritics and punctuation, with one space before and after each word:
 * "Łódź: Part II" becomes " lodz part ii ".  A LIKE pattern can thus match the
 * beginning or end of a word by its space.  An index stores titles in this
 * form.
 *
 * It is a type and not a function because of privileges.  An index expression
 * is evaluated as the user who writes the row, who would need EXECUTE on the
 * function.  A cast through a type's input function needs no privilege.
 *
 * Letters with diacritics are decomposed by the server's Unicode tables.
 * Letters that Unicode does not decompose are listed here.  The result for a
 * title must never change, because an index depends on it.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "common/unicode_norm.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "data/search_text.h"

/* letters that Unicode does not decompose, by code point */
static const struct
{
	pg_wchar letter;
	const char *plain;
} plain_letters[] = {
	{0x00C6, "ae"}, {0x00D0, "d"}, {0x00D8, "o"}, {0x00DE, "th"}, {0x00DF, "ss"}, {0x00E6, "ae"}, {0x00F0, "d"}, {0x00F8, "o"}, {0x00FE, "th"}, {0x0110, "d"}, {0x0111, "d"}, {0x0126, "h"}, {0x0127, "h"}, {0x0131, "i"}, {0x0138, "k"}, {0x0141, "l"}, {0x0142, "l"}, {0x014A, "n"}, {0x014B, "n"}, {0x0152, "oe"}, {0x0153, "oe"}, {0x0166, "t"}, {0x0167, "t"}, {0x0180, "b"}, {0x0189, "d"}, {0x0192, "f"}, {0x0197, "i"}, {0x019A, "l"}, {0x01B5, "z"}, {0x01B6, "z"}, {0x0243, "b"}, {0x0268, "i"}, {0x1E9E, "ss"}};

/* The normalized words under construction. */
typedef struct Words
{
	StringInfo result;
	int letters;   /* letters of the current word; 0: between words */
	int last;      /* offset of the word's last letter in the result */
	bool initials; /* is it like "S.W.A.T."? */
} Words;

static void
end_word(Words *words)
{
	words->letters = 0;
	words->initials = false;
}

/* What follows an initial's dot is a word of its own: insert a space. */
static void
split_initials(Words *words)
{
	StringInfo result = words->result;

	appendStringInfoChar(result, ' ');
	memmove(result->data + words->last + 1, result->data + words->last,
			result->len - 1 - words->last);
	result->data[words->last] = ' ';
	words->initials = false;
}

static void
append_letter(Words *words, const char *letter, int length)
{
	if (words->initials && words->letters == 1)
		split_initials(words);
	else if (words->letters == 0 && !words->initials)
		appendStringInfoChar(words->result, ' ');
	words->last = words->result->len;
	words->letters++;
	appendBinaryStringInfo(words->result, letter, length);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
append_ascii(Words *words, char c)
{
	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if ((c >= 'a' && c <= 'z') || is_digit(c))
		append_letter(words, &c, 1);
	else if (c == '\'' || c == '`')
		return; /* "Ocean's" is one word */
	else if ((c == '.' || c == '*') && words->letters == 1 &&
			 !is_digit(words->result->data[words->last]))
	{
		words->letters = 0;
		words->initials = true;
	}
	else
		end_word(words);
}

/* Is this skipped: a diacritic, an apostrophe or an invisible character? */
static bool
is_ignored(pg_wchar c)
{
	return (c >= 0x0300 && c <= 0x036F) || c == 0x00AD || c == 0x00B4 || c == 0x02B9 || c == 0x02BC ||
		   (c >= 0x200B && c <= 0x200F) || (c >= 0x2018 && c <= 0x201B) || c == 0x2032 || c == 0x2060 ||
		   c == 0xFEFF;
}

/* Is this punctuation or a symbol, and not a non-ASCII letter? */
static bool
is_separator(pg_wchar c)
{
	return (c >= 0x0080 && c <= 0x00BF) || c == 0x00D7 || c == 0x00F7 ||
		   (c >= 0x2000 && c <= 0x206F) || (c >= 0x20A0 && c <= 0x20CF) ||
		   (c >= 0x2190 && c <= 0x2BFF) || (c >= 0x2E00 && c <= 0x2E7F) ||
		   (c >= 0x3000 && c <= 0x3003) || (c >= 0x3008 && c <= 0x3020) || c == 0x3030 || c == 0x30FB;
}

static const char *
find_plain(pg_wchar c)
{
	for (int i = 0; i < lengthof(plain_letters) && plain_letters[i].letter <= c; i++)
	{
		if (plain_letters[i].letter == c)
			return plain_letters[i].plain;
	}
	return NULL;
}

/* Append a fully decomposed character; bytes is its encoded form. */
static void
append_part(Words *words, pg_wchar c, const char *bytes, int length)
{
	const char *plain = find_plain(c);

	if (is_ignored(c))
		return;
	if (c < 0x80)
		append_ascii(words, (char) c);
	else if (is_separator(c))
		end_word(words);
	else if (plain != NULL)
	{
		for (; *plain != '\0'; plain++)
			append_letter(words, plain, 1);
	}
	else
		append_letter(words, bytes, length);
}

/* Append a non-ASCII character. */
static void
append_character(Words *words, pg_wchar c, const char *bytes, int length)
{
	pg_wchar whole[2] = {c == 0x03C2 ? 0x03C3 : c, 0}; /* final sigma -> sigma */
	pg_wchar *parts;

	if (c >= 0xAC00 && c <= 0xD7A3) /* do not decompose Hangul */
	{
		append_letter(words, bytes, length);
		return;
	}
	if (is_ignored(c)) /* even if it can be decomposed */
		return;
	parts = unicode_normalize(UNICODE_NFKD, whole);
	for (pg_wchar *part = parts; *part != 0; part++)
	{
		unsigned char utf8[8];

		if (*part == c || GetDatabaseEncoding() != PG_UTF8)
			append_part(words, *part, bytes, length);
		else
		{
			unicode_to_utf8(*part, utf8);
			append_part(words, *part, (char *) utf8, pg_utf_mblen(utf8));
		}
	}
	pfree(parts);
}

/* Append the normalized form of a string. length is in bytes. */
void
rarr_search_text(StringInfo result, const char *string, int length)
{
	Words words = {.result = result};
	int encoding = GetDatabaseEncoding();
	const char *end;
	bool is_ascii = true;

	for (int i = 0; i < length && is_ascii; i++)
		is_ascii = !IS_HIGHBIT_SET(string[i]);
	if (!is_ascii)
	{
		string = str_tolower(string, length, DEFAULT_COLLATION_OID);
		length = strlen(string);
	}
	end = string + length;
	for (int n; string < end; string += n)
	{
		n = IS_HIGHBIT_SET(*string) ? Min(pg_mblen(string), end - string) : 1;
		if (n == 1 && !IS_HIGHBIT_SET(*string))
			append_ascii(&words, *string);
		else if (encoding == PG_UTF8)
			append_character(&words, utf8_to_unicode((const unsigned char *) string), string, n);
		else if (encoding == PG_LATIN1)
			append_character(&words, (unsigned char) *string, string, n);
		else
			append_letter(&words, string, n);
	}
	if (result->len > 0)
		appendStringInfoChar(result, ' ');
}

PG_FUNCTION_INFO_V1(researcharr_search_text_in);
/* search_text_in(cstring) returns search_text */
PG_FUNCTION_INFO_V1(researcharr_search_text_out);
Datum
researcharr_search_text_in(PG_FUNCTION_ARGS)
{
	const char *string = PG_ARGISNULL(0) ? NULL : PG_GETARG_CSTRING(0);
	StringInfoData result;

	if (string == NULL) /* the server also passes NULL as a pointer */
		PG_RETURN_NULL();
	initStringInfo(&result);
	rarr_search_text(&result, string, strlen(string));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
}

/* search_text_out(search_text) returns cstring */
Datum
researcharr_search_text_out(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}
