/*
 * halves.c
 *		The times of the two halves of a flat row.
 *
 * A flat row shows the later of media.updated_at and its subtype's changed_at.
 * A client that has read the row must see another time after any change, so a
 * half's new time is also after the other half's.  That one can be ahead of the
 * clock, because a row that changes several times in a millisecond gets times
 * that are a millisecond apart.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/column.h"
#include "base/compat.h"
#include "base/own_index.h"
#include "base/schema.h"
#include "data/entity_def.h"
#include "data/halves.h"

/* a half of flat rows, and the columns that find its row and tell its time */
typedef struct Half
{
	const char *table;
	const char *id;
	const char *time;
} Half;

/* Get the other half of a row, if it is one of a flat row.  Returns false if not. */
static bool
find_other(Relation rel, HeapTuple row, Half *other)
{
	Oid relid = RelationGetRelid(rel);
	bool is_media = relid == rarr_find_relation("media");
	AttrNumber type = is_media ? rarr_require_column(rel, "type", TEXTOID) : InvalidAttrNumber;
	bool isnull = false;
	Datum value = is_media ? heap_getattr(row, type, RelationGetDescr(rel), &isnull) : (Datum) 0;

	for (int i = 0; i < RARR_NENTITIES && !isnull; i++)
	{
		const RarrEntityDef *def = &rarr_entity_defs[i];

		if (def->subtable == NULL)
			continue;
		if (is_media && strcmp(TextDatumGetCString(value), def->type) == 0)
		{
			*other = (Half){def->subtable, "media_id", "changed_at"};
			return true;
		}
		if (!is_media && relid == rarr_find_relation(def->subtable))
		{
			*other = (Half){"media", "id", "updated_at"};
			return true;
		}
	}
	return false;
}

/* Find the row with this id as others have committed it, and get its time. */
static bool
read_time(const Half *half, Datum id, TimestampTz *time)
{
	Relation rel = rarr_relation_open(half->table, AccessShareLock);
	RarrIndexDef def = {psprintf("%s_pkey", half->table), {rarr_require_column(rel, half->id, UUIDOID)}, .unique = true};
	AttrNumber column = rarr_find_column(RelationGetDescr(rel), half->time);
	Relation index = rarr_index_open(rel, &def, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = rarr_index_beginscan(rel, index, snapshot, 1);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData key;
	bool isnull = true;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, id);
	index_rescan(scan, &key, 1, NULL, 0);
	/* before version 1.14 there is no changed_at */
	if (column > 0 && TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid == TIMESTAMPTZOID &&
		index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		Datum value = slot_getattr(slot, column, &isnull);

		if (!isnull)
			*time = DatumGetTimestampTz(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	relation_close(rel, AccessShareLock);
	return !isnull;
}

/*
 * If the row is half of a flat row, get the time of the other half.  Returns
 * false if there is none.  Nothing is locked: a change of the other half that has
 * not committed is not seen.
 */
bool
rarr_other_half_time(Relation rel, HeapTuple row, TimestampTz *time)
{
	Half other;
	Datum id;
	bool isnull;
	bool of_media;

	if (!find_other(rel, row, &other))
		return false;
	of_media = strcmp(other.table, "media") != 0;
	id = heap_getattr(row, rarr_require_column(rel, of_media ? "id" : "media_id", UUIDOID),
					  RelationGetDescr(rel), &isnull);
	return !isnull && read_time(&other, id, time);
}
