/*
 * store.h
 *		The cache in shared memory: entries, partitions, and who may see them.
 */
#ifndef RARR_CACHE_STORE_H
#define RARR_CACHE_STORE_H

#include "lib/pairingheap.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#include "base/shmem.h"
#include "cache/doubt.h"
#include "cache/pool.h"

/* doubts of a partition; a power of two */
#define RARR_CACHE_DOUBTS 256

/* databases with counters of their own; the others share the last ones */
#define RARR_CACHE_DATABASES 32

#define RARR_CACHE_STRIPES 16

/* Whose entry it is, and under which key */
typedef struct RarrCacheKey
{
	uint64 hash;      /* of database and key */
	Oid role;         /* whose the entry is; 0: everybody's */
	uint16 length;    /* of the key */
	uint16 variant;   /* length of what follows it: on what else the entry depends */
	const char *data; /* both */
} RarrCacheKey;

typedef enum RarrCacheQueue
{
	RARR_QUEUE_SMALL, /* entries that came in lately */
	RARR_QUEUE_MAIN,  /* those that were used since */
	RARR_QUEUE_DIRTY, /* those that the table does not have yet */
	RARR_QUEUES
} RarrCacheQueue;

/*
 * The first block of an entry.  Key, variant, tags and value follow each other
 * from data on, and go on in further blocks.
 */
typedef struct RarrCacheEntry
{
	RarrBlockNumber next_block; /* must come first; see pool.h */
	RarrBlockNumber last_block;
	RarrBlockNumber next_in_bucket;
	RarrBlockNumber older; /* neighbours in the queue */
	RarrBlockNumber newer;
	uint32 nblocks;
	uint64 hash;
	uint64 serial; /* unique within the partition */
	Oid database;
	Oid role;
	uint16 length;
	uint16 variant;
	uint32 tags_length;
	uint32 value_length;
	uint8 queue;
	uint8 uses;            /* up to 3; changed without the exclusive lock */
	uint8 slot;            /* of the database's counters */
	bool absent;           /* the key was deleted, which the table does not know yet */
	int64 expiry;          /* of the monotonic clock; 0: never */
	pairingheap_node node; /* by expiry, if it has one and is not dirty */
	char data[FLEXIBLE_ARRAY_MEMBER];
} RarrCacheEntry;

typedef struct RarrCacheList
{
	RarrBlockNumber oldest;
	RarrBlockNumber newest;
	uint32 entries;
	uint32 blocks;
} RarrCacheList;

typedef struct RarrCachePartition
{
	LWLock lock;
	RarrCacheList queues[RARR_QUEUES];
	pairingheap_node *expiries; /* the root */
	uint64 serials;             /* the last one that was given away */
	uint16 ghosts;              /* entries that left, modulo 2^16 */
} RarrCachePartition;

typedef union RarrCachePartitionPadded
{
	RarrCachePartition part;
	char pad[2 * PG_CACHE_LINE_SIZE];
} RarrCachePartitionPadded;

typedef enum RarrCacheCounter
{
	RARR_COUNT_HITS,
	RARR_COUNT_MISSES,
	RARR_COUNT_EVICTIONS,
	RARR_COUNT_EXPIRATIONS,
	RARR_COUNT_TABLE_HITS,
	RARR_COUNT_TABLE_MISSES,
	RARR_COUNT_TABLE_EXPIRATIONS,
	RARR_COUNTERS
} RarrCacheCounter;

typedef union RarrCacheStripe
{
	pg_atomic_uint64 counts[RARR_COUNTERS];
	char pad[PG_CACHE_LINE_SIZE];
} RarrCacheStripe;

/* What is kept for a database. */
typedef struct RarrCacheDatabase
{
	Oid database;             /* 0: nobody's */
	pg_atomic_uint32 off;     /* > 0: neither read nor link anything */
	pg_atomic_uint32 behind;  /* > 0: the table may lag behind the memory */
	pg_atomic_uint32 rows;    /* > 0: changes of our tables' rows must be told; see rows.c */
	TransactionId rows_since; /* ... by transactions from this one on */
	RarrCacheDoubt all;       /* of all keys; while it is raised, they can be read */
	pg_atomic_uint64 entries;
	pg_atomic_uint64 blocks;
	RarrCacheStripe stripes[RARR_CACHE_STRIPES];
} RarrCacheDatabase;

/* A found entry's contents, in the current memory context. */
typedef struct RarrCacheValue
{
	struct varlena *value; /* a bytea */
	char *tags;            /* or NULL */
	uint32 tags_length;
	int64 expiry;
} RarrCacheValue;

typedef enum RarrCacheAnswer
{
	RARR_CACHE_MISS,
	RARR_CACHE_HIT,
	RARR_CACHE_ABSENT /* deleted, though the table may still have it */
} RarrCacheAnswer;

extern const RarrShmemPart rarr_cache_part;

extern bool rarr_cache_is_there(void);
extern uint32 rarr_cache_partitions(void);
extern RarrCachePartition *rarr_cache_partition(uint32 i);
extern uint32 rarr_cache_partition_of(uint64 hash);
extern uint32 rarr_cache_doubt_of(uint64 hash);
extern RarrCacheDoubt *rarr_cache_doubt(uint32 partition, uint32 doubt);
extern RarrCacheDatabase *rarr_cache_database(void);
extern void rarr_cache_begin_rows(void);
extern bool rarr_cache_is_behind(void);
extern void rarr_cache_record_all(TransactionId xid);
extern uint8 rarr_cache_database_slot(void);
extern RarrCacheDatabase *rarr_cache_database_at(uint8 slot);
extern void rarr_cache_forget_entries(Oid database);
extern void rarr_cache_forget_database(Oid database);
extern void rarr_cache_count(RarrCacheCounter counter);
extern void rarr_cache_count_many(RarrCacheCounter counter, uint64 n);
extern void rarr_cache_forget_transactions(TransactionId oldest);
extern RarrCacheEntry *rarr_cache_entry(RarrBlockNumber block);
extern uint16 *rarr_cache_ghosts(uint32 partition, uint32 *n);

extern RarrCacheAnswer rarr_cache_read(const RarrCacheKey *key, const RarrSight *sight, bool with_tags,
									   RarrCacheValue *value);
extern RarrCacheEntry *rarr_cache_find(uint32 partition, const RarrCacheKey *key);
extern RarrBlockNumber *rarr_cache_bucket(uint32 partition, uint64 hash);
extern void rarr_cache_unlink(uint32 partition, RarrCacheEntry *entry, RarrCacheChain *freed);
extern void rarr_cache_link(uint32 partition, const RarrCacheChain *chain, RarrCacheQueue queue);
extern void rarr_cache_move(RarrCachePartition *part, RarrCacheEntry *entry, RarrCacheQueue queue);
extern RarrCacheEntry *rarr_cache_first_to_expire(const RarrCachePartition *part);
extern bool rarr_cache_has_key(const RarrCacheEntry *entry, const RarrCacheKey *key, bool any_role);

#endif /* RARR_CACHE_STORE_H */
