/*-------------------------------------------------------------------------
 *
 * column.c
 *		A table's columns by name.
 *
 * C code never takes a column's number for granted: a partition may have
 * another order than its parent, and DDL can drop, rename and retype any
 * column.  What would read or write a value as the wrong type asks here.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "base/column.h"

/*
 * The number of the column of this name; 0 where there is none.
 */
AttrNumber
rarr_find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return 0;
}

/*
 * The number of a column that the code cannot do without.  42703 where there
 * is none of this name and type.
 */
AttrNumber
rarr_require_column(Relation rel, const char *name, Oid type)
{
	AttrNumber	attnum = rarr_find_column(RelationGetDescr(rel), name);

	if (attnum == 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation \"%s\" has no column \"%s\" of type %s",
						RelationGetRelationName(rel), name, format_type_be(type)),
				 errhint("The extension's tables must keep their columns.")));
	return attnum;
}

/* Is a column as code knows it? */
static bool
column_fits(TupleDesc desc, int i, const RarrColumn *column, bool nulls)
{
	Form_pg_attribute att = i < desc->natts ? TupleDescAttr(desc, i) : NULL;

	return att != NULL && !att->attisdropped && att->atttypid == column->type &&
		strcmp(NameStr(att->attname), column->name) == 0 &&
		(nulls || !column->not_null || rarr_is_not_null(desc, i));
}

/*
 * The first columns of a relation of this name must be these, for code that
 * knows them by number: a value of another type, or a NULL, would be taken for an
 * address.  55000 for the first one that is not as it was made.  nulls: the caller
 * looks at each value itself whether it is NULL.
 */
void
rarr_check_columns_of(TupleDesc desc, const char *name, const RarrColumn *columns, int ncolumns, bool nulls)
{
	for (int i = 0; i < ncolumns; i++)
	{
		const RarrColumn *column = &columns[i];

		if (column_fits(desc, i, column, nulls))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column %d of table \"%s\" is not \"%s %s%s\"", i + 1,
						name, column->name, format_type_be(column->type),
						column->not_null ? " NOT NULL" : ""),
				 errhint("The extension's own columns must stay as they are; users may add columns behind them.")));
	}
}

/* False for a view, a foreign or a partitioned table that has the table's name. */
static bool
is_heap(Relation rel)
{
	return rel->rd_tableam == GetHeapamTableAmRoutine();
}

/*
 * The same of a relation, which must also be a table of the heap's: code looks
 * into its pages.
 */
void
rarr_check_columns(Relation rel, const RarrColumn *columns, int ncolumns, bool nulls)
{
	if (ncolumns > 0 && !is_heap(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s\" is not an ordinary table of the access method \"heap\"",
						RelationGetRelationName(rel)),
				 errhint("The extension's own tables must stay as they were made.")));
	rarr_check_columns_of(RelationGetDescr(rel), RelationGetRelationName(rel), columns, ncolumns, nulls);
}

/*
 * Would rarr_check_columns() raise no error?
 */
bool
rarr_columns_fit(Relation rel, const RarrColumn *columns, int ncolumns, bool nulls)
{
	for (int i = 0; i < ncolumns; i++)
		if (!column_fits(RelationGetDescr(rel), i, &columns[i], nulls))
			return false;
	return ncolumns == 0 || is_heap(rel);
}
