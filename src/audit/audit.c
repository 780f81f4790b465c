/*
 * audit.c
 *		Log changes of rows that no statement makes.
 *
 * Statement-level triggers, such as the audit trigger, fire for statements only.
 * Code that changes a row of a table in another way does their work.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "audit/audit.h"

/*
 * Log the change of a row of an open table as its audit trigger would.
 *
 * The row was inserted if old_row is NULL, and updated otherwise.  It is logged
 * at the latest by rarr_audit_end().  Raises the errors of the trigger.
 */
void
rarr_audit_change(RarrAuditLog *log, Relation rel, const Trigger *trigger,
				  TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	RarrAuditRules rules;
	int level = 0;

	if (rarr_audit_is_off(rel, old_row == NULL))
		return;
	rarr_audit_read_rules(&rules, trigger, rel, NULL);
	if (rules.by_settings)
		level = rarr_use_neutral_settings();
	rarr_audit_row(log, &rules, old_row == NULL ? "create" : "update", old_row, new_row);
	if (rules.by_settings)
		AtEOXact_GUC(true, level);
}
