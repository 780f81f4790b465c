/*-------------------------------------------------------------------------
 *
 * schema.c
 *		The extension's schema: its relations by name, and whether a transaction
 *		may write to them.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/schema.h"

/*
 * The OID of a table, view or index of our schema.
 */
Oid
rarr_relation_oid(const char *name)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", RARR_SCHEMA, name),
				 errhint("Create the extension in this database, or create it anew if a part of it was dropped.")));
	return relid;
}

/*
 * Open a table or view of our schema.  42P01 if there is none, also where it was
 * dropped while this waited for the lock.
 */
Relation
rarr_relation_open(const char *name, LOCKMODE lockmode)
{
	for (;;)
	{
		Oid			relid = rarr_relation_oid(name);
		Relation	rel = try_relation_open(relid, lockmode);

		CHECK_FOR_INTERRUPTS();
		if (rel == NULL)
			continue;

		/* with the lock came the news of what DDL did before */
		if (rarr_relation_oid(name) == relid)
			return rel;
		relation_close(rel, lockmode);
	}
}

/*
 * The executor's entry points do not ask whether writing is allowed at all;
 * every function that writes starts with this.
 */
void
rarr_prevent_read_only(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
}
