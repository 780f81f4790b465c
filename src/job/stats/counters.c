/*
 * counters.c
 *		Statistics: the number of jobs of each type and status.
 *
 * README.md explains how pending entries, stripes and counts of the table
 * (job_stats.c) make the numbers, and why they are estimates.
 *
 * The counters of a type can be given to another one (slot.c).  A backend's
 * key of a type has their generation, which tells whether they are still those
 * of the type.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/pending.h"
#include "job/stats/counters.h"

/* counting the table may take one part in so many of the time */
#define COUNT_SHARE 100

/* A pending entry: the changes of a subtransaction. */
typedef struct Delta
{
	RarrPendingEntry entry;
	RarrCountedKey *type; /* NULL: everything goes */
	int64 jobs[RARR_STATUSES];
	RarrJobTally tally;
} Delta;

/* Is this backend's key stale, or has it no slot and there may be one now? */
static bool
is_stale(const RarrCountedKey *key)
{
	if (key->counters == NULL)
		return key->looked_at != pg_atomic_read_u64(&rarr_counted_types.shared->changes);
	return key->generation != rarr_slot_generation(&key->counters->head);
}

/* This backend's key for a type, with the type's counters if there is room. */
static RarrCountedKey *
key_of(Oid table, const char *name, int len)
{
	RarrCountedKey *key = rarr_registry_key(&rarr_counted_types, table, name, len);

	if (!is_stale(key))
		return key;
	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	key->looked_at = pg_atomic_read_u64(&rarr_counted_types.shared->changes);
	key->counters = rarr_counted_type(table, key->head.name);
	if (key->counters != NULL)
		key->generation = rarr_slot_generation(&key->counters->head);
	LWLockRelease(rarr_counted_types.lock);
	return key;
}

static Stripe *
own_stripe(CountedType *type)
{
	return &type->stripes[MyProcPid % NSTRIPES];
}

static void
add_delta(const Delta *delta)
{
	CountedType *type;

	if (delta->type == NULL)
	{
		rarr_counters_invalidate();
		return;
	}
	rarr_figures_add_total(&delta->tally);
	type = delta->type->counters;
	if (type == NULL || is_stale(delta->type))
		return;
	for (int i = 0; i < RARR_STATUSES; i++)
		if (delta->jobs[i] != 0)
			pg_atomic_fetch_add_u64(&own_stripe(type)->jobs[i], delta->jobs[i]);
	rarr_figures_add(&type->figures, &delta->tally);
}

static void
act(RarrPendingEvent event, const void *entries, int n)
{
	if (event == RARR_PENDING_COMMIT)
		for (int i = 0; i < n; i++)
			add_delta((const Delta *) entries + i);
}

static void
merge_deltas(void *entry, const void *same)
{
	for (int i = 0; i < RARR_STATUSES; i++)
		((Delta *) entry)->jobs[i] += ((const Delta *) same)->jobs[i];
	rarr_tally_merge(&((Delta *) entry)->tally, &((const Delta *) same)->tally);
}

static RarrPendingList pending = {sizeof(Delta), merge_deltas, act};

/*
 * End a count that this backend has begun, and that failed or was interrupted.
 */
static void
stop_counting(void)
{
	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_counted_tables.shared->used; i++)
	{
		CountedTable *counted = rarr_slot_at(&rarr_counted_tables, i);

		if (counted->counting == MyProcPid)
			counted->counting = 0;
	}
	LWLockRelease(rarr_counted_types.lock);
	ConditionVariableBroadcast(rarr_counters_done);
}

static bool counting = false;

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (counting)
		stop_counting();
	counting = false;
}

/* Register the callbacks.  Called while the library is preloaded. */
void
rarr_counters_init(void)
{
	rarr_pending_init(&pending);
	RegisterXactCallback(at_xact_end, NULL);
}

static Delta *
get_delta(RarrCountedKey *type)
{
	Delta *delta = rarr_pending_get(&pending, type, 0);

	delta->type = type;
	return delta;
}

/*
 * Add n to the number of jobs of this version's type and status.  Returns the
 * pending entry, or NULL if there is no version, or a constraint will reject it.
 */
static Delta *
count(Relation jobs, TupleTableSlot *job, int n)
{
	text *type;
	Delta *delta;

	if (job == NULL || rarr_job_is_null(job, JOB_JOB_TYPE) || rarr_job_is_null(job, JOB_STATUS) ||
		!rarr_job_has_status(job))
		return NULL;
	type = DatumGetTextPP(rarr_job_value(job, JOB_JOB_TYPE));
	delta = get_delta(key_of(RelationGetRelid(jobs), VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)));
	delta->jobs[rarr_job_status(job)] += n;
	return delta;
}

