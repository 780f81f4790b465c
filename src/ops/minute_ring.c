/*
 * minute_ring.c
 *		Figures of a database per minute, for the last day.
 *
 * The totals of job/stats/figures.c only grow.  A sample adds to the ring by how
 * much they have grown since the last one.  The background worker takes a
 * sample each minute, with the scheduled health check, and so does each call of
 * health_check() and its kin if the last one is a minute old.  Without either,
 * a minute of the ring is longer.
 *
 * health_minutes.c keeps the samples in a table, and reads them after a restart.
 * researcharr.health_databases databases have a ring.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "ops/minute_ring.h"

/* The ring of a database. */
typedef struct Ring
{
	Oid database;                   /* InvalidOid: the place is free */
	bool loaded;                    /* what the table has is in the ring */
	int n;                          /* of minutes */
	int next;                       /* where the next one goes */
	TimestampTz last;               /* the last sample, */
	uint64 totals[RARR_JOB_EVENTS]; /* and what it saw */
	int64 transactions;
	RarrMinute minutes[RARR_MINUTES];
} Ring;

typedef struct Shared
{
	LWLock lock; /* protects all of it */
	int tranche;
	Ring rings[FLEXIBLE_ARRAY_MEMBER];
} Shared;

static Shared *shared = NULL;

static Size
minutes_size(void)
{
	return add_size(offsetof(Shared, rings), mul_size(rarr_health_databases, sizeof(Ring)));
}

static void
attach_minutes(void *memory, bool first)
{
	shared = memory;
	if (first)
	{
		memset(memory, 0, minutes_size());
		shared->tranche = LWLockNewTrancheId();
		LWLockInitialize(&shared->lock, shared->tranche);
	}
	LWLockRegisterTranche(shared->tranche, "researcharr_minutes");
}

const RarrShmemPart rarr_minutes_part = {"researcharr minutes", minutes_size, attach_minutes};

/* Is there shared memory for rings? */
bool
rarr_minutes_are_there(void)
{
	return shared != NULL;
}

/* The ring of a database; or, with InvalidOid, a free one.  Needs the lock. */
static Ring *
find_ring(Oid database)
{
	for (int i = 0; i < rarr_health_databases; i++)
		if (shared->rings[i].database == database)
			return &shared->rings[i];
	return NULL;
}

