/*
 * slot_registry.h
 *		Slots in shared memory that are given to job types, and freed again.
 */
#ifndef RARR_BASE_SLOT_REGISTRY_H
#define RARR_BASE_SLOT_REGISTRY_H

#include "port/atomics.h"
#include "storage/lwlock.h"

#define RARR_SLOT_NAME_MAX (100 * 4) /* 100 characters, in bytes */

/* The first member of each slot, which is free or has a name in a table. */
typedef struct RarrSlot
{
	pg_atomic_uint64 generation; /* differs for each owner; 0: free */
	Oid database;
	Oid table;
} RarrSlot;

/* The first member of each key: a name in a table, as this backend knows it. */
typedef struct RarrSlotKey
{
	struct RarrSlotKey *next;
	Oid table;
	char *name;
} RarrSlotKey;

/* What a registry keeps in shared memory beside the slots. */
typedef struct RarrSlotShared
{
	LWLock lock;
	int tranche;
	int used;                 /* slots from this one on were never used */
	pg_atomic_uint64 changes; /* grows when a slot is given or freed; never 0 */
} RarrSlotShared;

/* A registry, which its owner defines statically. */
typedef struct RarrSlotRegistry
{
	const char *tranche;
	Size slot_size; /* of slots, which begin with a RarrSlot */
	Size key_size;  /* of keys, which begin with a RarrSlotKey */

	/* set by slot_registry.c */
	RarrSlotShared *shared; /* NULL: the library is not preloaded */
	LWLock *lock;
	char *slots;
	char *names;
	RarrSlotKey *keys;
} RarrSlotRegistry;

/* Can a slot of this database be dropped?  Called without the lock. */
typedef bool (*RarrSlotFilter)(Oid table, const char *name);

/*
 * What the owner does with a slot that is to be dropped: rarr_slot_free(), or a
 * function of its own.  Called under the lock.
 */
typedef void (*RarrSlotDrop)(const RarrSlotRegistry *registry, RarrSlot *slot);

extern Size rarr_registry_size(const RarrSlotRegistry *registry);
extern void rarr_registry_attach(RarrSlotRegistry *registry, void *memory, bool first);
extern void *rarr_registry_key(RarrSlotRegistry *registry, Oid table, const char *name, int len);

/* These need the lock. */
extern void *rarr_slot_find(const RarrSlotRegistry *registry, Oid table, const char *name);
extern void *rarr_slot_give(const RarrSlotRegistry *registry, Oid table, const char *name);
extern bool rarr_slot_is_of(const RarrSlot *slot, Oid table);
extern void rarr_slot_free(const RarrSlotRegistry *registry, RarrSlot *slot);
extern bool rarr_registry_is_full(const RarrSlotRegistry *registry);

/* These take it. */
extern void rarr_registry_drop_abandoned(const RarrSlotRegistry *registry, RarrSlotFilter is_abandoned,
										 RarrSlotDrop drop);
extern void rarr_registry_drop_database(const RarrSlotRegistry *registry, Oid database,
										RarrSlotDrop drop);

/* The slot of a number below shared->used; a slot's number; its name. */
static inline void *
rarr_slot_at(const RarrSlotRegistry *registry, int i)
{
	return registry->slots + i * registry->slot_size;
}

static inline int
rarr_slot_index(const RarrSlotRegistry *registry, const void *slot)
{
	return ((const char *) slot - registry->slots) / registry->slot_size;
}

static inline char *
rarr_slot_name(const RarrSlotRegistry *registry, const void *slot)
{
	return registry->names + rarr_slot_index(registry, slot) * (RARR_SLOT_NAME_MAX + 1);
}

/* A handle is stale once the slot's generation is not the one it had. */
static inline uint64
rarr_slot_generation(const RarrSlot *slot)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &slot->generation));
}

#endif /* RARR_BASE_SLOT_REGISTRY_H */
