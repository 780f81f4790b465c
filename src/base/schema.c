/*
 * schema.c
 *		Relations of the extension's schema, and read-only transactions.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

#include "base/schema.h"

/* Return the OID of a table, view or index of our schema, or InvalidOid. */
Oid
rarr_find_relation(const char *name)
{
	Oid schema = get_namespace_oid(RARR_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* Like rarr_find_relation(), but raises 42P01 if there is none. */
Oid
rarr_relation_oid(const char *name)
{
	Oid relid = rarr_find_relation(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", RARR_SCHEMA, name),
				 errhint("Create the extension in this database, or create it anew if a part of it was dropped.")));
	return relid;
}

/*
 * Open a table or view of our schema.  Raises 42P01 if there is none, or if it
 * was dropped while this function waited for the lock.
 */
Relation
rarr_relation_open(const char *name, LOCKMODE lockmode)
{
	for (;;)
	{
		Oid relid = rarr_relation_oid(name);
		Relation rel = try_relation_open(relid, lockmode);

		CHECK_FOR_INTERRUPTS();
		if (rel == NULL)
			continue;

		/* locking processes invalidations, so this lookup is current */
		if (rarr_relation_oid(name) == relid)
			return rel;
		relation_close(rel, lockmode);
	}
}

/*
 * Raise 25006 if the transaction must not write.  The executor's entry points
 * do not check this, so every function that writes calls this first. function
 * is its name, for the message.  Raises 25000 in parallel mode.
 */
void
rarr_prevent_read_only(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
}
