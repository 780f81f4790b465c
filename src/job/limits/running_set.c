/*
 * running_set.c
 *		The set of running jobs of each type with max_running.
 *
 * The set of a type contains all jobs that are running, and all jobs that open
 * transactions are about to make running.  Its size decides whether one more
 * job may start.  The set can contain a job too many until the next sweep, but
 * never one too few.  README.md says who adds and removes entries.
 *
 * counted_for is the policy version for which the set is known to be complete.
 * It is 0 after a restart, or if the type had no limit.
 */
#include "postgres.h"

#include "storage/lwlock.h"

#include "base/clock.h"
#include "base/schema.h"
#include "job/core/job_row.h"
#include "job/limits/running_set.h"
#include "job/limits/slot.h"

/* how often a backend looks for abandoned sets */
#define RECLAIM_INTERVAL (10 * USECS_PER_SEC)

static int *
bucket_of(const pg_uuid_t *id)
{
	/* the last bytes of a UUID of version 7 are random */
	return &rarr_limits->buckets[(id->data[UUID_LEN - 2] << 8 | id->data[UUID_LEN - 1]) & (RARR_LIMIT_BUCKETS - 1)];
}

static bool
is_of(const RarrLimitEntry *entry, int limit, const pg_uuid_t *id)
{
	return entry->limit == limit && memcmp(&entry->id, id, UUID_LEN) == 0;
}

/*
 * The entry of the job with this attempt or a later one; NULL if the set has
 * none.  Needs the lock.
 */
static RarrLimitEntry *
find_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	for (int i = *bucket_of(id); i != RARR_NO_ENTRY; i = rarr_limit_entries[i].next)
		if (is_of(&rarr_limit_entries[i], limit, id) && rarr_limit_entries[i].attempt >= attempt)
			return &rarr_limit_entries[i];
	return NULL;
}

/*
 * Take a free entry for a type.  NULL if there is none.  Needs the lock, as
 * the following functions do.
 */
static RarrLimitEntry *
new_entry(int limit)
{
	RarrLimitEntry *entry;

	if (rarr_limits->free == RARR_NO_ENTRY)
	{
		rarr_limits->full = true;
		return NULL;
	}
	entry = &rarr_limit_entries[rarr_limits->free];
	rarr_limits->free = entry->next;
	entry->limit = limit;
	entry->serial = ++rarr_limits->serials;
	entry->open = false;
	entry->bound = false;
	entry->ended = false;
	entry->counted = false;
	entry->unswept = false;
	rarr_limit_at(limit)->running++;
	return entry;
}

static void
bind_entry(RarrLimitEntry *entry, const pg_uuid_t *id, int32 attempt)
{
	int *bucket = bucket_of(id);

	entry->id = *id;
	entry->attempt = attempt;
	entry->bound = true;
	entry->next = *bucket;
	*bucket = entry - rarr_limit_entries;
}

static void
set_open(RarrLimitEntry *entry, bool open)
{
	if (entry->open != open)
		rarr_limit_at(entry->limit)->open += open ? 1 : -1;
	entry->open = open;
}

static void
free_entry(RarrLimitEntry *entry)
{
	int index = entry - rarr_limit_entries;

	if (entry->bound)
	{
		int *link = bucket_of(&entry->id);

		while (*link != index)
			link = &rarr_limit_entries[*link].next;
		*link = entry->next;
	}
	set_open(entry, false);
	rarr_limit_at(entry->limit)->running--;
	entry->limit = -1;
	entry->bound = false;
	entry->serial = 0;
	entry->next = rarr_limits->free;
	rarr_limits->free = index;
}

/*
 * The table has the job of this entry.  A sweep that looked for the job before
 * must not remove the entry, so it gets another serial.  The entry of an open
 * claim keeps its own: the claim may have aborted, and the job in the table may
 * be that of another claim without an entry.  So the entry must not go with its
 * claim.
 */
static void
keep_entry(RarrLimitEntry *entry)
{
	if (entry->open)
		entry->counted = true;
	else
		entry->serial = ++rarr_limits->serials;
}

