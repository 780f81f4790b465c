/*
 * pending.c
 *		What a transaction owes the limits of job types once it is over.
 *
 * A transaction's end says what became of its claims, and which attempts it
 * ended, after it is visible to others; notes are kept until then.  A
 * subtransaction that aborts acts on its own at once.  A note is made before
 * what it tells of is done: nothing may fail between the two.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/pending.h"
#include "job/agenda/agenda.h"
#include "job/core/job_row.h"
#include "job/limits/pending.h"

/* from so many on, attempts that a transaction ended are no longer noted singly */
#define MANY_NOTES		10000

typedef enum NoteKind
{
	NOTE_NONE,
	NOTE_CLAIM,
	NOTE_LATE,					/* claims that were not asked for */
	NOTE_LEFT,					/* an attempt that ended */
	NOTE_MOVED,					/* a lapsed job that was handed on */
	NOTE_LEASE,					/* a lease that ends earlier */
	NOTE_DOUBT,					/* jobs of the type may have left */
	NOTE_DOUBT_ALL,				/* jobs of any type */
	NOTE_FORGET					/* others may be running */
} NoteKind;

typedef struct Note
{
	RarrPendingEntry entry;
	NoteKind	kind;
	RarrLimitRef ref;
	RarrHeldJob job;
	bool		token;
	bool		placeless;		/* a claim that was counted, and has no entry */
	TimestampTz lease;
} Note;

/*
 * Jobs of all types of this database may have left: whoever waits for that
 * looks.
 */
static void
doubt_all(void)
{
	char		name[RARR_TYPE_NAME_MAX + 1];
	RarrAgendaRef ref;
	Oid			table;
	int			i = 0;

	while (rarr_held_doubt_next(&i, &table, name))
		if (rarr_agenda_find(table, name, false, &ref))
			rarr_agenda_wake(&ref, DT_NOBEGIN, 1);
}

static void
doubt(const Note *note)
{
	rarr_held_doubt(&note->ref);
	rarr_agenda_notify(note->ref.key);
}

static void
act_at_commit(const Note *note)
{
	switch (note->kind)
	{
		case NOTE_CLAIM:
			rarr_held_keep(&note->job);
			break;
		case NOTE_LEFT:
			rarr_held_drop(&note->ref, &note->job.id, note->job.attempt);
			rarr_agenda_notify(note->ref.key);
			break;
		case NOTE_MOVED:
			rarr_held_move(&note->ref, &note->job.id, note->job.attempt);
			break;
		case NOTE_DOUBT:
			doubt(note);
			break;
		case NOTE_DOUBT_ALL:
			doubt_all();
			break;
		case NOTE_FORGET:
			rarr_held_forget(&note->ref);
			break;
		case NOTE_LATE:
		case NOTE_LEASE:
		case NOTE_NONE:
			break;
	}
	if (note->lease != DT_NOEND)
		rarr_held_note_lease(&note->ref, note->lease);
}

/*
 * The claim did not come to pass.  One without an entry was counted, perhaps
 * by others who gave it one.
 */
static void
undo_claim(const Note *note)
{
	rarr_held_return(&note->ref, &note->job, note->token);
	if (note->placeless)
		rarr_held_doubt(&note->ref);
	rarr_agenda_notify(note->ref.key);
}

static void
act_at_abort(const Note *note)
{
	if (note->kind == NOTE_CLAIM)
		undo_claim(note);
	else if (note->kind == NOTE_LATE)
		doubt(note);
}

/*
 * When it is prepared, the transaction goes on under another name: its claims
 * count as running.  What it ended is found when it is committed
 * (rarr_limits_prepared_ended).
 */
static void
act(RarrPendingEvent event, const void *entries, int n)
{
	const Note *notes = entries;

	for (int i = 0; i < n; i++)
	{
		if (event == RARR_PENDING_ABORT)
			act_at_abort(&notes[i]);
		else if (event == RARR_PENDING_COMMIT ||
				 notes[i].kind == NOTE_CLAIM || notes[i].kind == NOTE_FORGET)
			act_at_commit(&notes[i]);
	}
}

static void
merge_notes(void *entry, const void *same)
{
	Note	   *note = entry;
	const Note *other = same;

	note->ref = other->ref;
	note->lease = Min(note->lease, other->lease);
}

static RarrPendingList pending = {sizeof(Note), merge_notes, act};

static Note *
note_at(int i)
{
	return (Note *) pending.entries + i;
}

static Note *
fill_note(Note *note, NoteKind kind, const RarrLimitRef *ref)
{
	note->kind = kind;
	note->ref = *ref;
	return note;
}

static Note *
add_note(NoteKind kind, const RarrLimitRef *ref)
{
	Note	   *note = fill_note(rarr_pending_add(&pending), kind, ref);

	note->lease = DT_NOEND;
	return note;
}

/*
 * A note that one of a kind and type is enough of.  If the type's slot was given
 * away meanwhile, what the note said of the old one no longer matters.
 */
static Note *
get_note(NoteKind kind, const RarrLimitRef *ref)
{
	Note	   *note = rarr_pending_get(&pending, ref->key, kind);

	if (note->kind == NOTE_NONE)
		note->lease = DT_NOEND;
	return fill_note(note, kind, ref);
}

/*
 * Declare the shared memory and take the callbacks; while the library is
 * preloaded.
 */
void
rarr_limits_init(void)
{
	rarr_held_init();
	rarr_pending_init(&pending);
}

/*
 * A prepared transaction of this database ended: what became of the jobs of
 * types with limits has to be looked at.  Cannot fail.
 */
void
rarr_limits_prepared_ended(void)
{
	if (rarr_held_any())
		doubt_all();
}

