/*
 * cache.h
 *		The parts of the cache that the rest of the library uses.
 */
#ifndef RARR_CACHE_CACHE_H
#define RARR_CACHE_CACHE_H

#include "access/htup.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/uuid.h"

extern void rarr_cache_load(void);
extern void rarr_cache_init(void);

/* rows.c */
extern bool rarr_cache_rows_usable(void);
extern bool rarr_cache_rows_any(void);
extern struct varlena *rarr_cache_row_get(const char *entity, const pg_uuid_t *id, uint64 shape);
extern void rarr_cache_row_put(const char *entity, const pg_uuid_t *id, uint64 shape, const char *bytes,
							   uint32 length);
extern void rarr_cache_row_changed(const char *entity, const pg_uuid_t *id);
extern void rarr_cache_rows_changed(void);
extern void rarr_cache_row_trigger(Relation rel, const Trigger *trigger, HeapTuple row);

#endif /* RARR_CACHE_CACHE_H */