/* Free the rings of dropped databases.  Reads catalogs, without the lock. */
static void
forget_gone(void)
{
	for (int i = 0; i < rarr_health_databases; i++)
	{
		Oid database = shared->rings[i].database;

		if (!OidIsValid(database) || SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
			continue;
		LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
		if (shared->rings[i].database == database)
			shared->rings[i].database = InvalidOid;
		LWLockRelease(&shared->lock);
	}
}

/* Give this database a ring, if it has none and there is a free one. */
static void
prepare(void)
{
	bool full;

	LWLockAcquire(&shared->lock, LW_SHARED);
	full = find_ring(MyDatabaseId) == NULL && find_ring(InvalidOid) == NULL;
	LWLockRelease(&shared->lock);
	if (full)
		forget_gone();
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (find_ring(MyDatabaseId) == NULL)
	{
		Ring *ring = find_ring(InvalidOid);

		if (ring != NULL)
		{
			memset(ring, 0, offsetof(Ring, minutes));
			ring->database = MyDatabaseId;
			ring->last = PgStartTime; /* the totals are from then */
			ring->transactions = -1;
		}
	}
	LWLockRelease(&shared->lock);
}

/* Is the last sample a minute old, or is there none?  Raises errors of catalogs. */
bool
rarr_minutes_are_due(TimestampTz now)
{
	const Ring *ring;
	bool due;

	if (shared == NULL)
		return false;
	prepare();
	LWLockAcquire(&shared->lock, LW_SHARED);
	ring = find_ring(MyDatabaseId);
	due = ring != NULL && (now >= ring->last + USECS_PER_MINUTE || now < ring->last);
	LWLockRelease(&shared->lock);
	return due;
}

static void
put_minute(Ring *ring, const RarrMinute *minute)
{
	ring->minutes[ring->next] = *minute;
	ring->next = (ring->next + 1) % RARR_MINUTES;
	ring->n = Min(ring->n + 1, RARR_MINUTES);
}

/*
 * Take a sample.  Returns true if it ends a minute, which is then in *minute and
 * in the ring.  Cannot fail.
 */
bool
rarr_minutes_sample(const RarrSample *sample, RarrMinute *minute)
{
	RarrJobSums sums;
	Ring *ring;
	bool ends = false;

	if (shared == NULL || !rarr_figures_total(&sums))
		return false;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	ring = find_ring(MyDatabaseId);
	if (ring != NULL && (sample->at < ring->last || sample->at >= ring->last + USECS_PER_MINUTE))
	{
		ends = sample->at > ring->last;
		minute->from = ring->last;
		minute->until = sample->at;
		minute->bytes = sample->bytes;
		minute->transactions = ring->transactions < 0 || sample->transactions < ring->transactions ?
								 -1 :
								 sample->transactions - ring->transactions;
		for (int i = 0; i < RARR_JOB_EVENTS; i++)
			minute->events[i] = (uint32) Min(sums.events[i] - ring->totals[i], PG_UINT32_MAX);
		if (ends)
			put_minute(ring, minute);
		ring->last = sample->at;
		ring->transactions = sample->transactions;
		memcpy(ring->totals, sums.events, sizeof(ring->totals));
	}
	LWLockRelease(&shared->lock);
	return ends;
}

/* The ring's i-th minute, of which the first is the oldest. */
static const RarrMinute *
minute_at(const Ring *ring, int i)
{
	return &ring->minutes[(ring->next - ring->n + i + RARR_MINUTES) % RARR_MINUTES];
}

/* Is what the table has in the ring? */
bool
rarr_minutes_loaded(void)
{
	const Ring *ring;
	bool loaded;

	LWLockAcquire(&shared->lock, LW_SHARED);
	ring = find_ring(MyDatabaseId);
	loaded = ring == NULL || ring->loaded;
	LWLockRelease(&shared->lock);
	return loaded;
}

/*
 * Put minutes from before the server's start into the ring, the oldest first,
 * before those that it has.
 */
void
rarr_minutes_load(const RarrMinute *minutes, int n)
{
	RarrMinute *later = palloc(RARR_MINUTES * sizeof(RarrMinute));
	int nlater = 0;
	Ring *ring;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	ring = find_ring(MyDatabaseId);
	if (ring != NULL && !ring->loaded)
	{
		for (; nlater < ring->n; nlater++)
			later[nlater] = *minute_at(ring, nlater);
		ring->n = 0;
		for (int i = 0; i < n; i++)
			if (nlater == 0 || minutes[i].until <= later[0].from)
				put_minute(ring, &minutes[i]);
		for (int i = 0; i < nlater; i++)
			put_minute(ring, &later[i]);
		ring->loaded = true;
	}
	LWLockRelease(&shared->lock);
	pfree(later);
}

/*
 * Return this database's minutes, the oldest first, in a palloc'd array, and set
 * *n to their number.
 */
RarrMinute *
rarr_minutes_copy(int *n)
{
	RarrMinute *result = palloc(RARR_MINUTES * sizeof(RarrMinute));
	const Ring *ring;

	*n = 0;
	if (shared == NULL)
		return result;
	LWLockAcquire(&shared->lock, LW_SHARED);
	ring = find_ring(MyDatabaseId);
	for (int i = 0; ring != NULL && i < ring->n; i++)
		result[(*n)++] = *minute_at(ring, i);
	LWLockRelease(&shared->lock);
	return result;
}

static void
add_minute(RarrSpan *span, const RarrMinute *minute)
{
	span->from = Min(span->from, minute->from);
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		span->events[i] += minute->events[i];
	if (minute->transactions >= 0)
	{
		span->transactions += minute->transactions;
		span->usec += minute->until - minute->from;
	}
	if (span->first_bytes < 0)
		span->first_bytes = minute->bytes;
	if (minute->bytes >= 0)
		span->last_bytes = minute->bytes;
}

/*
 * Sum up what happened since a time: the minutes that ended later, and what came
 * after the last sample.  Returns false if this database has no ring.
 */
bool
rarr_minutes_span(TimestampTz since, RarrSpan *span)
{
	RarrJobSums sums;
	const Ring *ring;

	memset(span, 0, sizeof(RarrSpan));
	span->from = DT_NOEND;
	span->first_bytes = span->last_bytes = -1;
	if (shared == NULL || !rarr_figures_total(&sums))
		return false;
	LWLockAcquire(&shared->lock, LW_SHARED);
	ring = find_ring(MyDatabaseId);
	for (int i = 0; ring != NULL && i < ring->n; i++)
	{
		const RarrMinute *minute = &ring->minutes[(ring->next - ring->n + i + RARR_MINUTES) % RARR_MINUTES];

		if (minute->until > since)
			add_minute(span, minute);
	}
	for (int i = 0; ring != NULL && i < RARR_JOB_EVENTS; i++)
		span->events[i] += sums.events[i] - ring->totals[i];
	if (ring != NULL)
		span->from = Min(span->from, ring->last);
	LWLockRelease(&shared->lock);
	return ring != NULL;
}

/* Why this database has no figures, or NULL.  Raises errors of catalogs. */
const char *
rarr_minutes_problem(void)
{
	RarrJobSums sums;
	const Ring *ring;

	if (shared == NULL)
		return "the library is not in shared_preload_libraries";
	prepare();
	LWLockAcquire(&shared->lock, LW_SHARED);
	ring = find_ring(MyDatabaseId);
	LWLockRelease(&shared->lock);
	return ring == NULL || !rarr_figures_total(&sums) ?
			   "researcharr.health_databases other databases have figures" :
			   NULL;
}
