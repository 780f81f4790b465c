/*
 * direct.c
 *		Read rows through an index, without the executor.
 *
 * Reading a row by its id is the most frequent request, and starting and
 * ending the executor costs more than finding the row.  If the result is the
 * same, the index is read directly.  Otherwise these functions return false
 * and the caller runs a statement.  That is the case if the user has
 * privileges on some columns only, row security applies, the table has
 * children, a module hooks permission checks, or there is no suitable index.
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

/* more rows than this are left to a statement, which sorts them */
#define MAX_ROWS 64

/* a row to be sorted */
typedef struct FoundRow
{
	pg_uuid_t id;
	HeapTuple tuple;
} FoundRow;

/* a scan for the rows with a key */
typedef struct DirectScan
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} DirectScan;

/* May the user read the whole table without further checks? */
static bool
may_read(RarrEntity *entity)
{
	return ExecutorCheckPerms_hook == NULL &&
		   pg_class_aclcheck(entity->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		   check_enable_rls(entity->relid, InvalidOid, true) == RLS_NONE;
}

/* Begin a scan.  Returns false if a statement must be used. */
static bool
begin_scan(DirectScan *scan, RarrEntity *entity, Oid index, const pg_uuid_t *key)
{
	ScanKeyData scankey;

	if (!OidIsValid(index) || !may_read(entity))
		return false;

	/* it is locked already, but this transaction itself can alter it */
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

/* The lock on the table is kept, as by a statement. */
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
 * Find the row with this id.  Sets *row to the row, allocated in the current
 * memory context, or to NULL if there is none.  Returns false if a statement
 * must be used instead.
 */
bool
rarr_direct_row(RarrEntity *entity, const pg_uuid_t *id, HeapTuple *row)
{
	DirectScan scan;

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
 * Add the rows with this key, in order of id, to the running function's
 * result. rsinfo must have been begun with rarr_result_begin().  Returns
 * false, with nothing added, if a statement must be used instead.
 */
bool
rarr_direct_rows(RarrEntity *entity, Oid index, const pg_uuid_t *key, ReturnSetInfo *rsinfo)
{
	const RarrEntityColumn *id = rarr_entity_column(entity, "id", strlen("id"));
	FoundRow rows[MAX_ROWS];
	DirectScan scan;
	int n = 0;

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
