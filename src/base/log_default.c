/*
 * log_default.c
 *		Evaluate the defaults of columns that users added to a log.
 *
 * A row that is appended from C (append.c) gets the same defaults as a row that
 * is inserted into the log: those of the log.  The partition may have others.
 *
 * Defaults are evaluated with the rights of the role that causes the row.  That
 * role can be the owner of one of our tables, because the server runs foreign
 * key actions as the table's owner.  A default that runs users' code is
 * therefore not evaluated, and its column gets NULL.  Such a default calls a
 * function that is neither the server's nor the extension's, or has a domain as
 * its type, whose constraints may call one.
 *
 * A session that exits evaluates no volatile function either, because one may
 * wait or raise an error (at_exit.c).
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
#include "base/schema.h"

struct RarrLogDefaults
{
	MemoryContext cxt;			/* holds all that is allocated here */
	int			n;
	AttrNumber *columns;		/* column numbers in the partition */
	ExprState **values;
};

/* Count the partition's columns that the caller does not fill. */
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

/* Raise 55000: a column is NOT NULL, and its default is not evaluated. */
static void
raise_not_evaluated(Relation log, Form_pg_attribute column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of log \"%s.%s\" has a default that is not evaluated, and must not be null",
					NameStr(column->attname), RARR_SCHEMA, RelationGetRelationName(log)),
			 errdetail("A default is evaluated for the extension's rows if its functions are the server's own and its type is no domain."),
			 errhint("Give the column such a default, or drop its NOT NULL.")));
}

/*
 * Return the expression of the log's default for a column of the partition, or
 * NULL if there is none or it is not evaluated.
 */
static Node *
find_default(Relation log, Form_pg_attribute column, bool at_exit)
{
	AttrNumber	attnum = rarr_find_column(RelationGetDescr(log), NameStr(column->attname));
	Node	   *expr = attnum == 0 ? NULL : build_column_default(log, attnum);

	if (expr == NULL || !rarr_runs_foreign_code(expr))
		return expr;
	if (column->attnotnull && !at_exit)
		raise_not_evaluated(log, column);
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
 * Compile a log's defaults for rows of an open partition.  filled has the
 * numbers of the columns that the caller fills; 0 stands for an absent one.
 * *defaults is NULL if there are no other columns.  Its memory is freed by
 * rarr_log_defaults_end(), or with the current memory context.
 *
 * Raises 55000 if a column is NOT NULL and its default is not evaluated.  At
 * exit, returns false instead of an error if a default cannot be evaluated.
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
 * Fill a row's columns with their defaults.  The values last until the per-tuple
 * memory of the partition's executor state is reset.
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

/*
 * Free the compiled defaults; NULL is allowed.
 */
void
rarr_log_defaults_end(RarrLogDefaults *defaults)
{
	if (defaults != NULL)
		MemoryContextDelete(defaults->cxt);
}
