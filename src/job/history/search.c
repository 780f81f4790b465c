/*
 * search.c
 *		Record in tracked items how the jobs that searched for them ended.
 *
 * wanted_enqueue() makes jobs whose unique key names a tracked item.  When such
 * a job is completed or fails for good, the item's search_count,
 * failed_search_count, last_search_at and next_search_at are set, in the same
 * transaction.  Other jobs cost a look at their key, which is nearly always NULL.
 *
 * Items are locked in order of id after all jobs of the call.  The row is
 * written as the rows of jobs are: EXECUTE on the function is all the caller
 * needs, and users' row triggers fire.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/backoff.h"
#include "base/compat.h"
#include "base/duration.h"
#include "base/guc.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "base/schema.h"
#include "job/core/job_row.h"
#include "job/history/search.h"

#define UUID_TEXT_LEN 36

/* columns of tracked_items by number, as far as they are used */
enum
{
	ITEM_ID = 1,
	ITEM_LAST_SEARCH_AT = 14,
	ITEM_SEARCH_COUNT,
	ITEM_FAILED_SEARCH_COUNT,
	ITEM_NEXT_SEARCH_AT,
	ITEM_UPDATED_AT = 20
};

static const RarrColumn item_columns[] = {
	{"id", UUIDOID, true},
	{"instance_id", UUIDOID},
	{"kind", TEXTOID},
	{"service_id", INT8OID},
	{"media_id", UUIDOID},
	{"monitored", BOOLOID},
	{"has_file", BOOLOID},
	{"available_from", TIMESTAMPTZOID},
	{"quality_profile_id", INT4OID},
	{"custom_format_score", INT4OID},
	{"quality_cutoff_met", BOOLOID},
	{"added_at", TIMESTAMPTZOID},
	{"sort_title", TEXTOID},
	{"last_search_at", TIMESTAMPTZOID},
	{"search_count", INT4OID, true},
	{"failed_search_count", INT4OID, true},
	{"next_search_at", TIMESTAMPTZOID},
	{"payload", JSONBOID},
	{"created_at", TIMESTAMPTZOID},
	{"updated_at", TIMESTAMPTZOID, true},
};

static const RarrIndexDef item_id_index = {"tracked_items_pkey", {ITEM_ID}};

static const RarrChange item_changes[] = {
	{CMD_UPDATE, {ITEM_LAST_SEARCH_AT, ITEM_SEARCH_COUNT, ITEM_FAILED_SEARCH_COUNT, ITEM_NEXT_SEARCH_AT, ITEM_UPDATED_AT}},
};

static const RarrTableDef item_table = {
	.name = "tracked_items",
	.ncolumns = lengthof(item_columns),
	.columns = item_columns,
	.nchanges = lengthof(item_changes),
	.changes = item_changes,
};

/* Read the digits of a UUID in the server's output format; false for other text. */
static bool
read_uuid(const char *text, pg_uuid_t *id)
{
	int n = 0;

	for (int i = 0; i < UUID_TEXT_LEN; i++)
	{
		char c = text[i];
		int digit = c >= '0' && c <= '9' ? c - '0' :
					c >= 'a' && c <= 'f' ? c - 'a' + 10 :
										   -1;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (c != '-')
				return false;
			continue;
		}
		if (digit < 0)
			return false;
		id->data[n / 2] = n % 2 == 0 ? digit << 4 : id->data[n / 2] | digit;
		n++;
	}
	return true;
}

/*
 * Find the tracked item that a job, deformed, searches for.  Returns false if it
 * searches for none.  Raises no error.
 */
bool
rarr_search_of_job(TupleTableSlot *job, pg_uuid_t *item_id)
{
	const int prefix = sizeof(RARR_SEARCH_KEY) - 1;
	const struct varlena *key;

	if (rarr_job_is_null(job, JOB_UNIQUE_KEY))
		return false;

	/* a key of this length is stored as it is, unless the table has been altered */
	key = (const struct varlena *) DatumGetPointer(rarr_job_value(job, JOB_UNIQUE_KEY));
	return !VARATT_IS_COMPRESSED(key) && !VARATT_IS_EXTERNAL(key) &&
		   VARSIZE_ANY_EXHDR(key) == prefix + UUID_TEXT_LEN &&
		   memcmp(VARDATA_ANY(key), RARR_SEARCH_KEY, prefix) == 0 &&
		   read_uuid(VARDATA_ANY(key) + prefix, item_id);
}

/* By item, and then in the order in which the jobs ended. */
static int
compare_searches(const void *a, const void *b)
{
	const RarrSearch *one = a;
	const RarrSearch *other = b;
	int order = memcmp(&one->item_id, &other->item_id, UUID_LEN);

	if (order != 0)
		return order;
	return one->ended_at < other->ended_at ? -1 : one->ended_at > other->ended_at;
}

