/*-------------------------------------------------------------------------
 *
 * limits_held.c
 *		Which jobs of types with limits are running, in shared memory.
 *
 * For each type with a limit there is a set of jobs: all that are running, and
 * all that an open claim is about to make running.  How many there are decides
 * whether one more may start.  The set may hold a job too many for a while,
 * never one too few:
 *
 * - A claim puts an entry into the set before it locks a job, and takes it
 *	 out after its abort.
 * - Whoever ends an attempt takes the job out after the commit.
 * - The set says of which version of the type's policy it holds all running
 *	 jobs.  After a restart, or where the type had no limit before, that is of
 *	 none; then the table is read (limits.c), under a lock that claims of the
 *	 type need in that state.
 * - What should not be in the set any more (a prepared transaction that was
 *	 rolled back, plain DML) is found by looking at the jobs one by one, and
 *	 taken out then; limits.c does that once the limit is reached.
 *
 * The entry names job and attempt, so that nothing depends on how often a thing
 * is said, or on the order in which transactions get to say it.
 *
 * Rates are here, too: a bucket for each type, that holds up to rate_limit
 * tokens and gets so many in each rate_interval.
 *
 * One lock guards all of it; it is held for a few instructions, but for sweeps,
 * which read the pool.  Nothing in here allocates memory or fails.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "job/limits_held.h"

#define NBUCKETS		4096	/* a power of two */
#define NO_ENTRY		(-1)

/* how often a set at its limit is swept without a reason */
#define SWEEP_INTERVAL	(10 * USECS_PER_SEC)

/* after how long without use a type's slot can be given to another one */
#define IDLE_TIME		(60 * USECS_PER_SEC)

typedef struct Entry
{
	int			next;			/* in its bucket, or in the free list */
	int			limit;			/* slot of its type; -1 while it is free */
	uint64		serial;			/* of the reservation */
	bool		pending;		/* its claim has not ended */
	bool		bound;			/* it names a job, and is in a bucket */
	int32		attempt;
	pg_uuid_t	id;
} Entry;

typedef struct Limit
{
	uint64		incarnation;	/* 0: free */
	Oid			database;
	Oid			table;
	uint64		counted_for;	/* version of the policy, 0: none */
	int			held;
	int			pending;
	TimestampTz settle_at;
	TimestampTz used_at;
	TimestampTz lapse;			/* no lease in the set ends before */
	TimestampTz next_sweep;		/* not before */
	TimestampTz last_sweep;
	bool		doubtful;		/* a job may have left that is still held */
	bool		filled;			/* the bucket was ever looked at */
	double		tokens;
	double		capacity;		/* of the bucket */
	TimestampTz refilled_at;
	TimestampTz full_at;		/* the bucket is full again by then */
	char		name[RARR_TYPE_NAME_MAX + 1];
} Limit;

typedef struct Held
{
	LWLock		lock;
	int			tranche;
	int			nlimits;		/* slots that were ever used */
	int			max_limits;
	int			max_entries;
	int			free;			/* first free entry */
	uint64		incarnations;
	uint64		serials;
	TransactionId first_xid;	/* policies made since the server's start have one from it on */
	TimestampTz since;			/* when that was noted */
	int			buckets[NBUCKETS];
	Limit		limits[FLEXIBLE_ARRAY_MEMBER];
} Held;

static Held *held = NULL;
static Entry *entries = NULL;

static Size
limits_size(void)
{
	return MAXALIGN(offsetof(Held, limits) + mul_size(rarr_agenda_types, sizeof(Limit)));
}

static Size
held_size(void)
{
	return add_size(limits_size(), mul_size(rarr_limited_jobs, sizeof(Entry)));
}

static void
attach_held(void *memory, bool first)
{
	held = memory;
	entries = (Entry *) ((char *) memory + limits_size());
	if (first)
	{
		memset(memory, 0, held_size());
		held->max_limits = rarr_agenda_types;
		held->max_entries = rarr_limited_jobs;
		held->tranche = LWLockNewTrancheId();
		LWLockInitialize(&held->lock, held->tranche);
		for (int i = 0; i < NBUCKETS; i++)
			held->buckets[i] = NO_ENTRY;
		for (int i = 0; i < held->max_entries; i++)
		{
			entries[i].limit = -1;
			entries[i].next = i + 1 < held->max_entries ? i + 1 : NO_ENTRY;
		}
		held->free = held->max_entries > 0 ? 0 : NO_ENTRY;
	}
	LWLockRegisterTranche(held->tranche, "researcharr_limits");
}

