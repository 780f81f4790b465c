/*
 * pool.c
 *		Blocks of the cache's memory.
 *
 * An entry is a chain of blocks of RARR_BLOCK_SIZE bytes.  All blocks are
 * equal, so memory cannot be fragmented: whatever is evicted makes room for
 * whatever comes.  (With dsa it could be: a superblock of small values serves
 * no large one until all of them are gone.)  Freeing a chain needs no memory
 * and cannot fail, so transaction callbacks may do it.
 *
 * Free blocks are in several lists, each with its lock.  A backend has one of
 * its own, and takes from the others when it is empty.  Blocks that were never
 * used are in no list, so the server touches memory only as the cache fills.
 *
 * The lock of a list is acquired while no other LWLock is held.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"

#include "cache/pool.h"

#define NLISTS 16

typedef union FreeList
{
	struct
	{
		LWLock lock;
		RarrBlockNumber first;
		uint32 n;
	} list;
	char pad[PG_CACHE_LINE_SIZE];
} FreeList;

typedef struct Pool
{
	pg_atomic_uint32 fresh; /* blocks from this number on were never used */
	uint32 nblocks;
	FreeList lists[NLISTS];
	RarrBlock blocks[FLEXIBLE_ARRAY_MEMBER];
} Pool;

static Pool *pool = NULL;

/* Shared memory for so many blocks.  Block 0 is not used. */
Size
rarr_pool_size(uint32 nblocks)
{
	return add_size(offsetof(Pool, blocks), mul_size((Size) nblocks + 1, sizeof(RarrBlock)));
}

void
rarr_pool_attach(void *memory, uint32 nblocks, int tranche, bool first)
{
	pool = memory;
	if (!first)
		return;
	memset(pool, 0, offsetof(Pool, blocks));
	pg_atomic_init_u32(&pool->fresh, 1);
	pool->nblocks = nblocks;
	for (int i = 0; i < NLISTS; i++)
		LWLockInitialize(&pool->lists[i].list.lock, tranche);
}

uint32
rarr_pool_nblocks(void)
{
	return pool->nblocks;
}

RarrBlock *
rarr_block(RarrBlockNumber number)
{
	return &pool->blocks[number];
}

RarrBlockNumber
rarr_block_number(const void *block)
{
	return (const RarrBlock *) block - pool->blocks;
}

/* How many blocks are free; exact only while nobody takes or gives any. */
uint32
rarr_pool_free_blocks(void)
{
	uint32 n = pool->nblocks + 1 - pg_atomic_read_u32(&pool->fresh);

	for (int i = 0; i < NLISTS; i++)
		n += pool->lists[i].list.n;
	return n;
}

/* Append the blocks of other, which may be empty. */
void
rarr_chain_append(RarrCacheChain *chain, const RarrCacheChain *other)
{
	if (other->n == 0)
		return;
	if (chain->n == 0)
		chain->first = other->first;
	else
		rarr_block(chain->last)->next = other->first;
	chain->last = other->last;
	chain->n += other->n;
}

/* Move up to n blocks from a list to the chain. */
static void
take_from_list(FreeList *list, RarrCacheChain *chain, uint32 n)
{
	RarrCacheChain taken = {0};

	if (list->list.n == 0)
		return;
	LWLockAcquire(&list->list.lock, LW_EXCLUSIVE);
	taken.n = Min(n, list->list.n);
	if (taken.n > 0)
	{
		taken.first = taken.last = list->list.first;
		for (uint32 i = 1; i < taken.n; i++)
			taken.last = rarr_block(taken.last)->next;
		list->list.first = rarr_block(taken.last)->next;
		list->list.n -= taken.n;
	}
	LWLockRelease(&list->list.lock);
	rarr_chain_append(chain, &taken);
}

/* Move up to n blocks that were never used to the chain. */
static void
take_fresh(RarrCacheChain *chain, uint32 n)
{
	uint32 first = pg_atomic_read_u32(&pool->fresh);
	uint32 got;
	RarrCacheChain taken;

	do
	{
		got = Min(n, pool->nblocks + 1 - first);
		if (got == 0)
			return;
	} while (!pg_atomic_compare_exchange_u32(&pool->fresh, &first, first + got));
	for (uint32 i = first; i < first + got; i++)
		rarr_block(i)->next = i + 1;
	taken.first = first;
	taken.last = first + got - 1;
	taken.n = got;
	rarr_chain_append(chain, &taken);
}

/*
 * Append free blocks to the chain until it has n, or there are no more.  The
 * last block's next field is not set.  Cannot fail.
 */
void
rarr_pool_take(RarrCacheChain *chain, uint32 n)
{
	int own = MyProcPid % NLISTS;

	if (chain->n < n)
		take_from_list(&pool->lists[own], chain, n - chain->n);
	if (chain->n < n)
		take_fresh(chain, n - chain->n);
	for (int i = 1; i < NLISTS && chain->n < n; i++)
		take_from_list(&pool->lists[(own + i) % NLISTS], chain, n - chain->n);
}

/* Free the blocks of a chain, which is empty then.  Cannot fail. */
void
rarr_pool_give(RarrCacheChain *chain)
{
	FreeList *list = &pool->lists[MyProcPid % NLISTS];

	if (chain->n == 0)
		return;
	LWLockAcquire(&list->list.lock, LW_EXCLUSIVE);
	rarr_block(chain->last)->next = list->list.first;
	list->list.first = chain->first;
	list->list.n += chain->n;
	LWLockRelease(&list->list.lock);
	memset(chain, 0, sizeof(RarrCacheChain));
}

/* Begin at an offset of the chain's first block. */
void
rarr_chain_seek(RarrChainCursor *cursor, void *block, uint32 offset)
{
	cursor->block = block;
	cursor->offset = offset;
}

/* How many bytes are left in the block; goes on to the next one if none. */
static uint32
room(RarrChainCursor *cursor)
{
	if (cursor->offset == RARR_BLOCK_SIZE)
	{
		cursor->block = rarr_block(cursor->block->next);
		cursor->offset = offsetof(RarrBlock, data);
	}
	return RARR_BLOCK_SIZE - cursor->offset;
}

void
rarr_chain_skip(RarrChainCursor *cursor, uint32 length)
{
	while (length > 0)
	{
		uint32 n = Min(room(cursor), length);

		cursor->offset += n;
		length -= n;
	}
}

void
rarr_chain_read(RarrChainCursor *cursor, char *to, uint32 length)
{
	while (length > 0)
	{
		uint32 n = Min(room(cursor), length);

		memcpy(to, (char *) cursor->block + cursor->offset, n);
		cursor->offset += n;
		to += n;
		length -= n;
	}
}

void
rarr_chain_write(RarrChainCursor *cursor, const char *from, uint32 length)
{
	while (length > 0)
	{
		uint32 n = Min(room(cursor), length);

		memcpy((char *) cursor->block + cursor->offset, from, n);
		cursor->offset += n;
		from += n;
		length -= n;
	}
}

/* Are the next bytes equal to these?  The cursor may have moved less otherwise. */
bool
rarr_chain_equals(RarrChainCursor *cursor, const char *with, uint32 length)
{
	while (length > 0)
	{
		uint32 n = Min(room(cursor), length);

		if (memcmp((char *) cursor->block + cursor->offset, with, n) != 0)
			return false;
		cursor->offset += n;
		with += n;
		length -= n;
	}
	return true;
}
