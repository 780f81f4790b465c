/*
 * slot.c
 *		Slots of types with limits in shared memory, and their token buckets.
 *
 * One lock protects the slots, the running sets (running_set.c) and the
 * buckets.  It is held for a few instructions, except by sweeps, which read
 * all entries.  Nothing under it allocates memory or fails.
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
#include "job/limits/slot.h"

/* how often a set that has reached the limit is swept without a reason */
#define SWEEP_INTERVAL (10 * USECS_PER_SEC)

/* a slot without use for so long can be given to another type */
#define IDLE_TIME (60 * USECS_PER_SEC)

RarrLimits *rarr_limits = NULL;
RarrSlotRegistry rarr_limit_slots = {
	.tranche = "researcharr_limits",
	.slot_size = sizeof(RarrLimit),
};
RarrLimitEntry *rarr_limit_entries = NULL;

static Size
limits_size(void)
{
	return add_size(rarr_registry_size(&rarr_limit_slots),
					add_size(MAXALIGN(sizeof(RarrLimits)),
							 mul_size(rarr_limited_jobs, sizeof(RarrLimitEntry))));
}

static void
attach_limits(void *memory, bool first)
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

const RarrShmemPart rarr_limits_part = {"researcharr limits", limits_size, attach_limits};

/*
 * Did any type of this server ever have a slot?  Needs no lock, so that it
 * costs little if there are no limits.
 */
bool
rarr_limits_any(void)
{
	return rarr_limits != NULL && rarr_limit_slots.shared->used > 0;
}

/*
 * Return the slot of a handle, or NULL if the handle is stale.  Needs the
 * lock, as all functions of this file do that do not acquire it.
 */
RarrLimit *
rarr_limit_of(const RarrLimitRef *ref)
{
	if (ref->slot < 0 || rarr_slot_generation(&rarr_limit_at(ref->slot)->head) != ref->generation)
		return NULL;
	return rarr_limit_at(ref->slot);
}

/*
 * Acquire the lock, and return the slot of a handle.  Returns NULL, without the
 * lock, if the handle is stale.
 */
RarrLimit *
rarr_limit_lock(const RarrLimitRef *ref)
{
	RarrLimit *limit;

	if (ref->slot < 0)
		return NULL;
	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	limit = rarr_limit_of(ref);
	if (limit == NULL)
		LWLockRelease(rarr_limit_slots.lock);
	return limit;
}

/*
 * Initialize a bucket.
 *
 * It is full if the type's policy was written after the server's start.
 * Otherwise any number of jobs may have started just before the start, and the
 * bucket counts as empty at the time of the first look at limits.
 *
 * A type that gets no slot uses its row of job_type_rates.  If that happened
 * to any type, it may have been this one, so the bucket counts as empty at the
 * last time that it happened.
 */