/*
 * Add n running jobs that were read from the table, and mark the set as
 * complete for this version of the type's policy.
 *
 * invalidations is the set's count of them before the table was read.  Returns
 * false, and leaves the set incomplete, if the set was invalidated since, or
 * if there is no room for these jobs and one more that may start.
 *
 * Jobs of a claim that began before the type had a limit, and had not been
 * written when the table was read, are missing.  So the table must be read
 * again at recount_at, by rarr_monotonic_now(); PG_INT64_MAX for never.
 * Cannot fail.
 */
bool
rarr_running_set_populate(const RarrLimitRef *ref, const RarrJobType *type, const RarrRunningJob *jobs, int n,
						  uint64 invalidations, int64 recount_at)
{
	RarrLimit *limit = rarr_limit_lock(ref);
	bool fits = true;

	if (limit == NULL)
		return false;
	for (int i = 0; i < n && fits; i++)
	{
		RarrLimitEntry *entry = find_job(ref->slot, &jobs[i].id, jobs[i].attempt);

		if (entry != NULL)
		{
			keep_entry(entry);
			continue;
		}
		entry = new_entry(ref->slot);
		fits = entry != NULL;
		if (fits)
			bind_entry(entry, &jobs[i].id, jobs[i].attempt);
	}
	if (rarr_limits->free == RARR_NO_ENTRY && limit->running < type->max_running)
	{
		rarr_limits->full = true;
		fits = false;
	}
	fits = fits && limit->invalidations == invalidations;
	if (fits)
	{
		limit->counted_for = type->version;
		limit->recount_at = recount_at;
		limit->lapse = DT_NOBEGIN;
		limit->next_sweep = 0;
	}
	else
		rarr_limit_mark_incomplete(limit);
	LWLockRelease(rarr_limit_slots.lock);
	return fits;
}

/*
 * Reserve an entry and a token for a claim of a job of the type.
 *
 * freed is the number of entries whose attempts this transaction has ended: they
 * go when the claim is committed, and stay if it is not.  running says that the
 * job is running already, so that it needs no entry.  If the result is
 * RARR_RESERVED, *job refers to the entry, which names no job yet, and *token
 * says whether a token was taken.  RARR_AT_LIMIT means that a limit is reached,
 * and RARR_NOT_COUNTED that the set is incomplete.  Cannot fail.
 */
