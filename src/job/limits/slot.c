/*
 * slot.c
 *		The types with limits, in shared memory: which slot is whose, what is
 *		known of it, and the buckets of rates.
 *
 * A bucket holds up to rate_limit tokens and gets so many in each
 * rate_interval; a job that starts takes one.
 *
 * One lock guards all that limits keep in shared memory; it is held for a few
 * instructions, but for sweeps, which read the pool.  Nothing under it
 * allocates memory or fails.
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "job/limits/rate.h"
#include "job/limits/shmem.h"
#include "job/limits/slot.h"

/* how often a set at its limit is swept without a reason */
#define SWEEP_INTERVAL	(10 * USECS_PER_SEC)

/* after how long without use a type's slot can be given to another one */
#define IDLE_TIME		(60 * USECS_PER_SEC)

RarrLimits *rarr_limits = NULL;
RarrSlotRegistry rarr_limit_slots = {
	.tranche = "researcharr_limits",
	.slot_size = sizeof(RarrLimit),
};
RarrLimitEntry *rarr_limit_entries = NULL;

static Size
held_size(void)
{
	return add_size(rarr_registry_size(&rarr_limit_slots),
					add_size(MAXALIGN(sizeof(RarrLimits)),
							 mul_size(rarr_limited_jobs, sizeof(RarrLimitEntry))));
}

static void
attach_held(void *memory, bool first)
{
	rarr_registry_attach(&rarr_limit_slots, memory, first);
	rarr_limits = (RarrLimits *) ((char *) memory + rarr_registry_size(&rarr_limit_slots));
	rarr_limit_entries = (RarrLimitEntry *) ((char *) rarr_limits + MAXALIGN(sizeof(RarrLimits)));
	if (!first)
		return;
	memset(rarr_limits, 0, sizeof(RarrLimits));
	rarr_limits->max_entries = rarr_limited_jobs;
	for (int i = 0; i < RARR_LIMIT_BUCKETS; i++)
		rarr_limits->buckets[i] = RARR_NO_ENTRY;
	memset(rarr_limit_entries, 0, rarr_limits->max_entries * sizeof(RarrLimitEntry));
	for (int i = 0; i < rarr_limits->max_entries; i++)
	{
		rarr_limit_entries[i].limit = -1;
		rarr_limit_entries[i].next = i + 1 < rarr_limits->max_entries ? i + 1 : RARR_NO_ENTRY;
	}
	rarr_limits->free = rarr_limits->max_entries > 0 ? 0 : RARR_NO_ENTRY;
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
	return rarr_limits != NULL && rarr_limit_slots.shared->used > 0;
}

/* The rest needs the lock, unless it takes it. */

RarrLimit *
rarr_limit_of(const RarrLimitRef *ref)
{
	if (ref->slot < 0 || rarr_slot_generation(&rarr_limit_at(ref->slot)->head) != ref->generation)
		return NULL;
	return rarr_limit_at(ref->slot);
}

/*
 * Fill a bucket that is new.  It is full if the type was made known since the
 * server's start, and not changed since; else any number of jobs may have
 * started just before, and it was empty when limits were first looked at.  A
 * type may have had no slot before, and used its row of job_type_rates: then it
 * was empty when that happened to any type for the last time.
 */
static void
fill(RarrBucket *bucket, const RarrJobType *type, int64 now)
{
	bool		old = !TransactionIdIsNormal(type->made_by) ||
		!TransactionIdIsNormal(rarr_limits->first_xid) ||
		TransactionIdPrecedes(type->made_by, rarr_limits->first_xid);

	bucket->filled = true;
	bucket->tokens += old || rarr_limits->denied_at != 0 ? 0 : type->rate_limit;
	bucket->refilled_at = old ? rarr_limits->since : now;
	if (rarr_limits->denied_at != 0)
		bucket->refilled_at = Max(old ? rarr_limits->since : 0, rarr_limits->denied_at);
}

/* Did the current transaction write the policy of this version? */
static bool
is_own(uint64 version)
{
	return TransactionIdIsCurrentTransactionId((TransactionId) (version >> 32));
}

/*
 * Return the bucket that applies to the type in this transaction, refilled by
 * the type's rate.  A rate that is not committed has a bucket of its own, which
 * begins as a copy of the other one, and takes its place after the commit.  A
 * rate that is rolled back leaves its bucket to the next one.
 */
static RarrBucket *
find_bucket(RarrLimit *limit, const RarrJobType *type, int64 now)
{
	RarrBucket *bucket = &limit->bucket;

	if (rarr_job_type_is_uncommitted(type))
	{
		bucket = &limit->uncommitted;
		if (limit->uncommitted_version != type->version && !is_own(limit->uncommitted_version))
			*bucket = limit->bucket;
		limit->uncommitted_version = type->version;
	}
	else if (limit->uncommitted_version != 0 && limit->uncommitted_version == type->version)
	{
		*bucket = limit->uncommitted;
		limit->uncommitted_version = 0;
	}
	if (!bucket->filled)
		fill(bucket, type, now);
	bucket->limit = type->rate_limit;
	bucket->interval = type->rate_interval;
	rarr_bucket_refill(bucket, now);
	return bucket;
}

