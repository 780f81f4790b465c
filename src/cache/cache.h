/*
 * cache.h
 *		What the rest of the library uses of the cache.
 */
#ifndef RARR_CACHE_CACHE_H
#define RARR_CACHE_CACHE_H

extern void rarr_cache_register_tasks(void);

#endif /* RARR_CACHE_CACHE_H */
