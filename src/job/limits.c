/*-------------------------------------------------------------------------
 *
 * limits.c
 *		How many jobs of a type may run, and how often one may start: what a
 *		dequeue has to ask.
 *
 * A dequeue that is asked for a type with limits opens it first.  Mostly shared
 * memory knows which of the type's jobs are running (limits_held.c), and the
 * dequeue reserves a place there for each job before it locks it: nobody waits
 * for anybody, and an open transaction holds its own claims' places only.
 *
 * Where shared memory does not know (after a start of the server, when a limit
 * is new, where there is no room or no preload), the running jobs are read
 * from the table (limits_count.c), under a lock of the type's own.  If they
 * fit, they are put into shared memory, and that was that.  Else the dequeue
 * keeps the lock until its claims are written, and lets it go then: they can be
 * read by the next one though they are not committed.  So dequeues of such a
 * type take turns, but no transaction keeps another one waiting.
 *
 * A lapsed job that is handed on was running and is running: that needs no
 * place.  A type at its limit yields those and nothing else.
 *
 * A transaction's end says what became of its claims, and which attempts it
 * ended, after it is visible to others; notes are kept until then.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "job/job.h"
#include "job/job_row.h"
#include "job/limits.h"
#include "job/limits_count.h"

/* when a type's running jobs are read once more; see rarr_held_adopt() */
#define SETTLE_TIME		USECS_PER_SEC

/* how many times its own cost a sweep is followed by a pause */
#define SWEEP_PAUSE		1

/* from so many on, attempts that a transaction ended are no longer noted singly */
#define MANY_NOTES		10000

typedef enum NoteKind
{
	NOTE_NONE,
	NOTE_RESERVED,				/* a claim */
	NOTE_LEFT,					/* an attempt that ended */
	NOTE_MOVED,					/* a lapsed job that was handed on */
	NOTE_LEASE,					/* a lease that ends earlier */
	NOTE_DOUBT,					/* jobs of the type may have left */
	NOTE_DOUBT_ALL,				/* jobs of any type */
	NOTE_FORGET					/* others may be running */
} NoteKind;

typedef struct Note
{
	NoteKind	kind;
	int			level;			/* of the subtransaction */
	RarrLimitRef ref;
	RarrHeldJob job;
	bool		token;
	TimestampTz lease;
} Note;

static Note *notes = NULL;
static int	nnotes = 0;
static int	room = 0;

static Note *
add_note(NoteKind kind, const RarrLimitRef *ref)
{
	Note	   *note;

	if (nnotes == room)
	{
		int			more = Max(room * 2, 16);

		notes = notes == NULL ? MemoryContextAlloc(TopMemoryContext, more * sizeof(Note)) :
			repalloc_huge(notes, (Size) more * sizeof(Note));
		room = more;
	}
	note = &notes[nnotes];
	memset(note, 0, sizeof(Note));
	note->kind = kind;
	note->level = GetCurrentTransactionNestLevel();
	if (ref != NULL)
		note->ref = *ref;
	note->lease = DT_NOEND;
	nnotes++;
	return note;
}

/* A note that needs to be made once only; a look at the last few is enough. */
static void
add_note_once(NoteKind kind, const RarrLimitRef *ref)
{
	for (int i = nnotes - 1; i >= 0 && i >= nnotes - 8; i--)
		if (notes[i].kind == kind && notes[i].level == GetCurrentTransactionNestLevel() &&
			(ref == NULL || notes[i].ref.slot == ref->slot))
			return;
	add_note(kind, ref);
}

