/*
 * secret.c
 *		Values that only the owner of the tables and superusers may see: secret
 *		settings, and the hashes of users of the web interface.
 *
 *		Others may write them without reading them, and must not learn them by
 *		what they write.  So a row trigger refuses two changes of a secret setting
 *		by others: to make it readable, and to change its type, whose check would
 *		say whether the hidden value reads as that type.  config_set() and
 *		config_update() may make them together with a new value.  Plain DML may
 *		not: a trigger cannot tell whether MERGE assigned the value, and to compare
 *		it with the old one would confirm a guess.
 *
 *		The same trigger checks the constraints of rows that hold such values,
 *		before the server does: the server's message shows the whole row, in its
 *		log, too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/args.h"
#include "base/column.h"
#include "base/compat.h"
#include "data/secret.h"

#define NOT_SHOWN "The row is not shown, because it holds a secret."

static RarrReplaced replaced = {NULL, NULL};

/* May only the owner and superusers see the column's values? */
bool
rarr_is_secret_column(const RarrEntity *entity, const RarrEntityColumn *column)
{
	if (entity->kind == RARR_CONFIG)
		return strcmp(column->name, "value") == 0;
	return entity->kind == RARR_WEBUI_USER &&
		(strcmp(column->name, "password_hash") == 0 || strcmp(column->name, "api_key_hash") == 0);
}

/* The message of a violation, which ends in ", not" and the value, without these. */
char *
rarr_without_value(char *message)
{
	char	   *end = strstr(message, ", not ");

	return end == NULL ? message : pnstrdup(message, end - message);
}

/*
 * For an error context: keeps the statement that is running, which may have the
 * secret in it, out of the server's log.
 */
void
rarr_hide_statement(void *arg)
{
	errhidestmt(true);
}

/*
 * From now on, an update of this setting gives it a new value.  Returns what
 * was said before, which the caller says again afterwards, also after an error.
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

/* Is this a setting whose value the running function replaces? */
static bool
is_replaced(HeapTuple row, Relation rel)
{
	bool		isnull;
	Datum		value;

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

/* Is it a secret setting?  NULL, which a constraint will refuse, counts as one. */
static bool
is_secret(HeapTuple row, Relation rel)
{
	bool		isnull;
	Datum		secret = get(row, rel, "secret", BOOLOID, &isnull);

	return isnull || DatumGetBool(secret);
}

static bool
same_type(HeapTuple a, HeapTuple b, Relation rel)
{
	bool		null_a;
	bool		null_b;
	Datum		x = get(a, rel, "value_type", TEXTOID, &null_a);
	Datum		y = get(b, rel, "value_type", TEXTOID, &null_b);

	return null_a == null_b &&
		(null_a || strcmp(TextDatumGetCString(x), TextDatumGetCString(y)) == 0);
}

/* 42501 for a change by which somebody could learn the value of a secret. */
static void
protect(Relation rel, HeapTuple old_row, HeapTuple new_row)
{
	bool		stays_secret = is_secret(new_row, rel);

	if (!is_secret(old_row, rel) || (stays_secret && same_type(old_row, new_row, rel)) ||
		rarr_is_owner(RelationGetRelid(rel), GetUserId()) || is_replaced(old_row, rel))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 stays_secret ?
			 errmsg("permission denied to change the type of a secret setting") :
			 errmsg("permission denied to make a secret setting readable"),
			 errhint("The extension's owner and superusers may; others give a new value at the same time, by config_set() or config_update()."),
			 errhidestmt(true)));
}

static void
check_not_null(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);

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

/* Does an expression need a generated column?  Those get their values later. */
static bool
needs_generated(Relation rel, Node *expression)
{
	Bitmapset  *columns = NULL;
	int			i = -1;

	pull_varattnos(expression, 1, &columns);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber	attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated != '\0')
			return true;
	}
	return false;
}

static void
check_constraints(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			n = desc->constr == NULL ? 0 : desc->constr->num_check;
	EState	   *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);

	ExecStoreHeapTuple(row, slot, false);
	context->ecxt_scantuple = slot;
	for (int i = 0; i < n; i++)
	{
		const ConstrCheck *check = &desc->constr->check[i];
		Node	   *expression = stringToNode(check->ccbin);

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

/* Raises 39P01: the trigger does not have the shape that the function is for. */
static void
wrong_trigger(TriggerData *trigger)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on \"%s\" cannot call \"secret_guard\"",
					trigger->tg_trigger->tgname,
					RelationGetRelationName(trigger->tg_relation)),
			 errhint("The function is for BEFORE INSERT OR UPDATE ... FOR EACH ROW triggers on configuration and webui_users only.")));
}

/*
 * secret_guard(), a BEFORE INSERT OR UPDATE row trigger on configuration and
 * webui_users
 *		Errors: 42501 for a change by which others than the owner could learn a
 *		secret; 23502 and 23514 for a row that the table's constraints refuse.
 */
PG_FUNCTION_INFO_V1(researcharr_secret_guard);
Datum
researcharr_secret_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	Oid			schema;
	bool		update;
	bool		settings;
	HeapTuple	new_row;

	rarr_require_trigger(fcinfo, "secret_guard");
	rel = trigger->tg_relation;
	schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	settings = RelationGetRelid(rel) == get_relname_relid("configuration", schema);
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!(update || TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) ||
		!(settings || RelationGetRelid(rel) == get_relname_relid("webui_users", schema)))
		wrong_trigger(trigger);

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
