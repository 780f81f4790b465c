/*
 * remove.c
 *		What a complete call does not contain is not tracked any more.
 *
 * Its tracked items are deleted.  Its media rows are kept, or deleted if no
 * instance tracks them, as the instance's settings say.
 *
 * A call that is not complete only removes tracked items whose service ids now
 * belong to other objects.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "base/uuid.h"
#include "data/import/state.h"
#include "data/row_locks.h"
#include "data/wanted_cancel.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* tracked items to be removed */
typedef struct Removed
{
	pg_uuid_t *items;
	pg_uuid_t *media;
	int count;
} Removed;

/* Run a statement that returns ids of tracked items and of their media rows. */
static void
find(Removed *removed, const char *sql, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for what is absent");
	removed->count = (int) SPI_processed;
	removed->items = palloc_extended(sizeof(pg_uuid_t) * Max(removed->count, 1), MCXT_ALLOC_HUGE);
	removed->media = palloc_extended(sizeof(pg_uuid_t) * Max(removed->count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < removed->count; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;

		removed->items[i] = *DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		removed->media[i] = *DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

#define SELECT_ITEMS \
	"SELECT CAST(k.id AS pg_catalog.uuid), CAST(k.media_id AS pg_catalog.uuid)" \
	" FROM researcharr.tracked_items AS k"
#define NOT_IN(param) \
	"NOT EXISTS (SELECT FROM pg_catalog.unnest(" param ") AS u (id) WHERE u.id" EQ "k.service_id)"

/* Find the tracked items whose service ids other objects have now. */
static void
find_parked(Import *import, Removed *removed)
{
	Oid types[] = {UUIDOID, INT8OID};
	Datum values[] = {UUIDPGetDatum(&import->instance_id), Int64GetDatum(IMPORT_PARKED)};

	find(removed, SELECT_ITEMS " WHERE k.instance_id" EQ "$1 AND k.service_id OPERATOR(pg_catalog.>) $2",
		 2, types, values);
}

/* Find the movies that are absent. */
static void
find_movies(Import *import, Removed *removed)
{
	Oid types[] = {UUIDOID, INT8ARRAYOID};
	Datum values[] = {UUIDPGetDatum(&import->instance_id), rarr_import_id_array(&import->present[0])};

	find(removed, SELECT_ITEMS " WHERE k.instance_id" EQ "$1 AND k.kind" EQ "'movie' AND " NOT_IN("$2"),
		 2, types, values);
}

/*
 * Find the series that are absent, with all their episodes, and the absent
 * episodes of the series in the call.  An episode that has lost its place
 * belongs to the series that its payload names.
 */
static void
find_series(Import *import, Removed *removed)
{
	const char *sql =
		SELECT_ITEMS " LEFT JOIN researcharr.episodes AS e ON e.media_id" EQ "k.media_id"
					 " LEFT JOIN researcharr.tracked_items AS s ON s.instance_id" EQ "$1 AND s.kind" EQ "'series'"
					 " AND s.media_id" EQ "e.series_id"
					 " CROSS JOIN LATERAL (SELECT COALESCE(s.service_id,"
					 " CASE WHEN k.payload OPERATOR(pg_catalog.->>) 'seriesId' OPERATOR(pg_catalog.~) '^[0-9]{1,10}$'"
					 " THEN CAST(k.payload OPERATOR(pg_catalog.->>) 'seriesId' AS pg_catalog.int8) END) AS series_id) AS x"
					 " WHERE k.instance_id" EQ "$1 AND CASE WHEN k.kind" EQ "'series' THEN $5 AND " NOT_IN("$2") " WHEN k.kind" EQ "'episode' THEN " NOT_IN("$3") " AND (x.series_id" EQ "ANY ($4) OR k.service_id OPERATOR(pg_catalog.>) $6"
																																								  " OR ($5 AND (x.series_id" EQ "ANY ($2)) IS NOT TRUE)) ELSE false END";
	Oid types[] = {UUIDOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BOOLOID, INT8OID};
	ImportIds *series = &import->present[1];
	ImportIds *episodes = &import->present[2];
	Datum values[6];

	for (int i = 0; episodes->count > 0 && i < series->count; i++)
		rarr_import_add_id(import, &import->scope, series->ids[i]);
	values[0] = UUIDPGetDatum(&import->instance_id);
	values[1] = rarr_import_id_array(series);
	values[2] = rarr_import_id_array(episodes);
	values[3] = rarr_import_id_array(&import->scope);
	values[4] = BoolGetDatum(series->count > 0 || episodes->count == 0);
	values[5] = Int64GetDatum(IMPORT_PARKED);
	find(removed, sql, lengthof(types), types, values);
}

/* Run a DELETE whose parameters are the items, their media rows, and a boolean. */
static void
run(const char *sql, int nargs, const Removed *removed, bool flag)
{
	Oid types[] = {UUIDARRAYOID, UUIDARRAYOID, BOOLOID};
	Datum values[] = {rarr_uuid_array(removed->items, removed->count), rarr_uuid_array(removed->media, removed->count),
					  BoolGetDatum(flag)};

	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete what is absent");
}

#define UNFINISHED(id) \
	"EXISTS (SELECT FROM researcharr.processing_jobs AS j WHERE j.media_id" EQ id " AND j.completed_at IS NULL)"
#define STAYS_TRACKED(id) \
	"EXISTS (SELECT FROM researcharr.tracked_items AS k WHERE k.media_id" EQ id \
	" AND k.id OPERATOR(pg_catalog.<>) ALL ($1))"

/* clang-format indents strings that follow a macro by its column */
/* clang-format off */
#define DELETE_MEDIA \
	"DELETE FROM researcharr.media AS m WHERE m.id" EQ "ANY ($2)" \
	" AND NOT " STAYS_TRACKED("m.id") " AND ($3 OR NOT " UNFINISHED("m.id") ")" \
	" AND NOT EXISTS (SELECT FROM researcharr.episodes AS e WHERE e.series_id" EQ "m.id" \
	" AND (" STAYS_TRACKED("e.media_id") " OR (NOT $3 AND " UNFINISHED("e.media_id") ")))"
/* clang-format on */

/*
 * Delete the media rows that are to go with their tracked items, and the latter
 * with them.  This comes before the other tracked items are locked, because a
 * DELETE of media locks jobs first.
 */
static void
delete_media(Import *import, const Removed *removed)
{
	RarrEntity *media = rarr_entity(RARR_MEDIA);

	rarr_lock_rows(media, "media", "id", " AND t.type" EQ "'series'", RARR_DELETE_ROW, removed->media, removed->count);
	rarr_lock_rows(rarr_entity(RARR_SERIES), "series", "media_id", "", RARR_DELETE_ROW, removed->media, removed->count);
	rarr_lock_rows(media, "media", "id", "", RARR_DELETE_ROW, removed->media, removed->count);
	(void) rarr_wanted_cancel_items(removed->items, removed->count, import->command);
	run(DELETE_MEDIA, 3, removed, import->removal == IMPORT_DELETE_MEDIA);
}

/*
 * Delete the tracked items, and the media rows that are to go with them.  Queued
 * searches for the items are cancelled.
 */
static void
delete_removed(Import *import, Removed *removed)
{
	if (import->removal != IMPORT_KEEP_MEDIA)
		delete_media(import, removed);
	else
		(void) rarr_wanted_cancel_items(removed->items, removed->count, import->command);
	rarr_lock_rows(rarr_entity(RARR_TRACKED_ITEM), "tracked_items", "id", "", RARR_DELETE_ROW,
				   removed->items, removed->count);
	run("DELETE FROM researcharr.tracked_items AS k WHERE k.id" EQ "ANY ($1)", 1, removed, false);
}

/*
 * Remove what is absent, if the call is complete. kind is the kind of the
 * call's first array; NULL if nothing is complete.  Raises 22023 if that is more
 * than the share max_removed of what the instance tracked before.
 */
void
rarr_import_remove(Import *import, const ImportKind *kind, float4 max_removed)
{
	Removed removed;

	if (import->complete && import->unreadable > 0)
	{
		rarr_import_warn(import, import->unreadable_kind, import->unreadable_index, "id",
						 "is not valid, so nothing was removed: the object may be one that is tracked");
		import->complete = false;
	}
	if (import->complete && import->parks && import->failed > 0 && import->removal != IMPORT_KEEP_MEDIA)
	{
		rarr_import_warn(import, kind, 0, "id",
						 "was given to another object, and objects failed, so no media was deleted");
		import->removal = IMPORT_KEEP_MEDIA;
	}
	if (!import->complete && !import->parks)
		return;
	if (!import->complete)
	{
		find_parked(import, &removed);
		import->removal = IMPORT_KEEP_MEDIA;
	}
	else if (kind == &rarr_import_movies)
		find_movies(import, &removed);
	else
		find_series(import, &removed);
	/* the share as a float4, too, so that 7 of 10 is no more than 0.7 */
	if (import->complete && max_removed < 1 && removed.count > 0 &&
		(float4) (removed.count / (double) import->tracked) > max_removed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the answer would remove %d of the " INT64_FORMAT " tracked items of instance \"%s\"",
						removed.count, import->tracked, import->instance_name),
				 errdetail("The share max_removed is %g.", max_removed),
				 errhint("If the instance really has no more than that, pass max_removed => 1.")));
	import->removed = removed.count;
	if (removed.count > 0)
		delete_removed(import, &removed);
}

/*
 * The object of kind $2 with the service's id $3; of a series its episodes, and
 * those that have lost their place, whose payload names the series.  The payloads
 * of these alone are read.
 */
#define FIND_OBJECT \
	SELECT_ITEMS " WHERE k.instance_id" EQ "$1 AND ((k.kind" EQ "$2 AND k.service_id" EQ "$3)" \
				 " OR k.media_id" EQ "ANY (ARRAY(SELECT e.media_id FROM researcharr.episodes AS e" \
				 " JOIN researcharr.tracked_items AS s ON s.media_id" EQ "e.series_id" \
				 " WHERE s.instance_id" EQ "$1 AND s.kind" EQ "'series' AND $2" EQ "'series' AND s.service_id" EQ "$3)))" \
				 " UNION ALL SELECT x.id, x.media_id FROM (SELECT CAST(k.id AS pg_catalog.uuid) AS id," \
				 " CAST(k.media_id AS pg_catalog.uuid) AS media_id, k.payload FROM researcharr.tracked_items AS k" \
				 " WHERE $2" EQ "'series' AND k.instance_id" EQ "$1 AND k.kind" EQ "'episode'" \
				 " AND NOT EXISTS (SELECT FROM researcharr.episodes AS e WHERE e.media_id" EQ "k.media_id) OFFSET 0) AS x" \
				 " WHERE x.payload OPERATOR(pg_catalog.->>) 'seriesId'" EQ "CAST($3 AS pg_catalog.text)"

/*
 * Remove an object that the service has deleted: the movie of this id, or the
 * series with its episodes.
 */
void
rarr_import_remove_object(Import *import, const ImportKind *kind, int64 service_id)
{
	Oid types[] = {UUIDOID, TEXTOID, INT8OID};
	Datum values[] = {UUIDPGetDatum(&import->instance_id), CStringGetTextDatum(kind->type), Int64GetDatum(service_id)};
	Removed removed;

	find(&removed, FIND_OBJECT, lengthof(types), types, values);
	if (removed.count > 0)
		delete_removed(import, &removed);
}
