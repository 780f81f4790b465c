/*
 * unique_key.c
 *		Unique keys of unfinished jobs: the order in which a call takes them,
 *		and whether one is free.
 *
 * Whoever makes a job with a unique key waits for every open transaction that
 * has made or is finishing one with the same key.  A call with several keys
 * takes them in one order, that of type and key, so that two calls cannot wait
 * for each other.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "job/core/job_row.h"
#include "job/core/unique_key.h"

/* Compare two texts as COLLATE "C" does, whatever the database's collation is. */
static int
compare_texts(text *one, text *other)
{
	return varstr_cmp(VARDATA_ANY(one), VARSIZE_ANY_EXHDR(one),
					  VARDATA_ANY(other), VARSIZE_ANY_EXHDR(other), C_COLLATION_OID);
}

/*
 * Compare two keys by the order in which they are taken.
 */
int
rarr_unique_key_compare(text *type, text *key, text *other_type, text *other_key)
{
	int			order = compare_texts(type, other_type);

	return order != 0 ? order : compare_texts(key, other_key);
}

/*
 * May the job in jobs->newslot, which is not in the table yet in this version,
 * have its unique key: does no other unfinished job of the type have it?  Waits
 * for open transactions that made or are finishing one.  40001 under REPEATABLE
 * READ and SERIALIZABLE, if the transaction's snapshot does not show the job that
 * has it.  True says nothing for the future: the update can still raise 23505.
 */
bool
rarr_unique_key_is_free(RarrTable *jobs, int change)
{
	List	   *arbiters = list_make1_oid(RelationGetRelid(rarr_table_index(jobs, &rarr_job_unique_index)));
	TupleTableSlot *other;
	ItemPointerData conflict;
	bool		isfree;

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
