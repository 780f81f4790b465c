/*
 * default_privileges.c
 *		Revoke what default privileges granted on the extension's objects.
 *
 * ALTER DEFAULT PRIVILEGES adds grants to every object that the installing
 * role creates.  A role that may read all new tables could then read users'
 * password hashes and secret settings.  The scripts themselves grant nothing.
 * Each script therefore ends by calling a function that revokes every
 * privilege that a role other than the owner holds on the objects created by
 * the script.
 *
 * Deliberate grants on older objects are kept.  Two catalogs distinguish
 * grants made at creation from later ones: the pg_depend row of an extension
 * member is written when the member is created, and pg_init_privs lists the
 * privileges that scripts left behind.
 *
 * Default privileges cannot grant on columns, so column privileges are
 * ignored.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_init_privs.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/access.h"
#include "base/default_privileges.h"
#include "base/task.h"

/* How REVOKE names an object, and the privileges on it */
typedef struct Target
{
	ObjectAddress address;
	char *name; /* e.g. "TABLE a.b"; NULL: no privileges */
	Oid owner;
	Acl *acl;
} Target;

/* Get the ACL in a catalog row, or the default ACL if the column is NULL. */
static Acl *
read_acl(int cache, HeapTuple row, AttrNumber column, ObjectType type, Oid owner)
{
	bool isnull;
	Datum acl = SysCacheGetAttr(cache, row, column, &isnull);

	return isnull ? acldefault(type, owner) : DatumGetAclPCopy(acl);
}

static void
read_relation(Target *target, HeapTuple row)
{
	Form_pg_class form = (Form_pg_class) GETSTRUCT(row);
	bool sequence = form->relkind == RELKIND_SEQUENCE;

	if (form->relkind != RELKIND_RELATION && form->relkind != RELKIND_PARTITIONED_TABLE &&
		form->relkind != RELKIND_VIEW && form->relkind != RELKIND_MATVIEW &&
		form->relkind != RELKIND_FOREIGN_TABLE && !sequence)
		return;
	target->owner = form->relowner;
	target->acl = read_acl(RELOID, row, Anum_pg_class_relacl,
						   sequence ? OBJECT_SEQUENCE : OBJECT_TABLE, target->owner);
	target->name = psprintf("%s %s", sequence ? "SEQUENCE" : "TABLE",
							quote_qualified_identifier(get_namespace_name(form->relnamespace),
													   NameStr(form->relname)));
}

static void
read_routine(Target *target, HeapTuple row)
{
	target->owner = ((Form_pg_proc) GETSTRUCT(row))->proowner;
	target->acl = read_acl(PROCOID, row, Anum_pg_proc_proacl, OBJECT_FUNCTION, target->owner);
	target->name = psprintf("ROUTINE %s", format_procedure_qualified(target->address.objectId));
}

/* Array types and row types have no privileges of their own. */
static void
read_type(Target *target, HeapTuple row)
{
	Form_pg_type form = (Form_pg_type) GETSTRUCT(row);

	if (form->typtype == TYPTYPE_COMPOSITE && get_rel_relkind(form->typrelid) != RELKIND_COMPOSITE_TYPE)
		return;
	if (IsTrueArrayType(form))
		return;
	target->owner = form->typowner;
	target->acl = read_acl(TYPEOID, row, Anum_pg_type_typacl, OBJECT_TYPE, target->owner);
	target->name = psprintf("TYPE %s", format_type_be_qualified(target->address.objectId));
}

static void
read_schema(Target *target, HeapTuple row)
{
	Form_pg_namespace form = (Form_pg_namespace) GETSTRUCT(row);

	target->owner = form->nspowner;
	target->acl = read_acl(NAMESPACEOID, row, Anum_pg_namespace_nspacl, OBJECT_SCHEMA, target->owner);
	target->name = psprintf("SCHEMA %s", quote_identifier(NameStr(form->nspname)));
}

/* Look up an object.  Its name stays NULL if it cannot have privileges. */
static Target *
make_target(Oid classid, Oid objid)
{
	static const struct
	{
		Oid classid;
		int cache;
		void (*read)(Target *target, HeapTuple row);
	} kinds[] = {
		{RelationRelationId, RELOID, read_relation},
		{ProcedureRelationId, PROCOID, read_routine},
		{TypeRelationId, TYPEOID, read_type},
		{NamespaceRelationId, NAMESPACEOID, read_schema},
	};
	Target *target = palloc0(sizeof(Target));

	ObjectAddressSet(target->address, classid, objid);
	for (int i = 0; i < lengthof(kinds); i++)
	{
		HeapTuple row;

		if (kinds[i].classid != classid)
			continue;
		row = SearchSysCache1(kinds[i].cache, ObjectIdGetDatum(objid));
		if (!HeapTupleIsValid(row))
			continue;
		kinds[i].read(target, row);
		ReleaseSysCache(row);
	}
	return target;
}

