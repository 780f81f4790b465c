/*
 * plain.c
 *		Which tables and views are as the extension created them.
 *
 * direct_write.c writes rows of such tables without a statement: it does the
 * work of our own triggers, and nothing that users added would be skipped.  A
 * user's trigger or rule, inheritance, or a column whose value only the
 * executor knows how to find makes a table not plain.  Users' columns, indexes
 * and CHECK constraints do not.  What depends on the user is checked by each
 * call: privileges and row security.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "base/row_trigger.h"
#include "data/plain.h"

static const RarrChange media_changes[] = {
	[RARR_PLAIN_INSERT] = {CMD_INSERT},
	[RARR_PLAIN_UPDATE] = {CMD_UPDATE},
};

/* the media row of a new row of a subtype is inserted just before */
static const RarrChange subtype_changes[] = {
	[RARR_PLAIN_INSERT] = {CMD_INSERT, {1, 2}, "media"},
	[RARR_PLAIN_UPDATE] = {CMD_UPDATE},
};

static const RarrTableDef defs[] = {
	{"media", .like_dml = true, .nchanges = RARR_PLAIN_CHANGES, .changes = media_changes},
	{"movies", .like_dml = true, .nchanges = RARR_PLAIN_CHANGES, .changes = subtype_changes},
	{"series", .like_dml = true, .nchanges = RARR_PLAIN_CHANGES, .changes = subtype_changes},
	{"episodes", .like_dml = true, .nchanges = RARR_PLAIN_CHANGES, .changes = subtype_changes},
	{"queue_items", .like_dml = true, .nchanges = RARR_PLAIN_CHANGES, .changes = media_changes},
};

/* Return the definition for a table, or NULL if it is never written directly. */
const RarrTableDef *
rarr_plain_def(const char *table)
{
	for (int i = 0; i < lengthof(defs); i++)
		if (strcmp(defs[i].name, table) == 0)
			return &defs[i];
	return NULL;
}

static bool
is_for(const Trigger *trigger, int change)
{
	return change == RARR_PLAIN_INSERT ? TRIGGER_FOR_INSERT(trigger->tgtype) : TRIGGER_FOR_UPDATE(trigger->tgtype);
}

/* Is this the audit trigger, with the transition tables that it needs? */
static bool
is_recorder(const Trigger *trigger, int change)
{
	return !TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_AFTER(trigger->tgtype) &&
		   trigger->tgnewtable != NULL &&
		   (change == RARR_PLAIN_INSERT || trigger->tgoldtable != NULL);
}

/*
 * Return the trigger of a plain table that logs this kind of change.  triggers
 * may be a copy.
 */
const Trigger *
rarr_audit_trigger(const TriggerDesc *triggers, int change)
{
	for (int i = 0; i < triggers->numtriggers; i++)
		if (is_for(&triggers->triggers[i], change) && is_recorder(&triggers->triggers[i], change))
			return &triggers->triggers[i];
	elog(ERROR, "the table has no audit trigger");
}

/*
 * Is this the trigger of a plain table that drops the row from the cache?  It may
 * be a copy that is disabled.
 */
bool
rarr_is_cache_trigger(const Trigger *trigger)
{
	return TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_AFTER(trigger->tgtype) &&
		   TRIGGER_FOR_UPDATE(trigger->tgtype) &&
		   RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_NONE;
}

/*
 * Count a trigger of our own.  Returns false if it is none of the audit trigger,
 * the one that advances updated_at and the cache's, or if it does not fire for
 * each change.
 */
static bool
count_own(const Trigger *trigger, int change, int *recorders, bool *advances)
{
	char *name = get_func_name(trigger->tgfoid);

	if (name == NULL || trigger->tgenabled != TRIGGER_FIRES_ALWAYS || trigger->tgqual != NULL ||
		trigger->tgnattr > 0)
		return false;
	if (is_recorder(trigger, change) && strcmp(name, "audit_record") == 0)
		++*recorders;
	else if (TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			 change == RARR_PLAIN_UPDATE && strcmp(name, "updated_at_advance") == 0)
		*advances = true;
	else
		return change == RARR_PLAIN_UPDATE && rarr_is_cache_trigger(trigger) && trigger->tgnargs % 2 == 0 &&
			   strcmp(name, "cache_row_changed") == 0;
	return true;
}

