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
apply_note(const RarrNote *note)
{
	const RarrAgendaRef *ref;

	if (note->key == NULL)
	{
		if (note->priority == RARR_NOTE_POLICIES)
			policies_changed = true;
		else
			rarr_agenda_forget_all();
		return;
	}
	ref = rarr_agenda_ref(note->key, false);
	if (ref == NULL)
		return;					/* nobody has asked for the type yet */
	if (note->queued)
		rarr_agenda_lower_bound(ref, note->priority, &note->place, note->jobs);
	if (note->running)
		rarr_agenda_add_running(ref, note->priority, &note->running_place,
								 &note->running_last, note->lease);
}

static void
act(RarrPendingEvent event, const void *entries, int n)
{
	const RarrNote *notes = entries;
	RarrNoteTime time = event == RARR_PENDING_COMMIT ? RARR_AT_COMMIT : RARR_AT_ABORT;

	if (event == RARR_PENDING_PREPARE)
		return;					/* prepared.c has copied them */
	for (int i = 0; i < n; i++)
		if (notes[i].time == time)
			apply_note(&notes[i]);
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
merge_notes(void *entry, const void *same)
{
	RarrNote   *note = entry;
	const RarrNote *other = same;

	if (other->queued)
	{
		if (!note->queued || rarr_place_compare(&other->place, &note->place) < 0)
			note->place = other->place;
		note->queued = true;
		note->jobs += other->jobs;
	}
	if (other->running)
	{
		if (!note->running || rarr_place_compare(&other->running_place, &note->running_place) < 0)
			note->running_place = other->running_place;
		if (!note->running || rarr_place_compare(&other->running_last, &note->running_last) > 0)
			note->running_last = other->running_last;
		note->lease = note->running ? Min(note->lease, other->lease) : other->lease;
		note->running = true;
	}
}

static RarrPendingList pending = {sizeof(RarrNote), merge_notes, act};

/* This subtransaction's note of a group, made if there is none. */
static RarrNote *
get_note(RarrNoteTime time, RarrAgendaKey *key, int priority)
{
	RarrNote   *note = rarr_pending_get(&pending, key, (priority + 1) * RARR_NOTE_TIMES + time);

	note->time = time;
	note->key = key;
	note->priority = priority;
	return note;
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
rarr_agenda_note_job(RarrNoteTime time, Relation jobs, TupleTableSlot *slot)
{
	RarrJobStatus status;
	RarrPlace	place;
	RarrNote	said = {0};
	RarrNote   *note;
	text	   *type;

	if (!rarr_agenda_is_there() || !is_possible(slot))
		return;
	status = rarr_job_status(slot);
	if (status != JOB_QUEUED && status != JOB_RUNNING)
		return;
	type = DatumGetTextPP(rarr_job_value(slot, JOB_JOB_TYPE));
	note = get_note(time,
					rarr_agenda_key(RelationGetRelid(jobs), VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)),
					DatumGetInt32(rarr_job_value(slot, JOB_PRIORITY)));
	place.at = DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT));
	place.id = *rarr_job_id(slot);
	if (status == JOB_QUEUED)
	{
		said.queued = true;
		said.place = place;
		said.jobs = 1;
	}
	else
	{
		said.running = true;
		said.running_place = place;
		said.running_last = place;
		said.lease = DatumGetTimestampTz(rarr_job_value(slot, JOB_LEASE_EXPIRES_AT));
	}
	merge_notes(note, &said);
}

/*
 * Note that every group of this database may change.
 */
void
rarr_agenda_note_everything(RarrNoteTime time)
{
	if (rarr_agenda_is_there())
		(void) get_note(time, NULL, 0);
}

/*
 * Note that the policies of job types will have changed: whoever sleeps until
 * there is a job has to look at them.
 */
void
rarr_agenda_note_policies(void)
{
	if (rarr_agenda_is_there())
		(void) get_note(RARR_AT_COMMIT, NULL, RARR_NOTE_POLICIES);
}

/* Is a job that the note is of due, and from which place on? */
static bool
note_is_due(const RarrNote *note, TimestampTz now, RarrPlace *place)
{
	bool		queued = note->queued && note->place.at <= now;
	bool		lapsed = note->running && note->lease <= now;

	*place = queued ? note->place : note->running_place;
	if (queued && lapsed && rarr_place_compare(&note->running_place, place) < 0)
		*place = note->running_place;
	return queued || lapsed;
}

/*
 * The agenda knows nothing of what this transaction itself made available: the
 * highest priority below `below` of such jobs that are due, and the first
 * one's place.  False if there is none.
 */
bool
rarr_agenda_own_look(const RarrAgendaKey *key, int below, TimestampTz now,
					 int *priority, RarrPlace *place)
{
	const RarrNote *notes = pending.entries;
	bool		found = false;

	for (int i = 0; i < pending.n; i++)
	{
		const RarrNote *note = &notes[i];
		RarrPlace	first;

		if (note->key != key || note->time != RARR_AT_COMMIT || note->priority >= below ||
			!note_is_due(note, now, &first))
			continue;
		if (!found || note->priority > *priority ||
			(note->priority == *priority && rarr_place_compare(&first, place) < 0))
		{
			*priority = note->priority;
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
const RarrNote *
rarr_agenda_pending_notes(int *n)
{
	*n = pending.n;
	return pending.entries;
}

/*
 * Take the callbacks; while the library is preloaded.
 */
void
rarr_agenda_notes_init(void)
{
	rarr_pending_init(&pending);
	RegisterResourceReleaseCallback(after_locks, NULL);
}