/* Find the item's row that the active snapshot sees. */
static bool
find_item(RarrTable *items, const pg_uuid_t *id)
{
	Relation index = rarr_table_index(items, &item_id_index);
	IndexScanDesc scan = rarr_index_beginscan(items->rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, items->oldslot);
	index_endscan(scan);
	return found;
}

/*
 * Lock the item's row, and put its latest version into items->oldslot.  Returns
 * false if there is none, or if it is locked and may_wait is false.  Under
 * REPEATABLE READ and SERIALIZABLE, if it changed after the snapshot, raises 40001,
 * or returns false if may_wait is false: a claim never fails for that.
 */
static bool
lock_item(RarrTable *items, const pg_uuid_t *id, bool may_wait)
{
	TupleTableSlot *slot = items->oldslot;
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result result;

	if (!find_item(items, id))
		return false;
	tid = slot->tts_tid;
	result = table_tuple_lock(items->rel, &tid, GetActiveSnapshot(), slot, GetCurrentCommandId(false),
							  rarr_table_lock_mode(items, 1), may_wait ? LockWaitBlock : LockWaitSkip,
							  IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	if (may_wait && IsolationUsesXactSnapshot() && result == TM_Updated)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errhint("Run the transaction again.")));
	if (result != TM_Ok)
	{
		ExecClearTuple(slot);
		return false;
	}
	slot_getallattrs(slot);
	return memcmp(DatumGetUUIDP(slot->tts_values[ITEM_ID - 1]), id, UUID_LEN) == 0;
}

static void
set(TupleTableSlot *slot, int column, Datum value)
{
	slot->tts_values[column - 1] = value;
	slot->tts_isnull[column - 1] = false;
}

static int
plus_one(Datum count)
{
	return DatumGetInt32(count) < PG_INT32_MAX ? DatumGetInt32(count) + 1 : PG_INT32_MAX;
}

/* After what time, in microseconds, is an item due again that failed this often? */
static int64
delay_after(int failures)
{
	int64 interval = rarr_search_interval * USECS_PER_SEC;
	int64 retry = rarr_search_retry_interval * USECS_PER_SEC;

	if (failures == 0)
		return interval;
	return rarr_backoff_delay(RARR_BACKOFF_EXPONENTIAL, retry, Max(interval, retry), 0.1, failures - 1,
							  pg_prng_double(&pg_global_prng_state));
}

/* Write the n searches of one item, in the order of their ends. */
static void
write_item(RarrTable *items, const RarrSearch *searches, int n)
{
	TupleTableSlot *slot = items->newslot;
	const RarrSearch *last = &searches[n - 1];
	bool may_wait = false;
	Datum *values;

	for (int i = 0; i < n; i++)
		may_wait |= searches[i].may_wait;
	if (!lock_item(items, &last->item_id, may_wait))
		return;
	rarr_table_copy_row(slot, items->oldslot);
	values = slot->tts_values;
	for (int i = 0; i < n; i++)
	{
		set(slot, ITEM_SEARCH_COUNT, Int32GetDatum(plus_one(values[ITEM_SEARCH_COUNT - 1])));
		set(slot, ITEM_FAILED_SEARCH_COUNT,
			Int32GetDatum(searches[i].failed ? plus_one(values[ITEM_FAILED_SEARCH_COUNT - 1]) : 0));
	}
	set(slot, ITEM_LAST_SEARCH_AT, TimestampTzGetDatum(last->ended_at));
	set(slot, ITEM_NEXT_SEARCH_AT,
		TimestampTzGetDatum(last->ended_at + delay_after(DatumGetInt32(values[ITEM_FAILED_SEARCH_COUNT - 1]))));
	set(slot, ITEM_UPDATED_AT,
		TimestampTzGetDatum(rarr_time_after(last->ended_at, DatumGetTimestampTz(values[ITEM_UPDATED_AT - 1]))));
	(void) rarr_table_update(items, 0, items->oldslot, slot);
}

/*
 * Record the ends of n searches, which this sorts.  Requires an active snapshot.
 * An item that is gone is left out, and so is one whose update a user's trigger
 * suppresses.
 */
void
rarr_searches_write(RarrSearch *searches, int n)
{
	RarrTable *items;
	int first = 0;

	/* users can make such keys before version 1.13, too */
	if (!OidIsValid(rarr_find_relation(item_table.name)))
		return;
	qsort(searches, n, sizeof(RarrSearch), compare_searches);
	items = rarr_table_open(&item_table);
	for (int i = 1; i <= n; i++)
	{
		if (i < n && memcmp(&searches[i].item_id, &searches[first].item_id, UUID_LEN) == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		write_item(items, &searches[first], i - first);
		first = i;
	}
	rarr_table_close(items);
}
