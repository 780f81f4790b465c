/*
 * slot.c
 *		Which counters are whose, in shared memory.
 *
 * Each table of jobs, one for each database, and each of its types has a slot.
 * Where there is no room left, a count first takes away what belongs to tables
 * that are gone, and to types without jobs.
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "job/stats/shmem.h"
#include "job/stats/slot.h"

Counters   *rarr_counters = NULL;
CountedTable *rarr_counted_tables = NULL;

static Size
types_size(void)
{
	return MAXALIGN(offsetof(Counters, types) + mul_size(rarr_agenda_types, sizeof(CountedType)));
}

static Size
counters_size(void)
{
	return add_size(types_size(), mul_size(rarr_agenda_types, sizeof(CountedTable)));
}

static void
attach_counters(void *memory, bool first)
{
	rarr_counters = memory;
	rarr_counted_tables = (CountedTable *) ((char *) memory + types_size());
	if (first)
	{
		memset(memory, 0, counters_size());
		rarr_counters->max = rarr_agenda_types;
		pg_atomic_init_u64(&rarr_counters->reclaims, 0);
		rarr_counters->tranche = LWLockNewTrancheId();
		LWLockInitialize(&rarr_counters->lock, rarr_counters->tranche);
		for (int i = 0; i < rarr_counters->max; i++)
		{
			pg_atomic_init_u64(&rarr_counters->types[i].incarnation, 0);
			for (int j = 0; j < NSTRIPES; j++)
				for (int k = 0; k < lengthof(rarr_counters->types[i].stripes[j].jobs); k++)
					pg_atomic_init_u64(&rarr_counters->types[i].stripes[j].jobs[k], 0);
		}
	}
	LWLockRegisterTranche(rarr_counters->tranche, "researcharr_counters");
}

static const RarrShmemPart counters_part = {"researcharr counters", counters_size, attach_counters};

/*
 * Declare the shared memory; while the library is preloaded.
 */
void
rarr_counted_init(void)
{
	rarr_shmem_add(&counters_part);
}

/*
 * What is known of this database's table, made if there is room; else NULL.
 */
CountedTable *
rarr_counted_table(Oid table)
{
	CountedTable *found = NULL;

	for (int i = 0; i < rarr_counters->ntables; i++)
	{
		if (rarr_counted_tables[i].table == table && rarr_counted_tables[i].database == MyDatabaseId)
			return &rarr_counted_tables[i];
		if (!OidIsValid(rarr_counted_tables[i].table) && found == NULL)
			found = &rarr_counted_tables[i];
	}
	if (found == NULL && rarr_counters->ntables < rarr_counters->max)
		found = &rarr_counted_tables[rarr_counters->ntables++];
	if (found == NULL)
		return NULL;
	memset(found, 0, sizeof(CountedTable));
	found->table = table;
	found->database = MyDatabaseId;
	return found;
}

/*
 * Are these the counters of a type of this database's table?
 */
bool
rarr_counted_is_of(const CountedType *type, Oid table)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &type->incarnation)) != 0 &&
		type->table == table && type->database == MyDatabaseId;
}

/* Under the lock: a slot that is free becomes this type's. */
static void
assign_type(CountedType *type, Oid table, const char *name)
{
	type->table = table;
	type->database = MyDatabaseId;
	memset(&type->found, 0, sizeof(type->found));
	for (int i = 0; i < RARR_STATUSES; i++)
	{
		type->base[i] = type->start[i] = 0;
		type->oldest[i] = type->found.oldest[i] = DT_NOEND;
	}
	for (int i = 0; i < NSTRIPES; i++)
		for (int j = 0; j < lengthof(type->stripes[i].jobs); j++)
			pg_atomic_write_u64(&type->stripes[i].jobs[j], 0);
	strlcpy(type->name, name, sizeof(type->name));
	pg_atomic_write_u64(&type->incarnation, ++rarr_counters->incarnations);
}

/*
 * The counters of a type, made if there is room; else NULL, and what is known of
 * the table is incomplete.
 */
