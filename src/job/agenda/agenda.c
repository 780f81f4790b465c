/*
 * agenda.c
 *		Lower bounds of the claimable jobs of each type and priority.
 *
 * The jobs of one type and one priority are a group.  The dequeue index has a
 * group's jobs in the order in which they are claimed.  Entries of finished
 * jobs stay in front of the first queued job as long as an old snapshot keeps
 * VACUUM from removing them.  A dequeue that starts at the beginning of the
 * group reads all of them, every time.  So the agenda has a lower bound for
 * each group, a queue position before which no job of the group can be
 * claimed, and a dequeue enters the index there.
 *
 * A bound is a hint.  Claims find jobs in the table, by a snapshot, and lock
 * them there.  A bound that is too low costs time.  These rules keep bounds
 * from being too high:
 *
 * - A transaction that makes a job claimable, or claimable earlier, lowers the
 *	 group's bound after its commit or abort (pending.c).  This increments the
 *	 group's lower_count.
 *
 * - A claim advances the bound past the entries that it has seen, but only if
 *	 lower_count is the same as before it took its snapshot.  Otherwise a job
 *	 may have become claimable that the snapshot does not show.
 *
 * - Verifier scans (verify.c) find jobs before the bound all the same, and
 *	 leases that have ended, and lower the bound.
 *
 * Lock order: agenda->lock, which protects the assignment of slots, before the
 * lock of a slot.  Nothing that can fail or wait happens under either of them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/schema.h"
#include "base/shmem.h"
#include "job/agenda/agenda.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"

/* how long a backend that found no free slot does without looking again */
#define FULL_RETRY		(10 * USECS_PER_SEC)

typedef struct Agenda
{
	LWLock		lock;			/* over which slot belongs to whom */
	int			tranche;
	pg_atomic_uint64 incarnations;	/* given out so far */
	int			nslots;
	RarrAgendaSlot slots[FLEXIBLE_ARRAY_MEMBER];
} Agenda;

void		(*rarr_agenda_wake_hook) (const RarrAgendaRef *ref, TimestampTz at, int64 jobs) = NULL;

static Agenda *agenda = NULL;

static Size
agenda_size(void)
{
	return offsetof(Agenda, slots) + mul_size(rarr_agenda_types, sizeof(RarrAgendaSlot));
}

static void
attach_agenda(void *memory, bool first)
{
	agenda = memory;
	if (first)
	{
		memset(memory, 0, agenda_size());
		agenda->nslots = rarr_agenda_types;
		pg_atomic_init_u64(&agenda->incarnations, 0);
		agenda->tranche = LWLockNewTrancheId();
		LWLockInitialize(&agenda->lock, agenda->tranche);
		for (int i = 0; i < agenda->nslots; i++)
		{
			RarrAgendaSlot *slot = &agenda->slots[i];

			LWLockInitialize(&slot->lock, agenda->tranche);
			pg_atomic_init_u64(&slot->next_due, 0);
			pg_atomic_init_u64(&slot->next_lapse, 0);
			pg_atomic_init_u64(&slot->pass, 0);
			pg_atomic_init_u64(&slot->turn_alive, 0);
			for (int j = 0; j < RARR_VERIFIER_SCANS; j++)
			{
				pg_atomic_init_u64(&slot->schedules[j].last_step, 0);
				pg_atomic_init_u64(&slot->schedules[j].pause, 0);
				pg_atomic_init_u64(&slot->schedules[j].resting, 0);
			}
		}
	}
	LWLockRegisterTranche(agenda->tranche, "researcharr_agenda");
}

static const RarrShmemPart agenda_part = {"researcharr agenda", agenda_size, attach_agenda};

/*
 * Request the agenda's shared memory.  Called while the library is preloaded.
 */
void
rarr_agenda_init(void)
{
	rarr_shmem_add(&agenda_part);
}

/*
 * Is there an agenda?  Only if the library is preloaded.
 */
bool
rarr_agenda_is_there(void)
{
	return agenda != NULL;
}

/*
 * Wake sleepers for up to `jobs` jobs of a slot's type that may have become
 * claimable, from the time `at` on.  With a ref of NULL, wake all sleepers of
 * this database.  Cannot fail.
 */
