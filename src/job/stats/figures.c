/*
 * figures.c
 *		What happened to jobs since the server's start: how many events, how
 *		long jobs waited, and how long they ran.
 *
 * A transaction tallies its changes of jobs in its pending entries
 * (counters.c), and the commit adds them to figures in shared memory: those of
 * the type, and the total of the database.  They only grow.  A crash loses
 * them, and a prepared transaction is not counted.
 *
 * researcharr.health_databases databases have a total.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "job/core/job_row.h"
#include "job/stats/figures.h"

/* The total of a database. */
typedef struct Total
{
	Oid database; /* InvalidOid: the place is free */
	RarrJobFigures figures;
} Total;

typedef struct Shared
{
	LWLock lock; /* protects who has which place */
	int tranche;
	Total totals[FLEXIBLE_ARRAY_MEMBER];
} Shared;

const int64 rarr_job_bucket_bounds[RARR_JOB_BUCKETS - 1] = {
	INT64CONST(10000), INT64CONST(100000), INT64CONST(500000), INT64CONST(1000000),
	INT64CONST(5000000), INT64CONST(10000000), INT64CONST(30000000), INT64CONST(60000000),
	INT64CONST(300000000), INT64CONST(900000000), INT64CONST(3600000000), INT64CONST(14400000000)};

static const char *const event_names[RARR_JOB_EVENTS] = {
	[RARR_EVENT_ENQUEUED] = "enqueued",
	[RARR_EVENT_CLAIMED] = "claimed",
	[RARR_EVENT_COMPLETED] = "completed",
	[RARR_EVENT_RETRIED] = "retried",
	[RARR_EVENT_FAILED] = "failed",
	[RARR_EVENT_LAPSED] = "lapsed",
	[RARR_EVENT_RELEASED] = "released",
	[RARR_EVENT_CANCELLED] = "cancelled",
};

static Shared *shared = NULL;
static Total *own = NULL; /* this database's, once it has one */

static Size
figures_size(void)
{
	return add_size(offsetof(Shared, totals), mul_size(rarr_health_databases, sizeof(Total)));
}

/* Initialize figures in new shared memory. */
void
rarr_figures_init(RarrJobFigures *figures)
{
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		pg_atomic_init_u64(&figures->events[i], 0);
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
	{
		pg_atomic_init_u64(&figures->usec[h], 0);
		for (int i = 0; i < RARR_JOB_BUCKETS; i++)
			pg_atomic_init_u64(&figures->buckets[h][i], 0);
	}
}

/* Set figures to zero, for a new owner. */
void
rarr_figures_clear(RarrJobFigures *figures)
{
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		pg_atomic_write_u64(&figures->events[i], 0);
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
	{
		pg_atomic_write_u64(&figures->usec[h], 0);
		for (int i = 0; i < RARR_JOB_BUCKETS; i++)
			pg_atomic_write_u64(&figures->buckets[h][i], 0);
	}
}

static void
attach_figures(void *memory, bool first)
{
	shared = memory;
	if (first)
	{
		memset(memory, 0, figures_size());
		shared->tranche = LWLockNewTrancheId();
		LWLockInitialize(&shared->lock, shared->tranche);
		for (int i = 0; i < rarr_health_databases; i++)
			rarr_figures_init(&shared->totals[i].figures);
	}
	LWLockRegisterTranche(shared->tranche, "researcharr_figures");
}

const RarrShmemPart rarr_figures_part = {"researcharr figures", figures_size, attach_figures};

/* What an event is called. */
const char *
rarr_job_event_name(RarrJobEvent event)
{
	return event_names[event];
}

/* Add a length of time, between the values of columns that can be NULL. */
static void
tally_time(RarrJobTally *tally, RarrJobHistogram histogram, TupleTableSlot *from, int from_column,
		   TupleTableSlot *to, int to_column)
{
	int64 usec;
	int i = 0;

	if (rarr_job_is_null(from, from_column) || rarr_job_is_null(to, to_column))
		return;
	if (TIMESTAMP_NOT_FINITE(rarr_job_time(from, from_column)) || TIMESTAMP_NOT_FINITE(rarr_job_time(to, to_column)))
		return;
	usec = Max(rarr_job_time(to, to_column) - rarr_job_time(from, from_column), 0);
	while (i < RARR_JOB_BUCKETS - 1 && usec > rarr_job_bucket_bounds[i])
		i++;
	tally->buckets[histogram][i]++;
	tally->usec[histogram] += usec;
}

/* Does the job's error say that its attempt lapsed? */
static bool
has_lapsed(TupleTableSlot *job)
{
	const struct varlena *error;

	if (rarr_job_is_null(job, JOB_ERROR_MESSAGE))
		return false;
	error = (const struct varlena *) DatumGetPointer(rarr_job_value(job, JOB_ERROR_MESSAGE));
	if (VARATT_IS_EXTERNAL(error) || VARATT_IS_COMPRESSED(error))
		return false; /* it is longer */
	return rarr_job_is_lapse_error(VARDATA_ANY(error), VARSIZE_ANY_EXHDR(error));
}

/* An attempt has ended. */
static void
tally_end(RarrJobTally *tally, TupleTableSlot *old, TupleTableSlot *new, RarrJobStatus status)
{
	bool lapsed = status != JOB_COMPLETED && status != JOB_CANCELLED && has_lapsed(new);

	if (lapsed)
		tally->events[RARR_EVENT_LAPSED]++;
	else if (status != JOB_QUEUED || rarr_job_int(new, JOB_RETRY_COUNT) > rarr_job_int(old, JOB_RETRY_COUNT))
		tally_time(tally, RARR_JOB_RUNS, old, JOB_STARTED_AT, new, JOB_UPDATED_AT);
	if (status == JOB_QUEUED && !lapsed)
		tally->events[rarr_job_int(new, JOB_RETRY_COUNT) > rarr_job_int(old, JOB_RETRY_COUNT) ?
						  RARR_EVENT_RETRIED :
						  RARR_EVENT_RELEASED]++;
}

