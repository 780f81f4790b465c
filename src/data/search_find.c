/*
 * search_find.c
 *		The statements by which media_search finds titles.
 *
 * A statement has an inner query, which chooses candidates, and an outer one,
 * which ranks them.  The inner query ends with a LIMIT, so that a search does
 * not rank a whole library:
 *
 * -   Up to MAX_CANDIDATES titles that the trigram index finds.
 * -   The index returns all matches of a word before the first one can be
 *     read, at about 1 us each.  For a common word, the newest titles are read
 *     instead: up to MAX_READ titles, until MAX_COMMON of them match.  Whether
 *     a word is common is estimated from the statistics of media.title.
 * -   A pattern without a trigram is looked for in the newest titles, too.
 *
 * Before there are MAX_READ rows in media, no word is common.
 *
 * Patterns are matched with LIKE, and thus by the server's own operator.
 * Objects of pg_trgm are used by OID (base/trgm.c).  The planner
 * underestimates the selectivity of patterns with many alternatives and would
 * read all titles, so enable_seqscan is off where the index helps.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/formatting.h"
#include "utils/guc.h"

#include "data/by_oid.h"
#include "data/query.h"
#include "data/search_find.h"
#include "data/search_text.h"
#include "data/slips.h"

#define MAX_CANDIDATES 5000   /* titles that a statement ranks */
#define MAX_COMMON     500    /* ... if it looks for a common word */
#define MAX_READ       20000  /* titles that are read without the index */
#define MAX_TRIGRAMS   200000 /* index entries that a search for similar words reads */
#define MAX_SLIPS      500000 /* ... or a search for slips, at most */
#define MAX_COMPARED   100    /* trigrams that are counted for that */
#define LOST           4      /* trigrams that one slip changes */
#define FEW            10     /* fewer of the newest titles are not enough */
#define SAMPLED        25     /* values of the sample that slips are looked for in */

#define FORM_NAME "\"form of media_search\"" /* no user's column */
#define BY_LENGTH "pg_catalog.char_length(t.title), t.title, t.id"

/*
 * A title in normalized form: as in the index or, before version 1.5, which
 * introduced the type, as it is.
 */
#define FORM     "CAST(CAST(t.title AS researcharr.search_text) AS pg_catalog.text)"
#define FORM_1_4 "(' ' OPERATOR(pg_catalog.||) pg_catalog.lower(t.title) OPERATOR(pg_catalog.||) ' ')"

/* Where candidates come from. */
typedef enum Source
{
	MATCHES,       /* the index, or all titles if it cannot be used */
	NEWEST,        /* the newest titles */
	NEWEST_COMMON, /* ... until there are MAX_COMMON */
} Source;

/* Normalize a string as titles are. */
char *
rarr_search_form(const RarrSearch *search, const char *string, int length)
{
	StringInfoData result;

	initStringInfo(&result);
	if (search->has_form)
		rarr_search_text(&result, string, length);
	else
		appendStringInfo(&result, " %s ", str_tolower(string, length, DEFAULT_COLLATION_OID));
	return result.data;
}

