/*
 * strategy.h
 *		Use memory and table together, as a strategy says.
 */
#ifndef RARR_CACHE_STRATEGY_H
#define RARR_CACHE_STRATEGY_H

#include "fmgr.h"

#include "base/guc.h"
#include "cache/table.h"
#include "cache/transaction.h"

/* A value to cache, or one that was found. */
typedef struct RarrCached
{
	struct varlena *value;
	int64 ttl;  /* in microseconds; 0: forever */
	Datum tags; /* text[], or 0; found only if asked for */
} RarrCached;

extern bool rarr_cached_get(const RarrCacheKey *key, RarrCacheStrategy strategy, bool with_tags,
							bool latest, RarrCached *found);
extern void rarr_cached_set(const RarrCacheKey *key, RarrCacheStrategy strategy, bool latest,
							const RarrCached *cached);
extern bool rarr_cached_drop(const RarrCacheKey *key);
extern uint64 rarr_cached_drop_matching(const RarrCacheMatch *match);

#endif /* RARR_CACHE_STRATEGY_H */
