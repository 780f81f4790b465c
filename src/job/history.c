/*-------------------------------------------------------------------------
 *
 * history.c
 *		What happened to jobs, put on record in processing_history.
 *
 * Each attempt leaves one row when it ends, and each other change of a job's
 * status its own, in the transaction that makes the change.  The functions
 * that change jobs say what they did; for plain DML, cascades and TRUNCATE,
 * history_trigger.c finds it out.  Either way, all rows of a statement are
 * written in one go.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/append.h"
#include "base/uuid.h"
#include "job/history.h"

/* the columns that are written, in this order */
enum
{
	COL_ID, COL_JOB_ID, COL_MEDIA_ID, COL_ACTION, COL_STATUS, COL_DETAILS, COL_TIMESTAMP, NCOLUMNS
};

static const RarrAppendColumn columns[NCOLUMNS] = {
	[COL_ID] = {"id", UUIDOID},
	[COL_JOB_ID] = {"job_id", UUIDOID},
	[COL_MEDIA_ID] = {"media_id", UUIDOID},
	[COL_ACTION] = {"action", TEXTOID},
	[COL_STATUS] = {"status", TEXTOID},
	[COL_DETAILS] = {"details", JSONBOID},
	[COL_TIMESTAMP] = {"timestamp", TIMESTAMPTZOID},
};

static const char *const action_names[] = {
	[RARR_HISTORY_COMPLETED] = "completed",
	[RARR_HISTORY_RETRIED] = "retried",
	[RARR_HISTORY_FAILED] = "failed",
	[RARR_HISTORY_LAPSED] = "lapsed",
	[RARR_HISTORY_RELEASED] = "released",
	[RARR_HISTORY_CANCELLED] = "cancelled",
	[RARR_HISTORY_REQUEUED] = "requeued",
	[RARR_HISTORY_MARKED_COMPLETED] = "marked_completed",
	[RARR_HISTORY_DELETED] = "deleted",
};

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) text;
	value.val.string.len = strlen(text);
	pushJsonbValue(state, token, &value);
}

/* Adds a key and its text; nothing where there is none. */
static void
push_text(JsonbParseState **state, const char *key, const char *text)
{
	if (text == NULL)
		return;
	push_string(state, WJB_KEY, key);
	push_string(state, WJB_VALUE, text);
}

/* Adds a key and its time: ISO 8601 in UTC, whatever the session's zone. */
static void
push_time(JsonbParseState **state, const char *key, TimestampTz time)
{
	static const int utc = 0;

	push_text(state, key, JsonEncodeDateTime(palloc(MAXDATELEN + 1), TimestampTzGetDatum(time),
											 TIMESTAMPTZOID, &utc));
}

/* The details of an entry; keys without a value are absent. */
static Datum
build_details(const RarrHistoryEntry *entry)
{
	JsonbParseState *state = NULL;
	JsonbValue	attempt;

	/* in the order in which jsonb keeps its keys: the shortest first */
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "from", entry->from);
	push_text(&state, "error", entry->error);
	push_text(&state, "worker", entry->worker);
	push_string(&state, WJB_KEY, "attempt");
	attempt.type = jbvNumeric;
	attempt.val.numeric = int64_to_numeric(entry->attempt);
	pushJsonbValue(&state, WJB_VALUE, &attempt);
	if (entry->claimed_at != 0)
	{
		push_time(&state, "ended_at", entry->ended_at);
		push_time(&state, "claimed_at", entry->claimed_at);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static void
write_entry(RarrAppend *append, const RarrHistoryEntry *entry)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	pg_uuid_t	id;

	rarr_uuid_v7(&id);
	values[COL_ID] = UUIDPGetDatum(&id);
	values[COL_JOB_ID] = UUIDPGetDatum(&entry->job_id);
	values[COL_MEDIA_ID] = UUIDPGetDatum(&entry->media_id);
	values[COL_ACTION] = CStringGetTextDatum(action_names[entry->action]);
	nulls[COL_STATUS] = entry->to == NULL;
	values[COL_STATUS] = entry->to ? CStringGetTextDatum(entry->to) : (Datum) 0;
	values[COL_DETAILS] = build_details(entry);
	values[COL_TIMESTAMP] = TimestampTzGetDatum(entry->ended_at);
	rarr_append_row(append, values, nulls);
}

/*
 * Puts n entries on record, in their order: to be called once a statement,
 * by whoever changed the jobs, in the same transaction.  The caller has made
 * sure that the transaction may write.
 */
void
rarr_history_write(const RarrHistoryEntry *entries, int n)
{
	RarrAppend *append;
	MemoryContext row_context;
	MemoryContext old;

	if (n == 0)
		return;
	append = rarr_append_begin("processing_history", columns, NCOLUMNS);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr history row",
										ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(row_context);
	for (int i = 0; i < n; i++)
	{
		write_entry(append, &entries[i]);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	rarr_append_end(append);
	MemoryContextDelete(row_context);
}
