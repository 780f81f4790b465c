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
 * All searches but the last use LIKE patterns, and thus the server's own
 * operator.  Objects of pg_trgm are used by OID (base/trgm.c).  The planner
 * underestimates the selectivity of patterns with many alternatives and would
 * read all titles, so enable_seqscan is off where the index helps.
 *
 * For a query of one or two letters, the index only finds words that begin
 * with it.  All titles are read if there are none, or if the letters are not
 * ASCII: many scripts write a word with two letters, and no spaces between
 * words.  A query of punctuation only is searched for as it is.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/result.h"
#include "base/schema.h"
#include "base/trgm.h"
#include "data/by_oid.h"
#include "data/query.h"
#include "data/search_text.h"
#include "data/slips.h"
#include "data/violations.h"

#define MAX_QUERY      500  /* maximum length of a title, in characters */
#define MAX_FOUND      1000 /* maximum results per search */
#define FEW            10   /* with fewer, search for less similar titles */
#define SIMILAR_ENOUGH 0.6  /* word similarity required in step 4 */
#define LEAST_SIMILAR  0.25 /* ... if there are no other results */
#define MAX_WORDS      16   /* maximum words of a query in step 3 */
#define TRIGRAM        3    /* length of a trigram */

#define RANK      "\"rank of media_search\"" /* no user's column */
#define FORM_NAME "\"form of media_search\""
#define BY_LENGTH "pg_catalog.char_length(t.title), t.title, t.id"

/*
 * A title in normalized form: as in the index or, before version 1.5, which
 * introduced the type, as it is.
 */
#define FORM     "CAST(CAST(t.title AS researcharr.search_text) AS pg_catalog.text)"
#define FORM_1_4 "(' ' OPERATOR(pg_catalog.||) pg_catalog.lower(t.title) OPERATOR(pg_catalog.||) ' ')"

/* A search. */
typedef struct Search
{
	RarrEntity *entity;
	const RarrTrgm *trgm;
	const char *string; /* the query, trimmed */
	Datum type;         /* media type, or 0 for any */
	bool has_form;      /* does the type search_text exist? */
	bool indexed;       /* is there a usable index? */
	const char *words;  /* the normalized query, trimmed */
	bool is_ascii;      /* is it ASCII only? */
	bool indexable;     /* does pg_trgm treat it as letters? */
	int nletters;       /* length in characters, without spaces */
	int longest;        /* characters of its longest word */

	ReturnSetInfo *rsinfo;
	HTAB *added; /* ids of the rows in the result */
} Search;

/* Normalize a string as titles are. */
static char *
make_form(const Search *search, const char *string, int length)
{
	StringInfoData result;

	initStringInfo(&result);
	if (search->has_form)
		rarr_search_text(&result, string, length);
	else
		appendStringInfo(&result, " %s ", str_tolower(string, length, DEFAULT_COLLATION_OID));
	return result.data;
}

/* Does the database's locale know non-ASCII letters? pg_trgm depends on it. */
static bool
knows_letters(void)
{
	return GetDatabaseEncoding() == PG_UTF8 &&
		   strcmp(str_tolower("\xC3\x89", 2, DEFAULT_COLLATION_OID), "\xC3\xA9") == 0;
}

