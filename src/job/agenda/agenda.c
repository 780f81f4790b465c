/*
 * agenda.c
 *		Lower bounds of the claimable jobs of each type and priority.
 *
 * README.md explains what a bound is for and how it moves.  Lock order: the
 * registry's lock, which protects the assignment of slots, before the lock of
 * a slot.  Nothing that can fail or wait happens under either of them.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/schema.h"
#include "job/agenda/agenda.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"

/* a backend that found no free slot looks for one again after this */
#define FULL_RETRY (10 * USECS_PER_SEC)

void (*rarr_agenda_wake)(const RarrAgendaRef *ref, TimestampTz at, int64 jobs) = NULL;
void (*rarr_agenda_lease_added)(TimestampTz lease) = NULL;

static RarrSlotRegistry registry = {
	.tranche = "researcharr_agenda",
	.slot_size = sizeof(RarrAgendaSlot),
	.key_size = sizeof(RarrAgendaKey),
};

static Size
agenda_size(void)
{
	return rarr_registry_size(&registry);
}

static void
attach_agenda(void *memory, bool first)
{
	rarr_registry_attach(&registry, memory, first);
	for (int i = 0; i < rarr_agenda_types && first; i++)
	{
		RarrAgendaSlot *slot = rarr_agenda_slot(i);

		LWLockInitialize(&slot->lock, registry.shared->tranche);
		pg_atomic_init_u64(&slot->next_due, 0);
		pg_atomic_init_u64(&slot->next_lapse, 0);
		pg_atomic_init_u64(&slot->pass, 0);
		pg_atomic_init_u64(&slot->first_lease, 0);
		pg_atomic_init_u64(&slot->turn_alive, 0);
		for (int j = 0; j < RARR_VERIFIER_SCANS; j++)
		{
			pg_atomic_init_u64(&slot->schedules[j].last_step, 0);
			pg_atomic_init_u64(&slot->schedules[j].pause, 0);
			pg_atomic_init_u64(&slot->schedules[j].resting, 0);
		}
	}
}

const RarrShmemPart rarr_agenda_part = {"researcharr agenda", agenda_size, attach_agenda};

/* Is there an agenda?  Only if the library is preloaded. */
bool
rarr_agenda_is_there(void)
{
	return registry.shared != NULL;
}

/* The following functions need the slot's lock. */

static RarrQueuePos
get_bound(const RarrAgendaSlot *slot, int priority)
{
	RarrQueuePos pos = {slot->bound_at[priority], slot->bound_id[priority]};

	return pos;
}

/* Set a bound, and keep next_due the least of the slot's bounds. */
static void
set_bound(RarrAgendaSlot *slot, int priority, const RarrQueuePos *pos)
{
	TimestampTz before = slot->bound_at[priority];
	TimestampTz least;

	slot->bound_at[priority] = pos->at;
	slot->bound_id[priority] = pos->id;
	least = (TimestampTz) pg_atomic_read_u64(&slot->next_due);
	if (pos->at < least)
		least = pos->at;
	else if (before == least && pos->at > before)
	{
		least = DT_NOEND;
		for (int p = 0; p < RARR_PRIORITIES; p++)
			least = Min(least, slot->bound_at[p]);
	}
	pg_atomic_write_u64(&slot->next_due, (uint64) least);
}

/* A job at this position became claimable.  Never advances the bound. */
static void
lower_bound(RarrAgendaSlot *slot, int priority, const RarrQueuePos *pos)
{
	RarrQueuePos now = get_bound(slot, priority);

	slot->lower_count[priority]++;
	if (rarr_queue_pos_compare(pos, &now) < 0)
		set_bound(slot, priority, pos);
}

/* Forget what is known of the type: any job may be due or lapsed. */
static void
reset_slot(RarrAgendaSlot *slot)
{
	for (int p = 0; p < RARR_PRIORITIES; p++)
	{
		slot->lower_count[p]++;
		slot->bound_at[p] = DT_NOBEGIN;
		slot->running_first[p] = rarr_last_queue_pos;
		slot->running_last[p] = rarr_first_queue_pos;
		memset(&slot->bound_id[p], 0, sizeof(pg_uuid_t));
	}
	pg_atomic_write_u64(&slot->next_due, (uint64) DT_NOBEGIN);
	pg_atomic_write_u64(&slot->next_lapse, (uint64) DT_NOBEGIN);
	for (int i = 0; i < RARR_VERIFIER_SCANS; i++)
	{
		slot->scans[i].under_way = false;
		slot->scans[i].group = -1;
		slot->scans[i].last_round = DT_NOBEGIN;
		pg_atomic_write_u64(&slot->schedules[i].pause, 0);
		pg_atomic_write_u64(&slot->schedules[i].resting, 0);
	}
	slot->scans[RARR_VERIFY_LAPSES].added_lapse = DT_NOBEGIN;
	slot->running_pass.surveyed = slot->running_pass.under_way = false;
	pg_atomic_write_u64(&slot->first_lease, (uint64) DT_NOBEGIN);
}

