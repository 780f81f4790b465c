/*-------------------------------------------------------------------------
 *
 * install.c
 *		What the install script must be sure of before it makes anything.
 *
 * CREATE EXTENSION makes the schema, but uses one of that name that exists
 * already; it must, since a restore makes the schema first.  Somebody else's
 * schema would be a trap: its owner could replace what the extension puts
 * there, and objects that already lie there could be taken for the
 * extension's own.  So the schema has to be empty, and to belong to whoever
 * installs or to a superuser.  PL/pgSQL may be absent, hence C.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static void
check_owner(Oid schema)
{
	HeapTuple	tup = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tup))->nspowner;
	ReleaseSysCache(tup);

	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"%s\" belongs to another role",
						get_namespace_name(schema)),
				 errdetail("Its owner could change what the extension puts there."),
				 errhint("Drop or rename the schema, or make it your own; CREATE EXTENSION makes one if there is none.")));
}

/*
 * Everything in a schema depends on it, except for parts of what does (a
 * table's row type, say).  The extension itself does too, and "self", the
 * function that asks.
 */
static void
check_empty(Oid schema, Oid self)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid,
				BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(schema));
	scan = systable_beginscan(depend, DependReferenceIndexId, true,
							  NULL, 2, key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT(tup);
		ObjectAddress object;

		if (dep->deptype != DEPENDENCY_NORMAL ||
			(dep->classid == ExtensionRelationId &&
			 dep->objid == CurrentExtensionObject) ||
			(dep->classid == ProcedureRelationId && dep->objid == self))
			continue;

		ObjectAddressSubSet(object, dep->classid, dep->objid, dep->objsubid);
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_SCHEMA),
				 errmsg("schema \"%s\" is not empty",
						get_namespace_name(schema)),
				 errdetail("It contains %s.",
						   getObjectDescription(&object, false)),
				 errhint("Drop or rename the schema, or move what it contains; CREATE EXTENSION makes one if there is none.")));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
}

/*
 * Raises an error unless the extension that is being created may use the
 * schema that this very function was created in.  The install script drops
 * it when it has served.
 */
PG_FUNCTION_INFO_V1(researcharr_check_schema);
Datum
researcharr_check_schema(PG_FUNCTION_ARGS)
{
	Oid			self = fcinfo->flinfo->fn_oid;
	Oid			schema = get_func_namespace(self);

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function serves CREATE EXTENSION only")));

	check_owner(schema);
	check_empty(schema, self);
	PG_RETURN_VOID();
}
