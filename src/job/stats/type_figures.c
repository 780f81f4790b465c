/*
 * type_figures.c
 *		Numbers of jobs, and what happened to them, by type.
 *
 * Everything comes from shared memory; the table is not read.
 */
#include "postgres.h"

#include "base/guc.h"
#include "base/schema.h"
#include "job/core/job_row.h"
#include "job/stats/slot.h"
#include "job/stats/type_figures.h"

/* Add a type's numbers.  Needs the lock. */
static void
add_type(RarrTypeFigures *figures, const CountedType *type)
{
	for (int i = 0; i < RARR_STATUSES; i++)
	{
		figures->jobs[i] += type->base[i];
		for (int j = 0; j < NSTRIPES; j++)
			figures->jobs[i] += (int64) pg_atomic_read_u64(
				unconstify(pg_atomic_uint64 *, &type->stripes[j].jobs[i]));
	}
	rarr_figures_read(&type->figures, &figures->sums);
}

/*
 * Return the figures of this database's types in a palloc'd array of *n: up to
 * max types, and at last the sum of all others, without a name.  *counted: the
 * numbers of jobs hold.  They do not before the first job_stats(), and if a type
 * found no room.  NULL if the library is not preloaded.  Raises errors of
 * allocation only.
 */
RarrTypeFigures *
rarr_type_figures(int max, int *n, bool *counted)
{
	Oid table = rarr_find_relation(rarr_job_table.name);
	RarrTypeFigures *result;
	CountedTable *known;
	int room = Min(max, rarr_agenda_types);

	*n = 0;
	*counted = false;
	if (rarr_counted_types.shared == NULL || !OidIsValid(table))
		return NULL;
	result = MemoryContextAllocExtended(CurrentMemoryContext, (room + 1) * sizeof(RarrTypeFigures),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	LWLockAcquire(rarr_counted_types.lock, LW_SHARED);
	known = rarr_slot_find(&rarr_counted_tables, table, "");
	*counted = known != NULL && known->counted && !known->incomplete;
	for (int i = 0; i < rarr_counted_types.shared->used; i++)
	{
		const CountedType *type = rarr_slot_at(&rarr_counted_types, i);

		if (!rarr_slot_is_of(&type->head, table))
			continue;
		if (*n < room)
			strlcpy(result[*n].name, rarr_slot_name(&rarr_counted_types, type), sizeof(result[0].name));
		add_type(&result[*n], type);
		*n = Min(*n + 1, room);
	}
	LWLockRelease(rarr_counted_types.lock);
	(*n)++;
	return result;
}
