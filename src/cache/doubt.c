/*
 * doubt.c
 *		Which snapshots see the last changes of a key.
 *
 * A doubt belongs to all keys with the same bits of their hash.  A transaction
 * that is about to commit a change of one of them raises it, and lowers it when
 * it has ended.  While it is raised, nobody reads or links an entry of these
 * keys: it might be older than the change.  A change that was committed is
 * recorded by the transaction's id.  A snapshot that does not see that
 * transaction is too old: it may neither read what was linked since, nor link
 * what was read by it.
 *
 * Only the last transactions need to be known.  Changes that are open at the same
 * time form a batch, which begins when the count leaves 0, and ends when it is 0
 * again.  All changes of older batches have ended before the first one of a
 * batch does.  So whoever sees one transaction of a batch sees those of older
 * batches.  If a batch has more transactions than fit, a snapshot must be
 * younger than all of them.
 *
 * A doubt that is never changed costs a reader one comparison.
 */
#include "postgres.h"

#include "access/transam.h"
#include "utils/snapmgr.h"

#include "cache/doubt.h"

#define COUNT_OF(state) ((uint32) (state))
#define BATCH_OF(state) ((uint32) ((state) >> 32))

void
rarr_doubt_init(RarrCacheDoubt *doubt)
{
	memset(doubt, 0, sizeof(RarrCacheDoubt));
	pg_atomic_init_u64(&doubt->state, 0);
}

/* A change is about to be committed.  Cannot fail. */
void
rarr_doubt_raise(RarrCacheDoubt *doubt)
{
	uint64 old = pg_atomic_read_u64(&doubt->state);
	uint64 new;

	do
		new = COUNT_OF(old) == 0 ? ((uint64) (BATCH_OF(old) + 1) << 32) + 1 : old + 1;
	while (!pg_atomic_compare_exchange_u64(&doubt->state, &old, new));
}

/* The change has ended.  Cannot fail. */
void
rarr_doubt_lower(RarrCacheDoubt *doubt)
{
	pg_atomic_fetch_sub_u64(&doubt->state, 1);
}

/* How many changes are open? */
uint32
rarr_doubt_count(RarrCacheDoubt *doubt)
{
	return COUNT_OF(pg_atomic_read_u64(&doubt->state));
}

/*
 * Record a transaction that has committed, before its doubt is lowered.  The
 * caller holds an exclusive lock over the doubt.
 */
void
rarr_doubt_record(RarrCacheDoubt *doubt, TransactionId xid)
{
	uint32 batch = BATCH_OF(pg_atomic_read_u64(&doubt->state));

	doubt->records++;
	if (doubt->batch != batch || doubt->n == 0)
	{
		doubt->xids[0] = xid;
		doubt->n = 1;
		doubt->batch = batch;
		return;
	}
	if (doubt->n < RARR_DOUBT_XIDS)
		doubt->xids[doubt->n] = xid;
	else if (TransactionIdFollows(xid, doubt->xids[RARR_DOUBT_XIDS - 1]))
		doubt->xids[RARR_DOUBT_XIDS - 1] = xid;
	pg_write_barrier();
	doubt->n++;
}

/*
 * Forget transactions that every snapshot sees, before their ids are used again.
 * The caller holds an exclusive lock over the doubt.
 */
void
rarr_doubt_forget(RarrCacheDoubt *doubt, TransactionId oldest)
{
	for (uint32 i = 0; i < Min(doubt->n, RARR_DOUBT_XIDS); i++)
		if (!TransactionIdPrecedes(doubt->xids[i], oldest))
			return;
	doubt->n = 0;
}

/* Does the snapshot see a transaction that has committed? */
static bool
sees(const RarrSight *sight, TransactionId xid)
{
	if (TransactionIdPrecedes(xid, sight->xmin))
		return true;
	if (TransactionIdFollowsOrEquals(xid, sight->xmax))
		return false;
	for (uint32 i = 0; i < sight->n; i++)
		if (sight->xip[i] == xid)
			return false;
	return true;
}

/* Does the snapshot see all recorded transactions? */
bool
rarr_doubt_is_seen(const RarrCacheDoubt *doubt, const RarrSight *sight)
{
	uint32 n = doubt->n;

	if (n == 0 || sight->everything)
		return true;
	pg_read_barrier();
	if (n > RARR_DOUBT_XIDS)
	{
		/* those that did not fit are all older than the newest one */
		for (int i = 0; i < RARR_DOUBT_XIDS; i++)
			if (!TransactionIdPrecedes(doubt->xids[i], sight->xmin))
				return false;
		return true;
	}
	for (uint32 i = 0; i < n; i++)
		if (!sees(sight, doubt->xids[i]))
			return false;
	return true;
}

/*
 * What the active snapshot sees; *sight points into it.  Without a snapshot that
 * is everything, and with one that was taken before a promotion, nothing.
 */
void
rarr_sight_of_active(RarrSight *sight)
{
	Snapshot snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;

	memset(sight, 0, sizeof(RarrSight));
	sight->everything = snapshot == NULL;
	if (snapshot == NULL)
		return;
	sight->xmin = sight->xmax = FirstNormalTransactionId;
	if (snapshot->takenDuringRecovery)
		return;
	sight->xmin = snapshot->xmin;
	sight->xmax = snapshot->xmax;
	sight->n = snapshot->xcnt;
	sight->xip = snapshot->xip;
}

static bool
is_same(const RarrSight *a, const RarrSight *b)
{
	return a->everything == b->everything && a->xmin == b->xmin && a->xmax == b->xmax && a->n == b->n &&
		   (a->n == 0 || memcmp(a->xip, b->xip, a->n * sizeof(TransactionId)) == 0);
}

/* Copy it to the current memory context, unless the last copy, if any, is equal. */
const RarrSight *
rarr_sight_copy(const RarrSight *sight, const RarrSight *last)
{
	RarrSight *copy;
	TransactionId *xip;

	if (last != NULL && is_same(sight, last))
		return last;
	copy = palloc(sizeof(RarrSight) + sight->n * sizeof(TransactionId));
	xip = (TransactionId *) (copy + 1);
	if (sight->n > 0)
		memcpy(xip, sight->xip, sight->n * sizeof(TransactionId));
	*copy = *sight;
	copy->xip = xip;
	return copy;
}
