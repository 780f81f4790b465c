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

/*
 * from so many on, attempts that a transaction ended are no longer noted
 * singly
 */
#define MANY_ENTRIES		10000

typedef enum PendingKind
{
	PENDING_NONE,
	PENDING_CLAIM,
	PENDING_LATE,					/* claims that were not asked for */
	PENDING_ENDED,					/* an attempt that ended */
	PENDING_RENEWED,					/* a lapsed job that was handed on */
	PENDING_LEASE,					/* a lease that ends earlier */
	PENDING_RECHECK,					/* jobs of the type may have left */
	PENDING_RECHECK_ALL,				/* jobs of any type */
	PENDING_INVALIDATE					/* others may be running */
} PendingKind;

typedef struct Pending
{
	RarrPendingEntry entry;
	PendingKind	kind;
	RarrLimitRef ref;
	RarrRunningJob job;
	bool		token;
	bool		uncounted;		/* a claim that was counted, and has no entry */
	TimestampTz lease;
} Pending;

/*
 * Jobs of all types of this database may have left: whoever waits for that
 * looks.
 */
static void
recheck_all(void)
{
	char		name[RARR_TYPE_NAME_MAX + 1];
	RarrAgendaRef ref;
	Oid			table;
	int			i = 0;

	while (rarr_limit_recheck_next(&i, &table, name))
		if (rarr_agenda_find(table, name, false, &ref))
			rarr_agenda_wake(&ref, DT_NOBEGIN, 1);
}

static void
recheck(const Pending *entry)
{
	rarr_limit_recheck(&entry->ref);
	rarr_agenda_notify(entry->ref.key);
}

static void
act_at_commit(const Pending *entry)
{
	switch (entry->kind)
	{
		case PENDING_CLAIM:
			rarr_running_set_confirm(&entry->job);
			break;
		case PENDING_ENDED:
			rarr_running_set_remove(&entry->ref, &entry->job.id, entry->job.attempt);
			rarr_agenda_notify(entry->ref.key);
			break;
		case PENDING_RENEWED:
			rarr_running_set_renew(&entry->ref, &entry->job.id, entry->job.attempt);
			break;
		case PENDING_RECHECK:
			recheck(entry);
			break;
		case PENDING_RECHECK_ALL:
			recheck_all();
			break;
		case PENDING_INVALIDATE:
			rarr_limit_invalidate(&entry->ref);
			break;
		case PENDING_LATE:
		case PENDING_LEASE:
		case PENDING_NONE:
			break;
	}
	if (entry->lease != DT_NOEND)
		rarr_limit_add_lease(&entry->ref, entry->lease);
}

/*
 * The claim did not come to pass.  One without an entry was counted, perhaps
 * by others who gave it one.
 */
static void
undo_claim(const Pending *entry)
{
	rarr_running_set_cancel(&entry->ref, &entry->job, entry->token);
	if (entry->uncounted)
		rarr_limit_recheck(&entry->ref);
	rarr_agenda_notify(entry->ref.key);
}

static void
act_at_abort(const Pending *entry)
{
	if (entry->kind == PENDING_CLAIM)
		undo_claim(entry);
	else if (entry->kind == PENDING_LATE)
		recheck(entry);
}

/*
 * When it is prepared, the transaction goes on under another name: its claims
 * count as running.  What it ended is found when it is committed
 * (rarr_limits_prepared_ended).
 */
static void
act(RarrPendingEvent event, const void *list, int n)
{
	const Pending *entries = list;

	for (int i = 0; i < n; i++)
	{
		if (event == RARR_PENDING_ABORT)
			act_at_abort(&entries[i]);
		else if (event == RARR_PENDING_COMMIT ||
				 entries[i].kind == PENDING_CLAIM || entries[i].kind == PENDING_INVALIDATE)
			act_at_commit(&entries[i]);
	}
}

static void
merge_entries(void *into, const void *from)
{
	Pending	   *entry = into;
	const Pending *other = from;

	entry->ref = other->ref;
	entry->lease = Min(entry->lease, other->lease);
}

static RarrPendingList pending = {sizeof(Pending), merge_entries, act};

static Pending *
entry_at(int i)
{
	return (Pending *) pending.entries + i;
}

static Pending *
fill_entry(Pending *entry, PendingKind kind, const RarrLimitRef *ref)
{
	entry->kind = kind;
	entry->ref = *ref;
	return entry;
}

static Pending *
add_entry(PendingKind kind, const RarrLimitRef *ref)
{
	Pending	   *entry = fill_entry(rarr_pending_add(&pending), kind, ref);

	entry->lease = DT_NOEND;
	return entry;
}

/*
 * A note that one of a kind and type is enough of.  If the type's slot was
 * given away meanwhile, what the note said of the old one no longer matters.
 */
static Pending *
get_entry(PendingKind kind, const RarrLimitRef *ref)
{
	Pending	   *entry = rarr_pending_get(&pending, ref->key, kind);

	if (entry->kind == PENDING_NONE)
		entry->lease = DT_NOEND;
	return fill_entry(entry, kind, ref);
}

