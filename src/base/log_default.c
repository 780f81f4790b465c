/*-------------------------------------------------------------------------
 *
 * log_default.c
 *		What the columns that users added to a log get: their defaults.
 *
 * A row that is appended from C (append.c) gets what an INSERT into the log
 * would give it: the log's defaults, not those of the partition, which can have
 * others.  They are evaluated with the rights of whoever caused the row.  That
 * can be the owner of a table of ours, for whom the server runs the actions of
 * foreign keys.  So a default that runs code of users is left out: one with a
 * function that is neither the server's nor the extension's, or of a domain,
 * whose constraints may have one.  Its column gets NULL.
 *
 * A session that ends evaluates no volatile function either: one may wait, or
 * raise an error (at_exit.c).
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/memutils.h"

#include "base/at_exit.h"
#include "base/column.h"
#include "base/compat.h"
#include "base/log_default.h"

struct RarrLogDefaults
{
	MemoryContext cxt;			/* of all that is allocated */
	int			n;
	AttrNumber *columns;		/* of the partition */
	ExprState **values;
};

/* How many columns of the partition does a row get that the caller does not fill? */
static int
count_others(TupleDesc desc, const AttrNumber *filled, int nfilled)
{
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
		n += !TupleDescAttr(desc, i)->attisdropped;
	for (int i = 0; i < nfilled; i++)
		n -= filled[i] != 0;
	return n;
}

static bool
is_filled(AttrNumber column, const AttrNumber *filled, int nfilled)
{
	for (int i = 0; i < nfilled; i++)
		if (filled[i] == column)
			return true;
	return false;
}

/* 55000: a column must have a value, and its default is left out. */
static void
raise_left_out(Relation log, Form_pg_attribute column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of log \"%s.%s\" has a default that is not evaluated, and must not be null",
					NameStr(column->attname), RARR_SCHEMA, RelationGetRelationName(log)),
			 errdetail("A default is evaluated for the extension's rows if its functions are the server's own and its type is no domain."),
			 errhint("Give the column such a default, or drop its NOT NULL.")));
}

/*
 * The expression of the log's default for a column of the partition; NULL where
 * there is none, or none that is evaluated.
 */
static Node *
find_default(Relation log, Form_pg_attribute column, bool at_exit)
{
	AttrNumber	attnum = rarr_find_column(RelationGetDescr(log), NameStr(column->attname));
	Node	   *expr = attnum == 0 ? NULL : build_column_default(log, attnum);

	if (expr == NULL || !rarr_runs_foreign_code(expr))
		return expr;
	if (column->attnotnull && !at_exit)
		raise_left_out(log, column);
	return NULL;
}

static RarrLogDefaults *
make_defaults(int room)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr log defaults",
											  ALLOCSET_SMALL_SIZES);
	RarrLogDefaults *defaults = MemoryContextAlloc(cxt, sizeof(RarrLogDefaults));

	defaults->cxt = cxt;
	defaults->n = 0;
	defaults->columns = MemoryContextAlloc(cxt, room * sizeof(AttrNumber));
	defaults->values = MemoryContextAlloc(cxt, room * sizeof(ExprState *));
	return defaults;
}

/*
 * Prepare the defaults of a log's columns for rows of an open partition of which the
 * caller fills these columns (0: one that is absent); *defaults is NULL where
 * there are no others.  What is allocated goes with rarr_log_defaults_end(), or
 * with the current memory context.
 *
 * 55000 where a column must have a value and its default is left out.  At exit:
 * false, and no error, if a default cannot be evaluated then.
 */
bool
rarr_log_defaults_begin(Relation log, const RarrTable *partition, const AttrNumber *filled,
						int nfilled, bool at_exit, RarrLogDefaults **defaults)
{
	TupleDesc	desc = partition->desc;
	int			others = count_others(desc, filled, nfilled);
	MemoryContext old;

	*defaults = NULL;
	if (others == 0)
		return true;
	*defaults = make_defaults(others);
	old = MemoryContextSwitchTo((*defaults)->cxt);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Node	   *expr;

		if (column->attisdropped || column->attgenerated || is_filled(i + 1, filled, nfilled))
			continue;
		expr = find_default(log, column, at_exit);
		if (expr == NULL)
			continue;
		if (at_exit && contain_volatile_functions(expr))
		{
			MemoryContextSwitchTo(old);
			return false;
		}
		(*defaults)->columns[(*defaults)->n] = i + 1;
		(*defaults)->values[(*defaults)->n++] = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	}
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Give the columns of a row their defaults.  The values last until the memory for
 * each row of the partition's executor state is reset.
 */
void
rarr_log_defaults_fill(const RarrLogDefaults *defaults, RarrTable *partition, TupleTableSlot *slot)
{
	if (defaults == NULL)
		return;
	for (int i = 0; i < defaults->n; i++)
	{
		int			att = defaults->columns[i] - 1;

		slot->tts_values[att] = ExecEvalExprSwitchContext(defaults->values[i],
														  GetPerTupleExprContext(partition->estate),
														  &slot->tts_isnull[att]);
	}
}

void
rarr_log_defaults_end(RarrLogDefaults *defaults)
{
	if (defaults != NULL)
		MemoryContextDelete(defaults->cxt);
}
