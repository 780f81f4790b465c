/*
 * search_find.h
 *		The statements by which media_search finds titles.
 */
#ifndef RARR_DATA_SEARCH_FIND_H
#define RARR_DATA_SEARCH_FIND_H

#include "funcapi.h"
#include "utils/hsearch.h"

#include "base/trgm.h"
#include "data/entity.h"
#include "data/pattern.h"

#define RARR_SEARCH_MAX   1000 /* results per statement */
#define RARR_SEARCH_WORDS 16   /* maximum words of a query that are searched for one by one */
#define RARR_TRIGRAM      3    /* length of a trigram */

/* A search. */
typedef struct RarrSearch
{
	RarrEntity *entity;
	const RarrTrgm *trgm;
	const char *string; /* the query, trimmed */
	Datum type;         /* media type, or 0 for any */
	bool has_form;      /* does the type search_text exist? */
	bool indexed;       /* is there a usable index?  If not, all titles are read. */
	const char *words;  /* the normalized query, trimmed */
	bool is_ascii;      /* is it ASCII only? */
	bool indexable;     /* does pg_trgm find a trigram in it? */
	int nletters;       /* length in characters, without spaces */
	int longest;        /* characters of its longest word */
	RarrSample sample;  /* of normalized titles; empty in a small library */

	ReturnSetInfo *rsinfo;
	HTAB *added; /* ids of the rows in the result */
} RarrSearch;

/* where the words are looked for in titles */
typedef enum RarrSearchPlace
{
	RARR_AT_WORD, /* at the beginning of a word */
	RARR_ANYWHERE
} RarrSearchPlace;

extern char *rarr_search_form(const RarrSearch *search, const char *string, int length);
extern void rarr_search_read_sample(RarrSearch *search);
extern List *rarr_find_containing(const RarrSearch *search, RarrSearchPlace place, bool *common);
extern List *rarr_find_as_it_is(const RarrSearch *search);
extern List *rarr_find_slips(const RarrSearch *search);
extern List *rarr_find_all_words(const RarrSearch *search);
extern List *rarr_find_similar(const RarrSearch *search, double similarity, int max);

#endif /* RARR_DATA_SEARCH_FIND_H */
