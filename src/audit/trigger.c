/*
 * trigger.c
 *		The audit trigger: log what a statement changed.
 *
 * The trigger works on transition tables, so that a million changed rows take
 * one pass.  For each row it compares the old and the new version (diff.c) and
 * appends the difference to audit_log.  README.md describes its arguments.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

#include "base/append.h"
#include "base/args.h"
#include "base/column.h"
#include "base/expiring.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/restore.h"
#include "base/text.h"
#include "base/uuid.h"
#include "audit/diff.h"

/* limit for a key as text; a B-tree entry of 2704 bytes also has the type */
#define KEY_MAX_BYTES 2000

/* the columns of audit_log, in this order */
enum
{
	COL_ID,
	COL_ENTITY_TYPE,
	COL_ENTITY_ID,
	COL_ACTION,
	COL_USER_ID,
	COL_CHANGES,
	COL_TIMESTAMP,
	COL_DATABASE_USER,
	COL_TRANSACTION_ID,
	COL_ACTING_ROLE,
	NCOLUMNS
};

static const RarrAppendColumn log_columns[NCOLUMNS] = {
	[COL_ID] = {"id", UUIDOID},
	[COL_ENTITY_TYPE] = {"entity_type", TEXTOID},
	[COL_ENTITY_ID] = {"entity_id", TEXTOID},
	[COL_ACTION] = {"action", TEXTOID},
	[COL_USER_ID] = {"user_id", TEXTOID},
	[COL_CHANGES] = {"changes", JSONBOID},
	[COL_TIMESTAMP] = {"timestamp", TIMESTAMPTZOID},
	[COL_DATABASE_USER] = {"database_user", TEXTOID},
	[COL_TRANSACTION_ID] = {"transaction_id", XID8OID},
	[COL_ACTING_ROLE] = {"acting_role", TEXTOID, .optional = true}, /* since 1.5 */
};

/* state for one statement */
typedef struct Audit
{
	const TriggerData *trigdata;
	const char *action;
	RarrDiffColumn *columns; /* columns to compare */
	int ncolumns;
	RarrDiffColumn *keys; /* columns that identify a row */
	int nkeys;
	bool by_settings;          /* does any column's JSON depend on settings? */
	RarrAppend *append;        /* NULL until there is something to write */
	MemoryContext context;     /* lives as long as the state */
	MemoryContext row_context; /* reset after each row */
	Datum values[NCOLUMNS];    /* those common to all rows are set */
	bool nulls[NCOLUMNS];
} Audit;

