/*
 * search.c
 *		media_search: search titles by similarity.
 *
 * The query and the titles are compared in the normalized form of
 * search_text.c, for which there is an index.  These searches run in order
 * until there are enough results:
 *
 * 1.  Titles that contain the query.  Equal titles come first, then those that
 *    begin with it, those that contain it as whole words, those that contain
 *    it at the beginning of a word and, after the results of 2 and 3, those
 *    that contain it anywhere.
 * 2.  Titles that contain the query with one typo (slips.c).
 * 3.  Titles that contain all its words, in any order.
 * 4.  Titles that contain a run of words similar to the query, which tolerates
 *    several typos.  Each comparison takes some 10 us.  If there are no
 *    results at all, a few less similar titles are returned.
 *
 * search_find.c has their statements, and says how the work of each one is
 * bounded.
 *
 * For a query of one or two letters, the index only finds words that begin
 * with it.  The newest titles are read if there are none, or if the letters are
 * not ASCII: many scripts write a word with two letters, and no spaces between
 * words.  A query of punctuation only is searched for as it is.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/result.h"
#include "base/schema.h"
#include "data/search_find.h"
#include "data/slips.h"
#include "data/violations.h"

#define MAX_QUERY      500  /* maximum length of a title, in characters */
#define FEW            10   /* with fewer, search for less similar titles */
#define SIMILAR_ENOUGH 0.6  /* word similarity required in step 4 */
#define LEAST_SIMILAR  0.25 /* ... if there are no other results */

/* Normalize the query and determine its properties. */
static void
set_words(RarrSearch *search)
{
	char *form = rarr_search_form(search, search->string, strlen(search->string));
	int length = strlen(form);
	int run = 0;

	search->indexable = rarr_pattern_has_trigram(form, length);
	if (length >= 2)
		form[length - 1] = '\0';
	search->words = length >= 2 ? form + 1 : form;
	search->is_ascii = pg_is_ascii(search->words);
	for (const char *letter = search->words; *letter != '\0'; letter += pg_mblen(letter))
	{
		run = isalnum((unsigned char) *letter) || IS_HIGHBIT_SET(*letter) ? run + 1 : 0;
		search->longest = Max(search->longest, run);
		search->nletters++;
	}
}

static pg_uuid_t *
id_of(const RarrSearch *search, HeapTuple row)
{
	bool isnull;

	return DatumGetUUIDP(heap_getattr(row, rarr_entity_column(search->entity, "id", strlen("id"))->attnum,
									  search->entity->desc, &isnull));
}

/* Add a row to the result unless it is already there. */
static void
add_row(const RarrSearch *search, HeapTuple row)
{
	bool is_there;

	(void) hash_search(search->added, id_of(search, row), HASH_ENTER, &is_there);
	if (!is_there)
		rarr_result_put_tuple(search->rsinfo, search->entity->desc, row);
}

static void
add_rows(const RarrSearch *search, List *rows)
{
	ListCell *cell;

	foreach (cell, rows)
		add_row(search, lfirst(cell));
}

/*
 * Add the rows that contain the query at the beginning of a word, and return
 * the others.  Counts those that contain it as whole words.
 */
static List *
add_words(const RarrSearch *search, List *rows, int *whole)
{
	AttrNumber attnum = rarr_entity_column(search->entity, "title", strlen("title"))->attnum;
	char *begin = psprintf(" %s", search->words);
	char *words = psprintf(" %s ", search->words);
	List *others = NIL;
	ListCell *cell;

	*whole = 0;
	foreach (cell, rows)
	{
		bool isnull;
		Datum value = heap_getattr(lfirst(cell), attnum, search->entity->desc, &isnull);
		text *title = isnull ? cstring_to_text("") : DatumGetTextPP(value);
		char *form = rarr_search_form(search, VARDATA_ANY(title), VARSIZE_ANY_EXHDR(title));

		*whole += strstr(form, words) != NULL;
		if (!search->is_ascii || strstr(form, begin) != NULL)
			add_row(search, lfirst(cell));
		else
			others = lappend(others, lfirst(cell));
		pfree(form);
	}
	return others;
}

static bool
has_few(const RarrSearch *search)
{
	return hash_get_num_entries(search->added) < FEW;
}

/* Nothing else was found: find the few most similar titles. */
static void
guess(const RarrSearch *search)
{
	int trigrams = search->nletters + 1; /* letters, spaces, and one */
	double similarity = Max((trigrams - 4) / (double) trigrams, LEAST_SIMILAR);

	if (similarity < SIMILAR_ENOUGH)
		add_rows(search, rarr_find_similar(search, similarity, FEW));
}

