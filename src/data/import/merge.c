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
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "data/import/state.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* Run a statement whose parameters are two ids. */
static void
run(const char *sql, int expected, const pg_uuid_t *first, const pg_uuid_t *second)
{
	Oid types[] = {UUIDOID, UUIDOID};
	Datum values[] = {UUIDPGetDatum(first), UUIDPGetDatum(second)};
	MemoryContext cxt = CurrentMemoryContext;

	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != expected)
		elog(ERROR, "could not execute \"%s\"", sql);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
}

/*
 * Run a query whose parameters are two ids and a text, and get the booleans of
 * its row.  The snapshot shows what others have committed, also if the
 * transaction has a single snapshot.
 */
static void
ask(const char *sql, const pg_uuid_t *first, const pg_uuid_t *second, Datum text, bool *answers, int n)
{
	Oid types[] = {UUIDOID, UUIDOID, TEXTOID};
	Datum values[] = {UUIDPGetDatum(first), UUIDPGetDatum(second), text};
	MemoryContext cxt = CurrentMemoryContext;
	SPIPlanPtr plan = SPI_prepare(sql, text == (Datum) 0 ? 2 : 3, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\"", sql);
	CommandCounterIncrement();
	if (SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not execute \"%s\"", sql);
	for (int i = 0; i < n; i++)
	{
		bool isnull;
		Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull);

		answers[i] = !isnull && DatumGetBool(value);
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(plan);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
}

/* Does another instance track this media row? */
bool
rarr_import_is_shared(Import *import, const pg_uuid_t *media_id)
{
	bool shared;

	ask("SELECT EXISTS (SELECT FROM researcharr.tracked_items AS k"
		" WHERE k.media_id" EQ "$1 AND k.instance_id OPERATOR(pg_catalog.<>) $2)",
		media_id, &import->instance_id, (Datum) 0, &shared, 1);
	return shared;
}

static bool
is_tracked(Import *import, const pg_uuid_t *media_id)
{
	bool tracked;

	ask("SELECT EXISTS (SELECT FROM researcharr.tracked_items AS k"
		" WHERE k.media_id" EQ "$1 AND k.instance_id" EQ "$2)",
		media_id, &import->instance_id, (Datum) 0, &tracked, 1);
	return tracked;
}

#define HAS_PARTS(id) \
	"EXISTS (SELECT FROM researcharr.processing_jobs AS j WHERE j.media_id" EQ id ")" \
	" OR EXISTS (SELECT FROM researcharr.queue_items AS q WHERE q.media_id" EQ id ")" \
	" OR EXISTS (SELECT FROM researcharr.episodes AS e WHERE e.series_id" EQ id ")"

#define HAS_ID(id, external_id) \
	"EXISTS (SELECT FROM researcharr.media AS m WHERE m.id" EQ id " AND m.external_id" EQ external_id ")"

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
 * unless it is the one to go.  The rows must be locked.
 */
void
rarr_import_merge(Import *import, ImportItem *item)
{
	enum
	{
		MINE_HAS_PARTS,
		OTHER_HAS_PARTS,
		OTHER_HAS_ID,
		NANSWERS
	};
	bool answers[NANSWERS];

	item->is_moved = true;
	if (is_tracked(import, &item->other))
	{
		/* the service has given its ids to other objects: nothing to merge */
		item->media_id = item->other;
		return;
	}
	ask("SELECT " HAS_PARTS("$1") ", " HAS_PARTS("$2") ", " HAS_ID("$2", "$3"),
		&item->media_id, &item->other, item->external_id, answers, NANSWERS);
	if (!answers[OTHER_HAS_ID])
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("another session has changed the external id of a media row meanwhile")));
	if (!answers[OTHER_HAS_PARTS])
	{
		replace(&item->other, &item->media_id);
		return;
	}
	if (!answers[MINE_HAS_PARTS])
		replace(&item->media_id, &item->other);
	else
	{
		item->leaves = true;
		item->left = item->media_id;
		item->has_item = true;
		item->item_id = item->key_holder;
	}
	item->media_id = item->other;
}
