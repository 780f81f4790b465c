/*
 * pending.c
 *		Pending entries of the agenda: the jobs that a transaction makes
 *		claimable.
 *
 * Each change of a job adds entries for both outcomes of the transaction: the
 * old version can be claimed, or its lease can end, after an abort, the new one
 * after a commit.  README.md says when they are added.
 */
#include "postgres.h"

#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "job/agenda/pending.h"
#include "job/core/job_row.h"

/*
 * does the transaction that is being committed change policies of job types?
 */
static bool policies_changed = false;

/* Apply an entry to the slot of its type.  Cannot fail. */
void
rarr_agenda_pending_apply(const RarrAgendaPending *entry, const RarrAgendaRef *ref)
{
	if (entry->jobs > 0)
		rarr_agenda_lower_bound(ref, entry->priority, &entry->queued_first, entry->jobs);
	if (entry->running.any)
		rarr_agenda_add_running(ref, entry->priority, &entry->running);
}

/* Apply an entry to the agenda.  Cannot fail. */
static void
apply_entry(const RarrAgendaPending *entry)
{
	const RarrAgendaRef *ref;

	if (entry->key == NULL)
	{
		if (entry->priority == RARR_PENDING_POLICIES)
			policies_changed = true;
		else
			rarr_agenda_forget_all();
		return;
	}
	ref = rarr_agenda_ref(entry->key, false);
	if (ref != NULL) /* otherwise no session has asked for the type */
		rarr_agenda_pending_apply(entry, ref);
}

/* Apply the entries for this outcome. */
static void
act(RarrPendingEvent event, const void *list, int n)
{
	const RarrAgendaPending *entries = list;
	RarrOutcome outcome = event == RARR_PENDING_COMMIT ? RARR_AT_COMMIT : RARR_AT_ABORT;

	if (event == RARR_PENDING_PREPARE)
		return; /* prepared.c has copied them */
	for (int i = 0; i < n; i++)
		if (entries[i].outcome == outcome)
			apply_entry(&entries[i]);
}

/*
 * Wake all sleepers after the transaction that changed policies has released
 * its locks.  Invalidation messages have been sent by now; they have not been
 * when the transaction callbacks run.  A sleeper that wakes before could read
 * the old policies and go back to sleep.
 */
