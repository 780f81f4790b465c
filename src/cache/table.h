/*
 * table.h
 *		The table cache_entries: what the cache keeps besides memory.
 */
#ifndef RARR_CACHE_TABLE_H
#define RARR_CACHE_TABLE_H

#include "utils/timestamp.h"

#include "cache/match.h"

/* A row of the table, in the current memory context. */
typedef struct RarrCacheRow
{
	struct varlena *value;
	TimestampTz expiry; /* DT_NOEND: never */
	Datum tags;         /* text[], or 0 for NULL */
} RarrCacheRow;

/* Called for each key of a row that is deleted and had not expired. */
typedef void (*RarrDeletedKey)(const char *key, int length, void *arg);

extern bool rarr_cache_table_get(const RarrCacheKey *key, bool latest, RarrCacheRow *row);
extern void rarr_cache_table_put(const RarrCacheKey *key, const RarrCacheRow *row);
extern bool rarr_cache_table_delete(const RarrCacheKey *key);
extern uint64 rarr_cache_table_delete_matching(const RarrCacheMatch *match, RarrDeletedKey deleted, void *arg);
extern uint64 rarr_cache_table_expire(int most);
extern bool rarr_cache_table_is_empty(void);
extern void rarr_cache_table_refuse_foreign_code(void);
extern void rarr_cache_table_stop_flush(void);
extern bool rarr_cache_table_begin_flush(void);
extern void rarr_cache_table_lock_key(const RarrCacheKey *key);
extern bool rarr_cache_table_try_fetch(const RarrCacheKey *key);
extern void rarr_cache_table_lock_fetch(const RarrCacheKey *key);
extern void rarr_cache_table_unlock_fetch(const RarrCacheKey *key);

#endif /* RARR_CACHE_TABLE_H */
