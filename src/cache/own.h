/*
 * own.h
 *		What a transaction has done to the cache so far: its own operations.
 */
#ifndef RARR_CACHE_OWN_H
#define RARR_CACHE_OWN_H

#include "base/pending.h"
#include "cache/match.h"
#include "cache/store.h"

/* What to put under a key. */
typedef struct RarrCacheWrite
{
	const char *value;
	uint32 length;
	const char *tags; /* as match.c makes them, or NULL */
	uint32 tags_length;
	int64 expiry;      /* of the monotonic clock; 0: never */
	bool latest;       /* was it made of what all others have committed by now? */
	bool write_behind; /* must the table get it, too? */
} RarrCacheWrite;

/* A key that the transaction has written. */
typedef struct RarrOwnKey
{
	RarrCacheKey key;
	struct RarrOwnKey *next; /* with the same hash */
} RarrOwnKey;

/*
 * A pending entry: what the transaction did last to a key at one level of
 * subtransactions, or that it dropped all keys that match.
 */
typedef struct RarrCacheOp
{
	RarrPendingEntry entry;
	RarrOwnKey *key;             /* or NULL */
	const RarrCacheMatch *match; /* if key is NULL */
	bool set;                    /* was it set, and not dropped? */
	bool write_behind;           /* does the table get it later? */
	const RarrSight *sight;      /* of the snapshot by which it was set; or NULL: */
	uint32 changes;              /* ... what was recorded when the sight was checked */
	int64 expiry;
	struct varlena *value;
	char *tags;
	uint32 tags_length;
	RarrCacheChain chain; /* what will be linked */
} RarrCacheOp;

extern RarrPendingList rarr_cache_ops;

extern bool rarr_own_any(void);
extern RarrCacheOp *rarr_own_find(const RarrCacheKey *key);
extern bool rarr_own_dropped(const RarrCacheKey *key, const char *tags, uint32 tags_length);
extern RarrCacheOp *rarr_own_op(const RarrCacheKey *key);
extern void rarr_own_keep(RarrCacheOp *op, const RarrCacheWrite *write);
extern bool rarr_own_has_set(const RarrCacheKey *key);
extern void rarr_own_drop_variants(const RarrCacheKey *key);
extern bool rarr_own_has_match(const RarrCacheMatch *match);
extern uint64 rarr_own_add_match(const RarrCacheMatch *match);
extern void rarr_own_reset(RarrCacheOp *op);
extern void rarr_own_init(void (*act)(RarrPendingEvent event, const void *ops, int n));
extern void rarr_own_forget(void);
extern MemoryContext rarr_own_context(void);

#endif /* RARR_CACHE_OWN_H */