/*
 * Declare the shared memory and take the callbacks; while the library is
 * preloaded.
 */
void
rarr_limits_init(void)
{
	rarr_limit_slots_init();
	rarr_pending_init(&pending);
}

/*
 * A prepared transaction of this database ended: what became of the jobs of
 * types with limits has to be looked at.  Cannot fail.
 */
void
rarr_limits_prepared_ended(void)
{
	if (rarr_limits_any())
		recheck_all();
}

/*
 * Room for the note of a claim that is about to be reserved.  It says nothing
 * before rarr_limits_pending_claim(); rarr_limits_pending_drop(), of the last
 * one alone, takes it back.
 */
int
rarr_limits_pending_prepare(const RarrLimitRef *ref)
{
	(void) add_entry(PENDING_NONE, ref);
	return pending.n - 1;
}

void
rarr_limits_pending_drop(int index)
{
	Assert(index == pending.n - 1 && entry_at(index)->kind == PENDING_NONE);
	rarr_pending_drop_last(&pending);
}

/*
 * The claim has its entry, if it needs one, and its token.  uncounted: it has
 * no entry, because it was counted instead.
 */
void
rarr_limits_pending_claim(int index, const RarrRunningJob *job, bool token, bool uncounted)
{
	entry_at(index)->kind = PENDING_CLAIM;
	entry_at(index)->job = *job;
	entry_at(index)->token = token;
	entry_at(index)->uncounted = uncounted;
}

/*
 * The claim is of this job, which is about to run under this attempt until
 * `lease`.
 */
void
rarr_limits_pending_bind(int index, const pg_uuid_t *id, int32 attempt, TimestampTz lease)
{
	entry_at(index)->job.id = *id;
	entry_at(index)->job.attempt = attempt;
	entry_at(index)->lease = lease;
	rarr_running_set_bind(&entry_at(index)->job);
}

/*
 * The job was not claimed.
 */
void
rarr_limits_pending_undo(int index)
{
	rarr_running_set_cancel(&entry_at(index)->ref, &entry_at(index)->job, entry_at(index)->token);
	entry_at(index)->kind = PENDING_NONE;
	entry_at(index)->lease = DT_NOEND;
}

/*
 * The transaction claimed jobs of a type that has got a limit meanwhile, and
 * asked for no place: which ones are running has to be read again, now and
 * if they are not in the end.
 */
void
rarr_limits_pending_late(const RarrLimitRef *ref)
{
	(void) get_entry(PENDING_LATE, ref);
	rarr_limit_invalidate(ref);
}

/*
 * The handle on the type of a job that is or was running; false where it does
 * not matter.
 */
static bool
find_limit(Relation jobs, TupleTableSlot *job, RarrLimitRef *ref)
{
	text	   *name = DatumGetTextPP(rarr_job_value(job, JOB_JOB_TYPE));
	const RarrJobType *type = rarr_job_type_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (type == NULL || type->max_running == 0)
		return false;
	*ref = rarr_limit_find(RelationGetRelid(jobs), type, false);
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
	PendingKind	kind;
	RarrLimitRef ref;
	Pending	   *entry;

	if (!rarr_limits_any() || rarr_job_status(old) != JOB_RUNNING)
		return;
	if (rarr_job_status(new) != JOB_RUNNING)
		kind = PENDING_ENDED;
	else if (attempt_of(new) != attempt_of(old))
		kind = PENDING_RENEWED;
	else if (lease_of(new) < lease_of(old))
		kind = PENDING_LEASE;
	else
		return;
	if (!find_limit(jobs, old, &ref))
		return;
	if (kind == PENDING_ENDED && pending.n > MANY_ENTRIES)
	{
		(void) get_entry(PENDING_RECHECK, &ref);
		return;
	}
	entry = add_entry(kind, &ref);
	entry->job.id = *rarr_job_id(old);
	entry->job.attempt = kind == PENDING_ENDED ? attempt_of(old) : attempt_of(new);
	if (kind != PENDING_ENDED)
		entry->lease = lease_of(new);
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
	Pending	   *entry;

	if (!rarr_limits_any())
		return;
	if (dml_is_running(old) && find_limit(jobs, old, &ref))
		(void) get_entry(PENDING_RECHECK, &ref);
	if (dml_is_running(new) && find_limit(jobs, new, &ref))
	{
		if (!dml_is_running(old) || !is_same_job(old, new))
			(void) get_entry(PENDING_INVALIDATE, &ref);
		entry = get_entry(PENDING_LEASE, &ref);
		entry->lease = Min(entry->lease, lease_of(new));
	}
}

void
rarr_limits_pending_truncate(void)
{
	static const RarrLimitRef none = {-1, 0, NULL};

	if (rarr_limits_any())
		(void) get_entry(PENDING_RECHECK_ALL, &none);
}