static const RarrShmemPart held_part = {"researcharr limits", held_size, attach_held};

/*
 * Declare the shared memory; while the library is preloaded.
 */
void
rarr_held_init(void)
{
	rarr_shmem_add(&held_part);
}

/*
 * Has any type a limit, as far as is known?  Without a lock, for those that
 * have nothing to do with limits.
 */
bool
rarr_held_any(void)
{
	return held != NULL && held->nlimits > 0;
}

/* The rest needs the lock, unless it takes it. */

static int *
bucket_of(const pg_uuid_t *id)
{
	/* the last bytes of a UUID of version 7 are random */
	return &held->buckets[(id->data[UUID_LEN - 2] << 8 | id->data[UUID_LEN - 1]) & (NBUCKETS - 1)];
}

static Limit *
limit_of(const RarrLimitRef *ref)
{
	if (ref->slot < 0 || held->limits[ref->slot].incarnation != ref->incarnation)
		return NULL;
	return &held->limits[ref->slot];
}

static bool
is_of(const Entry *entry, int limit, const pg_uuid_t *id)
{
	return entry->limit == limit && memcmp(&entry->id, id, UUID_LEN) == 0;
}

/* Does the set have the job, under this attempt or a later one? */
static bool
has_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	for (int i = *bucket_of(id); i != NO_ENTRY; i = entries[i].next)
		if (is_of(&entries[i], limit, id) && entries[i].attempt >= attempt)
			return true;
	return false;
}

static Entry *
new_entry(int limit)
{
	Entry	   *entry;

	if (held->free == NO_ENTRY)
		return NULL;
	entry = &entries[held->free];
	held->free = entry->next;
	entry->limit = limit;
	entry->serial = ++held->serials;
	entry->pending = false;
	entry->bound = false;
	held->limits[limit].held++;
	return entry;
}

static void
bind_entry(Entry *entry, const pg_uuid_t *id, int32 attempt)
{
	int		   *bucket = bucket_of(id);

	entry->id = *id;
	entry->attempt = attempt;
	entry->bound = true;
	entry->next = *bucket;
	*bucket = entry - entries;
}

static void
set_pending(Entry *entry, bool pending)
{
	if (entry->pending != pending)
		held->limits[entry->limit].pending += pending ? 1 : -1;
	entry->pending = pending;
}

static void
free_entry(Entry *entry)
{
	int			index = entry - entries;

	if (entry->bound)
	{
		int		   *link = bucket_of(&entry->id);

		while (*link != index)
			link = &entries[*link].next;
		*link = entry->next;
	}
	set_pending(entry, false);
	held->limits[entry->limit].held--;
	entry->limit = -1;
	entry->bound = false;
	entry->serial = 0;
	entry->next = held->free;
	held->free = index;
}

/*
 * How many tokens the type's bucket holds.  One that is new is full if its
 * policy was made since the server's start; else any number of jobs may have
 * started just before, and it was empty when limits were first looked at.
 */
static double
refill(Limit *limit, const RarrJobType *type, TimestampTz now)
{
	double		n = type->rate_limit;
	TransactionId xid = (TransactionId) (type->version >> 32);

	if (!limit->filled)
	{
		bool		old = !TransactionIdIsNormal(xid) || !TransactionIdIsNormal(held->first_xid) ||
			TransactionIdPrecedes(xid, held->first_xid);

		limit->filled = true;
		limit->tokens = old ? 0 : n;
		limit->refilled_at = old ? held->since : now;
	}
	if (now > limit->refilled_at)
		limit->tokens += n * (now - limit->refilled_at) / type->rate_interval;
	limit->refilled_at = now;
	limit->capacity = n;
	limit->tokens = Min(limit->tokens, n);
	return limit->tokens;
}

