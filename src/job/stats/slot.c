/*
 * slot.c
 *		Slots of counters in shared memory.
 *
 * Each table of jobs, one per database, and each of its types has a slot.  If
 * all slots are used, a count first frees those of dropped tables and
 * databases, and then those of types without jobs.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "base/guc.h"
#include "base/schema.h"
#include "job/stats/slot.h"

RarrSlotRegistry rarr_counted_types = {
	.tranche = "researcharr_counters",
	.slot_size = sizeof(CountedType),
	.key_size = sizeof(RarrCountedKey),
};

RarrSlotRegistry rarr_counted_tables = {
	.tranche = "researcharr_counters",
	.slot_size = sizeof(CountedTable),
};

ConditionVariable *rarr_counters_done = NULL;

static Size
counters_size(void)
{
	return add_size(CACHELINEALIGN(sizeof(ConditionVariable)), add_size(rarr_registry_size(&rarr_counted_types), rarr_registry_size(&rarr_counted_tables)));
}

static void
attach_counters(void *memory, bool first)
{
	rarr_counters_done = memory;
	if (first)
		ConditionVariableInit(rarr_counters_done);
	memory = (char *) memory + CACHELINEALIGN(sizeof(ConditionVariable));
	rarr_registry_attach(&rarr_counted_types, memory, first);
	memory = (char *) memory + rarr_registry_size(&rarr_counted_types);
	rarr_registry_attach(&rarr_counted_tables, memory, first);
	rarr_counted_tables.lock = rarr_counted_types.lock;
	for (int i = 0; i < rarr_agenda_types && first; i++)
	{
		CountedType *type = rarr_slot_at(&rarr_counted_types, i);

		for (int j = 0; j < NSTRIPES; j++)
			for (int k = 0; k < lengthof(type->stripes[j].jobs); k++)
				pg_atomic_init_u64(&type->stripes[j].jobs[k], 0);
		rarr_figures_init(&type->figures);
	}
}

const RarrShmemPart rarr_counters_part = {"researcharr counters", counters_size, attach_counters};

/*
 * Return the slot of this database's table, given if it has none.  NULL if
 * there is no room.  Needs the lock.
 */
CountedTable *
rarr_counted_table(Oid table)
{
	CountedTable *found = rarr_slot_find(&rarr_counted_tables, table, "");

	if (found == NULL && (found = rarr_slot_give(&rarr_counted_tables, table, "")) != NULL)
		memset((char *) found + sizeof(RarrSlot), 0, sizeof(CountedTable) - sizeof(RarrSlot));
	return found;
}

/* Initialize the counters of a new type. */
static void
init_type(CountedType *type)
{
	memset(&type->found, 0, sizeof(type->found));
	rarr_figures_clear(&type->figures);
	for (int i = 0; i < RARR_STATUSES; i++)
	{
		type->base[i] = type->start[i] = 0;
		type->oldest[i] = type->found.oldest[i] = DT_NOEND;
	}
	for (int i = 0; i < NSTRIPES; i++)
		for (int j = 0; j < lengthof(type->stripes[i].jobs); j++)
			pg_atomic_write_u64(&type->stripes[i].jobs[j], 0);
}

/*
 * Return the counters of a type of this database's table, given if it has
 * none.  If there is no room, returns NULL and marks the table as incomplete.
 * Needs the lock.
 */
CountedType *
rarr_counted_type(Oid table, const char *name)
{
	CountedType *type = rarr_slot_find(&rarr_counted_types, table, name);
	CountedTable *counted;

	if (type != NULL)
		return type;
	type = rarr_slot_give(&rarr_counted_types, table, name);
	if (type != NULL)
		init_type(type);
	else if ((counted = rarr_counted_table(table)) != NULL)
		counted->incomplete = counted->missing = true;
	return type;
}

/*
 * The counters of this database may be wrong: have the next job_stats() count
 * the table.  Cannot fail.
 */
void
rarr_counters_invalidate(void)
{
	if (rarr_counted_types.shared == NULL)
		return;
	LWLockAcquire(rarr_counted_types.lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_counted_tables.shared->used; i++)
	{
		CountedTable *counted = rarr_slot_at(&rarr_counted_tables, i);

		if (counted->head.database == MyDatabaseId)
			counted->counted = false;
	}
	LWLockRelease(rarr_counted_types.lock);
}

static bool
is_abandoned(Oid table, const char *name)
{
	return table != rarr_relation_oid(rarr_job_table.name);
}

/*
 * Free the slots of dropped tables and databases.  Reads catalogs, without
 * holding the lock, and raises their errors.
 */
void
rarr_counted_forget_gone(void)
{
	rarr_registry_drop_abandoned(&rarr_counted_types, is_abandoned, rarr_slot_free);
	rarr_registry_drop_abandoned(&rarr_counted_tables, is_abandoned, rarr_slot_free);
}

/* Free a dropped database's slots; it has no sessions.  Cannot fail. */
void
rarr_counters_forget_database(Oid database)
{
	rarr_registry_drop_database(&rarr_counted_types, database, rarr_slot_free);
	rarr_registry_drop_database(&rarr_counted_tables, database, rarr_slot_free);
	rarr_figures_forget_database(database);
}
