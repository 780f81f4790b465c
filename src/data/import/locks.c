/*
 * locks.c
 *		Lock what a batch of items changes, in the common order (src/README.md).
 */
#include "postgres.h"

#include "executor/spi.h"

#include "base/uuid.h"
#include "data/import/state.h"
#include "data/row_locks.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* Lock the series of episodes, so that they stay. */
void
rarr_import_lock_parents(const ImportKind *kind, ImportItem **items, int nitems)
{
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * Max(nitems, 1));

	for (int i = 0; i < kind->nfields; i++)
	{
		int n = 0;

		if (strcmp(kind->fields[i].column, "series_id") != 0)
			continue;
		for (int j = 0; j < nitems; j++)
			if (!items[j]->nulls[i])
				ids[n++] = *DatumGetUUIDP(items[j]->values[i]);
		rarr_lock_rows(rarr_entity(RARR_SERIES), "series", "media_id", "", RARR_KEEP_ROW, ids, n);
	}
	pfree(ids);
}

/* Lock the tracked items of media rows, in order of id. */
static void
lock_tracked(const pg_uuid_t *media, int count)
{
	MemoryContext cxt = CurrentMemoryContext;
	Oid type = UUIDARRAYOID;
	Datum value = rarr_uuid_array(media, count);

	if (SPI_execute_with_args("SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr.tracked_items AS k"
							  " WHERE k.media_id" EQ "ANY ($1) ORDER BY k.id FOR UPDATE) AS s",
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not lock tracked items");
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
}

/*
 * Lock what a batch changes whose items need merges.  The rows to be deleted
 * have no jobs, no queue items and no episodes.
 */
void
rarr_import_lock_merges(const ImportKind *kind, ImportItem **items, int nitems)
{
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t) * nitems);
	RarrEntity *media = rarr_entity(RARR_MEDIA);
	bool is_series = kind == &rarr_import_series;
	int n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (items[i]->found)
			ids[n++] = items[i]->media_id;
		if (items[i]->conflicts)
			ids[n++] = items[i]->other;
	}
	rarr_import_lock_parents(kind, items, nitems);
	rarr_lock_rows(media, "media", "id", "", RARR_DELETE_ROW, ids, n);
	if (is_series)
		rarr_lock_rows(media, kind->table, "media_id", "", RARR_DELETE_ROW, ids, n);
	lock_tracked(ids, n);
	if (!is_series)
		rarr_lock_rows(media, kind->table, "media_id", "", RARR_DELETE_ROW, ids, n);
	pfree(ids);
}
