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
#define MAX_SESSION_JOBS	10000

typedef struct SessionJobEntry
{
	RarrSessionJob job;			/* its id is the key */
	dlist_node	node;			/* in the order of the claims */
} SessionJobEntry;

/* What this transaction did with a job. */
typedef struct SessionJobChange
{
	RarrPendingEntry entry;
	RarrSessionJob job;
	bool		finished;		/* else claimed */
} SessionJobChange;

static HTAB *session_jobs = NULL;
static dlist_head order = DLIST_STATIC_INIT(order);

static SessionJobEntry *
find(const pg_uuid_t *id)
{
	return hash_search(session_jobs, id, HASH_FIND, NULL);
}

static void
forget(SessionJobEntry *entry)
{
	dlist_delete(&entry->node);
	(void) hash_search(session_jobs, &entry->job.id, HASH_REMOVE, NULL);
}

/*
 * Forget what the transaction finished, once that is committed, and what it
 * claimed, once it aborts or is prepared.  A job that was claimed once more since
 * stays.
 */
static void
act(RarrPendingEvent event, const void *entries, int n)
{
	const SessionJobChange *changes = entries;

	for (int i = 0; i < n; i++)
	{
		SessionJobEntry *entry = NULL;

		if (changes[i].finished == (event == RARR_PENDING_COMMIT))
			entry = find(&changes[i].job.id);
		if (entry != NULL && entry->job.attempt == changes[i].job.attempt)
			forget(entry);
	}
}

static RarrPendingList pending = {sizeof(SessionJobChange), NULL, act};

static void
add_change(const pg_uuid_t *id, int32 attempt, bool finished)
{
	SessionJobChange *change = rarr_pending_add(&pending);

	change->job.id = *id;
	change->job.attempt = attempt;
	change->finished = finished;
}

static void
init_session_jobs(void)
{
	HASHCTL		control = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(SessionJobEntry),
		.hcxt = TopMemoryContext
	};

	session_jobs = hash_create("researcharr session jobs", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	rarr_pending_init(&pending);
}

/*
 * This session has claimed a job under this attempt: its lease ends with it.
 */
void
rarr_session_jobs_add(const pg_uuid_t *id, int32 attempt)
{
	SessionJobEntry *entry;
	bool		found;

	if (session_jobs == NULL)
		init_session_jobs();
	if (hash_get_num_entries(session_jobs) >= MAX_SESSION_JOBS)
		forget(dlist_head_element(SessionJobEntry, node, &order));
	add_change(id, attempt, false);
	entry = hash_search(session_jobs, id, HASH_ENTER, &found);
	entry->job.attempt = attempt;
	if (found)
		dlist_delete(&entry->node);
	dlist_push_tail(&order, &entry->node);
}

/*
 * This transaction finishes a job, which may be bound.
 */
void
rarr_session_jobs_finished(const pg_uuid_t *id)
{
	SessionJobEntry *entry = session_jobs == NULL ? NULL : find(id);

	if (entry != NULL)
		add_change(id, entry->job.attempt, true);
}

/*
 * Are there any such jobs?
 */
bool
rarr_session_jobs_any(void)
{
	return !dlist_is_empty(&order);
}

/*
 * All of them, in the order of the claims, in the current memory context.
 */
RarrSessionJob *
rarr_session_jobs_list(int *n)
{
	RarrSessionJob *jobs = palloc(hash_get_num_entries(session_jobs) * sizeof(RarrSessionJob));
	dlist_iter	iter;

	*n = 0;
	dlist_foreach(iter, &order)
		jobs[(*n)++] = dlist_container(SessionJobEntry, node, iter.cur)->job;
	return jobs;
}
