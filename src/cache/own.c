/*
 * own.c
 *		What a transaction has done to the cache so far: its own operations.
 *
 * They are pending entries (base/pending.c), one for each key and level of
 * subtransactions.  Values stay in the transaction's own memory until just
 * before the commit: an abort then costs nothing, and a key that is set a
 * thousand times is linked once.  A transaction that sets more than the whole
 * cache holds drops keys instead.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "cache/own.h"

/* The keys that have a hash. */
typedef struct OwnKeys
{
	uint64 hash;
	RarrOwnKey *first;
} OwnKeys;

static HTAB *own_keys = NULL;
static MemoryContext own_context = NULL;
static const RarrSight *last_sight = NULL; /* the last one that was copied */
static Size own_bytes = 0;                 /* of values */
static List *own_matches = NIL;            /* RarrCacheMatch; also what was rolled back */

/* The memory of this transaction's operations. */
MemoryContext
rarr_own_context(void)
{
	if (own_context == NULL)
		own_context = AllocSetContextCreate(TopTransactionContext, "researcharr cache operations",
											ALLOCSET_DEFAULT_SIZES);
	return own_context;
}

/* Has the transaction any operation? */
bool
rarr_own_any(void)
{
	return rarr_cache_ops.n > 0;
}

/* The transaction is over, and its memory is about to go. */
void
rarr_own_forget(void)
{
	own_keys = NULL;
	own_context = NULL;
	last_sight = NULL;
	own_bytes = 0;
	own_matches = NIL;
}

static bool
same_key(const RarrCacheKey *a, const RarrCacheKey *b)
{
	return a->role == b->role && a->length == b->length && a->variant == b->variant &&
		   memcmp(a->data, b->data, a->length + a->variant) == 0;
}

static RarrOwnKey *
find_key(const RarrCacheKey *key)
{
	OwnKeys *keys = own_keys == NULL ? NULL : hash_search(own_keys, &key->hash, HASH_FIND, NULL);

	for (RarrOwnKey *own = keys == NULL ? NULL : keys->first; own != NULL; own = own->next)
		if (same_key(&own->key, key))
			return own;
	return NULL;
}

