/*
 * evict.h
 *		Make room in the cache.
 */
#ifndef RARR_CACHE_EVICT_H
#define RARR_CACHE_EVICT_H

#include "cache/store.h"

extern bool rarr_cache_make_room(uint32 partition, RarrCacheChain *chain, uint32 n);
extern RarrCacheQueue rarr_cache_queue_for(uint32 partition, uint64 hash);
extern uint32 rarr_cache_expire(uint32 partition, uint32 most);

#endif /* RARR_CACHE_EVICT_H */
