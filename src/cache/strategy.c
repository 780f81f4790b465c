/*
 * strategy.c
 *		Use memory and table together, as a strategy says.
 *
 *	none			memory alone
 *	read_through	what memory lacks is looked up in the table
 *	write_through	... and what is set is written to both
 *	write_behind	... or to the table a little later (flush.c)
 *
 * Without the library preloaded, or with a cache_size of 0, there is no memory,
 * and the table serves alone, whatever the strategy.
 *
 * What is dropped is dropped in both.  On a standby there is nothing: the memory
 * would not learn of changes, and unlogged tables cannot be read.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "base/clock.h"
#include "base/schema.h"
#include "cache/flush.h"
#include "cache/strategy.h"

/* The tags of an array, in the form that entries have. */
static char *
tags_of_array(Datum array, uint32 *length)
{
	Datum *tags;
	int n;

	*length = 0;
	if (array == (Datum) 0)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &tags, NULL, &n);
	return rarr_tags_make(tags, n, length);
}

static bool
get_from_memory(const RarrCacheKey *key, bool with_tags, bool latest, RarrCached *found, bool *is_absent)
{
	RarrCacheValue value;
	RarrCacheAnswer answer = rarr_cache_get(key, with_tags, latest, &value);

	*is_absent = answer == RARR_CACHE_ABSENT;
	if (answer != RARR_CACHE_HIT)
		return false;
	found->value = value.value;
	found->ttl = value.expiry == 0 || !with_tags ? 0 : Max(value.expiry - rarr_monotonic_now(), 1);
	found->tags = value.tags == NULL ? (Datum) 0 : rarr_tags_array(value.tags, value.tags_length);
	return true;
}

static bool
get_from_table(const RarrCacheKey *key, bool latest, RarrCached *found)
{
	RarrCacheRow row;
	bool got = rarr_cache_table_get(key, latest, &row);

	if (rarr_cache_is_there())
		rarr_cache_count(got ? RARR_COUNT_TABLE_HITS : RARR_COUNT_TABLE_MISSES);
	if (!got)
		return false;
	found->value = row.value;
	found->ttl = row.expiry == DT_NOEND ? 0 : Max(row.expiry - GetCurrentTimestamp(), 1);
	found->tags = row.tags;
	return true;
}

/* Put something into memory; false if the table must get it from the caller. */
static bool
set_in_memory(const RarrCacheKey *key, RarrCacheStrategy strategy, bool latest, const RarrCached *cached)
{
	RarrCacheWrite write = {
		.value = VARDATA_ANY(cached->value),
		.length = VARSIZE_ANY_EXHDR(cached->value),
		.expiry = cached->ttl == 0 ? 0 : rarr_monotonic_now() + cached->ttl,
		.latest = latest};

	write.tags = tags_of_array(cached->tags, &write.tags_length);
	if (strategy == RARR_STRATEGY_WRITE_BEHIND && rarr_flush_set(key, &write))
		return true;
	(void) rarr_cache_set(key, &write);
	return strategy == RARR_STRATEGY_NONE || strategy == RARR_STRATEGY_READ_THROUGH;
}

/*
 * Find what is under a key; false if there is nothing.  with_tags: its tags and
 * time to live, too.  latest: what all have committed by now, instead of what the
 * snapshot shows.
 */
bool
rarr_cached_get(const RarrCacheKey *key, RarrCacheStrategy strategy, bool with_tags, bool latest,
				RarrCached *found)
{
	bool is_absent;

	if (RecoveryInProgress())
		return false;
	if (!rarr_cache_is_there())
		return get_from_table(key, latest, found);
	if (get_from_memory(key, with_tags, latest, found, &is_absent))
		return true;
	if (is_absent || strategy == RARR_STRATEGY_NONE || !get_from_table(key, latest, found))
		return false;
	(void) set_in_memory(key, RARR_STRATEGY_NONE, latest, found);
	return true;
}

/* Put something under a key. */
void
rarr_cached_set(const RarrCacheKey *key, RarrCacheStrategy strategy, bool latest, const RarrCached *cached)
{
	RarrCacheRow row = {.value = cached->value, .tags = cached->tags};

	if (rarr_cache_is_there() && set_in_memory(key, strategy, latest, cached))
		return;
	row.expiry = cached->ttl == 0 ? DT_NOEND : GetCurrentTimestamp() + cached->ttl;
	rarr_cache_table_put(key, &row);
}

/*
 * Drop a key, with all its variants, from memory and table; was there a value
 * that this transaction could see?
 */
bool
rarr_cached_drop(const RarrCacheKey *key)
{
	bool existed = false;

	if (rarr_cache_is_there())
	{
		existed = rarr_cache_peek(key);
		rarr_cache_drop(key);
	}
	if (!rarr_cache_table_is_empty() && rarr_cache_table_delete(key))
		existed = true;
	return existed;
}

/* Is there no such key in memory?  Then a deleted row counts. */
static void
count_unless_in_memory(const char *data, int length, void *count)
{
	RarrCacheKey key;

	rarr_cache_make_key(&key, data, length);
	if (!rarr_cache_is_there() || !rarr_cache_peek(&key))
		(*(uint64 *) count)++;
}

/*
 * Drop all keys that match from memory and table; how many did this transaction
 * see?
 */
uint64
rarr_cached_drop_matching(const RarrCacheMatch *match)
{
	uint64 n = 0;

	if (rarr_cache_is_there() && rarr_cache_is_behind())
		rarr_cache_table_stop_flush();
	if (!rarr_cache_table_is_empty())
		(void) rarr_cache_table_delete_matching(match, count_unless_in_memory, &n);
	if (rarr_cache_is_there())
		n += rarr_cache_drop_matching(match);
	return n;
}
