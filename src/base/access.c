/*
 * access.c
 *		Grant and revoke levels of access.
 *
 * A level is a set of GRANTs (access_levels.c) on the members of the extension,
 * to one role.  access_grants keeps which role has which level, so that an
 * update can grant what is new in a version.  The server's own catalog remains
 * the only place that decides what a role may do.
 *
 * A row does not prove that the role of its name is the one that got the level:
 * that one may have been dropped or renamed, and another one created.  So the
 * row also has the cluster, the database and the OID of the role that got it.  In
 * this cluster nothing is granted by it to a role with another OID.  In this
 * database nothing is granted to a role that has lost USAGE on the schema.  A row
 * that came with a dump, and was never applied in this database, counts for a
 * role that has USAGE, and in access_apply() for one that has not, too.
 *
 * The functions change privileges as the caller, whom the server lets do so if
 * it is the owner, a member of that role, or a superuser.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/access.h"
#include "base/access_levels.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/own_table.h"
#include "base/schema.h"

#define LEVELS "reader, worker, application, auditor or admin"

/*
 * Does the relation's own ACL give the role UPDATE?  pg_class_aclcheck() would
 * say so of members of pg_write_all_data, too.
 */
static bool
is_granted_update(Oid relid, Oid role)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool isnull;
	Datum acl;
	bool granted;

	if (!HeapTupleIsValid(tuple))
		return false;
	acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	granted = !isnull && aclmask(DatumGetAclP(acl), role, ((Form_pg_class) GETSTRUCT(tuple))->relowner,
								 ACL_UPDATE, ACLMASK_ANY) != 0;
	ReleaseSysCache(tuple);
	return granted;
}

/*
 * Is the role an admin: the extension's owner, a member of that role, a
 * superuser, or one with the level?
 *
 * The mark of the level is UPDATE on access_grants, so that the server's rules
 * for members of roles hold.  Nobody but the owner can use that privilege: see
 * access_guard().
 */
bool
rarr_is_admin(Oid role)
{
	Oid grants = rarr_find_relation("access_grants"); /* absent before 1.14 */

	return rarr_is_owner(rarr_relation_oid("processing_jobs"), role) ||
		   (OidIsValid(grants) && rarr_is_own_table(grants) && is_granted_update(grants, role));
}

/* Raise 42501 unless the user may grant levels. */
static Oid
require_owner(const char *function)
{
	Oid grants = rarr_relation_oid("access_grants");

	if (!rarr_is_owner(grants, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", function),
				 errhint("The owner of the extension, or a superuser, can call it.")));
	return grants;
}

/* Begins all places where rows were applied in this cluster. */
static char *
this_cluster(void)
{
	return psprintf(INT64_FORMAT "/", (int64) GetSystemIdentifier());
}

/* The same for this database of it. */
static char *
this_database(void)
{
	return psprintf("%s%u/", this_cluster(), MyDatabaseId);
}

static bool
begins_with(const char *place, const char *beginning)
{
	return strncmp(place, beginning, strlen(beginning)) == 0;
}

/* The role of a place. */
static Oid
role_of(const char *place)
{
	const char *slash = strrchr(place, '/');

	return slash != NULL ? (Oid) strtoul(slash + 1, NULL, 10) : InvalidOid;
}

/* Where a row is applied: this database, and this role. */
static char *
place_of(Oid role)
{
	return psprintf("%s%u", this_database(), role);
}

/* Run a statement with up to three text parameters, which may be NULL at the end. */
static void
run(const char *sql, int expected, const char *first, const char *second, const char *third)
{
	const char *const texts[] = {first, second, third};
	Oid types[lengthof(texts)];
	Datum values[lengthof(texts)];
	int n = 0;
	int result;

	for (; n < lengthof(texts) && texts[n] != NULL; n++)
	{
		types[n] = TEXTOID;
		values[n] = CStringGetTextDatum(texts[n]);
	}
	result = SPI_execute_with_args(sql, n, types, values, NULL, false, 0);
	if (result != expected)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
}

