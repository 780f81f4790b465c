/*
 * slips.c
 *		LIKE patterns for words with a slip of the pen.
 *
 *		A slip is one wrong, missing or extra letter, or two neighbours that are
 *		swapped.  Each place of the words where a slip may be gives a pattern with
 *		all the other letters in it, so that a trigram index finds what matches,
 *		and little else.  (Trigram similarity is no measure of a slip: of n
 *		trigrams a slip changes up to four, which leaves n-4 of n+4 in common.
 *		For "Heat" that is 0.1, as similar as a tenth of all titles.)
 *
 *		The patterns are for texts as search_text.c makes them: the words begin
 *		behind a space.  Short words with a letter changed or added must also end
 *		where the word of the title ends, since too many words begin like them.
 *		For the index, each letter that it may be gives a pattern of these, as
 *		what is left without it has too few trigrams; where all titles are read,
 *		the fewer patterns the better.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "data/slips.h"

#define SHORT_LETTERS	5		/* with a letter changed or added */
#define SHORT_WORDS		3		/* with letters left out or swapped */

/* Words as an array of characters, and the patterns that are made of them. */
typedef struct Slips
{
	int			n;				/* characters */
	const char *letters[RARR_MAX_SLIP_LETTERS + 1];	/* and where the last one ends */
	bool		each_letter;	/* gives a pattern where any letter may be */
	ArrayBuildState *patterns;
} Slips;

/* Adds a string to a LIKE pattern, as it is. */
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

/* Adds the characters from the first up to before the second. */
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

/* The pattern where the letter stands before character "to" instead of those from "from" on. */
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

/* The same for any letter, or the space between words. */
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

/* The pattern without the character. */
static void
add_without(Slips *slips, int i)
{
	StringInfoData pattern;

	begin_pattern(&pattern);
	add_letters(&pattern, slips, 0, i);
	add_letters(&pattern, slips, i + 1, slips->n);
	end_pattern(&pattern, slips, slips->n - 1 <= SHORT_WORDS);
}

/* The pattern where the character and the next one are swapped. */
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
 * The patterns, as text[], for words of at most RARR_MAX_SLIP_LETTERS characters,
 * by an index or without.
 */
Datum
rarr_slip_patterns(const char *words, bool indexed)
{
	Slips		slips = {.patterns = initArrayResult(TEXTOID, CurrentMemoryContext, false)};
	bool		is_ascii = pg_is_ascii(words);

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
