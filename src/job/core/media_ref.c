/*
 * media_ref.c
 *		The foreign key from jobs to media, checked from C.
 *
 * The server's own check runs a query for each row.  This one gives the same
 * guarantee, a FOR KEY SHARE lock on the media row that a deletion must wait
 * for, with one index descent for each media of a call, however many jobs it
 * gets.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
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

/* Lock the row at the slot's place against deletion; false if it is gone. */
static bool
lock_media(Relation media, TupleTableSlot *slot, AttrNumber column, const pg_uuid_t *id)
{
	uint8		flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;
	bool		isnull;
	Datum		found;

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

	/* a later version may have been given another id */
	found = slot_getattr(slot, column, &isnull);
	return !isnull && memcmp(DatumGetUUIDP(found), id, UUID_LEN) == 0;
}

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
 * Make sure that all these media exist, and stay until this transaction ends.
 * 23503 for the first that does not.  Needs an active snapshot, a fresh one.
 * The ids are sorted in place.
 */
void
rarr_media_ref_check(Relation jobs, pg_uuid_t *ids, int n)
{
	Relation	media = rarr_relation_open("media", RowShareLock);
	AttrNumber	column = rarr_require_column(media, "id", UUIDOID);
	RarrIndexDef def = {"media_pkey", {column}, .unique = true};
	Relation	index;
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