static void
fill(RarrBucket *bucket, const RarrJobType *type, int64 now)
{
	bool old = !TransactionIdIsNormal(type->made_by) ||
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
 * the type's rate.  An uncommitted rate has a bucket of its own, which starts as
 * a copy of the bucket of committed rates, and replaces it after the commit.
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
 * When is there a token, by the system clock?  DT_NOBEGIN if there is one now,
 * DT_NOEND if there is none before the last timestamp.  "Now" is the time of the
 * call, and not the start of the dequeue: another dequeue may have used the
 * bucket since.
 */
static TimestampTz
token_at(RarrLimit *limit, const RarrJobType *type)
{
	TimestampTz now = GetCurrentTimestamp();
	double missing;
	double wait;

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
 * Take a token, if the type has a rate.  False if there is none.  The token is
 * taken from both buckets.  An uncommitted rate may leave the bucket of committed
 * rates with less than 0 tokens, until its transaction ends.  A committed rate
 * leaves the other bucket with at least 0, because it may be a much higher rate.
 */
bool
rarr_limit_take_token(RarrLimit *limit, const RarrJobType *type)
{
	int64 now;
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

/* Return a token that the current transaction took. */
void
rarr_limit_return_token(RarrLimit *limit)
{
	rarr_bucket_return(&limit->bucket);
	if (is_own(limit->uncommitted_version))
		rarr_bucket_return(&limit->uncommitted);
}

/* Is the set complete, and is there room for one more job that may start? */
static bool
is_counted(const RarrLimit *limit, const RarrJobType *type, int64 now)
{
	return limit->counted_for != 0 && limit->counted_for == type->version && limit->recount_at > now &&
		   (rarr_limits->free != RARR_NO_ENTRY || limit->running >= type->max_running);
}

/* Free a slot that was not used for IDLE_TIME and has nothing to remember. */
static void
free_idle(int64 now)
{
	for (int i = 0; i < rarr_limit_slots.shared->used; i++)
	{
		RarrLimit *limit = rarr_limit_at(i);

		if (limit->running == 0 && now - limit->used_at > IDLE_TIME && now > limit->full_at)
		{
			rarr_slot_free(&rarr_limit_slots, &limit->head);
			return;
		}
	}
}

/*
 * Give a slot to a type: one that is free, or an idle one.  NULL if none is.
 */
static RarrLimit *
give_limit(Oid table, const char *name, int64 now)
{
	RarrLimit *limit;

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
	limit->added_lapse = DT_NOEND;
	limit->recount_at = PG_INT64_MAX;
	return limit;
}

/*
 * Remember the first xid that changed a policy since the server's start.  Rows
 * of job_types with this or a later xmin were written after the start.  Cannot
 * fail.
 */
void
rarr_limits_policy_changed(TransactionId xid)
{
	int64 now = rarr_monotonic_now();

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
 * Return a handle on the slot of a type; its slot is -1 if there is none.
 * table: the OID of processing_jobs; create: give the type a slot if it has
 * none and there is room.  Raises no errors but those of allocation.
 */
RarrLimitRef
rarr_limit_find(Oid table, const RarrJobType *type, bool create)
{
	RarrLimitRef ref = {-1, 0, NULL};
	int64 now = create ? rarr_monotonic_now() : 0;
	RarrLimit *limit;

	if (rarr_limits == NULL)
		return ref;
	if (create && !TransactionIdIsNormal(rarr_limits->first_xid))
		rarr_limits_policy_changed(ReadNextTransactionId());
	ref.key = rarr_agenda_type_key(table, type);
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

/* When may a set be swept?  By the system clock, whose time is now. */
static TimestampTz
sweep_at(const RarrLimit *limit, TimestampTz now, int64 mono)
{
	TimestampTz due = DT_NOBEGIN;

	if (!limit->recheck)
		due = Min(limit->lapse, now + (limit->last_sweep + SWEEP_INTERVAL - mono));
	return Max(due, now + (limit->next_sweep - mono));
}

/*
 * Get the state of a type's limits.  now: by the system clock.  Returns false,
 * and leaves *state alone, if the handle is stale.  Cannot fail.
 */
bool
rarr_limit_state(const RarrLimitRef *ref, const RarrJobType *type, TimestampTz now,
				 RarrLimitState *state)
{
	int64 mono = rarr_monotonic_now();
	RarrLimit *limit = rarr_limit_lock(ref);

	if (limit == NULL)
		return false;
	state->counted = is_counted(limit, type, mono);
	state->recount = limit->counted_for == type->version && limit->recount_at <= mono;
	state->invalidations = limit->invalidations;
	state->running = limit->running;
	state->recheck = limit->recheck;
	state->open = limit->open;
	state->token_at = token_at(limit, type);
	state->sweep_at = sweep_at(limit, now, mono);
	LWLockRelease(rarr_limit_slots.lock);
	return true;
}

/* A job of the set has a lease that ends at this time.  Cannot fail. */
void
rarr_limit_add_lease(const RarrLimitRef *ref, TimestampTz lease)
{
	RarrLimit *limit = rarr_limit_lock(ref);

	if (limit == NULL)
		return;
	limit->lapse = Min(limit->lapse, lease);
	limit->added_lapse = Min(limit->added_lapse, lease);
	LWLockRelease(rarr_limit_slots.lock);
}

/* Jobs of the set may not be running: have it swept next.  Cannot fail. */
void
rarr_limit_recheck(const RarrLimitRef *ref)
{
	RarrLimit *limit = rarr_limit_lock(ref);

	if (limit == NULL)
		return;
	limit->recheck = true;
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Do the same for all types of this database, one at each call.  *i: the first
 * slot to consider, set to the next one.  Sets *table and name, which has room
 * for RARR_TYPE_NAME_MAX + 1 bytes.  Returns false if there are no more.  Cannot
 * fail.
 */
bool
rarr_limit_recheck_next(int *i, Oid *table, char *name)
{
	bool found = false;

	LWLockAcquire(rarr_limit_slots.lock, LW_EXCLUSIVE);
	for (; *i < rarr_limit_slots.shared->used && !found; (*i)++)
	{
		RarrLimit *limit = rarr_limit_at(*i);

		if (limit->head.database != MyDatabaseId || limit->running == 0)
			continue;
		limit->recheck = true;
		*table = limit->head.table;
		strcpy(name, rarr_slot_name(&rarr_limit_slots, limit));
		found = true;
	}
	LWLockRelease(rarr_limit_slots.lock);
	return found;
}

/* Mark a set as incomplete.  Needs the lock. */
void
rarr_limit_mark_incomplete(RarrLimit *limit)
{
	limit->counted_for = 0;
	limit->invalidations++;
}

/* The set may lack running jobs: mark it as incomplete.  Cannot fail. */
void
rarr_limit_invalidate(const RarrLimitRef *ref)
{
	RarrLimit *limit = rarr_limit_lock(ref);

	if (limit == NULL)
		return;
	rarr_limit_mark_incomplete(limit);
	LWLockRelease(rarr_limit_slots.lock);
}

/*
 * Issue a warning (53400) if running jobs found no room in shared memory, once
 * after each start of the server.
 */
void
rarr_limits_warn_full(void)
{
	bool first;

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
