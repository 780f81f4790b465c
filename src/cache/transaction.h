/*
 * transaction.h
 *		What a transaction reads from the cache, and writes into it.
 */
#ifndef RARR_CACHE_TRANSACTION_H
#define RARR_CACHE_TRANSACTION_H

#include "cache/own.h"

extern void rarr_cache_make_key(RarrCacheKey *key, const char *data, int length);
extern RarrCacheAnswer rarr_cache_get(const RarrCacheKey *key, bool with_tags, bool latest,
									  RarrCacheValue *value);
extern bool rarr_cache_peek(const RarrCacheKey *key);
extern bool rarr_cache_set(const RarrCacheKey *key, const RarrCacheWrite *write);
extern void rarr_cache_fill(const RarrCacheKey *key, const RarrCacheWrite *write);
extern void rarr_cache_drop(const RarrCacheKey *key);
extern void rarr_cache_drop_row(const RarrCacheKey *key);
extern bool rarr_cache_has_set(const RarrCacheKey *key);
extern int rarr_cache_count_drops(void);
extern bool rarr_cache_is_dropped(const RarrCacheMatch *match);
extern uint64 rarr_cache_drop_matching(const RarrCacheMatch *match);

#endif /* RARR_CACHE_TRANSACTION_H */
