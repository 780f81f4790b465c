/*
 * history.c
 *		What happened to jobs, put on record in processing_history.
 *
 * Each attempt leaves one row when it ends, and each other change of a job's
 * status its own, in the transaction that makes the change.  The functions
 * that change jobs say what they did; for plain DML, cascades and TRUNCATE,
 * trigger.c finds it out.  Either way, all rows of a statement are written in
 * one go.
 *
 * A row must never fail because of what the job holds, or the job could be
 * neither claimed, finished nor deleted: jobs that are older than the limits
 * of worker_input.c may hold more, and lose the end of it here.
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
	MemoryContext context;		/* that the history lives in */
	MemoryContext row_context;	/* reset after each row */
	Jsonb	   *by;				/* who works; NULL until it is needed */
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

/* Who works in this session, as an object, made once for all rows. */
static Jsonb *
who_works(RarrHistory *history)
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

/* Adds a text that is cut short where it is longer than max_bytes. */
static void
put_clipped(JsonbParseState **state, const char *name, const char *text, int max_bytes)
{
	if (text)
		rarr_json_put_text(state, name, rarr_clip_text(text, max_bytes));
}

/* The details of an entry; keys without a value are absent. */
static Datum
build_details(RarrHistory *history, const RarrHistoryEntry *entry)
{
	JsonbParseState *state = NULL;

	/* in the order in which jsonb keeps its keys: the shortest first */
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (entry->by_operator)
	{
		Jsonb	   *by = who_works(history);
		JsonbValue	value;

		value.type = jbvBinary;
		value.val.binary.data = &by->root;
		value.val.binary.len = VARSIZE(by) - VARHDRSZ;
		rarr_json_put(&state, "by", &value);
	}
	put_text(&state, "from", entry->from);
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
 * Begins to write; many rows cost no more memory than one.  The caller has
 * made sure that the transaction may write.
 */
RarrHistory *
rarr_history_begin(void)
{
	return begin(rarr_append_begin("processing_history", columns, NCOLUMNS));
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
	values[COL_DETAILS] = build_details(history, entry);
	values[COL_TIMESTAMP] = TimestampTzGetDatum(entry->ended_at);
	rarr_append_row(history->append, values, nulls);

	MemoryContextSwitchTo(old);
	MemoryContextReset(history->row_context);
}

static bool
end(RarrHistory *history)
{
	bool		done = rarr_append_end(history->append);

	MemoryContextDelete(history->row_context);
	pfree(history);
	return done;
}

void
rarr_history_end(RarrHistory *history)
{
	(void) end(history);
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

/*
 * rarr_history_write for a session that ends, which waits for nothing and raises
 * no error (base/append.c).  False if not all is on record: then the transaction
 * must not commit.
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
