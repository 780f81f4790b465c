/*
 * log_guard.c
 *		The trigger that makes logs append-only.
 *
 * A log must stay as it was written, even if somebody was granted INSERT,
 * UPDATE, DELETE or TRUNCATE on it by mistake.  The extension's own appends
 * bypass triggers (append.c).  The owner, who could drop the trigger anyway,
 * needs DML to restore a dump.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "base/args.h"

/*
 * log_guard(): BEFORE trigger, for rows and for TRUNCATE
 *
 * Raises 42501 unless the current user is the table's owner or a superuser.
 */
PG_FUNCTION_INFO_V1(researcharr_log_guard);
Datum
researcharr_log_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation rel;

	rarr_require_trigger(fcinfo, "log_guard");
	rel = trigdata->tg_relation;
	if (!rarr_is_owner(RelationGetRelid(rel), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" is append-only", RelationGetRelationName(rel)),
				 errdetail("Only the extension appends rows, and nobody may change them."),
				 errhint("Only the table's owner may change it, to restore a dump or to remove old rows.")));
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		PG_RETURN_POINTER(trigdata->tg_newtuple);
	PG_RETURN_POINTER(trigdata->tg_trigtuple);
}