/* When there is a token; DT_NOBEGIN if there is one now. */
static TimestampTz
token_at(Limit *limit, const RarrJobType *type, TimestampTz now)
{
	double		missing;

	if (type->rate_limit == 0)
		return DT_NOBEGIN;
	missing = 1.0 - refill(limit, type, now);
	if (missing <= 0)
		return DT_NOBEGIN;
	return now + 1 + (int64) ceil(missing * type->rate_interval / type->rate_limit);
}

static bool
is_counted(const Limit *limit, const RarrJobType *type, TimestampTz now)
{
	return limit->counted_for != 0 && limit->counted_for == type->version && limit->settle_at > now;
}

static bool
is_for(const Limit *limit, Oid table, const char *name)
{
	return limit->incarnation != 0 && limit->database == MyDatabaseId &&
		limit->table == table && strcmp(limit->name, name) == 0;
}

static int
find_limit(Oid table, const char *name)
{
	for (int i = 0; i < held->nlimits; i++)
		if (is_for(&held->limits[i], table, name))
			return i;
	return -1;
}

/* A slot that is free, or that nobody used of late, for a type; or -1. */
static int
assign_limit(Oid table, const char *name, TimestampTz now)
{
	int			slot = -1;
	Limit	   *limit;

	for (int i = 0; i < held->nlimits && slot < 0; i++)
		if (held->limits[i].held == 0 && now - held->limits[i].used_at > IDLE_TIME &&
			now > held->limits[i].full_at)
			slot = i;
	if (held->nlimits < held->max_limits)
		slot = held->nlimits++;
	if (slot < 0)
		return -1;
	limit = &held->limits[slot];
	memset(limit, 0, sizeof(Limit));
	limit->incarnation = ++held->incarnations;
	limit->database = MyDatabaseId;
	limit->table = table;
	limit->lapse = DT_NOEND;
	limit->settle_at = DT_NOEND;
	strlcpy(limit->name, name, sizeof(limit->name));
	return slot;
}

/*
 * A policy is being changed, by a transaction of this xid: later ones are not
 * older than the server's start.
 */
void
rarr_held_policy_changed(TransactionId xid)
{
	TimestampTz now = GetCurrentTimestamp();

	if (held == NULL)
		return;
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	if (!TransactionIdIsNormal(held->first_xid))
	{
		held->first_xid = xid;
		held->since = now;
	}
	LWLockRelease(&held->lock);
}

/*
 * The slot of a type; with `create`, made if there is room.
 */
RarrLimitRef
rarr_held_find(Oid table, const RarrJobType *type, bool create)
{
	RarrLimitRef ref = {-1, 0, NULL};
	TimestampTz now = create ? GetCurrentTimestamp() : 0;

	if (held == NULL)
		return ref;
	if (create && !TransactionIdIsNormal(held->first_xid))
		rarr_held_policy_changed(ReadNextTransactionId());
	ref.key = rarr_agenda_key(table, type->name, strlen(type->name));
	LWLockAcquire(&held->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	ref.slot = find_limit(table, type->name);
	if (ref.slot < 0 && create)
		ref.slot = assign_limit(table, type->name, now);
	if (ref.slot >= 0)
		ref.incarnation = held->limits[ref.slot].incarnation;
	if (ref.slot >= 0 && create)
		held->limits[ref.slot].used_at = now;
	LWLockRelease(&held->lock);
	return ref;
}

/*
 * What the type's limits say; false if it has no slot.
 */
bool
rarr_held_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
				RarrLimitState *state)
{
	Limit	   *limit;
	bool		found;

	if (ref->slot < 0)
		return false;
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	limit = limit_of(ref);
	found = limit != NULL;
	if (found)
	{
		state->counted = is_counted(limit, type, now);
		state->settling = limit->counted_for == type->version && limit->settle_at <= now;
		state->held = limit->held;
		state->pending = limit->pending;
		state->lapse = limit->lapse;
		state->token_at = token_at(limit, type, now);
		state->sweep_at = limit->doubtful ? DT_NOBEGIN :
			Min(limit->lapse, limit->last_sweep + SWEEP_INTERVAL);
		state->sweep_at = Max(state->sweep_at, limit->next_sweep);
	}
	LWLockRelease(&held->lock);
	return found;
}