CountedType *
rarr_counted_type(Oid table, const char *name)
{
	CountedTable *counted;
	CountedType *unused = NULL;

	for (int i = 0; i < rarr_counters->ntypes; i++)
	{
		CountedType *type = &rarr_counters->types[i];

		if (rarr_counted_is_of(type, table) && strcmp(type->name, name) == 0)
			return type;
		if (pg_atomic_read_u64(&type->incarnation) == 0 && unused == NULL)
			unused = type;
	}
	if (unused == NULL && rarr_counters->ntypes < rarr_counters->max)
		unused = &rarr_counters->types[rarr_counters->ntypes++];
	if (unused != NULL)
		assign_type(unused, table, name);
	else if ((counted = rarr_counted_table(table)) != NULL)
		counted->incomplete = counted->missing = true;
	return unused;
}

/*
 * The counters of this database may be wrong.  Cannot fail.
 */
void
rarr_counted_distrust(void)
{
	LWLockAcquire(&rarr_counters->lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_counters->ntables; i++)
		if (rarr_counted_tables[i].database == MyDatabaseId)
			rarr_counted_tables[i].counted = false;
	LWLockRelease(&rarr_counters->lock);
}

/* Is the table gone?  `own`: this database's. */
static bool
is_gone(Oid database, Oid table, Oid own)
{
	if (database != MyDatabaseId)
		return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
	return table != own;
}

/*
 * Is all room for types taken?
 */
bool
rarr_counted_full(void)
{
	bool		full = rarr_counters->ntypes == rarr_counters->max;

	for (int i = 0; i < rarr_counters->ntypes && full; i++)
		full = pg_atomic_read_u64(&rarr_counters->types[i].incarnation) != 0;
	return full;
}

/*
 * The counters are nobody's any more.
 */
void
rarr_counted_free(CountedType *type)
{
	pg_atomic_write_u64(&type->incarnation, 0);
	pg_atomic_fetch_add_u64(&rarr_counters->reclaims, 1);
}

/*
 * Take away what belongs to tables that are gone; `own` is this database's.
 */
void
rarr_counted_forget_gone(Oid own)
{
	CountedTable *gone = palloc_extended(rarr_counters->max * sizeof(CountedTable), MCXT_ALLOC_HUGE);
	int			ngone = 0;
	int			n;

	/* the catalogs are looked at without the lock */
	LWLockAcquire(&rarr_counters->lock, LW_SHARED);
	n = rarr_counters->ntables;
	memcpy(gone, rarr_counted_tables, n * sizeof(CountedTable));
	LWLockRelease(&rarr_counters->lock);
	for (int i = 0; i < n; i++)
		if (OidIsValid(gone[i].table) && is_gone(gone[i].database, gone[i].table, own))
			gone[ngone++] = gone[i];

	LWLockAcquire(&rarr_counters->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ngone; i++)
	{
		for (int j = 0; j < rarr_counters->ntables; j++)
			if (rarr_counted_tables[j].table == gone[i].table &&
				rarr_counted_tables[j].database == gone[i].database)
				rarr_counted_tables[j].table = InvalidOid;
		for (int j = 0; j < rarr_counters->ntypes; j++)
			if (rarr_counters->types[j].table == gone[i].table &&
				rarr_counters->types[j].database == gone[i].database)
				rarr_counted_free(&rarr_counters->types[j]);
	}
	LWLockRelease(&rarr_counters->lock);
	pfree(gone);
}

/*
 * Free all that is kept of a database that is gone; nobody is connected to it.
 * Cannot fail.
 */
void
rarr_counters_forget_database(Oid database)
{
	if (rarr_counters == NULL)
		return;
	LWLockAcquire(&rarr_counters->lock, LW_EXCLUSIVE);
	for (int i = 0; i < rarr_counters->ntables; i++)
		if (rarr_counted_tables[i].database == database)
			rarr_counted_tables[i].table = rarr_counted_tables[i].database = InvalidOid;
	for (int i = 0; i < rarr_counters->ntypes; i++)
		if (rarr_counters->types[i].database == database &&
			pg_atomic_read_u64(&rarr_counters->types[i].incarnation) != 0)
			rarr_counted_free(&rarr_counters->types[i]);
	LWLockRelease(&rarr_counters->lock);
}
