/*
 * index_def.c
 *		Compare indexes with the definitions of ours, and rows with the
 *		predicates of indexes.
 *
 * An index's name proves nothing: REINDEX CONCURRENTLY moves it from one index
 * to another.  An index that matches a definition contains the same rows in the
 * same order.
 */
#include "postgres.h"

#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "nodes/primnodes.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/typcache.h"

#include "base/index_def.h"

/* Does index column i match the definition, with the default sort options? */
static bool
column_fits(Relation index, int i, AttrNumber key)
{
	TypeCacheEntry *type = lookup_type_cache(index->rd_opcintype[i], TYPECACHE_BTREE_OPFAMILY);
	Oid collation = index->rd_indcollation[i];

	return index->rd_index->indkey.values[i] == abs(key) &&
		   ((index->rd_indoption[i] & INDOPTION_DESC) != 0) == (key < 0) &&
		   index->rd_opfamily[i] == type->btree_opf &&
		   (!OidIsValid(collation) || get_collation_isdeterministic(collation));
}

/* Is the column one that the definition's predicate requires to be (not) NULL? */
static bool
test_fits(const NullTest *test, const RarrIndexDef *def)
{
	AttrNumber column;

	if (!IsA(test, NullTest) || !IsA(test->arg, Var))
		return false;
	column = ((Var *) test->arg)->varattno;
	return column != 0 &&
		   (test->nulltesttype == IS_NULL ? column == def->null_column :
											column == def->not_null_columns[0] || column == def->not_null_columns[1]);
}

/* Does the index contain exactly the rows of the definition? */
static bool
predicate_fits(Relation index, const RarrIndexDef *def)
{
	List *predicate = RelationGetIndexPredicate(index);
	ListCell *lc;

	if (list_length(predicate) != (def->null_column != 0) + (def->not_null_columns[0] != 0) + (def->not_null_columns[1] != 0))
		return false;
	foreach (lc, predicate)
	{
		if (!test_fits(lfirst(lc), def))
			return false;
	}
	return true;
}

/* Does the index match the definition, whatever its name? */
bool
rarr_index_fits(Relation index, const RarrIndexDef *def)
{
	Form_pg_index form = index->rd_index;
	int i = 0;

	if (index->rd_rel->relam != BTREE_AM_OID || (def->unique && !form->indisunique))
		return false;
	while (i < form->indnkeyatts && def->keys[i] != 0 && column_fits(index, i, def->keys[i]))
		i++;
	return i == form->indnkeyatts && def->keys[i] == 0 && predicate_fits(index, def);
}

/*
 * Does the index match one of the definitions, which end with NULL?  A unique
 * index that is not the primary key must match a unique one.
 */
bool
rarr_index_is_known(Relation index, const RarrIndexDef *const *known)
{
	Form_pg_index form = index->rd_index;

	for (; known != NULL && *known != NULL; known++)
		if (rarr_index_fits(index, *known) &&
			(!form->indisunique || form->indisprimary || (*known)->unique))
			return true;
	return false;
}

/*
 * Read an index's predicate, as a list of implicitly ANDed conditions.  The
 * result can answer for a row only if all conditions are tests for NULL of
 * columns.  Then it is the whole predicate.
 */
void
rarr_null_tests_read(RarrNullTests *tests, List *predicate)
{
	ListCell *lc;

	tests->n = 0;
	tests->complete = list_length(predicate) <= RARR_MAX_NULL_TESTS;
	foreach (lc, predicate)
	{
		NullTest *test = lfirst(lc);

		if (!tests->complete)
			return;
		if (!IsA(test, NullTest) || test->argisrow || !IsA(test->arg, Var) || ((Var *) test->arg)->varattno <= 0)
		{
			tests->complete = false;
			return;
		}
		tests->columns[tests->n] = ((Var *) test->arg)->varattno;
		tests->wants_null[tests->n++] = test->nulltesttype == IS_NULL;
	}
}

/* Does the row in the slot pass the tests, as far as they were read? */
bool
rarr_null_tests_pass(const RarrNullTests *tests, TupleTableSlot *slot)
{
	for (int i = 0; i < tests->n; i++)
		if (slot_attisnull(slot, tests->columns[i]) != tests->wants_null[i])
			return false;
	return true;
}