/*
 * The type's running jobs, of this version of its policy, were read from the
 * table: see to it that the set has them all.  False if there is no room.
 *
 * A claim that began before the type had a limit, and that had not written yet
 * when the table was read, is missing: at settle_at the table is to be read
 * once more.
 */
bool
rarr_held_adopt(const RarrLimitRef *ref, uint64 version, const RarrHeldJob *jobs, int n,
				TimestampTz settle_at)
{
	Limit	   *limit;
	bool		fits = true;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	limit = limit_of(ref);
	for (int i = 0; i < n && limit != NULL && fits; i++)
	{
		Entry	   *entry;

		if (has_job(ref->slot, &jobs[i].id, jobs[i].attempt))
			continue;
		entry = new_entry(ref->slot);
		fits = entry != NULL;
		if (fits)
			bind_entry(entry, &jobs[i].id, jobs[i].attempt);
	}
	fits = fits && limit != NULL;
	if (fits)
	{
		limit->counted_for = version;
		limit->settle_at = settle_at;
		limit->lapse = DT_NOBEGIN;
		limit->next_sweep = DT_NOBEGIN;
	}
	LWLockRelease(&held->lock);
	return fits;
}

/* Under the lock: does the bucket let a job start? */
static bool
take_token(Limit *limit, const RarrJobType *type, TimestampTz now)
{
	if (type->rate_limit == 0)
		return true;
	if (refill(limit, type, now) < 1)
		return false;
	limit->tokens -= 1;
	limit->full_at = now + type->rate_interval;
	return true;
}

/*
 * A claim is about to make a job of the type start; one that is running counts
 * already.  If it may, the job has an entry, which names no job yet, and a
 * token was taken.
 */
RarrReservation
rarr_held_reserve(const RarrLimitRef *ref, const RarrJobType *type, bool running,
				  TimestampTz now, RarrHeldJob *job, bool *token)
{
	RarrReservation result = RARR_RESERVED;
	Limit	   *limit;
	Entry	   *entry = NULL;

	job->entry = NO_ENTRY;
	*token = false;
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	limit = limit_of(ref);
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
			limit->counted_for = 0; /* more than there is room for */
			result = RARR_NOT_COUNTED;
		}
	}
	if (result == RARR_RESERVED && !take_token(limit, type, now))
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
		job->entry = entry - entries;
		job->serial = entry->serial;
	}
	LWLockRelease(&held->lock);
	return result;
}

static Entry *
reserved_entry(const RarrHeldJob *job)
{
	if (job->entry == NO_ENTRY || entries[job->entry].serial != job->serial)
		return NULL;
	return &entries[job->entry];
}

/*
 * The claim has locked the job that it reserved an entry for; it becomes
 * running under this attempt.
 */
void
rarr_held_bind(const RarrHeldJob *job)
{
	Entry	   *entry;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && !entry->bound)
		bind_entry(entry, &job->id, job->attempt);
	LWLockRelease(&held->lock);
}

/*
 * A claim did not come to pass: its entry, if it has one, and its token come
 * back.  The bucket does not run over.
 */
void
rarr_held_return(const RarrLimitRef *ref, const RarrHeldJob *job, bool token)
{
	Entry	   *entry;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL && entry->pending)
		free_entry(entry);
	if (token && limit_of(ref) != NULL)
	{
		Limit	   *limit = limit_of(ref);

		limit->tokens = Min(limit->tokens + 1, limit->capacity);
	}
	LWLockRelease(&held->lock);
}

/*
 * The claim of a reserved job is committed, or prepared.
 */
void
rarr_held_keep(const RarrHeldJob *job)
{
	Entry	   *entry;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	entry = reserved_entry(job);
	if (entry != NULL)
		set_pending(entry, false);
	LWLockRelease(&held->lock);
}

/* Take out what the set has of a job up to an attempt; of how many? */
static int
drop_job(int limit, const pg_uuid_t *id, int32 attempt)
{
	int			dropped = 0;
	int			next;

	for (int i = *bucket_of(id); i != NO_ENTRY; i = next)
	{
		Entry	   *entry = &entries[i];

		next = entry->next;
		if (is_of(entry, limit, id) && entry->attempt <= attempt && !entry->pending)
		{
			free_entry(entry);
			dropped++;
		}
	}
	return dropped;
}

