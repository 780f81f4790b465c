/*
 * store.c
 *		The cache in shared memory: entries, partitions, and who may see them.
 *
 * The memory of researcharr.cache_size has, one after the other: the control
 * structure, partitions, doubts, buckets, ghosts, and the pool of blocks with
 * all that remains.  A key belongs to one partition by its hash.  A partition
 * has a lock, a hash table and queues of its own, so that sessions seldom meet.
 * evict.c decides what goes when the pool is empty.
 *
 * Reading takes a partition's lock in shared mode.  README.md explains who may
 * see an entry.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "cache/store.h"

/* a partition has about so many blocks, within limits */
#define PARTITION_BLOCKS 4096
#define MIN_PARTITIONS   8
#define MAX_PARTITIONS   4096

typedef struct Control
{
	LWLock lock; /* over which database has which counters */
	int tranche;
	RarrCacheDatabase databases[RARR_CACHE_DATABASES];
} Control;

/* how the memory is laid out; computed from the setting alone */
typedef struct Layout
{
	uint32 partitions;
	uint32 buckets; /* of a partition; a power of two */
	uint32 ghosts;  /* 16-bit words of a partition */
	uint32 nblocks;
	Size partitions_at;
	Size doubts_at;
	Size buckets_at;
	Size ghosts_at;
	Size pool_at;
} Layout;

static Layout layout;
static Control *control = NULL;
static RarrCachePartitionPadded *partitions;
static RarrCacheDoubt *doubts;
static RarrBlockNumber *buckets;
static uint16 *ghosts;
static RarrCacheDatabase *own_database = NULL;

/* Compute the layout; returns the size of all. */
static Size
lay_out(Layout *l)
{
	Size total = (Size) rarr_cache_size * 1024;
	Size most = total / RARR_BLOCK_SIZE;
	Size at = MAXALIGN(sizeof(Control));

	l->partitions = pg_nextpower2_32(Max(Min(most / PARTITION_BLOCKS, MAX_PARTITIONS), MIN_PARTITIONS));
	l->buckets = pg_nextpower2_32(Max(most / l->partitions / 2, 1) + 1);
	l->ghosts = 2 * (most / l->partitions);
	l->partitions_at = at = TYPEALIGN(PG_CACHE_LINE_SIZE, at);
	at += (Size) l->partitions * sizeof(RarrCachePartitionPadded);
	l->doubts_at = at;
	at += (Size) l->partitions * RARR_CACHE_DOUBTS * sizeof(RarrCacheDoubt);
	l->buckets_at = at;
	at += (Size) l->partitions * l->buckets * sizeof(RarrBlockNumber);
	l->ghosts_at = at;
	at += (Size) l->partitions * l->ghosts * sizeof(uint16);
	l->pool_at = at = TYPEALIGN(PG_CACHE_LINE_SIZE, at);
	l->nblocks = (total - at - rarr_pool_size(0)) / RARR_BLOCK_SIZE - 1;
	return total;
}

static Size
cache_size(void)
{
	Layout l;

	return rarr_cache_size == 0 ? 0 : lay_out(&l);
}

static void
init_database(RarrCacheDatabase *db, Oid database)
{
	memset(db, 0, sizeof(RarrCacheDatabase));
	db->database = database;
	pg_atomic_init_u32(&db->off, 0);
	pg_atomic_init_u32(&db->behind, 0);
	pg_atomic_init_u32(&db->rows, 0);
	rarr_doubt_init(&db->all);
	pg_atomic_init_u64(&db->entries, 0);
	pg_atomic_init_u64(&db->blocks, 0);
	for (int i = 0; i < RARR_CACHE_STRIPES; i++)
		for (int j = 0; j < RARR_COUNTERS; j++)
			pg_atomic_init_u64(&db->stripes[i].counts[j], 0);
}

