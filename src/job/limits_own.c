/*-------------------------------------------------------------------------
 *
 * limits_own.c
 *		The buckets of rates that the current transaction wrote itself.
 *
 * Until the transaction commits nobody else knows of such a rate, so the bucket
 * in shared memory is not filled by it.  The transaction keeps to its own rate
 * by a bucket in the backend's memory, which begins as a copy of the shared one.
 * The tokens that it takes are taken from both.
 *
 * A bucket is found by the version of the policy, which no other policy has: no
 * bucket outlives the transaction, or the subtransaction, whose policy it is of.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "job/limits_shmem.h"

typedef struct OwnBucket
{
	uint64		version;		/* of the policy */
	uint64		incarnation;	/* of the slot in shared memory */
	RarrBucket	bucket;
} OwnBucket;

static OwnBucket *own = NULL;
static int	nown = 0;
static int	room = 0;

static OwnBucket *
find_own(uint64 version)
{
	for (int i = 0; i < nown; i++)
		if (own[i].version == version)
			return &own[i];
	return NULL;
}

/* Drop the buckets of transactions that are over. */
static void
drop_old(void)
{
	int			kept = 0;

	for (int i = 0; i < nown; i++)
		if (TransactionIdIsCurrentTransactionId((TransactionId) (own[i].version >> 32)))
			own[kept++] = own[i];
	nown = kept;
}

/*
 * Make a bucket for an uncommitted policy, if it has none yet; not under a lock,
 * since this allocates memory.
 */
void
rarr_own_bucket_prepare(const RarrLimitRef *ref, const RarrJobType *type)
{
	drop_old();
	if (ref->slot < 0 || find_own(type->version) != NULL)
		return;
	if (nown == room)
	{
		int			more = Max(2 * room, 4);

		own = own == NULL ? MemoryContextAlloc(TopMemoryContext, more * sizeof(OwnBucket)) :
			repalloc_huge(own, more * sizeof(OwnBucket));
		room = more;
	}
	memset(&own[nown], 0, sizeof(OwnBucket));
	own[nown].version = type->version;
	own[nown].incarnation = ref->incarnation;
	nown++;
}

/*
 * The bucket of an uncommitted policy, which may not be filled yet; NULL if none
 * was made.
 */
RarrBucket *
rarr_own_bucket(const RarrJobType *type)
{
	OwnBucket  *found = find_own(type->version);

	return found != NULL ? &found->bucket : NULL;
}

/*
 * A token of this slot comes back that the transaction had taken.
 */
void
rarr_own_bucket_return(const RarrLimitRef *ref)
{
	for (int i = 0; i < nown; i++)
		if (own[i].incarnation == ref->incarnation)
			rarr_bucket_return(&own[i].bucket);
}
