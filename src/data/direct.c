/*
 * direct.c
 *		Rows by an index, without the executor.
 *
 *		A row by its id is what applications ask for most, and starting and ending
 *		the executor costs more than finding the row.  So where it comes to the
 *		same, the index is read right here.  Where it does not (the user has
 *		privileges on some columns only, row security applies, the table has
 *		children, a module wants to see every permission check, there is no index
 *		for it), these functions say so by returning false, and the caller runs a
 *		statement.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "data/direct.h"

/* With more rows than these, a statement sorts them. */
#define MAX_ROWS	64

/* A row while it waits to be sorted. */
typedef struct FoundRow
{
	pg_uuid_t	id;
	HeapTuple	tuple;
} FoundRow;

/* A scan of the rows with a key. */
typedef struct DirectScan
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} DirectScan;

/* May the user read all of the table just so? */
static bool
may_read(RarrEntity *entity)
{
	return ExecutorCheckPerms_hook == NULL &&
		pg_class_aclcheck(entity->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(entity->relid, InvalidOid, true) == RLS_NONE;
}

/* Begins a scan; false where it would not be as good as a statement. */
static bool
begin_scan(DirectScan *scan, RarrEntity *entity, Oid index, const pg_uuid_t *key)
{
	ScanKeyData scankey;

	if (!OidIsValid(index) || !may_read(entity))
		return false;

	/* locked since the entity was looked up; but this transaction can alter it, too */
	scan->rel = table_open(entity->relid, AccessShareLock);
	if (!entity->valid || scan->rel->rd_rel->relhassubclass)
	{
		table_close(scan->rel, AccessShareLock);
		return false;
	}
	scan->index = index_open(index, AccessShareLock);
	ScanKeyInit(&scankey, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(key));
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = rarr_index_beginscan(scan->rel, scan->index, GetActiveSnapshot(), 1);
	index_rescan(scan->scan, &scankey, 1, NULL, 0);
	return true;
}

static bool
next_row(DirectScan *scan)
{
	if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
		return false;
	slot_getallattrs(scan->slot);
	return true;
}

/* The lock on the table is kept to the transaction's end, as a statement would. */
static void
end_scan(DirectScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->rel, NoLock);
}

static HeapTuple
form_row(TupleDesc desc, DirectScan *scan)
{
	return heap_form_tuple(desc, scan->slot->tts_values, scan->slot->tts_isnull);
}

/*
 * Finds the row with this id; NULL where there is none.  False where that must
 * be asked by a statement.
 */
bool
rarr_direct_row(RarrEntity *entity, const pg_uuid_t *id, HeapTuple *row)
{
	DirectScan	scan;

	if (!begin_scan(&scan, entity, entity->id_index, id))
		return false;
	*row = next_row(&scan) ? form_row(entity->desc, &scan) : NULL;
	end_scan(&scan);
	return true;
}

static int
compare_rows(const void *a, const void *b)
{
	return memcmp(((const FoundRow *) a)->id.data, ((const FoundRow *) b)->id.data, UUID_LEN);
}

/*
 * Puts the rows with this key, in the order of their ids, into the running
 * function's result, which was begun with rarr_result_begin().  False, and
 * nothing is in there, where that must be asked by a statement.
 */
bool
rarr_direct_rows(RarrEntity *entity, Oid index, const pg_uuid_t *key, ReturnSetInfo *rsinfo)
{
	const RarrEntityColumn *id = rarr_entity_column(entity, "id", strlen("id"));
	FoundRow	rows[MAX_ROWS];
	DirectScan	scan;
	int			n = 0;

	if (!begin_scan(&scan, entity, index, key))
		return false;
	while (n <= MAX_ROWS && next_row(&scan))
	{
		if (n < MAX_ROWS)
		{
			rows[n].id = *DatumGetUUIDP(scan.slot->tts_values[id->attnum - 1]);
			rows[n].tuple = form_row(rsinfo->setDesc, &scan);
		}
		n++;
	}
	end_scan(&scan);
	if (n > MAX_ROWS)
		return false;
	qsort(rows, n, sizeof(FoundRow), compare_rows);
	for (int i = 0; i < n; i++)
		tuplestore_puttuple(rsinfo->setResult, rows[i].tuple);
	return true;
}
