/*
 * running_set.c
 *		Which jobs of types with limits are running, in shared memory.
 *
 * For each type with a limit there is a set of jobs: all that are running, and
 * all that an open claim is about to make running.  How many there are decides
 * whether one more may start.  The set may hold a job too many for a while,
 * never one too few:
 *
 * - A claim puts an entry into the set before it locks a job, and takes it
 *
 *      out after its abort.
 *
 * - Whoever ends an attempt takes the job out after the commit.
 *
 * - The set says of which version of the type's policy it holds all running
 *
 *      jobs.  After a restart, or where the type had no limit before, that is of
 *
 *      none; then the table is read (limits.c), under a lock that claims of the
 *
 *      type need in that state.
 *
 * - What should not be in the set any more (a prepared transaction that was
 *
 *      rolled back, plain DML) is found by looking at the jobs one by one, and
 *
 *      taken out then; limits.c does that once the limit is reached.
 *
 * The entry names job and attempt, so that nothing depends on how often a
 * thing is said, or on the order in which transactions get to say it.
 */
#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/schema.h"
#include "job/core/job_row.h"
#include "job/limits/running_set.h"
#include "job/limits/shmem.h"
#include "job/limits/slot.h"

/* how often a backend looks for room that nobody needs */
#define RECLAIM_INTERVAL	(10 * USECS_PER_SEC)

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

/* Does the set have the job, under this attempt or a later one? */
static bool
has_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	for (int i = *bucket_of(id); i != RARR_NO_ENTRY; i = rarr_limit_entries[i].next)
		if (is_of(&rarr_limit_entries[i], limit, id) && rarr_limit_entries[i].attempt >= attempt)
			return true;
	return false;
}

static RarrLimitEntry *
new_entry(int limit)
{
	RarrLimitEntry	   *entry;

	if (rarr_limits->free == RARR_NO_ENTRY)
	{
		rarr_limits->full = true;
		return NULL;
	}
	entry = &rarr_limit_entries[rarr_limits->free];
	rarr_limits->free = entry->next;
	entry->limit = limit;
	entry->serial = ++rarr_limits->serials;
	entry->pending = false;
	entry->bound = false;
	entry->over = false;
	rarr_limit_at(limit)->held++;
	return entry;
}

static void
bind_entry(RarrLimitEntry *entry, const pg_uuid_t *id, int32 attempt)
{
	int		   *bucket = bucket_of(id);

	entry->id = *id;
	entry->attempt = attempt;
	entry->bound = true;
	entry->next = *bucket;
	*bucket = entry - rarr_limit_entries;
}

static void
set_pending(RarrLimitEntry *entry, bool pending)
{
	if (entry->pending != pending)
		rarr_limit_at(entry->limit)->pending += pending ? 1 : -1;
	entry->pending = pending;
}

static void
free_entry(RarrLimitEntry *entry)
{
	int			index = entry - rarr_limit_entries;

	if (entry->bound)
	{
		int		   *link = bucket_of(&entry->id);

		while (*link != index)
			link = &rarr_limit_entries[*link].next;
		*link = entry->next;
	}
	set_pending(entry, false);
	rarr_limit_at(entry->limit)->held--;
	entry->limit = -1;
	entry->bound = false;
	entry->serial = 0;
	entry->next = rarr_limits->free;
	rarr_limits->free = index;
}

/*
 * The type's running jobs, of this version of its policy, were read from the
 * table: see to it that the set has them all.  False if there is no room, or
 * none for one more that may start, or if the set was forgotten more often
 * than before the table was read.
 *
 * A claim that began before the type had a limit, and that had not written yet
 * when the table was read, is missing: at settle_at the table is to be read
 * once more.
 */