/* Return the number of a column named by the arguments, or raise 42703. */
static AttrNumber
named_column(const TriggerData *trigdata, const char *name)
{
	AttrNumber attnum = rarr_find_column(RelationGetDescr(trigdata->tg_relation), name);

	if (attnum == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("audit trigger \"%s\" names the column \"%s\", which \"%s\" does not have",
						trigdata->tg_trigger->tgname, name,
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Recreate the trigger with the column's current name.")));
	return attnum;
}

/* Do the arguments contain this keyword with this column? */
static bool
argument_has(const Trigger *trigger, const char *word, const char *column)
{
	for (int i = 1; i + 1 < trigger->tgnargs; i += 2)
		if (strcmp(trigger->tgargs[i], word) == 0 &&
			(column == NULL || strcmp(trigger->tgargs[i + 1], column) == 0))
			return true;
	return false;
}

/*
 * Check that the arguments are the entity type and pairs, and name a key.
 * Raises 22023 otherwise: a misspelt keyword must not expose a secret.
 */
static void
check_arguments(const TriggerData *trigdata)
{
	static const char *const keywords[] = {"key", "ignore", "mask", "if", "only"};
	const Trigger *trigger = trigdata->tg_trigger;
	bool valid = trigger->tgnargs % 2 == 1 && argument_has(trigger, "key", NULL);

	for (int i = 1; i < trigger->tgnargs && valid; i += 2)
	{
		valid = false;
		for (int j = 0; j < lengthof(keywords); j++)
			valid |= strcmp(trigger->tgargs[i], keywords[j]) == 0;
		if (strcmp(trigger->tgargs[i], "if") == 0)
			valid = i > 1 && strcmp(trigger->tgargs[i - 2], "mask") == 0;
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("audit trigger \"%s\" on \"%s\" has wrong arguments, or names no key",
						trigger->tgname, RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Its arguments are the entity type, then pairs: key, ignore, mask, if or only, and a column; if comes after a mask.")));
}

/* List the columns to compare: all but those excluded by the arguments. */
static void
list_columns(Audit *audit)
{
	const Trigger *trigger = audit->trigdata->tg_trigger;
	TupleDesc desc = RelationGetDescr(audit->trigdata->tg_relation);
	bool only = argument_has(trigger, "only", NULL);

	audit->columns = palloc(desc->natts * sizeof(RarrDiffColumn));
	audit->ncolumns = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		RarrDiffColumn *column = &audit->columns[audit->ncolumns];

		if (att->attisdropped ||
			argument_has(trigger, "ignore", NameStr(att->attname)) ||
			(only && !argument_has(trigger, "only", NameStr(att->attname))))
			continue;
		rarr_diff_init_column(column, att);
		audit->by_settings |= column->kind == RARR_DIFF_OTHER;
		audit->ncolumns++;
	}
}

/* Mask a column: always, or where the column masked_if is true. */
static void
mask_column(Audit *audit, AttrNumber attnum, AttrNumber masked_if)
{
	for (int i = 0; i < audit->ncolumns; i++)
		if (audit->columns[i].attnum == attnum)
		{
			audit->columns[i].masked = true;
			audit->columns[i].masked_if = masked_if;
			audit->columns[i].assigned =
				bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber,
							  audit->trigdata->tg_updatedcols);
		}
}

/* Read the trigger's arguments. */
static void
read_arguments(Audit *audit)
{
	const TriggerData *trigdata = audit->trigdata;
	const Trigger *trigger = trigdata->tg_trigger;
	TupleDesc desc = RelationGetDescr(trigdata->tg_relation);
	AttrNumber masked = 0;

	check_arguments(trigdata);
	list_columns(audit);
	audit->keys = palloc(trigger->tgnargs * sizeof(RarrDiffColumn));
	for (int i = 1; i + 1 < trigger->tgnargs; i += 2)
	{
		const char *word = trigger->tgargs[i];
		const char *name = trigger->tgargs[i + 1];

		if (strcmp(word, "key") == 0)
		{
			RarrDiffColumn *key = &audit->keys[audit->nkeys++];

			rarr_diff_init_column(key, TupleDescAttr(desc, named_column(trigdata, name) - 1));
			audit->by_settings |= key->kind == RARR_DIFF_OTHER;
		}
		else if (strcmp(word, "mask") == 0)
		{
			masked = named_column(trigdata, name);
			mask_column(audit, masked, 0);
		}
		else if (strcmp(word, "only") == 0)
			(void) named_column(trigdata, name);
		else if (strcmp(word, "if") == 0)
			mask_column(audit, masked,
						rarr_require_column(trigdata->tg_relation, name, BOOLOID));
	}
}

/* Open the log, and set the values common to all rows of the statement. */
static void
begin_rows(Audit *audit)
{
	MemoryContext old = MemoryContextSwitchTo(audit->context);
	Datum *values = audit->values;

	audit->append = rarr_append_begin("audit_log", log_columns, NCOLUMNS);
	values[COL_ENTITY_TYPE] = CStringGetTextDatum(audit->trigdata->tg_trigger->tgargs[0]);
	values[COL_ACTION] = CStringGetTextDatum(audit->action);
	audit->nulls[COL_USER_ID] = rarr_user_id[0] == '\0';
	values[COL_USER_ID] = CStringGetTextDatum(rarr_valid_text(rarr_user_id));
	values[COL_TIMESTAMP] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[COL_DATABASE_USER] = CStringGetTextDatum(rarr_role_name(GetSessionUserId()));
	values[COL_ACTING_ROLE] = CStringGetTextDatum(rarr_role_name(GetUserId()));
	values[COL_TRANSACTION_ID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	MemoryContextSwitchTo(old);
}

/* Convert a JSON value to text as ->> does, cut to what an index can hold. */
static Datum
text_of_json(JsonbValue *value)
{
	const char *string = value->type == jbvString ?
							 pnstrdup(value->val.string.val, value->val.string.len) :
							 rarr_json_to_text(value);

	return CStringGetTextDatum(rarr_clip_text(string, KEY_MAX_BYTES));
}

/* Set the row's key: text or NULL, or for several columns a JSON array. */
static void
set_key(Audit *audit, TupleTableSlot *row)
{
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue value;

	if (audit->nkeys > 1)
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < audit->nkeys; i++)
	{
		bool isnull;
		Datum datum = slot_getattr(row, audit->keys[i].attnum, &isnull);

		if (isnull)
			value.type = jbvNull;
		else
			(void) rarr_diff_value(&audit->keys[i], datum, RARR_DIFF_MAX_TEXT, &value);
		if (audit->nkeys > 1)
			pushJsonbValue(&state, WJB_ELEM, &value);
		else if (!isnull)
			result = &value;
	}
	if (audit->nkeys > 1)
		result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	audit->nulls[COL_ENTITY_ID] = result == NULL;
	if (result != NULL)
		audit->values[COL_ENTITY_ID] = text_of_json(result);
}

static void
append_row(Audit *audit, Datum changes)
{
	pg_uuid_t id;

	rarr_uuid_v7(&id);
	audit->values[COL_ID] = UUIDPGetDatum(&id);
	audit->values[COL_CHANGES] = changes;
	rarr_append_row(audit->append, audit->values, audit->nulls);
}

/*
 * Log a row.  It was inserted if old_row is NULL, and deleted if new_row is
 * NULL.  An update that changed none of the compared columns is not logged.
 */
static void
record_row(Audit *audit, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	MemoryContext old = MemoryContextSwitchTo(audit->row_context);
	Datum changes = rarr_diff_rows(audit->columns, audit->ncolumns, old_row, new_row);

	CHECK_FOR_INTERRUPTS();
	if (changes != (Datum) 0)
	{
		if (audit->append == NULL)
			begin_rows(audit);
		set_key(audit, old_row ? old_row : new_row);
		append_row(audit, changes);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(audit->row_context);
}

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
		record_row(audit, old_row, new_row);
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
		record_row(audit, made ? NULL : row, made ? row : NULL);
	ExecDropSingleTupleTableSlot(row);
}

/* Log one row for the whole table: a TRUNCATE has no transition table. */
static void
record_truncate(Audit *audit)
{
	begin_rows(audit);
	audit->nulls[COL_ENTITY_ID] = true;
	append_row(audit, JsonbPGetDatum(rarr_jsonb_empty_object()));
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

/* Log what the statement did. */
static void
record(Audit *audit)
{
	const TriggerData *trigdata = audit->trigdata;
	TriggerEvent event = trigdata->tg_event;

	if (TRIGGER_FIRED_FOR_ROW(event))
		wrong_trigger(audit);
	else if (TRIGGER_FIRED_BY_TRUNCATE(event))
	{
		audit->action = "truncate";
		record_truncate(audit);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(event) && trigdata->tg_oldtable && trigdata->tg_newtable)
	{
		audit->action = "update";
		record_updates(audit);
	}
	else if (TRIGGER_FIRED_BY_INSERT(event) && trigdata->tg_newtable)
	{
		audit->action = "create";
		record_rows(audit, trigdata->tg_newtable, true);
	}
	else if (TRIGGER_FIRED_BY_DELETE(event) && trigdata->tg_oldtable)
	{
		audit->action = "delete";
		record_rows(audit, trigdata->tg_oldtable, false);
	}
	else
		wrong_trigger(audit);
}

/* Is auditing off?  If so, this is reported once in the server log. */
static bool
is_off(const TriggerData *trigdata)
{
	static bool said = false;

	if (rarr_audit)
		return TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) &&
			   rarr_is_restoring(trigdata->tg_relation);
	if (!said)
		ereport(LOG,
				(errmsg("researcharr: changes of data are not logged"),
				 errdetail("researcharr.audit is off in this session.")));
	said = true;
	return true;
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
	int level = 0;

	rarr_require_trigger(fcinfo, "audit_record");
	audit.trigdata = (TriggerData *) fcinfo->context;
	if (is_off(audit.trigdata) || rarr_is_expiring(audit.trigdata))
		PG_RETURN_POINTER(NULL);

	audit.context = CurrentMemoryContext;
	audit.row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr audited row",
											  ALLOCSET_DEFAULT_SIZES);
	read_arguments(&audit);
	if (audit.by_settings)
		level = rarr_use_neutral_settings();
	record(&audit);
	if (audit.by_settings)
		AtEOXact_GUC(true, level);
	if (audit.append)
		rarr_append_end(audit.append);
	MemoryContextDelete(audit.row_context);
	PG_RETURN_POINTER(NULL);
}