/* Does a slot of this database belong to a dropped table or type? */
static bool
is_abandoned(Oid table, const char *name)
{
	return table != rarr_relation_oid(rarr_job_table.name) ||
		   rarr_job_type_find(name) == NULL;
}

/* Free a slot.  Needs the registry's lock. */
static void
drop_slot(const RarrSlotRegistry *slots, RarrSlot *slot)
{
	LWLock *lock = &((RarrAgendaSlot *) slot)->lock;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	rarr_slot_free(slots, slot);
	LWLockRelease(lock);
}

/* Give a type a free slot, or return NULL.  Needs the registry's lock. */
static RarrAgendaSlot *
give_slot(Oid table, const char *name)
{
	RarrAgendaSlot *slot = rarr_slot_give(&registry, table, name);

	if (slot == NULL)
		return NULL;
	LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
	memset(slot->advanced, 0, sizeof(slot->advanced));
	memset(slot->refused, 0, sizeof(slot->refused));
	memset(slot->found, 0, sizeof(slot->found));
	slot->turn = 0;
	pg_atomic_write_u64(&slot->pass, 0);
	reset_slot(slot);
	LWLockRelease(&slot->lock);
	return slot;
}

/* Find the slot of a type.  With create, give it one if it has none. */
static bool
find_slot(Oid table, const char *name, bool create, RarrAgendaRef *ref)
{
	bool given = false;

	LWLockAcquire(registry.lock, create ? LW_EXCLUSIVE : LW_SHARED);
	ref->slot = rarr_slot_find(&registry, table, name);
	if (ref->slot == NULL && create)
	{
		ref->slot = give_slot(table, name);
		given = ref->slot != NULL;
	}
	if (ref->slot != NULL)
		ref->generation = rarr_slot_generation(&ref->slot->head);
	LWLockRelease(registry.lock);

	/* wake the sleepers of the slot's last owner */
	if (given)
	{
		rarr_agenda_wake(ref, DT_NOBEGIN, PG_INT64_MAX);
		rarr_agenda_lease_added(DT_NOBEGIN);
	}
	return ref->slot != NULL;
}

/*
 * Set *ref to the slot of a job type of this database.  table: the OID of
 * processing_jobs; create: give the type a slot if it has none and one is free,
 * which can read catalogs and raises their errors.  Without create, nothing can
 * fail.  Returns false if the type has no slot.
 */
bool
rarr_agenda_find(Oid table, const char *name, bool create, RarrAgendaRef *ref)
{
	static int64 full_until = 0;

	if (registry.shared == NULL)
		return false;
	if (find_slot(table, name, false, ref))
		return true;
	if (!create || rarr_monotonic_now() < full_until)
		return false;
	if (find_slot(table, name, true, ref))
		return true;
	rarr_registry_drop_abandoned(&registry, is_abandoned, drop_slot);
	if (find_slot(table, name, true, ref))
		return true;
	full_until = rarr_monotonic_now() + FULL_RETRY;
	return false;
}

/*
 * Return this backend's key for the type of this name.  It stays valid as long
 * as the backend lives.  Raises no errors but those of allocation.
 */