static void
make_table(void)
{
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(OwnKeys), .hcxt = rarr_own_context()};

	own_keys = hash_create("researcharr cache keys", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static RarrOwnKey *
add_key(const RarrCacheKey *key)
{
	Size length = key->length + key->variant;
	RarrOwnKey *own = MemoryContextAlloc(rarr_own_context(), sizeof(RarrOwnKey) + length);
	OwnKeys *keys;
	bool found;

	if (own_keys == NULL)
		make_table();
	own->key = *key;
	own->key.data = (char *) (own + 1);
	memcpy(own + 1, key->data, length);
	keys = hash_search(own_keys, &key->hash, HASH_ENTER, &found);
	own->next = found ? keys->first : NULL;
	keys->first = own;
	return own;
}

/* The last operation on a key, or NULL. */
RarrCacheOp *
rarr_own_find(const RarrCacheKey *key)
{
	RarrOwnKey *own = find_key(key);

	return own == NULL ? NULL : rarr_pending_find(&rarr_cache_ops, own, 0);
}

/*
 * Has the transaction dropped the linked entry of a key and tags, on which it has
 * no operation?  Dropping a key drops all its variants.
 */
bool
rarr_own_dropped(const RarrCacheKey *key, const char *tags, uint32 tags_length)
{
	RarrCacheKey plain = *key;
	ListCell *lc;

	plain.role = InvalidOid;
	plain.variant = 0;
	if (OidIsValid(key->role) && rarr_own_find(&plain) != NULL)
		return true;
	foreach (lc, own_matches)
		if (rarr_pending_find(&rarr_cache_ops, lfirst(lc), 0) != NULL &&
			rarr_match_fits(lfirst(lc), key->role, key->data, key->length, tags, tags_length))
			return true;
	return false;
}

/* Free what an operation has kept so far, so that it drops its key.  Cannot fail. */
void
rarr_own_reset(RarrCacheOp *op)
{
	if (op->value != NULL)
	{
		own_bytes -= VARSIZE(op->value);
		pfree(op->value);
	}
	if (op->tags != NULL)
		pfree(op->tags);
	rarr_pool_give(&op->chain);
	op->set = false;
	op->write_behind = false;
	op->value = NULL;
	op->tags = NULL;
	op->tags_length = 0;
}

/* This subtransaction's operation on a key: from now on it drops the key. */
RarrCacheOp *
rarr_own_op(const RarrCacheKey *key)
{
	RarrOwnKey *own = find_key(key);
	RarrCacheOp *op;

	if (own == NULL)
		own = add_key(key);
	op = rarr_pending_get(&rarr_cache_ops, own, 0);
	rarr_own_reset(op);
	op->key = own;
	op->sight = NULL;
	return op;
}

/* The operation sets its key, unless the transaction has set too much. */
void
rarr_own_keep(RarrCacheOp *op, const RarrCacheWrite *write)
{
	MemoryContext old;
	RarrSight sight = {0};

	if (own_bytes + write->length > (Size) rarr_cache_size * 1024)
		return;
	old = MemoryContextSwitchTo(rarr_own_context());
	op->value = palloc(VARHDRSZ + write->length);
	SET_VARSIZE(op->value, VARHDRSZ + write->length);
	memcpy(VARDATA(op->value), write->value, write->length);
	own_bytes += VARSIZE(op->value);
	if (write->tags_length > 0)
	{
		op->tags = palloc(write->tags_length);
		memcpy(op->tags, write->tags, write->tags_length);
		op->tags_length = write->tags_length;
	}
	if (write->latest)
		sight.everything = true;
	else
		rarr_sight_of_active(&sight);
	op->sight = last_sight = rarr_sight_copy(&sight, last_sight);
	MemoryContextSwitchTo(old);
	op->expiry = write->expiry;
	op->set = true;
}

/* Has the transaction set a key, or a variant of it, and not dropped it since? */
bool
rarr_own_has_set(const RarrCacheKey *key)
{
	OwnKeys *keys = own_keys == NULL ? NULL : hash_search(own_keys, &key->hash, HASH_FIND, NULL);

	for (RarrOwnKey *own = keys == NULL ? NULL : keys->first; own != NULL; own = own->next)
	{
		const RarrCacheOp *op = rarr_pending_find(&rarr_cache_ops, own, 0);

		if (op != NULL && op->set && own->key.length == key->length &&
			memcmp(own->key.data, key->data, key->length) == 0)
			return true;
	}
	return false;
}

/* The transaction dropped a key: drop what it had set under variants of it. */
void
rarr_own_drop_variants(const RarrCacheKey *key)
{
	OwnKeys *keys = own_keys == NULL ? NULL : hash_search(own_keys, &key->hash, HASH_FIND, NULL);

	for (RarrOwnKey *own = keys == NULL ? NULL : keys->first; own != NULL; own = own->next)
	{
		RarrCacheOp *op = rarr_pending_find(&rarr_cache_ops, own, 0);

		if (op != NULL && op->set && OidIsValid(own->key.role) && own->key.length == key->length &&
			memcmp(own->key.data, key->data, key->length) == 0)
			(void) rarr_own_op(&own->key);
	}
}

/* Our copy of what is to match, which is made if there is none. */
static RarrCacheMatch *
intern_match(const RarrCacheMatch *match)
{
	MemoryContext old;
	RarrCacheMatch *copy;
	ListCell *lc;

	foreach (lc, own_matches)
	{
		copy = lfirst(lc);
		if (copy->kind == match->kind &&
			(match->text == NULL ||
			 (VARSIZE_ANY_EXHDR(copy->text) == VARSIZE_ANY_EXHDR(match->text) &&
			  memcmp(VARDATA_ANY(copy->text), VARDATA_ANY(match->text), VARSIZE_ANY_EXHDR(match->text)) == 0)))
			return copy;
	}
	old = MemoryContextSwitchTo(rarr_own_context());
	copy = palloc(sizeof(RarrCacheMatch));
	copy->kind = match->kind;
	copy->text = match->text == NULL ? NULL : (text *) DatumGetTextPCopy(PointerGetDatum(match->text));
	own_matches = lappend(own_matches, copy);
	MemoryContextSwitchTo(old);
	return copy;
}

/* Are all keys that match dropped already, so that only own ones can be left? */
bool
rarr_own_has_match(const RarrCacheMatch *match)
{
	return own_matches != NIL && rarr_pending_find(&rarr_cache_ops, intern_match(match), 0) != NULL;
}

/*
 * Drop all keys that match: those set by the transaction itself, and others.  How
 * many had it set itself?
 */
uint64
rarr_own_add_match(const RarrCacheMatch *match)
{
	RarrCacheMatch *own_match = intern_match(match);
	RarrCacheOp *op;
	uint64 set = 0;
	int n = rarr_cache_ops.n;

	for (int i = 0; i < n; i++)
	{
		RarrCacheOp *own = (RarrCacheOp *) rarr_cache_ops.entries + i;

		if (own->key == NULL || !own->set || rarr_own_find(&own->key->key) != own ||
			!rarr_match_fits(match, own->key->key.role, own->key->key.data, own->key->key.length,
							 own->tags, own->tags_length))
			continue;
		(void) rarr_own_op(&own->key->key);
		set++;
	}
	op = rarr_pending_get(&rarr_cache_ops, own_match, 0);
	op->match = own_match;
	return set;
}

/* A subtransaction committed: what it did to a key replaces what was done before. */
static void
merge(void *into, const void *from)
{
	RarrCacheOp *op = into;
	RarrPendingEntry entry = op->entry;

	rarr_own_reset(op);
	*op = *(const RarrCacheOp *) from;
	op->entry = entry;
}

RarrPendingList rarr_cache_ops = {sizeof(RarrCacheOp), merge};

/* Register who acts on the operations in the end. */
void
rarr_own_init(void (*act)(RarrPendingEvent event, const void *ops, int n))
{
	rarr_cache_ops.act = act;
	rarr_pending_init(&rarr_cache_ops);
}