/* Normalize the query and determine its properties. */
static void
set_words(Search *search)
{
	char *form = make_form(search, search->string, strlen(search->string));
	int length = strlen(form);
	int run = 0;

	if (length >= 2)
		form[length - 1] = '\0';
	search->words = length >= 2 ? form + 1 : form;
	search->is_ascii = pg_is_ascii(search->words);
	search->indexable = search->is_ascii || knows_letters();
	for (const char *letter = search->words; *letter != '\0'; letter += pg_mblen(letter))
	{
		run = isalnum((unsigned char) *letter) || IS_HIGHBIT_SET(*letter) ? run + 1 : 0;
		search->longest = Max(search->longest, run);
		search->nletters++;
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

/* Append " FROM media AS t", with the normalized title as s.f. */
static void
add_from(RarrQuery *query, const Search *search)
{
	appendStringInfo(&query->sql, " FROM researcharr.media AS t, LATERAL (SELECT %s) AS s (f)",
					 search->has_form ? FORM : FORM_1_4);
}

static void
add_type(RarrQuery *query, const Search *search)
{
	if (search->type == (Datum) 0)
		return;
	rarr_query_add_param(query, " AND t.type" RARR_EQ, TEXTOID, search->type);
}

static void
set_for_call(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Run a query.  If the index can be used, sequential scans are disabled. */
static List *
run(const Search *search, RarrQuery *query, bool indexed, int flags)
{
	int nest_level = NewGUCNestLevel();
	List *found;

	if (indexed && search->indexable && search->indexed)
		set_for_call("enable_seqscan", "off");
	found = rarr_query_list(search->entity, query, RARR_READ | flags);
	AtEOXact_GUC(true, nest_level);
	return found;
}

/*
 * Find titles that contain the words, anywhere or at the beginning of a word.
 * $1 is the query, $2 its words between spaces, $3 the same without the
 * trailing space.
 */
static List *
find_containing(const Search *search, bool anywhere)
{
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM (SELECT t.*,"
								 " CASE WHEN pg_catalog.lower(t.title)" RARR_EQ "pg_catalog.lower($1) THEN 0"
								 " WHEN s.f" RARR_EQ "$2 THEN 1"
								 " WHEN s.f OPERATOR(pg_catalog.^@) $2 THEN 2"
								 " WHEN s.f OPERATOR(pg_catalog.^@) $3 THEN 3"
								 " WHEN pg_catalog.strpos(s.f, $2) OPERATOR(pg_catalog.>) 0 THEN 4"
								 " WHEN pg_catalog.strpos(s.f, $3) OPERATOR(pg_catalog.>) 0 THEN 5"
								 " ELSE 6 END AS " RANK,
					 search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->string));
	rarr_query_bind(&query, TEXTOID, surrounded(" ", search->words, " "));
	rarr_query_bind(&query, TEXTOID, surrounded(" ", search->words, ""));
	add_from(&query, search);
	rarr_query_add_param(&query, " WHERE s.f OPERATOR(pg_catalog.~~) ",
						 TEXTOID, make_pattern(anywhere ? "%" : "% ", search->words, strlen(search->words), "%"));
	add_type(&query, search);
	rarr_query_add(&query, " ORDER BY " RANK ", " BY_LENGTH " LIMIT " CppAsString2(MAX_FOUND) ") AS t"
																							  " ORDER BY t." RANK ", " BY_LENGTH);
	return run(search, &query, !anywhere || search->longest >= TRIGRAM, RARR_CUSTOM);
}

/* Find titles that contain the query, which has no letters or digits. */
static List *
find_as_it_is(const Search *search)
{
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM researcharr.media AS t"
								 " WHERE pg_catalog.strpos(t.title, $1) OPERATOR(pg_catalog.>) 0",
					 search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->string));
	add_type(&query, search);
	rarr_query_add(&query, " ORDER BY pg_catalog.strpos(t.title, $1) OPERATOR(pg_catalog.<>) 1, " BY_LENGTH " LIMIT " CppAsString2(MAX_FOUND));
	return run(search, &query, false, RARR_CUSTOM);
}

/*
 * Find titles that contain the words with one typo, most similar first.  The
 * similarity is only computed for the shortest titles.
 */
