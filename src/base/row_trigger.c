/*-------------------------------------------------------------------------
 *
 * row_trigger.c
 *		Which row triggers fire when C code changes a row of one of our tables.
 *
 * Users' all fire.  Our own do not: their work is done by the functions that
 * make the change, once for all rows.  Nor do foreign keys' where they would
 * find nothing to do, which spares a query for each row: the caller checked
 * the key of an INSERT, or an UPDATE leaves the key's columns alone.  A user's
 * BEFORE trigger may put other values in, so that beside one they all fire.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/row_trigger.h"

/* Is any of these columns among those of the change? */
static bool
changes_any(const RarrChange *change, const AttrNumber *columns, int n)
{
	for (int i = 0; i < n; i++)
		for (const AttrNumber *c = change->columns; *c != 0; c++)
			if (*c == columns[i])
				return true;
	return false;
}

/* Would this foreign key's trigger find nothing to do? */
static bool
foreign_key_is_idle(Relation rel, const Trigger *trigger, const RarrChange *change)
{
	HeapTuple	tup;
	Form_pg_constraint constraint;
	AttrNumber	conkey[INDEX_MAX_KEYS];
	AttrNumber	confkey[INDEX_MAX_KEYS];
	int			nkeys;
	bool		ours;
	bool		idle;

	tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
	if (!HeapTupleIsValid(tup))
		return false;
	constraint = (Form_pg_constraint) GETSTRUCT(tup);
	DeconstructFkConstraintRow(tup, &nkeys, conkey, confkey, NULL, NULL, NULL, NULL, NULL);
	ours = changes_any(change, constraint->conrelid == RelationGetRelid(rel) ? conkey : confkey,
					   nkeys);
	if (change->command == CMD_INSERT)
		idle = ours && nkeys == 1 && change->referenced != NULL &&
			constraint->confrelid == rarr_relation_oid(change->referenced);
	else
		idle = !ours;
	ReleaseSysCache(tup);
	return idle;
}

/* Did the extension make it?  Users may have put functions into our schema. */
bool
rarr_trigger_is_own(const Trigger *trigger, Oid schema)
{
	HeapTuple	tup;
	bool		result;

	if (get_func_namespace(trigger->tgfoid) != schema)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
	if (!HeapTupleIsValid(tup))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tup))->prolang == ClanguageId;
	ReleaseSysCache(tup);
	return result;
}

static void
no_triggers(TriggerDesc *triggers)
{
	triggers->trig_insert_before_row = false;
	triggers->trig_insert_after_row = false;
	triggers->trig_update_before_row = false;
	triggers->trig_update_after_row = false;
}

/*
 * Turn off the row triggers that are not to fire for this kind of change, in
 * the change's own copy of the relation's triggers.  True if some are left.
 */
bool
rarr_choose_triggers(Relation rel, TriggerDesc *triggers, const RarrChange *change)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, false);
	int16		event = change->command == CMD_INSERT ? TRIGGER_TYPE_INSERT : TRIGGER_TYPE_UPDATE;
	bool		before = false;
	bool		left = false;

	if (triggers == NULL)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || (trigger->tgtype & event) == 0)
			continue;
		if (rarr_trigger_is_own(trigger, schema))
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (TRIGGER_FOR_BEFORE(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED)
			before = true;
	}
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || (trigger->tgtype & event) == 0)
			continue;
		if (!before && RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_NONE &&
			foreign_key_is_idle(rel, trigger, change))
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (trigger->tgenabled != TRIGGER_DISABLED)
			left = true;
	}
	if (!left)
		no_triggers(triggers);
	return left;
}
