/*
 * transaction.c
 *		What a transaction reads from the cache, and writes into it.
 *
 * A transaction sees what it did itself (own.c), and else what is linked, as far
 * as its snapshot may see it (store.c).  Others see what it did once it has
 * committed (commit.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/compat.h"
#include "cache/commit.h"
#include "cache/evict.h"
#include "cache/own.h"
#include "cache/table.h"
#include "cache/transaction.h"

/* Make the key of everybody's entry from a key's bytes, which it points to. */
void
rarr_cache_make_key(RarrCacheKey *key, const char *data, int length)
{
	key->hash = hash_bytes_extended((const unsigned char *) data, length, MyDatabaseId);
	key->role = InvalidOid;
	key->length = length;
	key->variant = 0;
	key->data = data;
}

/* Copy what the transaction itself has set. */
static RarrCacheAnswer
read_own(const RarrCacheOp *op, bool with_tags, RarrCacheValue *value)
{
	if (!op->set)
		return RARR_CACHE_ABSENT;
	if (op->expiry != 0 && op->expiry <= rarr_monotonic_now())
		return RARR_CACHE_MISS;
	value->value = palloc(VARSIZE(op->value));
	memcpy(value->value, op->value, VARSIZE(op->value));
	value->expiry = op->expiry;
	value->tags = NULL;
	value->tags_length = 0;
	if (with_tags && op->tags_length > 0)
	{
		value->tags = palloc(op->tags_length);
		memcpy(value->tags, op->tags, op->tags_length);
		value->tags_length = op->tags_length;
	}
	return RARR_CACHE_HIT;
}

static RarrCacheAnswer
look(const RarrCacheKey *key, bool with_tags, bool latest, RarrCacheValue *value)
{
	bool own = rarr_own_any();
	const RarrCacheOp *op = own ? rarr_own_find(key) : NULL;
	RarrSight sight = {.everything = true};
	RarrCacheAnswer answer;

	if (op != NULL)
		return read_own(op, with_tags, value);
	if (!latest)
		rarr_sight_of_active(&sight);
	answer = rarr_cache_read(key, &sight, with_tags || own, value);
	if (own && answer == RARR_CACHE_HIT && rarr_own_dropped(key, value->tags, value->tags_length))
		answer = RARR_CACHE_ABSENT;
	return answer;
}

/*
 * Read a key.  latest says to read what is committed by now, even if the snapshot
 * is too old for it.  Fills *value, in the current memory context, for
 * RARR_CACHE_HIT.  RARR_CACHE_ABSENT says that the transaction itself, or a
 * committed one, dropped the key, so that the table is no place to look.
 */
RarrCacheAnswer
rarr_cache_get(const RarrCacheKey *key, bool with_tags, bool latest, RarrCacheValue *value)
{
	RarrCacheAnswer answer = look(key, with_tags, latest, value);

	rarr_cache_count(answer == RARR_CACHE_HIT ? RARR_COUNT_HITS : RARR_COUNT_MISSES);
	return answer;
}

/* Does the transaction see a value under a key? */
bool
rarr_cache_peek(const RarrCacheKey *key)
{
	RarrCacheValue value;

	return look(key, false, false, &value) == RARR_CACHE_HIT;
}

/*
 * Set a key.  Returns false if it was dropped instead, because there is no room
 * for what the table has to get later; the caller then writes to the table.
 */
bool
rarr_cache_set(const RarrCacheKey *key, const RarrCacheWrite *write)
{
	RarrCacheOp *op = rarr_own_op(key);

	rarr_own_keep(op, write);
	if (!write->write_behind)
		return true;
	op->write_behind = op->set && rarr_commit_prepare_op(op);
	return op->write_behind;
}

/*
 * Set a key to what the active snapshot shows.  If the transaction has changed
 * nothing so far, all others can use it at once.
 */
void
rarr_cache_fill(const RarrCacheKey *key, const RarrCacheWrite *write)
{
	RarrOwnKey own = {.key = *key};
	RarrCacheOp op = {.key = &own, .set = true, .expiry = write->expiry};
	RarrSight sight;

	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) || rarr_own_any())
	{
		(void) rarr_cache_set(key, write);
		return;
	}
	rarr_sight_of_active(&sight);
	op.sight = &sight;
	op.value = palloc(VARHDRSZ + write->length);
	SET_VARSIZE(op.value, VARHDRSZ + write->length);
	memcpy(VARDATA(op.value), write->value, write->length);
	rarr_commit_now(&op);
	pfree(op.value);
}

/* Drop a key with all its variants. */
void
rarr_cache_drop(const RarrCacheKey *key)
{
	RarrCacheOp *op;

	/* so that others can tell whether their snapshot is older */
	(void) GetTopTransactionId();
	rarr_own_drop_variants(key);
	op = rarr_own_op(key);

	/* a value that the table is getting just now must not outlive this */
	if (!rarr_cache_is_behind())
		return;
	op->write_behind = rarr_commit_prepare_op(op);
	if (!op->write_behind)
		rarr_cache_table_stop_flush();
}

/* Drop a key that only roles have entries under, and that the table never has. */
void
rarr_cache_drop_row(const RarrCacheKey *key)
{
	(void) rarr_own_op(key);
	(void) GetTopTransactionId();
	rarr_own_drop_variants(key);
}

/* Has the transaction set the key, or a variant of it? */
bool
rarr_cache_has_set(const RarrCacheKey *key)
{
	return rarr_own_has_set(key);
}

/* How many operations has the transaction? */
int
rarr_cache_count_drops(void)
{
	return rarr_cache_ops.n;
}

/* Has the transaction dropped all keys that match? */
bool
rarr_cache_is_dropped(const RarrCacheMatch *match)
{
	return rarr_own_has_match(match);
}

/* Is an entry one that the transaction itself has set or dropped? */
static bool
is_own(Oid role, const char *data, int length, const char *tags, uint32 tags_length)
{
	RarrCacheKey key;

	if (!rarr_own_any())
		return false;
	rarr_cache_make_key(&key, data, length);
	if (OidIsValid(role))
		key.role = role;
	else if (rarr_own_find(&key) != NULL)
		return true;
	return rarr_own_dropped(&key, tags, tags_length);
}

/* Drop all keys that match; how many of them did the transaction see? */
uint64
rarr_cache_drop_matching(const RarrCacheMatch *match)
{
	uint64 n = rarr_match_find(match, is_own, NULL);

	(void) GetTopTransactionId();
	return n + rarr_own_add_match(match);
}