void
rarr_agenda_wake(const RarrAgendaRef *ref, TimestampTz at, int64 jobs)
{
	if (rarr_agenda_wake_hook != NULL)
		rarr_agenda_wake_hook(ref, at, jobs);
}

/* The following functions need the slot's lock. */

static RarrQueuePos
get_bound(const RarrAgendaSlot *slot, int priority)
{
	RarrQueuePos place = {slot->bound_at[priority], slot->bound_id[priority]};

	return place;
}

/* Set a bound, and keep next_due the least of the slot's bounds. */
static void
set_bound(RarrAgendaSlot *slot, int priority, const RarrQueuePos *place)
{
	TimestampTz before = slot->bound_at[priority];
	TimestampTz least;

	slot->bound_at[priority] = place->at;
	slot->bound_id[priority] = place->id;
	least = (TimestampTz) pg_atomic_read_u64(&slot->next_due);
	if (place->at < least)
		least = place->at;
	else if (before == least && place->at > before)
	{
		least = DT_NOEND;
		for (int p = 0; p < RARR_PRIORITIES; p++)
			least = Min(least, slot->bound_at[p]);
	}
	pg_atomic_write_u64(&slot->next_due, (uint64) least);
}

/* A job at this position became claimable.  Never advances the bound. */
static void
lower_bound(RarrAgendaSlot *slot, int priority, const RarrQueuePos *place)
{
	RarrQueuePos now = get_bound(slot, priority);

	slot->lower_count[priority]++;
	if (rarr_queue_pos_compare(place, &now) < 0)
		set_bound(slot, priority, place);
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
}

static bool
slot_is_for(const RarrAgendaSlot *slot, Oid table, const char *name)
{
	return slot->incarnation != 0 && slot->database == MyDatabaseId &&
		slot->table == table && strcmp(slot->name, name) == 0;
}

/* Under agenda->lock: the slot of a type, or NULL. */
static RarrAgendaSlot *
find_slot(Oid table, const char *name)
{
	for (int i = 0; i < agenda->nslots; i++)
		if (slot_is_for(&agenda->slots[i], table, name))
			return &agenda->slots[i];
	return NULL;
}

/* Under agenda->lock, exclusively: give a slot to a type. */
static void
assign_slot(RarrAgendaSlot *slot, Oid table, const char *name)
{
	LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
	slot->incarnation = pg_atomic_add_fetch_u64(&agenda->incarnations, 1);
	slot->database = MyDatabaseId;
	slot->table = table;
	strlcpy(slot->name, name, sizeof(slot->name));
	memset(slot->advanced, 0, sizeof(slot->advanced));
	memset(slot->refused, 0, sizeof(slot->refused));
	memset(slot->found, 0, sizeof(slot->found));
	slot->turn = 0;
	pg_atomic_write_u64(&slot->pass, 0);
	reset_slot(slot);
	LWLockRelease(&slot->lock);
}

/* Does a slot belong to a database or a job type that is gone? */
static bool
is_abandoned(Oid database, Oid table, const char *name)
{
	if (database != MyDatabaseId)
		return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
	return table != rarr_relation_oid(rarr_job_table.name) ||
		rarr_job_type_find(name, strlen(name)) == NULL;
}

/*
 * Free the slots whose database or job type is gone.  The catalogs are looked
 * at without a lock held, one slot at a time.
 */
static void
free_abandoned_slots(void)
{
	for (int i = 0; i < agenda->nslots; i++)
	{
		RarrAgendaSlot *slot = &agenda->slots[i];
		char		name[RARR_TYPE_NAME_MAX + 1];
		uint64		incarnation;
		Oid			database;
		Oid			table;

		LWLockAcquire(&agenda->lock, LW_SHARED);
		incarnation = slot->incarnation;
		database = slot->database;
		table = slot->table;
		strlcpy(name, slot->name, sizeof(name));
		LWLockRelease(&agenda->lock);

		if (incarnation == 0 || !is_abandoned(database, table, name))
			continue;
		LWLockAcquire(&agenda->lock, LW_EXCLUSIVE);
		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		if (slot->incarnation == incarnation)
			slot->incarnation = 0;
		LWLockRelease(&slot->lock);
		LWLockRelease(&agenda->lock);
	}
}

