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
 * therefore not evaluated, and its column gets NULL (expression.c).
 *
 * A session that exits writes no row if a default can raise an error
 * (at_exit.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/column.h"
#include "base/expression.h"
#include "base/log_default.h"
#include "base/schema.h"

struct RarrLogDefaults
{
	MemoryContext cxt;                        /* holds all that is allocated here */
	ExprState *values[FLEXIBLE_ARRAY_MEMBER]; /* by column of the partition */
};

/* Count the partition's columns that the caller does not fill. */
static int
count_others(TupleDesc desc, const AttrNumber *filled, int nfilled)
{
	int n = 0;

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

/* Raise 55000: a column must not be null, and gets no default. */
static void
raise_no_default(Relation log, Form_pg_attribute column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of log \"%s.%s\" must not be null, and has no default that is evaluated",
					NameStr(column->attname), RARR_SCHEMA, RelationGetRelationName(log)),
			 errdetail("For the extension's rows, a default is evaluated if it is a constant or uses only the server's own functions and types. A default of a domain is not."),
			 errhint("Give the column such a default, or let it be null.")));
}

/* Is the type a domain that is NOT NULL, or based on one? */
static bool
is_not_null_domain(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool result;
	Oid base;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = form->typtype == TYPTYPE_DOMAIN && form->typnotnull;
	base = form->typtype == TYPTYPE_DOMAIN ? form->typbasetype : InvalidOid;
	ReleaseSysCache(tuple);
	return result || (OidIsValid(base) && is_not_null_domain(base));
}

/*
 * Find the expression of the log's default for a column of the partition.
 * *expr is NULL if there is none or it is not evaluated.
 *
 * Raises 55000 if the column must not be null and its default is not evaluated.
 * NOT NULL of a column without a default is checked with the row, but that of a
 * domain is not.  At exit, returns false if a default can raise an error.
 */
static bool
find_default(Relation log, Form_pg_attribute column, bool at_exit, Node **expr)
{
	AttrNumber attnum = rarr_find_column(RelationGetDescr(log), NameStr(column->attname));
	bool evaluated;

	*expr = attnum == 0 ? NULL : build_column_default(log, attnum);
	evaluated = *expr != NULL && (at_exit ? rarr_cannot_fail(*expr) : !rarr_runs_foreign_code(*expr));
	if (evaluated)
		return true;
	if (at_exit)
		return *expr == NULL && !is_not_null_domain(column->atttypid);
	if ((*expr != NULL && column->attnotnull) || is_not_null_domain(column->atttypid))
		raise_no_default(log, column);
	*expr = NULL;
	return true;
}

static RarrLogDefaults *
make_defaults(int natts)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr log defaults",
											  ALLOCSET_SMALL_SIZES);
	RarrLogDefaults *defaults = MemoryContextAllocZero(cxt, offsetof(RarrLogDefaults, values) +
																natts * sizeof(ExprState *));

	defaults->cxt = cxt;
	return defaults;
}

/*
 * Compile a log's defaults for rows of an open partition.  filled has the
 * numbers of the columns that the caller fills; 0 stands for an absent one.
 * *defaults is NULL if there are no other columns.  Its memory is freed by
 * rarr_log_defaults_end(), or with the current memory context.
 *
 * Raises 55000 if a column must not be null and its default is not evaluated.
 * At exit, returns false instead, also if a default can raise an error.
 */
bool
rarr_log_defaults_begin(Relation log, const RarrTable *partition, const AttrNumber *filled,
						int nfilled, bool at_exit, RarrLogDefaults **defaults)
{
	TupleDesc desc = partition->desc;
	MemoryContext old;
	bool evaluable = true;

	*defaults = NULL;
	if (count_others(desc, filled, nfilled) == 0)
		return true;
	*defaults = make_defaults(desc->natts);
	old = MemoryContextSwitchTo((*defaults)->cxt);
	for (int i = 0; evaluable && i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Node *expr;

		if (column->attisdropped || column->attgenerated || is_filled(i + 1, filled, nfilled))
			continue;
		evaluable = find_default(log, column, at_exit, &expr);
		if (evaluable && expr != NULL)
			(*defaults)->values[i] = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	}
	MemoryContextSwitchTo(old);
	return evaluable;
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
	for (int i = 0; i < partition->desc->natts; i++)
		if (defaults->values[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(defaults->values[i],
															GetPerTupleExprContext(partition->estate),
															&slot->tts_isnull[i]);
}

/* Free the compiled defaults; NULL is allowed. */
void
rarr_log_defaults_end(RarrLogDefaults *defaults)
{
	if (defaults != NULL)
		MemoryContextDelete(defaults->cxt);
}