/* Initialize all but the pool.  Memory of the server is not zero by itself. */
static void
init_memory(void)
{
	control->tranche = LWLockNewTrancheId();
	LWLockInitialize(&control->lock, control->tranche);
	for (int i = 0; i < RARR_CACHE_DATABASES; i++)
		init_database(&control->databases[i], InvalidOid);
	for (uint32 i = 0; i < layout.partitions; i++)
	{
		memset(&partitions[i], 0, sizeof(RarrCachePartitionPadded));
		LWLockInitialize(&partitions[i].part.lock, control->tranche);
	}
	for (Size i = 0; i < (Size) layout.partitions * RARR_CACHE_DOUBTS; i++)
		rarr_doubt_init(&doubts[i]);
	memset(buckets, 0, (Size) layout.partitions * layout.buckets * sizeof(RarrBlockNumber));
	memset(ghosts, 0, (Size) layout.partitions * layout.ghosts * sizeof(uint16));
}

static void
attach_cache(void *memory, bool first)
{
	char *base = memory;

	if (rarr_cache_size == 0)
		return;
	(void) lay_out(&layout);
	control = memory;
	partitions = (RarrCachePartitionPadded *) (base + layout.partitions_at);
	doubts = (RarrCacheDoubt *) (base + layout.doubts_at);
	buckets = (RarrBlockNumber *) (base + layout.buckets_at);
	ghosts = (uint16 *) (base + layout.ghosts_at);
	if (first)
		init_memory();
	rarr_pool_attach(base + layout.pool_at, layout.nblocks, control->tranche, first);
	LWLockRegisterTranche(control->tranche, "researcharr_cache");
}

const RarrShmemPart rarr_cache_part = {"researcharr cache", cache_size, attach_cache};

/* Is there a cache in shared memory? */
bool
rarr_cache_is_there(void)
{
	return control != NULL;
}

uint32
rarr_cache_partitions(void)
{
	return layout.partitions;
}

RarrCachePartition *
rarr_cache_partition(uint32 i)
{
	return &partitions[i].part;
}

uint32
rarr_cache_partition_of(uint64 hash)
{
	return hash & (layout.partitions - 1);
}

uint32
rarr_cache_doubt_of(uint64 hash)
{
	return (hash >> 40) & (RARR_CACHE_DOUBTS - 1);
}

RarrCacheDoubt *
rarr_cache_doubt(uint32 partition, uint32 doubt)
{
	return &doubts[partition * RARR_CACHE_DOUBTS + doubt];
}

/* The ghosts of a partition, for evict.c; *n is set to their number of words. */
uint16 *
rarr_cache_ghosts(uint32 partition, uint32 *n)
{
	*n = layout.ghosts;
	return &ghosts[(Size) partition * layout.ghosts];
}

RarrCacheEntry *
rarr_cache_entry(RarrBlockNumber block)
{
	return (RarrCacheEntry *) rarr_block(block);
}

/* This database's counters. */
RarrCacheDatabase *
rarr_cache_database(void)
{
	RarrCacheDatabase *found = NULL;

	if (own_database != NULL)
		return own_database;
	LWLockAcquire(&control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_CACHE_DATABASES - 1 && found == NULL; i++)
		if (control->databases[i].database == MyDatabaseId)
			found = &control->databases[i];
	for (int i = 0; i < RARR_CACHE_DATABASES - 1 && found == NULL; i++)
		if (control->databases[i].database == InvalidOid)
		{
			found = &control->databases[i];
			init_database(found, MyDatabaseId);
		}
	LWLockRelease(&control->lock);
	own_database = found != NULL ? found : &control->databases[RARR_CACHE_DATABASES - 1];
	return own_database;
}

/* May the table lag behind the memory?  If so once, then until the server stops. */
bool
rarr_cache_is_behind(void)
{
	return pg_atomic_read_u32(&rarr_cache_database()->behind) > 0;
}

/* Their number, for the entries of this database. */
uint8
rarr_cache_database_slot(void)
{
	return rarr_cache_database() - control->databases;
}

RarrCacheDatabase *
rarr_cache_database_at(uint8 slot)
{
	return &control->databases[slot];
}

