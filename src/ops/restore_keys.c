/*
 * restore_keys.c
 *		Check foreign keys of restored tables.
 *
 * Rows of a backup agree with each other.  They need not agree with tables that
 * are not restored: those that the caller did not name, and users' tables that
 * reference ours.  So each foreign key from or to a restored table is checked,
 * by the query with which the server checks one that is added.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "ops/restore_keys.h"
#include "ops/schedule_table.h"

/* A foreign key. */
typedef struct Key
{
	Oid oid;
	char *name;
	Oid referencing;
	Oid referenced;
	Oid index; /* of the referenced columns */
} Key;

static Oid
get_oid(const RarrScheduleAccess *access, int row, int column)
{
	bool isnull;
	Datum value = rarr_schedule_datum(access, row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/*
 * Find the foreign keys from or to these tables that hold for all rows.  One
 * that is NOT VALID or NOT ENFORCED does not.
 */
static List *
find_keys(List *relids)
{
	RarrScheduleQuery query = {
		"SELECT oid, conname::text, conrelid, confrelid, conindid FROM pg_constraint"
		" WHERE contype = 'f' AND conparentid = 0 AND convalidated AND " RARR_KEY_IS_ENFORCED
		" AND (conrelid = ANY ($1) OR confrelid = ANY ($1)) ORDER BY conname, oid"};
	RarrScheduleAccess access;
	Datum *oids = palloc(list_length(relids) * sizeof(Datum));
	List *keys = NIL;
	uint64 n;

	for (int i = 0; i < list_length(relids); i++)
		oids[i] = ObjectIdGetDatum(list_nth_oid(relids, i));
	rarr_schedule_begin(&access);
	rarr_schedule_param(&query, OIDARRAYOID,
						PointerGetDatum(construct_array(oids, list_length(relids), OIDOID, sizeof(Oid), true, TYPALIGN_INT)),
						false);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		Key *key = MemoryContextAllocZero(access.cxt, sizeof(Key));
		MemoryContext old;

		key->oid = get_oid(&access, i, 1);
		key->name = rarr_schedule_text(&access, i, 2);
		key->referencing = get_oid(&access, i, 3);
		key->referenced = get_oid(&access, i, 4);
		key->index = get_oid(&access, i, 5);
		old = MemoryContextSwitchTo(access.cxt);
		keys = lappend(keys, key);
		MemoryContextSwitchTo(old);
	}
	rarr_schedule_end(&access);
	return keys;
}

/* Raise 23503 if a row has no partner. */
static void
check_key(const Key *key)
{
	Relation referencing = table_open(key->referencing, AccessShareLock);
	Relation referenced = table_open(key->referenced, AccessShareLock);
	Trigger trigger = {
		.tgname = key->name,
		.tgenabled = TRIGGER_FIRES_ON_ORIGIN,
		.tgisinternal = true,
		.tgconstrrelid = key->referenced,
		.tgconstrindid = key->index,
		.tgconstraint = key->oid,
	};

	if (!RI_Initial_Check(&trigger, referencing, referenced))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("foreign key \"%s\" of table \"%s\" cannot be checked", key->name,
						RelationGetRelationName(referencing)),
				 errdetail("The owner of the extension may not read that table, or row security hides rows."),
				 errhint("Grant SELECT on it to the owner of the extension.")));
	table_close(referenced, NoLock);
	table_close(referencing, NoLock);
}

/*
 * Check the foreign keys from or to these tables, whose rows are new.  Raises
 * 23503 if a row has no partner, and 42501 if the owner of the extension may not
 * read a table of another role.
 */
void
rarr_restore_check_keys(List *relids)
{
	List *keys = find_keys(relids);
	RarrScheduleAccess access;
	ListCell *lc;

	/* the caller's lock_timeout holds for these, but not below */
	foreach (lc, keys)
	{
		LockRelationOid(((const Key *) lfirst(lc))->referenced, AccessShareLock);
		LockRelationOid(((const Key *) lfirst(lc))->referencing, AccessShareLock);
	}
	rarr_schedule_begin(&access);
	foreach (lc, keys)
	{
		CHECK_FOR_INTERRUPTS();
		check_key(lfirst(lc));
	}
	rarr_schedule_end(&access);
}