static List *
find_slips(const Search *search)
{
	RarrQuery query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM (SELECT t.*, s.f AS " FORM_NAME, search->entity->list);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->words));
	add_from(&query, search);
	rarr_query_add_param(&query, " WHERE s.f OPERATOR(pg_catalog.~~) ANY (",
						 TEXTARRAYOID, rarr_slip_patterns(search->words, search->indexed));
	rarr_query_add(&query, ")");
	add_type(&query, search);
	appendStringInfo(&query.sql, " ORDER BY " BY_LENGTH " LIMIT " CppAsString2(MAX_FOUND) ") AS t"
																						  " ORDER BY " RARR_BY_OID_FUNCTION " DESC, t.title, t.id",
					 search->trgm->similarity, "t." FORM_NAME, 1);

	/* planning for these very patterns would cost more than it saves */
	return run(search, &query, true, RARR_GENERIC);
}

/* Find titles that contain words that begin with all these, in any order. */
static List *
find_all_words(const Search *search)
{
	RarrQuery query;
	const char *word = search->words;
	int nwords = 0;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	add_from(&query, search);
	while (*word != '\0' && nwords < MAX_WORDS)
	{
		int length = strcspn(word, " ");

		appendStringInfo(&query.sql, " %s s.f OPERATOR(pg_catalog.~~) ", nwords++ == 0 ? "WHERE" : "AND");
		rarr_query_param(&query, TEXTOID, make_pattern("% ", word, length, "%"), false);
		word += length;
		word += strspn(word, " ");
	}
	add_type(&query, search);
	rarr_query_add(&query, " ORDER BY " BY_LENGTH " LIMIT " CppAsString2(MAX_FOUND));
	return run(search, &query, true, RARR_CUSTOM);
}

/* Find up to max titles with a run of words that is similar enough. */
static List *
find_similar(const Search *search, double similarity, int max)
{
	int nest_level = NewGUCNestLevel();
	RarrQuery query;
	List *found;

	/* its settings are defined when it is loaded */
	(void) load_external_function("$libdir/pg_trgm", "word_similarity", true, NULL);
	set_for_call("pg_trgm.word_similarity_threshold", psprintf("%g", similarity));
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s", search->entity->list);
	add_from(&query, search);
	rarr_query_bind(&query, TEXTOID, CStringGetTextDatum(search->words));
	appendStringInfo(&query.sql, " WHERE " RARR_BY_OID_OPERATOR, search->trgm->similar_word, "s.f", 1);
	add_type(&query, search);
	appendStringInfo(&query.sql, " ORDER BY " RARR_BY_OID_FUNCTION " DESC, " RARR_BY_OID_FUNCTION " DESC, t.title, t.id LIMIT %d",
					 search->trgm->strict_word_similarity, "s.f", 1,
					 search->trgm->similarity, "s.f", 1, max);
	found = run(search, &query, true, RARR_CUSTOM);
	AtEOXact_GUC(true, nest_level);
	return found;
}

static pg_uuid_t *
id_of(const Search *search, HeapTuple row)
{
	bool isnull;

	return DatumGetUUIDP(heap_getattr(row, rarr_entity_column(search->entity, "id", strlen("id"))->attnum,
									  search->entity->desc, &isnull));
}

/* Add a row to the result unless it is already there. */
static void
add_row(const Search *search, HeapTuple row)
{
	bool is_there;

	(void) hash_search(search->added, id_of(search, row), HASH_ENTER, &is_there);
	if (!is_there)
		rarr_result_put_tuple(search->rsinfo, search->entity->desc, row);
}

static void
add_rows(const Search *search, List *rows)
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
add_words(const Search *search, List *rows, int *whole)
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
		char *form = make_form(search, VARDATA_ANY(title), VARSIZE_ANY_EXHDR(title));

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
has_few(const Search *search)
{
	return hash_get_num_entries(search->added) < FEW;
}

/* Nothing else was found: find the few most similar titles. */
static void
guess(const Search *search)
{
	int trigrams = search->nletters + 1; /* letters, spaces, and one */
	double similarity = Max((trigrams - 4) / (double) trigrams, LEAST_SIMILAR);

	if (similarity < SIMILAR_ENOUGH)
		add_rows(search, find_similar(search, similarity, FEW));
}

/* Run the searches and fill the result. */
static void
find(const Search *search)
{
	bool is_short = search->is_ascii && search->longest < TRIGRAM;
	List *containing;
	List *others;
	int whole;

	if (search->words[0] == '\0')
	{
		add_rows(search, find_as_it_is(search));
		return;
	}
	containing = find_containing(search, !is_short);
	others = add_words(search, containing, &whole);
	if (is_short && hash_get_num_entries(search->added) == 0)
		others = find_containing(search, true);
	if (whole < FEW && list_length(containing) < MAX_FOUND && search->longest >= TRIGRAM && search->indexable &&
		search->nletters <= RARR_MAX_SLIP_LETTERS)
		add_rows(search, find_slips(search));
	if (has_few(search) && strchr(search->words, ' ') != NULL)
		add_rows(search, find_all_words(search));
	add_rows(search, others);
	if (has_few(search) && search->longest >= TRIGRAM)
		add_rows(search, find_similar(search, SIMILAR_ENOUGH, MAX_FOUND));
	if (hash_get_num_entries(search->added) == 0 && search->longest >= TRIGRAM)
		guess(search);
}

/* Read the arguments.  Returns false if the query is empty. */
static bool
read_arguments(FunctionCallInfo fcinfo, Search *search)
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
look_for_index(Search *search)
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
	Search search = {0};

	RARR_REQUIRE_ARG(0, "query");
	search.entity = rarr_entity(RARR_MEDIA);
	search.rsinfo = rarr_result_begin(fcinfo, search.entity->desc);
	if (!read_arguments(fcinfo, &search))
		return (Datum) 0;
	search.trgm = rarr_trgm();
	look_for_index(&search);
	set_words(&search);
	search.added = hash_create("rows of media_search", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	find(&search);
	hash_destroy(search.added);
	return (Datum) 0;
}
