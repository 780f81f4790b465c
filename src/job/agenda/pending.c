/*
 * pending.c
 *		What a transaction owes the agenda once it is over.
 *
 * A change makes a new version of a job, and unmakes an old one.  If the
 * transaction commits, the new one is there to be handed out, or to lapse; if
 * it aborts, the old one is there again.  Nobody else can know before it is
 * over, so each change is noted, for both outcomes.  What comes back is noted
 * before the change: memory can run out while a note is made, and the abort
 * that this causes needs the note.  Notes of one group are merged
 * (base/pending.c).
 *
 * A subtransaction that aborts acts on its notes at once.  PREPARE TRANSACTION
 * hands them to prepared.c.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "job/agenda/pending.h"
#include "job/core/job_row.h"

/* the policies of job types, by the transaction that is being committed */
static bool policies_changed = false;

/* Act on a note.  Cannot fail. */
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
	if (ref == NULL)
		return;					/* nobody has asked for the type yet */
	if (entry->queued)
		rarr_agenda_lower_bound(ref, entry->priority, &entry->queued_first, entry->jobs);
	if (entry->running)
		rarr_agenda_add_running(ref, entry->priority, &entry->running_first,
								 &entry->running_last, entry->lease);
}

static void
act(RarrPendingEvent event, const void *list, int n)
{
	const RarrAgendaPending *entries = list;
	RarrOutcome outcome = event == RARR_PENDING_COMMIT ? RARR_AT_COMMIT : RARR_AT_ABORT;

	if (event == RARR_PENDING_PREPARE)
		return;					/* prepared.c has copied them */
	for (int i = 0; i < n; i++)
		if (entries[i].outcome == outcome)
			apply_entry(&entries[i]);
}

/*
 * The transaction has let go of its locks: by now it has sent word of what it
 * changed in the catalogs, as it has not yet when its callbacks run.  Whoever
 * is woken earlier might look at the old policies, and sleep on.
 */
static void
after_locks(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (!policies_changed || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	policies_changed = false;
	rarr_agenda_wake(NULL, DT_NOBEGIN, PG_INT64_MAX);
}

/* Add to a note what another one of the same group says. */
static void
merge_entries(void *into, const void *from)
{
	RarrAgendaPending *entry = into;
	const RarrAgendaPending *other = from;

	if (other->queued)
	{
		if (!entry->queued || rarr_place_compare(&other->queued_first, &entry->queued_first) < 0)
			entry->queued_first = other->queued_first;
		entry->queued = true;
		entry->jobs += other->jobs;
	}
	if (other->running)
	{
		if (!entry->running || rarr_place_compare(&other->running_first, &entry->running_first) < 0)
			entry->running_first = other->running_first;
		if (!entry->running || rarr_place_compare(&other->running_last, &entry->running_last) > 0)
			entry->running_last = other->running_last;
		entry->lease = entry->running ? Min(entry->lease, other->lease) : other->lease;
		entry->running = true;
	}
}

static RarrPendingList pending = {sizeof(RarrAgendaPending), merge_entries, act};

/* This subtransaction's note of a group, made if there is none. */
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
 * Could the row in the slot, deformed, be in the table at all?  A BEFORE
 * trigger sees rows that NOT NULL and CHECK constraints have yet to refuse.
 */
static bool
is_possible(TupleTableSlot *slot)
{
	static const int needed[] = {JOB_ID, JOB_JOB_TYPE, JOB_STATUS, JOB_PRIORITY, JOB_AVAILABLE_AT};
	int			priority;

	for (int i = 0; i < lengthof(needed); i++)
		if (rarr_job_is_null(slot, needed[i]))
			return false;
	priority = DatumGetInt32(rarr_job_value(slot, JOB_PRIORITY));
	return priority >= 0 && priority < RARR_PRIORITIES && rarr_job_has_status(slot) &&
		(rarr_job_status(slot) != JOB_RUNNING || !rarr_job_is_null(slot, JOB_LEASE_EXPIRES_AT));
}

/*
 * Note the version of a job that is in the slot, deformed: the one that comes
 * with the commit, or back with the abort.  For RARR_AT_ABORT call it before
 * the change; for RARR_AT_COMMIT, in the subtransaction that makes it.
 */
void
rarr_agenda_pending_job(RarrOutcome outcome, Relation jobs, TupleTableSlot *slot)
{
	RarrJobStatus status;
	RarrPlace	place;
	RarrAgendaPending version = {0};
	RarrAgendaPending *entry;
	text	   *type;

	if (!rarr_agenda_is_there() || !is_possible(slot))
		return;
	status = rarr_job_status(slot);
	if (status != JOB_QUEUED && status != JOB_RUNNING)
		return;
	type = DatumGetTextPP(rarr_job_value(slot, JOB_JOB_TYPE));
	entry = get_entry(outcome,
					rarr_agenda_key(RelationGetRelid(jobs), VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)),
					DatumGetInt32(rarr_job_value(slot, JOB_PRIORITY)));
	place.at = DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT));
	place.id = *rarr_job_id(slot);
	if (status == JOB_QUEUED)
	{
		version.queued = true;
		version.queued_first = place;
		version.jobs = 1;
	}
	else
	{
		version.running = true;
		version.running_first = place;
		version.running_last = place;
		version.lease = DatumGetTimestampTz(rarr_job_value(slot, JOB_LEASE_EXPIRES_AT));
	}
	merge_entries(entry, &version);
}

