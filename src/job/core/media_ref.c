/*
 * media_ref.c
 *		Check the foreign key from jobs to media.
 *
 * This gives the same guarantee as the server's check, a FOR KEY SHARE lock on
 * the media row, without a query for each row.  It descends the index once for
 * each media of a call.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/own_index.h"
#include "base/schema.h"
#include "job/core/media_ref.h"

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/*
 * Lock the row in the slot FOR KEY SHARE.  Returns false if it was deleted, or
 * if its latest version has another id.  Raises 40001 under REPEATABLE READ
 * and SERIALIZABLE if it was changed after the snapshot.
 */
static bool
lock_media(Relation media, TupleTableSlot *slot, AttrNumber column, const pg_uuid_t *id)
{
	uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData failure;
	TM_Result result;
	bool isnull;
	Datum found;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	result = table_tuple_lock(media, &tid, GetActiveSnapshot(), slot, GetCurrentCommandId(true),
							  LockTupleKeyShare, LockWaitBlock, flags, &failure);
	if (IsolationUsesXactSnapshot() && (result == TM_Updated || result == TM_Deleted))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	if (result != TM_Ok)
		return false;
	if (!failure.traversed)
		return true;

	/* the latest version may have another id */
	found = slot_getattr(slot, column, &isnull);
	return !isnull && memcmp(DatumGetUUIDP(found), id, UUID_LEN) == 0;
}

/* Lock the media with this id; raises 23503 if there is none. */
static void
check_one(Relation jobs, Relation media, IndexScanDesc scan, TupleTableSlot *slot,
		  AttrNumber column, const pg_uuid_t *id)
{
	ScanKeyData key;

	CHECK_FOR_INTERRUPTS();
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	index_rescan(scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(scan, ForwardScanDirection, slot) || !lock_media(media, slot, column, id))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("media %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)))),
				 errhint("Give the id of a row of researcharr.media."),
				 errtableconstraint(jobs, "processing_jobs_media_id_fkey")));
	ExecClearTuple(slot);
}

/*
 * Lock the media with these ids FOR KEY SHARE until the transaction ends, in
 * order of id.  Sorts the n ids in place.  The active snapshot must be a new
 * one.
 *
 * Raises 23503 for the first media that does not exist, and 40001 under
 * REPEATABLE READ and SERIALIZABLE if one changed after the snapshot.
 */
void
rarr_media_ref_check(Relation jobs, pg_uuid_t *ids, int n)
{
	Relation media = rarr_relation_open("media", RowShareLock);
	AttrNumber column = rarr_require_column(media, "id", UUIDOID);
	RarrIndexDef def = {"media_pkey", {column}, .unique = true};
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;

	index = rarr_index_open(media, &def, AccessShareLock);
	scan = rarr_index_beginscan(media, index, GetActiveSnapshot(), 1);
	slot = table_slot_create(media, NULL);
	qsort(ids, n, sizeof(pg_uuid_t), compare_ids);
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_ids(&ids[i - 1], &ids[i]) != 0)
			check_one(jobs, media, scan, slot, column, &ids[i]);

	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	relation_close(media, NoLock);
}