static void
act_at_commit(const Note *note)
{
	switch (note->kind)
	{
		case NOTE_RESERVED:
			rarr_held_keep(&note->job);
			break;
		case NOTE_LEFT:
			rarr_held_drop(&note->ref, &note->job.id, note->job.attempt);
			rarr_agenda_poke(note->ref.key);
			break;
		case NOTE_MOVED:
			rarr_held_move(&note->ref, &note->job.id, note->job.attempt);
			break;
		case NOTE_DOUBT:
			rarr_held_doubt(&note->ref);
			rarr_agenda_poke(note->ref.key);
			break;
		case NOTE_DOUBT_ALL:
			rarr_held_doubt_all();
			break;
		case NOTE_FORGET:
			rarr_held_forget(&note->ref);
			break;
		case NOTE_LEASE:
		case NOTE_NONE:
			break;
	}
	if (note->lease != DT_NOEND)
		rarr_held_note_lease(&note->ref, note->lease);
}

static void
at_commit(void)
{
	for (int i = 0; i < nnotes; i++)
		act_at_commit(&notes[i]);
	nnotes = 0;
}

/* Drop the notes of this level and deeper ones, which did not come to pass. */
static void
at_abort(int level)
{
	while (nnotes > 0 && notes[nnotes - 1].level >= level)
	{
		const Note *note = &notes[--nnotes];

		if (note->kind != NOTE_RESERVED)
			continue;
		rarr_held_return(&note->ref, &note->job, note->token);
		rarr_agenda_poke(note->ref.key);
	}
}

/*
 * The transaction goes on under another name: its claims count as running.
 * What it ended is found when it is committed (rarr_limits_prepared_ended).
 */
static void
at_prepare(void)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].kind == NOTE_RESERVED || notes[i].kind == NOTE_FORGET)
			act_at_commit(&notes[i]);
	}
	nnotes = 0;
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		at_commit();
	else if (event == XACT_EVENT_ABORT)
		at_abort(0);
	else if (event == XACT_EVENT_PREPARE)
		at_prepare();
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		at_abort(level);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = nnotes - 1; i >= 0 && notes[i].level >= level; i--)
			notes[i].level = level - 1;
}

/*
 * Declare the shared memory and take the callbacks; while the library is
 * preloaded.
 */
void
rarr_limits_init(void)
{
	rarr_held_init();
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}

/*
 * A prepared transaction of this database ended: what became of the jobs of
 * types with limits has to be looked at.  Cannot fail.
 */
void
rarr_limits_prepared_ended(void)
{
	if (rarr_held_any())
		rarr_held_doubt_all();
}

/* The lock under which the running jobs of a type are read. */
static LOCKTAG
type_lock(Relation jobs, const RarrJobType *type)
{
	uint32		hash = hash_bytes((const unsigned char *) type->name, strlen(type->name));
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, RelationGetRelid(jobs),
					   (uint16) (hash | 1));
	return tag;
}

/* The type is at its limit: only these may be handed on. */
static void
keep_to_lapsed(RarrLimitUse *use, const RarrRunning *running)
{
	use->only_lapsed = true;
	use->lapsed = running->lapsed;
	use->nlapsed = running->nlapsed;
	use->shut = running->nlapsed == 0;
}

/*
 * Shared memory does not know which of the type's jobs are running: read them.
 * They are put there, or else the lock is kept, and counts.
 *
 * Where this session holds the lock already, a trigger that a claim of the type
 * fires asks for another one: there is none to be had.
 */
static void
read_running(RarrLimitUse *use, RarrTable *jobs, TimestampTz now)
{
	LOCKTAG		tag = type_lock(jobs->rel, use->type);
	RarrLimitState state = {0};
	RarrRunning running;
	bool		has_slot;

	if (LockAcquire(&tag, ExclusiveLock, false, false) == LOCKACQUIRE_ALREADY_HELD)
	{
		LockRelease(&tag, ExclusiveLock, false);
		use->shut = true;
		return;
	}
	has_slot = rarr_held_state(&use->ref, use->type, now, &state);
	use->by_lock = !has_slot;
	use->left = INT_MAX;
	if (use->type->max_running > 0 && (!has_slot || !state.counted))
	{
		TimestampTz settle_at = state.settling ? DT_NOEND : now + SETTLE_TIME;

		rarr_running_read(jobs->rel, rarr_table_index(jobs, &rarr_job_take_index), use->type->name,
						  now, &running);
		if (has_slot)
			use->by_lock = !rarr_held_adopt(&use->ref, use->type, running.jobs, running.n, settle_at);
		if (use->by_lock)
			rarr_held_reclaim(now);
		if (use->by_lock)
			use->left = use->type->max_running - running.n - state.pending;
	}
	if (!use->by_lock)
	{
		LockRelease(&tag, ExclusiveLock, false);
		return;
	}
	if (use->left <= 0)
		keep_to_lapsed(use, &running);
}

