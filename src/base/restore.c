/*
 * restore.c
 *		Whether the rows that arrive are those of a dump.
 *
 *		A restore must bring back every row once and add none: history and audit
 *		rows are in the dump themselves, and a job's type may come after the job.
 *		So the triggers stay silent while the table's owner or a superuser loads
 *		rows with the two settings that every script of pg_dump and pg_restore
 *		begins with: check_function_bodies off and an empty search_path.
 *
 *		Anybody can set these two, and then call a SECURITY DEFINER function of the
 *		owner's that inserts a row.  So the rows must come from a COPY or an INSERT
 *		into the table that the client itself sent, outside of any function that
 *		changes the user, and the session's own user must be one who could load
 *		the dump: the owner, one who may SET ROLE to the owner (pg_restore --role),
 *		or a superuser.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/restore.h"

/* Does the statement that the client sent put rows into the table? */
static bool
is_sent_by_client(Relation rel)
{
	PlannedStmt *stmt;

	if (ActivePortal == NULL || list_length(ActivePortal->stmts) != 1)
		return false;
	stmt = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (stmt->commandType == CMD_INSERT)
		return list_length(stmt->resultRelations) == 1 &&
			rt_fetch(linitial_int(stmt->resultRelations), stmt->rtable)->relid == RelationGetRelid(rel);
	if (stmt->commandType == CMD_UTILITY && IsA(stmt->utilityStmt, CopyStmt))
	{
		CopyStmt   *copy = (CopyStmt *) stmt->utilityStmt;

		return copy->is_from && copy->relation != NULL &&
			RangeVarGetRelid(copy->relation, NoLock, true) == RelationGetRelid(rel);
	}
	return false;
}

/* Is the current user the session's own choice, and may both load the dump? */
static bool
is_loaded_by_owner(Relation rel)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	return context == 0 && user == GetOuterUserId() &&
		rarr_is_owner(RelationGetRelid(rel), user) &&
		rarr_can_set_role(GetSessionUserId(), rel->rd_rel->relowner);
}

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
	if (!is_loaded_by_owner(rel) || !is_sent_by_client(rel))
		return false;

	if (!said)
		ereport(LOG,
				(errmsg("researcharr: rows loaded into \"%s\" are taken for those of a dump",
						RelationGetRelationName(rel)),
				 errdetail("check_function_bodies is off, search_path is empty and the table's owner loads them: no history or audit row is added.")));
	said = true;
	return true;
}
