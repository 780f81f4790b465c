/*
 * trigger.c
 *		The audit trigger: log what a statement changed.
 *
 * The trigger works on transition tables, so that a million changed rows take
 * one pass.  For each row it compares the old and the new version (diff.c) and
 * appends the difference to audit_log (record.c).  README.md describes its
 * arguments.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "utils/guc.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/expiring.h"
#include "audit/record.h"

/* state for one statement */
typedef struct Audit
{
	const TriggerData *trigdata;
	RarrAuditRules rules;
	RarrAuditLog *log;
} Audit;

/*
 * Log updated rows.  Both transition tables have the rows in the same order,
 * because the server adds the old and the new version of a row together.
 */
static void
record_updates(Audit *audit)
{
	Tuplestorestate *old_table = audit->trigdata->tg_oldtable;
	Tuplestorestate *new_table = audit->trigdata->tg_newtable;
	TupleDesc desc = RelationGetDescr(audit->trigdata->tg_relation);
	TupleTableSlot *old_row = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *new_row = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(old_table);
	tuplestore_rescan(new_table);
	while (tuplestore_gettupleslot(old_table, true, false, old_row))
	{
		if (!tuplestore_gettupleslot(new_table, true, false, new_row))
			elog(ERROR, "an updated row of \"%s\" has no new version",
				 RelationGetRelationName(audit->trigdata->tg_relation));
		rarr_audit_row(audit->log, &audit->rules, "update", old_row, new_row);
	}
	ExecDropSingleTupleTableSlot(old_row);
	ExecDropSingleTupleTableSlot(new_row);
}

/* Log rows that were all inserted, or all deleted. */
static void
record_rows(Audit *audit, Tuplestorestate *table, bool made)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(audit->trigdata->tg_relation),
												   &TTSOpsMinimalTuple);

	tuplestore_rescan(table);
	while (tuplestore_gettupleslot(table, true, false, row))
		rarr_audit_row(audit->log, &audit->rules, made ? "create" : "delete",
					   made ? NULL : row, made ? row : NULL);
	ExecDropSingleTupleTableSlot(row);
}

/* Raise 39P01: the trigger fires for each row, or has no transition tables. */
static void
wrong_trigger(const Audit *audit)
{
	const TriggerData *trigdata = audit->trigdata;

	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("audit trigger \"%s\" on \"%s\" is not a statement-level trigger with transition tables",
					trigdata->tg_trigger->tgname,
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("Create it as AFTER ... FOR EACH STATEMENT, with REFERENCING.")));
}

/* Log what the statement did.  A TRUNCATE has no transition table. */
static void
record(Audit *audit)
{
	const TriggerData *trigdata = audit->trigdata;
	TriggerEvent event = trigdata->tg_event;

	if (TRIGGER_FIRED_FOR_ROW(event))
		wrong_trigger(audit);
	else if (TRIGGER_FIRED_BY_TRUNCATE(event))
		rarr_audit_table(audit->log, &audit->rules, "truncate");
	else if (TRIGGER_FIRED_BY_UPDATE(event) && trigdata->tg_oldtable && trigdata->tg_newtable)
		record_updates(audit);
	else if (TRIGGER_FIRED_BY_INSERT(event) && trigdata->tg_newtable)
		record_rows(audit, trigdata->tg_newtable, true);
	else if (TRIGGER_FIRED_BY_DELETE(event) && trigdata->tg_oldtable)
		record_rows(audit, trigdata->tg_oldtable, false);
	else
		wrong_trigger(audit);
}

/*
 * audit_record(entity_type, keyword, column, ...): statement-level trigger
 *
 * Raises 39P01 if the trigger is defined in another way, 22023 for invalid
 * arguments, 42703 if a named column does not exist, and the errors of
 * rarr_append_begin() and rarr_append_row().
 */
PG_FUNCTION_INFO_V1(researcharr_audit_record);
Datum
researcharr_audit_record(PG_FUNCTION_ARGS)
{
	Audit audit = {0};
	const TriggerData *trigdata;
	int level = 0;

	rarr_require_trigger(fcinfo, "audit_record");
	trigdata = audit.trigdata = (TriggerData *) fcinfo->context;
	if (rarr_audit_is_off(trigdata->tg_relation, TRIGGER_FIRED_BY_INSERT(trigdata->tg_event)) ||
		rarr_is_expiring(trigdata) || IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	audit.log = rarr_audit_begin();
	rarr_audit_read_rules(&audit.rules, trigdata->tg_trigger, trigdata->tg_relation,
						  trigdata->tg_updatedcols);
	if (audit.rules.by_settings)
		level = rarr_use_neutral_settings();
	record(&audit);
	if (audit.rules.by_settings)
		AtEOXact_GUC(true, level);
	rarr_audit_end(audit.log);
	PG_RETURN_POINTER(NULL);
}
