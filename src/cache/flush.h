/*
 * flush.h
 *		Write to the table what write_behind has left in memory.
 */
#ifndef RARR_CACHE_FLUSH_H
#define RARR_CACHE_FLUSH_H

#include "cache/transaction.h"

extern bool rarr_flush_set(const RarrCacheKey *key, RarrCacheWrite *write);
extern int rarr_flush_some(void);
extern void rarr_flush_register(void);
extern void rarr_flush_init(void);

#endif /* RARR_CACHE_FLUSH_H */