bool
rarr_held_adopt(const RarrLimitRef *ref, const RarrJobType *type, const RarrHeldJob *jobs, int n,
				uint64 forgotten, int64 settle_at)
{
	RarrLimit	   *limit;
	bool		fits = true;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	for (int i = 0; i < n && limit != NULL && fits; i++)
	{
		RarrLimitEntry	   *entry;

		if (has_job(ref->slot, &jobs[i].id, jobs[i].attempt))
			continue;
		entry = new_entry(ref->slot);
		fits = entry != NULL;
		if (fits)
			bind_entry(entry, &jobs[i].id, jobs[i].attempt);
	}
	if (rarr_limits->free == RARR_NO_ENTRY && limit != NULL && limit->held < type->max_running)
	{
		rarr_limits->full = true;
		fits = false;
	}
	fits = fits && limit != NULL && limit->forgotten == forgotten;
	if (fits)
	{
		limit->counted_for = type->version;
		limit->settle_at = settle_at;
		limit->lapse = DT_NOBEGIN;
		limit->next_sweep = 0;
	}
	else if (limit != NULL)
		rarr_limit_forget(limit);
	LWLockRelease(rarr_limit_slots.lock);
	return fits;
}

/*
 * A claim is about to make a job of the type start; one that is running counts
 * already.  If it may, the job has an entry, which names no job yet, and a
 * token was taken.
 */
