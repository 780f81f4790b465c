/*
 * session_jobs.c
 *		Jobs whose leases end with this session: researcharr.bind_leases.
 *
 * A session keeps in its memory which jobs it claimed while the setting was
 * on, and under which attempt.  When it ends, it hands those back that are
 * still running under that attempt (session_end.c).  The tables say the rest:
 * an attempt that was completed or cancelled elsewhere, or handed on, is not
 * running.  But not one that was rolled back: the next session to claim the
 * job does so under the same number.  So a claim is forgotten as soon as its
 * transaction or subtransaction aborts, and when it is prepared, since then
 * nobody tells what becomes of it.  A job that the session finishes is
 * forgotten at the commit, lest the list fill up.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/pending.h"
#include "job/core/session_jobs.h"

/* of more than that, the leases of the oldest do not end with the session */
#define MAX_BOUND	10000

typedef struct BoundEntry
{
	RarrBoundJob job;			/* its id is the key */
	dlist_node	node;			/* in the order of the claims */
} BoundEntry;

/* What this transaction did with a job. */
typedef struct BoundChange
{
	RarrPendingEntry entry;
	RarrBoundJob job;
	bool		finished;		/* else claimed */
} BoundChange;

static HTAB *bound = NULL;
static dlist_head order = DLIST_STATIC_INIT(order);

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

/*
 * Forget what the transaction finished, once that is committed, and what it
 * claimed, once it aborts or is prepared.  A job that was claimed once more since
 * stays.
 */
static void
act(RarrPendingEvent event, const void *entries, int n)
{
	const BoundChange *changes = entries;

	for (int i = 0; i < n; i++)
	{
		BoundEntry *entry = NULL;

		if (changes[i].finished == (event == RARR_PENDING_COMMIT))
			entry = find(&changes[i].job.id);
		if (entry != NULL && entry->job.attempt == changes[i].job.attempt)
			forget(entry);
	}
}

static RarrPendingList pending = {sizeof(BoundChange), NULL, act};

static void
add_change(const pg_uuid_t *id, int32 attempt, bool finished)
{
	BoundChange *change = rarr_pending_add(&pending);

	change->job.id = *id;
	change->job.attempt = attempt;
	change->finished = finished;
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
	rarr_pending_init(&pending);
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
	add_change(id, attempt, false);
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
	BoundEntry *entry = bound == NULL ? NULL : find(id);

	if (entry != NULL)
		add_change(id, entry->job.attempt, true);
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
