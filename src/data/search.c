/*
 * search.c
 *		media_search: titles that are like a query.
 *
 *		First the titles that have the query in them, which a trigram index finds
 *		at little cost however common the query's words are: equal ones, then
 *		those that begin with it, then those that have it as whole words, then by
 *		similarity.  Only where these are few, the titles that have a run of words
 *		similar to the query, which a slip of the pen leaves true; these cost some
 *		10 us each to compare.  A slip changes up to four trigrams: of a short word
 *		that leaves few, so that, where nothing is found, its letters are swapped,
 *		and then less is asked for.
 *
 *		Of one or two letters the index knows only words that begin or end with
 *		them, so that such a query goes by similarity, and all titles are read only
 *		where that finds nothing; or at once where the letters are not ASCII, since
 *		many scripts write two of them for a word, and none between words.
 *
 *		The extension pg_trgm may live in any schema, so its operators are named
 *		with it; and its threshold is a setting of the session's, so it is set for
 *		the call.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/result.h"
#include "data/query.h"

#define MAX_QUERY		500		/* characters: as many as a title has */
#define MAX_FOUND		"1000"	/* titles of each kind: the best ones */
#define FEW				10		/* with fewer titles, similar ones are asked for */
#define SIMILAR_ENOUGH	0.6		/* to be asked for first ... */
#define MAX_SWAPPED		9		/* trigrams: with more, swapped letters leave enough */
#define LEAST_SIMILAR	0.25	/* ... and at last: one wrong letter of four */

#define RANK			"\"rank of media_search\""	/* no column of a user's has that name */
#define BEGINS_WITH_QUERY \
	"pg_catalog.lower(pg_catalog.left(t.title, pg_catalog.char_length($1)))" \
	RARR_EQ "pg_catalog.lower($1)"

/* What is searched for. */
typedef struct Search
{
	RarrEntity *entity;
	Datum		query;			/* text, without white space at its ends */
	const char *string;			/* the same */
	Datum		type;			/* of media, or 0 for any */
	const char *trgm;			/* pg_trgm's schema, quoted */
} Search;

/* The schema of pg_trgm, quoted.  42704 where the extension is gone. */
static const char *
trgm_schema(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *schema = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("pg_trgm"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = get_namespace_name(((Form_pg_extension) GETSTRUCT(tuple))->extnamespace);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"pg_trgm\" does not exist"),
				 errhint("Create it: the extension needs it.")));
	return quote_identifier(schema);
}

/* The string with a backslash before each of these characters. */
static char *
escape(const char *string, const char *special)
{
	StringInfoData result;

	initStringInfo(&result);
	for (; *string != '\0'; string++)
	{
		if (strchr(special, *string) != NULL)
			appendStringInfoChar(&result, '\\');
		appendStringInfoChar(&result, *string);
	}
	return result.data;
}

/*
 * What an index can use of the query: the longest run of letters and digits, and
 * how many trigrams pg_trgm makes of all of them.
 */
static void
count_letters(const char *string, int *longest, int *trigrams)
{
	int			run = 0;

	*longest = *trigrams = 0;
	for (; *string != '\0'; string += pg_mblen(string))
	{
		if (!isalnum((unsigned char) *string) && !IS_HIGHBIT_SET(*string))
		{
			run = 0;
			continue;
		}
		*trigrams += run++ == 0 ? 2 : 1;
		*longest = Max(*longest, run);
	}
}

static void
add_type(RarrQuery *query, const Search *search)
{
	if (search->type == (Datum) 0)
		return;
	rarr_query_add(query, " AND t.type" RARR_EQ);
	rarr_query_param(query, TEXTOID, search->type, false);
}

/*
 * The titles that have the query in them.  $1 is the query, $2 a LIKE pattern
 * for it, $3 a regular expression for it as whole words.  The rank is worked out
 * once for each title, at as little cost as it can be; how similar a title is,
 * only for the best: the shorter it is, the more so.
 */
