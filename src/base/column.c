/*
 * column.c
 *		Look up and verify a table's columns.
 *
 * A partition may order its columns differently from its parent, and DDL can
 * drop, rename or retype any column.  Code that would otherwise read or write a
 * value as the wrong type verifies the columns here first.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "base/column.h"

/* Return the number of the column with this name, or 0 if there is none. */
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
 * Return the number of a required column.  Raises 42703 if there is no column
 * with this name and type.
 */
AttrNumber
rarr_require_column(Relation rel, const char *name, Oid type)
{
	AttrNumber attnum = rarr_find_column(RelationGetDescr(rel), name);

	if (attnum == 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation \"%s\" has no column \"%s\" of type %s",
						RelationGetRelationName(rel), name, format_type_be(type)),
				 errhint("The extension's tables must keep their columns.")));
	return attnum;
}

/* Does column i have the expected name, type and nullability? */
static bool
column_fits(TupleDesc desc, int i, const RarrColumn *column, bool nulls)
{
	Form_pg_attribute att = i < desc->natts ? TupleDescAttr(desc, i) : NULL;

	return att != NULL && !att->attisdropped && att->atttypid == column->type &&
		   strcmp(NameStr(att->attname), column->name) == 0 &&
		   (nulls || !column->not_null || rarr_is_not_null(desc, i));
}

/*
 * Verify that a row type begins with the given columns.
 *
 * Code that addresses columns by number relies on this: it would take a value
 * of another type, or a NULL, for a pointer. name is the relation's name for
 * messages.  If nulls is true, the caller tests each value for NULL itself,
 * and NOT NULL is not required.  Raises 55000 for the first column that does
 * not match.
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

/* Is this an ordinary table, and not, for example, a view or partitioned? */
static bool
is_heap(Relation rel)
{
	return rel->rd_tableam == GetHeapamTableAmRoutine();
}

/*
 * Like rarr_check_columns_of(), for an open relation.  The relation must also
 * be an ordinary heap table, because code looks into its pages.  Raises 55000
 * otherwise.
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

/* Would rarr_check_columns() succeed? */
bool
rarr_columns_fit(Relation rel, const RarrColumn *columns, int ncolumns, bool nulls)
{
	for (int i = 0; i < ncolumns; i++)
		if (!column_fits(RelationGetDescr(rel), i, &columns[i], nulls))
			return false;
	return ncolumns == 0 || is_heap(rel);
}
