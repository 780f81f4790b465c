/*
 * trgm.c
 *		Find and verify the objects of pg_trgm that we use.
 *
 * pg_trgm is a trusted extension, so a role with only CREATE on the database
 * can own it.  Such a role can install an old version, add functions of its
 * own to the extension, and move or rename its schema at any time.  Neither a
 * name nor membership therefore proves that a function is pg_trgm's own, and
 * what we call runs with our caller's rights.  But the role can neither create
 * C functions or operator classes, nor change a superuser's objects.
 *
 * Hence an object is accepted only if it is a member of pg_trgm, is owned by a
 * superuser, and all functions behind it are either the server's or written in
 * C in pg_trgm's library.  It is then used by its OID.  Only a superuser can
 * replace an accepted object.
 *
 * The owner of pg_trgm can also drop it with everything that depends on it:
 * our extension and its data.  Scripts therefore reject an owner who could not
 * do that anyway (install.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_language.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/trgm.h"

#define TRGM "pg_trgm"

static RarrTrgm trgm;
static uint64 changes = 1;    /* number of invalidations of the catalogs read */
static uint64 trgm_as_of = 0; /* ... when trgm was filled; 0: never */

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

/* Return the OID of the extension, or raise 42704. */
static Oid
find_extension(void)
{
	Oid extension = get_extension_oid(TRGM, true);

	if (!OidIsValid(extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", TRGM),
				 errhint("Create it: this extension needs it.")));
	return extension;
}

/* Does this column of a pg_proc row have this text? */
static bool
has_text(HeapTuple tuple, AttrNumber column, const char *string)
{
	bool isnull;
	Datum value = SysCacheGetAttr(PROCOID, tuple, column, &isnull);

	return !isnull && strcmp(TextDatumGetCString(value), string) == 0;
}

/* Is the function written in C, in pg_trgm's library, owned by a superuser? */
static bool
is_of_library(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

	return proc->prolang == ClanguageId && superuser_arg(proc->proowner) &&
		   (has_text(tuple, Anum_pg_proc_probin, "$libdir/" TRGM) ||
			has_text(tuple, Anum_pg_proc_probin, TRGM));
}

/* Does the function belong to the server or to pg_trgm's library? */
static bool
is_trusted_function(Oid function)
{
	HeapTuple tuple;
	bool result;

	if (IsPinnedObject(ProcedureRelationId, function))
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = is_of_library(tuple);
	ReleaseSysCache(tuple);
	return result;
}

/* Does the function take two texts and return a single value? */
static bool
takes_two_texts(Form_pg_proc proc)
{
	return proc->pronargs == 2 && proc->proargtypes.values[0] == TEXTOID &&
		   proc->proargtypes.values[1] == TEXTOID && !proc->proretset;
}

/* Record a member function if it is one that we use, and trusted. */
static void
record_function(RarrTrgm *result, Oid oid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		return;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (takes_two_texts(proc) && proc->prorettype == FLOAT4OID && is_of_library(tuple))
	{
		if (has_text(tuple, Anum_pg_proc_prosrc, "similarity"))
			result->similarity = oid;
		else if (has_text(tuple, Anum_pg_proc_prosrc, "strict_word_similarity"))
			result->strict_word_similarity = oid;
	}
	ReleaseSysCache(tuple);
}

/* Is this the C function behind text %> text? */
static bool
is_similar_word(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = takes_two_texts((Form_pg_proc) GETSTRUCT(tuple)) &&
			 ((Form_pg_proc) GETSTRUCT(tuple))->prorettype == BOOLOID && is_of_library(tuple) &&
			 has_text(tuple, Anum_pg_proc_prosrc, "word_similarity_commutator_op");
	ReleaseSysCache(tuple);
	return result;
}

/* Is a member operator trusted?  Its estimators are its owner's choice. */
static bool
is_trusted_operator(Oid oid)
{
	HeapTuple tuple;
	Form_pg_operator form;
	bool result;

	if (IsPinnedObject(OperatorRelationId, oid))
		return true;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = superuser_arg(form->oprowner) && is_trusted_function(form->oprcode) &&
			 form->oprleft == TEXTOID && form->oprright == TEXTOID;
	ReleaseSysCache(tuple);
	return result;
}

/* Record a member operator if it is one that we use, and trusted. */
static void
record_operator(RarrTrgm *result, Oid oid)
{
	if (is_trusted_operator(oid) && is_similar_word(get_opcode(oid)))
		result->similar_word = oid;
}