RarrReservation
rarr_running_set_reserve(const RarrLimitRef *ref, const RarrJobType *type, int freed, bool running,
						 RarrRunningJob *job, bool *token)
{
	RarrReservation result = RARR_RESERVED;
	RarrLimit *limit = rarr_limit_lock(ref);
	RarrLimitEntry *entry = NULL;

	job->entry = RARR_NO_ENTRY;
	*token = false;
	if (limit == NULL)
		return RARR_NOT_COUNTED;
	if (type->max_running > 0 && !running)
	{
		if (limit->counted_for != type->version)
			result = RARR_NOT_COUNTED;
		else if (limit->running - freed >= type->max_running)
			result = RARR_AT_LIMIT;
		else if ((entry = new_entry(ref->slot)) == NULL)
		{
			rarr_limit_mark_incomplete(limit); /* shared memory is full */
			result = RARR_NOT_COUNTED;
		}
	}
	if (result == RARR_RESERVED && !rarr_limit_take_token(limit, type))
	{
		if (entry != NULL)
			free_entry(entry);
		entry = NULL;
		result = RARR_AT_LIMIT;
	}
	if (result == RARR_RESERVED)
		*token = type->rate_limit > 0;
	if (entry != NULL)
	{
		set_open(entry, true);
		job->entry = entry - rarr_limit_entries;
		job->serial = entry->serial;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return result;
}

/* Does the set contain the job with this very attempt?  Cannot fail. */
bool
rarr_running_set_has(const RarrLimitRef *ref, const RarrRunningJob *job)
{
	bool found = false;

	if (rarr_limit_lock(ref) == NULL)
		return false;
	for (int i = *bucket_of(&job->id); i != RARR_NO_ENTRY && !found; i = rarr_limit_entries[i].next)
		found = is_of(&rarr_limit_entries[i], ref->slot, &job->id) &&
				rarr_limit_entries[i].attempt == job->attempt;
	LWLockRelease(rarr_limit_slots.lock);
	return found;
}

/* The entry that was reserved for a job, or NULL if it was freed since. */
static RarrLimitEntry *
reserved_entry(const RarrRunningJob *job)
{
	if (job->entry == RARR_NO_ENTRY || rarr_limit_entries[job->entry].serial != job->serial)
		return NULL;
	return &rarr_limit_entries[job->entry];
}

/* Make a reserved entry name the job and its new attempt.  Cannot fail. */
void
rarr_running_set_bind(const RarrRunningJob *job)
{
	RarrLimitEntry *entry;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && !entry->bound)
		bind_entry(entry, &job->id, job->attempt);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Free the entry of an open claim that did not happen, or have a sweep decide if
 * the table was read meanwhile.  A sweep can have taken this claim for that of
 * another entry of the job, which then has to be looked at again.
 */
static void
cancel_entry(RarrLimitEntry *entry)
{
	int limit = entry->limit;
	bool bound = entry->bound;
	pg_uuid_t id = entry->id;

	if (entry->counted && !entry->ended)
		set_open(entry, false);
	else
		free_entry(entry);
	if (bound && find_job(limit, &id, 0) != NULL)
		rarr_limit_at(limit)->recheck = true;
}

/*
 * Undo a reservation: free the entry, if there is one, and return the token,
 * if one was taken.  A bucket does not exceed its capacity.  If the table was read
 * while the claim was open, the entry stays until a sweep.  Cannot fail.
 */
void
rarr_running_set_cancel(const RarrLimitRef *ref, const RarrRunningJob *job, bool token)
{
	RarrLimitEntry *entry;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && entry->open)
		cancel_entry(entry);
	if (token && rarr_limit_of(ref) != NULL)
		rarr_limit_return_token(rarr_limit_of(ref));
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * The transaction of a claim has committed, or is prepared: its entry stays
 * until the attempt ends.  Returns true if the set must be rechecked, because
 * the attempt may have ended by plain DML already.  Cannot fail.
 */
bool
rarr_running_set_confirm(const RarrRunningJob *job)
{
	RarrLimitEntry *entry;
	bool recheck = false;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && entry->ended)
		free_entry(entry);
	else if (entry != NULL)
	{
		set_open(entry, false);
		recheck = entry->unswept;
		if (recheck)
			rarr_limit_at(entry->limit)->recheck = true;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return recheck;
}

/*
 * Remove the entries of a job up to an attempt.  Needs the lock.  If the
 * claim's transaction has committed and has not yet confirmed the entry, the
 * entry goes when it does.
 */
static void
drop_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	int next;

	for (int i = *bucket_of(id); i != RARR_NO_ENTRY; i = next)
	{
		RarrLimitEntry *entry = &rarr_limit_entries[i];

		next = entry->next;
		if (!is_of(entry, limit, id) || entry->attempt > attempt)
			continue;
		if (entry->open)
			entry->ended = true;
		else
			free_entry(entry);
	}
}

