/*
 * record.c
 *		Append rows to audit_log: who changed a row, and how.
 *
 * The log is opened by the first row, so that a statement that changes nothing
 * does not lock it.  What is the same for all rows of a statement is determined
 * then, also the time.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/append.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/restore.h"
#include "base/text.h"
#include "base/uuid.h"
#include "audit/record.h"

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

struct RarrAuditLog
{
	RarrAppend *append;        /* NULL until there is something to write */
	MemoryContext context;     /* lives as long as the state */
	MemoryContext row_context; /* reset after each row */
	Datum values[NCOLUMNS];    /* those common to all rows are set */
	bool nulls[NCOLUMNS];
};

/*
 * Is auditing off, or a dump being loaded into the table?  That it is off is
 * reported once in the server log.
 */
bool
rarr_audit_is_off(Relation rel, bool is_insert)
{
	static bool said = false;

	if (rarr_audit)
		return is_insert && rarr_is_restoring(rel);
	if (!said)
		ereport(LOG,
				(errmsg("researcharr: changes of data are not logged"),
				 errdetail("researcharr.audit is off in this session.")));
	said = true;
	return true;
}

/*
 * Begin to log what a statement changes.  The state is freed by
 * rarr_audit_end() or, on error, with the current memory context.
 */
RarrAuditLog *
rarr_audit_begin(void)
{
	RarrAuditLog *log = palloc0(sizeof(RarrAuditLog));

	log->context = CurrentMemoryContext;
	log->row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr audited row",
											 ALLOCSET_DEFAULT_SIZES);
	return log;
}

/* Open the log, and set the values common to all rows. */
static void
open_log(RarrAuditLog *log)
{
	MemoryContext old = MemoryContextSwitchTo(log->context);
	Datum *values = log->values;

	log->append = rarr_append_begin("audit_log", log_columns, NCOLUMNS);
	log->nulls[COL_USER_ID] = rarr_user_id[0] == '\0';
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
set_key(RarrAuditLog *log, const RarrAuditRules *rules, TupleTableSlot *row)
{
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue value;

	if (rules->nkeys > 1)
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < rules->nkeys; i++)
	{
		bool isnull;
		Datum datum = slot_getattr(row, rules->keys[i].attnum, &isnull);

		if (isnull)
			value.type = jbvNull;
		else
			(void) rarr_diff_value(&rules->keys[i], datum, RARR_DIFF_MAX_TEXT, &value);
		if (rules->nkeys > 1)
			pushJsonbValue(&state, WJB_ELEM, &value);
		else if (!isnull)
			result = &value;
	}
	if (rules->nkeys > 1)
		result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	log->nulls[COL_ENTITY_ID] = result == NULL;
	if (result != NULL)
		log->values[COL_ENTITY_ID] = text_of_json(result);
}

/* Append a row, with the key that is set. */
static void
append_row(RarrAuditLog *log, const RarrAuditRules *rules, const char *action, Datum changes)
{
	pg_uuid_t id;

	rarr_uuid_v7(&id);
	log->values[COL_ID] = UUIDPGetDatum(&id);
	log->values[COL_ENTITY_TYPE] = CStringGetTextDatum(rules->entity_type);
	log->values[COL_ACTION] = CStringGetTextDatum(action);
	log->values[COL_CHANGES] = changes;
	rarr_append_row(log->append, log->values, log->nulls);
}

/*
 * Log a row.  It was inserted if old_row is NULL, and deleted if new_row is
 * NULL.  An update that changed none of the compared columns is not logged.  If
 * rules->by_settings is set, the caller has set neutral settings
 * (rarr_use_neutral_settings()).  Raises the errors of rarr_append_begin() and
 * rarr_append_row().
 */
void
rarr_audit_row(RarrAuditLog *log, const RarrAuditRules *rules, const char *action,
			   TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	MemoryContext old = MemoryContextSwitchTo(log->row_context);
	Datum changes = rarr_diff_rows(rules->columns, rules->ncolumns, old_row, new_row);

	CHECK_FOR_INTERRUPTS();
	if (changes != (Datum) 0)
	{
		if (log->append == NULL)
			open_log(log);
		set_key(log, rules, old_row ? old_row : new_row);
		append_row(log, rules, action, changes);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(log->row_context);
}

/* Log a change of a whole table, without a key.  Raises the same errors. */
void
rarr_audit_table(RarrAuditLog *log, const RarrAuditRules *rules, const char *action)
{
	open_log(log);
	log->nulls[COL_ENTITY_ID] = true;
	append_row(log, rules, action, JsonbPGetDatum(rarr_jsonb_empty_object()));
}

/*
 * Log what happened to something that is no row of a table.  entity_id: NULL for
 * none.  Raises the same errors.
 */
void
rarr_audit_event(const char *entity_type, const char *entity_id, const char *action, Jsonb *changes)
{
	RarrAuditRules rules = {.entity_type = entity_type};
	RarrAuditLog *log;

	if (!rarr_audit)
		return;
	log = rarr_audit_begin();
	open_log(log);
	log->nulls[COL_ENTITY_ID] = entity_id == NULL;
	if (entity_id != NULL)
		log->values[COL_ENTITY_ID] = CStringGetTextDatum(rarr_clip_text(entity_id, KEY_MAX_BYTES));
	append_row(log, &rules, action, JsonbPGetDatum(changes));
	rarr_audit_end(log);
}

/* Append what is still buffered, and free the state. */
void
rarr_audit_end(RarrAuditLog *log)
{
	if (log->append)
		rarr_append_end(log->append);
	MemoryContextDelete(log->row_context);
	pfree(log);
}
