/*
 * restore.c
 *		Detect that the inserted rows come from a dump.
 *
 * A restore must bring back every row once and add none.  The dump contains
 * the history and audit rows itself, and a job's type may be restored after
 * the job.  The triggers therefore do nothing while the table's owner or a
 * superuser loads rows with the two settings that every pg_dump script begins
 * with: check_function_bodies off, and an empty search_path.
 *
 * Anybody can set these two and then call an owner's SECURITY DEFINER function
 * that inserts a row.  Therefore the rows must also come from a COPY or INSERT
 * into the table that the client itself sent, outside of any function that
 * changes the user.  And the session user must be able to load the dump: the
 * owner, a role that may SET ROLE to the owner (pg_restore --role), or a
 * superuser.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "tcop/pquery.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/restore.h"

/* Does the client's current statement insert rows into the table? */
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
		CopyStmt *copy = (CopyStmt *) stmt->utilityStmt;

		return copy->is_from && copy->relation != NULL &&
			   RangeVarGetRelid(copy->relation, NoLock, true) == RelationGetRelid(rel);
	}
	return false;
}

/* Is the current user chosen by the session, and may both load the dump? */
static bool
is_loaded_by_owner(Relation rel)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	return context == 0 && user == GetOuterUserId() &&
		   rarr_is_owner(RelationGetRelid(rel), user) &&
		   rarr_can_set_role(GetSessionUserId(), rel->rd_rel->relowner);
}

/*
 * In an INSERT trigger on rel, is a dump being loaded into it?  The first time
 * in a session that this is true, it is reported in the server log.
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
				(errmsg("researcharr: rows loaded into \"%s\" are treated as rows of a dump",
						RelationGetRelationName(rel)),
				 errdetail("check_function_bodies is off, search_path is empty and the table's owner loads them: no history or audit row is added.")));
	said = true;
	return true;
}
