/*
 * slot_registry.c
 *		Slots in shared memory that are given to job types, and freed again.
 *
 * A tracker keeps a slot for each job type of each database that it knows.  A
 * registry says which slot is whose.  There are researcharr.agenda_types slots;
 * when all are taken, those of databases and types that no longer exist are
 * freed.
 *
 * Each time that a slot is given away it gets a new generation.  A backend
 * remembers a slot together with its generation, and must compare it before it
 * relies on the slot.  A registry's lock protects generation, database, table
 * and name of all its slots, and what its owner likes.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "base/slot_registry.h"

/* How much shared memory a registry needs. */
Size
rarr_registry_size(const RarrSlotRegistry *registry)
{
	Size size = mul_size(rarr_agenda_types, registry->slot_size + RARR_SLOT_NAME_MAX + 1);

	return MAXALIGN(add_size(size, MAXALIGN(sizeof(RarrSlotShared))));
}

/*
 * Attach to this memory, and initialize it if this process is the first one.  Of
 * a slot, all but its head is zero then.
 */
void
rarr_registry_attach(RarrSlotRegistry *registry, void *memory, bool first)
{
	RarrSlotShared *shared = memory;

	registry->shared = shared;
	registry->lock = &shared->lock;
	registry->slots = (char *) memory + MAXALIGN(sizeof(RarrSlotShared));
	registry->names = registry->slots + rarr_agenda_types * registry->slot_size;
	if (first)
	{
		memset(memory, 0, rarr_registry_size(registry));
		shared->tranche = LWLockNewTrancheId();
		LWLockInitialize(&shared->lock, shared->tranche);
		pg_atomic_init_u64(&shared->changes, 1);
		for (int i = 0; i < rarr_agenda_types; i++)
			pg_atomic_init_u64(&((RarrSlot *) rarr_slot_at(registry, i))->generation, 0);
	}
	LWLockRegisterTranche(shared->tranche, registry->tranche);
}

/* This backend's key for a name.  A new one is zero after its head. */
void *
rarr_registry_key(RarrSlotRegistry *registry, Oid table, const char *name, int len)
{
	RarrSlotKey *key;

	for (key = registry->keys; key != NULL; key = key->next)
		if (key->table == table && strncmp(key->name, name, len) == 0 && key->name[len] == '\0')
			return key;
	key = MemoryContextAllocZero(TopMemoryContext, registry->key_size + len + 1);
	key->table = table;
	key->name = (char *) key + registry->key_size;
	memcpy(key->name, name, len);
	key->next = registry->keys;
	registry->keys = key;
	return key;
}

/* Does a slot belong to a name in this table of this database? */
bool
rarr_slot_is_of(const RarrSlot *slot, Oid table)
{
	return rarr_slot_generation(slot) != 0 && slot->table == table && slot->database == MyDatabaseId;
}

/* The slot of a name in a table of this database, or NULL. */
void *
rarr_slot_find(const RarrSlotRegistry *registry, Oid table, const char *name)
{
	for (int i = 0; i < registry->shared->used; i++)
	{
		RarrSlot *slot = rarr_slot_at(registry, i);

		if (rarr_slot_is_of(slot, table) && strcmp(rarr_slot_name(registry, slot), name) == 0)
			return slot;
	}
	return NULL;
}

static RarrSlot *
free_slot(const RarrSlotRegistry *registry)
{
	RarrSlotShared *shared = registry->shared;

	for (int i = 0; i < shared->used; i++)
		if (rarr_slot_generation(rarr_slot_at(registry, i)) == 0)
			return rarr_slot_at(registry, i);
	return shared->used < rarr_agenda_types ? rarr_slot_at(registry, shared->used) : NULL;
}

/*
 * Give a free slot to a name that has none; NULL if no slot is free.  The owner
 * initializes it before it releases the lock, which is exclusive.
 */
void *
rarr_slot_give(const RarrSlotRegistry *registry, Oid table, const char *name)
{
	RarrSlotShared *shared = registry->shared;
	RarrSlot *slot = strlen(name) <= RARR_SLOT_NAME_MAX ? free_slot(registry) : NULL;

	if (slot == NULL)
		return NULL;
	shared->used = Max(shared->used, rarr_slot_index(registry, slot) + 1);
	slot->database = MyDatabaseId;
	slot->table = table;
	strcpy(rarr_slot_name(registry, slot), name);
	pg_atomic_write_u64(&slot->generation, pg_atomic_add_fetch_u64(&shared->changes, 1));
	return slot;
}

/* The slot is nobody's any more. */
void
rarr_slot_free(const RarrSlotRegistry *registry, RarrSlot *slot)
{
	pg_atomic_write_u64(&slot->generation, 0);
	pg_atomic_fetch_add_u64(&registry->shared->changes, 1);
}

bool
rarr_registry_is_full(const RarrSlotRegistry *registry)
{
	return free_slot(registry) == NULL;
}

/*
 * Drop the slots of databases that no longer exist, and those of this database
 * that the owner has no use for.
 */
void
rarr_registry_drop_abandoned(const RarrSlotRegistry *registry, RarrSlotFilter is_abandoned,
							 RarrSlotDrop drop)
{
	for (int i = 0; i < registry->shared->used; i++)
	{
		RarrSlot *slot = rarr_slot_at(registry, i);
		RarrSlot copy;
		char name[RARR_SLOT_NAME_MAX + 1];

		LWLockAcquire(registry->lock, LW_SHARED);
		copy = *slot;
		strcpy(name, rarr_slot_name(registry, slot));
		LWLockRelease(registry->lock);

		if (rarr_slot_generation(&copy) == 0 ||
			(copy.database == MyDatabaseId ? !is_abandoned(copy.table, name) :
											 SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(copy.database))))
			continue;
		LWLockAcquire(registry->lock, LW_EXCLUSIVE);
		if (rarr_slot_generation(slot) == rarr_slot_generation(&copy))
			drop(registry, slot);
		LWLockRelease(registry->lock);
	}
}

/* Drop the slots of a database that nobody is connected to.  Cannot fail. */
void
rarr_registry_drop_database(const RarrSlotRegistry *registry, Oid database, RarrSlotDrop drop)
{
	if (registry->shared == NULL)
		return;
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	for (int i = 0; i < registry->shared->used; i++)
	{
		RarrSlot *slot = rarr_slot_at(registry, i);

		if (rarr_slot_generation(slot) != 0 && slot->database == database)
			drop(registry, slot);
	}
	LWLockRelease(registry->lock);
}
