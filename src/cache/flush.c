/*
 * flush.c
 *		Write to the table what write_behind has left in memory.
 *
 * Entries that the table does not have yet are dirty: they have a queue of their
 * own, and are not evicted.  A flush writes some of them to the table.  When its
 * transaction has committed, those that are still the same are dirty no more.
 * One lock makes sure that there is one flush at a time.
 *
 * A key that is dropped while the table may be getting it stays in memory as an
 * absent entry, which is dirty too: the next flush deletes the row.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/pending.h"
#include "base/task.h"
#include "cache/evict.h"
#include "cache/flush.h"
#include "cache/table.h"

/* a flush ends after so many entries, or so many bytes */
#define MOST_ENTRIES 1000
#define MOST_BYTES   (8 * 1024 * 1024)

static void run_flush(RarrTaskRun *run);

static const RarrTask flush_task = {
	.name = "cache_flush",
	.activity = "writing cached values to the table",
	.time_limit = 60 * 1000,
	.run = run_flush};

/* An entry that is written, and a pending entry: what to do after the commit. */
typedef struct Flushed
{
	RarrPendingEntry entry;
	uint32 partition;
	uint64 hash;
	uint64 serial;
} Flushed;

/* A copy of a dirty entry. */
typedef struct Dirty
{
	Flushed flushed;
	RarrCacheKey key;
	bool absent;
	int64 expiry;
	char *tags;
	uint32 tags_length;
	struct varlena *value;
} Dirty;

/* The entry is in the table now, or gone from it. */
static void
clean(const Flushed *flushed)
{
	RarrCachePartition *part = rarr_cache_partition(flushed->partition);
	RarrCacheChain freed = {0};
	RarrBlockNumber block;

	LWLockAcquire(&part->lock, LW_EXCLUSIVE);
	block = *rarr_cache_bucket(flushed->partition, flushed->hash);
	while (block != RARR_NO_BLOCK && rarr_cache_entry(block)->serial != flushed->serial)
		block = rarr_cache_entry(block)->next_in_bucket;
	if (block != RARR_NO_BLOCK && rarr_cache_entry(block)->absent)
		rarr_cache_unlink(flushed->partition, rarr_cache_entry(block), &freed);
	else if (block != RARR_NO_BLOCK)
		rarr_cache_move(part, rarr_cache_entry(block), rarr_cache_queue_for(flushed->partition, flushed->hash));
	LWLockRelease(&part->lock);
	rarr_pool_give(&freed);
}

static void
act(RarrPendingEvent event, const void *entries, int n)
{
	if (event == RARR_PENDING_COMMIT)
		for (int i = 0; i < n; i++)
			clean((const Flushed *) entries + i);
}

static RarrPendingList pending = {sizeof(Flushed), NULL, act};

/*
 * Set a key in memory, for the table to get it later.  Returns false if too much
 * of the memory is dirty: the caller then writes to both.
 */
bool
rarr_flush_set(const RarrCacheKey *key, RarrCacheWrite *write)
{
	const RarrCachePartition *part = rarr_cache_partition(rarr_cache_partition_of(key->hash));

	pg_atomic_write_u32(&rarr_cache_database()->behind, 1);
	rarr_task_wake_at_commit(&flush_task, GetCurrentTimestamp() + rarr_cache_flush_interval * INT64CONST(1000));
	if (part->queues[RARR_QUEUE_DIRTY].blocks < rarr_pool_nblocks() / rarr_cache_partitions() / 2)
	{
		write->write_behind = true;
		if (rarr_cache_set(key, write))
			return true;
		write->write_behind = false;
	}
	rarr_cache_table_stop_flush();
	return false;
}