/* Read a sample of titles from the statistics, if there are many titles. */
void
rarr_search_read_sample(RarrSearch *search)
{
	const RarrEntityColumn *title = rarr_entity_column(search->entity, "title", strlen("title"));

	rarr_sample_read(&search->sample, search->entity->relid, title->attnum, MAX_READ);
	for (int i = 0; i < search->sample.n; i++)
	{
		text *value = DatumGetTextPP(search->sample.values[i]);

		search->sample.values[i] =
			CStringGetTextDatum(rarr_search_form(search, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
	}
}

/* Make a text parameter of prefix, words and suffix. */
static Datum
surrounded(const char *before, const char *words, const char *behind)
{
	return CStringGetTextDatum(psprintf("%s%s%s", before, words, behind));
}

/* Make a LIKE pattern of the escaped string between a prefix and a suffix. */
static Datum
make_pattern(const char *before, const char *string, int length, const char *behind)
{
	StringInfoData result;

	initStringInfo(&result);
	appendStringInfoString(&result, before);
	rarr_append_escaped(&result, string, length);
	appendStringInfoString(&result, behind);
	return CStringGetTextDatum(result.data);
}

/* Is it faster to read the newest titles than all that match? */
static bool
is_common(const RarrSearch *search, double matches)
{
	return matches > MAX_READ &&
		   matches * matches > 2.0 * MAX_COMMON * search->sample.rows;
}

/*
 * Get the next of the words.  Returns its length in bytes, or 0 at the end.
 * *word is the previous one, or NULL, of this length.
 */
static int
next_word(const RarrSearch *search, const char **word, int length)
{
	*word = *word == NULL ? search->words : *word + length;
	*word += strspn(*word, " ");
	return strcspn(*word, " ");
}

/* Estimate how many titles contain a text, between a prefix and a suffix. */
static double
count_titles(const RarrSearch *search, const char *before, const char *string, int length, const char *behind)
{
	return rarr_sample_matches(&search->sample, F_TEXTLIKE, make_pattern(before, string, length, behind), 1);
}

/*
 * Choose where the candidates for a pattern of all the words come from.  The
 * index finds the titles that contain each of them, in any order, so that the
 * rarest word determines the cost.
 */
static Source
choose_source(const RarrSearch *search, RarrSearchPlace place, Datum pattern)
{
	const char *before = place == RARR_AT_WORD ? "% " : "%"; /* the first word */
	text *string = DatumGetTextPP(pattern);
	double matches = search->sample.rows;
	const char *word = NULL;

	if (!search->indexed)
		return MATCHES;
	if (!rarr_pattern_has_trigram(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)))
		return NEWEST;
	for (int length = 0; search->sample.n > 0 && (length = next_word(search, &word, length)) > 0; before = "% ")
		matches = Min(matches, count_titles(search, before, word, length, "%"));
	return search->sample.n > 0 && is_common(search, matches) ? NEWEST_COMMON : MATCHES;
}

/*
 * Append " FROM (...) AS t", up to the conditions.  These are on s.f, the
 * normalized title, and begin with WHERE.
 */
static void
begin_candidates(RarrQuery *query, const RarrSearch *search, Source source)
{
	const char *form = search->has_form ? FORM : FORM_1_4;

	if (source == MATCHES)
		appendStringInfo(&query->sql,
						 " FROM (SELECT t.*, s.f AS %s FROM researcharr.media AS t, LATERAL (SELECT %s) AS s (f)",
						 FORM_NAME, form);
	else
		appendStringInfo(&query->sql,
						 " FROM (SELECT t.* FROM (SELECT t.*, %s AS %s FROM researcharr.media AS t"
						 " ORDER BY t.id DESC LIMIT %d) AS t, LATERAL (SELECT t.%s) AS s (f)",
						 form, FORM_NAME, MAX_READ, FORM_NAME);
}

/*
 * Append the end of what begin_candidates() began.  No index but that of titles
 * should be used, so the type is in a CASE, which no index serves.
 */
static void
end_candidates(RarrQuery *query, const RarrSearch *search, Source source)
{
	if (search->type != (Datum) 0)
	{
		rarr_query_add_param(query, " AND CASE WHEN t.type" RARR_EQ, TEXTOID, search->type);
		rarr_query_add(query, " THEN true ELSE false END");
	}
	appendStringInfo(&query->sql, " LIMIT %d) AS t",
					 source == NEWEST_COMMON ? MAX_COMMON : MAX_CANDIDATES);
}

static void
set_for_call(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Run a query.  Sequential scans are disabled unless all titles must be read. */
static List *
run(const RarrSearch *search, RarrQuery *query, int flags)
{
	int nest_level = NewGUCNestLevel();
	List *found;

	if (search->indexed)
		set_for_call("enable_seqscan", "off");
	found = rarr_query_list(search->entity, query, RARR_READ | flags);
	AtEOXact_GUC(true, nest_level);
	return found;
}

/*
 * Find titles that contain the pattern, best first. $1 is the query, $2 its
 * words between spaces, $3 the same without the trailing space.
 */
static List *
find_pattern(const RarrSearch *search, Datum pattern, Source source)
{
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->string));
	rarr_query_bind(&query, TEXTOID, surrounded(" ", search->words, " "));
	rarr_query_bind(&query, TEXTOID, surrounded(" ", search->words, ""));
	begin_candidates(&query, search, source);
	rarr_query_add_param(&query, " WHERE s.f OPERATOR(pg_catalog.~~) ", TEXTOID, pattern);
	end_candidates(&query, search, source);
	rarr_query_add(&query, " ORDER BY CASE WHEN pg_catalog.lower(t.title)" RARR_EQ "pg_catalog.lower($1) THEN 0"
						   " WHEN t." FORM_NAME RARR_EQ "$2 THEN 1"
						   " WHEN t." FORM_NAME " OPERATOR(pg_catalog.^@) $2 THEN 2"
						   " WHEN t." FORM_NAME " OPERATOR(pg_catalog.^@) $3 THEN 3"
						   " WHEN pg_catalog.strpos(t." FORM_NAME ", $2) OPERATOR(pg_catalog.>) 0 THEN 4"
						   " WHEN pg_catalog.strpos(t." FORM_NAME ", $3) OPERATOR(pg_catalog.>) 0 THEN 5"
						   " ELSE 6 END, " BY_LENGTH " LIMIT " CppAsString2(RARR_SEARCH_MAX));
	return run(search, &query, RARR_CUSTOM);
}

