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
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/append.h"
#include "base/json.h"
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

struct RarrHistory
{
	RarrAppend *append;
	MemoryContext row_context;	/* reset after each row */
};

/* Adds a text; nothing where there is none. */
static void
put_text(JsonbParseState **state, const char *name, const char *text)
{
	if (text)
		rarr_json_put_text(state, name, text);
}

static void
put_time(JsonbParseState **state, const char *name, TimestampTz time)
{
	rarr_json_put_text(state, name, rarr_json_time(TimestampTzGetDatum(time), TIMESTAMPTZOID));
}

/* The details of an entry; keys without a value are absent. */
static Datum
build_details(const RarrHistoryEntry *entry)
{
	JsonbParseState *state = NULL;

	/* in the order in which jsonb keeps its keys: the shortest first */
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_text(&state, "from", entry->from);
	put_text(&state, "error", entry->error);
	put_text(&state, "worker", entry->worker);
	rarr_json_put_int(&state, "attempt", entry->attempt);
	if (entry->claimed_at != 0)
	{
		put_time(&state, "ended_at", entry->ended_at);
		put_time(&state, "claimed_at", entry->claimed_at);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/*
 * Begins to write; many rows cost no more memory than one.  The caller has
 * made sure that the transaction may write.
 */
RarrHistory *
rarr_history_begin(void)
{
	RarrHistory *history = palloc(sizeof(RarrHistory));

	history->append = rarr_append_begin("processing_history", columns, NCOLUMNS);
	history->row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr history row",
												 ALLOCSET_DEFAULT_SIZES);
	return history;
}

/* Puts an entry on record. */
void
rarr_history_add(RarrHistory *history, const RarrHistoryEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(history->row_context);
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
	rarr_append_row(history->append, values, nulls);

	MemoryContextSwitchTo(old);
	MemoryContextReset(history->row_context);
}

void
rarr_history_end(RarrHistory *history)
{
	rarr_append_end(history->append);
	MemoryContextDelete(history->row_context);
	pfree(history);
}

/*
 * Puts n entries on record, in their order: to be called once a statement,
 * by whoever changed the jobs, in the same transaction.
 */
void
rarr_history_write(const RarrHistoryEntry *entries, int n)
{
	RarrHistory *history;

	if (n == 0)
		return;
	history = rarr_history_begin();
	for (int i = 0; i < n; i++)
		rarr_history_add(history, &entries[i]);
	rarr_history_end(history);
}