/* Count events of this database.  Cannot fail. */
void
rarr_cache_count_many(RarrCacheCounter counter, uint64 n)
{
	pg_atomic_fetch_add_u64(&rarr_cache_database()->stripes[MyProcPid % RARR_CACHE_STRIPES].counts[counter], n);
}

void
rarr_cache_count(RarrCacheCounter counter)
{
	rarr_cache_count_many(counter, 1);
}

/* Forget transactions of all databases that every snapshot sees, as doubt.c does. */
void
rarr_cache_forget_transactions(TransactionId oldest)
{
	LWLockAcquire(&control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_CACHE_DATABASES; i++)
	{
		RarrCacheDatabase *db = &control->databases[i];

		rarr_doubt_forget(&db->all, oldest);
		if (TransactionIdIsValid(db->rows_since) && TransactionIdPrecedes(db->rows_since, oldest))
			db->rows_since = oldest;
	}
	LWLockRelease(&control->lock);
}

/* The bucket of a hash, whose partition's lock is held. */
RarrBlockNumber *
rarr_cache_bucket(uint32 partition, uint64 hash)
{
	return &buckets[(Size) partition * layout.buckets + ((hash >> 16) & (layout.buckets - 1))];
}

/*
 * Does an entry of this database have the key?  If any_role is true, it may be
 * anybody's, and of any variant.
 */
bool
rarr_cache_has_key(const RarrCacheEntry *entry, const RarrCacheKey *key, bool any_role)
{
	RarrChainCursor cursor;
	uint32 length = key->length + (any_role ? 0 : key->variant);

	if (entry->hash != key->hash || entry->database != MyDatabaseId || entry->length != key->length ||
		(!any_role && (entry->role != key->role || entry->variant != key->variant)))
		return false;
	rarr_chain_seek(&cursor, (void *) entry, offsetof(RarrCacheEntry, data));
	return rarr_chain_equals(&cursor, key->data, length);
}

/* The entry of a key, or NULL.  The partition's lock is held. */
RarrCacheEntry *
rarr_cache_find(uint32 partition, const RarrCacheKey *key)
{
	RarrBlockNumber block = *rarr_cache_bucket(partition, key->hash);

	for (; block != RARR_NO_BLOCK; block = rarr_cache_entry(block)->next_in_bucket)
		if (rarr_cache_has_key(rarr_cache_entry(block), key, false))
			return rarr_cache_entry(block);
	return NULL;
}

/* Copy an entry's tags and value. */
static void
copy_out(RarrCacheEntry *entry, bool with_tags, RarrCacheValue *value)
{
	RarrChainCursor cursor;

	rarr_chain_seek(&cursor, entry, offsetof(RarrCacheEntry, data));
	rarr_chain_skip(&cursor, entry->length + entry->variant);
	value->tags = NULL;
	value->tags_length = 0;
	value->expiry = entry->expiry;
	if (with_tags && entry->tags_length > 0)
	{
		value->tags = palloc(entry->tags_length);
		value->tags_length = entry->tags_length;
		rarr_chain_read(&cursor, value->tags, entry->tags_length);
	}
	else
		rarr_chain_skip(&cursor, entry->tags_length);
	value->value = palloc(VARHDRSZ + entry->value_length);
	SET_VARSIZE(value->value, VARHDRSZ + entry->value_length);
	rarr_chain_read(&cursor, VARDATA(value->value), entry->value_length);
}

/*
 * From now on changed rows of our tables are told.  Transactions that run now may
 * have changed some before they knew.
 */
void
rarr_cache_begin_rows(void)
{
	RarrCacheDatabase *db = rarr_cache_database();

	LWLockAcquire(&control->lock, LW_EXCLUSIVE);
	if (pg_atomic_exchange_u32(&db->rows, 1) == 0)
		db->rows_since = ReadNextTransactionId();
	LWLockRelease(&control->lock);
}