/*
 * Find titles that contain the words.  Sets *common if the words are common,
 * so that only some of the titles are ranked.
 */
List *
rarr_find_containing(const RarrSearch *search, RarrSearchPlace place, bool *common)
{
	Datum pattern = make_pattern(place == RARR_AT_WORD ? "% " : "%", search->words, strlen(search->words), "%");
	Source source = choose_source(search, place, pattern);
	List *found = find_pattern(search, pattern, source);

	*common = source == NEWEST_COMMON;
	if (*common && list_length(found) < FEW &&
		is_common(search, rarr_sample_matches(&search->sample, F_TEXTLIKE, pattern, 1)))
		found = find_pattern(search, pattern, MATCHES);
	return found;
}

/* Find titles that contain the query, which has no letters or digits. */
List *
rarr_find_as_it_is(const RarrSearch *search)
{
	Source source = search->indexed ? NEWEST : MATCHES;
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->string));
	begin_candidates(&query, search, source);
	rarr_query_add(&query, " WHERE pg_catalog.strpos(t.title, $1) OPERATOR(pg_catalog.>) 0");
	end_candidates(&query, search, source);
	rarr_query_add(&query, " ORDER BY pg_catalog.strpos(t.title, $1) OPERATOR(pg_catalog.<>) 1, " BY_LENGTH " LIMIT " CppAsString2(RARR_SEARCH_MAX));
	return run(search, &query, RARR_CUSTOM);
}

/*
 * Find titles that match one of the patterns, most similar to the words first.
 * The similarity is only computed for the shortest titles.
 */
