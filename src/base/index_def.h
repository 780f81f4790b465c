/*
 * index_def.h
 *		Compare indexes with the definitions of ours, and rows with the
 *		predicates of indexes.
 */
#ifndef RARR_BASE_INDEX_DEF_H
#define RARR_BASE_INDEX_DEF_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "base/table_def.h"

#define RARR_MAX_NULL_TESTS 4

/* Tests for NULL in the predicate of an index. */
typedef struct RarrNullTests
{
	bool complete; /* are they the whole predicate? */
	int n;
	AttrNumber columns[RARR_MAX_NULL_TESTS];
	bool wants_null[RARR_MAX_NULL_TESTS];
} RarrNullTests;

extern bool rarr_index_fits(Relation index, const RarrIndexDef *def);
extern bool rarr_index_is_known(Relation index, const RarrIndexDef *const *known);
extern void rarr_null_tests_read(RarrNullTests *tests, List *predicate);
extern bool rarr_null_tests_pass(const RarrNullTests *tests, TupleTableSlot *slot);

#endif /* RARR_BASE_INDEX_DEF_H */
