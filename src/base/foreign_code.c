/*
 * foreign_code.c
 *		Refuse to write to a table if that would run another role's code.
 *
 * Maintenance tasks write without anybody asking for it, with the rights of the
 * extension's owner.  Code that comes with the table would run with these
 * rights: functions of triggers, expressions in their WHEN, and what foreign
 * keys with an action do to other tables, whose triggers run as well.  A role
 * that was granted TRIGGER or REFERENCES can add these.  (Indexes, constraints,
 * defaults, rules and partitions come from the table's owner alone.)
 *
 * Trusted are the current user, which is the extension's owner in a task, and
 * superusers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"

#include "base/expression.h"
#include "base/foreign_code.h"

/* the longest chain of foreign keys that is followed */
#define MAX_DEPTH 16

static void check_table(Relation rel, int depth);

static bool
is_trusted(Oid role)
{
	return role == GetUserId() || superuser_arg(role);
}

/* The owner of a function, or InvalidOid. */
static Oid
owner_of(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

static void
refuse(Relation rel, const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("maintenance does not write to table \"%s\", because of %s \"%s\"",
					RelationGetRelationName(rel), what, name),
			 errdetail("Code of a role that is neither the extension's owner nor a superuser would run with the rights of the extension's owner."),
			 errhint("Drop it, or let the extension's owner own its function or table; and revoke TRIGGER and REFERENCES on the extension's tables.")));
}

/* Does the foreign key's trigger change rows of the other table? */
static bool
has_action(Oid function)
{
	switch (function)
	{
		case F_RI_FKEY_CASCADE_DEL:
		case F_RI_FKEY_CASCADE_UPD:
		case F_RI_FKEY_SETNULL_DEL:
		case F_RI_FKEY_SETNULL_UPD:
		case F_RI_FKEY_SETDEFAULT_DEL:
		case F_RI_FKEY_SETDEFAULT_UPD:
			return true;
		default:
			return false;
	}
}

/* Check a foreign key by which changes reach another table. */
static void
check_foreign_key(Relation rel, const Trigger *trigger, int depth)
{
	ListCell *lc;

	if (!has_action(trigger->tgfoid) || !OidIsValid(trigger->tgconstrrelid) ||
		trigger->tgconstrrelid == RelationGetRelid(rel))
		return;
	if (depth == MAX_DEPTH)
		refuse(rel, "foreign key", trigger->tgname);
	/* the lock of a write, so that nobody creates a trigger meanwhile; a partition can have its own */
	foreach (lc, find_all_inheritors(trigger->tgconstrrelid, RowExclusiveLock, NULL))
	{
		Relation other = try_table_open(lfirst_oid(lc), RowExclusiveLock);

		if (other == NULL)
			continue;
		if (!is_trusted(other->rd_rel->relowner))
			refuse(rel, "a foreign key of table", RelationGetRelationName(other));
		check_table(other, depth + 1);
		table_close(other, NoLock);
	}
}

static void
check_table(Relation rel, int depth)
{
	/* a copy: the server replaces the original when others change the table's statistics */
	const TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgenabled == TRIGGER_DISABLED)
			continue;
		if (trigger->tgisinternal)
			check_foreign_key(rel, trigger, depth);
		if (!is_trusted(owner_of(trigger->tgfoid)) ||
			(trigger->tgqual != NULL && rarr_runs_foreign_code(stringToNode(trigger->tgqual))))
			refuse(rel, "trigger", trigger->tgname);
	}
}

/*
 * Raise 42501 if writing to the table would run code of a role that is neither
 * the current user nor a superuser.  The caller has locked the table such that
 * nobody can create a trigger meanwhile, as for any write.
 */
void
rarr_refuse_foreign_code(Relation rel)
{
	if (!is_trusted(rel->rd_rel->relowner))
		refuse(rel, "its owner", GetUserNameFromId(rel->rd_rel->relowner, false));
	check_table(rel, 0);
}
