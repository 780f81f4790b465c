/*
 * slow_query.c
 *		The ring of the last slow statements, in shared memory.
 *
 * slow_query_hook.c adds what the executor ran, and slow_query_functions.c what
 * applications report.  Entries of all databases share the ring; a session
 * reads those of its own database, because a text is in that one's encoding.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "ops/slow_query.h"

typedef struct Ring
{
	LWLock lock; /* protects all of it */
	int tranche;
	uint64 serials; /* the last one that was given */
	RarrSlowQuery queries[RARR_SLOW_QUERIES];
} Ring;

static Ring *ring = NULL;

static Size
ring_size(void)
{
	return sizeof(Ring);
}

static void
attach_ring(void *memory, bool first)
{
	ring = memory;
	if (first)
	{
		memset(ring, 0, sizeof(Ring));
		ring->tranche = LWLockNewTrancheId();
		LWLockInitialize(&ring->lock, ring->tranche);
	}
	LWLockRegisterTranche(ring->tranche, "researcharr_slow_queries");
}

const RarrShmemPart rarr_slow_queries_part = {"researcharr slow queries", ring_size, attach_ring};

/* Is there a ring: is the library preloaded? */
bool
rarr_slow_queries_are_there(void)
{
	return ring != NULL;
}

/*
 * Set the text of an entry, of length bytes in the database's encoding, which
 * need not be valid.  It is cut at a whole character.
 */
void
rarr_slow_query_set_text(RarrSlowQuery *query, const char *text, int length)
{
	query->length = pg_mbcliplen(text, length, RARR_SLOW_TEXT_MAX);
	query->cut = query->length < length;
	memcpy(query->text, text, query->length);
}

/*
 * Add an entry, of this database, with all but its serial, and drop the oldest
 * one if there is no room.  Cannot fail.
 */
void
rarr_slow_query_add(RarrSlowQuery *query)
{
	RarrSlowQuery *place;

	query->database = MyDatabaseId;
	LWLockAcquire(&ring->lock, LW_EXCLUSIVE);
	query->serial = ++ring->serials;
	place = &ring->queries[query->serial % RARR_SLOW_QUERIES];
	memcpy(place, query, offsetof(RarrSlowQuery, text) + query->length);
	LWLockRelease(&ring->lock);
}

/* Drop the entries of this database.  Cannot fail. */
void
rarr_slow_query_clear(void)
{
	LWLockAcquire(&ring->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_SLOW_QUERIES; i++)
		if (ring->queries[i].database == MyDatabaseId)
			ring->queries[i].serial = 0;
	LWLockRelease(&ring->lock);
}

static bool
is_shown(const RarrSlowQuery *query)
{
	return query->serial != 0 && query->database == MyDatabaseId;
}

/*
 * Return this database's entries, the newest first, in a palloc'd array, and set
 * *n to their number.
 */
RarrSlowQuery *
rarr_slow_query_copy(int *n)
{
	RarrSlowQuery *result = palloc(RARR_SLOW_QUERIES * sizeof(RarrSlowQuery));

	*n = 0;
	LWLockAcquire(&ring->lock, LW_SHARED);
	for (int i = 0; i < RARR_SLOW_QUERIES; i++)
	{
		const RarrSlowQuery *query =
			&ring->queries[(ring->serials + RARR_SLOW_QUERIES - i) % RARR_SLOW_QUERIES];

		if (is_shown(query))
			memcpy(&result[(*n)++], query, offsetof(RarrSlowQuery, text) + query->length);
	}
	LWLockRelease(&ring->lock);
	return result;
}

/* How many of this database's entries are newer than a time? */
int
rarr_slow_query_count(TimestampTz since)
{
	int n = 0;

	LWLockAcquire(&ring->lock, LW_SHARED);
	for (int i = 0; i < RARR_SLOW_QUERIES; i++)
		n += is_shown(&ring->queries[i]) && ring->queries[i].at > since;
	LWLockRelease(&ring->lock);
	return n;
}