/* Run GRANT or REVOKE. */
static void
run_utility(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/*
 * The rows of the latest statement's result, as texts.  They outlive the next
 * statement.
 */
typedef struct Texts
{
	SPITupleTable *table;
	uint64 count;
} Texts;

static Texts
take_result(void)
{
	Texts texts = {SPI_tuptable, SPI_processed};

	return texts;
}

/* Return a column, counted from 1, of a row, counted from 0; NULL if it is NULL. */
static char *
text_of(const Texts *texts, uint64 row, int column)
{
	return SPI_getvalue(texts->table->vals[row], texts->table->tupdesc, column);
}

/*
 * The members of the extension $1 that have privileges: what they are, their names,
 * and how GRANT names them.  The views of legacy_adopt() are no members, but count
 * as such.  Of trigger functions, users need the one that cache_depends() makes
 * triggers of.
 */
#define MEMBERS \
	"WITH members (kind, name, qualified, acl, relation) AS (" \
	"SELECT 'ROUTINE', p.proname::text, p.oid::regprocedure::text, p.proacl, 0::oid" \
	" FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass" \
	" WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass" \
	" AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = $1)" \
	" AND (p.prorettype NOT IN ('trigger'::regtype, 'cstring'::regtype) OR p.proname = 'cache_table_changed')" \
	" AND 'cstring'::regtype <> ALL (p.proargtypes)" \
	" UNION ALL SELECT 'TABLE', c.relname::text, c.oid::regclass::text, c.relacl, c.oid" \
	" FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass" \
	" WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass" \
	" AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = $1)" \
	" AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition" \
	" UNION ALL SELECT 'TABLE', c.relname::text, c.oid::regclass::text, c.relacl, c.oid" \
	" FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass" \
	" JOIN pg_trigger t ON t.tgfoid = p.oid JOIN pg_class c ON c.oid = t.tgrelid" \
	" WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass" \
	" AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = $1)" \
	" AND p.proname = 'legacy_queue_write' AND c.relkind = 'v' AND c.relnamespace = 'researcharr'::regnamespace)"

static const char members_sql[] =
	MEMBERS " SELECT kind, name, qualified FROM members ORDER BY 1, 2";

/* those on which the role of the OID $2 itself holds privileges */
static const char held_sql[] =
	MEMBERS " SELECT kind, qualified FROM members m"
			" WHERE EXISTS (SELECT FROM aclexplode(m.acl) a WHERE a.grantee = $2::oid)"
			" OR EXISTS (SELECT FROM pg_attribute t, aclexplode(t.attacl) a"
			" WHERE t.attrelid = m.relation AND a.grantee = $2::oid) ORDER BY 1, 2";

/* Revoke all that the role itself holds on the schema and the extension's members. */
static void
revoke_all(Oid role, const char *name)
{
	Texts held;

	run(held_sql, SPI_OK_SELECT, RARR_EXTENSION, psprintf("%u", role), NULL);
	held = take_result();
	for (uint64 i = 0; i < held.count; i++)
		run_utility(psprintf("REVOKE ALL ON %s %s FROM %s CASCADE", text_of(&held, i, 1), text_of(&held, i, 2),
							 quote_identifier(name)));
	run_utility(psprintf("REVOKE ALL ON SCHEMA researcharr FROM %s CASCADE", quote_identifier(name)));
}

/* Grant what a level has on a relation.  Admins read all of them. */
static void
grant_relation(int level, const char *relation, const char *qualified, const char *role)
{
	StringInfoData privileges;

	initStringInfo(&privileges);
	if (level == RARR_ADMIN)
		appendStringInfoString(&privileges, "SELECT");
	for (const RarrAccessRule *rule = rarr_access_rules; rule->relation != NULL; rule++)
		if ((rule->levels & level) != 0 && strcmp(rule->relation, relation) == 0)
			appendStringInfo(&privileges, "%s%s", privileges.len > 0 ? ", " : "", rule->privileges);
	if (privileges.len > 0)
		run_utility(psprintf("GRANT %s ON TABLE %s TO %s", privileges.data, qualified, role));
}

/*
 * Grant all that a level has to a role.
 *
 * The server takes what is granted in an extension's script for a part of the
 * extension, which pg_dump leaves out, because CREATE EXTENSION would make it.
 * It would not: so what a role gets here is granted outside of the script.
 */
static void
grant_level(int level, const char *name)
{
	const char *role = quote_identifier(name);
	bool in_script = creating_extension;
	Texts members;

	run(members_sql, SPI_OK_SELECT, RARR_EXTENSION, NULL, NULL);
	members = take_result();
	creating_extension = false;
	PG_TRY();
	{
		run_utility(psprintf("GRANT USAGE ON SCHEMA researcharr TO %s", role));
		for (uint64 i = 0; i < members.count; i++)
		{
			char *member = text_of(&members, i, 2);
			char *qualified = text_of(&members, i, 3);

			if (strcmp(text_of(&members, i, 1), "TABLE") == 0)
				grant_relation(level, member, qualified, role);
			else if (rarr_access_executes(level, member))
				run_utility(psprintf("GRANT EXECUTE ON ROUTINE %s TO %s", qualified, role));
		}
	}
	PG_FINALLY();
	{
		creating_extension = in_script;
	}
	PG_END_TRY();
}

/* Does the role itself hold USAGE on the extension's schema? */
static bool
holds_usage(Oid role)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(get_namespace_oid(RARR_SCHEMA, false)));
	bool isnull;
	Datum datum;
	bool found = false;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema \"%s\"", RARR_SCHEMA);
	datum = SysCacheGetAttr(NAMESPACEOID, tuple, Anum_pg_namespace_nspacl, &isnull);
	if (!isnull)
	{
		Acl *acl = DatumGetAclP(datum);

		for (int i = 0; i < ACL_NUM(acl); i++)
			found |= ACL_DAT(acl)[i].ai_grantee == role && (ACLITEM_GET_PRIVS(ACL_DAT(acl)[i]) & ACL_USAGE) != 0;
	}
	ReleaseSysCache(tuple);
	return found;
}