/*
 * Do only our own triggers fire for the change, and foreign keys' triggers that
 * would find nothing to do?  A deferred check could find something later.  An
 * update is taken to set no column of a foreign key: direct_write.c looks at that.
 */
static bool
has_plain_triggers(Relation rel, const RarrTableDef *def, int change, bool *advances)
{
	TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);
	int recorders = 0;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!is_for(trigger, change))
			continue;
		if (rarr_trigger_is_own(trigger, RelationGetNamespace(rel)))
		{
			if (!count_own(trigger, change, &recorders, advances))
				return false;
		}
		else if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_NONE || trigger->tgdeferrable)
			return false;
	}
	return recorders == 1 && !rarr_choose_triggers(triggers, &def->changes[change], NULL);
}

/* Does a generated column depend on other columns? */
static bool
is_derived(Relation rel, AttrNumber attnum)
{
	Bitmapset *columns = NULL;

	pull_varattnos(build_column_default(rel, attnum), 1, &columns);
	return columns != NULL;
}

/*
 * Can the column's value be found?  Generated columns can be, if they are
 * stored, and if they do not change.  A domain without a default would have to
 * be checked for NULL.
 */
static bool
is_plain_column(Relation rel, Form_pg_attribute column, int change)
{
	if (column->attisdropped)
		return true;
	if (column->attgenerated != '\0')
		return column->attgenerated == ATTRIBUTE_GENERATED_STORED &&
			   (change == RARR_PLAIN_INSERT || !is_derived(rel, column->attnum));
	return column->atthasdef || get_typtype(column->atttypid) != TYPTYPE_DOMAIN;
}

/* Are the referencing columns where the definition says? */
static bool
has_key_columns(TupleDesc desc, const RarrChange *change)
{
	static const char *const names[] = {"media_id", "type"};

	for (int i = 0; change->columns[i] != 0; i++)
		if (change->columns[i] > desc->natts ||
			strcmp(NameStr(TupleDescAttr(desc, change->columns[i] - 1)->attname), names[i]) != 0)
			return false;
	return true;
}

/*
 * Can a row of the open table be changed without a statement?  def is its
 * definition, and change a kind of change.  *advances is set to true if an
 * update must advance updated_at.
 */
bool
rarr_is_plain(Relation rel, const RarrTableDef *def, int change, bool *advances)
{
	Form_pg_class form = rel->rd_rel;
	TupleDesc desc = RelationGetDescr(rel);

	if (form->relkind != RELKIND_RELATION || form->relam != HEAP_TABLE_AM_OID ||
		form->relhassubclass || form->relispartition || form->relhasrules ||
		!has_key_columns(desc, &def->changes[change]))
		return false;
	for (int i = 0; i < desc->natts; i++)
		if (!is_plain_column(rel, TupleDescAttr(desc, i), change))
			return false;
	return has_plain_triggers(rel, def, change, advances);
}

/* Is the join condition "media_id = id", in either order? */
static bool
joins_by_id(Node *quals, Query *query, Relation table, Relation subtable)
{
	bool seen[2] = {false, false};
	ListCell *lc;

	if (quals == NULL || !IsA(quals, OpExpr) || ((OpExpr *) quals)->opfuncid != F_UUID_EQ)
		return false;
	foreach (lc, ((OpExpr *) quals)->args)
	{
		Var *var = lfirst(lc);
		Oid relid;

		if (!IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0)
			return false;
		relid = rt_fetch(var->varno, query->rtable)->relid;
		if (relid == RelationGetRelid(table) &&
			strcmp(get_attname(relid, var->varattno, false), "id") == 0)
			seen[0] = true;
		else if (relid == RelationGetRelid(subtable) &&
				 strcmp(get_attname(relid, var->varattno, false), "media_id") == 0)
			seen[1] = true;
	}
	return seen[0] && seen[1];
}

/* Is the node a reference to this table? */
static bool
is_table(Node *node, Query *query, Oid first, Oid second)
{
	RangeTblEntry *entry;

	if (!IsA(node, RangeTblRef))
		return false;
	entry = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);
	return entry->rtekind == RTE_RELATION && (entry->relid == first || entry->relid == second);
}