/*
 * Room for the note of a claim that is about to be reserved.  It says nothing
 * before rarr_limits_pending_claim(); rarr_limits_pending_drop(), of the last one
 * alone, takes it back.
 */
int
rarr_limits_pending_prepare(const RarrLimitRef *ref)
{
	(void) add_note(NOTE_NONE, ref);
	return pending.n - 1;
}

void
rarr_limits_pending_drop(int note)
{
	Assert(note == pending.n - 1 && note_at(note)->kind == NOTE_NONE);
	rarr_pending_drop_last(&pending);
}

/*
 * The claim has its entry, if it needs one, and its token.  placeless: it has
 * no entry, because it was counted instead.
 */
void
rarr_limits_pending_claim(int note, const RarrHeldJob *job, bool token, bool placeless)
{
	note_at(note)->kind = NOTE_CLAIM;
	note_at(note)->job = *job;
	note_at(note)->token = token;
	note_at(note)->placeless = placeless;
}

/*
 * The claim is of this job, which is about to run under this attempt until
 * `lease`.
 */
void
rarr_limits_pending_bind(int note, const pg_uuid_t *id, int32 attempt, TimestampTz lease)
{
	note_at(note)->job.id = *id;
	note_at(note)->job.attempt = attempt;
	note_at(note)->lease = lease;
	rarr_held_bind(&note_at(note)->job);
}

/*
 * The job was not claimed.
 */
void
rarr_limits_pending_undo(int note)
{
	rarr_held_return(&note_at(note)->ref, &note_at(note)->job, note_at(note)->token);
	note_at(note)->kind = NOTE_NONE;
	note_at(note)->lease = DT_NOEND;
}

/*
 * The transaction claimed jobs of a type that has got a limit meanwhile, and
 * asked for no place: which ones are running has to be read again, now and
 * if they are not in the end.
 */
void
rarr_limits_pending_late(const RarrLimitRef *ref)
{
	(void) get_note(NOTE_LATE, ref);
	rarr_held_forget(ref);
}

/* The handle on the type of a job that is or was running; false where it does not matter. */
static bool
find_limit(Relation jobs, TupleTableSlot *job, RarrLimitRef *ref)
{
	text	   *name = DatumGetTextPP(rarr_job_value(job, JOB_JOB_TYPE));
	const RarrJobType *type = rarr_job_type_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (type == NULL || type->max_running == 0)
		return false;
	*ref = rarr_held_find(RelationGetRelid(jobs), type, false);
	return ref->slot >= 0;
}

static int32
attempt_of(TupleTableSlot *job)
{
	return DatumGetInt32(rarr_job_value(job, JOB_ATTEMPT));
}

static TimestampTz
lease_of(TupleTableSlot *job)
{
	return DatumGetTimestampTz(rarr_job_value(job, JOB_LEASE_EXPIRES_AT));
}

/*
 * A function of the queue changed a job.  Claims of queued ones are noted
 * already.
 */
void
rarr_limits_pending_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	NoteKind	kind;
	RarrLimitRef ref;
	Note	   *note;

	if (!rarr_held_any() || rarr_job_status(old) != JOB_RUNNING)
		return;
	if (rarr_job_status(new) != JOB_RUNNING)
		kind = NOTE_LEFT;
	else if (attempt_of(new) != attempt_of(old))
		kind = NOTE_MOVED;
	else if (lease_of(new) < lease_of(old))
		kind = NOTE_LEASE;
	else
		return;
	if (!find_limit(jobs, old, &ref))
		return;
	if (kind == NOTE_LEFT && pending.n > MANY_NOTES)
	{
		(void) get_note(NOTE_DOUBT, &ref);
		return;
	}
	note = add_note(kind, &ref);
	note->job.id = *rarr_job_id(old);
	note->job.attempt = kind == NOTE_LEFT ? attempt_of(old) : attempt_of(new);
	if (kind != NOTE_LEFT)
		note->lease = lease_of(new);
}

/* Is this row of plain DML, which may be none that can be, a running job? */
static bool
dml_is_running(TupleTableSlot *job)
{
	static const int needed[] = {JOB_ID, JOB_JOB_TYPE, JOB_STATUS, JOB_ATTEMPT, JOB_LEASE_EXPIRES_AT};

	if (job == NULL)
		return false;
	for (int i = 0; i < lengthof(needed); i++)
		if (rarr_job_is_null(job, needed[i]))
			return false;
	return rarr_job_has_status(job) && rarr_job_status(job) == JOB_RUNNING;
}

/* Are the two versions, both running, of one job, that counts for one type? */
static bool
is_same_job(TupleTableSlot *old, TupleTableSlot *new)
{
	return memcmp(rarr_job_id(old), rarr_job_id(new), UUID_LEN) == 0 &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID,
											 rarr_job_value(old, JOB_JOB_TYPE),
											 rarr_job_value(new, JOB_JOB_TYPE)));
}

/*
 * Plain DML is about to make, change or delete a job; NULL for a version that
 * there is not.
 */
void
rarr_limits_pending_dml(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	RarrLimitRef ref;
	Note	   *note;

	if (!rarr_held_any())
		return;
	if (dml_is_running(old) && find_limit(jobs, old, &ref))
		(void) get_note(NOTE_DOUBT, &ref);
	if (dml_is_running(new) && find_limit(jobs, new, &ref))
	{
		if (!dml_is_running(old) || !is_same_job(old, new))
			(void) get_note(NOTE_FORGET, &ref);
		note = get_note(NOTE_LEASE, &ref);
		note->lease = Min(note->lease, lease_of(new));
	}
}

void
rarr_limits_pending_truncate(void)
{
	static const RarrLimitRef none = {-1, 0, NULL};

	if (rarr_held_any())
		(void) get_note(NOTE_DOUBT_ALL, &none);
}
