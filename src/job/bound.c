/*-------------------------------------------------------------------------
 *
 * bound.c
 *		Jobs whose leases end with this session: researcharr.bind_leases.
 *
 * A session keeps in its memory which jobs it claimed while the setting was on,
 * and under which attempt.  When it ends, it hands those back that are still
 * running under that attempt, in a transaction of its own, as a lease's end
 * would: a failed try.  The tables say the rest: an attempt that was rolled
 * back, completed or cancelled elsewhere, or handed on, is not running.  A job
 * that the session finishes is forgotten at the commit, lest the list fill up.
 *
 * A session that ends takes no interrupts, so nothing there may wait: where a
 * lock is not to be had, the lease's end applies.  It runs no code of users'
 * either: the same where processing_jobs has triggers of theirs.  And the
 * commit does not wait for the disk or a standby: if it is lost, the lease's
 * end applies again.  When the server crashes, nothing runs at all.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "lib/ilist.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/relation.h"
#include "job/bound.h"
#include "job/finish.h"
#include "job/job_row.h"

/* of more than that, the leases of the oldest do not end with the session */
#define MAX_BOUND	10000

typedef struct BoundEntry
{
	RarrBoundJob job;			/* its id is the key */
	dlist_node	node;			/* in the order of the claims */
} BoundEntry;

static HTAB *bound = NULL;
static dlist_head order = DLIST_STATIC_INIT(order);

/* those that this transaction finished */
static pg_uuid_t *done = NULL;
static int	ndone = 0;
static int	room = 0;

static void
forget(const pg_uuid_t *id)
{
	BoundEntry *entry = hash_search(bound, id, HASH_FIND, NULL);

	if (entry == NULL)
		return;
	dlist_delete(&entry->node);
	(void) hash_search(bound, id, HASH_REMOVE, NULL);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT)
		for (int i = 0; i < ndone; i++)
			forget(&done[i]);
	done = NULL;				/* its memory goes with the transaction */
	ndone = room = 0;
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	/* Which of them were undone is not worth knowing: none is forgotten. */
	if (event == SUBXACT_EVENT_ABORT_SUB)
		ndone = 0;
}

/* Lock what handing jobs back needs, if nobody has to be waited for. */
static bool
lock_tables(void)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid			jobs = OidIsValid(schema) ? get_relname_relid(rarr_job_table.name, schema) : InvalidOid;
	Oid			history = OidIsValid(schema) ? get_relname_relid("processing_history", schema) : InvalidOid;
	ListCell   *lc;

	if (!OidIsValid(jobs) || !OidIsValid(history) ||
		!ConditionalLockRelationOid(jobs, RowExclusiveLock) ||
		!ConditionalLockRelationOid(history, RowExclusiveLock))
		return false;
	foreach(lc, find_inheritance_children(history, NoLock))
		if (!ConditionalLockRelationOid(lfirst_oid(lc), RowExclusiveLock))
			return false;
	return true;
}

/* before_shmem_exit callback */
static void
hand_back(int code, Datum arg)
{
	int			n = 0;
	RarrBoundJob *jobs;
	dlist_iter	iter;

	if (dlist_is_empty(&order) || RecoveryInProgress())
		return;
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	if (lock_tables())
	{
		jobs = palloc(hash_get_num_entries(bound) * sizeof(RarrBoundJob));
		dlist_foreach(iter, &order)
			jobs[n++] = dlist_container(BoundEntry, node, iter.cur)->job;
		rarr_jobs_hand_back(jobs, n);
	}
	CommitTransactionCommand();
}

static void
init_bound(void)
{
	HASHCTL		control = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(BoundEntry),
		.hcxt = TopMemoryContext
	};

	bound = hash_create("researcharr bound jobs", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
	before_shmem_exit(hand_back, (Datum) 0);
}

/*
 * This session has claimed a job under this attempt: its lease ends with it.
 */
void
rarr_bound_add(const pg_uuid_t *id, int32 attempt)
{
	BoundEntry *entry;
	bool		found;

	if (bound == NULL)
		init_bound();
	if (hash_get_num_entries(bound) >= MAX_BOUND)
		forget(&dlist_head_element(BoundEntry, node, &order)->job.id);
	entry = hash_search(bound, id, HASH_ENTER, &found);
	entry->job.attempt = attempt;
	if (found)
		dlist_delete(&entry->node);
	dlist_push_tail(&order, &entry->node);
}

/*
 * This transaction finishes a job, which may be bound.
 */
void
rarr_bound_done(const pg_uuid_t *id)
{
	if (bound == NULL || hash_search(bound, id, HASH_FIND, NULL) == NULL)
		return;
	if (ndone == room)
	{
		int			more = Max(room * 2, 16);
		Size		size = more * sizeof(pg_uuid_t);

		done = done == NULL ? MemoryContextAlloc(TopTransactionContext, size) : repalloc(done, size);
		room = more;
	}
	done[ndone++] = *id;
}