/* The type may be at its limit: look whether it is, and what has lapsed. */
static void
sweep(RarrLimitUse *use, RarrTable *jobs, const RarrLimitState *state, TimestampTz now)
{
	int			n = state->held;
	RarrHeldJob *held = palloc_extended(n * sizeof(RarrHeldJob), MCXT_ALLOC_HUGE);
	TimestampTz start = GetCurrentTimestamp();
	RarrRunning running;
	int			gone;

	use->shut = state->held >= use->type->max_running;
	if (!rarr_held_begin_sweep(&use->ref, now, held, &n))
		return;
	gone = rarr_running_look(jobs->rel, rarr_table_index(jobs, &rarr_job_id_index), held, n, now, &running);
	rarr_held_end_sweep(&use->ref, held, gone, running.lapse, start,
						start + Max(GetCurrentTimestamp() - start, 0) * SWEEP_PAUSE);
	if (state->held - gone >= use->type->max_running)
		keep_to_lapsed(use, &running);
	else
		use->shut = false;
}

/*
 * What this type, which has limits, may yield to a dequeue; NULL if it has
 * none.  Waits for nothing but other dequeues' claims of the type, and for
 * these only where shared memory does not know.
 */
RarrLimitUse *
rarr_limits_open(RarrTable *jobs, const RarrJobType *type, TimestampTz now)
{
	RarrLimitState state = {0};
	RarrLimitUse *use;
	bool		has_slot;

	if (type->max_running == 0 && type->rate_limit == 0)
		return NULL;
	use = palloc0(sizeof(RarrLimitUse));
	use->type = type;
	use->note = -1;

	/* what would be read there is not what there is if this transaction aborts */
	use->shut = type->max_running > 0 && rarr_has_new_file(jobs->rel);
	if (use->shut)
		return use;
	use->ref = rarr_held_find(RelationGetRelid(jobs->rel), type, true);
	has_slot = rarr_held_state(&use->ref, type, now, &state);
	use->shut = has_slot && state.token_at > now;
	if (use->shut || (has_slot && type->max_running == 0))
		return use;
	if (!has_slot || !state.counted)
	{
		read_running(use, jobs, now);
		has_slot = rarr_held_state(&use->ref, type, now, &state);
	}
	if (use->by_lock || use->shut)
		return use;
	if ((state.held >= type->max_running || state.doubtful) && state.sweep_at <= now)
		sweep(use, jobs, &state, now);
	else
		use->shut = state.held >= type->max_running;
	return use;
}

/*
 * The dequeue has written all that it claims.
 */
void
rarr_limits_close(RarrTable *jobs, RarrLimitUse *use)
{
	LOCKTAG		tag;

	if (use == NULL || !use->by_lock)
		return;
	rarr_rate_close(&use->rate);
	tag = type_lock(jobs->rel, use->type);
	LockRelease(&tag, ExclusiveLock, false);
}

/*
 * May this job, which is not locked yet, be handed out?  It then counts as
 * running from now on, until rarr_limits_give_back() or the transaction's abort.
 */
