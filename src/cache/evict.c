/*
 * evict.c
 *		Make room in the cache: what goes first.
 *
 * Entries that have expired go first, the earliest one first.  Then each
 * partition evicts by S3-FIFO (Yang and others, "FIFO queues are all you need
 * for cache eviction", SOSP 2023).  An entry comes in by the small queue, which
 * has a tenth of the memory.  If it is used more than once until its turn
 * comes, it goes on to the main queue, and else out, where its hash is
 * remembered as a ghost.  An entry that comes back while its ghost is there goes
 * to the main queue at once.  The main queue gives an entry that was used
 * another turn for each use, up to three.  So keys that are used once pass
 * through a tenth of the memory, and wash nothing else out.  A use only counts
 * up, so a reader changes no queue.
 *
 * A ghost is the upper half of its word's hash bits and the number of entries
 * that had left when it was made.  It is a hint: a wrong one puts an entry into
 * the wrong queue.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "cache/evict.h"

#define GHOST_WAYS 4 /* places for a ghost */

/* One ghost */
typedef struct Ghost
{
	uint16 mark; /* of the hash; 0: none */
	uint16 left; /* entries that had left, modulo 2^16 */
} Ghost;

/* The places for the ghost of a hash. */
static Ghost *
ghost_places(uint32 partition, uint64 hash)
{
	uint32 words;
	Ghost *ghosts = (Ghost *) rarr_cache_ghosts(partition, &words);
	uint32 sets = words / 2 / GHOST_WAYS;

	return &ghosts[(hash >> 20) % sets * GHOST_WAYS];
}

static uint16
ghost_mark(uint64 hash)
{
	uint16 mark = hash >> 48;

	return mark == 0 ? 1 : mark;
}

/* Remember that the entry of a hash left, in place of the oldest ghost. */
static void
add_ghost(uint32 partition, uint64 hash)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	Ghost *places = ghost_places(partition, hash);
	Ghost *oldest = places;

	part->ghosts++;
	for (int i = 0; i < GHOST_WAYS; i++)
	{
		if (places[i].mark == 0)
		{
			oldest = &places[i];
			break;
		}
		if ((uint16) (part->ghosts - places[i].left) > (uint16) (part->ghosts - oldest->left))
			oldest = &places[i];
	}
	oldest->mark = ghost_mark(hash);
	oldest->left = part->ghosts;
}

/*
 * The queue for a new entry of a hash.  As many ghosts count as the main queue
 * has entries.  The partition's lock is held exclusively.
 */
RarrCacheQueue
rarr_cache_queue_for(uint32 partition, uint64 hash)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	Ghost *places = ghost_places(partition, hash);

	for (int i = 0; i < GHOST_WAYS; i++)
		if (places[i].mark == ghost_mark(hash) &&
			(uint16) (part->ghosts - places[i].left) <= Max(part->queues[RARR_QUEUE_MAIN].entries,
															part->queues[RARR_QUEUE_SMALL].entries))
		{
			places[i].mark = 0;
			return RARR_QUEUE_MAIN;
		}
	return RARR_QUEUE_SMALL;
}

/* Count an event of the database that an entry belongs to. */
static void
count_for(const RarrCacheEntry *entry, RarrCacheCounter counter)
{
	RarrCacheDatabase *db = rarr_cache_database_at(entry->slot);

	pg_atomic_fetch_add_u64(&db->stripes[MyProcPid % RARR_CACHE_STRIPES].counts[counter], 1);
}

/* The entry to evict, or NULL if all are dirty. */
static RarrCacheEntry *
choose(uint32 partition)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	RarrCacheList *recent = &part->queues[RARR_QUEUE_SMALL];
	RarrCacheList *kept = &part->queues[RARR_QUEUE_MAIN];

	while (recent->entries + kept->entries > 0)
	{
		RarrCacheEntry *entry;

		if (recent->entries > 0 &&
			(kept->entries == 0 || recent->blocks >= (recent->blocks + kept->blocks) / 10))
		{
			entry = rarr_cache_entry(recent->oldest);
			if (entry->uses <= 1)
			{
				add_ghost(partition, entry->hash);
				return entry;
			}
			entry->uses = 0;
		}
		else
		{
			entry = rarr_cache_entry(kept->oldest);
			if (entry->uses == 0)
				return entry;
			entry->uses--;
		}
		rarr_cache_move(part, entry, RARR_QUEUE_MAIN);
	}
	return NULL;
}

