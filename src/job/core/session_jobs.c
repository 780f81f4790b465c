/*-------------------------------------------------------------------------
 *
 * session_jobs.c
 *		Jobs whose leases end with this session: researcharr.bind_leases.
 *
 * A session keeps in its memory which jobs it claimed while the setting was on,
 * and under which attempt.  When it ends, it hands those back that are still
 * running under that attempt (session_end.c).  The tables say the rest: an
 * attempt that was completed or cancelled elsewhere, or handed on, is not
 * running.  But not one that was rolled back: the next session to claim the job
 * does so under the same number.
 * So a claim is forgotten as soon as its transaction or subtransaction aborts,
 * and when it is prepared, since then nobody tells what becomes of it.  A job
 * that the session finishes is forgotten at the commit, lest the list fill up.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "job/core/session_jobs.h"

/* of more than that, the leases of the oldest do not end with the session */
#define MAX_BOUND	10000

typedef struct BoundEntry
{
	RarrBoundJob job;			/* its id is the key */
	int			level;			/* of the subtransaction that claimed it; 0
								 * once that is committed */
	dlist_node	node;			/* in the order of the claims, so that those
								 * of this transaction are the last */
} BoundEntry;

static HTAB *bound = NULL;
static dlist_head order = DLIST_STATIC_INIT(order);

/* those that this transaction finished */
static RarrBoundJob *done = NULL;
static int	ndone = 0;
static int	room = 0;

static BoundEntry *
find(const pg_uuid_t *id)
{
	return hash_search(bound, id, HASH_FIND, NULL);
}

static void
forget(BoundEntry *entry)
{
	dlist_delete(&entry->node);
	(void) hash_search(bound, &entry->job.id, HASH_REMOVE, NULL);
}

/* The last claim, if it is one of this level or a deeper one; else NULL. */
static BoundEntry *
last_claim(int level)
{
	BoundEntry *last = dlist_is_empty(&order) ? NULL : dlist_tail_element(BoundEntry, node, &order);

	return last != NULL && last->level >= level ? last : NULL;
}

/* Nobody can tell whose the claims of this level and deeper ones will be. */
static void
forget_claims(int level)
{
	BoundEntry *last;

	while ((last = last_claim(level)) != NULL)
		forget(last);
}

/* The claims of this level and deeper ones are their parent's. */
static void
raise_claims(int level, int parent)
{
	dlist_iter	iter;

	dlist_reverse_foreach(iter, &order)
	{
		BoundEntry *entry = dlist_container(BoundEntry, node, iter.cur);

		if (entry->level < level)
			break;
		entry->level = parent;
	}
}

/* What the transaction finished is over, unless it claimed it once more since. */
static void
forget_done(void)
{
	for (int i = 0; i < ndone; i++)
	{
		BoundEntry *entry = find(&done[i].id);

		if (entry != NULL && entry->job.attempt == done[i].attempt)
			forget(entry);
	}
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		forget_done();
		raise_claims(1, 0);
	}
	else
		forget_claims(1);
	done = NULL;				/* its memory goes with the transaction */
	ndone = room = 0;
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_COMMIT_SUB)
		raise_claims(level, level - 1);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		forget_claims(level);
		/* Which of them were undone is not worth knowing: none is forgotten. */
		ndone = 0;
	}
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
		forget(dlist_head_element(BoundEntry, node, &order));
	entry = hash_search(bound, id, HASH_ENTER, &found);
	entry->job.attempt = attempt;
	entry->level = GetCurrentTransactionNestLevel();
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
	BoundEntry *entry = bound == NULL ? NULL : find(id);

	if (entry == NULL)
		return;
	if (ndone == room)
	{
		int			more = Max(room * 2, 16);
		Size		size = more * sizeof(RarrBoundJob);

		done = done == NULL ? MemoryContextAlloc(TopTransactionContext, size) : repalloc(done, size);
		room = more;
	}
	done[ndone++] = entry->job;
}

/*
 * Are there any such jobs?
 */
bool
rarr_bound_any(void)
{
	return !dlist_is_empty(&order);
}

/*
 * All of them, in the order of the claims, in the current memory context.
 */
RarrBoundJob *
rarr_bound_list(int *n)
{
	RarrBoundJob *jobs = palloc(hash_get_num_entries(bound) * sizeof(RarrBoundJob));
	dlist_iter	iter;

	*n = 0;
	dlist_foreach(iter, &order)
		jobs[(*n)++] = dlist_container(BoundEntry, node, iter.cur)->job;
	return jobs;
}
