/*
 * pending.c
 *		Pending entries of the limits: claims, and attempts that end.
 *
 * An entry is added before the action that it describes, because nothing may
 * fail between the two.  It is applied after the end of the transaction, or of
 * a subtransaction that aborts, is visible to other sessions.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/pending.h"
#include "job/agenda/agenda.h"
#include "job/core/job_row.h"
#include "job/limits/pending.h"

/* with so many entries, an attempt that ends only causes a recheck */
#define MANY_ENTRIES 10000

typedef enum PendingKind
{
	PENDING_NONE,
	PENDING_CLAIM,       /* a claim with a reservation */
	PENDING_LATE,        /* claims without reservations */
	PENDING_ENDED,       /* an attempt that ended */
	PENDING_RENEWED,     /* a lapsed job that was claimed */
	PENDING_LEASE,       /* a lease that ends earlier than before */
	PENDING_RECHECK,     /* a job of the set may not be running */
	PENDING_RECHECK_ALL, /* the same of any set */
	PENDING_INVALIDATE   /* a job may be running and not in the set */
} PendingKind;

typedef struct Pending
{
	RarrPendingEntry entry;
	PendingKind kind;
	RarrLimitRef ref;
	RarrRunningJob job;
	bool token;        /* the claim took a token */
	bool uncounted;    /* the claim has no entry in the set */
	TimestampTz lease; /* a lease ends then; or DT_NOEND */
} Pending;

/*
 * Recheck the sets of all types of this database, and wake a sleeper of each.
 */