/* Record a committed transaction that may have changed any key.  Cannot fail. */
void
rarr_cache_record_all(TransactionId xid)
{
	LWLockAcquire(&control->lock, LW_EXCLUSIVE);
	rarr_doubt_record(&rarr_cache_database()->all, xid);
	LWLockRelease(&control->lock);
}

/*
 * Read the entry of a key, if a snapshot may see it.  Fills *value for RARR_CACHE_HIT.  Raises no errors but
 * those of allocation.
 */
RarrCacheAnswer
rarr_cache_read(const RarrCacheKey *key, const RarrSight *sight, bool with_tags, RarrCacheValue *value)
{
	const RarrCacheDatabase *db = rarr_cache_database();
	uint32 p = rarr_cache_partition_of(key->hash);
	RarrCachePartition *part = rarr_cache_partition(p);
	RarrCacheDoubt *doubt = rarr_cache_doubt(p, rarr_cache_doubt_of(key->hash));
	RarrCacheAnswer answer = RARR_CACHE_MISS;
	RarrCacheEntry *entry = NULL;

	LWLockAcquire(&part->lock, LW_SHARED);
	if (pg_atomic_read_u32((pg_atomic_uint32 *) &db->off) == 0 &&
		rarr_doubt_count(doubt) == 0 && rarr_doubt_is_seen(doubt, sight) &&
		rarr_doubt_is_seen(&db->all, sight))
		entry = rarr_cache_find(p, key);
	if (entry != NULL && (entry->expiry == 0 || entry->expiry > rarr_monotonic_now()))
	{
		/* other readers may do the same at this moment: a use too few does no harm */
		if (entry->uses < 3)
			entry->uses++;
		answer = entry->absent ? RARR_CACHE_ABSENT : RARR_CACHE_HIT;
		if (!entry->absent)
			copy_out(entry, with_tags, value);
	}
	LWLockRelease(&part->lock);
	return answer;
}

static int
compare_expiry(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64 expiry_a = pairingheap_const_container(RarrCacheEntry, node, a)->expiry;
	int64 expiry_b = pairingheap_const_container(RarrCacheEntry, node, b)->expiry;

	return expiry_a < expiry_b ? 1 : expiry_a > expiry_b ? -1 :
														   0;
}

/* Is the entry in the heap of its partition? */
static bool
is_in_heap(const RarrCacheEntry *entry)
{
	return entry->expiry != 0 && entry->queue != RARR_QUEUE_DIRTY;
}

static void
remove_from_bucket(uint32 partition, const RarrCacheEntry *entry)
{
	RarrBlockNumber *link = rarr_cache_bucket(partition, entry->hash);

	while (*link != rarr_block_number(entry))
		link = &rarr_cache_entry(*link)->next_in_bucket;
	*link = entry->next_in_bucket;
}

static void
remove_from_queue(RarrCacheList *queue, const RarrCacheEntry *entry)
{
	if (entry->older != RARR_NO_BLOCK)
		rarr_cache_entry(entry->older)->newer = entry->newer;
	else
		queue->oldest = entry->newer;
	if (entry->newer != RARR_NO_BLOCK)
		rarr_cache_entry(entry->newer)->older = entry->older;
	else
		queue->newest = entry->older;
	queue->entries--;
	queue->blocks -= entry->nblocks;
}

static void
add_to_queue(RarrCacheList *queue, RarrCacheEntry *entry)
{
	RarrBlockNumber block = rarr_block_number(entry);

	entry->older = queue->newest;
	entry->newer = RARR_NO_BLOCK;
	if (queue->newest != RARR_NO_BLOCK)
		rarr_cache_entry(queue->newest)->newer = block;
	else
		queue->oldest = block;
	queue->newest = block;
	queue->entries++;
	queue->blocks += entry->nblocks;
}

/*
 * Move an entry to the newest end of a queue.  The partition's lock is held
 * exclusively.  An entry that leaves the dirty ones can expire from now on.
 */
