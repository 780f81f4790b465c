/*
 * rate.c
 *		Token buckets: their arithmetic, and buckets that are kept in a table.
 *
 * A type that has no slot in shared memory has its bucket in a row of
 * job_type_rates; see README.md.  The row's time is by the system clock,
 * because it must survive a restart of the machine.
 *
 * The caller holds the type's lock (limits.c).  So if two sessions create the
 * row at the same time, one of them sees the row of the other.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "base/schema.h"
#include "job/limits/rate.h"

enum
{
	RATE_JOB_TYPE = 1,
	RATE_TOKENS,
	RATE_REFILLED_AT,
	RATE_NCOLUMNS = RATE_REFILLED_AT
};

enum
{
	RATE_CHANGE_NEW,
	RATE_CHANGE_TAKE
};

static const RarrIndexDef rate_index = {"job_type_rates_pkey", {RATE_JOB_TYPE}};

static const RarrColumn rate_columns[] = {
	{"job_type", TEXTOID, true},
	{"tokens", FLOAT8OID, true},
	{"refilled_at", TIMESTAMPTZOID, true},
};

static const RarrChange rate_changes[] = {
	[RATE_CHANGE_NEW] = {.command = CMD_INSERT},
	[RATE_CHANGE_TAKE] = {CMD_UPDATE, {RATE_TOKENS, RATE_REFILLED_AT}},
};

static const RarrTableDef rate_table = {
	.name = "job_type_rates",
	.ncolumns = RATE_NCOLUMNS,
	.columns = rate_columns,
	.nchanges = lengthof(rate_changes),
	.changes = rate_changes,
};

/*
 * Return the number of tokens that a bucket has at the time now if it had this
 * number at the time since.
 *
 * This is a token bucket.  Tokens accrue at a rate of limit per interval, up
 * to limit.  Times are in microseconds, both by the same clock.  If that clock
 * was set back, no tokens are added.
 */
static double
refill(int limit, int64 interval, double tokens, int64 since, int64 now)
{
	if (now > since)
		tokens += (double) limit * ((double) now - (double) since) / interval;
	return Min(tokens, limit);
}

/*
 * Add the tokens that a filled bucket gets up to now, which is by
 * rarr_monotonic_now().  Cannot fail.
 */
void
rarr_bucket_refill(RarrBucket *bucket, int64 now)
{
	bucket->tokens = refill(bucket->limit, bucket->interval, bucket->tokens,
							bucket->refilled_at, now);
	bucket->refilled_at = now;
}

/* Return a token to a bucket, up to its limit.  Cannot fail. */
void
rarr_bucket_return(RarrBucket *bucket)
{
	bucket->tokens = Min(bucket->tokens + 1, bucket->filled ? bucket->limit : 0);
}

/* Find the type's row by this snapshot, and store it in table->oldslot. */
static bool
find_row(RarrTable *table, const RarrJobType *type, Snapshot snapshot)
{
	Relation index = rarr_table_index(table, &rate_index);
	IndexScanDesc scan = rarr_index_beginscan(table->rel, index, snapshot, 1);
	ScanKeyData key;
	bool found;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], F_TEXTEQ, CStringGetTextDatum(type->name));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->oldslot);
	index_endscan(scan);
	return found;
}

/*
 * Lock the row in table->oldslot.  False if another transaction has locked it.
 */
static bool
lock_row(RarrTable *table)
{
	ItemPointerData tid = table->oldslot->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(table->rel, &tid, SnapshotSelf, table->oldslot, GetCurrentCommandId(true),
							rarr_table_lock_mode(table, 1 << RATE_CHANGE_TAKE), LockWaitSkip, 0,
							&failure) == TM_Ok;
}

static void
set_row(TupleTableSlot *slot, double tokens, TimestampTz now)
{
	slot->tts_values[RATE_TOKENS - 1] = Float8GetDatum(tokens);
	slot->tts_values[RATE_REFILLED_AT - 1] = TimestampTzGetDatum(now);
}

/* Insert a row for a bucket that is full, because nobody has taken a token. */
static void
make_row(RarrTable *table, const RarrJobType *type, TimestampTz now)
{
	TupleTableSlot *slot = table->newslot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	memset(slot->tts_isnull, false, RATE_NCOLUMNS * sizeof(bool));
	slot->tts_values[RATE_JOB_TYPE - 1] = CStringGetTextDatum(type->name);
	set_row(slot, type->rate_limit, now);
	ExecStoreVirtualTuple(slot);
	rarr_table_insert(table, RATE_CHANGE_NEW, slot);
	CommandCounterIncrement();
}

/* Lock the type's row; false if another transaction has it. */
static bool
open_bucket(RarrRate *rate, const RarrJobType *type)
{
	RarrTable *table = rarr_table_open(&rate_table);
	TimestampTz since;
	SnapshotData dirty;

	/* not the start of the dequeue: another one may have written since */
	rate->now = GetCurrentTimestamp();
	rate->table = table;
	InitDirtySnapshot(dirty);
	if (!find_row(table, type, SnapshotSelf))
	{
		if (find_row(table, type, &dirty))
			return false; /* another transaction is inserting it */
		make_row(table, type, rate->now);
		if (!find_row(table, type, SnapshotSelf))
			return false;
	}
	if (!lock_row(table))
		return false;
	slot_getallattrs(table->oldslot);
	since = DatumGetTimestampTz(table->oldslot->tts_values[RATE_REFILLED_AT - 1]);
	rate->tokens = refill(type->rate_limit, type->rate_interval,
						  DatumGetFloat8(table->oldslot->tts_values[RATE_TOKENS - 1]),
						  since, rate->now);

	/*
	 * If the clock was set back, store the new time, so that the bucket fills
	 * from now on.
	 */
	rate->changed = since > rate->now;
	return true;
}

/*
 * Take a token from the type's row.  False if there is none, or if another
 * transaction has locked the row.
 *
 * All zero at first, *rate is the state of one call of a dequeue.  Raises
 * 25006 in a read-only transaction, and 55000 if the table is not as the
 * extension created it.
 */
bool
rarr_rate_take(RarrRate *rate, const RarrJobType *type)
{
	if (!rate->asked)
	{
		rate->asked = true;

		/* the library is newer than the schema, which has no such table */
		if (!OidIsValid(get_relname_relid(rate_table.name, get_namespace_oid(RARR_SCHEMA, false))))
			rate->tokens = type->rate_limit;
		else if (!open_bucket(rate, type))
			rate->tokens = 0;
	}
	if (rate->tokens < 1)
		return false;
	rate->tokens -= 1;
	rate->changed = true;
	return true;
}

/* Return a token.  Cannot fail. */
void
rarr_rate_return(RarrRate *rate)
{
	rate->tokens += 1;
}

/*
 * Write the tokens that are left, and close the table.  Needs an active
 * snapshot.  Raises 09000 if a user's trigger suppresses the update, and the
 * errors of the table's constraints.
 */
void
rarr_rate_close(RarrRate *rate)
{
	RarrTable *table = rate->table;

	if (table == NULL)
		return;
	if (rate->changed)
	{
		rarr_table_copy_row(table->newslot, table->oldslot);
		set_row(table->newslot, rate->tokens, rate->now);
		if (!rarr_table_update(table, RATE_CHANGE_TAKE, table->oldslot, table->newslot))
			rarr_table_refused(table);
	}
	rarr_table_close(table);
	rate->table = NULL;
}