static void
recheck_all(void)
{
	char name[RARR_TYPE_NAME_MAX + 1];
	RarrAgendaRef ref;
	Oid table;
	int i = 0;

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
			if (rarr_running_set_confirm(&entry->job))
				rarr_agenda_notify(entry->ref.key);
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
 * Undo an aborted claim.  If it has no entry in the set, a concurrent read of
 * the table may have counted it and added one, so the set must be rechecked.
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
 * Apply the entries.  The claims of a prepared transaction count as running.
 * The attempts that it ended are found after COMMIT PREPARED, by a recheck
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
	Pending *entry = into;
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

/* Set the kind and the type of an entry, and the lease of a new one. */
static Pending *
fill_entry(Pending *entry, PendingKind kind, const RarrLimitRef *ref)
{
	if (entry->kind == PENDING_NONE)
		entry->lease = DT_NOEND;
	entry->kind = kind;
	entry->ref = *ref;
	return entry;
}

/*
 * This subtransaction's entry of a kind and type, added if there is none.  If
 * the type has another slot since, the entry is for the new one.
 */
static Pending *
get_entry(PendingKind kind, const RarrLimitRef *ref)
{
	return fill_entry(rarr_pending_get(&pending, ref->key, kind), kind, ref);
}

/* Register the callbacks.  Called while the library is preloaded. */
void
rarr_limits_init(void)
{
	rarr_pending_init(&pending);
}

/* A prepared transaction ended: recheck this database's sets.  Cannot fail. */
void
rarr_limits_prepared_ended(void)
{
	if (rarr_limits_any())
		recheck_all();
}

/*
 * How many entries of the set are of attempts that this transaction has ended?
 * A claim may take their room, as it commits and aborts together with the end of
 * each of them.  Cannot fail.
 */
int
rarr_limits_pending_freed(const RarrLimitRef *ref)
{
	int freed = 0;

	for (int i = 0; i < pending.n; i++)
		if (entry_at(i)->kind == PENDING_ENDED && entry_at(i)->ref.slot == ref->slot &&
			entry_at(i)->ref.generation == ref->generation && rarr_running_set_has(ref, &entry_at(i)->job))
			freed++;
	return freed;
}

/*
 * Add an entry for a claim that is about to be reserved, and return its index.
 *
 * The entry has no effect before rarr_limits_pending_claim().  As long as it
 * is the last one, rarr_limits_pending_drop() removes it.  Raises no errors
 * but those of allocation.
 */
int
rarr_limits_pending_prepare(const RarrLimitRef *ref)
{
	(void) fill_entry(rarr_pending_add(&pending), PENDING_NONE, ref);
	return pending.n - 1;
}

/* Remove the entry that was just prepared.  Cannot fail. */
void
rarr_limits_pending_drop(int index)
{
	Assert(index == pending.n - 1 && entry_at(index)->kind == PENDING_NONE);
	rarr_pending_drop_last(&pending);
}

/*
 * A claim is reserved: job refers to its entry in the set, if it has one, and
 * token says whether it took a token.  uncounted says that it has no entry
 * although it starts a job, because the set is incomplete.  Cannot fail.
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
 * Bind a claim to the job that it has locked.  attempt is the job's new
 * attempt, and lease the end of its lease, by the system clock.  Cannot fail.
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
 * Undo a claim within the transaction: the job is not claimed.  Cannot fail.
 */
void
rarr_limits_pending_undo(int index)
{
	rarr_running_set_cancel(&entry_at(index)->ref, &entry_at(index)->job, entry_at(index)->token);
	entry_at(index)->kind = PENDING_NONE;
	entry_at(index)->lease = DT_NOEND;
}

/*
 * The transaction has claimed jobs of a type without reservations, and the
 * type has got a limit meanwhile.  Invalidate its set now, and recheck it if
 * the transaction aborts.  Raises no errors but those of allocation.
 */
void
rarr_limits_pending_late(const RarrLimitRef *ref)
{
	(void) get_entry(PENDING_LATE, ref);
	rarr_limit_invalidate(ref);
}

/*
 * Find the slot of a job's type.  False if the type has no max_running, or no
 * slot.
 */
static bool
find_limit(Relation jobs, TupleTableSlot *job, RarrLimitRef *ref)
{
	const RarrJobType *type = rarr_job_type_of(job);

	if (type->max_running == 0)
		return false;
	*ref = rarr_limit_find(RelationGetRelid(jobs), type, false);
	return ref->slot >= 0;
}

/*
 * Add an entry for a change of a job by a function of the queue.
 *
 * old and new are the versions before and after, deformed; jobs is
 * processing_jobs.  Claims of queued jobs have their entries already.  Raises
 * no errors but those of reading job_types and of allocation.
 */
void
rarr_limits_pending_change(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	PendingKind kind;
	RarrLimitRef ref;
	Pending *entry;

	if (!rarr_limits_any() || rarr_job_status(old) != JOB_RUNNING)
		return;
	if (rarr_job_status(new) != JOB_RUNNING)
		kind = PENDING_ENDED;
	else if (rarr_job_int(new, JOB_ATTEMPT) != rarr_job_int(old, JOB_ATTEMPT))
		kind = PENDING_RENEWED;
	else if (rarr_job_time(new, JOB_LEASE_EXPIRES_AT) < rarr_job_time(old, JOB_LEASE_EXPIRES_AT))
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
	entry = fill_entry(rarr_pending_add(&pending), kind, &ref);
	entry->job.id = *rarr_job_id(old);
	entry->job.attempt = rarr_job_int(kind == PENDING_ENDED ? old : new, JOB_ATTEMPT);
	if (kind != PENDING_ENDED)
		entry->lease = rarr_job_time(new, JOB_LEASE_EXPIRES_AT);
}

/*
 * Is this row of plain DML a running job?  The row can violate constraints, or
 * be NULL.
 */
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
 * Add entries for an insert (old is NULL), update or delete (new is NULL) of a
 * job by plain DML, before it happens.  Both versions are deformed; jobs is
 * processing_jobs.  Raises no errors but those of reading job_types and of
 * allocation.
 */
void
rarr_limits_pending_dml(Relation jobs, TupleTableSlot *old, TupleTableSlot *new)
{
	RarrLimitRef ref;
	Pending *entry;

	if (!rarr_limits_any())
		return;
	if (dml_is_running(old) && find_limit(jobs, old, &ref))
		(void) get_entry(PENDING_RECHECK, &ref);
	if (dml_is_running(new) && find_limit(jobs, new, &ref))
	{
		if (!dml_is_running(old) || !rarr_job_is_same(old, new))
			(void) get_entry(PENDING_INVALIDATE, &ref);
		entry = get_entry(PENDING_LEASE, &ref);
		entry->lease = Min(entry->lease, rarr_job_time(new, JOB_LEASE_EXPIRES_AT));
	}
}

/* Add an entry for a TRUNCATE of processing_jobs.  Errors: of allocation. */
void
rarr_limits_pending_truncate(void)
{
	static const RarrLimitRef none = {-1, 0, NULL};

	if (rarr_limits_any())
		(void) get_entry(PENDING_RECHECK_ALL, &none);
}
