/*
 * row_trigger.c
 *		Choose the row triggers that fire when C code changes a row.
 *
 * Users' triggers all fire.  Our own triggers do not: the functions that make
 * the change do their work, once for all rows.  A foreign key's trigger does
 * not fire if it would find nothing to do, which saves a query per row: either
 * the caller has checked the key of an INSERT, or an UPDATE does not change
 * the key's columns.  A user's BEFORE trigger may change these values; if
 * there is one, all foreign key triggers fire.
 *
 * On a log, only triggers that check constraints fire.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/row_trigger.h"
#include "base/schema.h"

/* Are all of these columns checked by the caller of the INSERT? */
static bool
is_checked(const RarrChange *change, const AttrNumber *columns, int n)
{
	for (int i = 0; i < n; i++)
		for (const AttrNumber *c = change->columns; *c != 0; c++)
			if (*c == columns[i])
				return true;
	return false;
}

static bool
is_changed(const Bitmapset *changed, const AttrNumber *columns, int n)
{
	for (int i = 0; i < n; i++)
		if (bms_is_member(columns[i] - FirstLowInvalidHeapAttributeNumber, changed))
			return true;
	return false;
}

/* Does the foreign key reference the id, or the id and type, of a checked row? */
static bool
references_checked_row(const RarrChange *change, Oid confrelid, const AttrNumber *conkey,
					   const AttrNumber *confkey, int nkeys)
{
	if (change->referenced == NULL || !is_checked(change, conkey, nkeys) ||
		confrelid != rarr_relation_oid(change->referenced))
		return false;
	for (int i = 0; i < nkeys; i++)
		if (confkey[i] != get_attnum(confrelid, conkey[i] == change->columns[0] ? "id" : "type"))
			return false;
	return true;
}

/* The columns of a foreign key, in arrays of INDEX_MAX_KEYS. */
typedef struct ForeignKey
{
	Oid confrelid;
	AttrNumber conkey[INDEX_MAX_KEYS];
	AttrNumber confkey[INDEX_MAX_KEYS];
	int nkeys;
} ForeignKey;

/*
 * Read the foreign key of a trigger.  Returns false if there is none: anybody can
 * make a constraint trigger of a foreign key's function.
 */
static bool
read_foreign_key(const Trigger *trigger, ForeignKey *key)
{
	HeapTuple tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
	Form_pg_constraint constraint;
	bool found;

	if (!HeapTupleIsValid(tup))
		return false;
	constraint = (Form_pg_constraint) GETSTRUCT(tup);
	found = constraint->contype == CONSTRAINT_FOREIGN;
	if (found)
	{
		key->confrelid = constraint->confrelid;
		DeconstructFkConstraintRow(tup, &key->nkeys, key->conkey, key->confkey, NULL, NULL, NULL, NULL, NULL);
	}
	ReleaseSysCache(tup);
	return found;
}

/* The key's columns in the table that has the trigger. */
static const AttrNumber *
columns_of_table(const Trigger *trigger, const ForeignKey *key)
{
	return RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK ? key->confkey : key->conkey;
}

/* Would the foreign key's trigger find nothing to do? */
static bool
foreign_key_is_idle(const Trigger *trigger, const RarrChange *change, const Bitmapset *changed)
{
	ForeignKey key;

	if (!read_foreign_key(trigger, &key))
		return false;
	if (change->command == CMD_INSERT)
		return references_checked_row(change, key.confrelid, key.conkey, key.confkey, key.nkeys);
	return !is_changed(changed, columns_of_table(trigger, &key), key.nkeys);
}

/* Does a trigger check a foreign key of the table when it is updated? */
bool
rarr_has_foreign_key(const TriggerDesc *triggers)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (RI_FKey_trigger_type(triggers->triggers[i].tgfoid) == RI_TRIGGER_FK &&
			TRIGGER_FOR_UPDATE(triggers->triggers[i].tgtype))
			return true;
	return false;
}

/*
 * Return the columns of foreign keys, from the table or to it, whose triggers
 * look at an UPDATE of the table.  They are offset as in updatedCols.
 */
Bitmapset *
rarr_foreign_key_columns(const TriggerDesc *triggers)
{
	Bitmapset *result = NULL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		ForeignKey key;

		if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_NONE ||
			!TRIGGER_FOR_UPDATE(trigger->tgtype) || !read_foreign_key(trigger, &key))
			continue;
		for (int j = 0; j < key.nkeys; j++)
			result = bms_add_member(result, columns_of_table(trigger, &key)[j] - FirstLowInvalidHeapAttributeNumber);
	}
	return result;
}

/*
 * Is the trigger ours, one whose work C code does?  Users' functions may be in
 * our schema, too.  Triggers that cache_depends() made are the user's.
 */
bool
rarr_trigger_is_own(const Trigger *trigger, Oid schema)
{
	HeapTuple tup;
	Form_pg_proc proc;
	bool result;

	if (get_func_namespace(trigger->tgfoid) != schema)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
	if (!HeapTupleIsValid(tup))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tup);
	result = proc->prolang == ClanguageId && strcmp(NameStr(proc->proname), "cache_table_changed") != 0;
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
 * Disable the row triggers that must not fire for a kind of change. triggers
 * is the change's own copy of the relation's triggers. changed is the set of
 * columns that an UPDATE changes, offset as in updatedCols.  Returns true if
 * any enabled trigger is left.
 */
bool
rarr_choose_triggers(TriggerDesc *triggers, const RarrChange *change,
					 const Bitmapset *changed)
{
	Oid schema = get_namespace_oid(RARR_SCHEMA, false);
	int16 event = change->command == CMD_INSERT ? TRIGGER_TYPE_INSERT : TRIGGER_TYPE_UPDATE;
	bool before = false;
	bool left = false;

	if (triggers == NULL)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || (trigger->tgtype & event) == 0)
			continue;
		if (rarr_trigger_is_own(trigger, schema))
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (TRIGGER_FOR_BEFORE(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED)
			before = true;
	}
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || (trigger->tgtype & event) == 0)
			continue;
		if (!before && RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_NONE &&
			foreign_key_is_idle(trigger, change, changed))
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (trigger->tgenabled != TRIGGER_DISABLED)
			left = true;
	}
	if (!left)
		no_triggers(triggers);
	return left;
}

/*
 * Disable all row triggers except for those that check constraints.  This is
 * for tables with below_triggers, which are only inserted into.  What is left
 * are the triggers that check a foreign key or a deferrable unique index after
 * the row is inserted.  Returns true if there are any.
 */
bool
rarr_choose_constraint_triggers(TriggerDesc *triggers)
{
	bool left = false;

	if (triggers == NULL)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_FK ||
			trigger->tgfoid == F_UNIQUE_KEY_RECHECK)
			left |= TRIGGER_FOR_INSERT(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED;
		else
			trigger->tgenabled = TRIGGER_DISABLED;
	}
	no_triggers(triggers);
	triggers->trig_insert_after_row = left;
	return left;
}
