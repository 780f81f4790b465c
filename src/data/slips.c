/*
 * slips.c
 *		Build LIKE patterns for words with a typo.
 *
 * A typo (slip) is one wrong, missing or extra letter, or two swapped
 * neighbors.  Each position of the words gives a pattern with all the other
 * letters in it, so that a trigram index finds little else than the matches.
 * (Trigram similarity does not measure typos: of n trigrams a typo changes up
 * to four, which leaves n-4 of n+4 in common.  For "Heat" that is 0.1, the
 * similarity of a tenth of all titles.)
 *
 * The patterns are for texts in the form of search_text.c, in which a word
 * begins after a space.  If a letter is changed or added, a short word must
 * also end where the title's word ends, because too many words begin like it.
 * For the index, each letter that may be in the position gives a pattern of
 * its own, because the remaining letters alone have too few trigrams.  Without
 * the index, fewer patterns are faster.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "data/slips.h"

#define SHORT_LETTERS 5 /* if a letter is changed or added */
#define SHORT_WORDS   3 /* if a letter is missing or two are swapped */

/* The words as an array of characters, and their patterns. */
typedef struct Slips
{
	int n;                                          /* number of characters */
	const char *letters[RARR_MAX_SLIP_LETTERS + 1]; /* ... and the end */
	bool each_letter;                               /* one pattern per letter? */
	ArrayBuildState *patterns;
} Slips;

/* Append a string to a LIKE pattern, escaped. length is in bytes. */
void
rarr_append_escaped(StringInfo pattern, const char *string, int length)
{
	for (int i = 0, n; i < length; i += n)
	{
		n = Min(pg_mblen(string + i), length - i);
		if (n == 1 && strchr("\\%_", string[i]) != NULL)
			appendStringInfoChar(pattern, '\\');
		appendBinaryStringInfo(pattern, string + i, n);
	}
}

static void
begin_pattern(StringInfo pattern)
{
	initStringInfo(pattern);
	appendStringInfoString(pattern, "% ");
}

/* Append the characters from (inclusive) to (exclusive). */
static void
add_letters(StringInfo pattern, const Slips *slips, int from, int to)
{
	rarr_append_escaped(pattern, slips->letters[from], slips->letters[to] - slips->letters[from]);
}

static void
end_pattern(StringInfo pattern, Slips *slips, bool whole)
{
	appendStringInfoString(pattern, whole ? " %" : "%");
	slips->patterns = accumArrayResult(slips->patterns, CStringGetTextDatum(pattern->data), false,
									   TEXTOID, CurrentMemoryContext);
	pfree(pattern->data);
}

/* Add a pattern with this letter in place of characters from .. to - 1. */
static void
add_letter(Slips *slips, int from, int to, char letter)
{
	StringInfoData pattern;

	begin_pattern(&pattern);
	add_letters(&pattern, slips, 0, from);
	appendStringInfoChar(&pattern, letter);
	add_letters(&pattern, slips, to, slips->n);
	end_pattern(&pattern, slips, slips->n <= SHORT_LETTERS);
}

/* Likewise for any letter, or the space between words. */
static void
add_any_letter(Slips *slips, int from, int to)
{
	if (!slips->each_letter)
	{
		add_letter(slips, from, to, '_');
		return;
	}
	for (char letter = 'a'; letter <= 'z'; letter++)
		add_letter(slips, from, to, letter);
	for (char letter = '0'; letter <= '9'; letter++)
		add_letter(slips, from, to, letter);
	if (from > 0 && to < slips->n)
		add_letter(slips, from, to, ' ');
}

/* Add a pattern without character i. */
static void
add_without(Slips *slips, int i)
{
	StringInfoData pattern;

	begin_pattern(&pattern);
	add_letters(&pattern, slips, 0, i);
	add_letters(&pattern, slips, i + 1, slips->n);
	end_pattern(&pattern, slips, slips->n - 1 <= SHORT_WORDS);
}

/* Add a pattern with characters i and i + 1 swapped. */
static void
add_swapped(Slips *slips, int i)
{
	StringInfoData pattern;

	begin_pattern(&pattern);
	add_letters(&pattern, slips, 0, i);
	add_letters(&pattern, slips, i + 1, i + 2);
	add_letters(&pattern, slips, i, i + 1);
	add_letters(&pattern, slips, i + 2, slips->n);
	end_pattern(&pattern, slips, slips->n <= SHORT_WORDS);
}

/*
 * Return the patterns for words, as text[]. words has at most
 * RARR_MAX_SLIP_LETTERS characters. indexed says whether an index will be
 * used.
 */
Datum
rarr_slip_patterns(const char *words, bool indexed)
{
	Slips slips = {.patterns = initArrayResult(TEXTOID, CurrentMemoryContext, false)};
	bool is_ascii = pg_is_ascii(words);

	for (; *words != '\0' && slips.n < RARR_MAX_SLIP_LETTERS; words += pg_mblen(words))
		slips.letters[slips.n++] = words;
	slips.letters[slips.n] = words;
	slips.each_letter = indexed && is_ascii && slips.n <= SHORT_LETTERS;
	for (int i = 0; i < slips.n; i++)
	{
		add_any_letter(&slips, i, i + 1);
		add_any_letter(&slips, i, i);
		add_without(&slips, i);
		if (i + 1 < slips.n)
			add_swapped(&slips, i);
	}
	return makeArrayResult(slips.patterns, CurrentMemoryContext);
}