/* Evict an entry of a partition, and append its blocks; false if there is none. */
static bool
evict_one(uint32 partition, RarrCacheChain *chain)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	RarrCacheEntry *entry;

	LWLockAcquire(&part->lock, LW_EXCLUSIVE);
	entry = rarr_cache_first_to_expire(part);
	if (entry != NULL && entry->expiry <= rarr_monotonic_now())
		count_for(entry, RARR_COUNT_EXPIRATIONS);
	else
	{
		entry = choose(partition);
		if (entry != NULL)
			count_for(entry, RARR_COUNT_EVICTIONS);
	}
	if (entry != NULL)
		rarr_cache_unlink(partition, entry, chain);
	LWLockRelease(&part->lock);
	return entry != NULL;
}

/* Free what the chain has more than n blocks. */
static void
trim(RarrCacheChain *chain, uint32 n)
{
	RarrCacheChain rest = {.last = chain->last, .n = chain->n - n};

	if (chain->n == n)
		return;
	chain->last = chain->first;
	for (uint32 i = 1; i < n; i++)
		chain->last = rarr_block(chain->last)->next;
	chain->n = n;
	rest.first = rarr_block(chain->last)->next;
	rarr_pool_give(&rest);
}

/* Blocks that can be evicted, read without the lock. */
static uint32
blocks_of(uint32 partition)
{
	const RarrCachePartition *part = rarr_cache_partition(partition);

	return part->queues[RARR_QUEUE_SMALL].blocks + part->queues[RARR_QUEUE_MAIN].blocks;
}

/*
 * Fill an empty chain with n > 0 blocks, by evicting entries if
 * need be.  partition is the one that the blocks are for.  Of it and another one,
 * which is drawn, that with more blocks evicts: so none keeps growing at the
 * expense of others.  Returns false, with the chain freed, if n blocks cannot be
 * had.  Cannot fail.  No LWLock must be held.
 */
bool
rarr_cache_make_room(uint32 partition, RarrCacheChain *chain, uint32 n)
{
	uint32 fruitless = 0;

	while (n <= rarr_pool_nblocks() && fruitless < 4 * rarr_cache_partitions())
	{
		uint32 other;

		if (chain->n < n)
			rarr_pool_take(chain, n);
		if (chain->n >= n)
		{
			trim(chain, n);
			return true;
		}
		other = pg_prng_uint32(&pg_global_prng_state) & (rarr_cache_partitions() - 1);
		if (blocks_of(other) < blocks_of(partition))
			other = partition;
		if (fruitless > 0)
			other = fruitless % rarr_cache_partitions();
		if (evict_one(other, chain))
			fruitless = 0;
		else
			fruitless++;
	}
	rarr_pool_give(chain);
	return false;
}

/*
 * Remove up to so many entries of a partition that have expired; how many were
 * removed?  Cannot fail.
 */
uint32
rarr_cache_expire(uint32 partition, uint32 most)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	int64 now = rarr_monotonic_now();
	RarrCacheChain freed = {0};
	RarrCacheEntry *entry;
	uint32 n = 0;

	LWLockAcquire(&part->lock, LW_EXCLUSIVE);
	while (n < most && (entry = rarr_cache_first_to_expire(part)) != NULL && entry->expiry <= now)
	{
		count_for(entry, RARR_COUNT_EXPIRATIONS);
		rarr_cache_unlink(partition, entry, &freed);
		n++;
	}
	LWLockRelease(&part->lock);
	rarr_pool_give(&freed);
	return n;
}