/*
 * Grant the level of a row to its role.  A row that came with a dump is applied
 * to a role without USAGE only if restored is true.  Returns false if the role
 * gets nothing.
 */
static bool
apply_row(const char *grantee, const char *level, const char *applied_in, bool restored)
{
	bool came_with_dump;
	bool is_another;
	Oid role;

	CHECK_FOR_INTERRUPTS();
	if (grantee == NULL || level == NULL || applied_in == NULL || rarr_access_level(level) == 0)
		return false;
	role = get_role_oid(grantee, true);
	came_with_dump = !begins_with(applied_in, this_database());
	is_another = begins_with(applied_in, this_cluster()) && role_of(applied_in) != role;
	if (!OidIsValid(role) || superuser_arg(role) || is_another ||
		!(holds_usage(role) || (came_with_dump && restored)))
		return false;
	grant_level(rarr_access_level(level), grantee);
	if (came_with_dump)
		run("UPDATE researcharr.access_grants SET applied_in = $2 WHERE grantee = $1",
			SPI_OK_UPDATE, grantee, place_of(role), NULL);
	return true;
}

/* Apply all rows.  Returns how many roles have got their level.  SPI is connected. */
static int64
apply_rows(bool restored)
{
	int64 applied = 0;
	Texts rows;

	run("SELECT g.grantee, g.level, g.applied_in FROM researcharr.access_grants g ORDER BY g.grantee",
		SPI_OK_SELECT, NULL, NULL, NULL);
	rows = take_result();
	for (uint64 i = 0; i < rows.count; i++)
		applied += apply_row(text_of(&rows, i, 1), text_of(&rows, i, 2), text_of(&rows, i, 3), restored);
	return applied;
}

/*
 * At the end of an update script: grant what is new in the version.  SPI is
 * connected, and search_path is that of the script.
 */
void
rarr_access_update(void)
{
	Oid grants = rarr_find_relation("access_grants");

	if (!OidIsValid(grants) || !rarr_is_own_table(grants))
		return;
	LockRelationOid(grants, ShareRowExclusiveLock);
	(void) apply_rows(false);
}

/* Return the role to grant a level to.  Raises 22023 for one that needs none, and 42704. */
static Oid
check_grantee(const char *grantee, Oid grants)
{
	Oid role;

	if (strcmp(grantee, "public") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("PUBLIC gets no level of access"),
				 errhint("Grant a level to a role, and the role to those who should have it.")));
	role = get_role_oid(grantee, true);
	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", grantee),
				 errhint("Create the role first. The name is compared as it is, without quotes.")));
	if (superuser_arg(role) || rarr_is_owner(grants, role))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" needs no level of access", grantee),
				 errdetail("It is %s, and may do everything.",
						   superuser_arg(role) ? "a superuser" : "the owner of the extension, or a member of that role"),
				 errhint("Let applications log in as another role.")));
	return role;
}

/* Return the level that the role of this name has by its row, or NULL, and where it was applied. */
static char *
find_level(const char *grantee, char **applied_in)
{
	Texts rows;

	run("SELECT g.level, g.applied_in FROM researcharr.access_grants g WHERE g.grantee = $1", SPI_OK_SELECT,
		grantee, NULL, NULL);
	rows = take_result();
	if (rows.count == 0)
		return NULL;
	*applied_in = text_of(&rows, 0, 2);
	return text_of(&rows, 0, 1);
}

/*
 * access_grant(grantee text, level text) returns boolean
 *
 * Gives a role a level of access, in place of the one that it has.  Returns false
 * if this role got this level here already; what it should have is granted in
 * any case.  Raises 42501 for others than the owner and superusers, 42704 for a
 * role that does not exist, and 22023 for an unknown level, for PUBLIC, and for
 * roles that may do everything.
 */
