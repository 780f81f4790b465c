/*
 * unique_key.c
 *		Unique keys of unfinished jobs: their order, and whether one is free.
 *
 * A call that inserts or requeues a job with a unique key waits for each open
 * transaction that has inserted or is finishing a job with the same key.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "job/core/job_row.h"
#include "job/core/unique_key.h"

/* Compare two texts as COLLATE "C" does. */
static int
compare_texts(text *one, text *other)
{
	return varstr_cmp(VARDATA_ANY(one), VARSIZE_ANY_EXHDR(one),
					  VARDATA_ANY(other), VARSIZE_ANY_EXHDR(other), C_COLLATION_OID);
}

/*
 * Compare two unique keys in the order in which calls insert them, by type and
 * then by key, both as bytes.  Returns a number less than, equal to, or
 * greater than zero.
 */
int
rarr_unique_key_compare(text *type, text *key, text *other_type, text *other_key)
{
	int order = compare_texts(type, other_type);

	return order != 0 ? order : compare_texts(key, other_key);
}

/*
 * Is the unique key of the job in jobs->newslot free: does no other unfinished
 * job of its type have it?  The slot is a new version that is not in the table
 * yet; change: the kind of change that will write it.
 *
 * Waits for open transactions that have inserted or are finishing a job with
 * the key.  Raises 40001 under REPEATABLE READ and SERIALIZABLE if the key is
 * in use by a job that the transaction's snapshot does not show.  If the
 * result is true, the change can still raise 23505, because others can insert
 * the key meanwhile.
 */
bool
rarr_unique_key_is_free(RarrTable *jobs, int change)
{
	List *arbiters = list_make1_oid(RelationGetRelid(rarr_table_index(jobs, &rarr_job_unique_index)));
	TupleTableSlot *other;
	ItemPointerData conflict;
	bool isfree;

	rarr_table_open_indexes(jobs);
	jobs->estate->es_snapshot = GetActiveSnapshot();
	isfree = rarr_check_index_constraints(jobs->changes[change], jobs->newslot, jobs->estate,
										  &conflict, arbiters);
	ResetPerTupleExprContext(jobs->estate);
	list_free(arbiters);
	if (isfree || !IsolationUsesXactSnapshot())
		return isfree;
	other = table_slot_create(jobs->rel, NULL);
	if (table_tuple_fetch_row_version(jobs->rel, &conflict, SnapshotAny, other))
		rarr_row_require_visible(jobs, other);
	ExecDropSingleTupleTableSlot(other);
	return false;
}
