/*
 * merge.c
 *		Media rows that turn out to be one.
 *
 * An object whose service gives it another external id keeps its media row, as
 * long as no other row has that external id.  If another row has it, one of the
 * two goes: the one that nothing but tracked items belongs to.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

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

/*
 * Decide about an item whose media row, found by the service's id, is not the
 * one that has its external id.  The row of the external id is the item's,
 * unless it is the one to go.
 */
void
rarr_import_merge(Import *import, const ImportKind *kind, ImportItem *item)
{
	pg_uuid_t rows[] = {item->media_id, item->other};
	bool mine_has_parts;
	bool other_has_parts;

	item->is_moved = true;
	if (is_tracked(import, &item->other))
	{
		/* the service has given its ids to other objects: nothing to merge */
		item->media_id = item->other;
		return;
	}
	rarr_lock_rows(rarr_entity(RARR_MEDIA), "media", "id", "", RARR_DELETE_ROW, rows, lengthof(rows));
	run("SELECT " HAS_PARTS("$1") ", " HAS_PARTS("$2"), SPI_OK_SELECT, &item->media_id, &item->other);
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