/* The slot of a type, which is given one if it has none and one is free. */
static bool
find_or_assign_slot(Oid table, const char *name, RarrAgendaRef *ref)
{
	RarrAgendaSlot *slot;
	bool		assigned = false;

	LWLockAcquire(&agenda->lock, LW_EXCLUSIVE);
	slot = find_slot(table, name);
	for (int i = 0; i < agenda->nslots && slot == NULL; i++)
	{
		if (agenda->slots[i].incarnation == 0)
		{
			slot = &agenda->slots[i];
			assign_slot(slot, table, name);
			assigned = true;
		}
	}
	ref->slot = slot;
	if (slot != NULL)
		ref->incarnation = slot->incarnation;
	LWLockRelease(&agenda->lock);
	/* the sleepers of the slot's last owner */
	if (assigned)
		rarr_agenda_wake(ref, DT_NOBEGIN, PG_INT64_MAX);
	return slot != NULL;
}

/*
 * The slot of a job type of this database, whose jobs are in `table`.  With
 * `create` it is given one, if one is free; that may look at catalogs, while
 * without it nothing can fail.  False if it has none.
 */
bool
rarr_agenda_find(Oid table, const char *name, bool create, RarrAgendaRef *ref)
{
	static int64 full_until = 0;

	if (agenda == NULL)
		return false;
	LWLockAcquire(&agenda->lock, LW_SHARED);
	ref->slot = find_slot(table, name);
	if (ref->slot != NULL)
		ref->incarnation = ref->slot->incarnation;
	LWLockRelease(&agenda->lock);
	if (ref->slot != NULL || !create || rarr_monotonic_now() < full_until)
		return ref->slot != NULL;

	if (find_or_assign_slot(table, name, ref))
		return true;
	free_abandoned_slots();
	if (find_or_assign_slot(table, name, ref))
		return true;
	full_until = rarr_monotonic_now() + FULL_RETRY;
	return false;
}

/*
 * This backend's key for a type; made if there is none.
 */
RarrAgendaKey *
rarr_agenda_key(Oid table, const char *name, int len)
{
	static RarrAgendaKey *keys = NULL;
	RarrAgendaKey *key;

	for (key = keys; key != NULL; key = key->next)
		if (key->table == table && strncmp(key->name, name, len) == 0 && key->name[len] == '\0')
			return key;
	key = MemoryContextAllocZero(TopMemoryContext, offsetof(RarrAgendaKey, name) + len + 1);
	key->table = table;
	memcpy(key->name, name, len);
	key->next = keys;
	keys = key;
	return key;
}

/*
 * The slot of a key's type; see rarr_agenda_find.  NULL if it has none.
 *
 * A type whose jobs nobody has asked for yet has none, and its enqueuers need
 * not look through all slots for it each time: one that is given to it means
 * an incarnation more.  Who makes a slot looks for jobs afterwards, and what
 * is to be told was done before the barrier: one of the two sees the other.
 */
const RarrAgendaRef *
rarr_agenda_ref(RarrAgendaKey *key, bool create)
{
	uint64		incarnations;

	if (agenda == NULL)
		return NULL;
	if (key->ref.slot != NULL && key->ref.slot->incarnation == key->ref.incarnation)
		return &key->ref;
	pg_memory_barrier();
	incarnations = pg_atomic_read_u64(&agenda->incarnations);
	if (!create && key->absent && key->absent_at == incarnations)
		return NULL;
	key->absent = !rarr_agenda_find(key->table, key->name, create, &key->ref);
	key->absent_at = incarnations;
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
	if (ref->slot->incarnation == ref->incarnation)
		return true;
	LWLockRelease(&ref->slot->lock);
	return false;
}

/*
 * Release a slot's lock.
 */
void
rarr_agenda_unlock(const RarrAgendaRef *ref)
{
	LWLockRelease(&ref->slot->lock);
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

	if (ref->slot->incarnation != ref->incarnation)
		return DT_NOBEGIN;
	return Min(due, lapse);
}

/*
 * Return a slot's number, from 0 to researcharr.agenda_types - 1.
 */
int
rarr_agenda_index(const RarrAgendaRef *ref)
{
	return ref->slot - agenda->slots;
}

/*
 * Return the slot with this number, which may be free.
 */
