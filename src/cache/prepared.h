/*
 * prepared.h
 *		What prepared transactions have to do to the cache.
 */
#ifndef RARR_CACHE_PREPARED_H
#define RARR_CACHE_PREPARED_H

#include "cache/commit.h"

extern void rarr_cache_prepared_save(const RarrCommit *commit);
extern void rarr_cache_prepared_init(void);

#endif /* RARR_CACHE_PREPARED_H */
