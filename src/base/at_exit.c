/*
 * at_exit.c
 *		Decide whether a table can be written to safely during session exit.
 *
 * During session exit interrupts are held off, and any error is promoted to
 * FATAL, which discards the remaining exit work.  Hence anything written at
 * that time must not wait for another session, must not run users' code, and
 * must not fail because of a constraint or trigger that a user added.  The
 * functions here return false instead of raising an error.  The server's own
 * emergencies, such as a full disk, can still raise one.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/at_exit.h"
#include "base/compat.h"
#include "base/expression.h"
#include "base/index_def.h"

/* was a lock refused since the last call of rarr_exit_lock_refused()? */
static bool lock_was_refused = false;

/* Was a lock refused since the last call of this function?  Another try may get it. */
bool
rarr_exit_lock_refused(void)
{
	bool refused = lock_was_refused;

	lock_was_refused = false;
	return refused;
}

/*
 * Lock a relation for changes without waiting.  Takes RowExclusiveLock and
 * keeps it until the transaction ends.  Returns false if another session holds
 * a conflicting lock, or if the shared lock table has no room.
 */
bool
rarr_exit_lock_relation(Oid relid)
{
	LOCKTAG tag;
	LOCALLOCK *local;
	LockAcquireResult result;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	result = rarr_lock_acquire_quietly(&tag, RowExclusiveLock, &local);
	if (result == LOCKACQUIRE_NOT_AVAIL)
	{
		lock_was_refused = true;
		return false;
	}
	if (result != LOCKACQUIRE_ALREADY_CLEAR)
	{
		AcceptInvalidationMessages();
		MarkLockClear(local);
	}
	return true;
}

/*
 * Is there room in shared memory for the lock on a new transaction ID?  Tested
 * by taking and releasing a lock on the table in a mode of its own, which
 * conflicts with nobody's.
 */
bool
rarr_exit_has_lock_room(Oid relid)
{
	LOCKTAG tag;
	LOCALLOCK *local;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, relid, 1);
	if (rarr_lock_acquire_quietly(&tag, AccessShareLock, &local) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	(void) LockRelease(&tag, AccessShareLock, false);
	return true;
}

/*
 * Like rarr_exit_lock_relation(), for a table and all its indexes.  Also
 * returns false if the table does not exist.
 */
bool
rarr_exit_lock_table(Oid relid)
{
	Relation rel;
	ListCell *lc;
	bool locked = true;

	if (!OidIsValid(relid) || !rarr_exit_lock_relation(relid))
		return false;
	rel = try_table_open(relid, NoLock);
	if (rel == NULL)
		return false;
	foreach (lc, RelationGetIndexList(rel))
		locked = locked && rarr_exit_lock_relation(lfirst_oid(lc));
	table_close(rel, NoLock);
	return locked;
}

/* Can the expression or predicate in this pg_index column raise an error? */
static bool
index_can_fail(Relation index, AttrNumber column)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(RelationGetRelid(index)));
	bool isnull = true;
	Datum expression = (Datum) 0;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return true;
	/* relcache.c's functions simplify the expression, which runs functions */
	expression = SysCacheGetAttr(INDEXRELID, tuple, column, &isnull);
	result = !isnull && !rarr_cannot_fail(stringToNode(TextDatumGetCString(expression)));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Does an operator class of the index call users' code?  One of the server's
 * own does for a user's type, for example a range with functions.
 */
static bool
index_runs_foreign_code(Relation index)
{
	int nsupport = index->rd_indam->amsupport * index->rd_index->indnkeyatts;

	for (int i = 0; i < nsupport; i++)
		if (rarr_is_foreign(ProcedureRelationId, index->rd_support[i]))
			return true;
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		if (rarr_is_foreign(TypeRelationId, TupleDescAttr(RelationGetDescr(index), i)->atttypid))
			return true;
	return false;
}

/* Is the column a key of the unique index, so that no two rows can be equal? */
static bool
has_key(Relation index, AttrNumber column)
{
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		if (column != 0 && index->rd_index->indkey.values[i] == column)
			return true;
	return false;
}

/* Can an index take an entry without waiting, users' code or an error? */
static bool
index_is_safe(Relation index, AttrNumber fresh, const RarrIndexDef *const *known)
{
	Form_pg_index form = index->rd_index;

	if (form->indisexclusion || index->rd_rel->relam >= FirstNormalObjectId ||
		index_can_fail(index, Anum_pg_index_indexprs) ||
		index_can_fail(index, Anum_pg_index_indpred) || index_runs_foreign_code(index))
		return false;
	return !form->indisunique || has_key(index, fresh) || rarr_index_is_known(index, known);
}

/*
 * Can rows of a table be written without waiting, without users' code and
 * without an error?
 *
 * The table and its indexes must be locked.  Each unique index must either be
 * one of known (a NULL-terminated array) or have the column fresh among its
 * keys, whose values are new; fresh is 0 if there is no such column.  Row
 * triggers are not examined; that is up to the caller.
 */
bool
rarr_exit_may_write(Relation rel, AttrNumber fresh, const RarrIndexDef *const *known)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	ListCell *lc;
	bool safe = true;

	if (constr != NULL)
	{
		if (rarr_has_generated_columns(constr))
			return false;
		for (int i = 0; i < constr->num_check; i++)
			if (!rarr_cannot_fail(stringToNode(constr->check[i].ccbin)))
				return false;
	}
	foreach (lc, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(lc), NoLock);

		safe = safe && index_is_safe(index, fresh, known);
		index_close(index, NoLock);
	}
	return safe;
}

/*
 * Compile a table's CHECK constraints for rarr_exit_checks_hold().
 * rarr_exit_may_write() must have returned true for the table.
 */
List *
rarr_exit_prepare_checks(RarrTable *table)
{
	TupleConstr *constr = RelationGetDescr(table->rel)->constr;
	List *checks = NIL;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		if (rarr_check_is_enforced(&constr->check[i]))
			checks = lappend(checks, ExecPrepareExpr(stringToNode(constr->check[i].ccbin), table->estate));
	return checks;
}

/*
 * Does the row satisfy the table's CHECK and NOT NULL constraints?  The
 * executor would raise an error instead of returning false.
 */
bool
rarr_exit_checks_hold(RarrTable *table, List *checks, TupleTableSlot *slot)
{
	TupleDesc desc = RelationGetDescr(table->rel);
	ExprContext *econtext = GetPerTupleExprContext(table->estate);
	ListCell *lc;

	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attnotnull && slot_attisnull(slot, i + 1))
			return false;
	econtext->ecxt_scantuple = slot;
	foreach (lc, checks)
		if (!ExecCheck(lfirst(lc), econtext))
			return false;
	return true;
}