/*
 * When the type's rate lets a job start, by the system's clock; DT_NOBEGIN if it
 * does now, DT_NOEND if that is later than a timestamp can say.  "Now" is the
 * present moment, and not the time when the dequeue began, because other
 * sessions may have refilled the bucket meanwhile.
 */
static TimestampTz
token_at(RarrLimit *limit, const RarrJobType *type)
{
	TimestampTz now = GetCurrentTimestamp();
	double		missing;
	double		wait;

	if (type->rate_limit == 0)
		return DT_NOBEGIN;
	missing = 1.0 - find_bucket(limit, type, rarr_monotonic_now())->tokens;
	if (missing <= 0)
		return DT_NOBEGIN;
	wait = ceil(missing * type->rate_interval / type->rate_limit);
	if (wait >= (double) (END_TIMESTAMP - now))
		return DT_NOEND;
	return now + 1 + (int64) wait;
}

/*
 * Under the lock: take a token, if there is one.  It is gone from both buckets.
 * The bucket of committed rates owes what it does not have, until the
 * transaction that took it commits its rate or returns it.  The other bucket
 * owes nothing: others may take much more than its rate allows.
 */
bool
rarr_limit_take_token(RarrLimit *limit, const RarrJobType *type)
{
	int64		now;
	RarrBucket *bucket;

	if (type->rate_limit == 0)
		return true;
	now = rarr_monotonic_now();
	bucket = find_bucket(limit, type, now);
	if (bucket->tokens < 1)
		return false;
	bucket->tokens -= 1;
	if (bucket == &limit->uncommitted)
	{
		if (limit->bucket.filled)
			rarr_bucket_refill(&limit->bucket, now);
		limit->bucket.tokens -= 1;
	}
	else if (limit->uncommitted_version != 0)
	{
		rarr_bucket_refill(&limit->uncommitted, now);
		if (limit->uncommitted.tokens > 0)
			limit->uncommitted.tokens = Max(limit->uncommitted.tokens - 1, 0);
	}
	limit->full_at = Max(limit->full_at, now + Max(limit->bucket.interval, type->rate_interval));
	return true;
}

/*
 * Under the lock: return a token that the current transaction took.
 */
void
rarr_limit_return_token(RarrLimit *limit)
{
	rarr_bucket_return(&limit->bucket);
	if (is_own(limit->uncommitted_version))
		rarr_bucket_return(&limit->uncommitted);
}

/* Does the set have all that are running, and room for one more that may start? */
static bool
is_counted(const RarrLimit *limit, const RarrJobType *type, int64 now)
{
	return limit->counted_for != 0 && limit->counted_for == type->version && limit->settle_at > now &&
		(rarr_limits->free != RARR_NO_ENTRY || limit->held >= type->max_running);
}

/* Free a slot that nobody used of late. */
static void
free_idle(int64 now)
{
	for (int i = 0; i < rarr_limit_slots.shared->used; i++)
	{
		RarrLimit  *limit = rarr_limit_at(i);

		if (limit->held == 0 && now - limit->used_at > IDLE_TIME && now > limit->full_at)
		{
			rarr_slot_free(&rarr_limit_slots, &limit->head);
			return;
		}
	}
}

/* Give a slot to a type: one that is free, or that nobody used of late; or NULL. */
static RarrLimit *
give_limit(Oid table, const char *name, int64 now)
{
	RarrLimit  *limit;

	if (rarr_registry_is_full(&rarr_limit_slots))
		free_idle(now);
	limit = rarr_slot_give(&rarr_limit_slots, table, name);
	if (limit == NULL)
	{
		rarr_limits->denied_at = now;
		return NULL;
	}
	memset((char *) limit + sizeof(RarrSlot), 0, sizeof(RarrLimit) - sizeof(RarrSlot));
	limit->lapse = DT_NOEND;
	limit->noted = DT_NOEND;
	limit->settle_at = PG_INT64_MAX;
	return limit;
}

/*
 * A policy is being changed, by a transaction of this xid: later ones are not
 * older than the server's start.
 */
