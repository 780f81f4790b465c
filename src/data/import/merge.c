/*
 * merge.c
 *		Media rows that turn out to be one.
 *
 * An object whose service gives it another external id keeps its media row, as
 * long as no other row has that external id.  If another row has it, one of the
 * two goes: the one that nothing but tracked items belongs to.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "base/uuid.h"
#include "data/import/state.h"
#include "data/row_locks.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* Run a statement whose parameters are two ids. */
static void
run(const char *sql, int expected, const pg_uuid_t *first, const pg_uuid_t *second)
{
	Oid types[] = {UUIDOID, UUIDOID};
	Datum values[] = {UUIDPGetDatum(first), UUIDPGetDatum(second)};

	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != expected)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/*
 * Run a query whose parameters are two ids, with a snapshot that shows what
 * others have committed, also if the transaction has a single snapshot.
 */
static void
query_latest(const char *sql, const pg_uuid_t *first, const pg_uuid_t *second)
{
	Oid types[] = {UUIDOID, UUIDOID};
	Datum values[] = {UUIDPGetDatum(first), UUIDPGetDatum(second)};
	SPIPlanPtr plan = SPI_prepare(sql, 2, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\"", sql);
	CommandCounterIncrement();
	if (SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql);
	SPI_freeplan(plan);
}

/* Get a boolean of the row that the last statement returned. */
static bool
result_bool(int column)
{
	bool isnull;
	Datum value;

	if (SPI_processed != 1)
		elog(ERROR, "expected one row");
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);
	return !isnull && DatumGetBool(value);
}

/* Does another instance track this media row? */
bool
rarr_import_is_shared(Import *import, const pg_uuid_t *media_id)
{
	run("SELECT EXISTS (SELECT FROM researcharr.tracked_items AS k"
		" WHERE k.media_id" EQ "$1 AND k.instance_id OPERATOR(pg_catalog.<>) $2)",
		SPI_OK_SELECT, media_id, &import->instance_id);
	return result_bool(1);
}

static bool
is_tracked(Import *import, const pg_uuid_t *media_id)
{
	run("SELECT EXISTS (SELECT FROM researcharr.tracked_items AS k"
		" WHERE k.media_id" EQ "$1 AND k.instance_id" EQ "$2)",
		SPI_OK_SELECT, media_id, &import->instance_id);
	return result_bool(1);
}

#define HAS_PARTS(id) \
	"EXISTS (SELECT FROM researcharr.processing_jobs AS j WHERE j.media_id" EQ id ")" \
	" OR EXISTS (SELECT FROM researcharr.queue_items AS q WHERE q.media_id" EQ id ")" \
	" OR EXISTS (SELECT FROM researcharr.episodes AS e WHERE e.series_id" EQ id ")"

/* Move tracked items to a media row, and delete the row that they are of. */
static void
replace(const pg_uuid_t *gone, const pg_uuid_t *kept)
{
	run("UPDATE researcharr.tracked_items AS k SET media_id = $2 WHERE k.media_id" EQ "$1",
		SPI_OK_UPDATE, gone, kept);
	run("DELETE FROM researcharr.media AS m WHERE m.id" EQ "$1"
		" AND m.id OPERATOR(pg_catalog.<>) $2",
		SPI_OK_DELETE, gone, kept);
}

/* Lock the tracked items of media rows, in order of id. */
static void
lock_tracked(const pg_uuid_t *media, int count)
{
	Oid type = UUIDARRAYOID;
	Datum value = rarr_uuid_array(media, count);

	if (SPI_execute_with_args("SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr.tracked_items AS k"
							  " WHERE k.media_id" EQ "ANY ($1) ORDER BY k.id FOR UPDATE) AS s",
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not lock tracked items");
}

/*
 * Lock what a batch changes whose items need merges, in the common order
 * (src/README.md).  The rows to be deleted have no jobs, no queue items and no
 * episodes.
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

/*
 * Decide about an item whose media row, found by the service's id, is not the
 * one that has its external id.  The row of the external id is the item's,
 * unless it is the one to go.  The rows must be locked.
 */
void
rarr_import_merge(Import *import, const ImportKind *kind, ImportItem *item)
{
	bool mine_has_parts;
	bool other_has_parts;

	item->is_moved = true;
	if (is_tracked(import, &item->other))
	{
		/* the service has given its ids to other objects: nothing to merge */
		item->media_id = item->other;
		return;
	}
	query_latest("SELECT " HAS_PARTS("$1") ", " HAS_PARTS("$2"), &item->media_id, &item->other);
	mine_has_parts = result_bool(1);
	other_has_parts = result_bool(2);
	if (!other_has_parts)
	{
		replace(&item->other, &item->media_id);
		return;
	}
	if (!mine_has_parts)
		replace(&item->media_id, &item->other);
	else
	{
		rarr_import_warn(import, kind, item->index, kind->fields[0].source,
						 psprintf("is that of another media row; that of the id before, %s, has jobs or episodes and stays",
								  DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&item->media_id)))));
		item->has_item = true;
		item->item_id = item->key_holder;
	}
	item->media_id = item->other;
}