RarrReservation
rarr_held_reserve(const RarrLimitRef *ref, const RarrJobType *type, bool running,
				  RarrHeldJob *job, bool *token)
{
	RarrReservation result = RARR_RESERVED;
	RarrLimit	   *limit;
	RarrLimitEntry	   *entry = NULL;

	job->entry = RARR_NO_ENTRY;
	*token = false;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	if (limit == NULL)
		result = RARR_NOT_COUNTED;
	else if (type->max_running > 0 && !running)
	{
		if (limit->counted_for != type->version)
			result = RARR_NOT_COUNTED;
		else if (limit->held >= type->max_running)
			result = RARR_AT_LIMIT;
		else if ((entry = new_entry(ref->slot)) == NULL)
		{
			rarr_limit_forget(limit);	/* more than there is room for */
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
		set_pending(entry, true);
		job->entry = entry - rarr_limit_entries;
		job->serial = entry->serial;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return result;
}

static RarrLimitEntry *
reserved_entry(const RarrHeldJob *job)
{
	if (job->entry == RARR_NO_ENTRY || rarr_limit_entries[job->entry].serial != job->serial)
		return NULL;
	return &rarr_limit_entries[job->entry];
}

/*
 * The claim has locked the job that it reserved an entry for; it becomes
 * running under this attempt.
 */
void
rarr_held_bind(const RarrHeldJob *job)
{
	RarrLimitEntry	   *entry;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && !entry->bound)
		bind_entry(entry, &job->id, job->attempt);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * A claim did not come to pass: its entry, if it has one, and its token come
 * back.  The bucket does not run over.
 */
void
rarr_held_return(const RarrLimitRef *ref, const RarrHeldJob *job, bool token)
{
	RarrLimitEntry	   *entry;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && entry->pending)
		free_entry(entry);
	if (token && rarr_limit_of(ref) != NULL)
		rarr_limit_return_token(rarr_limit_of(ref));
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * The claim of a reserved job is committed, or prepared.
 */
void
rarr_held_keep(const RarrHeldJob *job)
{
	RarrLimitEntry	   *entry;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && entry->over)
		free_entry(entry);
	else if (entry != NULL)
		set_pending(entry, false);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Take out what the set has of a job up to an attempt.  A claim that has ended
 * already, though its transaction is yet to say that it is committed, goes when
 * it does.
 */
static void
drop_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	int			next;

	for (int i = *bucket_of(id); i != RARR_NO_ENTRY; i = next)
	{
		RarrLimitEntry	   *entry = &rarr_limit_entries[i];

		next = entry->next;
		if (!is_of(entry, limit, id) || entry->attempt > attempt)
			continue;
		if (entry->pending)
			entry->over = true;
		else
			free_entry(entry);
	}
}

/*
 * This attempt of a job is over, and that is committed.
 */
void
rarr_held_drop(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	if (rarr_limit_of(ref) != NULL)
		drop_job(ref->slot, id, attempt);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * A running job was handed on under this attempt, and that is committed.
 */
void
rarr_held_move(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	RarrLimit	   *limit;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	if (limit != NULL && limit->counted_for != 0)
	{
		drop_job(ref->slot, id, attempt - 1);
		if (!has_job(ref->slot, id, attempt))
		{
			RarrLimitEntry	   *entry = new_entry(ref->slot);

			if (entry != NULL)
				bind_entry(entry, id, attempt);
			else
				rarr_limit_forget(limit);
		}
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Begin to look after the jobs of a set, if that is due: those whose claims
 * have ended, up to *n, which is how many there are room for.  Nobody else
 * begins before rarr_held_end_sweep() says so, or a second is over: this one
 * may fail.
 */
bool
rarr_held_begin_sweep(const RarrLimitRef *ref, int64 start, RarrHeldJob *jobs, int *n)
{
	int			room = *n;
	RarrLimit	   *limit;

	*n = 0;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	if (limit == NULL || limit->next_sweep > start)
	{
		LWLockRelease(rarr_limit_slots.lock);
		return false;
	}
	limit->next_sweep = start + USECS_PER_SEC;
	limit->last_sweep = start;
	limit->doubtful = false;
	limit->lapse = DT_NOBEGIN;
	limit->noted = DT_NOEND;
	for (int i = 0; i < rarr_limits->max_entries; i++)
	{
		const RarrLimitEntry *entry = &rarr_limit_entries[i];

		if (entry->limit != ref->slot || entry->pending)
			continue;
		if (*n == room)
		{
			limit->noted = DT_NOBEGIN;	/* the next sweep is for the rest */
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
 * The sweep that began at `start` is over: these jobs are not running any more,
 * no lease of the others ends before `lapse`, and the next sweep may begin at `next`.
 */
void
rarr_held_end_sweep(const RarrLimitRef *ref, const RarrHeldJob *gone, int n,
					TimestampTz lapse, int64 start, int64 next)
{
	RarrLimit	   *limit;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		RarrLimitEntry	   *entry = reserved_entry(&gone[i]);

		if (entry != NULL && !entry->pending && entry->attempt == gone[i].attempt)
			free_entry(entry);
	}
	limit = rarr_limit_of(ref);
	if (limit != NULL && limit->last_sweep == start)
	{
		limit->lapse = Min(limit->noted, lapse);
		limit->next_sweep = next;
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/* Does a slot of this database belong to a type that has no limit any more? */
static bool
is_abandoned(Oid table, const char *name)
{
	const RarrJobType *type = rarr_job_type_find(name, strlen(name));

	return table != rarr_relation_oid(rarr_job_table.name) || type == NULL || type->max_running == 0;
}

/*
 * Take all out of a set, but for the entries of open claims; from now on it has
 * not all that are running.
 */
static void
clear_slot(const RarrSlotRegistry *slots, RarrSlot *slot)
{
	int			index = rarr_slot_index(slots, slot);

	rarr_limit_forget((RarrLimit *) slot);
	for (int i = 0; i < rarr_limits->max_entries; i++)
		if (rarr_limit_entries[i].limit == index && !rarr_limit_entries[i].pending)
			free_entry(&rarr_limit_entries[i]);
}

/* The slot of a database that is gone: no claim of it is open. */
static void
drop_slot(const RarrSlotRegistry *slots, RarrSlot *slot)
{
	clear_slot(slots, slot);
	if (((RarrLimit *) slot)->held == 0)
		rarr_slot_free(slots, slot);
}

/*
 * There was no room: see whether anything is kept that nobody needs.  The
 * catalogs are looked at without the lock; at most once in a while.  The slots
 * themselves stay, since they hold the types' tokens.
 */
void
rarr_held_reclaim(void)
{
	static int64 next = 0;
	int64		now = rarr_monotonic_now();

	if (rarr_limits == NULL || now < next)
		return;
	next = now + RECLAIM_INTERVAL;
	rarr_registry_drop_abandoned(&rarr_limit_slots, is_abandoned, clear_slot);
}

/*
 * Free the slots of a database that is gone, with all that they hold; nobody is
 * connected to it.  Cannot fail.
 */
void
rarr_held_forget_database(Oid database)
{
	rarr_registry_drop_database(&rarr_limit_slots, database, drop_slot);
}
