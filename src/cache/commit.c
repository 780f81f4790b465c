/*
 * commit.c
 *		Show others what a transaction did to the cache.
 *
 * Just before the commit, while errors are still allowed, entries are written
 * into blocks, and all that is to do is listed, by partition.  If the transaction
 * has changed anything in the database, the doubts of its keys are raised: from
 * before the moment when others see the change until the entries are what they
 * should be, nobody reads or links these keys.  After the commit, the list is
 * worked off, one partition after the other.  That needs no memory, and cannot
 * fail.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "cache/commit.h"
#include "cache/evict.h"

/* what is to do once the transaction that is being committed has committed */
static RarrCommit commit = {0};
static RarrCommitSaver save_prepared = NULL;

/* An operation's entry, from its first byte to the last. */
static uint32
blocks_needed(const RarrCacheOp *op)
{
	Size bytes = offsetof(RarrCacheEntry, data) + op->key->key.length + op->key->key.variant;

	if (op->set)
		bytes += op->tags_length + VARSIZE(op->value) - VARHDRSZ;
	bytes -= sizeof(RarrBlockNumber);
	return (bytes + sizeof(((RarrBlock *) 0)->data) - 1) / sizeof(((RarrBlock *) 0)->data);
}

/* Write an operation's entry into its blocks. */
static void
write_entry(RarrCacheOp *op)
{
	RarrCacheEntry *entry = rarr_cache_entry(op->chain.first);
	const RarrCacheKey *key = &op->key->key;
	RarrChainCursor cursor;

	entry->hash = key->hash;
	entry->database = MyDatabaseId;
	entry->role = key->role;
	entry->length = key->length;
	entry->variant = key->variant;
	entry->tags_length = op->set ? op->tags_length : 0;
	entry->value_length = op->set ? VARSIZE(op->value) - VARHDRSZ : 0;
	entry->uses = 0;
	entry->slot = rarr_cache_database_slot();
	entry->absent = !op->set;
	entry->expiry = op->set ? op->expiry : 0;
	rarr_chain_seek(&cursor, entry, offsetof(RarrCacheEntry, data));
	rarr_chain_write(&cursor, key->data, key->length + key->variant);
	rarr_chain_write(&cursor, op->tags, entry->tags_length);
	if (op->set)
		rarr_chain_write(&cursor, VARDATA(op->value), entry->value_length);
}

/*
 * Give an operation's entry its blocks, and write it.  An entry may have a
 * quarter of the memory at most.  Returns false if there is no room.
 */
bool
rarr_commit_prepare_op(RarrCacheOp *op)
{
	uint32 n = blocks_needed(op);

	if (op->chain.n > 0)
		return true;
	if (n > rarr_pool_nblocks() / 4 ||
		!rarr_cache_make_room(rarr_cache_partition_of(op->key->key.hash), &op->chain, n))
		return false;
	write_entry(op);
	return true;
}

/* Fill in an item of the list. */
void
rarr_commit_fill_item(RarrCommitItem *item, uint64 hash, uint64 serial, int op, bool plain)
{
	item->hash = hash;
	item->serial = serial;
	item->partition = rarr_cache_partition_of(hash);
	item->doubt = rarr_cache_doubt_of(hash);
	item->op = op;
	item->plain = plain;
}

/*
 * By partition and doubt.  Entries to drop come first, and a key before its
 * variants, which dropping it drops too.
 */
static int
compare_items(const void *a, const void *b)
{
	const RarrCommitItem *x = a;
	const RarrCommitItem *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	if (x->doubt != y->doubt)
		return x->doubt < y->doubt ? -1 : 1;
	if (x->op != y->op && x->plain == y->plain)
		return x->op < y->op ? -1 : 1;
	return x->plain == y->plain ? 0 : x->plain ? -1 :
												 1;
}

/* Find what matches the transaction's patterns and tags. */
static void
find_matches(RarrFoundEntries *found)
{
	for (int i = 0; i < rarr_cache_ops.n; i++)
	{
		const RarrCacheOp *op = (RarrCacheOp *) rarr_cache_ops.entries + i;

		if (op->key != NULL)
			continue;
		if (!commit.barred)
			rarr_doubt_raise(&rarr_cache_database()->all);
		commit.barred = true;
		(void) rarr_match_find(op->match, NULL, found);
	}
}

/*
 * List all that is to do, and write the entries: if the transaction is to be
 * prepared, also those of keys to drop.
 */
