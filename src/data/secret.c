/*
 * secret.c
 *		Protect secret settings and users' password hashes from other roles.
 *
 * Only admins (base/access.c) may see these values.  Other roles may write them
 * without reading them, and must not learn them by what they write.  A row
 * trigger therefore rejects two changes of a secret setting by other roles: to
 * make it readable, and to change its type, because the type's check would
 * reveal whether the hidden value is valid for the new type.  config_set() and
 * config_update() may make these changes together with a new value.  Plain DML
 * may not: a trigger cannot tell whether MERGE assigned the value, and comparing
 * it with the old value would confirm a guess.
 *
 * The same trigger checks the table's constraints before the server does,
 * because the server's message, which also goes to the server log, shows the
 * whole row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/access.h"
#include "base/args.h"
#include "base/column.h"
#include "data/secret.h"

#define NOT_SHOWN "The row is not shown, because it holds a secret."

static RarrReplaced replaced = {NULL, NULL};

/* May only admins see the column's values? */
bool
rarr_is_secret_column(const RarrEntity *entity, const RarrEntityColumn *column)
{
	if (entity->kind == RARR_CONFIG)
		return strcmp(column->name, "value") == 0;
	return entity->kind == RARR_WEBUI_USER &&
		   (strcmp(column->name, "password_hash") == 0 || strcmp(column->name, "api_key_hash") == 0);
}

/* Cut ", not <value>" off the message of a violation. */
char *
rarr_without_value(char *message)
{
	char *end = strstr(message, ", not ");

	return end == NULL ? message : pnstrdup(message, end - message);
}

/*
 * Declare that updates of this setting give it a new value from now on.
 * Returns the previous declaration, which the caller restores afterwards, also
 * after an error.
 */
RarrReplaced
rarr_secret_replace(RarrReplaced setting)
{
	RarrReplaced before = replaced;

	replaced = setting;
	return before;
}

static Datum
get(HeapTuple row, Relation rel, const char *name, Oid type, bool *isnull)
{
	return heap_getattr(row, rarr_require_column(rel, name, type), RelationGetDescr(rel), isnull);
}

/* Does the running function replace the value of this setting? */
static bool
is_replaced(HeapTuple row, Relation rel)
{
	bool isnull;
	Datum value;

	if (replaced.id != NULL)
	{
		value = get(row, rel, "id", UUIDOID, &isnull);
		return !isnull && memcmp(DatumGetUUIDP(value)->data, replaced.id->data, UUID_LEN) == 0;
	}
	if (replaced.key != NULL)
	{
		value = get(row, rel, "key", TEXTOID, &isnull);
		return !isnull && strcmp(TextDatumGetCString(value), text_to_cstring(replaced.key)) == 0;
	}
	return false;
}

/* Is this a secret setting?  NULL, which a constraint rejects, is true. */
static bool
is_secret(HeapTuple row, Relation rel)
{
	bool isnull;
	Datum secret = get(row, rel, "secret", BOOLOID, &isnull);

	return isnull || DatumGetBool(secret);
}

static bool
same_type(HeapTuple a, HeapTuple b, Relation rel)
{
	bool null_a;
	bool null_b;
	Datum x = get(a, rel, "value_type", TEXTOID, &null_a);
	Datum y = get(b, rel, "value_type", TEXTOID, &null_b);

	return null_a == null_b &&
		   (null_a || strcmp(TextDatumGetCString(x), TextDatumGetCString(y)) == 0);
}

/* Raise 42501 for a change by which the user could learn a secret value. */
static void
protect(Relation rel, HeapTuple old_row, HeapTuple new_row)
{
	bool stays_secret = is_secret(new_row, rel);

	if (!is_secret(old_row, rel) || (stays_secret && same_type(old_row, new_row, rel)) ||
		rarr_is_admin(GetUserId()) || is_replaced(old_row, rel))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 stays_secret ?
				 errmsg("permission denied to change the type of a secret setting") :
				 errmsg("permission denied to make a secret setting readable"),
			 errhint("Admins may; others give a new value at the same time, by config_set() or config_update()."),
			 errhidestmt(true)));
}

static void
check_not_null(Relation rel, HeapTuple row)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || !att->attnotnull || att->attgenerated != '\0' ||
			!heap_attisnull(row, att->attnum, desc))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
						NameStr(att->attname), RelationGetRelationName(rel)),
				 errdetail(NOT_SHOWN),
				 errhidestmt(true), errhidecontext(true),
				 errtablecol(rel, att->attnum)));
	}
}

/* Does an expression need a generated column?  Those are computed later. */
static bool
needs_generated(Relation rel, Node *expression)
{
	Bitmapset *columns = NULL;
	int i = -1;

	pull_varattnos(expression, 1, &columns);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated != '\0')
			return true;
	}
	return false;
}

static void
check_constraints(Relation rel, HeapTuple row)
{
	TupleDesc desc = RelationGetDescr(rel);
	int n = desc->constr == NULL ? 0 : desc->constr->num_check;
	EState *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);

	ExecStoreHeapTuple(row, slot, false);
	context->ecxt_scantuple = slot;
	for (int i = 0; i < n; i++)
	{
		const ConstrCheck *check = &desc->constr->check[i];
		Node *expression = stringToNode(check->ccbin);

		if (!rarr_check_is_enforced(check) || needs_generated(rel, expression) ||
			ExecCheck(ExecPrepareExpr((Expr *) expression, estate), context))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("new row for relation \"%s\" violates check constraint \"%s\"",
						RelationGetRelationName(rel), check->ccname),
				 errdetail(NOT_SHOWN),
				 errhidestmt(true), errhidecontext(true),
				 errtableconstraint(rel, check->ccname)));
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

/*
 * secret_guard(): BEFORE INSERT OR UPDATE row trigger on configuration and
 * webui_users
 *
 * Raises 42501 for a change by which a role other than the owner could learn a
 * secret, and 23502 and 23514 for a row that violates the table's constraints.
 */
PG_FUNCTION_INFO_V1(researcharr_secret_guard);
Datum
researcharr_secret_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation rel;
	Oid schema;
	bool update;
	bool settings;
	HeapTuple new_row;

	rarr_require_trigger(fcinfo, "secret_guard");
	rel = trigger->tg_relation;
	schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	settings = RelationGetRelid(rel) == get_relname_relid("configuration", schema);
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!(update || TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) ||
		!(settings || RelationGetRelid(rel) == get_relname_relid("webui_users", schema)))
		rarr_wrong_trigger(trigger, "secret_guard",
						   "The function is for BEFORE INSERT OR UPDATE ... FOR EACH ROW triggers on configuration and webui_users only.");

	new_row = update ? trigger->tg_newtuple : trigger->tg_trigtuple;
	if (settings && update)
		protect(rel, trigger->tg_trigtuple, new_row);
	if (!settings || is_secret(new_row, rel) || (update && is_secret(trigger->tg_trigtuple, rel)))
	{
		check_not_null(rel, new_row);
		check_constraints(rel, new_row);
	}
	PG_RETURN_POINTER(new_row);
}