static List *
find_patterns(const RarrSearch *search, ArrayBuildState *patterns, Source source)
{
	RarrQuery query;

	if (patterns == NULL)
		return NIL;
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM (SELECT t.*", search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->words));
	begin_candidates(&query, search, source);
	rarr_query_add_param(&query, " WHERE s.f OPERATOR(pg_catalog.~~) ANY (", TEXTARRAYOID,
						 makeArrayResult(patterns, CurrentMemoryContext));
	rarr_query_add(&query, ")");
	end_candidates(&query, search, source);
	appendStringInfo(&query.sql, " ORDER BY " BY_LENGTH " LIMIT " CppAsString2(RARR_SEARCH_MAX) ") AS t"
																								" ORDER BY " RARR_BY_OID_FUNCTION " DESC, t.title, t.id",
					 search->trgm->similarity, "t." FORM_NAME, 1);

	/* planning for these very patterns would cost more than it saves */
	return run(search, &query, RARR_GENERIC);
}

/*
 * Estimate how many entries the index has for each trigram of a word.  Returns
 * their number, up to max.
 */
static int
count_entries(const RarrSearch *search, const char *word, int length, double *counts, int max)
{
	char *padded = psprintf(" %.*s ", length, word);
	int n = 0;

	for (const char *start = padded; n < max; start += pg_mblen(start))
	{
		const char *end = start;

		for (int i = 0; i < RARR_TRIGRAM && *end != '\0'; i++)
			end += pg_mblen(end);
		counts[n++] = count_titles(search, "%", start, end - start, "%");
		if (*end == '\0')
			break;
	}
	pfree(padded);
	return n;
}

static int
compare_counts(const void *a, const void *b)
{
	double difference = *(const double *) a - *(const double *) b;

	return difference < 0 ? -1 : difference > 0;
}

/*
 * Would a search for slips read too much of the index?  A slip changes up to
 * LOST trigrams.  The rarest of the others determines how many entries are read
 * for a pattern.
 */
static bool
slips_are_expensive(const RarrSearch *search, int npatterns)
{
	double counts[RARR_MAX_SLIP_LETTERS * 2];
	const char *word = NULL;
	int n = 0;

	for (int length = 0; search->sample.n > 0 && (length = next_word(search, &word, length)) > 0;)
		n += count_entries(search, word, length, counts + n, lengthof(counts) - n);
	if (n <= LOST)
		return false;
	qsort(counts, n, sizeof(double), compare_counts);
	return counts[LOST] * npatterns > MAX_SLIPS;
}

/*
 * Find titles that contain the words with one typo.  Patterns of common words
 * are looked for in the newest titles.
 */
List *
rarr_find_slips(const RarrSearch *search)
{
	ArrayType *patterns = DatumGetArrayTypeP(rarr_slip_patterns(search->words, search->indexed));
	int step = Max(search->sample.n / SAMPLED, 1);
	ArrayBuildState *rare = NULL;
	ArrayBuildState *common = NULL;
	Datum *pattern;
	int npatterns;

	deconstruct_array(patterns, TEXTOID, -1, false, TYPALIGN_INT, &pattern, NULL, &npatterns);
	for (int i = 0; i < npatterns; i++)
	{
		double matches = rarr_sample_matches(&search->sample, F_TEXTLIKE, pattern[i], step);
		ArrayBuildState **list = is_common(search, matches) ? &common : &rare;

		*list = accumArrayResult(*list, pattern[i], false, TEXTOID, CurrentMemoryContext);
	}
	if (slips_are_expensive(search, npatterns))
		rare = NULL;
	return list_concat(find_patterns(search, rare, MATCHES),
					   find_patterns(search, common, NEWEST_COMMON));
}

/* Find titles that contain words that begin with all these, in any order. */
List *
rarr_find_all_words(const RarrSearch *search)
{
	Datum patterns[RARR_SEARCH_WORDS];
	Source source = NEWEST;
	const char *word = NULL;
	int n = 0;
	RarrQuery query;

	for (int length = 0; n < RARR_SEARCH_WORDS && (length = next_word(search, &word, length)) > 0; n++)
	{
		patterns[n] = make_pattern("% ", word, length, "%");
		if (!search->indexed || (rarr_pattern_has_trigram(word, length) &&
								 !is_common(search, count_titles(search, "% ", word, length, "%"))))
			source = MATCHES;
	}
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	begin_candidates(&query, search, source);
	for (int i = 0; i < n; i++)
		rarr_query_add_param(&query, i == 0 ? " WHERE s.f OPERATOR(pg_catalog.~~) " : " AND s.f OPERATOR(pg_catalog.~~) ",
							 TEXTOID, patterns[i]);
	end_candidates(&query, search, source);
	rarr_query_add(&query, " ORDER BY " BY_LENGTH " LIMIT " CppAsString2(RARR_SEARCH_MAX));
	return run(search, &query, RARR_CUSTOM);
}

/*
 * Return the words that a search for similar words looks for, or NULL if it
 * would read too much of the index.  These are all words but common ones.
 */
static char *
words_to_compare(const RarrSearch *search)
{
	StringInfoData result;
	double counts[MAX_COMPARED];
	double total = 0.0;
	const char *word = NULL;
	int n = 0;

	initStringInfo(&result);
	for (int length = 0; (length = next_word(search, &word, length)) > 0;)
	{
		if (count_titles(search, "% ", word, length, " %") > MAX_READ)
			continue;
		appendStringInfo(&result, "%s%.*s", result.len > 0 ? " " : "", length, word);
		if (search->sample.n > 0)
			n += count_entries(search, word, length, counts + n, MAX_COMPARED - n);
	}
	for (int i = 0; i < n; i++)
		total += counts[i];
	if (!rarr_pattern_has_trigram(result.data, result.len) || total > MAX_TRIGRAMS)
		return NULL;
	return result.data;
}

/*
 * Find up to max titles with a run of words that is similar enough.  pg_trgm
 * must not compare two texts that both have no trigrams, because it then reads
 * beyond an array.  So the words must have one.
 */
List *
rarr_find_similar(const RarrSearch *search, double similarity, int max)
{
	char *words = words_to_compare(search);
	int nest_level;
	RarrQuery query;
	List *found;

	if (words == NULL)
		return NIL;
	nest_level = NewGUCNestLevel();
	/* its settings are defined when it is loaded */
	(void) load_external_function("$libdir/pg_trgm", "word_similarity", true, NULL);
	set_for_call("pg_trgm.word_similarity_threshold", psprintf("%g", similarity));
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(words));
	begin_candidates(&query, search, MATCHES);
	appendStringInfo(&query.sql, " WHERE " RARR_BY_OID_OPERATOR, search->trgm->similar_word, "s.f", 1);
	end_candidates(&query, search, MATCHES);
	appendStringInfo(&query.sql, " ORDER BY " RARR_BY_OID_FUNCTION " DESC, " RARR_BY_OID_FUNCTION " DESC, t.title, t.id LIMIT %d",
					 search->trgm->strict_word_similarity, "t." FORM_NAME, 1,
					 search->trgm->similarity, "t." FORM_NAME, 1, max);
	found = run(search, &query, RARR_CUSTOM);
	AtEOXact_GUC(true, nest_level);
	return found;
}