static void
make_list(bool prepare)
{
	RarrFoundEntries found = {0};
	MemoryContext old = MemoryContextSwitchTo(rarr_own_context());

	find_matches(&found);
	commit.ops = rarr_cache_ops.entries;
	commit.nops = rarr_cache_ops.n;
	commit.items = MemoryContextAllocHuge(rarr_own_context(),
										  (found.n + rarr_cache_ops.n) * sizeof(RarrCommitItem));
	for (uint64 i = 0; i < found.n; i++)
		rarr_commit_fill_item(&commit.items[i], found.entries[i].hash, found.entries[i].serial, -1, true);
	commit.n = found.n;
	for (int i = 0; i < rarr_cache_ops.n; i++)
	{
		RarrCacheOp *op = &commit.ops[i];

		if (op->key == NULL)
			continue;
		if ((op->set || prepare) && !rarr_commit_prepare_op(op))
			op->set = false;
		rarr_commit_fill_item(&commit.items[commit.n++], op->key->key.hash, 0, i, !OidIsValid(op->key->key.role));
	}
	qsort(commit.items, commit.n, sizeof(RarrCommitItem), compare_items);
	MemoryContextSwitchTo(old);
}

/* Are these two of the same doubt? */
bool
rarr_commit_same_doubt(const RarrCommitItem *a, const RarrCommitItem *b)
{
	return a->partition == b->partition && a->doubt == b->doubt;
}

/* Raise the doubts of all keys, or lower them, each once. */
static void
change_doubts(void (*change)(RarrCacheDoubt *doubt))
{
	for (uint64 i = 0; i < commit.n; i++)
		if (i == 0 || !rarr_commit_same_doubt(&commit.items[i], &commit.items[i - 1]))
			change(rarr_cache_doubt(commit.items[i].partition, commit.items[i].doubt));
}

/* Find a listed entry, which may be gone; the partition's lock is held. */
static RarrCacheEntry *
find_serial(const RarrCommitItem *item)
{
	RarrBlockNumber block = *rarr_cache_bucket(item->partition, item->hash);

	for (; block != RARR_NO_BLOCK; block = rarr_cache_entry(block)->next_in_bucket)
		if (rarr_cache_entry(block)->hash == item->hash && rarr_cache_entry(block)->serial == item->serial)
			return rarr_cache_entry(block);
	return NULL;
}

/*
 * Drop an entry.  If the table does not have it yet, the table may be getting it
 * just now: then it stays as one that is absent, until the table knows.
 */
static void
drop_entry(uint32 partition, RarrCacheEntry *entry, RarrCacheChain *freed)
{
	if (entry->queue != RARR_QUEUE_DIRTY)
	{
		rarr_cache_unlink(partition, entry, freed);
		return;
	}
	entry->absent = true;
	entry->serial = ++rarr_cache_partition(partition)->serials;
}

/* Drop a key's entries: all variants, if it is everybody's. */
static void
drop_key(const RarrCommitItem *item, const RarrCacheKey *key, RarrCacheChain *freed)
{
	RarrBlockNumber block = *rarr_cache_bucket(item->partition, key->hash);

	while (block != RARR_NO_BLOCK)
	{
		RarrCacheEntry *entry = rarr_cache_entry(block);

		block = entry->next_in_bucket;
		if (rarr_cache_has_key(entry, key, item->plain))
			drop_entry(item->partition, entry, freed);
	}
}

/* Link an operation's entry in place of the one that is there. */
static void
link_entry(const RarrCommitItem *item, RarrCacheOp *op, RarrCacheChain *freed)
{
	RarrCacheEntry *old = rarr_cache_find(item->partition, &op->key->key);
	RarrCacheQueue queue;

	if (old != NULL)
	{
		queue = op->write_behind ? RARR_QUEUE_DIRTY : old->queue;
		rarr_cache_entry(op->chain.first)->uses = old->uses;
		rarr_cache_unlink(item->partition, old, freed);
	}
	else
		queue = op->write_behind ? RARR_QUEUE_DIRTY : rarr_cache_queue_for(item->partition, item->hash);
	rarr_cache_link(item->partition, &op->chain, queue);
	memset(&op->chain, 0, sizeof(RarrCacheChain));
}