/*
 * Record an insert (old is NULL), update or delete (new is NULL) of a job, whose
 * versions are deformed.  Raises no errors but those of allocation.
 */
void
rarr_counters_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	bool has_old;
	Delta *delta;

	if (rarr_counted_types.shared == NULL)
		return;
	rarr_figures_prepare();
	has_old = count(jobs, old, -1) != NULL;
	delta = count(jobs, new, 1);
	if (delta != NULL && has_old == (old != NULL))
		rarr_tally_change(&delta->tally, old, new);
}

/* Record a TRUNCATE of processing_jobs.  Errors: of allocation. */
void
rarr_counters_truncate(void)
{
	if (rarr_counted_types.shared != NULL)
		(void) get_delta(NULL);
}

/* A type's counter of a status, with the changes of this transaction. */
static int64
sum(const CountedType *type, int status, bool with_own)
{
	const Delta *deltas = pending.entries;
	int64 n = 0;

	for (int i = 0; i < NSTRIPES; i++)
		n += (int64) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &type->stripes[i].jobs[status]));
	for (int i = 0; i < pending.n && with_own; i++)
		if (deltas[i].type != NULL && deltas[i].type->counters == type && !is_stale(deltas[i].type))
			n += deltas[i].jobs[status];
	return n;
}

/* Has this transaction truncated processing_jobs? */
static bool
truncated(void)
{
	const Delta *deltas = pending.entries;

	for (int i = 0; i < pending.n; i++)
		if (deltas[i].type == NULL)
			return true;
	return false;
}

/* Is it too early to count the table again? */
static bool
is_fresh(const CountedTable *counted)
{
	return rarr_monotonic_now() - counted->began < counted->cost * COUNT_SHARE;
}

/*
 * When was the oldest job of a type enqueued that the last count found?  The
 * time of the count if it found none.
 */
static TimestampTz
oldest_of(const CountedType *type, TimestampTz counted_at)
{
	TimestampTz oldest = counted_at;

	for (int i = 0; i < RARR_STATUSES; i++)
		oldest = Min(oldest, type->oldest[i]);
	return oldest;
}

/*
 * Return the numbers of jobs of all types of a table in a palloc'd array, and
 * set *n to the number of types.  Returns NULL if there are no counters, or if
 * it is time to count the table.  Raises no errors but those of allocation.
 */
RarrCounts *
rarr_counters_read(Oid table, int *n)
{
	CountedTable *counted;
	RarrCounts *result;
	char(*names)[RARR_SLOT_NAME_MAX + 1];
	bool usable;

	*n = 0;
	if (rarr_counted_types.shared == NULL || truncated())
		return NULL;
	result = palloc_extended(rarr_agenda_types * sizeof(RarrCounts), MCXT_ALLOC_HUGE);
	names = palloc_extended(rarr_agenda_types * sizeof(*names), MCXT_ALLOC_HUGE);
	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	counted = rarr_counted_table(table);
	usable = counted != NULL && counted->counted && !counted->incomplete &&
			 (is_fresh(counted) || counted->counting != 0);
	for (int i = 0; i < rarr_counted_types.shared->used && usable; i++)
	{
		CountedType *type = rarr_slot_at(&rarr_counted_types, i);

		if (!rarr_slot_is_of(&type->head, table))
			continue;
		strcpy(names[*n], rarr_slot_name(&rarr_counted_types, type));
		result[*n].type = names[*n];
		for (int j = 0; j < RARR_STATUSES; j++)
		{
			result[*n].jobs[j] = type->base[j] + sum(type, j, true);
			result[*n].oldest[j] = type->oldest[j] == DT_NOEND ?
									   oldest_of(type, counted->counted_at) :
									   type->oldest[j];
		}
		(*n)++;
	}
	LWLockRelease(rarr_counted_types.lock);
	return usable ? result : NULL;
}

/* Does another backend count the table, and can its numbers serve others? */
static bool
others_count(Oid table)
{
	CountedTable *counted;
	bool result;

	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	counted = rarr_counted_table(table);
	result = counted != NULL && counted->counting != 0 && counted->counting != MyProcPid &&
			 !counted->incomplete;
	LWLockRelease(rarr_counted_types.lock);
	return result;
}

