/*
 * install.c
 *		Checks that the scripts run before they create objects.
 *
 * CREATE EXTENSION creates the schema, or uses an existing one of that name;
 * it has to, because a restore creates the schema first.  Another role's
 * schema would be a trap.  Its owner could replace the extension's objects,
 * and objects already in it could be mistaken for the extension's own.  The
 * schema must therefore be empty, and owned by the installing role or a
 * superuser. pg_trgm, on which the extension depends, may also exist already;
 * it must be usable (trgm.c).  These checks are in C because PL/pgSQL may not
 * be installed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/trgm.h"

static void
require_script(void)
{
	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called by CREATE EXTENSION and ALTER EXTENSION UPDATE")));
}

static void
check_owner(Oid schema)
{
	HeapTuple tup = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner;

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
 * Check that the schema contains no objects.  Every object in a schema depends
 * on it, except for internal parts such as a table's row type.  The extension
 * itself and the calling function, self, are ignored.
 */
static void
check_empty(Oid schema, Oid self)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tup;

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
 * check_schema()
 *
 * Raise an error unless the extension being created may use the schema that
 * contains this function.  The install script drops the function after the
 * call.  Raises 42501 for another role's schema, 42P06 if the schema is not
 * empty, and 0A000 if called outside of an extension script.
 */
PG_FUNCTION_INFO_V1(researcharr_check_schema);
Datum
researcharr_check_schema(PG_FUNCTION_ARGS)
{
	Oid self = fcinfo->flinfo->fn_oid;
	Oid schema = get_func_namespace(self);

	require_script();
	check_owner(schema);
	check_empty(schema, self);
	PG_RETURN_VOID();
}

static Oid
owner_of_database(void)
{
	HeapTuple tup = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	Oid owner;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	owner = ((Form_pg_database) GETSTRUCT(tup))->datdba;
	ReleaseSysCache(tup);
	return owner;
}

/*
 * check_trgm()
 *
 * Raise an error unless pg_trgm has all the objects that we use, and is owned
 * by the current role, the database owner or a superuser.  The owner of
 * pg_trgm can drop it with CASCADE, and our extension with all its data along
 * with it; these roles can do that anyway.  Scripts drop the function after
 * the call.  Raises 42501 for another owner, and 42704 or 55000 as rarr_trgm()
 * does.
 */
PG_FUNCTION_INFO_V1(researcharr_check_trgm);
Datum
researcharr_check_trgm(PG_FUNCTION_ARGS)
{
	Oid owner;

	require_script();
	owner = rarr_trgm_owner();
	if (owner != GetUserId() && owner != owner_of_database() && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("extension \"pg_trgm\" belongs to role \"%s\"",
						GetUserNameFromId(owner, false)),
				 errdetail("With DROP EXTENSION pg_trgm CASCADE that role could drop this extension and all its data."),
				 errhint("Drop pg_trgm and create it as a superuser, or, where objects depend on it, change its owner with REASSIGN OWNED.")));
	(void) rarr_trgm();
	PG_RETURN_VOID();
}

/*
 * check_search_index(index regclass)
 *
 * Raise an error unless media_search can use the index, which may have been
 * created by hand before the script ran.
 */
PG_FUNCTION_INFO_V1(researcharr_check_search_index);
Datum
researcharr_check_search_index(PG_FUNCTION_ARGS)
{
	Relation index;

	require_script();
	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	if (!index->rd_index->indisvalid ||
		index->rd_opfamily[0] != get_opclass_family(rarr_trgm()->gin_ops))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" cannot be used", RelationGetRelationName(index)),
				 errdetail("It is not valid, or its operator class is not pg_trgm's gin_trgm_ops."),
				 errhint("Drop the index; the script creates a new one.")));
	index_close(index, NoLock);
	PG_RETURN_VOID();
}

/*
 * check_index(index regclass, definition text)
 *
 * Raise an error unless the index, which may have been created by hand before
 * the script ran, is valid and has this definition.  The definition is as
 * pg_get_indexdef() returns it.
 */
PG_FUNCTION_INFO_V1(researcharr_check_index);
Datum
researcharr_check_index(PG_FUNCTION_ARGS)
{
	const char *wanted = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *definition;
	Relation index;

	require_script();
	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	definition = TextDatumGetCString(DirectFunctionCall1(pg_get_indexdef, PG_GETARG_DATUM(0)));
	if (!index->rd_index->indisvalid || strcmp(definition, wanted) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" cannot be used", RelationGetRelationName(index)),
				 errdetail("It is not valid, or not what this makes: %s", wanted),
				 errhint("Drop the index; the script creates a new one.")));
	index_close(index, NoLock);
	PG_RETURN_VOID();
}