RarrAgendaKey *
rarr_agenda_key(Oid table, const text *name)
{
	return rarr_registry_key(&registry, table, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* The same for a type that a function of job_type.h has returned. */
RarrAgendaKey *
rarr_agenda_type_key(Oid table, const RarrJobType *type)
{
	if (type->agenda == NULL || type->agenda->head.table != table)
		unconstify(RarrJobType *, type)->agenda =
			rarr_registry_key(&registry, table, type->name, strlen(type->name));
	return type->agenda;
}

/* Does the slot still belong to the type for which the handle was made? */
static bool
is_current(const RarrAgendaRef *ref)
{
	return rarr_slot_generation(&ref->slot->head) == ref->generation;
}

/*
 * Return the slot of a key's type, or NULL if it has none.  create, and the
 * errors, are as in rarr_agenda_find().
 *
 * A type has no slot before the first dequeue of its jobs.  Enqueues of such a
 * type need not search all slots each time, because the registry changes when
 * the type is given one.  The backend that creates a slot scans for jobs after
 * publishing it, and a notifier makes its change visible before this barrier,
 * so at least one of them sees the other.
 */
const RarrAgendaRef *
rarr_agenda_ref(RarrAgendaKey *key, bool create)
{
	uint64 changes;

	if (registry.shared == NULL)
		return NULL;
	if (key->ref.slot != NULL && is_current(&key->ref))
		return &key->ref;
	pg_memory_barrier();
	changes = pg_atomic_read_u64(&registry.shared->changes);
	if (!create && key->absent && key->absent_at == changes)
		return NULL;
	key->absent = !rarr_agenda_find(key->head.table, key->head.name, create, &key->ref);
	key->absent_at = changes;
	return key->absent ? NULL : &key->ref;
}

/*
 * Lock a slot, if it still belongs to the type of the handle.  Returns false,
 * without the lock, if it does not.  Cannot fail.
 */
bool
rarr_agenda_lock(const RarrAgendaRef *ref, LWLockMode mode)
{
	LWLockAcquire(&ref->slot->lock, mode);
	if (is_current(ref))
		return true;
	LWLockRelease(&ref->slot->lock);
	return false;
}

/*
 * Return the earliest time, by the system clock, at which a job of the type
 * can be due or a lease can end.  Needs no lock, so that a look at an empty
 * queue is cheap.
 */
TimestampTz
rarr_agenda_next_due(const RarrAgendaRef *ref)
{
	TimestampTz due = (TimestampTz) pg_atomic_read_u64(&ref->slot->next_due);
	TimestampTz lapse = (TimestampTz) pg_atomic_read_u64(&ref->slot->next_lapse);

	if (!is_current(ref))
		return DT_NOBEGIN;
	return Min(due, lapse);
}

/* Return a slot's number, from 0 to researcharr.agenda_types - 1. */
int
rarr_agenda_index(const RarrAgendaRef *ref)
{
	return ref->slot - rarr_agenda_slot(0);
}

/* Return the slot with this number, which may be free. */
RarrAgendaSlot *
rarr_agenda_slot(int index)
{
	return (RarrAgendaSlot *) registry.slots + index;
}

static void
fill_view(const RarrAgendaSlot *slot, int priority, RarrAgendaView *view)
{
	view->priority = priority;
	view->bound = get_bound(slot, priority);
	view->lower_count = slot->lower_count[priority];
}

/*
 * Find the highest priority below the given one of which a job can be due at
 * now, and copy the group's bound to *view.  The caller takes its snapshot
 * afterwards.  Returns false if there is none, or if the slot was reassigned.
 */
bool
rarr_agenda_next_group(const RarrAgendaRef *ref, int below, TimestampTz now, RarrAgendaView *view)
{
	bool found = false;

	if (!rarr_agenda_lock(ref, LW_SHARED))
		return false;
	for (int p = below - 1; p >= 0 && !found; p--)
	{
		found = ref->slot->bound_at[p] <= now;
		if (found)
			fill_view(ref->slot, p, view);
	}
	LWLockRelease(&ref->slot->lock);
	return found;
}

/* Copy the bound of a group to *view; false if the slot was reassigned. */
bool
rarr_agenda_group(const RarrAgendaRef *ref, int priority, RarrAgendaView *view)
{
	if (!rarr_agenda_lock(ref, LW_SHARED))
		return false;
	fill_view(ref->slot, priority, view);
	LWLockRelease(&ref->slot->lock);
	return true;
}

/*
 * Advance a group's bound to this position: a claim has found that no job
 * before it can be claimed.  view is from before the claim took its snapshot.
 * If the bound was lowered since, the bound stays.
 */
void
rarr_agenda_advance_bound(const RarrAgendaRef *ref, const RarrAgendaView *view, const RarrQueuePos *pos)
{
	RarrAgendaSlot *slot = ref->slot;
	int p = view->priority;
	RarrQueuePos now;

	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	now = get_bound(slot, p);
	if (slot->lower_count[p] != view->lower_count)
		slot->refused[p]++;
	else if (rarr_queue_pos_compare(pos, &now) > 0)
	{
		set_bound(slot, p, pos);
		slot->advanced[p]++;
	}
	LWLockRelease(&slot->lock);
}

/*
 * Lower a group's bound to pos, the first position of this number of jobs that
 * may have become claimable, and wake sleepers.  Cannot fail.
 */
void
rarr_agenda_lower_bound(const RarrAgendaRef *ref, int priority, const RarrQueuePos *pos, int64 jobs)
{
	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	lower_bound(ref->slot, priority, pos);
	LWLockRelease(&ref->slot->lock);
	rarr_agenda_wake(ref, pos->at, jobs);
}

/*
 * Wake a sleeper for a type whose limits may allow one more job to start, or
 * may have to be checked.  The bounds do not change.  Cannot fail.
 */
void
rarr_agenda_notify(RarrAgendaKey *key)
{
	const RarrAgendaRef *ref = rarr_agenda_ref(key, false);

	if (ref != NULL)
		rarr_agenda_wake(ref, DT_NOBEGIN, 1);
}

/* Widen a range of positions to include these jobs. */
static void
widen(RarrQueuePos *first, RarrQueuePos *last, const RarrRunning *running)
{
	if (rarr_queue_pos_compare(&running->first, first) < 0)
		*first = running->first;
	if (rarr_queue_pos_compare(&running->last, last) > 0)
		*last = running->last;
}

/*
 * Record that these jobs of a group are running.  Wakes the type's designated
 * waker if a lease ends before it would wake.  Cannot fail.
 */
void
rarr_agenda_add_running(const RarrAgendaRef *ref, int priority, const RarrRunning *running)
{
	RarrAgendaSlot *slot = ref->slot;
	RarrVerifierScan *scan = &slot->scans[RARR_VERIFY_LAPSES];
	bool earlier;

	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	widen(&slot->running_first[priority], &slot->running_last[priority], running);
	if (scan->group == priority)
		widen(&scan->added_first, &scan->added_last, running);
	scan->added_lapse = Min(scan->added_lapse, running->lease);
	if (running->lease < (TimestampTz) pg_atomic_read_u64(&slot->next_lapse))
		pg_atomic_write_u64(&slot->next_lapse, (uint64) running->lease);
	slot->running_pass.added = Min(slot->running_pass.added, running->lease);
	earlier = running->lease < (TimestampTz) pg_atomic_read_u64(&slot->first_lease);
	if (earlier)
		pg_atomic_write_u64(&slot->first_lease, (uint64) running->lease);
	LWLockRelease(&slot->lock);
	rarr_agenda_wake(ref, running->lease, 1);
	if (earlier)
		rarr_agenda_lease_added(running->lease);
}

/*
 * Reset all groups of this database, and wake all its sleepers.  Cannot fail.
 */
void
rarr_agenda_forget_all(void)
{
	if (registry.shared == NULL)
		return;
	LWLockAcquire(registry.lock, LW_SHARED);
	for (int i = 0; i < registry.shared->used; i++)
	{
		RarrAgendaSlot *slot = rarr_agenda_slot(i);

		if (rarr_slot_generation(&slot->head) == 0 || slot->head.database != MyDatabaseId)
			continue;
		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		reset_slot(slot);
		LWLockRelease(&slot->lock);
	}
	LWLockRelease(registry.lock);
	rarr_agenda_wake(NULL, DT_NOBEGIN, PG_INT64_MAX);
	rarr_agenda_lease_added(DT_NOBEGIN);
}

/* Free the slots of a dropped database.  No session is connected to it. */
void
rarr_agenda_forget_database(Oid database)
{
	rarr_registry_drop_database(&registry, database, drop_slot);
}

/* Copy the i-th slot and its name; false if it is of another database. */
bool
rarr_agenda_copy(int i, RarrAgendaSlot *copy, char *name)
{
	RarrAgendaSlot *slot = rarr_agenda_slot(i);

	LWLockAcquire(registry.lock, LW_SHARED);
	LWLockAcquire(&slot->lock, LW_SHARED);
	memcpy(copy, slot, sizeof(RarrAgendaSlot));
	strlcpy(name, rarr_slot_name(&registry, slot), RARR_SLOT_NAME_MAX + 1);
	LWLockRelease(&slot->lock);
	LWLockRelease(registry.lock);
	return rarr_slot_generation(&copy->head) != 0 && copy->head.database == MyDatabaseId;
}