/*
 * If another backend counts the table, wait for the end of that count.  Returns
 * whether it waited: rarr_counters_read() may have numbers then, unless the
 * count failed.  Raises an error if the session is interrupted.
 */
bool
rarr_counters_await(Oid table)
{
	static uint32 wait_event = 0;
	bool waited = false;

	if (rarr_counted_types.shared == NULL || truncated())
		return false;
	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrJobCount");
	ConditionVariablePrepareToSleep(rarr_counters_done);
	while (others_count(table))
	{
		ConditionVariableSleep(rarr_counters_done, wait_event);
		waited = true;
	}
	ConditionVariableCancelSleep();
	return waited;
}

/*
 * Make room for the types that a count will find, if all slots are used.
 * Reads catalogs and raises their errors, so call it before taking the
 * snapshot.
 */
void
rarr_counters_make_room(void)
{
	if (rarr_counted_types.shared != NULL &&
		(rarr_counted_types.shared->used == rarr_agenda_types || rarr_counted_tables.shared->used == rarr_agenda_types))
		rarr_counted_forget_gone();
}

/*
 * Begin a count of the table, whose snapshot the caller has just taken.  Returns
 * false if the count cannot provide a base: there are no counters, another
 * backend counts, or this transaction has truncated the table.  Cannot fail.
 */
bool
rarr_counters_begin_recount(Oid table)
{
	CountedTable *counted;
	bool begun;

	if (rarr_counted_types.shared == NULL || truncated())
		return false;
	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	counted = rarr_counted_table(table);
	begun = counted != NULL && counted->counting == 0;
	if (begun)
	{
		counted->counting = MyProcPid;
		counted->missing = false;
		counting = true;
	}
	for (int i = 0; i < rarr_counted_types.shared->used && begun; i++)
	{
		CountedType *type = rarr_slot_at(&rarr_counted_types, i);

		if (!rarr_slot_is_of(&type->head, table))
			continue;
		for (int j = 0; j < RARR_STATUSES; j++)
		{
			type->start[j] = sum(type, j, true);
			type->found.jobs[j] = 0;
			type->found.oldest[j] = DT_NOEND;
		}
	}
	LWLockRelease(rarr_counted_types.lock);
	return begun;
}

/*
 * Store what a count found of a type.  Called once for each type between
 * rarr_counters_begin_recount() and rarr_counters_end_recount().  Cannot fail.
 */
void
rarr_counters_set(Oid table, const char *name, const RarrCounts *counts)
{
	CountedType *type;

	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	type = rarr_counted_type(table, name);
	if (type != NULL)
		type->found = *counts;
	LWLockRelease(rarr_counted_types.lock);
}

static bool
has_none(const CountedType *type)
{
	for (int i = 0; i < RARR_STATUSES; i++)
		if (type->found.jobs[i] != 0)
			return false;
	return true;
}

/*
 * Make the numbers that a count found the base of the counters.  If all slots
 * are used, free those of types without jobs.  Needs the lock.
 */
static void
take_over(Oid table)
{
	bool full = rarr_registry_is_full(&rarr_counted_types);

	for (int i = 0; i < rarr_counted_types.shared->used; i++)
	{
		CountedType *type = rarr_slot_at(&rarr_counted_types, i);

		if (!rarr_slot_is_of(&type->head, table))
			continue;
		if (full && has_none(type))
			rarr_slot_free(&rarr_counted_types, &type->head);
		for (int j = 0; j < RARR_STATUSES; j++)
		{
			type->base[j] = type->found.jobs[j] - type->start[j];
			type->oldest[j] = type->found.oldest[j];
		}
	}
}

/*
 * End a count.  It began at counted_at by the system clock, and at began by
 * rarr_monotonic_now().  Cannot fail.
 */
void
rarr_counters_end_recount(Oid table, TimestampTz counted_at, int64 began)
{
	int64 cost = rarr_monotonic_now() - began;
	CountedTable *counted;

	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	counted = rarr_counted_table(table);
	if (counted != NULL && counted->counting == MyProcPid)
	{
		take_over(table);
		counted->counting = 0;
		counted->incomplete = counted->missing;
		counted->counted = true;
		counted->counted_at = counted_at;
		counted->began = began;
		counted->cost = Max(cost, 1);
	}
	counting = false;
	LWLockRelease(rarr_counted_types.lock);
	ConditionVariableBroadcast(rarr_counters_done);
}
