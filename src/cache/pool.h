/*
 * pool.h
 *		Blocks of the cache's memory.
 */
#ifndef RARR_CACHE_POOL_H
#define RARR_CACHE_POOL_H

#include "storage/lwlock.h"

#define RARR_BLOCK_SIZE 256

/* blocks are numbered from 1; 0 is no block */
typedef uint32 RarrBlockNumber;
#define RARR_NO_BLOCK 0

typedef struct RarrBlock
{
	RarrBlockNumber next;
	char data[RARR_BLOCK_SIZE - sizeof(RarrBlockNumber)];
} RarrBlock;

/* blocks that are linked by their next fields */
typedef struct RarrCacheChain
{
	RarrBlockNumber first;
	RarrBlockNumber last;
	uint32 n;
} RarrCacheChain;

/* a position in the bytes of a chain */
typedef struct RarrChainCursor
{
	RarrBlock *block;
	uint32 offset; /* in the block */
} RarrChainCursor;

extern Size rarr_pool_size(uint32 nblocks);
extern void rarr_pool_attach(void *memory, uint32 nblocks, int tranche, bool first);
extern uint32 rarr_pool_nblocks(void);
extern uint32 rarr_pool_free_blocks(void);
extern RarrBlock *rarr_block(RarrBlockNumber number);
extern RarrBlockNumber rarr_block_number(const void *block);
extern void rarr_pool_take(RarrCacheChain *chain, uint32 n);
extern void rarr_pool_give(RarrCacheChain *chain);
extern void rarr_chain_append(RarrCacheChain *chain, const RarrCacheChain *other);

extern void rarr_chain_seek(RarrChainCursor *cursor, void *block, uint32 offset);
extern void rarr_chain_skip(RarrChainCursor *cursor, uint32 length);
extern void rarr_chain_read(RarrChainCursor *cursor, char *to, uint32 length);
extern void rarr_chain_write(RarrChainCursor *cursor, const char *from, uint32 length);
extern bool rarr_chain_equals(RarrChainCursor *cursor, const char *with, uint32 length);

#endif /* RARR_CACHE_POOL_H */