/* Is a view's query an inner join of both tables by id, and nothing else? */
static bool
is_plain_join(Query *query, Relation table, Relation subtable)
{
	JoinExpr *join;

	if (query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs || query->hasSubLinks ||
		query->distinctClause != NIL || query->groupClause != NIL || query->groupingSets != NIL ||
		query->havingQual != NULL || query->limitCount != NULL || query->limitOffset != NULL ||
		query->setOperations != NULL || query->cteList != NIL || query->jointree->quals != NULL ||
		list_length(query->jointree->fromlist) != 1)
		return false;
	join = linitial(query->jointree->fromlist);
	return IsA(join, JoinExpr) && join->jointype == JOIN_INNER &&
		   is_table(join->larg, query, RelationGetRelid(table), RelationGetRelid(subtable)) &&
		   is_table(join->rarg, query, RelationGetRelid(table), RelationGetRelid(subtable)) &&
		   joins_by_id(join->quals, query, table, subtable);
}

/* Find the table's column that an expression is.  Returns false if it is another expression. */
static bool
find_column(Query *query, Node *expression, Relation table, Relation subtable, RarrSource *source)
{
	Var *var = (Var *) expression;
	Oid relid;

	if (!IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0)
		return false;
	relid = rt_fetch(var->varno, query->rtable)->relid;
	if (relid != RelationGetRelid(table) && relid != RelationGetRelid(subtable))
		return false;
	source->in_subtable = relid == RelationGetRelid(subtable);
	source->attnum = var->varattno;
	return true;
}

/*
 * Find where a view's column comes from: a column of one table, or the greatest
 * of two times, one of each table.  Returns false if it is computed in another
 * way.
 */
static bool
find_source(Query *query, TargetEntry *entry, Relation table, Relation subtable, RarrSource *source)
{
	MinMaxExpr *greatest = (MinMaxExpr *) entry->expr;
	RarrSource later;

	if (!IsA(greatest, MinMaxExpr))
		return find_column(query, (Node *) entry->expr, table, subtable, source);
	if (greatest->op != IS_GREATEST || greatest->minmaxtype != TIMESTAMPTZOID ||
		list_length(greatest->args) != 2 ||
		!find_column(query, linitial(greatest->args), table, subtable, source) ||
		!find_column(query, lsecond(greatest->args), table, subtable, &later) ||
		source->in_subtable || !later.in_subtable)
		return false;
	source->later = later.attnum;
	return true;
}

/* Is a view's column the greatest of several values?  A user may have made the view anew. */
bool
rarr_is_latest(Relation view, AttrNumber column)
{
	TargetEntry *entry = NULL;

	if (view->rd_rel->relkind == RELKIND_VIEW && column != 0)
		entry = get_tle_by_resno(get_view_query(view)->targetList, column);
	return entry != NULL && IsA(entry->expr, MinMaxExpr) && ((MinMaxExpr *) entry->expr)->op == IS_GREATEST;
}

static RarrSource *
view_sources(Relation view, Relation table, Relation subtable)
{
	Query *query = get_view_query(view);
	TupleDesc desc = RelationGetDescr(view);
	RarrSource *sources = palloc0(desc->natts * sizeof(RarrSource));

	if (!RelationHasSecurityInvoker(view) || !is_plain_join(query, table, subtable))
		return NULL;
	for (int i = 0; i < desc->natts; i++)
	{
		TargetEntry *entry = get_tle_by_resno(query->targetList, i + 1);

		if (entry == NULL || !find_source(query, entry, table, subtable, &sources[i]))
			return NULL;
	}
	return sources;
}

/*
 * Find where the columns of an entity's row type are stored.  rel is the open
 * relation that defines it: the table, or a view of both tables.  Returns an
 * element for each column, or NULL if the row is not simply made of the columns
 * of one row of each table.
 */
RarrSource *
rarr_plain_sources(Relation rel, Relation table, Relation subtable)
{
	TupleDesc desc = RelationGetDescr(rel);
	RarrSource *sources;

	if (rel->rd_rel->relkind == RELKIND_VIEW)
		return subtable == NULL ? NULL : view_sources(rel, table, subtable);
	if (subtable != NULL || RelationGetRelid(rel) != RelationGetRelid(table))
		return NULL;
	sources = palloc0(desc->natts * sizeof(RarrSource));
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			sources[i].attnum = i + 1;
	return sources;
}
