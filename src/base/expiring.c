/*
 * expiring.c
 *		Deletes by rules of retention, which leave no rows in the logs.
 *
 * A rule of retention removes old jobs so that tables do not grow.  A row in
 * the history and one in the audit log for each of them would undo that.  So the
 * triggers that write to the logs ask here, and the maintenance task
 * (ops/retention.c) records what it deleted by itself.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "base/expiring.h"

Oid rarr_expiring_table = InvalidOid;

/* Is the trigger called for rows that a rule of retention deletes? */
bool
rarr_is_expiring(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_DELETE(trigger->tg_event) &&
		   RelationGetRelid(trigger->tg_relation) == rarr_expiring_table;
}