static List *
find_containing(const Search *search)
{
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM (SELECT t.*,"
					 " CASE WHEN " BEGINS_WITH_QUERY
					 " THEN CASE WHEN pg_catalog.char_length(t.title)" RARR_EQ "pg_catalog.char_length($1)"
					 " THEN 0 ELSE 1 END"
					 " WHEN t.title OPERATOR(pg_catalog.~*) $3 THEN 2 ELSE 3 END AS " RANK
					 " FROM researcharr.media AS t WHERE t.title OPERATOR(pg_catalog.~~*) $2",
					 search->entity->list);
	rarr_query_bind(&query, TEXTOID, search->query);
	rarr_query_bind(&query, TEXTOID,
					CStringGetTextDatum(psprintf("%%%s%%", escape(search->string, "\\%_"))));
	rarr_query_bind(&query, TEXTOID,
					CStringGetTextDatum(psprintf("\\m%s\\M", escape(search->string, "\\^$.|?*+()[]{}"))));
	add_type(&query, search);
	appendStringInfo(&query.sql, " ORDER BY " RANK ", pg_catalog.char_length(t.title), t.id LIMIT " MAX_FOUND ") AS t"
					 " ORDER BY t." RANK ", %s.similarity($1, t.title) DESC, t.title, t.id",
					 search->trgm);
	return rarr_query_list(search->entity, &query, RARR_READ | RARR_CUSTOM);
}

/* The titles that have a run of words similar enough to the query. */
static List *
find_similar(const Search *search, double threshold)
{
	int			nest_level = NewGUCNestLevel();
	RarrQuery	query;
	List	   *found;

	/* its settings are known once it is loaded */
	(void) load_external_function("$libdir/pg_trgm", "word_similarity", true, NULL);
	(void) set_config_option("pg_trgm.word_similarity_threshold", psprintf("%g", threshold),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM researcharr.media AS t"
					 " WHERE $1 OPERATOR(%s.<%%) t.title", search->entity->list, search->trgm);
	rarr_query_bind(&query, TEXTOID, search->query);
	add_type(&query, search);
	appendStringInfo(&query.sql, " ORDER BY CASE WHEN " BEGINS_WITH_QUERY " THEN 0 ELSE 1 END,"
					 " %s.strict_word_similarity($1, t.title) DESC,"
					 " %s.similarity($1, t.title) DESC, t.title, t.id LIMIT " MAX_FOUND,
					 search->trgm, search->trgm);
	found = rarr_query_list(search->entity, &query, RARR_READ | RARR_CUSTOM);
	AtEOXact_GUC(true, nest_level);
	return found;
}

/* LIKE patterns for the query with each two neighbouring letters swapped, as text[]. */
static Datum
swapped_patterns(const char *string)
{
	ArrayBuildState *patterns = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	for (const char *first = string; *first != '\0'; first += pg_mblen(first))
	{
		const char *second = first + pg_mblen(first);
		char	   *swapped;

		if (*second == '\0')
			break;
		swapped = psprintf("%.*s%.*s%.*s%s", (int) (first - string), string,
						   pg_mblen(second), second, pg_mblen(first), first,
						   second + pg_mblen(second));
		patterns = accumArrayResult(patterns,
									CStringGetTextDatum(psprintf("%%%s%%", escape(swapped, "\\%_"))),
									false, TEXTOID, CurrentMemoryContext);
	}
	return makeArrayResult(patterns, CurrentMemoryContext);
}

/*
 * The titles that have the query in them but for two neighbouring letters, which
 * are swapped: of a short word that leaves nothing similar.
 */
static List *
find_swapped(const Search *search)
{
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM (SELECT t.* FROM researcharr.media AS t"
					 " WHERE t.title OPERATOR(pg_catalog.~~*) ANY ($2)", search->entity->list);
	rarr_query_bind(&query, TEXTOID, search->query);
	rarr_query_bind(&query, TEXTARRAYOID, swapped_patterns(search->string));
	add_type(&query, search);
	appendStringInfo(&query.sql, " ORDER BY pg_catalog.char_length(t.title), t.id LIMIT " MAX_FOUND ") AS t"
					 " ORDER BY %s.similarity($1, t.title) DESC, t.title, t.id", search->trgm);
	return rarr_query_list(search->entity, &query, RARR_READ | RARR_CUSTOM);
}