/*
 * This attempt of a job is over, and that is committed.
 */
void
rarr_held_drop(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	if (limit_of(ref) != NULL)
		drop_job(ref->slot, id, attempt);
	LWLockRelease(&held->lock);
}

/*
 * A running job was handed on under this attempt, and that is committed.
 */
void
rarr_held_move(const RarrLimitRef *ref, const pg_uuid_t *id, int32 attempt)
{
	Limit	   *limit;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	limit = limit_of(ref);
	if (limit != NULL && limit->counted_for != 0)
	{
		drop_job(ref->slot, id, attempt - 1);
		if (!has_job(ref->slot, id, attempt))
		{
			Entry	   *entry = new_entry(ref->slot);

			if (entry != NULL)
				bind_entry(entry, id, attempt);
			else
				limit->counted_for = 0;
		}
	}
	LWLockRelease(&held->lock);
}

/*
 * A running job's lease may end at this time.
 */
void
rarr_held_note_lease(const RarrLimitRef *ref, TimestampTz lease)
{
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	if (limit_of(ref) != NULL)
		limit_of(ref)->lapse = Min(limit_of(ref)->lapse, lease);
	LWLockRelease(&held->lock);
}

/*
 * Jobs of the type may have left without a word: look after them.
 */
void
rarr_held_doubt(const RarrLimitRef *ref)
{
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	if (limit_of(ref) != NULL)
		limit_of(ref)->doubtful = true;
	LWLockRelease(&held->lock);
}

/*
 * The same of all types of this database.
 */
void
rarr_held_doubt_all(void)
{
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	for (int i = 0; i < held->nlimits; i++)
		if (held->limits[i].database == MyDatabaseId)
			held->limits[i].doubtful = true;
	LWLockRelease(&held->lock);
}

/*
 * Jobs of the type may be running that the set does not have.
 */
void
rarr_held_forget(const RarrLimitRef *ref)
{
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	if (limit_of(ref) != NULL)
		limit_of(ref)->counted_for = 0;
	LWLockRelease(&held->lock);
}

/*
 * Begin to look after the jobs of a set, if that is due: those whose claims
 * have ended, up to *n, which is how many there are room for.  Nobody else
 * begins before rarr_held_end_sweep() says so.
 */
bool
rarr_held_begin_sweep(const RarrLimitRef *ref, TimestampTz now, RarrHeldJob *jobs, int *n)
{
	int			room = *n;
	Limit	   *limit;

	*n = 0;
	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	limit = limit_of(ref);
	if (limit == NULL || limit->next_sweep > now)
	{
		LWLockRelease(&held->lock);
		return false;
	}
	limit->next_sweep = now + USECS_PER_SEC;	/* should we fail */
	limit->doubtful = false;
	limit->lapse = DT_NOEND;
	for (int i = 0; i < held->max_entries && *n < room; i++)
	{
		const Entry *entry = &entries[i];

		if (entry->limit != ref->slot || entry->pending)
			continue;
		jobs[*n].id = entry->id;
		jobs[*n].attempt = entry->attempt;
		jobs[*n].entry = i;
		jobs[*n].serial = entry->serial;
		(*n)++;
	}
	LWLockRelease(&held->lock);
	return true;
}

/*
 * The sweep is over: these jobs are not running any more, no lease of the
 * others ends before `lapse`, and the next sweep may begin at `next`.
 */
void
rarr_held_end_sweep(const RarrLimitRef *ref, const RarrHeldJob *gone, int n,
					TimestampTz lapse, TimestampTz now, TimestampTz next)
{
	Limit	   *limit;

	LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		Entry	   *entry = reserved_entry(&gone[i]);

		if (entry != NULL && !entry->pending && entry->attempt == gone[i].attempt)
			free_entry(entry);
	}
	limit = limit_of(ref);
	if (limit != NULL)
	{
		limit->lapse = Min(limit->lapse, lapse);
		limit->last_sweep = now;
		limit->next_sweep = next;
	}
	LWLockRelease(&held->lock);
}
