/*
 * restore.c
 *		Whether the rows that arrive are those of a dump.
 *
 *		A restore must bring back every row once and add none: history and audit
 *		rows are in the dump themselves, and a job's type may come after the job.
 *		So the triggers stay silent while the table's owner or a superuser loads
 *		rows with the two settings that every script of pg_dump and pg_restore
 *		begins with: check_function_bodies off and an empty search_path.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/restore.h"

/*
 * For a trigger that fires on INSERT or COPY into rel: true while a dump is
 * being loaded into it.  Says so in the log, once in a session.
 */
bool
rarr_is_restoring(Relation rel)
{
	static bool said = false;

	if (check_function_bodies || namespace_search_path[0] != '\0')
		return false;
	if (!rarr_is_owner(RelationGetRelid(rel), GetUserId()))
		return false;

	if (!said)
		ereport(LOG,
				(errmsg("researcharr: rows loaded into \"%s\" are taken for those of a dump",
						RelationGetRelationName(rel)),
				 errdetail("check_function_bodies is off, search_path is empty and the table's owner loads them: no history or audit row is added.")));
	said = true;
	return true;
}
