/*
 * own_bucket.c
 *		Token buckets for rates that the current transaction wrote.
 *
 * Until the transaction commits, no other session knows such a rate, so the
 * bucket in shared memory is not refilled by it.  The transaction applies the
 * rate to a bucket in the backend's memory, which begins as a copy of the
 * shared one.  Its tokens are taken from both.
 *
 * A bucket is found by the version of the policy, which is unique.  So no
 * bucket is used after the transaction, or subtransaction, that wrote the
 * policy.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "job/limits/own_bucket.h"

typedef struct OwnBucket
{
	uint64		version;		/* of the policy's row */
	uint64		generation;		/* of the slot in shared memory */
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

/* Drop the buckets of transactions that have ended. */
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
 * Make a bucket for an uncommitted policy, unless there is one.
 *
 * generation is that of the type's slot, or 0 if it has none; nothing is made
 * then.  Allocates memory, so the caller must not hold the limits' lock.
 * Raises no errors but those of allocation.
 */
void
rarr_own_bucket_prepare(uint64 generation, const RarrJobType *type)
{
	drop_old();
	if (generation == 0 || find_own(type->version) != NULL)
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
	own[nown].generation = generation;
	nown++;
}

/*
 * Return the bucket of an uncommitted policy, or NULL if none was made.  It
 * may not be filled yet.  Cannot fail.
 */
RarrBucket *
rarr_own_bucket(const RarrJobType *type)
{
	OwnBucket  *found = find_own(type->version);

	return found != NULL ? &found->bucket : NULL;
}

/*
 * Return a token that the transaction took for the type whose slot has this
 * generation.  Cannot fail.
 */
void
rarr_own_bucket_return(uint64 generation)
{
	for (int i = 0; i < nown; i++)
		if (own[i].generation == generation)
			rarr_bucket_return(&own[i].bucket);
}