static void
after_locks(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (!policies_changed || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	policies_changed = false;
	rarr_agenda_wake(NULL, DT_NOBEGIN, PG_INT64_MAX);
}

/* Merge an entry of the same group into another one. */
static void
merge_entries(void *into, const void *from)
{
	RarrAgendaPending *entry = into;
	const RarrAgendaPending *other = from;

	if (other->jobs > 0 &&
		(entry->jobs == 0 || rarr_queue_pos_compare(&other->queued_first, &entry->queued_first) < 0))
		entry->queued_first = other->queued_first;
	entry->jobs += other->jobs;
	rarr_running_add(&entry->running, &other->running);
}

static RarrPendingList pending = {sizeof(RarrAgendaPending), merge_entries, act};

/*
 * This subtransaction's entry of a group and outcome, added if there is none.
 */
static RarrAgendaPending *
get_entry(RarrOutcome outcome, RarrAgendaKey *key, int priority)
{
	RarrAgendaPending *entry = rarr_pending_get(&pending, key, (priority + 1) * RARR_OUTCOMES + outcome);

	entry->outcome = outcome;
	entry->key = key;
	entry->priority = priority;
	return entry;
}

/*
 * Can the row in the slot, deformed, be in the table?  A BEFORE trigger also
 * sees rows that violate NOT NULL and CHECK constraints.
 */
static bool
is_possible(TupleTableSlot *slot)
{
	static const int needed[] = {JOB_ID, JOB_JOB_TYPE, JOB_STATUS, JOB_PRIORITY, JOB_AVAILABLE_AT};
	int priority;

	for (int i = 0; i < lengthof(needed); i++)
		if (rarr_job_is_null(slot, needed[i]))
			return false;
	priority = rarr_job_int(slot, JOB_PRIORITY);
	return priority >= 0 && priority < RARR_PRIORITIES && rarr_job_has_status(slot) &&
		   (rarr_job_status(slot) != JOB_RUNNING || !rarr_job_is_null(slot, JOB_LEASE_EXPIRES_AT));
}

/*
 * Add an entry for the version of a job that exists after this outcome,
 * deformed: for RARR_AT_ABORT the old one, before the change, and for
 * RARR_AT_COMMIT the new one, after the change, in the same subtransaction.
 *
 * Does nothing without the agenda, or if the version is neither queued nor
 * running.  Raises no errors but those of allocation.
 */
void
rarr_agenda_pending_job(RarrOutcome outcome, Relation jobs, TupleTableSlot *slot)
{
	RarrJobStatus status;
	RarrAgendaPending version = {0};
	RarrAgendaPending *entry;

	if (!rarr_agenda_is_there() || !is_possible(slot))
		return;
	status = rarr_job_status(slot);
	if (status != JOB_QUEUED && status != JOB_RUNNING)
		return;
	entry = get_entry(outcome,
					  rarr_agenda_key(RelationGetRelid(jobs), DatumGetTextPP(rarr_job_value(slot, JOB_JOB_TYPE))),
					  rarr_job_int(slot, JOB_PRIORITY));
	if (status == JOB_QUEUED)
	{
		version.jobs = 1;
		version.queued_first = rarr_job_queue_pos(slot);
	}
	else
		version.running = rarr_job_running(slot);
	merge_entries(entry, &version);
}

/*
 * Add an entry that resets all groups of this database at this outcome.
 * Raises no errors but those of allocation.
 */
void
rarr_agenda_pending_everything(RarrOutcome outcome)
{
	if (rarr_agenda_is_there())
		(void) get_entry(outcome, NULL, 0);
}

/*
 * Add an entry that wakes all sleepers of this database after the commit,
 * because the policies of job types changed.  Raises no errors but those of
 * allocation.
 */
void
rarr_agenda_pending_policies(void)
{
	if (rarr_agenda_is_there())
		(void) get_entry(RARR_AT_COMMIT, NULL, RARR_PENDING_POLICIES);
}

/*
 * Can a job of the entry be due, and what is the first position of such a job?
 */
static bool
is_due(const RarrAgendaPending *entry, TimestampTz now, RarrQueuePos *pos)
{
	bool queued = entry->jobs > 0 && entry->queued_first.at <= now;
	bool lapsed = entry->running.any && entry->running.lease <= now;

	*pos = queued ? entry->queued_first : entry->running.first;
	if (queued && lapsed && rarr_queue_pos_compare(&entry->running.first, pos) < 0)
		*pos = entry->running.first;
	return queued || lapsed;
}

/*
 * Find the highest priority below the given one for which this transaction
 * itself made a job claimable that is due at now, which the agenda does not
 * know before the commit.  Sets *priority and the queue position of the first
 * such job.  Returns false if there is none.  Raises no error.
 */
bool
rarr_agenda_pending_group(const RarrAgendaKey *key, int below, TimestampTz now,
						  int *priority, RarrQueuePos *pos)
{
	const RarrAgendaPending *entries = pending.entries;
	bool found = false;

	for (int i = 0; i < pending.n; i++)
	{
		const RarrAgendaPending *entry = &entries[i];
		RarrQueuePos first;

		if (entry->key != key || entry->outcome != RARR_AT_COMMIT || entry->priority >= below ||
			!is_due(entry, now, &first))
			continue;
		if (!found || entry->priority > *priority ||
			(entry->priority == *priority && rarr_queue_pos_compare(&first, pos) < 0))
		{
			*priority = entry->priority;
			*pos = first;
		}
		found = true;
	}
	return found;
}

/*
 * Return the transaction's n entries, for prepared.c, which copies them at
 * PREPARE TRANSACTION.  They are valid until the next one is added.  Raises no
 * error.
 */
const RarrAgendaPending *
rarr_agenda_pending_entries(int *n)
{
	*n = pending.n;
	return pending.entries;
}

/* Register the callbacks.  Called while the library is preloaded. */
void
rarr_agenda_pending_init(void)
{
	rarr_pending_init(&pending);
	RegisterResourceReleaseCallback(after_locks, NULL);
}