/*
 * Is the operator family owned by a superuser, and are all its operators and
 * support functions trusted?
 */
static bool
is_trusted_family(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(oid));
	CatCList *list;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = superuser_arg(((Form_pg_opfamily) GETSTRUCT(tuple))->opfowner);
	ReleaseSysCache(tuple);

	list = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(oid));
	for (int i = 0; i < list->n_members; i++)
		result = result &&
				 is_trusted_operator(((Form_pg_amop) GETSTRUCT(&list->members[i]->tuple))->amopopr);
	ReleaseSysCacheList(list);

	list = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(oid));
	for (int i = 0; i < list->n_members; i++)
		result = result &&
				 is_trusted_function(((Form_pg_amproc) GETSTRUCT(&list->members[i]->tuple))->amproc);
	ReleaseSysCacheList(list);
	return result;
}

/* Record a member operator class if it is one that we use, and trusted. */
static void
record_operator_class(RarrTrgm *result, Oid oid)
{
	HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(oid));
	Form_pg_opclass class;

	if (!HeapTupleIsValid(tuple))
		return;
	class = (Form_pg_opclass) GETSTRUCT(tuple);
	if (class->opcmethod == GIN_AM_OID && class->opcintype == TEXTOID &&
		strcmp(NameStr(class->opcname), "gin_trgm_ops") == 0 &&
		superuser_arg(class->opcowner) && is_trusted_family(class->opcfamily))
		result->gin_ops = oid;
	ReleaseSysCache(tuple);
}

/* Record the members of pg_trgm that we use. */
static void
record_members(RarrTrgm *result, Oid extension)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend member = (Form_pg_depend) GETSTRUCT(tuple);

		if (member->deptype != DEPENDENCY_EXTENSION)
			continue;
		if (member->classid == ProcedureRelationId)
			record_function(result, member->objid);
		else if (member->classid == OperatorRelationId)
			record_operator(result, member->objid);
		else if (member->classid == OperatorClassRelationId)
			record_operator_class(result, member->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
}

/* Raise 55000 if an object that we use is missing or not trusted. */
static void
require(bool usable, const char *object)
{
	if (usable)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"%s\" has no usable %s", TRGM, object),
			 errdetail("It must be a member of the extension, belong to a superuser, and be written in C in the extension's own library."),
			 errhint("Run ALTER EXTENSION " TRGM " UPDATE. If that does not help, a superuser has to create " TRGM " anew.")));
}

/* Read the catalogs, and raise an error if an object is missing. */
static void
read_catalogs(RarrTrgm *result)
{
	Oid family;

	record_members(result, find_extension());
	require(OidIsValid(result->similarity), "function similarity(text, text)");
	require(OidIsValid(result->strict_word_similarity), "function strict_word_similarity(text, text)");
	require(OidIsValid(result->similar_word), "operator %>(text, text)");
	require(OidIsValid(result->gin_ops), "operator class gin_trgm_ops");
	family = get_opclass_family(result->gin_ops);
	require(op_in_opfamily(result->similar_word, family) && op_in_opfamily(OID_TEXT_LIKE_OP, family),
			"operator class gin_trgm_ops");
}

/*
 * Return the verified objects of pg_trgm.  The result stays valid until the
 * next call.  Raises 42704 if the extension does not exist, and 55000 if an
 * object is missing or not trusted.
 */
const RarrTrgm *
rarr_trgm(void)
{
	static bool registered = false;

	if (!registered)
	{
		static const int caches[] = {PROCOID, OPEROID, CLAOID, OPFAMILYOID, AMOPSTRATEGY, AUTHOID};

		for (int i = 0; i < lengthof(caches); i++)
			CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
		registered = true;
	}
	if (trgm_as_of != changes)
	{
		uint64 before = changes;
		RarrTrgm result = {0};

		read_catalogs(&result);
		trgm = result;
		trgm_as_of = before;
	}
	return &trgm;
}

/*
 * Return the role that owns pg_trgm and can drop it.  Raises 42704 if the
 * extension does not exist.
 */
Oid
rarr_trgm_owner(void)
{
	Oid extension = find_extension();
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	HeapTuple tuple = get_catalog_object_by_oid(rel, Anum_pg_extension_oid, extension);

	table_close(rel, AccessShareLock);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "extension %u was dropped", extension);
	return ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
}