/* The end of an attempt is committed: remove its entry.  Cannot fail. */
void
rarr_running_set_remove(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	if (rarr_limit_lock(ref) == NULL)
		return;
	drop_job(ref->slot, id, attempt);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * The claim of a lapsed job under this attempt is committed: replace the entry
 * of the attempt before.  Cannot fail.
 */
void
rarr_running_set_renew(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	RarrLimit *limit = rarr_limit_lock(ref);

	if (limit == NULL)
		return;
	if (limit->counted_for != 0)
	{
		drop_job(ref->slot, id, attempt - 1);
		if (find_job(ref->slot, id, attempt) == NULL)
		{
			RarrLimitEntry *entry = new_entry(ref->slot);

			if (entry != NULL)
				bind_entry(entry, id, attempt);
			else
				rarr_limit_mark_incomplete(limit);
		}
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Begin a sweep of a set, if one is due.
 *
 * start is the current time by rarr_monotonic_now().  Copies the jobs without
 * an open claim to the array jobs, which has room for *n, and sets *n to their
 * number.  Returns false if no sweep is due.  No other sweep begins before
 * rarr_running_set_end_sweep(), or for one second, because the caller may
 * fail.  Cannot fail itself.
 */
bool
rarr_running_set_begin_sweep(const RarrLimitRef *ref, int64 start, RarrRunningJob *jobs, int *n)
{
	int room = *n;
	RarrLimit *limit = rarr_limit_lock(ref);
	bool rechecks;

	*n = 0;
	if (limit == NULL)
		return false;
	if (limit->next_sweep > start)
	{
		LWLockRelease(rarr_limit_slots.lock);
		return false;
	}
	limit->next_sweep = start + USECS_PER_SEC;
	limit->last_sweep = start;
	rechecks = limit->recheck;
	limit->recheck = false;
	limit->lapse = DT_NOBEGIN;
	limit->added_lapse = DT_NOEND;
	for (int i = 0; i < rarr_limits->max_entries; i++)
	{
		RarrLimitEntry *entry = &rarr_limit_entries[i];

		if (entry->limit != ref->slot)
			continue;
		if (entry->open)
		{
			entry->unswept |= rechecks;
			continue;
		}
		if (*n == room)
		{
			/* no room for all: have the next sweep begin at once */
			limit->added_lapse = DT_NOBEGIN;
			break;
		}
		jobs[*n].id = entry->id;
		jobs[*n].attempt = entry->attempt;
		jobs[*n].entry = i;
		jobs[*n].serial = entry->serial;
		(*n)++;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return true;
}

/*
 * End the sweep that began at start.
 *
 * gone has the n jobs that are no longer running; their entries are removed.
 * No lease of the other jobs ends before lapse, which is by the system clock.
 * The next sweep may begin at next, by rarr_monotonic_now().  Cannot fail.
 */
void
rarr_running_set_end_sweep(const RarrLimitRef *ref, const RarrRunningJob *gone, int n,
						   TimestampTz lapse, int64 start, int64 next)
{
	RarrLimit *limit;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		RarrLimitEntry *entry = reserved_entry(&gone[i]);

		if (entry != NULL && !entry->open && entry->attempt == gone[i].attempt)
			free_entry(entry);
	}
	limit = rarr_limit_of(ref);
	if (limit != NULL && limit->last_sweep == start)
	{
		limit->lapse = Min(limit->added_lapse, lapse);
		limit->next_sweep = next;
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/* Does a slot of this database belong to a type without max_running? */
static bool
is_abandoned(Oid table, const char *name)
{
	const RarrJobType *type = rarr_job_type_find(name);

	return table != rarr_relation_oid(rarr_job_table.name) || type == NULL || type->max_running == 0;
}

/*
 * Take all out of a set, but for the entries of open claims; from now on it
 * has not all that are running.
 */
static void
clear_slot(const RarrSlotRegistry *slots, RarrSlot *slot)
{
	int index = rarr_slot_index(slots, slot);

	rarr_limit_mark_incomplete((RarrLimit *) slot);
	for (int i = 0; i < rarr_limits->max_entries; i++)
		if (rarr_limit_entries[i].limit == index && !rarr_limit_entries[i].open)
			free_entry(&rarr_limit_entries[i]);
}

/* Free the slot of a dropped database, which has no open claim. */
static void
drop_slot(const RarrSlotRegistry *slots, RarrSlot *slot)
{
	clear_slot(slots, slot);
	if (((RarrLimit *) slot)->running == 0)
		rarr_slot_free(slots, slot);
}

/*
 * Clear the sets of databases and types that are gone, and of types that no
 * longer have max_running, but not if this backend did so less than
 * RECLAIM_INTERVAL ago.  Their slots stay, because they have the token buckets.
 * Reads catalogs, without holding the lock, and raises their errors.
 */
void
rarr_running_set_reclaim(void)
{
	static int64 next = 0;
	int64 now = rarr_monotonic_now();

	if (rarr_limits == NULL || now < next)
		return;
	next = now + RECLAIM_INTERVAL;
	rarr_registry_drop_abandoned(&rarr_limit_slots, is_abandoned, clear_slot);
}

/* Free a dropped database's slots; it has no sessions.  Cannot fail. */
void
rarr_running_set_forget_database(Oid database)
{
	rarr_registry_drop_database(&rarr_limit_slots, database, drop_slot);
}
