/*
 * own_table.c
 *		Determine whether a table belongs to the extension.
 *
 * The trigger functions write to the logs and bypass privileges.  A role that
 * may execute one could attach it to a table of its own and forge log entries.
 * A table belongs to the extension if it is a member of the extension, or a
 * partition of a member.  Its name and columns prove nothing.
 *
 * Row triggers ask for each row, so the answer is cached.  Only tables of ours
 * are cached, and only until their pg_class row changes.
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/own_table.h"

/* size of the cache; it is emptied when full */
#define MAX_KNOWN 32

static Oid known[MAX_KNOWN];
static uint32 known_hash[MAX_KNOWN];
static int nknown = 0;

/* A pg_class row changed; hash 0 means that any row may have. */
static void
class_changed(Datum arg, int cacheid, uint32 hash)
{
	for (int i = nknown - 1; i >= 0; i--)
		if (hash == 0 || known_hash[i] == hash)
		{
			nknown--;
			known[i] = known[nknown];
			known_hash[i] = known_hash[nknown];
		}
}

static void
remember(Oid relid)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterSyscacheCallback(RELOID, class_changed, (Datum) 0);
	registered = true;
	if (nknown == MAX_KNOWN)
		nknown = 0;
	known[nknown] = relid;
	known_hash[nknown] = GetSysCacheHashValue1(RELOID, ObjectIdGetDatum(relid));
	nknown++;
}

static bool
is_member(Oid relid, Oid extension)
{
	return getExtensionOfObject(RelationRelationId, relid) == extension;
}

/* Is the table a member of the extension, or a partition of a member? */
static bool
find_out(Oid relid)
{
	Oid extension = get_extension_oid(RARR_EXTENSION, true);
	ListCell *lc;

	if (!OidIsValid(extension))
		return false;
	if (is_member(relid, extension))
		return true;
	if (!get_rel_relispartition(relid))
		return false;
	foreach (lc, get_partition_ancestors(relid))
		if (is_member(lfirst_oid(lc), extension))
			return true;
	return false;
}

/* Does the open table belong to the extension? */
bool
rarr_is_own_table(Oid relid)
{
	for (int i = nknown - 1; i >= 0; i--)
		if (known[i] == relid)
			return true;
	if (!find_out(relid))
		return false;
	remember(relid);
	return true;
}