/*
 * Note that every group of this database may change.
 */
void
rarr_agenda_pending_everything(RarrOutcome outcome)
{
	if (rarr_agenda_is_there())
		(void) get_entry(outcome, NULL, 0);
}

/*
 * Note that the policies of job types will have changed: whoever sleeps until
 * there is a job has to look at them.
 */
void
rarr_agenda_pending_policies(void)
{
	if (rarr_agenda_is_there())
		(void) get_entry(RARR_AT_COMMIT, NULL, RARR_PENDING_POLICIES);
}

/* Is a job that the note is of due, and from which place on? */
static bool
is_due(const RarrAgendaPending *entry, TimestampTz now, RarrPlace *place)
{
	bool		queued = entry->queued && entry->queued_first.at <= now;
	bool		lapsed = entry->running && entry->lease <= now;

	*place = queued ? entry->queued_first : entry->running_first;
	if (queued && lapsed && rarr_place_compare(&entry->running_first, place) < 0)
		*place = entry->running_first;
	return queued || lapsed;
}

/*
 * The agenda knows nothing of what this transaction itself made available: the
 * highest priority below `below` of such jobs that are due, and the first
 * one's place.  False if there is none.
 */
bool
rarr_agenda_pending_group(const RarrAgendaKey *key, int below, TimestampTz now,
					 int *priority, RarrPlace *place)
{
	const RarrAgendaPending *entries = pending.entries;
	bool		found = false;

	for (int i = 0; i < pending.n; i++)
	{
		const RarrAgendaPending *entry = &entries[i];
		RarrPlace	first;

		if (entry->key != key || entry->outcome != RARR_AT_COMMIT || entry->priority >= below ||
			!is_due(entry, now, &first))
			continue;
		if (!found || entry->priority > *priority ||
			(entry->priority == *priority && rarr_place_compare(&first, place) < 0))
		{
			*priority = entry->priority;
			*place = first;
		}
		found = true;
	}
	return found;
}

/*
 * This transaction's notes, for prepared.c, which keeps a copy of them at PREPARE
 * TRANSACTION.
 */
const RarrAgendaPending *
rarr_agenda_pending_entries(int *n)
{
	*n = pending.n;
	return pending.entries;
}

/*
 * Take the callbacks; while the library is preloaded.
 */
void
rarr_agenda_pending_init(void)
{
	rarr_pending_init(&pending);
	RegisterResourceReleaseCallback(after_locks, NULL);
}