/*
 * Tally a new job (old is NULL) or a change of one.  Both versions are deformed,
 * and have a type and a status.
 */
void
rarr_tally_change(RarrJobTally *tally, TupleTableSlot *old, TupleTableSlot *new)
{
	RarrJobStatus now = rarr_job_status(new);
	RarrJobStatus before = old != NULL ? rarr_job_status(old) : now;

	if (old == NULL)
	{
		tally->events[RARR_EVENT_ENQUEUED]++;
		return;
	}
	if (now == JOB_RUNNING && rarr_job_int(new, JOB_ATTEMPT) > rarr_job_int(old, JOB_ATTEMPT))
	{
		tally->events[RARR_EVENT_CLAIMED]++;
		if (before == JOB_RUNNING)
			tally->events[RARR_EVENT_LAPSED]++;
		tally_time(tally, RARR_JOB_WAITS, old, before == JOB_RUNNING ? JOB_LEASE_EXPIRES_AT : JOB_AVAILABLE_AT,
				   new, JOB_STARTED_AT);
		return;
	}
	if (before == now)
		return;
	if (before == JOB_RUNNING)
		tally_end(tally, old, new, now);
	if (now == JOB_COMPLETED)
		tally->events[RARR_EVENT_COMPLETED]++;
	else if (now == JOB_FAILED)
		tally->events[RARR_EVENT_FAILED]++;
	else if (now == JOB_CANCELLED)
		tally->events[RARR_EVENT_CANCELLED]++;
}

/* Add a tally to another one. */
void
rarr_tally_merge(RarrJobTally *tally, const RarrJobTally *more)
{
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		tally->events[i] += more->events[i];
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
	{
		tally->usec[h] += more->usec[h];
		for (int i = 0; i < RARR_JOB_BUCKETS; i++)
			tally->buckets[h][i] += more->buckets[h][i];
	}
}

/* Add a tally to figures in shared memory.  Cannot fail. */
void
rarr_figures_add(RarrJobFigures *figures, const RarrJobTally *tally)
{
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		if (tally->events[i] != 0)
			pg_atomic_fetch_add_u64(&figures->events[i], tally->events[i]);
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
		for (int i = 0; i < RARR_JOB_BUCKETS; i++)
			if (tally->buckets[h][i] != 0)
				pg_atomic_fetch_add_u64(&figures->buckets[h][i], tally->buckets[h][i]);
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
		if (tally->usec[h] != 0)
			pg_atomic_fetch_add_u64(&figures->usec[h], (int64) tally->usec[h]);
}

static uint64
read_atomic(const pg_atomic_uint64 *value)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, value));
}

/* Add figures to sums. */
void
rarr_figures_read(const RarrJobFigures *figures, RarrJobSums *sums)
{
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		sums->events[i] += read_atomic(&figures->events[i]);
	for (int h = 0; h < RARR_JOB_HISTOGRAMS; h++)
	{
		sums->usec[h] += read_atomic(&figures->usec[h]);
		for (int i = 0; i < RARR_JOB_BUCKETS; i++)
			sums->buckets[h][i] += read_atomic(&figures->buckets[h][i]);
	}
}

/*
 * Does this database seem to have a place, or is one free?  Looks without the
 * lock, because each change of a job asks, and all places may be taken.
 */
static bool
may_have_place(void)
{
	for (int i = 0; i < rarr_health_databases; i++)
	{
		Oid database = shared->totals[i].database;

		if (database == MyDatabaseId || !OidIsValid(database))
			return true;
	}
	return false;
}

/* Find this database's place, or take a free one.  Cannot fail. */
void
rarr_figures_prepare(void)
{
	Total *found = NULL;

	if (own != NULL || shared == NULL || !OidIsValid(MyDatabaseId) || !may_have_place())
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_health_databases && (found == NULL || found->database != MyDatabaseId); i++)
		if (shared->totals[i].database == MyDatabaseId ||
			(found == NULL && !OidIsValid(shared->totals[i].database)))
			found = &shared->totals[i];
	if (found != NULL && !OidIsValid(found->database))
	{
		rarr_figures_clear(&found->figures);
		found->database = MyDatabaseId;
	}
	own = found;
	LWLockRelease(&shared->lock);
}

/* Add a tally to this database's total, if it has one.  Cannot fail. */
void
rarr_figures_add_total(const RarrJobTally *tally)
{
	if (own != NULL)
		rarr_figures_add(&own->figures, tally);
}

/*
 * Read this database's total.  Returns false if it has none: the library is not
 * preloaded, or researcharr.health_databases databases have one.
 */
bool
rarr_figures_total(RarrJobSums *sums)
{
	rarr_figures_prepare();
	memset(sums, 0, sizeof(RarrJobSums));
	if (own == NULL)
		return false;
	rarr_figures_read(&own->figures, sums);
	return true;
}

/* Free a dropped database's place; it has no sessions.  Cannot fail. */
void
rarr_figures_forget_database(Oid database)
{
	if (shared == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_health_databases; i++)
		if (shared->totals[i].database == database)
			shared->totals[i].database = InvalidOid;
	LWLockRelease(&shared->lock);
}
