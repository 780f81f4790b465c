/*
 * session_jobs.c
 *		The session's jobs: those whose leases end with the session.
 *
 * The list may have jobs that were completed, cancelled or claimed by others
 * since: the table shows that they are not running under the attempt.  It must
 * not have a claim that was rolled back, because the next claim of the job gets
 * the same attempt.  So a claim is removed when its transaction or
 * subtransaction aborts, and when the transaction is prepared, since the
 * session does not learn how that ends.  A job that the session finishes is
 * removed at commit, to keep the list short.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/pending.h"
#include "job/core/session_jobs.h"

/* if there are more, the oldest claim is removed from the list */
#define MAX_SESSION_JOBS 10000

typedef struct SessionJobEntry
{
	RarrSessionJob job; /* its id is the key */
	dlist_node node;    /* in `order` */
} SessionJobEntry;

/* A pending entry: the transaction claimed or finished a job. */
typedef struct SessionJobChange
{
	RarrPendingEntry entry;
	RarrSessionJob job;
	bool finished; /* otherwise claimed */
} SessionJobChange;

static HTAB *session_jobs = NULL;                   /* by id; NULL until the first claim */
static dlist_head order = DLIST_STATIC_INIT(order); /* by claim */

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
 * Apply pending entries.  A commit removes finished jobs; an abort or PREPARE
 * removes claimed ones.  A job with another attempt was claimed again since,
 * and stays.
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
	HASHCTL control = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(SessionJobEntry),
		.hcxt = TopMemoryContext};

	session_jobs = hash_create("researcharr session jobs", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	rarr_pending_init(&pending);
}

/* Add a job that this session claimed under this attempt. */
void
rarr_session_jobs_add(const pg_uuid_t *id, int32 attempt)
{
	SessionJobEntry *entry;
	bool found;

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

/* Record that this transaction finishes or requeues a job. */
void
rarr_session_jobs_finished(const pg_uuid_t *id)
{
	SessionJobEntry *entry = session_jobs == NULL ? NULL : find(id);

	if (entry != NULL)
		add_change(id, entry->job.attempt, true);
}

/* Does the session have jobs? */
bool
rarr_session_jobs_any(void)
{
	return !dlist_is_empty(&order);
}

/*
 * Return the session's jobs in the order of their claims, palloc'd, and set *n
 * to their number.  rarr_session_jobs_any() must be true.
 */
RarrSessionJob *
rarr_session_jobs_list(int *n)
{
	RarrSessionJob *jobs = palloc(hash_get_num_entries(session_jobs) * sizeof(RarrSessionJob));
	dlist_iter iter;

	*n = 0;
	dlist_foreach (iter, &order)
		jobs[(*n)++] = dlist_container(SessionJobEntry, node, iter.cur)->job;
	return jobs;
}