void
rarr_cache_move(RarrCachePartition *part, RarrCacheEntry *entry, RarrCacheQueue queue)
{
	pairingheap heap = {compare_expiry, NULL, part->expiries};
	bool was_in_heap = is_in_heap(entry);

	remove_from_queue(&part->queues[entry->queue], entry);
	entry->queue = queue;
	add_to_queue(&part->queues[queue], entry);
	if (!was_in_heap && is_in_heap(entry))
		pairingheap_add(&heap, &entry->node);
	part->expiries = heap.ph_root;
}

/* Unlink an entry, and append its blocks to freed.  The lock is held exclusively. */
void
rarr_cache_unlink(uint32 partition, RarrCacheEntry *entry, RarrCacheChain *freed)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	RarrCacheDatabase *db = rarr_cache_database_at(entry->slot);
	RarrCacheChain chain = {rarr_block_number(entry), entry->last_block, entry->nblocks};

	remove_from_bucket(partition, entry);
	remove_from_queue(&part->queues[entry->queue], entry);
	if (is_in_heap(entry))
	{
		pairingheap heap = {compare_expiry, NULL, part->expiries};

		pairingheap_remove(&heap, &entry->node);
		part->expiries = heap.ph_root;
	}
	pg_atomic_fetch_sub_u64(&db->entries, 1);
	pg_atomic_fetch_sub_u64(&db->blocks, entry->nblocks);
	rarr_chain_append(freed, &chain);
}

/*
 * Link the entry that a chain has, into a queue.  No entry of its key is linked.
 * The partition's lock is held exclusively.
 */
void
rarr_cache_link(uint32 partition, const RarrCacheChain *chain, RarrCacheQueue queue)
{
	RarrCachePartition *part = rarr_cache_partition(partition);
	RarrCacheEntry *entry = rarr_cache_entry(chain->first);
	RarrCacheDatabase *db = rarr_cache_database_at(entry->slot);
	RarrBlockNumber *bucket = rarr_cache_bucket(partition, entry->hash);

	entry->last_block = chain->last;
	entry->nblocks = chain->n;
	entry->serial = ++part->serials;
	entry->next_in_bucket = *bucket;
	*bucket = chain->first;
	entry->queue = queue;
	add_to_queue(&part->queues[queue], entry);
	if (is_in_heap(entry))
	{
		pairingheap heap = {compare_expiry, NULL, part->expiries};

		pairingheap_add(&heap, &entry->node);
		part->expiries = heap.ph_root;
	}
	pg_atomic_fetch_add_u64(&db->entries, 1);
	pg_atomic_fetch_add_u64(&db->blocks, chain->n);
}

/* The entry that expires first, or NULL if none ever does.  The lock is held. */
RarrCacheEntry *
rarr_cache_first_to_expire(const RarrCachePartition *part)
{
	return part->expiries == NULL ? NULL : pairingheap_container(RarrCacheEntry, node, part->expiries);
}

/* Remove all entries of a database.  Cannot fail. */
void
rarr_cache_forget_entries(Oid database)
{
	RarrCacheChain freed = {0};

	for (uint32 p = 0; p < layout.partitions; p++)
	{
		RarrCachePartition *part = rarr_cache_partition(p);

		LWLockAcquire(&part->lock, LW_EXCLUSIVE);
		for (int q = 0; q < RARR_QUEUES; q++)
			for (RarrBlockNumber block = part->queues[q].oldest, newer; block != RARR_NO_BLOCK; block = newer)
			{
				newer = rarr_cache_entry(block)->newer;
				if (rarr_cache_entry(block)->database == database)
					rarr_cache_unlink(p, rarr_cache_entry(block), &freed);
			}
		LWLockRelease(&part->lock);
		rarr_pool_give(&freed);
	}
}

/*
 * Remove the entries of a database that nobody is connected to, and its
 * counters.  Cannot fail.
 */
void
rarr_cache_forget_database(Oid database)
{
	rarr_cache_forget_entries(database);
	LWLockAcquire(&control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_CACHE_DATABASES - 1; i++)
		if (control->databases[i].database == database)
			init_database(&control->databases[i], InvalidOid);
	LWLockRelease(&control->lock);
}
