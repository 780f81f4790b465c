/*
 * check.c
 *		Check the cache's memory, for tests.
 *
 * The function has no SQL object: a test makes one of its own.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "cache/store.h"

/* Check an entry; returns what is wrong, or NULL. */
static const char *
check_entry(uint32 partition, int queue, const RarrCacheEntry *entry)
{
	RarrBlockNumber block = rarr_block_number(entry);
	RarrBlockNumber linked = *rarr_cache_bucket(partition, entry->hash);
	uint32 n = 1;

	if (entry->queue != queue || rarr_cache_partition_of(entry->hash) != partition)
		return "an entry is in a wrong queue or partition";
	while (linked != RARR_NO_BLOCK && linked != block)
		linked = rarr_cache_entry(linked)->next_in_bucket;
	if (linked == RARR_NO_BLOCK)
		return "an entry is not in its bucket";
	for (; block != entry->last_block; n++)
	{
		if (n > entry->nblocks)
			break;
		block = rarr_block(block)->next;
	}
	return n == entry->nblocks ? NULL : "an entry has another number of blocks";
}

static const char *
check_partition(uint32 partition, uint64 *blocks, uint64 *entries)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	const char *wrong = NULL;

	LWLockAcquire(&part->lock, LW_SHARED);
	for (int q = 0; q < RARR_QUEUES; q++)
	{
		uint64 before = *blocks;
		uint64 n = 0;

		for (RarrBlockNumber block = part->queues[q].oldest; block != RARR_NO_BLOCK && wrong == NULL;
			 block = rarr_cache_entry(block)->newer)
		{
			wrong = check_entry(partition, q, rarr_cache_entry(block));
			*blocks += rarr_cache_entry(block)->nblocks;
			n++;
		}
		if (wrong == NULL && (*blocks - before != part->queues[q].blocks || n != part->queues[q].entries))
			wrong = "a queue has another number of entries or blocks";
		*entries += n;
	}
	for (int i = 0; i < RARR_CACHE_DOUBTS && wrong == NULL; i++)
		if (rarr_doubt_count(rarr_cache_doubt(partition, i)) > 0)
			wrong = "a doubt is raised";
	LWLockRelease(&part->lock);
	return wrong;
}

/* Returns "ok", if no transaction is open that has used the cache. */
PG_FUNCTION_INFO_V1(researcharr_cache_check);
Datum
researcharr_cache_check(PG_FUNCTION_ARGS)
{
	const char *wrong = NULL;
	uint64 blocks = 0;
	uint64 entries = 0;
	uint64 counted_blocks = 0;
	uint64 counted_entries = 0;

	for (uint32 p = 0; p < rarr_cache_partitions() && wrong == NULL; p++)
		wrong = check_partition(p, &blocks, &entries);
	for (int i = 0; i < RARR_CACHE_DATABASES; i++)
	{
		counted_blocks += pg_atomic_read_u64(&rarr_cache_database_at(i)->blocks);
		counted_entries += pg_atomic_read_u64(&rarr_cache_database_at(i)->entries);
	}
	if (wrong == NULL && (blocks != counted_blocks || entries != counted_entries))
		wrong = "databases have another number of entries or blocks";
	if (wrong == NULL && blocks + rarr_pool_free_blocks() != rarr_pool_nblocks())
		wrong = psprintf("of %u blocks, " UINT64_FORMAT " are used and %u are free", rarr_pool_nblocks(), blocks,
						 rarr_pool_free_blocks());
	PG_RETURN_TEXT_P(cstring_to_text(wrong != NULL ? wrong : "ok"));
}