RarrAgendaSlot *
rarr_agenda_slot(int index)
{
	return &agenda->slots[index];
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
 * now.  The caller takes its snapshot afterwards.
 *
 * Copies the group's bound to *view.  Returns false if there is no such group,
 * or if the slot was reassigned.
 */
bool
rarr_agenda_next_group(const RarrAgendaRef *ref, int below, TimestampTz now, RarrAgendaView *view)
{
	bool		found = false;

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

/*
 * Copy the bound of the group of this priority to *view.  Returns false if the
 * slot was reassigned.
 */
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
 * before it can be claimed.
 *
 * view is from before the claim took its snapshot.  If the bound was lowered
 * since, the snapshot may not show the reason, and the bound stays.
 */
void
rarr_agenda_advance_bound(const RarrAgendaRef *ref, const RarrAgendaView *view, const RarrQueuePos *place)
{
	RarrAgendaSlot *slot = ref->slot;
	int			p = view->priority;
	RarrQueuePos now;

	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	now = get_bound(slot, p);
	if (slot->lower_count[p] != view->lower_count)
		slot->refused[p]++;
	else if (rarr_queue_pos_compare(place, &now) > 0)
	{
		set_bound(slot, p, place);
		slot->advanced[p]++;
	}
	LWLockRelease(&slot->lock);
}

/*
 * Lower a group's bound to the position of a job that may have become
 * claimable, and wake sleepers.
 *
 * jobs is the number of such jobs, and place the position of the first one.
 * Cannot fail.
 */
void
rarr_agenda_lower_bound(const RarrAgendaRef *ref, int priority, const RarrQueuePos *place, int64 jobs)
{
	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	lower_bound(ref->slot, priority, place);
	LWLockRelease(&ref->slot->lock);
	rarr_agenda_wake(ref, place->at, jobs);
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

/* Widen a range of positions to include another range. */
static void
widen(RarrQueuePos *first, RarrQueuePos *last, const RarrQueuePos *more_first, const RarrQueuePos *more_last)
{
	if (rarr_queue_pos_compare(more_first, first) < 0)
		*first = *more_first;
	if (rarr_queue_pos_compare(more_last, last) > 0)
		*last = *more_last;
}

/*
 * Record that jobs of a group from first to last are running.  The first of
 * their leases ends at lease.  Wakes the type's designated waker if that is
 * earlier than it would wake.  Cannot fail.
 */
void
rarr_agenda_add_running(const RarrAgendaRef *ref, int priority, const RarrQueuePos *first,
						 const RarrQueuePos *last, TimestampTz lease)
{
	RarrAgendaSlot *slot = ref->slot;
	RarrVerifierScan *scan = &slot->scans[RARR_VERIFY_LAPSES];

	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return;
	widen(&slot->running_first[priority], &slot->running_last[priority], first, last);
	if (scan->group == priority)
		widen(&scan->added_first, &scan->added_last, first, last);
	scan->added_lapse = Min(scan->added_lapse, lease);
	if (lease < (TimestampTz) pg_atomic_read_u64(&slot->next_lapse))
		pg_atomic_write_u64(&slot->next_lapse, (uint64) lease);
	LWLockRelease(&slot->lock);
	rarr_agenda_wake(ref, lease, 1);
}

/*
 * Reset all groups of this database, and wake all its sleepers.  Cannot fail.
 */
void
rarr_agenda_forget_all(void)
{
	if (agenda == NULL)
		return;
	LWLockAcquire(&agenda->lock, LW_SHARED);
	for (int i = 0; i < agenda->nslots; i++)
	{
		RarrAgendaSlot *slot = &agenda->slots[i];

		if (slot->incarnation == 0 || slot->database != MyDatabaseId)
			continue;
		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		reset_slot(slot);
		LWLockRelease(&slot->lock);
	}
	LWLockRelease(&agenda->lock);
	rarr_agenda_wake(NULL, DT_NOBEGIN, PG_INT64_MAX);
}

/*
 * Free the slots of a dropped database.  No session is connected to it.
 */
void
rarr_agenda_forget_database(Oid database)
{
	LWLockAcquire(&agenda->lock, LW_EXCLUSIVE);
	for (int i = 0; i < agenda->nslots; i++)
	{
		RarrAgendaSlot *slot = &agenda->slots[i];

		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		if (slot->database == database)
			slot->incarnation = 0;
		LWLockRelease(&slot->lock);
	}
	LWLockRelease(&agenda->lock);
}