/* Get the ACL that scripts left on an object, or NULL if none is recorded. */
static Acl *
initial_acl(const ObjectAddress *address)
{
	Relation rel = table_open(InitPrivsRelationId, AccessShareLock);
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple tup;
	Acl *result = NULL;

	ScanKeyInit(&key[0], Anum_pg_init_privs_objoid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(address->objectId));
	ScanKeyInit(&key[1], Anum_pg_init_privs_classoid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(address->classId));
	ScanKeyInit(&key[2], Anum_pg_init_privs_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(0));
	scan = systable_beginscan(rel, InitPrivsObjIndexId, true, NULL, 3, key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool isnull;
		Datum acl = heap_getattr(tup, Anum_pg_init_privs_initprivs,
								 RelationGetDescr(rel), &isnull);

		if (!isnull)
			result = DatumGetAclPCopy(acl);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static bool
holds_any(const Acl *acl, Oid role)
{
	const AclItem *items = ACL_DAT(acl);

	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		if (items[i].ai_grantee == role)
			return true;
	}
	return false;
}

/*
 * List the roles to revoke from, as "a, b", or NULL if there are none.  These
 * are the roles other than the owner that hold privileges on the object.
 * Unless all is true, a role is listed only if it already held some after the
 * script that created the object.
 */
static char *
list_grantees(const Target *target, bool all)
{
	const AclItem *items = ACL_DAT(target->acl);
	Acl *initial = all ? NULL : initial_acl(&target->address);
	List *seen = list_make1_oid(target->owner);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < ACL_NUM(target->acl); i++)
	{
		Oid role = items[i].ai_grantee;
		char *name;

		if (list_member_oid(seen, role) ||
			(initial != NULL && !holds_any(initial, role)) ||
			(initial == NULL && !all && role != ACL_ID_PUBLIC))
			continue;
		seen = lappend_oid(seen, role);
		name = role == ACL_ID_PUBLIC ? NULL : GetUserNameFromId(role, true);
		if (role == ACL_ID_PUBLIC || name != NULL)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
							 name == NULL ? "PUBLIC" : quote_identifier(name));
	}
	return list.len > 0 ? list.data : NULL;
}

static void
revoke_from_others(const Target *target, bool all)
{
	char *grantees;
	char *sql;

	if (target->name == NULL || (grantees = list_grantees(target, all)) == NULL)
		return;
	sql = psprintf("REVOKE ALL ON %s FROM %s CASCADE", target->name, grantees);
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/*
 * Revoke what default privileges granted on a table that the current user has
 * just created.  SPI is connected.
 */
void
rarr_revoke_from_others(Oid relid)
{
	revoke_from_others(make_target(RelationRelationId, relid), true);
}

/* List the extension's members: all, or those that this transaction created. */
static List *
list_members(bool all)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	List *members = NIL;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tup;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(CurrentExtensionObject));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tup);

		if (form->deptype == DEPENDENCY_EXTENSION &&
			(all || TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tup->t_data))))
			members = lappend(members, make_target(form->classid, form->objid));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return members;
}

/*
 * revoke_default_privileges(fresh boolean)
 *
 * Called at the end of a script, which then drops it.  If fresh is true, it
 * covers all members and the schema.  Otherwise it covers the objects that an
 * update created in this transaction, except for privileges that a later GRANT
 * gave.  As this is the last call of each script, an update then grants roles
 * with a level of access what is new, and the background worker is told at
 * commit.  Raises 0A000 if called outside of an extension script.
 */
PG_FUNCTION_INFO_V1(researcharr_revoke_default_privileges);
Datum
researcharr_revoke_default_privileges(PG_FUNCTION_ARGS)
{
	bool fresh = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	List *members;
	ListCell *cell;

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called by CREATE EXTENSION and ALTER EXTENSION")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	members = list_members(fresh);
	foreach (cell, members)
		revoke_from_others(lfirst(cell), fresh);
	if (fresh)
		revoke_from_others(make_target(NamespaceRelationId,
									   get_func_namespace(fcinfo->flinfo->fn_oid)),
						   true);
	else
		rarr_access_update();
	SPI_finish();
	rarr_task_wake_all_at_commit(true);
	PG_RETURN_VOID();
}