/* Do one item; current says whether a set value is what its key has by now. */
static void
do_item(const RarrCommitItem *item, bool current, RarrCacheChain *freed)
{
	RarrCacheOp *op;
	RarrCacheEntry *entry;
	bool linked;

	if (item->serial != 0)
	{
		entry = find_serial(item);
		if (entry != NULL)
			drop_entry(item->partition, entry, freed);
		return;
	}
	op = &commit.ops[item->op];
	linked = op->chain.n > 0 && (op->set ? current : op->write_behind);
	if (!linked || !op->set)
		drop_key(item, &op->key->key, freed);
	if (linked)
		link_entry(item, op, freed);
}

/* Is what an operation sets what its key has by now? */
static bool
is_current(const RarrCacheOp *op, const RarrCacheDoubt *doubt, const RarrCacheDoubt *all)
{
	if (op->sight != NULL)
		return rarr_doubt_is_seen(doubt, op->sight) && rarr_doubt_is_seen(all, op->sight);
	return doubt->records + all->records == op->changes;
}

/*
 * Note for each operation what was recorded until now, unless that is more than
 * its snapshot sees: then it drops its key.
 */
static void
check_sights(void)
{
	RarrCacheDatabase *db = rarr_cache_database();

	for (uint64 i = 0; i < commit.n; i++)
	{
		RarrCacheDoubt *doubt = rarr_cache_doubt(commit.items[i].partition, commit.items[i].doubt);
		LWLock *lock = &rarr_cache_partition(commit.items[i].partition)->lock;
		RarrCacheOp *op = commit.items[i].serial == 0 ? &commit.ops[commit.items[i].op] : NULL;

		if (op == NULL)
			continue;
		LWLockAcquire(lock, LW_SHARED);
		if (op->set && !is_current(op, doubt, &db->all))
			op->set = false;
		op->changes = doubt->records + db->all.records;
		LWLockRelease(lock);
	}
}

/*
 * Do the items of one doubt, from the first on, and lower it; returns how many
 * they are.  The partition's lock is held.
 */
static uint64
do_doubt(const RarrCommitItem *first, uint64 most, RarrCacheChain *freed)
{
	RarrCacheDatabase *db = rarr_cache_database();
	RarrCacheDoubt *doubt = rarr_cache_doubt(first->partition, first->doubt);
	bool linkable = rarr_doubt_count(doubt) == (commit.doubted ? 1 : 0) &&
					rarr_doubt_count(&db->all) == (commit.barred ? 1 : 0) &&
					pg_atomic_read_u32(&db->off) == (commit.off ? 1 : 0);
	uint64 n = 0;

	for (; n < most && rarr_commit_same_doubt(first, &first[n]); n++)
	{
		bool current = linkable && (first[n].serial != 0 || is_current(&commit.ops[first[n].op], doubt, &db->all));

		do_item(&first[n], current, freed);
	}
	if (!commit.doubted)
		return n;
	rarr_doubt_record(doubt, commit.xid);
	rarr_doubt_lower(doubt);
	return n;
}

/*
 * Link what was found by a snapshot at once: a transaction that has changed
 * nothing sees what others see.  The operation is the caller's own.  Cannot fail,
 * but does nothing if there is no room, or the snapshot is too old by now.
 */
void
rarr_commit_now(RarrCacheOp *op)
{
	RarrCacheDatabase *db = rarr_cache_database();
	RarrCacheChain freed = {0};
	RarrCommitItem item;
	RarrCacheDoubt *doubt;

	rarr_commit_fill_item(&item, op->key->key.hash, 0, 0, false);
	doubt = rarr_cache_doubt(item.partition, item.doubt);
	if (!rarr_commit_prepare_op(op))
		return;
	LWLockAcquire(&rarr_cache_partition(item.partition)->lock, LW_EXCLUSIVE);
	if (rarr_doubt_count(doubt) == 0 && rarr_doubt_count(&db->all) == 0 &&
		pg_atomic_read_u32(&db->off) == 0 && is_current(op, doubt, &db->all))
		link_entry(&item, op, &freed);
	LWLockRelease(&rarr_cache_partition(item.partition)->lock);
	rarr_chain_append(&freed, &op->chain);
	rarr_pool_give(&freed);
}

/* Nothing is to do any more. */
static void
end_commit(bool committed)
{
	if (commit.barred)
	{
		if (committed)
			rarr_cache_record_all(commit.xid);
		rarr_doubt_lower(&rarr_cache_database()->all);
	}
	memset(&commit, 0, sizeof(commit));
}

/*
 * Drop a key that was written after the list was made, while it was too late, or
 * all keys, if it is a pattern or a tag.
 */
