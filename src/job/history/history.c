/*
 * history.c
 *		Write rows of processing_history.
 *
 * A row must not fail because of a value in the job: nobody could claim,
 * finish or delete such a job.  A job that is older than the checks of
 * worker_input.c can have longer texts than they allow.  Such texts are
 * truncated here.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/append.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"
#include "job/history/history.h"

/* the columns that are written, in this order */
enum
{
	COL_ID,
	COL_JOB_ID,
	COL_MEDIA_ID,
	COL_ACTION,
	COL_STATUS,
	COL_DETAILS,
	COL_TIMESTAMP,
	NCOLUMNS
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
	[RARR_HISTORY_ADOPTED] = "adopted",
};

struct RarrHistory
{
	RarrAppend *append;
	MemoryContext context;     /* owns all allocations */
	MemoryContext row_context; /* reset after each row */
	Jsonb *by;                 /* the operator; NULL until it is needed */
};

/* Add a key and a text, unless the text is NULL. */
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

/* The roles and the user of this session, as an object; built once. */
static Jsonb *
get_operator(RarrHistory *history)
{
	if (history->by == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(history->context);
		JsonbParseState *state = NULL;

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		put_text(&state, "role", rarr_role_name(GetUserId()));
		if (rarr_user_id[0] != '\0')
			put_text(&state, "user_id", rarr_valid_text(rarr_user_id));
		put_text(&state, "session_user", rarr_role_name(GetSessionUserId()));
		history->by = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
		MemoryContextSwitchTo(old);
	}
	return history->by;
}

/* Add a key and a text, truncated to max_bytes, unless the text is NULL. */
static void
put_clipped(JsonbParseState **state, const char *name, const char *text, int max_bytes)
{
	if (text)
		rarr_json_put_text(state, name, rarr_clip_text(text, max_bytes));
}

/* The value of "details".  Keys without a value are left out. */
static Datum
build_details(RarrHistory *history, const RarrHistoryEntry *entry)
{
	JsonbParseState *state = NULL;

	/* shortest key first, as jsonb sorts them */
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (entry->by_operator)
	{
		Jsonb *by = get_operator(history);
		JsonbValue value;

		value.type = jbvBinary;
		value.val.binary.data = &by->root;
		value.val.binary.len = VARSIZE(by) - VARHDRSZ;
		rarr_json_put(&state, "by", &value);
	}
	put_text(&state, "from", entry->from);
	put_clipped(&state, "note", entry->note, RARR_HISTORY_ERROR_BYTES);
	put_clipped(&state, "error", entry->error, RARR_HISTORY_ERROR_BYTES);
	put_clipped(&state, "worker", entry->worker, RARR_HISTORY_WORKER_BYTES);
	rarr_json_put_int(&state, "attempt", entry->attempt);
	if (entry->claimed_at != 0)
	{
		put_time(&state, "ended_at", entry->ended_at);
		put_time(&state, "claimed_at", entry->claimed_at);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static RarrHistory *
begin(RarrAppend *append)
{
	RarrHistory *history = palloc(sizeof(RarrHistory));

	history->append = append;
	history->context = CurrentMemoryContext;
	history->row_context = AllocSetContextCreate(CurrentMemoryContext, "researcharr history row",
												 ALLOCSET_DEFAULT_SIZES);
	history->by = NULL;
	return history;
}

/*
 * Begin to add rows.  Memory use does not grow with their number.  The result
 * is freed by rarr_history_end().
 *
 * Raises 25006 in a read-only transaction, 42P01 if processing_history is
 * missing, and 55000 if it is not partitioned as the extension created it.
 */
RarrHistory *
rarr_history_begin(void)
{
	return begin(rarr_append_begin("processing_history", columns, NCOLUMNS));
}

/*
 * Add the row that an entry describes.
 *
 * Raises what rarr_append_row() raises: 23514 if there is no partition for the
 * row, 42809 or 42703 if the partition cannot hold it, and 23502 or 23514 if
 * it violates a constraint.
 */
void
rarr_history_add(RarrHistory *history, const RarrHistoryEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(history->row_context);
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};
	pg_uuid_t id;

	rarr_uuid_v7(&id);
	values[COL_ID] = UUIDPGetDatum(&id);
	values[COL_JOB_ID] = UUIDPGetDatum(&entry->job_id);
	values[COL_MEDIA_ID] = UUIDPGetDatum(&entry->media_id);
	values[COL_ACTION] = CStringGetTextDatum(action_names[entry->action]);
	nulls[COL_STATUS] = entry->to == NULL;
	values[COL_STATUS] = entry->to ? CStringGetTextDatum(entry->to) : (Datum) 0;
	values[COL_DETAILS] = build_details(history, entry);
	values[COL_TIMESTAMP] = TimestampTzGetDatum(entry->ended_at);
	rarr_append_row(history->append, values, nulls);

	MemoryContextSwitchTo(old);
	MemoryContextReset(history->row_context);
}

/*
 * Write the rows that are still buffered.  False if a row was refused at exit.
 */
static bool
end(RarrHistory *history)
{
	bool done = rarr_append_end(history->append);

	MemoryContextDelete(history->row_context);
	pfree(history);
	return done;
}

/*
 * Write the rows that are still buffered, and free the state.  Raises what
 * rarr_history_add() raises.
 */
void
rarr_history_end(RarrHistory *history)
{
	(void) end(history);
}

/*
 * Write n entries, in their order.  A function that changes jobs calls this
 * once, in the same transaction.  Raises what rarr_history_begin() and
 * rarr_history_add() raise.
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

/*
 * Like rarr_history_write(), for session exit: waits for no lock and raises no
 * error (base/append.c).  Returns false if an entry could not be written.  The
 * caller must then roll the transaction back.
 */
bool
rarr_history_write_at_exit(const RarrHistoryEntry *entries, int n)
{
	RarrAppend *append = rarr_append_begin_at_exit("processing_history", columns, NCOLUMNS);
	RarrHistory *history;

	if (append == NULL)
		return false;
	history = begin(append);
	for (int i = 0; i < n; i++)
		rarr_history_add(history, &entries[i]);
	return end(history);
}