/*
 * Find titles that contain the query.  Adds those that contain it at the
 * beginning of a word, and returns the others.  Sets *slips to whether it makes
 * sense to look for titles with a slip.
 */
static List *
find_containing(const RarrSearch *search, bool *slips)
{
	bool is_short = search->longest < RARR_TRIGRAM;
	bool common = false;
	List *containing = NIL;
	List *others;
	int whole;

	/* the index knows a word of one or two letters by its beginning */
	if (is_short && search->indexable)
	{
		containing = rarr_find_containing(search, RARR_AT_WORD, &common);
		add_rows(search, containing);
	}
	if (!is_short || !search->is_ascii || containing == NIL)
		containing = rarr_find_containing(search, RARR_ANYWHERE, &common);
	others = add_words(search, containing, &whole);
	*slips = !common && !is_short && search->indexable && whole < FEW &&
			 list_length(containing) < RARR_SEARCH_MAX && search->nletters <= RARR_MAX_SLIP_LETTERS;
	return others;
}

/* Run the searches and fill the result. */
static void
find(const RarrSearch *search)
{
	List *others;
	bool slips;

	if (search->words[0] == '\0')
	{
		add_rows(search, rarr_find_as_it_is(search));
		return;
	}
	others = find_containing(search, &slips);
	if (slips)
		add_rows(search, rarr_find_slips(search));
	if (has_few(search) && strchr(search->words, ' ') != NULL)
		add_rows(search, rarr_find_all_words(search));
	add_rows(search, others);
	if (has_few(search) && search->longest >= RARR_TRIGRAM)
		add_rows(search, rarr_find_similar(search, SIMILAR_ENOUGH, RARR_SEARCH_MAX));
	if (hash_get_num_entries(search->added) == 0 && search->longest >= RARR_TRIGRAM)
		guess(search);
}

/* Read the arguments.  Returns false if the query is empty. */
static bool
read_arguments(FunctionCallInfo fcinfo, RarrSearch *search)
{
	text *query = PG_GETARG_TEXT_PP(0);
	const char *start = VARDATA_ANY(query);
	int length = VARSIZE_ANY_EXHDR(query);

	if (!PG_ARGISNULL(1))
		rarr_require_text(&rarr_rule_type, "media_type", PG_GETARG_TEXT_PP(1),
						  "Give a type of media, or null for all.");
	rarr_trim(&start, &length);
	if (pg_mbstrlen_with_len(start, length) > MAX_QUERY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query has more than %d characters", MAX_QUERY),
				 errhint("No title is longer than that.")));
	search->string = pnstrdup(start, length);
	search->type = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	return length > 0;
}

/*
 * Look for the type search_text and the index.  The SQL objects of older
 * versions have neither, and with row security an index cannot be used.
 */
static void
look_for_index(RarrSearch *search)
{
	Oid schema = get_namespace_oid(RARR_SCHEMA, false);

	search->has_form = OidIsValid(GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
												  CStringGetDatum("search_text"), ObjectIdGetDatum(schema)));
	search->indexed = search->has_form && OidIsValid(get_relname_relid("media_search_idx", schema)) &&
					  check_enable_rls(search->entity->relid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * media_search(query text, media_type text) returns SETOF media
 *
 * Returns media with titles similar to the query, best first.  Raises 22004 if
 * query is NULL, 22023 if it is longer than a title, RA003 for an unknown
 * media type, and 55000 if pg_trgm is not usable.
 */
PG_FUNCTION_INFO_V1(researcharr_media_search);
Datum
researcharr_media_search(PG_FUNCTION_ARGS)
{
	HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(pg_uuid_t), .hcxt = CurrentMemoryContext};
	RarrSearch search = {0};

	RARR_REQUIRE_ARG(0, "query");
	search.entity = rarr_entity(RARR_MEDIA);
	search.rsinfo = rarr_result_begin(fcinfo, search.entity->desc);
	if (!read_arguments(fcinfo, &search))
		return (Datum) 0;
	search.trgm = rarr_trgm();
	look_for_index(&search);
	set_words(&search);
	if (search.indexed)
		rarr_search_read_sample(&search);
	search.added = hash_create("rows of media_search", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	find(&search);
	hash_destroy(search.added);
	return (Datum) 0;
}