PG_FUNCTION_INFO_V1(researcharr_access_grant);
Datum
researcharr_access_grant(PG_FUNCTION_ARGS)
{
	Oid grants = require_owner("access_grant");
	char *grantee;
	char *level;
	char *before;
	char *applied_in = NULL;
	Oid role;
	bool changed;

	RARR_REQUIRE_ARG(0, "grantee");
	RARR_REQUIRE_ARG(1, "level");
	rarr_prevent_read_only("access_grant()");
	grantee = text_to_cstring(PG_GETARG_TEXT_PP(0));
	level = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (rarr_access_level(level) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown level of access: \"%s\"", level),
				 errhint("A level is " LEVELS ".")));
	role = check_grantee(grantee, grants);

	LockRelationOid(grants, ShareRowExclusiveLock);
	SPI_connect();
	before = find_level(grantee, &applied_in);
	changed = before == NULL || strcmp(before, level) != 0 || applied_in == NULL ||
			  strcmp(applied_in, place_of(role)) != 0 || !holds_usage(role);
	if (before != NULL && strcmp(before, level) != 0)
		revoke_all(role, grantee);
	grant_level(rarr_access_level(level), grantee);
	if (changed)
		run(psprintf("INSERT INTO researcharr.access_grants (grantee, level, applied_in, granted_by)"
					 " VALUES ($1, $2, $3, %s) ON CONFLICT (grantee) DO UPDATE"
					 " SET level = excluded.level, applied_in = excluded.applied_in,"
					 " granted_by = excluded.granted_by, granted_at = excluded.granted_at",
					 quote_literal_cstr(GetUserNameFromId(GetSessionUserId(), false))),
			SPI_OK_INSERT, grantee, level, place_of(role));
	SPI_finish();
	PG_RETURN_BOOL(changed);
}

/*
 * access_revoke(grantee text) returns boolean
 *
 * Takes a role's level away, and with it all privileges that the role itself
 * holds on the extension's objects.  A role that was renamed since it got the level
 * is meant by its old name, which the row has.  Returns false if it has no level;
 * nothing is revoked then.  Raises 42501 for others than the owner and superusers.
 */
PG_FUNCTION_INFO_V1(researcharr_access_revoke);
Datum
researcharr_access_revoke(PG_FUNCTION_ARGS)
{
	Oid grants = require_owner("access_revoke");
	char *grantee;
	char *applied_in = NULL;
	bool found;

	RARR_REQUIRE_ARG(0, "grantee");
	rarr_prevent_read_only("access_revoke()");
	grantee = text_to_cstring(PG_GETARG_TEXT_PP(0));

	LockRelationOid(grants, ShareRowExclusiveLock);
	SPI_connect();
	found = find_level(grantee, &applied_in) != NULL;
	if (found)
	{
		Oid role = applied_in != NULL && begins_with(applied_in, this_cluster()) ? role_of(applied_in) : InvalidOid;
		char *name = GetUserNameFromId(role, true);

		if (name == NULL)
		{
			name = grantee;
			role = get_role_oid(grantee, true);
		}
		if (OidIsValid(role))
			revoke_all(role, name);
	}
	if (found)
		run("DELETE FROM researcharr.access_grants WHERE grantee = $1", SPI_OK_DELETE, grantee, NULL, NULL);
	SPI_finish();
	PG_RETURN_BOOL(found);
}

/*
 * access_apply() returns bigint
 *
 * Grants the levels in access_grants once more, also those that came with a dump
 * to roles that exist by now.  Returns how many roles have got theirs.  Raises
 * 42501 for others than the owner and superusers.
 */
PG_FUNCTION_INFO_V1(researcharr_access_apply);
Datum
researcharr_access_apply(PG_FUNCTION_ARGS)
{
	Oid grants = require_owner("access_apply");
	int64 applied;

	rarr_prevent_read_only("access_apply()");
	LockRelationOid(grants, ShareRowExclusiveLock);
	SPI_connect();
	applied = apply_rows(true);
	SPI_finish();
	PG_RETURN_INT64(applied);
}

/*
 * access_guard(): BEFORE trigger of access_grants, for rows and for TRUNCATE
 *
 * Raises 42501 unless the current user is the table's owner or a superuser:
 * UPDATE on the table marks an admin, and a row is a privilege in waiting.
 */
PG_FUNCTION_INFO_V1(researcharr_access_guard);
Datum
researcharr_access_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	rarr_require_trigger(fcinfo, "access_guard");
	if (!rarr_is_owner(RelationGetRelid(trigger->tg_relation), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" is changed by access_grant() and access_revoke() only",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("The owner of the extension, or a superuser, can call them.")));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		PG_RETURN_POINTER(trigger->tg_newtuple);
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}