static void
do_late(RarrCacheOp *op)
{
	RarrCacheChain freed = {0};
	RarrCommitItem item;
	RarrCacheDoubt *doubt;

	if (op->key == NULL)
	{
		rarr_cache_forget_entries(MyDatabaseId);
		if (TransactionIdIsValid(commit.xid))
			rarr_cache_record_all(commit.xid);
		return;
	}
	rarr_commit_fill_item(&item, op->key->key.hash, 0, 0, !OidIsValid(op->key->key.role));
	doubt = rarr_cache_doubt(item.partition, item.doubt);
	LWLockAcquire(&rarr_cache_partition(item.partition)->lock, LW_EXCLUSIVE);
	drop_key(&item, &op->key->key, &freed);
	if (TransactionIdIsValid(commit.xid))
		rarr_doubt_record(doubt, commit.xid);
	LWLockRelease(&rarr_cache_partition(item.partition)->lock);
	rarr_pool_give(&freed);
}

/* The transaction has committed: work the list off.  Cannot fail. */
static void
do_commit(RarrCacheOp *ops, int n)
{
	uint64 i = 0;

	commit.ops = ops;
	while (i < commit.n)
	{
		uint32 p = commit.items[i].partition;
		RarrCachePartition *part = rarr_cache_partition(p);
		RarrCacheChain freed = {0};

		LWLockAcquire(&part->lock, LW_EXCLUSIVE);
		while (i < commit.n && commit.items[i].partition == p)
			i += do_doubt(&commit.items[i], commit.n - i, &freed);
		LWLockRelease(&part->lock);
		rarr_pool_give(&freed);
	}
	if (commit.nops < n && !TransactionIdIsValid(commit.xid))
		commit.xid = GetTopTransactionIdIfAny();
	for (int j = commit.nops; j < n; j++)
		do_late(&ops[j]);
	end_commit(true);
}

/* The transaction was rolled back after its list was made. */
static void
undo_commit(void)
{
	if (commit.doubted)
		change_doubts(rarr_doubt_lower);
	end_commit(false);
}

/* Act on operations.  Those of a subtransaction end with its abort. */
static void
act(RarrPendingEvent event, const void *list, int n)
{
	RarrCacheOp *ops = (RarrCacheOp *) list;

	if (event == RARR_PENDING_ABORT && GetCurrentTransactionNestLevel() > 1)
	{
		for (int i = 0; i < n; i++)
			rarr_own_reset(&ops[i]);
		return;
	}
	rarr_own_forget();
	if (n == 0 && commit.n == 0)
		return;
	if (event == RARR_PENDING_COMMIT)
		do_commit(ops, n);
	else if (event == RARR_PENDING_PREPARE)
	{
		/* the array may have grown since the list was made */
		commit.ops = ops;
		commit.late = n > commit.nops;
		save_prepared(&commit);
		memset(&commit, 0, sizeof(commit));
	}
	else
		undo_commit();
	for (int i = 0; i < n; i++)
		rarr_pool_give(&ops[i].chain);
}

/* A transaction is about to commit, or to be prepared: do all that can fail. */
static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PREPARE && rarr_cache_ops.n == 0 && commit.n == 0)
	{
		/* it changes nothing, which must be known when it commits */
		RarrCommit nothing = {.xid = GetTopTransactionIdIfAny()};

		save_prepared(&nothing);
	}
	if ((event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE) || rarr_cache_ops.n == 0)
		return;
	make_list(event == XACT_EVENT_PRE_PREPARE);
	commit.xid = event == XACT_EVENT_PRE_PREPARE ? GetTopTransactionId() : GetTopTransactionIdIfAny();
	if (!TransactionIdIsValid(commit.xid))
		return;
	change_doubts(rarr_doubt_raise);
	commit.doubted = true;
	if (event == XACT_EVENT_PRE_PREPARE)
		check_sights();
}

/*
 * Do what a prepared transaction had to do, which has been committed now, or
 * rolled back: then its doubts are lowered.  Cannot fail.
 */
void
rarr_commit_resume(const RarrCommit *saved, bool committed)
{
	commit = *saved;
	if (committed)
		do_commit(saved->ops, saved->nops);
	else
		undo_commit();
	for (int i = 0; i < saved->nops; i++)
		rarr_pool_give(&saved->ops[i].chain);
}

/* Register the callbacks.  Called while the library is preloaded. */
void
rarr_commit_init(RarrCommitSaver save)
{
	save_prepared = save;
	rarr_own_init(act);
	RegisterXactCallback(at_xact_end, NULL);
}