void
rarr_held_policy_changed(TransactionId xid)
{
	int64		now = rarr_monotonic_now();

	if (rarr_limits == NULL)
		return;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	if (!TransactionIdIsNormal(rarr_limits->first_xid))
	{
		rarr_limits->first_xid = xid;
		rarr_limits->since = now;
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * The slot of a type; with `create`, made if there is room.
 */
RarrLimitRef
rarr_held_find(Oid table, const RarrJobType *type, bool create)
{
	RarrLimitRef ref = {-1, 0, NULL};
	int64		now = create ? rarr_monotonic_now() : 0;
	RarrLimit  *limit;

	if (rarr_limits == NULL)
		return ref;
	if (create && !TransactionIdIsNormal(rarr_limits->first_xid))
		rarr_held_policy_changed(ReadNextTransactionId());
	ref.key = rarr_agenda_key(table, type->name, strlen(type->name));
	LWLockAcquire(rarr_limit_slots.lock, create ? LW_EXCLUSIVE : LW_SHARED);
	limit = rarr_slot_find(&rarr_limit_slots, table, type->name);
	if (limit == NULL && create)
		limit = give_limit(table, type->name, now);
	if (limit != NULL)
	{
		ref.slot = rarr_slot_index(&rarr_limit_slots, limit);
		ref.generation = rarr_slot_generation(&limit->head);
	}
	if (limit != NULL && create)
		limit->used_at = now;
	LWLockRelease(rarr_limit_slots.lock);
	return ref;
}

/* Under the lock: when a set is to be swept, by the system's clock, which says `now`. */
static TimestampTz
sweep_at(const RarrLimit *limit, TimestampTz now, int64 mono)
{
	TimestampTz due = DT_NOBEGIN;

	if (!limit->doubtful)
		due = Min(limit->lapse, now + (limit->last_sweep + SWEEP_INTERVAL - mono));
	return Max(due, now + (limit->next_sweep - mono));
}

/*
 * What the type's limits say; false if it has no slot.
 */
bool
rarr_held_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
				RarrLimitState *state)
{
	RarrLimit  *limit;
	int64		mono = rarr_monotonic_now();
	bool		found;

	if (ref->slot < 0)
		return false;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	found = limit != NULL;
	if (found)
	{
		state->counted = is_counted(limit, type, mono);
		state->settling = limit->counted_for == type->version && limit->settle_at <= mono;
		state->forgotten = limit->forgotten;
		state->held = limit->held;
		state->doubtful = limit->doubtful;
		state->pending = limit->pending;
		state->lapse = limit->lapse;
		state->token_at = token_at(limit, type);
		state->sweep_at = sweep_at(limit, now, mono);
	}
	LWLockRelease(rarr_limit_slots.lock);
	return found;
}

/*
 * A running job's lease may end at this time.
 */
void
rarr_held_note_lease(const RarrLimitRef *ref, TimestampTz lease)
{
	RarrLimit  *limit;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	if (limit != NULL)
	{
		limit->lapse = Min(limit->lapse, lease);
		limit->noted = Min(limit->noted, lease);
	}
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Jobs of the type may have left without a word: look after them.
 */
void
rarr_held_doubt(const RarrLimitRef *ref)
{
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	if (rarr_limit_of(ref) != NULL)
		rarr_limit_of(ref)->doubtful = true;
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * The same of one type of this database after the other: of the next one whose
 * slot is not before *i, and that has jobs running.  False behind the last one.
 * name: room for RARR_TYPE_NAME_MAX + 1 bytes.
 */
bool
rarr_held_doubt_next(int *i, Oid *table, char *name)
{
	bool		found = false;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	for (; *i < rarr_limit_slots.shared->used && !found; (*i)++)
	{
		RarrLimit  *limit = rarr_limit_at(*i);

		if (limit->head.database != MyDatabaseId || limit->held == 0)
			continue;
		limit->doubtful = true;
		*table = limit->head.table;
		strcpy(name, rarr_slot_name(&rarr_limit_slots, limit));
		found = true;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return found;
}

/*
 * Under the lock: from now on the set may not have all that are running.
 */
void
rarr_limit_forget(RarrLimit *limit)
{
	limit->counted_for = 0;
	limit->forgotten++;
}

/*
 * Jobs of the type may be running that the set does not have.
 */
void
rarr_held_forget(const RarrLimitRef *ref)
{
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	if (rarr_limit_of(ref) != NULL)
		rarr_limit_forget(rarr_limit_of(ref));
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * If running jobs of types with limits found no room in shared memory, say so.
 * Once after each start of the server, since only then the setting can be
 * changed; each session of a pool would only say it again.
 */
void
rarr_held_warn_full(void)
{
	bool		first;

	if (rarr_limits == NULL || !rarr_limits->full || rarr_limits->warned || rarr_limited_jobs == 0)
		return;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	first = !rarr_limits->warned;
	rarr_limits->warned = true;
	LWLockRelease(rarr_limit_slots.lock);
	if (first)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("shared memory has no more room for running jobs of types with max_running"),
				 errdetail("There is room for %d. One call of job_dequeue returns no more jobs than there is room for; the next one reads the running jobs from the table.",
						   rarr_limited_jobs),
				 errhint("Raise researcharr.limited_jobs and restart the server.")));
}