/* Copy a dirty entry, whose partition's lock is held. */
static Dirty *
copy_dirty(uint32 partition, RarrCacheEntry *entry)
{
	Dirty *dirty = palloc0(sizeof(Dirty));
	char *key = palloc(entry->length);
	RarrChainCursor cursor;

	dirty->flushed.partition = partition;
	dirty->flushed.hash = entry->hash;
	dirty->flushed.serial = entry->serial;
	dirty->absent = entry->absent;
	dirty->expiry = entry->expiry;
	rarr_chain_seek(&cursor, entry, offsetof(RarrCacheEntry, data));
	rarr_chain_read(&cursor, key, entry->length);
	rarr_cache_make_key(&dirty->key, key, entry->length);
	if (dirty->absent)
		return dirty;
	rarr_chain_skip(&cursor, entry->variant);
	dirty->tags = palloc(entry->tags_length);
	dirty->tags_length = entry->tags_length;
	rarr_chain_read(&cursor, dirty->tags, entry->tags_length);
	dirty->value = palloc(VARHDRSZ + entry->value_length);
	SET_VARSIZE(dirty->value, VARHDRSZ + entry->value_length);
	rarr_chain_read(&cursor, VARDATA(dirty->value), entry->value_length);
	return dirty;
}

/* Copy dirty entries of this database, of one partition. */
static List *
copy_partition(uint32 partition, List *list, Size *bytes)
{
	RarrCachePartition *part = rarr_cache_partition(partition);

	if (part->queues[RARR_QUEUE_DIRTY].entries == 0)
		return list;
	LWLockAcquire(&part->lock, LW_SHARED);
	for (RarrBlockNumber block = part->queues[RARR_QUEUE_DIRTY].oldest; block != RARR_NO_BLOCK;
		 block = rarr_cache_entry(block)->newer)
	{
		if (rarr_cache_entry(block)->database != MyDatabaseId)
			continue;
		if (list_length(list) >= MOST_ENTRIES || *bytes >= MOST_BYTES)
			break;
		list = lappend(list, copy_dirty(partition, rarr_cache_entry(block)));
		*bytes += rarr_cache_entry(block)->nblocks * RARR_BLOCK_SIZE;
	}
	LWLockRelease(&part->lock);
	return list;
}

/* Write a dirty entry to the table; one that has expired is deleted from it. */
static void
write_row(const Dirty *dirty)
{
	int64 now = rarr_monotonic_now();
	RarrCacheRow row = {.value = dirty->value, .expiry = DT_NOEND};
	Flushed *flushed;

	if (dirty->absent || (dirty->expiry != 0 && dirty->expiry <= now))
		(void) rarr_cache_table_delete(&dirty->key);
	else
	{
		if (dirty->expiry != 0)
			row.expiry = GetCurrentTimestamp() + (dirty->expiry - now);
		if (dirty->tags_length > 0)
			row.tags = rarr_tags_array(dirty->tags, dirty->tags_length);
		rarr_cache_table_put(&dirty->key, &row);
	}
	flushed = rarr_pending_add(&pending);
	flushed->partition = dirty->flushed.partition;
	flushed->hash = dirty->flushed.hash;
	flushed->serial = dirty->flushed.serial;
}

/*
 * Write some dirty entries of this database to the table.  They are dirty until
 * the transaction commits, so a transaction should flush once.  Returns how many
 * they are; 0 also if another session is flushing.  A snapshot must be active.
 */
int
rarr_flush_some(void)
{
	MemoryContext cxt;
	MemoryContext old;
	List *list = NIL;
	Size bytes = 0;
	ListCell *lc;
	int n;

	if (!rarr_cache_is_there() || !rarr_cache_is_behind() || !rarr_cache_table_begin_flush())
		return 0;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr cache flush", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	for (uint32 p = 0; p < rarr_cache_partitions(); p++)
		list = copy_partition(p, list, &bytes);
	foreach (lc, list)
	{
		CHECK_FOR_INTERRUPTS();
		write_row(lfirst(lc));
	}
	n = list_length(list);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return n;
}

static void
run_flush(RarrTaskRun *run)
{
	if (!rarr_cache_is_there() || !rarr_cache_is_behind())
		return;
	rarr_cache_table_refuse_foreign_code();
	if (rarr_flush_some() > 0)
		rarr_task_again(run);
	else
		rarr_task_after(run, rarr_cache_flush_interval);
}

/* Register the task.  Called when the library is loaded. */
void
rarr_flush_register(void)
{
	rarr_task_register(&flush_task);
}

/* Register the callback.  Called while the library is preloaded. */
void
rarr_flush_init(void)
{
	rarr_pending_init(&pending);
}