bool
rarr_limits_reserve(RarrLimitUse *use, TupleTableSlot *job, TimestampTz now)
{
	Note	   *note;

	use->running = rarr_job_status(job) == JOB_RUNNING;
	use->note = -1;
	if (use->only_lapsed && !use->running)
		return false;
	if (use->by_lock && !use->running && use->left <= 0)
		return false;
	if (use->ref.slot < 0)
	{
		use->token = use->type->rate_limit > 0;
		return !use->token || rarr_rate_take(&use->rate, use->type, now);
	}

	/* memory before the reservation: nothing may fail between it and its note */
	note = add_note(NOTE_NONE, &use->ref);
	if (rarr_held_reserve(&use->ref, use->type, use->running || use->by_lock, now,
						  &use->job, &use->token) != RARR_RESERVED)
	{
		nnotes--;
		return false;
	}
	note->kind = NOTE_RESERVED;
	note->job = use->job;
	note->token = use->token;
	use->note = nnotes - 1;
	return true;
}

/*
 * The job is locked, and its latest version is in the slot: it is about to be
 * handed out, under a lease that ends then.  False if it cannot be, since it
 * is no more what it was.
 */
bool
rarr_limits_bind(RarrLimitUse *use, TupleTableSlot *job, TimestampTz lease_end)
{
	Note	   *note;

	if (use->running && rarr_job_status(job) != JOB_RUNNING)
		return false;
	if (use->note < 0)
		return true;
	note = &notes[use->note];
	note->job.id = *rarr_job_id(job);
	note->job.attempt = DatumGetInt32(rarr_job_value(job, JOB_ATTEMPT)) + 1;
	note->lease = lease_end;
	rarr_held_bind(&note->job);
	return true;
}

/*
 * The job was handed out.
 */
void
rarr_limits_took(RarrLimitUse *use)
{
	if (use->by_lock && !use->running)
		use->left--;
}

/*
 * The job was not handed out.
 */
void
rarr_limits_give_back(RarrLimitUse *use)
{
	if (use->ref.slot < 0 && use->token)
		rarr_rate_return(&use->rate);
	if (use->note < 0)
		return;
	rarr_held_return(&use->ref, &use->job, use->token);
	notes[use->note].kind = NOTE_NONE;
	notes[use->note].lease = DT_NOEND;
	use->note = -1;
}

TimestampTz
rarr_limits_yield_at(Oid table, const RarrJobType *type, TimestampTz now)
{
	TimestampTz at = DT_NOBEGIN;
	RarrLimitState state;
	RarrLimitRef ref;

	if (type->paused)
		return DT_NOEND;
	if (type->max_running == 0 && type->rate_limit == 0)
		return DT_NOBEGIN;
	ref = rarr_held_find(table, type, false);
	if (!rarr_held_state(&ref, type, now, &state))
		return DT_NOBEGIN;
	if (type->max_running > 0 && !state.counted)
		return DT_NOBEGIN;
	if (type->max_running > 0 && state.held >= type->max_running)
		at = state.sweep_at;
	return Max(at, state.token_at);
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
rarr_limits_note_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
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
	if (kind == NOTE_LEFT && nnotes > MANY_NOTES)
	{
		add_note_once(NOTE_DOUBT, &ref);
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

/*
 * Plain DML is about to make, change or delete a job; NULL for a version that
 * there is not.
 */
void
rarr_limits_note_dml(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	RarrLimitRef ref;

	if (!rarr_held_any())
		return;
	if (dml_is_running(old) && find_limit(jobs, old, &ref))
		add_note_once(NOTE_DOUBT, &ref);
	if (dml_is_running(new) && find_limit(jobs, new, &ref))
	{
		if (!dml_is_running(old) || memcmp(rarr_job_id(old), rarr_job_id(new), UUID_LEN) != 0)
			add_note_once(NOTE_FORGET, &ref);
		add_note(NOTE_LEASE, &ref)->lease = lease_of(new);
	}
}

void
rarr_limits_note_truncate(void)
{
	if (rarr_held_any())
		add_note_once(NOTE_DOUBT_ALL, NULL);
}