static pg_uuid_t *
id_of(const Search *search, HeapTuple row)
{
	bool		isnull;

	return DatumGetUUIDP(heap_getattr(row, rarr_entity_column(search->entity, "id", strlen("id"))->attnum,
									  search->entity->desc, &isnull));
}

static bool
is_among(const Search *search, List *rows, HeapTuple row)
{
	ListCell   *cell;

	foreach(cell, rows)
	{
		if (memcmp(id_of(search, lfirst(cell)), id_of(search, row), UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* Puts the rows, without those that were put before, into the result. */
static void
put_rows(ReturnSetInfo *rsinfo, const Search *search, List *rows, List *before)
{
	ListCell   *cell;

	foreach(cell, rows)
	{
		if (!is_among(search, before, lfirst(cell)))
			rarr_result_put_tuple(rsinfo, search->entity->desc, lfirst(cell));
	}
}

/* Reads the arguments; false where nothing is asked for. */
static bool
read_arguments(FunctionCallInfo fcinfo, Search *search)
{
	text	   *query = PG_GETARG_TEXT_PP(0);
	const char *start = VARDATA_ANY(query);
	int			length = VARSIZE_ANY_EXHDR(query);
	RarrViolation violation;

	if (!PG_ARGISNULL(1))
	{
		text	   *type = PG_GETARG_TEXT_PP(1);

		if (!rarr_check_text(&rarr_rule_type, VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type), &violation))
			ereport(ERROR,
					(errcode(ERRCODE_RARR_VALIDATION),
					 errmsg("media_type %s", violation.message),
					 errhint("Give a type of media, or null for all.")));
	}
	rarr_trim(&start, &length);
	if (pg_mbstrlen_with_len(start, length) > MAX_QUERY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query has more than %d characters", MAX_QUERY),
				 errhint("No title is longer than that.")));
	search->string = pnstrdup(start, length);
	search->query = CStringGetTextDatum(search->string);
	search->type = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	search->trgm = trgm_schema();
	return length > 0;
}

PG_FUNCTION_INFO_V1(researcharr_media_search);

/*
 * media_search(query text, media_type text) -> media whose titles are like the
 * query, the best first
 *
 * Errors: 22004 for NULL as query; 22023 for one that is longer than a title;
 * RA003 for a type that media cannot have.
 */
Datum
researcharr_media_search(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	Search		search;
	List	   *found = NIL;
	List	   *similar = NIL;
	int			longest;
	int			trigrams;
	double		threshold;
	bool		short_of_index;

	RARR_REQUIRE_ARG(0, "query");
	search.entity = rarr_entity(RARR_MEDIA);
	rsinfo = rarr_result_begin(fcinfo, search.entity->desc);
	if (!read_arguments(fcinfo, &search))
		return (Datum) 0;
	count_letters(search.string, &longest, &trigrams);
	short_of_index = longest < 3 && longest > 0 && pg_is_ascii(search.string);
	if (!short_of_index)
		found = find_containing(&search);
	if (list_length(found) < FEW && longest > 0)
	{
		similar = find_similar(&search, SIMILAR_ENOUGH);
		threshold = Max((trigrams - 4) / (double) trigrams, LEAST_SIMILAR);
		if (found == NIL && similar == NIL && longest >= 3 && trigrams <= MAX_SWAPPED)
			found = find_swapped(&search);
		if (found == NIL && similar == NIL && threshold < SIMILAR_ENOUGH && !short_of_index)
			similar = find_similar(&search, threshold);
	}
	if (short_of_index && similar == NIL)
		found = find_containing(&search);
	put_rows(rsinfo, &search, found, NIL);
	put_rows(rsinfo, &search, similar, found);
	return (Datum) 0;
}
