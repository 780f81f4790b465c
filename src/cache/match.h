/*
 * match.h
 *		Find the entries of the cache whose key or tags match.
 */
#ifndef RARR_CACHE_MATCH_H
#define RARR_CACHE_MATCH_H

#include "cache/store.h"

typedef enum RarrMatchKind
{
	RARR_MATCH_ALL,
	RARR_MATCH_PATTERN, /* LIKE */
	RARR_MATCH_TAG,
	RARR_MATCH_ROLES /* all that belong to a role */
} RarrMatchKind;

typedef struct RarrCacheMatch
{
	RarrMatchKind kind;
	text *text; /* the pattern or the tag */
} RarrCacheMatch;

/* An entry that was found. */
typedef struct RarrFoundEntry
{
	uint64 hash;
	uint64 serial;
} RarrFoundEntry;

typedef struct RarrFoundEntries
{
	RarrFoundEntry *entries;
	uint64 n;
	uint64 room;
} RarrFoundEntries;

/* Is an entry with this role, key and tags not to be counted? */
typedef bool (*RarrSkipEntry)(Oid role, const char *key, int length, const char *tags, uint32 tags_length);

extern char *rarr_tags_make(const Datum *tags, int n, uint32 *length);
extern Datum rarr_tags_array(const char *tags, uint32 length);
extern bool rarr_match_fits(const RarrCacheMatch *match, Oid role, const char *key, int length,
							const char *tags, uint32 tags_length);
extern uint64 rarr_match_find(const RarrCacheMatch *match, RarrSkipEntry skip, RarrFoundEntries *found);

#endif /* RARR_CACHE_MATCH_H */
